// Rows and table are held against each other: what does not agree is put right, and no living client is cut without need.

import { assertEquals } from "@std/assert";
import { databaseTest, hasMysql, testDatabase } from "./support/databases.ts";
import { eventually, makeUsers, startServer, stateOf, type TestUser } from "./support/server.ts";

const TIMES = { renew: 100, kicks: 100, reconcile: 200 };

databaseTest("reconciling: a row that claims a session which the node does not hold is released", async (db) => {
  await using _s = await startServer(db, {}, { times: TIMES });
  const [user] = await makeUsers(db, 1) as [TestUser];
  await db.query(`update user set state = 'online', session = 'nobody', node = 'test', incarnation = 1 where id = ${user.id}`);
  await eventually(async () => await stateOf(db, user.id) === "offline", "released", 5000);
});

databaseTest("reconciling: a session whose row names another is closed", async (db) => {
  await using s = await startServer(db, {}, { times: TIMES });
  const [user, other] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using client = await s.client(user);
  await using untouched = await s.client(other);
  await db.query(`update user set session = 'another', node = 'elsewhere' where id = ${user.id}`);
  const goodbye = await client.next((m) => m.msgid === 20);
  assertEquals([goodbye.reason, goodbye.retry], ["replaced", undefined]);
  await client.closed;
  assertEquals((await db.query(`select session from user where id = ${user.id}`))[0]?.session, "another");
  assertEquals((await untouched.request({ msgid: 13 })).msgid, 14);
});

databaseTest("reconciling: a row that was set offline under a living session is claimed anew", async (db) => {
  await using s = await startServer(db, {}, { times: TIMES });
  const [user] = await makeUsers(db, 1) as [TestUser];
  await using client = await s.client(user);
  await db.query(`update user set state = 'offline', session = null, node = null, incarnation = null where id = ${user.id}`);
  await eventually(async () => await stateOf(db, user.id) === "online", "claimed anew", 5000);
  assertEquals((await client.request({ msgid: 13 })).msgid, 14);
  await client.close();
  await eventually(async () => await stateOf(db, user.id) === "offline", "and offline when it goes", 1000);
});

databaseTest("reconciling: a message whose wake-up was lost is delivered", async (db) => {
  await using s = await startServer(db, {}, { times: TIMES });
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using client = await s.client(bob);
  const store = await db.open();
  await store.append([{ sender: ada.id, toid: bob.id, msg: "from elsewhere", ts: Date.now() }]);
  assertEquals((await client.next((m) => m.msgid === 6)).msg, "from elsewhere");
});

Deno.test({
  name: "reconciling: a node whose lease ran out and that was swept keeps its clients, and loses only those who moved",
  ignore: !hasMysql,
  fn: async () => {
    await using db = await testDatabase("mysql");
    await using s = await startServer(db, { node: "a" }, { times: TIMES });
    const [stays, moves] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using kept = await s.client(stays);
    await using lost = await s.client(moves);
    // As if this process had been stopped: its lease is over, another node has swept it, and one user has moved there.
    await db.query("update node set incarnation = incarnation + 1, lease_until = null where name = 'a'");
    await db.query("update user set state = 'offline', session = null, node = null, incarnation = null");
    await db.query(`update user set state = 'online', session = 'there', node = 'b', incarnation = 1 where id = ${moves.id}`);
    assertEquals((await lost.next((m) => m.msgid === 20)).reason, "replaced");
    await eventually(async () => await stateOf(db, stays.id) === "online", "claimed anew", 5000);
    assertEquals((await kept.request({ msgid: 13 })).msgid, 14);
    assertEquals((await db.query(`select session from user where id = ${moves.id}`))[0]?.session, "there");
    // And it serves logins again.
    await kept.close();
    await using back = await s.client(stays);
    assertEquals((await back.request({ msgid: 13 })).msgid, 14);
  },
});
