/** Clients that come, stay and vanish; and the server's own start. */
import { hasMysql, testDatabase } from "../../tests/support/databases.ts";
import { idle as measureIdle } from "../idle.ts";
import { Load, type Logins } from "../load_generator.ts";
import { highestLoad, median, thousands } from "../measure.ts";
import type { Result } from "../rows.ts";
import { storm } from "../storm.ts";
import { allOffline, makeUsers, type Natter, natterCommand, natterReady } from "../support.ts";
import { spawnServer } from "../tools.ts";
import type { Context, Part } from "./part.ts";

/** What a connection costs that says nothing. */
export const idle: Part = async ({ scale, natter }) => {
  const count = scale.users(10_000);
  await using server = await natter();
  const { bytes } = await measureIdle(server, count, 0);
  return [{ row: "idle", figure: bytes / 1000, detail: `${count} connections, ${Math.round(bytes)} bytes each` }];
};

async function logins(row: "login-sqlite" | "login-mysql", server: Natter, { scale }: Context): Promise<Result> {
  const users = await makeUsers(server, scale.users(row === "login-sqlite" ? 4000 : 2000));
  await using load = await Load.start(server.port, users);
  const all: Logins[] = [];
  // The first time is for warming up.
  for (let round = 0; round <= scale.rounds; round++) {
    all.push(await load.login());
    await load.drop();
    await allOffline(server.store, users);
  }
  const rates = all.slice(1).map(({ count, seconds }) => count / seconds);
  return {
    row,
    figure: median(rates),
    detail: `${users.length} users, rounds ${rates.map(thousands).join(", ")}/s, p99 ${median(all.map((l) => l.p99_us / 1000)).toFixed(1)} ms`,
    load: highestLoad(all),
  };
}

/** Everyone comes back at once, with the token of before. */
export const loginSqlite: Part = async (context) => {
  await using server = await context.natter();
  return [await logins("login-sqlite", server, context)];
};

/** The same on MariaDB. */
export const loginMysql: Part = async (context) => {
  if (!hasMysql) return [{ row: "login-mysql", figure: undefined, detail: "left out: no MariaDB" }];
  await using database = await testDatabase("mysql");
  await using server = await context.natter({ database: database.url });
  return [await logins("login-mysql", server, context)];
};

async function storms(row: "vanish-4000" | "vanish-10000", count: number, { scale, natter }: Context): Promise<Result> {
  await using server = await natter();
  const seconds: number[] = [], waits: number[] = [];
  for (let round = 0; round < Math.min(3, scale.rounds); round++) {
    const { offline, login } = await storm(server, scale.users(count), 0);
    seconds.push(offline / 1000);
    waits.push(login);
  }
  const list = seconds.map((s) => s.toFixed(2)).join(", ");
  return { row, figure: median(seconds), detail: `rounds ${list} s; longest login meanwhile ${median(waits).toFixed(0)} ms` };
}

/** Many clients are killed in one instant. */
export const vanish4000: Part = async (context) => [await storms("vanish-4000", 4000, context)];
export const vanish10000: Part = async (context) => [await storms("vanish-10000", 10_000, context)];

/** From the program's start to the line that says ready, on a database that is there already. */
export const start: Part = async ({ scale }) => {
  const folder = await Deno.makeTempDir({ prefix: "natter_bench_" });
  const script = new URL("../raw_relay.ts", import.meta.url).pathname;
  const natter = natterCommand(`sqlite:${folder}/natter.db`);
  const empty = [Deno.execPath(), "run", "-A", "--quiet", script, "pairs"];
  const took = async (command: string[], ready: RegExp) => {
    const begun = performance.now();
    await using _server = await spawnServer(command, ready);
    return performance.now() - begun;
  };
  const times: [number, number][] = [];
  // The first time makes the database, and fills the caches.
  for (let round = 0; round <= 2 * scale.rounds; round++) times.push([await took(natter, natterReady), await took(empty, /ready (\d+)/)]);
  await Deno.remove(folder, { recursive: true });
  const [own, base] = [0, 1].map((i) => median(times.slice(1).map((pair) => pair[i]!)).toFixed(0));
  return [{ row: "start", figure: median(times.slice(1).map(([a, b]) => a / b)), detail: `natter ${own} ms, empty server ${base} ms` }];
};
