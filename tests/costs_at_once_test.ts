// What there may be much of: many who have been away log in, somebody has thousands of conversations, or came late into a group in which much had been said, and a group
// whose size nobody knows yet is written to. No turn of the event loop above 20 ms.

import { assert, assertEquals } from "@std/assert";
import type { Append } from "../src/store/store.ts";
import { type News, PresenceNews } from "../src/chat/presence_news.ts";
import { Pushes } from "../src/chat/pushes.ts";
import type { Router } from "../src/cluster/router.ts";
import type { Session } from "../src/net/session.ts";
import type { ConnectionTable } from "../src/presence/connection_table.ts";
import { StoreWatch } from "./support/around_store.ts";
import { addUsers, databaseTest, testDatabase } from "./support/databases.ts";
import { eventually, makeUsers, startServer, type TestUser } from "./support/server.ts";
import { claim, indexed } from "./support/stores.ts";
import { assertShort, TURN } from "./support/turns.ts";

const WAITERS = 14, WAITING = 1500, MEMBERS = 1000, TALKS = 20_000, EARLIER = 60_000, COLLEAGUES = 200, EVENTS = 10_000;

interface HistoryAnswer {
  messages: { messageid: number; msg: string }[];
  more: boolean;
  moreafter?: boolean;
}

databaseTest(`costs: ${WAITERS} with ${WAITING} waiting messages each log in at once: no turn above ${TURN} ms`, async (db) => {
  await using server = await startServer(db, { limits: "off" });
  const [sender, ...users] = await makeUsers(db, 1 + WAITERS) as [TestUser, ...TestUser[]];
  const store = await db.open();
  for (const { id } of users) {
    const batch = Array.from({ length: 100 }, (_, i) => ({ sender: sender.id, toid: id, msg: "how do you do? ".repeat(5), ts: i }));
    for (let i = 0; i < WAITING; i += 100) await store.append(batch);
  }
  await store.close();
  /** Takes all of it, and looks into nothing: what a client does is not the server's. */
  const takeAll = async ({ id, token }: TestUser) => {
    using conn = await Deno.connect({ port: server.port });
    await conn.write(new TextEncoder().encode(JSON.stringify({ msgid: 1, id, token, proto: 3, takeover: true }) + "\n"));
    const buffer = new Uint8Array(65_536);
    for (let lines = 0; lines < 1 + WAITING;) {
      // It is read in the turns that are measured: as little as can be is done with it.
      const read = buffer.subarray(0, await conn.read(buffer) ?? 0);
      for (let at = read.indexOf(10); at >= 0; at = read.indexOf(10, at + 1)) lines++;
    }
  };
  await assertShort(() => Promise.all(users.map(takeAll)));
});

Deno.test(`costs: the list of ${TALKS} conversations: no turn above ${TURN} ms [sqlite]`, async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { limits: "off" });
  const [me] = await makeUsers(db, 1) as [TestUser];
  const store = await db.open();
  for (let i = 0; i < TALKS; i += 500) {
    const others = await Promise.all(Array.from({ length: 500 }, (_, k) => store.createUser(`other${i + k}`, `other${i + k}`, "none")));
    await store.append(others.map((other) => ({ sender: other!, toid: me.id, msg: "how do you do?", ts: i })));
  }
  await store.close();
  await using client = await server.client(me, { proto: 3 });
  await assertShort(async () => {
    const { conversations } = await client.request({ msgid: 31, limit: 100 }) as unknown as { conversations: object[] };
    assertEquals(conversations.length, 100);
  });
});

databaseTest(`costs: what a client of 0.1 is told of a group where all but two are events: no turn above ${TURN} ms`, async (db) => {
  await using server = await startServer(db, { limits: "off" });
  const [me, other] = await makeUsers(db, 2) as [TestUser, TestUser];
  const store = await db.open();
  const { groupid } = await store.createGroup(me.id, "busy", "busy", "") as { groupid: number };
  const long = "𠀋".repeat(50);
  const changed = { what: "updated", id: me.id, groupid, groupname: long, group: { groupname: long, groupdesc: long.repeat(4) } };
  const say = async (msg: string) => void await store.append([{ sender: me.id, groupid, msg, ts: 1 }]);
  const happen = async (count: number) => {
    for (let i = 0; i < count; i += 1000) {
      const said = (k: number) => JSON.stringify({ ...changed, count: i + k });
      const values = Array.from({ length: 1000 }, (_, k) => `(${other.id}, ${groupid}, 1, '${said(k)}', 4)`);
      await db.query(`insert into message (sender, groupid, ts, msg, kind) values ${values.join()}`);
    }
  };
  await say("first");
  await happen(EVENTS);
  await say("middle");
  await happen(EVENTS);
  await store.close();
  await using client = await server.client(me);
  const page = async (part: object) => {
    const { messages, more, moreafter } = await client.request({ msgid: 16, groupid, ...part }) as unknown as HistoryAnswer;
    return { texts: messages.map(({ msg }) => msg), more, moreafter, first: messages[0]!.messageid };
  };
  const { first: middle } = await page({ limit: 1 });
  const { first } = await page({ before: middle });
  for (const [part, text] of [[{ limit: 1 }, "middle"], [{ before: middle }, "first"], [{ after: first }, "middle"]] as const) {
    // Rows are read by a share of the turn; all in one take 16 ms and more.
    await assertShort(async () => assertEquals((await page(part)).texts, [text]), TURN / 2);
  }
  // From both sides, where what is next to the place is left out.
  assertEquals((await page({ around: middle - EVENTS / 2 })).texts, ["first", "middle"]);
});

