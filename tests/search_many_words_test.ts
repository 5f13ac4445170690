// A text of thousands of different words is taken out of the index and put into it in pieces. Whatever happens meanwhile, the index ends with the words of what is said
// now, and no others.

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Query, tokensOf } from "../src/search/tokenizer.ts";
import { Database } from "../src/store/sqlite/database.ts";
import { SearchIndex } from "../src/store/sqlite/search_index.ts";
import type { Store } from "../src/store/store.ts";
import { addUsers, databaseTest, type TestDatabase, testDatabase } from "./support/databases.ts";
import { eventually } from "./support/server.ts";
import { group, type Stored } from "./support/stores.ts";

/** So many words, each different from the others and from those of another letter. */
const text = (letter: string, count = 1500) => Array.from({ length: count }, (_, i) => `${letter}${(i * 7919).toString(36)}`).join(" ");

async function indexed(store: Store): Promise<void> {
  await eventually(async () => {
    const { behind, more } = await store.index();
    return behind === 0 && !more;
  }, "the index is there");
}

/** The words in the index, but for those that say where a message stands. */
async function vocabulary(t: TestDatabase): Promise<string[]> {
  if (t.kind === "mysql") {
    const rows = await t.query("select distinct convert(token using latin1) as token from word where token like 't\\_%' order by token");
    return rows.map(({ token }) => token as string);
  }
  using db = new DatabaseSync(t.url.replace(/^sqlite:/, ""));
  db.exec("CREATE VIRTUAL TABLE temp.v USING fts5vocab (main, search, row)");
  const terms = db.prepare("SELECT term FROM v WHERE term GLOB 't_*' ORDER BY term").all().map(({ term }) => term as string);
  // Beginnings of words have an index of their own.
  for (const beginning of [..."abcdefghijklm"].flatMap((letter) => [`t_${letter}`, `t_${letter}0`, `t_${letter}63`])) {
    const count = db.prepare("SELECT count(*) AS n FROM search WHERE search MATCH ?").get(`${beginning}*`)!.n as number;
    assertEquals(count > 0, terms.some((term) => term.startsWith(beginning)), beginning);
  }
  return terms;
}

const wordsOf = (...texts: string[]) => [...new Set(texts.flatMap(tokensOf))].sort();

databaseTest("texts of many words: edits, deletions and steps of the index at once; the index has the words of what is said then", async (t) => {
  await using store = Object.assign(await t.open(), { [Symbol.asyncDispose]: () => Promise.resolve() });
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const said = [text("a"), text("b"), text("c"), "few words d", text("e", 40)];
  const results = await store.append(said.map((msg, i) => ({ sender: ada!, toid: bob!, msg, ts: i })));
  const ids = results.map((result) => (result as Stored).messageid);
  const work: Promise<unknown>[] = [];
  for (let round = 0; round < 2; round++) {
    const edit = (n: number, msg: string) => work.push(store.act({ what: "edit", by: ada!, messageid: ids[n]!, at: 10 + round, msg }));
    edit(0, text(`f${round}`));
    work.push(store.index(), store.index());
    edit(0, text("g"));
    edit(2, "few words");
    edit(3, text("h"));
    work.push(store.act({ what: "delete", by: ada!, messageid: ids[1]!, at: 20 }), store.index());
    // Not his.
    work.push(store.act({ what: "edit", by: bob!, messageid: ids[4]!, at: 20, msg: "mine" }));
    await Promise.all(work);
    await indexed(store);
    const now = await t.query("select msg from message where kind = 0 and deleted = 0");
    assertEquals(await vocabulary(t), wordsOf(...now.map(({ msg }) => msg as string)));
  }
  const found = async (word: string) => (await store.search({ userId: bob!, query: new Query(`${word} `) }, 10)).map(({ messageid }) => messageid);
  const [first, last] = [text("h").split(" ")[0]!, text("h").split(" ").at(-1)!];
  assertEquals([await found(first), await found(last)], [[ids[3]], [ids[3]]]);
  // At once, by the new text.
  await store.act({ what: "edit", by: ada!, messageid: ids[3]!, at: 30, msg: text("k") });
  assertEquals([await found(text("k").split(" ").at(-1)!), await found(last)], [[ids[3]], []]);
  await store.close();
});

