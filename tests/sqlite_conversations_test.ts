// SQLite's table of conversations, which lags behind the messages; and the migration that made it.

import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { UNLISTED } from "../src/store/sqlite/messages.ts";
import { addUsers, type TestDatabase, testDatabase } from "./support/databases.ts";

/** Two who talk: `say` appends so many messages, by turns, 100 at a time, each with its number as its text. */
async function talk(t: TestDatabase) {
  const store = await t.open({ maxInbox: 10_000 });
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  let said = 0;
  const say = async (count: number, ts = 10) => {
    for (let left = count; left > 0; left -= 100) {
      const batch = Array.from(
        { length: Math.min(left, 100) },
        () => ({ ...[{ sender: ada, toid: bob }, { sender: bob, toid: ada }][++said % 2], ts }),
      );
      await store.append(batch.map((append, i) => ({ ...append, msg: String(said - batch.length + 1 + i) })));
    }
  };
  const texts = async (before?: number) => (await store.history({ userId: bob, peer: ada }, before, 10_000)).messages.map((m) => Number(m.msg));
  const inConversations = async () => Number((await t.query("select count(*) as n from conversation"))[0].n);
  return { store, ada, bob, cy, say, texts, inConversations };
}

const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => from + i);

Deno.test("a conversation is the same whether its messages are listed or not, or some of them", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, cy, say, texts, inConversations } = await talk(t);
  await say(UNLISTED - 1);
  assertEquals([await inConversations(), await texts()], [0, upTo(UNLISTED - 1)]);
  await say(1);
  assertEquals([await inConversations(), await texts()], [UNLISTED, upTo(UNLISTED)]);
  await store.append([{ sender: cy, toid: bob, msg: "of another", ts: 10 }]);
  await say(5);
  assertEquals([await inConversations(), await texts()], [UNLISTED, upTo(UNLISTED + 5)]);
  const newest = await store.history({ userId: ada, peer: bob }, undefined, 8);
  assertEquals([newest.messages.map((m) => Number(m.msg)), newest.more], [upTo(UNLISTED + 5, UNLISTED - 2), true]);
  for (const at of [0, 2, 5]) assertEquals(await texts(newest.messages[at].messageid), upTo(UNLISTED - 3 + at));
  assertEquals((await store.history({ userId: cy, peer: bob }, undefined, 10)).messages.map((m) => m.msg), ["of another"]);
  await say(UNLISTED);
  assertEquals(await texts(), upTo(2 * UNLISTED + 5));
});

Deno.test("what is pruned is in no conversation, listed or not", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, say, texts, inConversations } = await talk(t);
  await store.join("n1");
  await say(10, 1);
  await say(UNLISTED - 10);
  await say(10, 1);
  await say(10);
  for (const userId of [ada, bob]) {
    await store.claim(userId, `s${userId}`);
    await store.confirm([{ userId, session: `s${userId}`, seq: 10_000 }]);
  }
  assertEquals((await store.prune(10, undefined, 100)).deleted, 20);
  assertEquals(await inConversations(), UNLISTED - 10);
  assertEquals(await texts(), [...upTo(UNLISTED, 11), ...upTo(UNLISTED + 20, UNLISTED + 11)]);
});

Deno.test("a file of the first version becomes one of the newest, with all that was said", async () => {
  await using t = await testDatabase("sqlite");
  const first = await talk(t);
  await first.say(20);
  // Old versions filed each message at once.
  await first.store.prune(0, undefined, 1);
  await first.store.close();
  const old = new DatabaseSync(t.url.slice("sqlite:".length));
  old.exec(`DROP TABLE conversation; DROP TABLE listed; PRAGMA user_version = 1;
    CREATE INDEX message_direct ON message (min(sender, toid), max(sender, toid)) WHERE toid IS NOT NULL`);
  old.close();
  const store = await t.open();
  await store.append([{ sender: first.ada, toid: first.bob, msg: "21", ts: 10 }]);
  const { messages } = await store.history({ userId: first.ada, peer: first.bob }, undefined, 100);
  assertEquals(messages.map((m) => Number(m.msg)), upTo(21));
  assertEquals(await first.inConversations(), 20);
  assertEquals((await store.inbox(first.bob, 0, 100, 10_000)).length, 11);
  assertEquals((await t.query("select name from sqlite_schema where name = 'message_direct'")).length, 0);
});
