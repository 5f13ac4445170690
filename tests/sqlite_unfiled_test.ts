// The newest direct messages on SQLite, which have no rows in `inbox` yet: nobody can tell them from others.

import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { PIECE, UNFILED } from "../src/store/sqlite/unfiled.ts";
import type { Append, Store } from "../src/store/store.ts";
import { addUsers, type TestDatabase, testDatabase } from "./support/databases.ts";

const MAX_INBOX = 3 * UNFILED;

/** ada, who writes to bob, who is online; and cy, whom they share a group with. */
async function three(t: TestDatabase) {
  const store = await t.open({ maxInbox: MAX_INBOX });
  await store.join("n1");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const group = await store.createGroup(ada, "all", "all", "");
  if (typeof group === "number") throw new Error("no group");
  for (const id of [bob, cy]) await store.joinGroup(id, { id: group.groupid });
  await store.claim(bob, "s");
  let said = 0;
  const next = (): Append => ({ sender: ada, toid: bob, msg: String(++said), ts: 1 });
  /** `count` messages to bob, each with its number as its text, which is its number in his inbox as well. */
  const say = async (count: number, by: Store = store) => {
    for (let left = count; left > 0; left -= 100) await by.append(Array.from({ length: Math.min(left, 100) }, next));
  };
  const toAll = () => store.append([{ sender: ada, groupid: group.groupid, msg: String(++said), ts: 1 }]);
  const confirm = (seq: number) => store.confirm([{ userId: bob, session: "s", seq }]);
  const inbox = async (after = 0, limit = 10_000, bytes = 1e9) => {
    const messages = await store.inbox(bob, after, limit, bytes);
    assertEquals(messages.map((m) => m.msg), messages.map((m) => String(m.seq)));
    return messages.map((m) => m.seq);
  };
  const rows = async () => (await t.query("select seq from inbox where userid = 2 order by seq")).map((row) => row.seq);
  return { store, ada, bob, cy, say, toAll, confirm, inbox, rows };
}

const span = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

Deno.test("an inbox is the same whether its messages are filed or not, or some of them", async () => {
  await using t = await testDatabase("sqlite");
  const { store, bob, say, inbox, rows } = await three(t);
  await say(UNFILED - 1);
  assertEquals([await rows(), await inbox()], [[], span(1, UNFILED - 1)]);
  assertEquals(await store.sessions(0, 10), [{ userId: bob, session: "s", lastSeq: UNFILED - 1 }]);
  await say(1);
  assertEquals([await rows(), await inbox()], [span(1, PIECE), span(1, UNFILED)]);
  await say(PIECE + 10);
  assertEquals([await rows(), await inbox()], [span(1, 2 * PIECE), span(1, UNFILED + PIECE + 10)]);
  assertEquals(await store.claim(bob, "t", "s"), { result: "claimed", lastSeq: UNFILED + PIECE + 10, confirmedSeq: 0 });
});

Deno.test("pieces of an inbox end where they should, on either side of what is filed", async () => {
  await using t = await testDatabase("sqlite");
  const { say, inbox } = await three(t);
  await say(UNFILED + 10);
  assertEquals(await inbox(PIECE - 2, 2), [PIECE - 1, PIECE]);
  assertEquals(await inbox(PIECE - 2, 3), span(PIECE - 1, PIECE + 1));
  assertEquals(await inbox(PIECE + 4, 3), span(PIECE + 5, PIECE + 7));
  assertEquals(await inbox(UNFILED + 10, 3), []);
  const length = String(PIECE).length;
  assertEquals(await inbox(PIECE - 2, 100, 2 * length), [PIECE - 1, PIECE]);
  assertEquals(await inbox(PIECE - 2, 100, 4 * length), span(PIECE - 1, PIECE + 2));
  assertEquals(await inbox(PIECE, 100, 1), [PIECE + 1]);
});

Deno.test("what is confirmed before it is filed gets no row, and does not come again", async () => {
  await using t = await testDatabase("sqlite");
  const { store, bob, say, confirm, inbox, rows } = await three(t);
  await say(10);
  await confirm(7);
  assertEquals(await inbox(), [8, 9, 10]);
  await say(UNFILED - 10);
  assertEquals(await rows(), span(8, PIECE));
  await say(5);
  // More than there is counts as all there is.
  await confirm(10 * UNFILED);
  assertEquals([await inbox(), await rows()], [[], []]);
  assertEquals(await store.claim(bob, "t", "s"), { result: "claimed", lastSeq: UNFILED + 5, confirmedSeq: UNFILED + 5 });
});

