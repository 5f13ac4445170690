/** Lines over TCP or TLS, for programs that run on Deno. */
import { setImmediate } from "node:timers";
import type { ClientTransport, Connect, TransportEvents } from "./transport.ts";

/** Where the server is. */
export interface TcpOptions {
  /** Default `127.0.0.1`. */
  hostname?: string;
  /** The TCP or TLS port. */
  port: number;
  /** Speak TLS: `true`, or with the certificates (PEM) of authorities to be believed beside the usual ones. */
  tls?: boolean | { caCerts: string[] };
}

/** How long {@linkcode ClientTransport.close} waits for what is not written yet (ms). */
const UNWRITTEN_MS = 1000;

/**
 * Connects to a server's TCP or TLS address.
 *
 * ```ts
 * import { NatterClient } from "./natter_client.ts";
 * import { tcp } from "./tcp_transport.ts";
 *
 * const client = new NatterClient({ connect: tcp({ port: 6000 }) });
 * ```
 */
export function tcp({ hostname = "127.0.0.1", port, tls }: TcpOptions): Connect {
  return async (events, signal) => {
    const conn = await Deno.connect({ hostname, port, signal });
    conn.setNoDelay(true);
    if (!tls) return new TcpTransport(conn, events);
    const secure = await Deno.startTls(conn, { hostname, ...(tls === true ? {} : tls) });
    const abort = () => secure.close();
    signal.addEventListener("abort", abort);
    try {
      await secure.handshake();
    } catch (error) {
      if (!signal.aborted) secure.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
    return new TcpTransport(secure, events);
  };
}

/** One write at a time; what is sent meanwhile, or in the same turn of the loop, goes with the next. */
class TcpTransport implements ClientTransport {
  readonly #conn: Deno.Conn;
  readonly #done: Promise<void>;
  readonly #encoder = new TextEncoder();
  #outgoing = "";
  #flushing: Promise<void> | undefined;
  #closed = false;

  constructor(conn: Deno.Conn, events: TransportEvents) {
    this.#conn = conn;
    this.#done = this.#read(events);
  }

  send(line: string): void {
    if (this.#closed) return;
    this.#outgoing += line + "\n";
    this.#flushing ??= this.#flush();
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      if (this.#flushing) {
        let timer: ReturnType<typeof setTimeout> | undefined;
        await Promise.race([this.#flushing, new Promise((resolve) => timer = setTimeout(resolve, UNWRITTEN_MS))]);
        clearTimeout(timer);
      }
      this.#release();
    }
    await this.#done;
  }

  /** Ends reading and writing, whatever waits. The connection may be closed already, by its other end's doing. */
  #release(): void {
    this.#closed = true;
    try {
      this.#conn.close();
    } catch {
      // Closed already.
    }
  }

  async #read(events: TransportEvents): Promise<void> {
    const buffer = new Uint8Array(4096);
    const decoder = new TextDecoder();
    let unfinished = "";
    for (;;) {
      // Reset, or closed here: over either way.
      const n = await this.#conn.read(buffer).catch(() => null);
      if (n === null) break;
      const lines = (unfinished + decoder.decode(buffer.subarray(0, n), { stream: true })).split("\n");
      unfinished = lines.pop()!;
      for (const line of lines) events.line(line);
    }
    this.#release();
    events.close();
  }

  async #flush(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (this.#outgoing !== "") {
        const bytes = this.#encoder.encode(this.#outgoing);
        this.#outgoing = "";
        for (let sent = 0; sent < bytes.length;) sent += await this.#conn.write(bytes.subarray(sent));
      }
    } catch {
      this.#release();
    }
    this.#flushing = undefined;
  }
}
