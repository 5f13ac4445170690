// A group of 1,000 and a user with 1,000 friends cost a handful of statements, not 1,000.

import { assert, assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { databaseTest, hasMysql, testDatabase } from "./support/databases.ts";
import { eventually, makeUsers, startServer, type TestUser } from "./support/server.ts";

const MEMBERS = 1000;

databaseTest(`statements: one message to a group of ${MEMBERS} is one row in message, and a row per inbox`, async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
  const users = await makeUsers(db, MEMBERS) as TestUser[];
  await using sender = await s.client(users[0]!);
  const { groupid } = await sender.request({ msgid: 8, groupname: "all", groupdesc: "" });
  const rows = users.slice(1).map((user, i) => `(${groupid}, ${user.id}, 'normal', ${i + 2})`).join(", ");
  await db.query(`insert into groupuser (groupid, userid, grouprole, joined) values ${rows}`);
  watch.forget();
  assertEquals((await sender.request({ msgid: 10, groupid, msg: "hello all" })).errno, 0);
  assertEquals(watch.made, ["append"]);
  assertEquals(Number((await db.query("select count(*) as n from message"))[0]?.n), 1);
  assertEquals(Number((await db.query("select count(*) as n from inbox"))[0]?.n), MEMBERS - 1);
});

databaseTest(`statements: the coming and going of a user with ${MEMBERS} friends is one look-up`, async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap, times: { news: 200 } });
  const users = await makeUsers(db, MEMBERS + 1) as TestUser[];
  const [star, fan] = users as [TestUser, TestUser];
  await db.query(`insert into friend (userid, friendid) values ${users.slice(1).map((user) => `(${user.id}, ${star.id})`).join(", ")}`);
  await using witness = await s.client(fan);
  // The witness's own coming is news too, and is over when the star comes.
  await eventually(() => watch.made.includes("watchers"), "the witness was told of");
  await watch.quiet();
  watch.forget();
  await using _star = await s.client(star);
  const news = await witness.next((m) => m.msgid === 15);
  assertEquals([news.id, news.state], [star.id, "online"]);
  assertEquals(watch.made.filter((name) => name === "watchers").length, 1);
});

Deno.test({
  name: `statements: what MySQL is asked for one message to a group of ${MEMBERS}`,
  ignore: !hasMysql,
  fn: async () => {
    await using db = await testDatabase("mysql");
    const store = await db.open();
    await store.join("test");
    const users = await makeUsers(db, MEMBERS) as TestUser[];
    const group = await store.createGroup(users[0]!.id, "all", "all", "");
    assert(typeof group === "object");
    const rows = users.slice(1).map((user, i) => `(${group.groupid}, ${user.id}, 'normal', ${i + 2})`).join(", ");
    await db.query(`insert into groupuser (groupid, userid, grouprole, joined) values ${rows}`);
    const send = (msg: string) => store.append([{ sender: users[0]!.id, groupid: group.groupid, msg, ts: Date.now() }]);
    // Statements that were never prepared would count twice.
    await send("first");
    // The database counts for all its users; of several tries the quietest is ours.
    const counts: number[] = [];
    for (let i = 0; i < 5; i++) {
      const before = await questions(db);
      await send(`m${i}`);
      counts.push(await questions(db) - before);
    }
    assert(Math.min(...counts) <= 25, `${Math.min(...counts)} statements`);
  },
});

async function questions(db: { query(sql: string): Promise<Record<string, unknown>[]> }): Promise<number> {
  return Number((await db.query("show global status like 'Questions'"))[0]?.Value);
}
