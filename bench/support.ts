/** What the benchmarks share: a server of its own, users, and processes of clients. */
import { randomBytes } from "node:crypto";
import { parseConfig } from "../src/config/config.ts";
import { openStore } from "../src/store/open.ts";
import type { Store } from "../src/store/store.ts";
import { giveTokens } from "../tests/support/tokens.ts";
import { Load, type User } from "./load_generator.ts";
import { type ServerProcess, spawnServer } from "./tools.ts";

export type { User };

/** Connections per process of clients: below the usual limit of open files. */
const PER_PROCESS = 10_000;

/** A server process, and a store on its database. */
export interface Natter extends ServerProcess {
  store: Store;
  /** Of the database, as `--database` takes it. */
  url: string;
}

/** How a server is started. */
export interface NatterOptions {
  /** Default: a SQLite file of its own. */
  database?: string;
  /** Every message in a write of its own (`bench/single_writes.ts`). */
  singleWrites?: boolean;
  /** Tells of its turns (`bench/turns.ts`). */
  turns?: boolean;
  /** It runs before all other processes (`ahead`). */
  leads?: boolean;
  /** The folder for a CPU profile of it. */
  cpuProf?: string | undefined;
  /** Further flags; they win over the usual ones. */
  flags?: readonly string[];
}

/** Flags of a server without limits. */
export const serverFlags: readonly string[] = [
  "--listen",
  "127.0.0.1:0",
  "--http",
  "off",
  "--limits",
  "off",
  "--max-connections",
  "50000",
  "--log-level",
  "warning",
];

/** Flags of Deno for a CPU profile into that folder. */
export function profileFlags(folder: string | undefined): string[] {
  return folder === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", folder];
}

/** The command that starts a server without limits. */
export function natterCommand(database: string, { singleWrites, turns, cpuProf, flags: more = [] }: NatterOptions = {}): string[] {
  const main = new URL(singleWrites ? "./single_writes.ts" : turns ? "./turns.ts" : "../main.ts", import.meta.url).pathname;
  // As `deno task start` does it: modules that are imported when needed are read when needed. (In deno.json it would keep them out of the compiled program.)
  return [
    Deno.execPath(),
    "run",
    "-A",
    "--quiet",
    "--unstable-lazy-dynamic-imports",
    ...profileFlags(cpuProf),
    main,
    ...serverFlags,
    "--database",
    database,
    ...more,
  ];
}

/** What {@linkcode natterCommand}'s server prints when it is ready. */
export const natterReady = /tcp=\S*:(\d+)/;

/** Starts a server without limits. */
export async function startNatter(options: NatterOptions = {}): Promise<Natter> {
  const folder = await Deno.makeTempDir({ prefix: "natter_bench_" });
  const database = options.database ?? `sqlite:${folder}/natter.db`;
  const server = await spawnServer(natterCommand(database, options), natterReady, options.leads);
  const store = await openStore(parseConfig(["--database", database], () => undefined));
  return {
    ...server,
    store,
    url: database,
    async [Symbol.asyncDispose]() {
      await store.close();
      await server[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Makes users with a token each: no hashing. */
export async function makeUsers({ store, url }: Pick<Natter, "store" | "url">, count: number): Promise<User[]> {
  const made: User[] = [];
  while (made.length < count) {
    const batch = Array.from({ length: Math.min(500, count - made.length) }, async () => {
      const name = randomBytes(8).toString("hex");
      return (await store.createUser(name, name, "none"))!;
    });
    const ids = await Promise.all(batch);
    const tokens = await giveTokens(url, ids);
    made.push(...ids.map((id, i) => ({ id, token: tokens[i]! })));
  }
  return made;
}

/** Resolves when none of these users is online in the database. */
export async function allOffline(store: Store, users: readonly User[]): Promise<void> {
  const ids = users.map((user) => user.id);
  for (let i = 0; i < ids.length;) {
    const found = await store.whereabouts(ids.slice(i, i + 500));
    if ([...found.values()].every(({ nodes }) => nodes.length === 0)) i += 500;
    // With a pause: a store on SQLite reads at once, and would keep what else this process does waiting.
    else await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Clients in processes of their own, logged in and idle. */
export interface Clients extends AsyncDisposable {
  /** Kills them all, in one instant. */
  kill(): void;
}

/** Logs users in and holds their connections. */
export async function hold(port: number, users: readonly User[]): Promise<Clients> {
  const loads: Load[] = [];
  for (let i = 0; i < users.length; i += PER_PROCESS) {
    const load = await Load.start(port, users.slice(i, i + PER_PROCESS));
    loads.push(load);
    await load.login();
  }
  return {
    kill() {
      for (const load of loads) load.kill();
    },
    async [Symbol.asyncDispose]() {
      for (const load of loads) await load[Symbol.asyncDispose]();
    },
  };
}
