/** Ordinary users beside whom something is done: 200, say, who each say something once a second. */
import { makeUsers, type Natter } from "./support.ts";
import { ahead } from "./tools.ts";

/** How long a message took from its sender to its receiver (ms). */
export interface Summary {
  p50: number;
  p99: number;
}

/** A process of them (`bench/chatters.ts`), logged in. */
export class Ordinary implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #output = "";

  private constructor(port: number, proxied: boolean) {
    const script = new URL("./chatters.ts", import.meta.url).pathname;
    // What they measure is the server, not what else is done beside them.
    const [program, ...args] = ahead([Deno.execPath(), "run", "-A", "--quiet", script, String(port), String(proxied)]);
    this.#child = new Deno.Command(program!, { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** An even number of them. `proxied`: each comes from an address of their own, as a proxy says. */
  static async start(natter: Natter, count: number, proxied: boolean): Promise<Ordinary> {
    const ordinary = new Ordinary(natter.port, proxied);
    await ordinary.#ask(await makeUsers(natter, count));
    // What happens once, happens now.
    await ordinary.measure(3);
    return ordinary;
  }

  /** What they say in so many seconds. */
  async measure(seconds: number): Promise<Summary> {
    const took = JSON.parse(await this.#ask(seconds)) as number[];
    return { p50: at(took, 0.5), p99: at(took, 0.99) };
  }

  /** Says a line to them, and takes the line they say. */
  async #ask(line: unknown): Promise<string> {
    await this.#writer.write(new TextEncoder().encode(JSON.stringify(line) + "\n"));
    while (!this.#output.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error("the chatters have ended");
      this.#output += value;
    }
    const end = this.#output.indexOf("\n");
    const answer = this.#output.slice(0, end);
    this.#output = this.#output.slice(end + 1);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#child.status;
  }
}

function at(values: readonly number[], p: number): number {
  return Math.round(100 * values.toSorted((a, b) => a - b)[Math.floor(values.length * p)]!) / 100;
}

/** Of several rounds, since machines have other things to do. */
export function medians(rounds: readonly Summary[]): Summary {
  return { p50: at(rounds.map((r) => r.p50), 0.5), p99: at(rounds.map((r) => r.p99), 0.5) };
}