databaseTest("texts of many words: what is old goes with all its words", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  for (const [ts, msg] of [[1, text("a")], [2, text("b", 30)], [3, text("c", 60)], [100, text("d")]] as const) {
    await store.append([{ sender: ada!, toid: ada!, msg, ts }]);
  }
  const version = Number((await t.query(`select version from user where id = ${ada}`))[0]!.version);
  await store.claim({ userId: ada!, session: "s1", proof: { version }, device: 0, address: "here", at: 1 });
  await store.confirm([{ userId: ada!, device: 0, session: "s1", seq: 4 }]);
  await indexed(store);
  let deleted = 0;
  let next: Parameters<Store["prune"]>[1];
  do {
    const step = await store.prune(50, next, 100);
    deleted += step.deleted;
    next = step.next;
    assert(step.deleted > 0 || !next, "each step gets on");
  } while (next);
  assertEquals(deleted, 3);
  assertEquals(await vocabulary(t), wordsOf(text("d")));
  await store.close();
});

Deno.test("texts of many words: who dies while one is edited leaves an index that is brought to its end by the next", async () => {
  await using t = await testDatabase("sqlite");
  const first = await t.open();
  await first.join("n1");
  const [ada] = await addUsers(first, "ada");
  const [stored] = await first.append([{ sender: ada!, toid: ada!, msg: text("a", 600), ts: 1 }]);
  await indexed(first);
  await first.close();
  let halfway = 0;
  for (let round = 0; round < 12; round++) {
    const store = await t.open();
    const letter = "bcdefghijklm"[round]!;
    const act = { what: "edit" as const, by: ada!, messageid: (stored as Stored).messageid, at: 10 + round, msg: text(letter, 600) };
    const edit = store.act(act).catch(() => {});
    for (let turns = 0; turns < 3 * round; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
    await store.close();
    await edit;
    halfway += (await t.query("select * from search_part where words > 0")).length;
    const next = await t.open();
    await indexed(next);
    const [now] = await t.query("select msg from message where kind = 0");
    assertEquals(await vocabulary(t), wordsOf(now!.msg as string), `round ${round}`);
    await next.close();
  }
  assert(halfway > 2, "some died in the middle");
});

Deno.test("texts of many words: what is said behind them is found before them", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob") as [number, number];
  const long = Array.from({ length: 600 }, (_, i) => `w${i}`).join(" ");
  await store.append(Array.from({ length: 8 }, (_, i) => ({ sender: ada, toid: bob, msg: `${long} ${i}`, ts: i })));
  while ((await t.query("select 1 from search_part")).length < 8) await store.index();
  await store.append([{ sender: ada, toid: bob, msg: "needle", ts: 9 }]);
  let steps = 0;
  const found = async () =>
    (await store.search({ userId: bob, query: new Query("needle "), of: undefined, from: undefined, before: undefined }, 5)).length;
  for (; await found() === 0; steps++) {
    assert(steps < 20, "it waits for all of them");
    await store.index();
  }
  const [{ n }] = await t.query("select count(*) as n from search_part") as [{ n: number }];
  assert(n >= 4, `${n} of the long ones are left`);
  await store.close();
});

Deno.test("texts of many words: while one is edited, what is said meanwhile is indexed", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob") as [number, number];
  const append = async (msg: string) => (await store.append([{ sender: ada, toid: bob, msg, ts: 1 }]))[0] as Stored;
  const { messageid } = await append(text("a"));
  const db = new Database(t.url.slice("sqlite:".length));
  db.configure();
  const index = new SearchIndex(db);
  while ((await index.step()).more);
  const parts = async () => (await t.query("select messageid from search_part order by messageid")).map(({ messageid }) => messageid);
  const edit = Promise.withResolvers<void>(), taken = Promise.withResolvers<void>();
  const editing = index.changing(messageid, () => (taken.resolve(), edit.promise));
  await taken.promise;
  await append(text("b"));
  const last = await append("few words");
  while ((await index.step()).more);
  assertEquals(await parts(), [messageid]);
  assertEquals((await t.query("select upto from search_mark"))[0], { upto: last.messageid });
  edit.resolve();
  await editing;
  assertEquals(await parts(), []);
  await Promise.all([db.close(), store.close()]);
});

Deno.test("messages of ten words are forgotten four at a time and more: a pause follows each step", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open();
  const [ada] = await addUsers(store, "ada") as [number];
  // A group that nobody else is in: they wait for nobody.
  const groupid = await group(t, store, ada);
  await store.append(Array.from({ length: 40 }, (_, i) => ({ sender: ada, groupid, msg: text(`w${i}x`, 10), ts: 1 })));
  await indexed(store);
  const deleted: number[] = [];
  let next: Parameters<Store["prune"]>[1];
  do {
    const step = await store.prune(50, next, 100);
    deleted.push(step.deleted);
    next = step.next;
  } while (next);
  assertEquals(deleted.reduce((sum, n) => sum + n, 0), 40);
  assert(deleted.length <= 11, `${deleted.length} steps`);
});
