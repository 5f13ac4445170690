// What users say of themselves, what they report to the operator, and what the operator can hand out of what is kept of them.

import { assertEquals, assertMatch } from "@std/assert";
import { addUsers, databaseTest, type TestDatabase } from "./support/databases.ts";
import { run } from "./support/program.ts";
import { makeUsers, startServer } from "./support/server.ts";
import { stored } from "./support/stores.ts";

async function natter(db: TestDatabase, ...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await run([...args, "--database", db.url]);
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout.trimEnd().split("\n");
}

databaseTest("PROFILE: told whole, to others by USERS, and other devices are told that it changed", async (db) => {
  await using server = await startServer(db);
  const [alice, bob] = await makeUsers(db, 2);
  await db.query(`insert into device (userid, device, name, created, confirmed_seq) values (${alice!.id}, 1, 'phone', 0, 0)`);
  await db.query(`update token set device = 1 where userid = ${alice!.id}`);
  await using phone = await server.client(alice!, { proto: 3 });
  await using other = await server.client(bob!, { proto: 3 });
  const profile = async (fields: object = {}) => {
    const { about, receipts } = await phone.request({ msgid: 41, ...fields });
    return { about, receipts };
  };
  assertEquals(await profile(), { about: "", receipts: true });
  assertEquals(await profile({ about: "on the hills" }), { about: "on the hills", receipts: true });
  assertEquals(await profile({ receipts: false }), { about: "on the hills", receipts: false });
  const { users } = await other.request({ msgid: 42, ids: [alice!.id, bob!.id] });
  const both = [{ id: alice!.id, name: alice!.name, about: "on the hills" }, { id: bob!.id, name: bob!.name }];
  assertEquals(users, both.sort((one, other) => one.id - other.id));
  assertEquals(await profile({ about: "" }), { about: "", receipts: false });
  assertEquals((await other.request({ msgid: 42, names: [alice!.name] })).users, [{ id: alice!.id, name: alice!.name }]);
  // With receipts off, nobody learns how far she has read.
  const { messageid } = await other.request({ msgid: 6, toid: alice!.id, msg: "read this" });
  await phone.next((m) => m.msgid === 6);
  assertEquals((await phone.request({ msgid: 29, toid: bob!.id, messageid })).errno, 0);
  const { conversations } = await other.request({ msgid: 31 });
  assertEquals((conversations as { peerread?: number }[])[0]!.peerread, undefined);
});

databaseTest("PROFILE: one's other device is told that it changed", async (db) => {
  await using server = await startServer(db, { limits: "off" });
  await using one = await server.connect();
  const { id } = await one.request({ msgid: 4, name: "alice", password: "secret" });
  await one.login({ id, password: "secret", proto: 3, device: "phone" });
  await using two = await server.connect();
  await two.login({ id, password: "secret", proto: 3, device: "laptop" });
  await one.request({ msgid: 41, about: "here" });
  assertEquals((await two.next((m) => m.msgid === 30 && m.what === "profile")).what, "profile");
});

databaseTest("REPORT: what one may see, as it was then, once; natter reports lists it, also when it is deleted", async (db) => {
  await using server = await startServer(db);
  const [alice, bob, eve] = await makeUsers(db, 3);
  await using a = await server.client(alice!, { proto: 3 });
  await using b = await server.client(bob!, { proto: 3 });
  await using e = await server.client(eve!, { proto: 3 });
  const { messageid } = await b.request({ msgid: 6, toid: alice!.id, msg: "buy\ncheap \u009b2J\u202e" });
  const report = (client: typeof a, number: unknown, reason = "spam") => client.request({ msgid: 46, messageid: number, reason });
  assertEquals((await report(e, messageid)).errno, 26, "not told to her");
  assertEquals((await report(a, 2 ** 40)).errno, 26);
  assertEquals((await report(a, messageid)).errno, 0);
  assertEquals((await report(a, messageid, "again")).errno, 0);
  assertEquals((await b.request({ msgid: 26, messageid })).errno, 0);
  assertEquals((await report(b, messageid)).errno, 26, "it is deleted");
  const [head, line, ...more] = await natter(db, "reports");
  assertEquals(head!.split("\t").length, 8);
  const [at, by, reason, number, said, where, when, text] = line!.split("\t");
  assertMatch(at!, /^20.*Z$/);
  assertMatch(when!, /^20.*Z$/);
  assertEquals([by, reason, number, said, where, text], [
    `${alice!.name} (${alice!.id})`,
    '"spam"',
    String(messageid),
    `${bob!.name} (${bob!.id})`,
    `to ${alice!.id}`,
    '"buy\\ncheap \\u009b2J\\u202e"',
  ]);
  assertEquals(more, []);
  // All at once: in six seconds one comes back.
  const many = await Promise.all(Array.from({ length: 20 }, () => report(a, messageid)));
  assertEquals(many.at(-1)!.errno, 15);
});

databaseTest("reports of one user are bounded, also at once on two nodes; they go after a while", async (db) => {
  const stores = [await db.open(), await db.open()];
  const [ada, bob] = await addUsers(stores[0]!, "ada", "bob") as [number, number];
  const messages: number[] = [];
  for (let i = 0; i < 6; i++) messages.push((await stored(stores[0]!, { sender: bob, toid: ada, msg: `${i}`, ts: 1 })).messageid);
  const outcomes = await Promise.all(messages.map((id, i) => stores[i % 2]!.report(ada, id, "spam", i, 3)));
  assertEquals(outcomes.toSorted(), ["FULL", "FULL", "FULL", "OK", "OK", "OK"]);
  assertEquals((await stores[0]!.reports(0, 10)).length, 3);
  const [first] = await stores[0]!.reports(0, 1);
  await stores[0]!.expireReports(Math.max(...(await stores[0]!.reports(0, 10)).map(({ at }) => at)), 1);
  assertEquals((await stores[0]!.reports(0, 10)).length, 1);
  assertEquals(typeof first!.reason, "string");
});
