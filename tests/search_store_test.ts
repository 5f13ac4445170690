// The contract of the store, on both databases: what is found, by whom, and how the index follows the messages.

import { assert, assertEquals } from "@std/assert";
import { Query, VERSION } from "../src/search/tokenizer.ts";
import type { Append, PrunePlace, Search, Store, StoredMessage } from "../src/store/store.ts";
import { addUsers, type TestDatabase, waitingDatabaseTests } from "./support/databases.ts";
import { SEARCHES } from "./support/search_table.ts";
import { indexed } from "./support/stores.ts";

async function append(store: Store, messages: Append[]): Promise<number[]> {
  const ids: number[] = [];
  for (let i = 0; i < messages.length; i += 100) {
    for (const appended of await store.append(messages.slice(i, i + 100))) {
      assert(appended.errno === "OK", JSON.stringify(appended));
      ids.push(appended.messageid);
    }
  }
  return ids;
}

const texts = (messages: StoredMessage[]) => messages.map((m) => m.msg);

const finding = (store: Store) => (userId: number, text: string, more: Partial<Search> = {}, limit = 100) =>
  store.search({ userId, query: new Query(text), ...more }, limit);

waitingDatabaseTests("search in the store", {
  "what must be found is, and nothing that must not, in many languages": async (t) => {
    await using store = await opened(t);
    const [ada, bob] = await addUsers(store, "ada", "bob");
    const all = [...new Set(Object.values(SEARCHES).flat().flatMap(([, found, not]) => [...found, ...not]))];
    await append(store, all.map((msg, i) => ({ sender: i % 2 ? ada : bob, toid: i % 2 ? bob : ada, msg, ts: i })));
    await indexed(store);
    const find = finding(store);
    let asked = 0;
    for (const [query, found, not] of Object.values(SEARCHES).flat()) {
      for (const more of [{}, { of: { peer: bob } }]) {
        const has = new Set(texts(await find(ada, query, more, 500)));
        for (const text of found) assert(has.has(text), `${query} must find ${text}`);
        for (const text of not) assert(!has.has(text), `${query} must not find ${text}`);
        asked++;
      }
    }
    assert(asked >= 300);
  },
  "newest first, by pages, by who said it, in one conversation or in all": async (t) => {
    await using store = await opened(t);
    const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
    const group = await store.createGroup(bob, "g", "g", "");
    assert(typeof group === "object");
    const { groupid } = group;
    await store.joinGroup(ada, { id: groupid }, 1);
    const ids = await append(store, [
      { sender: ada, toid: bob, msg: "apple one", ts: 1 },
      { sender: bob, toid: ada, msg: "apple two", ts: 2 },
      { sender: bob, groupid, msg: "apple three", ts: 3 },
      { sender: cy, toid: ada, msg: "apple four", ts: 4 },
      { sender: cy, toid: bob, msg: "apple five", ts: 5 },
      { sender: ada, toid: ada, msg: "apple six", ts: 6 },
      { sender: ada, groupid, msg: "apples seven", ts: 7 },
    ]);
    await indexed(store);
    const find = finding(store);
    const found = async (...args: Parameters<typeof find>) => texts(await find(...args)).map((text) => text.split(" ")[1]);
    assertEquals(await found(ada, "apple"), ["seven", "six", "four", "three", "two", "one"]);
    assertEquals(await found(ada, "apple "), ["seven", "six", "four", "three", "two", "one"]);
    assertEquals(await found(ada, "two apple"), ["two"]);
    assertEquals(await found(bob, "apple"), ["seven", "five", "three", "two", "one"]);
    assertEquals(await found(cy, "apple"), ["five", "four"]);
    assertEquals(await found(ada, "apple", { of: { peer: bob } }), ["two", "one"]);
    assertEquals(await found(ada, "apple", { of: { peer: ada } }), ["six"]);
    assertEquals(await found(ada, "apple", { of: { groupid } }), ["seven", "three"]);
    assertEquals(await found(cy, "apple", { of: { groupid } }), [], "not a member");
    assertEquals(await found(ada, "apple", { from: bob }), ["three", "two"]);
    assertEquals(await found(ada, "apple", { from: bob, of: { groupid } }), ["three"]);
    assertEquals(await found(ada, "apple", {}, 2), ["seven", "six"]);
    assertEquals(await found(ada, "apple", { before: ids[5] }, 2), ["four", "three"]);
    await store.leaveGroup(ada, groupid, 1);
    assertEquals(await found(ada, "apple"), ["six", "four", "two", "one"], "left");
    await store.joinGroup(ada, { id: groupid }, 1);
    assertEquals(await found(ada, "apple", { of: { groupid } }), ["seven", "three"]);
  },
  "what is pruned is not found, and leaves no word behind": async (t) => {
    await using store = await opened(t);
    const [ada, bob] = await addUsers(store, "ada", "bob");
    await store.join("n1");
    await append(store, [
      { sender: ada, toid: bob, msg: "zanzibarold secretword 秘密", ts: 1 },
      { sender: ada, toid: bob, msg: "zanzibarnew", ts: 100 },
    ]);
    await indexed(store);
    const find = finding(store);
    /** Whether the index itself has a word; the beginning of a token may be that of the one before it. */
    const stands = async (word: string) => {
      if (t.kind === "mysql") return (await t.query(`select 1 from word where token = 't_${word}'`)).length > 0;
      const rows = await t.query("select block from search_data");
      return rows.some(({ block }) => new TextDecoder("latin1").decode(block as Uint8Array).includes(word.slice(1)));
    };
    assertEquals(texts(await find(bob, "zanzibar")), ["zanzibarnew", "zanzibarold secretword 秘密"]);
    assert(await stands("secretword"));
    await confirmAll(store, t, bob);
    assertEquals((await store.prune(50, undefined, 100)).deleted, 1);
    assertEquals(texts(await find(bob, "zanzibar")), ["zanzibarnew"]);
    assert(!await stands("secretword") && await stands("zanzibarnew"));
  },
  "stones and what happened in groups are pruned, and the index is whole": async (t) => {
    await using store = await opened(t);
    const [ada, bob] = await addUsers(store, "ada", "bob");
    const { groupid } = await store.createGroup(ada, "g", "g", "") as { groupid: number };
    await store.joinGroup(bob, { id: groupid }, 1);
    const messages = Array.from({ length: 6 }, (_, i) => ({ sender: ada, toid: bob, msg: `needle n${i}`, ts: 1 }));
    const ids = await append(store, [...messages, { sender: bob, groupid, msg: "needle in the group", ts: 1 }]);
    await indexed(store);
    for (const messageid of ids.slice(0, 3)) assertEquals((await store.act({ what: "delete", by: ada, messageid, at: 2 })).errno, "OK");
    await indexed(store);
    // Nothing waits in a log: all entries have their rows, and these go.
    await store.prune(0, undefined, 1);
    await t.query("delete from inbox");
    let deleted = 0;
    for (let place: PrunePlace | undefined, more = true; more;) {
      const step = await store.prune(Date.now() + 1000, place, 2);
      deleted += step.deleted;
      place = step.next;
      more = place !== undefined;
    }
    assert(deleted >= 8, `${deleted} are gone`);
    await append(store, [{ sender: bob, toid: ada, msg: "needle again", ts: 3 }]);
    await indexed(store);
    assertEquals(texts(await finding(store)(ada, "needle")), ["needle again"]);
    if (t.kind === "sqlite") await t.query("insert into search (search) values ('integrity-check')");
  },
  "the index is built anew by reindex, and when the tokenizer's version rises; a newer one is left alone": async (t) => {
    await using store = await opened(t);
    const [ada, bob] = await addUsers(store, "ada", "bob");
    await append(store, Array.from({ length: 250 }, (_, i) => ({ sender: ada, toid: bob, msg: `word${i} all`, ts: i })));
    await indexed(store);
    const find = finding(store);
    assertEquals((await find(bob, "all", {}, 300)).length, 250);
    await store.reindex();
    await indexed(store);
    assertEquals((await find(bob, "all", {}, 300)).length, 250);
    await t.query("update search_mark set version = 0");
    await indexed(store);
    assertEquals((await find(bob, "word249")).length, 1);
    assertEquals(Number((await t.query("select version from search_mark"))[0]!.version), VERSION);
    await t.query(`update search_mark set version = ${VERSION + 1}, upto = 0`);
    assertEquals(await store.index(), { behind: 0, more: false });
    assertEquals((await find(bob, "word249")).length, 1);
  },
}, {
  "a message that is committed after one with a higher number is found": async (t) => {
    await using store = await opened(t);
    const [ada, bob] = await addUsers(store, "ada", "bob");
    const { createConnection } = await import("mysql2/promise");
    const url = new URL(t.url);
    const slow = await createConnection({ host: url.hostname, port: Number(url.port || 3306), user: url.username, database: url.pathname.slice(1) });
    try {
      await slow.query("START TRANSACTION");
      await slow.query("INSERT INTO message (sender, toid, ts, msg) VALUES (?, ?, 1, 'needle early')", [ada, bob]);
      await append(store, [{ sender: bob, toid: ada, msg: "needle late", ts: 2 }]);
      let finished = false;
      const all = indexed(store).then(() => finished = true);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      assertEquals(finished, false, "waits for who has not committed");
      await slow.query("COMMIT");
      await all;
      assertEquals(texts(await finding(store)(ada, "needle")), ["needle late", "needle early"]);
    } finally {
      await slow.end();
    }
  },
  "everywhere, what is old is found behind what is new, whatever the distance": async (t) => {
    await using store = await opened(t);
    const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
    const said: [id: number, text: string, sender: number][] = [];
    // What the newest messages hold, what each window of the index does, and what is below them all; the numbers between were others'.
    for (const start of [1, 100_000, 650_000, 698_500]) {
      await t.query(`ALTER TABLE message AUTO_INCREMENT = ${start}`);
      const messages = Array.from(
        { length: 6 },
        (_, i) => ({ sender: [ada, bob, cy][i % 3]!, toid: i % 3 === 0 ? bob : ada, msg: `both x${i % 2} at${start}n${i}`, ts: i }),
      );
      const ids = await append(store, messages);
      said.unshift(...messages.map(({ msg, sender }, i): [number, string, number] => [ids[i]!, msg, sender]).reverse());
    }
    await t.query("ALTER TABLE message AUTO_INCREMENT = 700000");
    await append(store, [{ sender: bob, toid: ada, msg: "nothing", ts: 9 }]);
    await indexed(store);
    const find = finding(store);
    const expected = (has: (text: string, sender: number) => boolean, below = Infinity) =>
      said.filter(([id, text, sender]) => id < below && has(text, sender)).map(([, text]) => text);
    for (const limit of [1, 5, 6, 7, 13, 19, 24, 50]) {
      const first = (all: string[]) => all.slice(0, limit);
      assertEquals(texts(await find(ada, "both ", {}, limit)), first(expected(() => true)));
      assertEquals(texts(await find(ada, "x1 both ", {}, limit)), first(expected((text) => text.includes("x1"))));
      assertEquals(texts(await find(ada, "bo", {}, limit)), first(expected(() => true)));
      assertEquals(texts(await find(ada, "at100", {}, limit)), first(expected((text) => text.includes("at100"))));
      assertEquals(texts(await find(ada, "both x", { from: cy }, limit)), first(expected((_, sender) => sender === cy)));
      for (const [before] of said) {
        assertEquals(
          texts(await find(ada, "x0 bo", { before }, limit)),
          first(expected((text) => text.includes("x0"), before)),
        );
      }
    }
  },
});

async function opened(t: TestDatabase): Promise<Store & AsyncDisposable> {
  const store = await t.open();
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

async function confirmAll(store: Store, t: TestDatabase, userId: number): Promise<void> {
  const [row] = await t.query(`select version from user where id = ${userId}`);
  const claim = await store.claim({ userId, session: "s1", proof: { version: Number(row!.version) }, device: 0, address: "here", at: 1 });
  assertEquals(claim.result, "claimed");
  await store.confirm([{ userId, device: 0, session: "s1", seq: 1000 }]);
}