Deno.test("a full inbox counts what is not filed", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, say, confirm } = await three(t);
  await say(MAX_INBOX - 1);
  const one: Append = { sender: ada, toid: bob, msg: "one more", ts: 1 };
  assertEquals((await store.append([one, one])).map((r) => r.errno), [0, 24]);
  await confirm(1);
  assertEquals((await store.append([one, one])).map((r) => r.errno), [0, 24]);
});

Deno.test("many inboxes: what is filed piece by piece is what was said, to each in order", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open();
  const users = await addUsers(store, ...Array.from({ length: 7 }, (_, i) => `user${i}`));
  const said = new Map(users.map((id) => [id, [] as string[]]));
  for (let n = 0; n < UNFILED + 3 * PIECE; n += 50) {
    const batch = Array.from({ length: 50 }, (_, i) => ({ sender: users[0], toid: users[(n + i) * (n + i) % 7], msg: String(n + i), ts: 1 }));
    for (const { toid, msg } of batch) said.get(toid)!.push(msg);
    await store.append(batch);
  }
  const inboxes = async () => {
    const all = new Map<number, string[]>();
    for (const id of users) {
      const inbox = await store.inbox(id, 0, 10_000, 1e9);
      assertEquals(inbox.map((m) => m.seq), span(1, inbox.length));
      all.set(id, inbox.map((m) => m.msg));
    }
    return all;
  };
  const filed = async () => (await t.query("select count(*) as n from inbox"))[0].n;
  assertEquals([await filed(), await inboxes()], [4 * PIECE, said]);
  await store.prune(0, undefined, 1);
  assertEquals([await filed(), await inboxes()], [UNFILED + 3 * PIECE, said]);
});

Deno.test("a group's message comes after all that was said before it", async () => {
  await using t = await testDatabase("sqlite");
  const { store, cy, say, toAll, inbox, rows } = await three(t);
  await say(3);
  await toAll();
  assertEquals(await rows(), [1, 2, 3, 4]);
  await say(2);
  await toAll();
  await say(1);
  assertEquals([await rows(), await inbox()], [span(1, 7), span(1, 8)]);
  assertEquals((await store.inbox(cy, 0, 10, 1e6)).map((m) => [m.seq, m.msg]), [[1, "4"], [2, "7"]]);
});

Deno.test("what a rolled back transaction had added is forgotten", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, say, inbox } = await three(t);
  await say(3);
  const refused: Append = { sender: ada, toid: bob, msg: null as unknown as string, ts: 1 };
  const failing = store.append([{ sender: ada, toid: bob, msg: "lost", ts: 1 }, refused]);
  await assertRejects(() => failing);
  await say(1);
  assertEquals(await inbox(), [1, 2, 3, 4]);
});

Deno.test("who opens the file after a crash finds all of them, and goes on counting", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, say, toAll, confirm, inbox } = await three(t);
  await say(5);
  await toAll();
  await say(4);
  await confirm(8);
  // As if the first were gone: nothing of its memory is written at an end.
  const next = await t.open({ maxInbox: MAX_INBOX });
  assertEquals((await next.inbox(bob, 0, 100, 1e6)).map((m) => m.seq), [9, 10]);
  const [result] = await next.append([{ sender: ada, toid: bob, msg: "11", ts: 1 }]);
  assertEquals(result.errno === 0 && result.receivers, [{ userId: bob, seq: 11, node: "n1" }]);
  // And what another process wrote is seen by the first.
  assertEquals(await inbox(), [9, 10, 11]);
  await store.append([{ sender: ada, toid: bob, msg: "12", ts: 1 }]);
  assertEquals((await next.inbox(bob, 0, 100, 1e6)).map((m) => m.seq), [9, 10, 11, 12]);
});

Deno.test("a file of the second version, in which everything is filed, becomes one of the newest", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, say } = await three(t);
  await say(5);
  // Files them, as the second version did at once.
  await store.prune(0, undefined, 1);
  await store.close();
  const old = new DatabaseSync(t.url.slice("sqlite:".length));
  old.exec("ALTER TABLE listed DROP COLUMN filed; PRAGMA user_version = 2");
  old.close();
  const now = await t.open();
  await now.append([{ sender: ada, toid: bob, msg: "6", ts: 1 }]);
  assertEquals((await now.inbox(bob, 0, 100, 1e6)).map((m) => [m.seq, m.msg]), span(1, 6).map((n) => [n, String(n)]));
});
