/** How figures are compared: in short rounds that alternate, so that a noisy machine meets all alike. */
import { Load, type LoadOptions, type Run, type User } from "./load_generator.ts";
import type { ServerProcess } from "./tools.ts";

/** How long, and how much. */
export interface Scale {
  rounds: number;
  /** Of one stretch (ms). */
  warm: number;
  length: number;
  /** Shrinks counts of users in a smoke run. */
  users(full: number): number;
}

/** A server and its load, logged in. */
export interface Target extends AsyncDisposable {
  run(scale: Scale): Promise<Measured>;
}

/** A run, and what it cost the server. */
export interface Measured extends Run {
  /** The server's CPU time per delivery (µs). */
  cpu_us: number;
  /** The server's share of a core. */
  server: number;
}

/** Puts a server under a load that can be run again and again. */
export async function target(server: ServerProcess, users: readonly User[] | number, options: LoadOptions = {}): Promise<Target> {
  const load = await Load.start(server.port, users, options);
  await load.login();
  return {
    async run({ warm, length }) {
      const before = await server.cpu(), begun = performance.now();
      const run = await load.run(warm, length);
      const cpu = await server.cpu() - before;
      return { ...run, cpu_us: cpu / run.total * 1e6, server: cpu / (performance.now() - begun) * 1000 };
    },
    [Symbol.asyncDispose]: () => load[Symbol.asyncDispose](),
  };
}

/** Runs all of them in each round. */
export async function alternate<K extends string>(scale: Scale, targets: Record<K, Target>): Promise<Record<K, Measured[]>> {
  const measured = Object.fromEntries(Object.keys(targets).map((name) => [name, []])) as unknown as Record<K, Measured[]>;
  for (let round = 0; round < scale.rounds; round++) {
    for (const name of Object.keys(targets) as K[]) measured[name].push(await targets[name].run(scale));
  }
  return measured;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of what each round gives. */
export function byRound(a: readonly Measured[], b: readonly Measured[], figure: (a: Measured, b: Measured) => number): number {
  return median(a.map((run, i) => figure(run, b[i]!)));
}

/** Runs in words, each figure a median: `natter 57.3k/s (p50 150, p99 420 µs; CPU 16.9 µs; server 98 %, load 55 % of a core)`. */
export function inWords(name: string, runs: readonly Measured[]): string {
  const of = (pick: (run: Measured) => number) => median(runs.map(pick));
  return `${name} ${thousands(of((r) => r.rate))}/s (p50 ${of((r) => r.p50_us)}, p99 ${of((r) => r.p99_us)} µs; CPU ${
    of((r) => r.cpu_us).toFixed(1)
  } µs; ` +
    `server ${percent(of((r) => r.server))}, load ${percent(of((r) => r.load))} of a core)`;
}

/** The highest share of a core that the load generator took. */
export function highestLoad(...runs: (readonly { load: number }[])[]): number {
  return Math.max(...runs.flat().map((run) => run.load));
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** 1234567 as "1235k". */
export function thousands(value: number): string {
  return value < 1000 ? value.toFixed(0) : `${(value / 1000).toFixed(value < 100_000 ? 1 : 0)}k`;
}
