/** What the benchmarks use of the machine: a C compiler if there is one, cores to keep apart, the kernel's accounts of a process. Linux only. */

/** A process that has printed its port. */
export interface ServerProcess extends AsyncDisposable {
  pid: number;
  port: number;
  /** Seconds of CPU time so far. */
  cpu(): Promise<number>;
  /** Resident bytes. */
  memory(): Promise<number>;
}

/** Linux counts a process's time in hundredths of a second, and its memory in pages. */
const TICKS_PER_SECOND = 100, PAGE = 4096;

const out = new URL("./out/", import.meta.url).pathname;
/** Servers run on one core and their load on another, where both can be had: a load that shares the server's core would measure itself. */
const apart = navigator.hardwareConcurrency > 1 && await exists("taskset");
/** The core of the load generator. */
export const LOAD_CORE: number | undefined = apart ? 1 : undefined;
const SERVER_CORE = apart ? 0 : undefined;

/** The command that runs another on a core of its own. */
export function onCore(core: number | undefined, command: string[]): string[] {
  return core === undefined ? command : ["taskset", "-c", String(core), ...command];
}

/** Whether this process may run others ahead of the rest of the machine. */
const mayLead = await exists("chrt") && (await new Deno.Command("chrt", { args: ["-r", "1", "true"], stderr: "null" }).output()).success;

/**
 * The command that runs another ahead of all processes that are not run so, as if those were on machines of their own; it has all cores. Where that is not allowed
 * (it takes root) it changes nothing.
 */
export function ahead(command: string[]): string[] {
  return mayLead ? ["chrt", "-r", "1", ...command] : command;
}

/** The same for a process that runs, by default this one, but not for those that it starts. */
export async function goAhead(pid = Deno.pid): Promise<void> {
  if (mayLead) await new Deno.Command("chrt", { args: ["--all-tasks", "--reset-on-fork", "-r", "-p", "1", String(pid)] }).output();
}

/** Compiles `bench/NAME.c`. @returns the program; undefined: there is no compiler */
export async function compile(name: string): Promise<string | undefined> {
  const source = new URL(`./${name}.c`, import.meta.url).pathname;
  for (const compiler of ["cc", "gcc", "clang"]) {
    if (!await exists(compiler)) continue;
    await Deno.mkdir(out, { recursive: true });
    const program = out + name;
    // Renamed when it is complete, so that two benchmarks at once do no harm.
    const fresh = `${program}.${Deno.pid}`;
    const { success, stderr } = await new Deno.Command(compiler, { args: ["-O2", "-o", fresh, source], stdin: "null" }).output();
    if (!success) {
      console.error(`${compiler} cannot compile ${name}.c: ${new TextDecoder().decode(stderr)}`);
      return undefined;
    }
    await Deno.rename(fresh, program);
    return program;
  }
  return undefined;
}

/** Starts a server on the servers' core, or `ahead`; resolves when it has printed a line with its port, and stops it when disposed of. */
export async function spawnServer(command: string[], port: RegExp, leads = false): Promise<ServerProcess> {
  const [program, ...args] = leads ? ahead(command) : onCore(SERVER_CORE, command);
  const child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  const ready = new TextDecoder().decode((await reader.read()).value);
  const { pid } = child;
  return {
    pid,
    port: Number(port.exec(ready)?.[1]),
    async cpu() {
      const fields = (await Deno.readTextFile(`/proc/${pid}/stat`)).split(") ")[1]!.split(" ");
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
    async memory() {
      return Number((await Deno.readTextFile(`/proc/${pid}/statm`)).split(" ")[1]) * PAGE;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await reader.cancel();
    },
  };
}

/** Starts one of the baselines of `bench/raw_relay.ts`. */
export function spawnRawRelay(...mode: string[]): Promise<ServerProcess> {
  const script = new URL("./raw_relay.ts", import.meta.url).pathname;
  return spawnServer([Deno.execPath(), "run", "-A", "--quiet", script, ...mode], /ready (\d+)/);
}

async function exists(command: string): Promise<boolean> {
  const { success } = await new Deno.Command("sh", { args: ["-c", `command -v ${command}`], stdin: "null", stdout: "null" }).output();
  return success;
}
