// A group of 1,000 and a user with 1,000 friends cost a handful of statements, not 1,000.

import { assert, assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { countCommands, mysqlTest } from "./support/mysql.ts";
import { addDevice, claim } from "./support/stores.ts";
import { eventually, makeUsers, startServer, type TestUser } from "./support/server.ts";

const MEMBERS = 1000;

databaseTest(`statements: one message to a group of ${MEMBERS} is one row in message, and at most one for each inbox`, async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
  const users = await makeUsers(db, MEMBERS) as TestUser[];
  await using sender = await s.client(users[0]!);
  const { groupid } = await sender.request({ msgid: 8, groupname: "all", groupdesc: "" });
  const rows = users.slice(1).map((user, i) => `(${groupid}, ${user.id}, 'normal', ${i + 2})`).join(", ");
  await db.query(`insert into groupuser (groupid, userid, grouprole, joined) values ${rows}`);
  watch.forget();
  assertEquals((await sender.request({ msgid: 10, groupid, msg: "hello all" })).errno, 0);
  assertEquals(watch.asked, ["append"]);
  assertEquals(Number((await db.query("select count(*) as n from message"))[0]?.n), 1);
  // On SQLite it stands in the tail.
  assertEquals(Number((await db.query("select count(*) as n from inbox"))[0]?.n), db.kind === "sqlite" ? 0 : MEMBERS - 1);
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

mysqlTest(`statements: what one message to a group of ${MEMBERS} costs MySQL in round trips`, async (t) => {
  const store = await t.openProxied();
  await store.join("test");
  const users = await makeUsers(t.database, MEMBERS) as TestUser[];
  const group = await store.createGroup(users[0]!.id, "all", "all", "");
  assert(typeof group === "object");
  const rows = users.slice(1).map((user, i) => `(${group.groupid}, ${user.id}, 'normal', ${i + 2})`).join(", ");
  await t.database.query(`insert into groupuser (groupid, userid, grouprole, joined) values ${rows}`);
  const send = (msg: string) => store.append([{ sender: users[0]!.id, groupid: group.groupid, msg, ts: 1 }]);
  // It opens connections.
  await send("first");
  const count = countCommands(t.proxy);
  await send("second");
  // Three, and what is locked, read and written of more members than one list holds.
  assertEquals(count.commands, 6);
});

mysqlTest("statements: what the logins of a moment cost MySQL in round trips, whatever their groups and devices", async (t) => {
  const store = await t.openProxied();
  await store.join("a");
  const users = await addUsers(store, ...Array.from({ length: 20 }, (_, i) => `user${i}`));
  const ask = (device: number | { name: string }) =>
    users.map((userId) => store.claim({ userId, session: crypto.randomUUID(), proof: { version: 1 }, device, address: "", at: 1 }));
  const made = await Promise.all(ask({ name: "phone" }));
  assert(made.every((claim) => claim.result === "claimed"));
  for (let i = 0; i < 10; i++) {
    const group = await store.createGroup(users[i], `g${i}`, `g${i}`, "");
    assert(typeof group === "object");
    for (const user of users) await store.joinGroup(user, { id: group.groupid }, 1);
  }
  const count = countCommands(t.proxy);
  const cost = async (calls: Promise<unknown>[]) => {
    await Promise.all(calls);
    const { commands } = count;
    count.commands = 0;
    return commands;
  };
  // Nineteen wait for the first, and one connection may be opened for them.
  const opening = 3;
  const claiming = await cost(ask(0));
  assert(claiming >= 2 && claiming <= 4 + opening, `${claiming} round trips of twenty claims`);
  const welcoming = await cost(users.map((user) => store.welcome(user, 1)));
  assert(welcoming >= 1 && welcoming <= 2 + opening, `${welcoming} round trips of twenty welcomes`);
  assertEquals(await cost([store.welcome(users[0], 0)]), 1);
  const keys = users.map((userId, i) => ({ userId, device: 1, session: String(i) }));
  assertEquals(await cost([store.confirm(keys.map((key) => ({ ...key, seq: 1 })))]), 2);
  assertEquals(await cost([store.release(keys.map((key) => ({ ...key, lastseen: 1 })))]), 2);
});

mysqlTest("statements: what messages cost MySQL in round trips: one to lock and read, one to insert, one for the logs and COMMIT", async (t) => {
  const store = await t.openProxied();
  await store.join("a");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const [first] = await store.append([{ sender: ada, toid: bob, msg: "first", ts: 1 }]);
  assert(first.errno === "OK");
  const { messageid } = first;
  const count = countCommands(t.proxy);
  await store.append([{ sender: ada, toid: bob, msg: "second", ts: 2 }]);
  assertEquals(count.commands, 3);
  // Nor does an answer cost more, nor a list of conversations than three.
  count.commands = 0;
  await store.append([{ sender: bob, toid: ada, msg: "answer", ts: 2, reply: messageid, silent: true }]);
  assertEquals(count.commands, 3);
  count.commands = 0;
  await store.talks(ada, 100);
  assert(count.commands <= 3, `${count.commands} round trips of a list`);
  // Nor does a sender with more than one device cost more, but for one who is on several nodes.
  const desk = await addDevice(store, cy, "desk");
  await addDevice(store, cy, "phone");
  count.commands = 0;
  const [own] = await store.append([{ sender: cy, toid: bob, msg: "third", ts: 3 }]);
  assertEquals([own.errno === "OK" && own.receivers.find(({ userId }) => userId === cy)?.nodes, count.commands], [["a"], 3]);
  const other = await t.open();
  await other.join("b");
  await claim(other, cy, "b", { device: desk.device, takeover: desk.session });
  count.commands = 0;
  const [both] = await store.append([{ sender: cy, toid: bob, msg: "fourth", ts: 4 }]);
  assertEquals([both.errno === "OK" && both.receivers.find(({ userId }) => userId === cy)?.nodes.toSorted(), count.commands], [["a", "b"], 4]);
});