Deno.test(`costs: a search by who came after ${EARLIER} messages: no turn above ${TURN} ms [sqlite]`, async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { limits: "off" });
  const [me, late] = await makeUsers(db, 2) as [TestUser, TestUser];
  const store = await db.open();
  const { groupid } = await store.createGroup(me.id, "late", "late", "", true) as { groupid: number };
  const say = (count: number) =>
    store.append(Array.from({ length: count }, (_, i) => ({ sender: me.id, groupid, msg: `how do you do? ${i}`, ts: i })));
  for (let i = 0; i < EARLIER; i += 1000) await say(1000);
  await db.query(
    `insert into groupuser (groupid, userid, grouprole, joined, sees) select ${groupid}, ${late.id}, 'normal', 1, max(id) + 1 from message`,
  );
  await say(1);
  await indexed(store, 60_000);
  await store.close();
  await using client = await server.client(late, { proto: 3 });
  for (const where of [{ groupid }, {}]) {
    await assertShort(async () => {
      const { messages } = await client.request({ msgid: 43, text: "do you", ...where }) as unknown as { messages: { msg: string }[] };
      assertEquals(messages.map(({ msg }) => msg), ["how do you do? 0"]);
    });
  }
});

databaseTest(`costs: ${COLLEAGUES} who are all friends come at the same moment: no turn above ${TURN} ms`, async (db) => {
  const store = await db.open();
  await store.join("n1");
  const ids = await addUsers(store, ...Array.from({ length: COLLEAGUES }, (_, i) => `colleague${i}`));
  for (const [i, id] of ids.entries()) {
    // On a busy machine all of them take longer than a lease.
    if (i % 10 === 0) await store.renew();
    await claim(store, id, `session${id}`);
  }
  await db.query("insert into friend (userid, friendid) select a.id, b.id from user a, user b where a.id <> b.id");
  let told = 0;
  const connection = { congested: false, send: (message: object) => void (told += JSON.stringify(message).length > 0 ? 1 : 0) };
  const session = () => ({ modern: true, welcomed: true, dialect: 3, connection }) as unknown as Session;
  const sessions = new Map(ids.map((id) => [id, [session()]]));
  const table = { of: (id: number) => sessions.get(id) ?? [] } as unknown as ConnectionTable;
  const router = { node: "n1", send: (_: string[], message: Parameters<PresenceNews["heard"]>[0]) => news.heard(message) } as unknown as Router;
  const news = new PresenceNews({ store, table, router, pushes: new Pushes() }, 10);
  const away = ids.map((id): News => ({ id, state: "offline", lastseen: null }));
  await assertShort(async () => {
    for (const [id, [there]] of sessions) {
      news.listed(there!, away.filter((friend) => friend.id !== id));
      // What is done for the test alone makes no turn long.
      if (id % 20 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    told = 0;
    for (const id of ids) news.changed(id);
    await eventually(() => told === COLLEAGUES * (COLLEAGUES - 1), "all are told", 60_000);
  });
  await news.close(0);
});

databaseTest("costs: a group's first message after a start ends its batch, the next ones weigh what the group is", async (db) => {
  const watch = new StoreWatch();
  await using server = await startServer(db, { limits: "off" }, { store: watch.wrap });
  const users: TestUser[] = [];
  for (let i = 0; i < MEMBERS; i += 200) users.push(...await makeUsers(db, 200, `member${i}_`));
  const [me] = users as [TestUser, ...TestUser[]];
  await using client = await server.client(me);
  const { groupid } = await client.request({ msgid: 8, groupname: "large", groupdesc: "" }) as { groupid: number };
  await db.query(`insert into groupuser (groupid, userid, grouprole, joined) select ${groupid}, id, 'normal', 1 from user where id <> ${me.id}`);
  await db.query(`update allgroup set count = ${MEMBERS} where id = ${groupid}`);
  const batches: number[] = [];
  watch.around = (call) => {
    if (call.name === "append") batches.push((call.args[0] as Append[]).length);
    return call.run();
  };
  const COUNT = 12;
  client.sendBytes(Array.from({ length: COUNT }, (_, i) => JSON.stringify({ msgid: 10, groupid, msg: "to all", ref: i }) + "\n").join(""));
  for (let i = 0; i < COUNT; i++) assertEquals((await client.next((m) => m.ref === i)).errno, 0);
  const most = db.kind === "sqlite" ? 1 : 8;
  assertEquals(batches[0], 1);
  assert(batches.every((count) => count <= most), `batches of ${batches}`);
});
