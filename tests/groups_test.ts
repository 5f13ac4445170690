// Groups: CREATE_GROUP, JOIN_GROUP, LEAVE_GROUP, GROUP_CHAT, and every answer they can have.

import { assert, assertEquals } from "@std/assert";
import { assertErrno, assertRefused, chats, confirmedSeq, nothingElse } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer } from "./support/server.ts";

/** Makes a group; its id. */
async function create(client: RawClient, groupname: string): Promise<number> {
  const answer = await client.request({ msgid: 8, groupname, groupdesc: "" });
  assertErrno(answer, 0);
  return answer.groupid!;
}

/** The user's groups, as CONTACTS lists them. */
async function groups(client: RawClient) {
  return (await client.request({ msgid: 17 })).groups as { id: number; groupname: string; users: { id: number; role: string }[] }[];
}

databaseTest("a group is made, joined, written to and left", async (db) => {
  await using s = await startServer(db);
  const [ann, bob, cid] = await makeUsers(db, 3);
  await using a = await s.client(ann);
  await using b = await s.client(bob);

  const created = await a.request({ msgid: 8, groupname: "Пилоты ✈️", groupdesc: "of small planes" });
  const { groupid } = created as { groupid: number };
  assertEquals(created, { msgid: 11, ref: created.ref!, errno: 0, re: 8, groupid });
  const joined = await b.request({ msgid: 9, groupid });
  const users = [
    { id: ann.id, name: ann.name, state: "online", role: "creator" },
    { id: bob.id, name: bob.name, state: "online", role: "normal" },
  ];
  const group = { id: groupid, groupname: "Пилоты ✈️", groupdesc: "of small planes", users };
  assertEquals(joined, { msgid: 11, ref: joined.ref!, errno: 0, re: 9, group });
  // Joined twice is joined; by name, without regard to case.
  assertEquals((await b.request({ msgid: 9, groupname: "пилоты ✈️" })).group, group);

  const reply = await b.request({ msgid: 10, groupid, msg: "hello", mid: "m", toid: 1, id: 5, name: "x" });
  const { messageid, ts } = reply as { messageid: number; ts: number };
  assertEquals(reply, { msgid: 11, ref: reply.ref!, errno: 0, re: 10, messageid, ts, mid: "m" });
  const [got] = await chats(a, 1);
  const time = new Date(ts).toISOString().slice(0, 19).replace("T", " ");
  assertEquals(got, { msgid: 10, id: bob.id, name: bob.name, groupid, msg: "hello", time, ts, messageid, mid: "m", seq: 2 });
  // To every member but the sender; the same mid is the same message.
  assertEquals({ ...await b.request({ msgid: 10, groupid, msg: "hello", mid: "m" }), ref: 0 }, { ...reply, ref: 0 });
  await nothingElse(a);
  await nothingElse(b);

  // Who is away finds it at the next login, once.
  await using c = await s.client(cid);
  assertErrno(await c.request({ msgid: 9, groupid }), 0);
  await c.close();
  assertErrno(await a.request({ msgid: 10, groupid, msg: "while you were away" }), 0);
  await using c2 = await s.client(cid);
  assertEquals((await chats(c2, 1)).map((m) => [m.groupid, m.msg, m.seq]), [[groupid, "while you were away", 2]]);

  // A member who left gets no more, and may not write; what was written with that mid before is still answered the same.
  assertErrno(await b.request({ msgid: 19, groupid }), 0);
  await chats(b, 1);
  assertErrno(await a.request({ msgid: 10, groupid, msg: "without you" }), 0);
  await nothingElse(b);
  assertErrno(await b.request({ msgid: 10, groupid, msg: "?" }), 18);
  assertEquals({ ...await b.request({ msgid: 10, groupid, msg: "hello", mid: "m" }), ref: 0 }, { ...reply, ref: 0 });
  assertErrno(await b.request({ msgid: 19, groupid }), 18);
});

