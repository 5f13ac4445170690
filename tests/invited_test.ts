// Invitations by name are state: every login is told them, a new device too, and every device when one comes or ends.

import { assert, assertEquals } from "@std/assert";
import { assertErrno, nothingElse } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import { clusterTest, startNode } from "./support/nodes.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { eventually, startServer, type TestServer, type TestUser } from "./support/server.ts";

// A login of another device is told as well.
const isChanged = (m: Message) => m.msgid === 30 && m.what !== "devices";
const changed = async (client: RawClient) => (await client.next(isChanged)).what;

async function ok(client: RawClient, request: { msgid: number; [field: string]: unknown }): Promise<Message> {
  const answer = await client.request(request);
  assertErrno(answer, 0, `${JSON.stringify(request)}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Somebody new, who has a password. */
async function person(server: TestServer): Promise<TestUser> {
  await using client = await server.connect();
  const name = `p-${crypto.randomUUID().slice(0, 8)}`;
  return { id: (await client.register(name, "secret")).id!, name, token: "" };
}

/** Somebody's session on a device of that name; none: device 0. */
async function enter(server: TestServer, { id }: TestUser, device?: string): Promise<RawClient & { ack: Message }> {
  const client = await server.connect();
  return Object.assign(client, { ack: await ok(client, { msgid: 1, id, password: "secret", proto: 3, device }) });
}

/** The groups that one is invited to, as CONTACTS tells them, and by whom. */
async function invited(client: RawClient): Promise<[number, string, number, string][]> {
  const list = (await ok(client, { msgid: 17 })).invited as { groupid: number; groupname: string; by: number; byname: string; until: number }[];
  const now = Date.now();
  assert(list.every(({ until }) => until > now && until <= now + 7 * 86_400_000));
  return list.map(({ groupid, groupname, by, byname }) => [groupid, groupname, by, byname]);
}

/** Invites, declines, takes back and closes, beside a user with two devices, on these nodes. */
async function invitations([first, second]: readonly [TestServer, TestServer]): Promise<void> {
  const ann = await person(first), bob = await person(first);
  await using a = await enter(first, ann);
  await using laptop = await enter(first, bob, "laptop");
  const groups: number[] = [];
  for (let i = 0; i < 4; i++) groups.push((await ok(a, { msgid: 8, groupname: `club${i}`, groupdesc: "", private: i > 0 })).groupid!);
  for (const groupid of groups) {
    await ok(a, { msgid: 39, groupid, userid: bob.id });
    assertEquals(await changed(laptop), "invited");
  }
  const all = groups.map((groupid, i): [number, string, number, string] => [groupid, `club${i}`, ann.id, ann.name]);

  // A device that is new begins at the log's end, and is told.
  await using phone = await enter(second, bob, "phone");
  assertEquals((phone.ack.invited as { groupid: number }[]).map(({ groupid }) => groupid), groups);
  assertEquals([await invited(phone), await invited(laptop)], [all, all]);

  // Taken, declined, taken back, closed: each device is told, but for the one that did it.
  await ok(phone, { msgid: 9, groupid: groups[0] });
  assertEquals(await changed(laptop), "groups");
  await ok(phone, { msgid: 19, groupid: groups[1] });
  assertEquals(await changed(laptop), "invited");
  assertErrno(await phone.request({ msgid: 19, groupid: groups[1] }), 17);
  assertErrno(await laptop.request({ msgid: 9, groupid: groups[1] }), 17);
  assertEquals(await invited(laptop), all.slice(2));
  await ok(a, { msgid: 37, groupid: groups[2], userid: bob.id });
  await ok(a, { msgid: 19, groupid: groups[3] });
  for (const device of [laptop, phone]) {
    for (let i = 0; i < 2; i++) assertEquals(await changed(device), "invited");
    assertEquals(await invited(device), []);
  }
  assertErrno(await a.request({ msgid: 37, groupid: groups[2], userid: bob.id }), 16);

  // Banned; one who was not invited is told nothing.
  await ok(a, { msgid: 39, groupid: groups[2], userid: bob.id });
  for (const device of [laptop, phone]) assertEquals(await changed(device), "invited");
  for (let i = 0; i < 2; i++) await ok(a, { msgid: 37, groupid: groups[2], userid: bob.id, ban: true });
  for (const device of [laptop, phone]) {
    assertEquals([await changed(device), await invited(device)], ["invited", []]);
    await nothingElse(device, isChanged);
  }
}

databaseTest("invited: told to every login, and to every device when one comes, is taken, declined, taken back, or its group is gone", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  await invitations([s, s]);
});

clusterTest("invited: the same on two nodes", async (db) => {
  await using a = await startNode(db, "a", {}, { limits: "off" });
  await using b = await startNode(db, "b", {}, { limits: "off" });
  await invitations([a, b]);
});

databaseTest("invited: expired ones are not told, inviting again begins anew; clients of 0.1 are told nothing; so many of a user", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const ann = await person(s), bob = await person(s);
  await using a = await enter(s, ann);
  await using b = await enter(s, bob, "laptop");
  const { groupid } = await ok(a, { msgid: 8, groupname: "club", groupdesc: "", private: true });
  await ok(a, { msgid: 39, groupid, userid: bob.id });
  await db.query("UPDATE invite SET expires = 1");
  assertEquals(await invited(b), []);
  assertErrno(await b.request({ msgid: 19, groupid }), 17);
  for (let i = 0; i < 2; i++) await ok(a, { msgid: 39, groupid, userid: bob.id });
  for (let i = 0; i < 3; i++) assertEquals(await changed(b), "invited");
  assertEquals((await invited(b)).length, 1);
  await using old = await s.connect();
  const ack = await old.request({ msgid: 1, id: bob.id, password: "secret", proto: 2 });
  assertEquals([ack.proto, ack.errno, "invited" in ack, "invited" in await ok(old, { msgid: 17 })], [2, 0, false, false]);

  const values = Array.from({ length: 49 }, (_, i) => `(${1000 + i}, ${bob.id}, ${ann.id}, 1, ${Date.now() + 1e6})`);
  await db.query(`INSERT INTO invite (groupid, userid, inviter, uses, expires) VALUES ${values}`);
  const { groupid: another } = await ok(a, { msgid: 8, groupname: "another", groupdesc: "", private: true });
  assertErrno(await a.request({ msgid: 39, groupid: another, userid: bob.id }), 24);
  // One that is there may be renewed.
  await ok(a, { msgid: 39, groupid, userid: bob.id });
  await ok(b, { msgid: 19, groupid });
  await ok(a, { msgid: 39, groupid: another, userid: bob.id });
});

databaseTest("invited: whose account is gone invites nobody any more, and the invited one is told", async (db) => {
  await using s = await startServer(db, { limits: "off" }, { times: { leavers: 20 } });
  const ann = await person(s), bob = await person(s);
  await using a = await enter(s, ann);
  await using b = await enter(s, bob);
  const { groupid } = await ok(a, { msgid: 8, groupname: "club", groupdesc: "", private: true });
  await ok(a, { msgid: 39, groupid, userid: bob.id });
  assertEquals([await changed(b), (await invited(b)).length], ["invited", 1]);
  await ok(a, { msgid: 44, password: "secret" });
  assertEquals(await changed(b), "invited");
  await eventually(async () => (await invited(b)).length === 0, "no invitation");
});
