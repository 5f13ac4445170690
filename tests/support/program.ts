// natter as a process, with all that it says and its exit code.

import { deadline } from "@std/async/deadline";

const ROOT = new URL("../../", import.meta.url).pathname;

/** `natter` run from its source, with the permissions that `deno task start` gives it. */
export const fromSource = [Deno.execPath(), "run", "--no-prompt", "--quiet", `--config=${ROOT}deno.json`, "-P=server", `${ROOT}main.ts`];
/** The same, but that it hashes cheaply: for servers of which a test wants many passwords hashed, and is not about that. It takes no command. */
export const cheapServer = [...fromSource.slice(0, -1), `${ROOT}tests/support/cheap_passwords.ts`];
/** `deno task start`. */
export const asTask = [Deno.execPath(), "task", "--quiet", `--config=${ROOT}deno.json`, "start"];

/** How long a program may take to be ready, and to end (ms). Machines that test are busy. */
const PATIENCE = 60_000;

export interface RunOptions {
  /** The program and its first arguments; by default {@linkcode fromSource}. */
  program?: string[];
  /** Its whole environment, but for what Deno itself needs when it runs from source. */
  env?: Record<string, string>;
  cwd?: string;
  /** What stands on its stdin; without it there is none. */
  input?: string | undefined;
  /** What a shell does before it becomes the program, such as `ulimit -n 300`. */
  shell?: string;
}

/** What a program did, from start to end. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** A program under way. When it is disposed of, it is killed. */
export class Program implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #stdout: Promise<string>;
  readonly #stderr: Promise<string>;
  readonly #firstLine = Promise.withResolvers<string>();

  constructor(args: string[], { program = fromSource, env = {}, cwd, shell, input }: RunOptions = {}) {
    const [command, ...first] = shell ? ["/bin/sh", "-c", `${shell}; exec "$@"`, "sh", ...program] : program;
    this.#process = new Deno.Command(command, {
      args: [...first, ...args],
      // What is not natter's own to read decides only where Deno finds its cache.
      env: [fromSource, cheapServer, asTask].includes(program) ? { ...denoEnv(), ...env } : env,
      clearEnv: true,
      cwd,
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (input !== undefined) void new Response(input).body!.pipeTo(this.#process.stdin).catch(() => {});
    this.#stdout = this.#read();
    this.#stderr = new Response(this.#process.stderr).text();
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The ports of the ready line, by their listener's name. Rejects with what the program said if it ends before. */
  async ready(): Promise<Record<string, number>> {
    const line = await deadline(this.#firstLine.promise, PATIENCE);
    const [, list] = /^natter ready((?: [a-z]+=\S+:\d+)+)$/.exec(line) ?? [];
    if (list === undefined) throw new Error(`not ready: ${line} ${JSON.stringify(await this.ended())}`);
    return Object.fromEntries(list.trim().split(" ").map((part) => [part.split("=")[0], Number(part.slice(part.lastIndexOf(":") + 1))]));
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Waits for the end. */
  async ended(): Promise<Ended> {
    const { code } = await deadline(this.#process.status, PATIENCE);
    return { code, stdout: await this.#stdout, stderr: await this.#stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await Promise.all([this.#process.status, this.#stdout, this.#stderr]);
  }

  async #read(): Promise<string> {
    let text = "";
    for await (const part of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (text.includes("\n")) this.#firstLine.resolve(text.split("\n")[0]);
    }
    this.#firstLine.resolve(text);
    return text;
  }
}

/** Runs to the end. */
export async function run(args: string[], options?: RunOptions): Promise<Ended> {
  await using program = new Program(args, options);
  return await program.ended();
}

/** What Deno needs of the environment when it runs from source. */
export function denoEnv(): Record<string, string> {
  const names = ["HOME", "DENO_DIR", "XDG_CACHE_HOME", "DENO_TLS_CA_STORE", "LOCALAPPDATA"];
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}
