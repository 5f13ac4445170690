/** The load generator's handle: `bench/load.c`, or where there is no compiler `bench/load.ts`, as a process of its own. */
import { TextLineStream } from "@std/streams/text-line-stream";
import { compile, LOAD_CORE, onCore } from "./tools.ts";

/** Someone who may log in. */
export interface User {
  id: number;
  token: string;
}

/** What is sent, and how. */
export interface LoadOptions {
  /** Of what is sent; default SIGNAL. */
  msgid?: number;
  /** Of LOGIN; default 2. */
  proto?: number;
  /** So many users one after the other are devices of one, and each message goes to all devices of both ends; default 1. */
  devices?: number;
  /** Messages in flight per sender; default 1. */
  window?: number;
  /** The first user sends to this group of all others, instead of every second to the one that follows. */
  group?: number;
  /** The last user only sends PINGs and waits for their PONGs. */
  probe?: boolean;
}

/** One measured stretch. Times in microseconds. */
export interface Run {
  /** Deliveries per second. */
  rate: number;
  /** From sending to the (last) delivery. */
  p50_us: number;
  p99_us: number;
  /** Deliveries from the run's beginning to its end, also what was not measured. */
  total: number;
  /** The generator's own share of a core. */
  load: number;
  /** Deliveries of the slowest and of the fastest sender. */
  least: number;
  most: number;
  probe_p50_us: number;
  probe_max_us: number;
}

/** A login of everyone, 64 at a time. */
export interface Logins {
  count: number;
  seconds: number;
  load: number;
  p50_us: number;
  p99_us: number;
}

/** The compiled generator; undefined: there is no compiler, and the script is used. */
export const compiled: string | undefined = await compile("load");

/** One process of clients. Killed when it is disposed of. */
export class Load implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #killed = false;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
  }

  /** Starts the process; nobody is connected yet. Several ports: users connect to one after the other in turn. A number of users: connections without a login. */
  static async start(port: number | readonly number[], users: readonly User[] | number, options: LoadOptions = {}): Promise<Load> {
    const { msgid = 21, proto = 2, devices = 1, window = 1, group, probe } = options;
    const script = new URL("./load.ts", import.meta.url).pathname;
    const program = compiled ? [compiled] : [Deno.execPath(), "run", "-A", "--quiet", script];
    const numbers = ["-m", msgid, "-v", proto, "-d", devices, "-w", window, ...(group === undefined ? [] : ["-g", group])].map(String);
    const args = ["-p", [port].flat().join(), ...numbers, ...(probe ? ["-i"] : [])];
    const [command, ...rest] = onCore(LOAD_CORE, [...program, ...args]);
    const load = new Load(new Deno.Command(command!, { args: rest, stdin: "piped", stdout: "piped" }).spawn());
    const lines = typeof users === "number"
      ? Array.from({ length: users }, (_, i) => `${i + 1} -\n`)
      : users.map(({ id, token }) => `${id} ${token}\n`);
    await load.#write(lines.join("") + "\n");
    return load;
  }

  /** Everyone connects and logs in. */
  login(): Promise<Logins> {
    return this.#ask("login") as Promise<Logins>;
  }

  /** Sends for `warm` ms, then measures for `length` ms. */
  run(warm: number, length: number): Promise<Run> {
    return this.#ask(`run ${warm} ${length}`) as Promise<Run>;
  }

  /** Closes all connections. */
  async drop(): Promise<void> {
    await this.#ask("drop");
  }

  /** Kills all clients, in one instant. */
  kill(): void {
    if (this.#killed) return;
    this.#killed = true;
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself, and said why.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#child.status;
    await this.#lines.cancel();
    await this.#writer.abort().catch(() => {});
  }

  async #ask(command: string): Promise<unknown> {
    await this.#write(command + "\n");
    const { value } = await this.#lines.read();
    if (value === undefined) throw new Error(`the load generator ended at "${command}"`);
    return JSON.parse(value);
  }

  #write(text: string): Promise<void> {
    return this.#writer.write(new TextEncoder().encode(text));
  }
}
