/**
 * How long a search takes among many messages, how long the index takes to be written, and how large it is.
 *
 *     deno run -A bench/search.ts [--messages N] [--database mysql://…]
 *
 * Words are spread as in a language: the n-th commonest occurs 1/n times as often as the commonest. A tenth of the messages stand in one group, a tenth between one
 * pair, the others between many. A JSON object is printed: milliseconds (median, p95) by kind of search, in one conversation and everywhere.
 */
import { parseArgs } from "node:util";
import { parseConfig } from "../src/config/config.ts";
import { Query } from "../src/search/tokenizer.ts";
import { openStore } from "../src/store/open.ts";
import type { Append, Search, UserId } from "../src/store/store.ts";

const WORDS = 20_000, USERS = 200, BATCH = 100, SEARCHES = 200;

const { values: args } = parseArgs({ options: { messages: { type: "string", default: "1000000" }, database: { type: "string" } } });
const count = Number(args.messages);
const folder = await Deno.makeTempDir({ prefix: "natter_bench_" });
const url = args.database ?? `sqlite:${folder}/natter.db`;
const store = await openStore(parseConfig(["--database", url, "--max-inbox", "100000000"], () => undefined));
await store.join("bench");

/** Always the same. */
let seed = 1;
function random(): number {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed / 2_147_483_647;
}

/** The commonest words have low numbers. */
const word = () => `w${Math.floor(WORDS ** random())}x`;
const text = () => Array.from({ length: 4 + Math.floor(random() * 12) }, word).join(" ");

const stamp = Date.now().toString(36);
const users: UserId[] = [];
for (let i = 0; i < USERS; i++) users.push((await store.createUser(`s${i}${stamp}`, `s${i}${stamp}`, "none"))!);
const [me, friend] = users as [UserId, UserId];
const group = await store.createGroup(me, `g${stamp}`, `g${stamp}`, "") as { groupid: number };

function message(i: number): Append {
  const ts = 1_700_000_000_000 + i;
  if (i % 10 === 0) return { sender: me, groupid: group.groupid, msg: text(), ts };
  if (i % 10 === 1) return { sender: i % 20 === 1 ? me : friend, toid: i % 20 === 1 ? friend : me, msg: text(), ts };
  // Half of the rest are mine as well: everything that may be found is found for me.
  const other = users[2 + Math.floor(random() * (USERS - 2))]!;
  return i % 2 === 0 ? { sender: other, toid: me, msg: text(), ts } : { sender: other, toid: users[Math.floor(random() * USERS)]!, msg: text(), ts };
}

/** Messages a second, while nothing else is done, or while the index is written as a server does it. */
async function write(from: number, to: number, indexing: boolean): Promise<number> {
  let running = indexing;
  const index = (async () => {
    while (running) {
      const begun = performance.now();
      const { more } = await store.index();
      await new Promise((resolve) =>
        setTimeout(resolve, more ? Math.max(5, Math.min(store.indexPause.most, store.indexPause.times * (performance.now() - begun))) : 1000)
      );
    }
  })();
  const begun = performance.now();
  for (let i = from; i < to; i += BATCH) await store.append(Array.from({ length: Math.min(BATCH, to - i) }, (_, k) => message(i + k)));
  const rate = (to - from) / (performance.now() - begun) * 1000;
  running = false;
  await index;
  return Math.round(rate);
}

const piece = Math.min(20_000, Math.floor(count / 20));
let written = Math.max(0, count - 6 * piece);
await write(0, written, false);
const rates: { alone: number[]; indexing: number[] } = { alone: [], indexing: [] };
for (let round = 0; round < 3; round++) {
  for (const kind of ["alone", "indexing"] as const) rates[kind].push(await write(written, written += piece, kind === "indexing"));
}

let begun = performance.now();
while ((await store.index()).more);
// MySQL indexes what was the newest a second ago.
await new Promise((resolve) => setTimeout(resolve, 2500));
while ((await store.index()).more);
const indexed = Math.round(count / (performance.now() - begun - 2500) * 1000);

const kinds: Record<string, () => string> = {
  "the commonest word": () => "w1x",
  "a common word": () => `w${2 + Math.floor(random() * 30)}x`,
  "a rare word": () => `w${1000 + Math.floor(random() * (WORDS - 1000))}x`,
  "two words": () => `w${1 + Math.floor(random() * 20)}x w${1 + Math.floor(random() * 200)}x`,
  "the beginning of a word": () => `w${1 + Math.floor(random() * 9)}`,
};
const places: Record<string, Search["of"]> = {
  "in one conversation": { peer: friend },
  "in a group": { groupid: group.groupid },
  everywhere: undefined,
};

const quantile = (sorted: number[], q: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]! * 10) / 10;
const searches: Record<string, Record<string, { median: number; p95: number }>> = {};
for (const [where, of] of Object.entries(places)) {
  const row: Record<string, { median: number; p95: number }> = searches[where] = {};
  const all: number[] = [];
  for (const [kind, textOf] of Object.entries(kinds)) {
    const times: number[] = [];
    for (let i = 0; i < SEARCHES; i++) {
      begun = performance.now();
      await store.search({ userId: me, of, from: undefined, query: new Query(textOf()), before: undefined }, 21);
      times.push(performance.now() - begun);
    }
    all.push(...times);
    times.sort((a, b) => a - b);
    row[kind] = { median: quantile(times, 0.5), p95: quantile(times, 0.95) };
  }
  all.sort((a, b) => a - b);
  row.all = { median: quantile(all, 0.5), p95: quantile(all, 0.95) };
}
await store.leave();
await store.close();
const file = args.database ? undefined : (await Deno.stat(`${folder}/natter.db`)).size;
console.log(
  JSON.stringify(
    { messages: count, "stored a second": rates, "indexed a second": indexed, searches, ...file === undefined ? {} : { file } },
    null,
    2,
  ),
);
await Deno.remove(folder, { recursive: true });
