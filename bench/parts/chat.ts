/** CHAT and GROUP_CHAT: what storing costs. */
import { hasMysql, testDatabase } from "../../tests/support/databases.ts";
import { alternate, byRound, highestLoad, inWords, type Measured, median, target } from "../measure.ts";
import type { Result } from "../rows.ts";
import { makeUsers, type Natter } from "../support.ts";
import { spawnRawRelay } from "../tools.ts";
import type { Context, Part } from "./part.ts";

const CHAT = 6, GROUP_CHAT = 10;

async function overSignal(row: "chat-sqlite" | "chat-mysql", server: Natter, { scale }: Context): Promise<Result> {
  await using stack = new AsyncDisposableStack();
  const { chat, signal } = await alternate(scale, {
    chat: stack.use(await target(server, await makeUsers(server, 200), { msgid: CHAT })),
    signal: stack.use(await target(server, await makeUsers(server, 200))),
  });
  return {
    row,
    figure: byRound(chat, signal, (a, b) => a.rate / b.rate),
    detail: `${inWords("CHAT", chat)}, ${inWords("SIGNAL", signal)}`,
    load: highestLoad(chat, signal),
  };
}

/** Stored and then delivered, beside SIGNAL on the same server. */
export const chatSqlite: Part = async (context) => {
  await using server = await context.natter();
  return [await overSignal("chat-sqlite", server, context)];
};

/** The same on MariaDB. */
export const chatMysql: Part = async (context) => {
  if (!hasMysql) return [{ row: "chat-mysql", figure: undefined, detail: "left out: no MariaDB" }];
  await using database = await testDatabase("mysql");
  await using server = await context.natter({ database: database.url });
  return [await overSignal("chat-mysql", server, context)];
};

/** One message to everyone of a large group, all of them online, beside a server that only writes to as many sockets. */
export const group: Part = async ({ scale, natter }) => {
  const members = scale.users(1000);
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await natter());
  const raw = stack.use(await spawnRawRelay("all", String(members)));
  const users = await makeUsers(server, members + 1);
  const created = await server.store.createGroup(users[0]!.id, "everyone", "everyone", "");
  if (typeof created === "string") throw new Error("no group");
  const { groupid } = created;
  for (const { id } of users.slice(1)) await server.store.joinGroup(id, { id: groupid }, Date.now());
  const base: Measured[] = [], signal: Measured[] = [], chat: Measured[] = [];
  await using sockets = await target(raw, members + 1, { group: 0 });
  // A user is logged in once, so the two kinds take turns in halves.
  for (const [msgid, runs] of [[21, signal], [GROUP_CHAT, chat]] as const) {
    await using load = await target(server, users, { group: groupid, msgid });
    for (let round = 0; round < scale.rounds; round++) {
      runs.push(await load.run(scale));
      base.push(await sockets.run(scale));
    }
  }
  const cpu = (runs: readonly Measured[]) => median(runs.map((run) => run.cpu_us)).toFixed(2);
  const above = (runs: readonly Measured[], base: readonly Measured[]) => byRound(runs, base, (a, b) => a.cpu_us - b.cpu_us);
  const [signalBase, chatBase] = [base.slice(0, scale.rounds), base.slice(scale.rounds)];
  const words = (runs: readonly Measured[], base: readonly Measured[]) =>
    `natter ${cpu(runs)} µs, raw Deno ${cpu(base)} µs; ${inWords("deliveries", runs)}`;
  return [
    { row: "group-signal", figure: above(signal, signalBase), detail: words(signal, signalBase), load: highestLoad(signal, signalBase) },
    { row: "group-chat", figure: above(chat, chatBase), detail: words(chat, chatBase), load: highestLoad(chat, chatBase) },
  ];
};

/** How long others may have to wait while 100 pairs chat: the longest round trip of a PING, sent every millisecond. */
export const stall: Part = async ({ scale, natter }) => {
  await using server = await natter();
  await using chat = await target(server, await makeUsers(server, 201), { msgid: CHAT, probe: true });
  const runs: Measured[] = [];
  for (let round = 0; round < scale.rounds; round++) runs.push(await chat.run(scale));
  const longest = runs.map((run) => run.probe_max_us / 1000);
  return [{
    row: "stall",
    figure: median(longest),
    detail: `longest of each round ${longest.map((ms) => ms.toFixed(1)).join(", ")} ms, median PING ${
      (median(runs.map((run) => run.probe_p50_us)) / 1000).toFixed(1)
    } ms; ${inWords("CHAT", runs)}`,
    load: highestLoad(runs),
  }];
};