databaseTest("every refusal of a group's requests", async (db) => {
  await using s = await startServer(db, { "max-group": 2 });
  const [ann, bob, cid] = await makeUsers(db, 3);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  await using c = await s.client(cid);
  const groupid = await create(a, "crew");
  await b.request({ msgid: 9, groupid });
  await assertRefused(c, [
    [1, { msgid: 8, groupname: "CREW", groupdesc: "" }, "exists"],
    [1, { msgid: 8, groupname: "ｃｒｅｗ", groupdesc: "" }, "exists"],
    [13, { msgid: 8, groupname: "", groupdesc: "" }, "groupname"],
    [13, { msgid: 8, groupname: "ж".repeat(51), groupdesc: "" }, "groupname"],
    [13, { msgid: 8, groupname: "a\u200bb", groupdesc: "" }, "groupname"],
    [13, { msgid: 8, groupname: "other" }, "groupdesc is missing"],
    [13, { msgid: 8, groupname: "other", groupdesc: "x".repeat(201) }, "groupdesc"],
    [17, { msgid: 9, groupid: 4711 }, "group"],
    [17, { msgid: 9, groupname: "nothing of the kind" }, "group"],
    [13, { msgid: 9 }, "groupid"],
    [24, { msgid: 9, groupid }, "full"],
    [17, { msgid: 10, groupid: 4711, msg: "x" }, "group"],
    [18, { msgid: 10, groupid, msg: "x" }, "member"],
    [13, { msgid: 10, groupid, msg: "" }, "msg"],
    [13, { msgid: 10, groupid: -1, msg: "x" }, "groupid"],
    [17, { msgid: 19, groupid: 4711 }, "group"],
    [18, { msgid: 19, groupid }, "member"],
  ]);
  // The longest that fit.
  assertErrno(await c.request({ msgid: 8, groupname: "ж".repeat(50), groupdesc: "ж".repeat(200) }), 0);
  // A full group refuses newcomers only.
  assertErrno(await b.request({ msgid: 9, groupid }), 0);
  await nothingElse(a);
});

databaseTest("a group whose creator leaves passes to its oldest member, and closes with the last one", async (db) => {
  await using s = await startServer(db);
  const [ann, bob, cid] = await makeUsers(db, 3);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  await using c = await s.client(cid);
  const groupid = await create(a, "crew");
  // The oldest member is who joined first, not who registered first.
  await c.request({ msgid: 9, groupid });
  await b.request({ msgid: 9, groupid });
  assertErrno(await a.request({ msgid: 19, groupid }), 0);
  assertEquals((await groups(b))[0].users.map((u) => [u.id, u.role]), [[cid.id, "creator"], [bob.id, "normal"]]);
  // Who comes back is the youngest.
  await a.request({ msgid: 9, groupid });
  await c.request({ msgid: 19, groupid });
  assertEquals((await groups(b))[0].users.map((u) => [u.id, u.role]), [[bob.id, "creator"], [ann.id, "normal"]]);

  assertErrno(await a.request({ msgid: 10, groupid, msg: "last words" }), 0);
  await a.request({ msgid: 19, groupid });
  await b.request({ msgid: 19, groupid });
  assertEquals(await groups(b), []);
  assertErrno(await b.request({ msgid: 9, groupid }), 17);
  assertErrno(await b.request({ msgid: 10, groupid, msg: "x" }), 17);
  assertErrno(await b.request({ msgid: 16, groupid }), 17);
  // Its name is free, its number is not given again, and what waited in an inbox is not lost.
  const next = await create(b, "Crew");
  assert(next > groupid);
  assertEquals((await chats(b, 1))[0].msg, "last words");
});

databaseTest("a member whose inbox is full gets a group's message by HISTORY only; a friend is refused with 24", async (db) => {
  await using s = await startServer(db, { "max-inbox": 2 });
  const [ann, bob, cid] = await makeUsers(db, 3);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  await using c = await s.client(cid);
  const groupid = await create(a, "crew");
  for (const client of [b, c]) await client.request({ msgid: 9, groupid });
  // That they came has a place in the log, which clients of 0.1 are not sent.
  await eventually(async () => await confirmedSeq(db, bob.id) === 2, "confirmed");
  for (const msg of ["one", "two"]) assertErrno(await a.request({ msgid: 6, toid: bob.id, msg }), 0);
  const full = await a.request({ msgid: 6, toid: bob.id, msg: "three" });
  assertErrno(full, 24);
  assertErrno(await a.request({ msgid: 10, groupid, msg: "four" }), 0);
  assertEquals((await chats(c, 1)).map((m) => m.msg), ["four"]);
  assertEquals((await chats(b, 2)).map((m) => m.msg), ["one", "two"]);
  await nothingElse(b);
  const history = await b.request({ msgid: 16, groupid });
  assertEquals((history.messages as Message[]).map((m) => m.msg), ["four"]);
  // Confirming makes room; seq goes on without a gap.
  b.send({ msgid: 12, seq: 3 });
  await eventually(async () => await confirmedSeq(db, bob.id) === 3, "confirmed");
  assertErrno(await a.request({ msgid: 6, toid: bob.id, msg: "five" }), 0);
  assertEquals((await chats(b, 1)).map((m) => [m.msg, m.seq]), [["five", 5]]);
});
