/**
 * How long a server computes for others before it answers somebody: the CPU time of its main thread between a PING and its PONG (Linux). Unlike what a clock says this
 * is the same on a busy machine.
 */
import { makeUsers, type Natter } from "./support.ts";

/** Who ask in turn, each less often than the limits allow. */
const ASKING = 20;
/** Between two questions (ms). */
const PAUSE = 5;

const encoder = new TextEncoder();

/** Of some seconds (ms). */
export interface Held {
  p99: number;
  most: number;
}

/** Who ask, logged in. */
export class Asking implements Disposable {
  readonly #conns: Deno.TcpConn[] = [];

  private constructor(private readonly natter: Natter) {}

  /** Each comes from an address of their own, as a proxy says. */
  static async start(natter: Natter): Promise<Asking> {
    const asking = new Asking(natter);
    for (const { id, token } of await makeUsers(natter, ASKING)) {
      const conn = await Deno.connect({ port: natter.port });
      asking.#conns.push(conn);
      conn.setNoDelay(true);
      const proxied = `PROXY TCP4 10.2.${id >> 8 & 255}.${id & 255} 127.0.0.1 4000 6000\r\n`;
      await conn.write(encoder.encode(`${proxied}${JSON.stringify({ msgid: 1, id, token, proto: 2 })}\n`));
      await conn.read(new Uint8Array(65_536));
    }
    return asking;
  }

  async measure(seconds: number): Promise<Held> {
    const held: number[] = [];
    const ping = encoder.encode('{"msgid":13}\n'), buffer = new Uint8Array(65_536);
    const end = performance.now() + seconds * 1000;
    for (let i = 0; performance.now() < end; i++) {
      const conn = this.#conns[i % ASKING]!;
      const before = this.#computed();
      await conn.write(ping);
      await conn.read(buffer);
      held.push(this.#computed() - before);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    held.sort((a, b) => a - b);
    const round = (ms: number) => Number(ms.toFixed(1));
    return { p99: round(held[Math.floor(held.length * 0.99)]!), most: round(held.at(-1)!) };
  }

  /** ms. */
  #computed(): number {
    return Number(Deno.readTextFileSync(`/proc/${this.natter.pid}/schedstat`).split(" ")[0]) / 1e6;
  }

  [Symbol.dispose](): void {
    for (const conn of this.#conns) conn.close();
  }
}
