// `natter serve` as a process under fuzzed input, beside a steady client, and what became of both.

import { parseConfig } from "../../src/config/config.ts";
import { openStore } from "../../src/store/open.ts";
import { fuzz, makeKnown } from "./fuzz.ts";
import { residentMemory, spawnServer } from "./server.ts";
import { giveTokens } from "./tokens.ts";

export interface FuzzReport {
  seed: number;
  inputs: number;
  seconds: number;
  perSecond: number;
  connections: number;
  /** Of the steady client (ms); `timerP99` is how late its own timer was: what the machine does to it. */
  latency: { requests: number; p50: number; p99: number; max: number; timerP99: number };
  /** Resident memory of the server (MiB): after a tenth of the inputs, at its most, and when all have gone. */
  memory: { before: number; most: number; after: number };
  /** Lines from the server, by msgid and errno. */
  answers: Record<string, number>;
  /** What the log has at level error, and whatever else says that something failed. */
  failures: string[];
  exitCode: number;
}

/** How long the memory may take to come back (ms). */
const SETTLE_MS = 3000;

/** Starts a server on `database` (by default a SQLite file of its own), lets the fuzzer at it, stops it. `progress` is told the inputs done and the memory (bytes). */
export async function fuzzServer(
  { count, seed, database, progress }: { count: number; seed: number; database?: string; progress?: (done: number, memory: number) => void },
): Promise<FuzzReport> {
  const folder = await Deno.makeTempDir({ prefix: "natter_fuzz_" });
  const url = database ?? `sqlite:${folder}/natter.db`;
  try {
    const server = await spawnServer({ url }, { limits: "off", "log-level": "warning" });
    const store = await openStore(parseConfig(["--database", url], () => undefined));
    try {
      await makeKnown(store);
      const steady = await startSteady(server.port, (await store.createUser("steady", "steady", "none"))!, url);
      let before = 0, most = 0;
      const begun = performance.now();
      const watching = setInterval(async () => most = Math.max(most, await residentMemory(server)), 100);
      const { inputs, connections, answers } = await fuzz({
        port: server.port,
        url,
        seed,
        count,
        progress: async (done) => {
          const memory = await residentMemory(server);
          if (before === 0 && done >= count / 10) before = memory;
          progress?.(done, memory);
        },
      });
      const seconds = (performance.now() - begun) / 1000;
      // The steady client goes on, so that the server has reason to tidy up.
      const after = await settled(() => residentMemory(server), before);
      clearInterval(watching);
      const [took, late] = await steady.end();
      const exitCode = await server.stop();
      return {
        seed,
        inputs,
        seconds,
        perSecond: Math.round(inputs / seconds),
        connections,
        latency: { requests: took.length, p50: at(took, 0.5), p99: at(took, 0.99), max: at(took, 1), timerP99: at(late, 0.99) },
        memory: { before: mib(before), most: mib(most), after: mib(after) },
        answers: Object.fromEntries([...answers].sort()),
        failures: failuresIn(await server.log),
        exitCode,
      };
    } finally {
      await store.close();
      await server[Symbol.asyncDispose]();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The least that is measured within {@linkcode SETTLE_MS}, or what is at most `goal`. */
async function settled(measure: () => Promise<number>, goal: number): Promise<number> {
  let least = await measure();
  for (const begun = performance.now(); least > goal && performance.now() - begun < SETTLE_MS;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    least = Math.min(least, await measure());
  }
  return least;
}

/** The steady client. `end` resolves to how long its answers took, and how late its timer was (ms), the least first. */
async function startSteady(port: number, id: number, url: string): Promise<{ end(): Promise<[took: number[], late: number[]]> }> {
  const script = new URL("./steady_client.ts", import.meta.url).pathname;
  const [token] = await giveTokens(url, [id]);
  const args = ["run", "-A", "--quiet", script, String(port), String(id), token!];
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped", stderr: "inherit" }).spawn();
  return {
    async end() {
      await child.stdin.close();
      const { stdout } = await child.output();
      const [took, late] = JSON.parse(new TextDecoder().decode(stdout)) as [number[], number[]];
      return [took.sort((a, b) => a - b), late.sort((a, b) => a - b)];
    },
  };
}

function failuresIn(log: string): string[] {
  return log.split("\n").filter((line) => line !== "" && (!line.startsWith("{") || line.includes('"level":"error"') || line.includes("failed")));
}

const at = (sorted: number[], p: number) => Math.round(100 * sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]!) / 100;
const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
