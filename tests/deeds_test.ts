// EDIT, DELETE and REACT: who is told, in which order, as what; and what a reader ends with who was frozen, away, or of 0.1.

import { assert, assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { assertErrno, assertRefused, confirmedSeq, isChat, nothingElse, upTo } from "./support/chat.ts";
import { clockStopped } from "./support/clock.ts";
import { databaseTest } from "./support/databases.ts";
import { loginDevice, makeDevices } from "./support/devices.ts";
import { clusterTest, startNode } from "./support/nodes.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, type TestUser } from "./support/server.ts";
import { readUntil, shownOf } from "./support/shown.ts";

const proto3 = { proto: 3 };
const inLog = (m: Message) => m.seq !== undefined;

/** The next entry of the log. */
const entry = (client: RawClient) => client.next(inLog);

/** Says something; its number. */
async function say(client: RawClient, to: object, msg: string, more: object = {}): Promise<number> {
  const answer = await client.request({ msgid: "groupid" in to ? 10 : 6, ...to, msg, ...more });
  assertErrno(answer, 0);
  return answer.messageid!;
}

async function makeGroup(client: RawClient): Promise<number> {
  return (await client.request({ msgid: 8, groupname: "g", groupdesc: "" })).groupid!;
}

databaseTest("deeds: between two: told to the other and to one's own other devices, in their order, and told by HISTORY", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [phone, desk] = await makeDevices(s, 2);
  const [bob] = await makeUsers(db, 1) as [TestUser];
  const ann = phone!.user.id;
  await using a = (await loginDevice(s, phone!)).client;
  await using a2 = (await loginDevice(s, desk!)).client;
  await using b = await s.client(bob, proto3);
  const messageid = await say(a, { toid: bob.id }, "helo", { mid: "m" });
  for (const client of [a, a2, b]) assertEquals((await entry(client)).msg, "helo");

  const edited = await a.request({ msgid: 25, messageid, msg: "hello" });
  assertEquals(edited, { msgid: 11, ref: edited.ref!, errno: 0, re: 25, edited: edited.edited });
  const about = { id: ann, toid: bob.id, messageid };
  for (const [client, seq] of [[a, 2], [a2, 2], [b, 2]] as const) {
    assertEquals(await entry(client), { msgid: 25, ...about, msg: "hello", edited: edited.edited, seq });
  }
  const reacted = await b.request({ msgid: 27, messageid, emoji: "👍" });
  assertEquals(reacted, { msgid: 11, ref: reacted.ref!, errno: 0, re: 27, reactions: [{ emoji: "👍", count: 1 }] });
  const reaction = { msgid: 27, id: bob.id, toid: ann, messageid, emoji: "👍", reactions: [{ emoji: "👍", count: 1 }] };
  // Bob has one device: it is not told of its own.
  for (const client of [a, a2]) assertEquals(await entry(client), { ...reaction, seq: 3 });
  const told = async (client: RawClient, peer: number) => (await client.request({ msgid: 16, toid: peer })).messages as Message[];
  const [seen] = await told(b, ann);
  assertEquals([seen!.msg, seen!.edited, seen!.reactions], ["hello", edited.edited, [{ emoji: "👍", count: 1, mine: true }]]);
  assertEquals((await told(a2, bob.id))[0]!.reactions, [{ emoji: "👍", count: 1 }]);

  // What changes nothing is told to nobody.
  assertErrno(await a.request({ msgid: 25, messageid, msg: "hello" }), 0);
  assertErrno(await b.request({ msgid: 27, messageid, emoji: "👍" }), 0);
  assertErrno(await a.request({ msgid: 27, messageid, emoji: "👎", off: true }), 0);

  assertErrno(await b.request({ msgid: 27, messageid, emoji: "👍", off: true }), 0);
  for (const client of [a, a2]) assertEquals(await entry(client), { ...reaction, off: true, reactions: [], seq: 4 });
  const gone = await a.request({ msgid: 26, messageid });
  assertEquals(gone, { msgid: 11, ref: gone.ref!, errno: 0, re: 26 });
  for (const [client, seq] of [[a, 5], [a2, 5], [b, 3]] as const) assertEquals(await entry(client), { msgid: 26, ...about, seq });
  const [stone] = await told(b, ann);
  assertEquals(stone, {
    msgid: 6,
    id: ann,
    name: phone!.user.name,
    toid: bob.id,
    time: stone!.time,
    ts: stone!.ts!,
    messageid,
    mid: "m",
    deleted: true,
  });
  // Twice is once; and then nothing can be done to it.
  assertErrno(await a.request({ msgid: 26, messageid }), 0);
  assertErrno(await a.request({ msgid: 25, messageid, msg: "again" }), 26);
  assertErrno(await b.request({ msgid: 27, messageid, emoji: "👍" }), 26);
  // The mid still names it.
  assertEquals(await say(a, { toid: bob.id }, "anything", { mid: "m" }), messageid);
  for (const client of [a, a2, b]) await nothingElse(client);
});

databaseTest(
  "deeds: in a group: told to all members but who did it; moderators delete others' messages; a note to oneself is one entry",
  async (db) => {
    await using s = await startServer(db, { limits: "off" });
    const [ann, bob, cid] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
    await using a = await s.client(ann, proto3);
    await using b = await s.client(bob, proto3);
    await using c = await s.client(cid, proto3);
    const groupid = await makeGroup(a);
    for (const client of [b, c]) await client.request({ msgid: 9, groupid });
    // That two came in, as each of them sees it.
    for (const [client, count] of [[a, 2], [b, 2], [c, 1]] as const) {
      for (const seq of upTo(count)) assertEquals((await client.next((m) => m.msgid === 28)).seq, seq);
    }
    const messageid = await say(b, { groupid }, "to all");
    for (const client of [a, c]) await entry(client);
    const { edited } = await b.request({ msgid: 25, messageid, msg: "to everyone" });
    for (const [client, seq] of [[a, 4], [c, 3]] as const) {
      assertEquals(await entry(client), { msgid: 25, id: bob.id, groupid, messageid, msg: "to everyone", edited, seq });
    }
    assertErrno(await c.request({ msgid: 27, messageid, emoji: "🎉" }), 0);
    const reactions = [{ emoji: "🎉", count: 1 }];
    assertEquals(await entry(a), { msgid: 27, id: cid.id, groupid, messageid, emoji: "🎉", reactions, seq: 5 });
    assertEquals(await entry(b), { msgid: 27, id: cid.id, groupid, messageid, emoji: "🎉", reactions, seq: 3 });
    await assertRefused(c, [
      [22, { msgid: 25, messageid, msg: "mine" }, "not yours"],
      [22, { msgid: 26, messageid }, "not yours"],
      [26, { msgid: 25, messageid: 2 ** 50, msg: "x" }, "no such message"],
      [26, { msgid: 26, messageid: 2 ** 50 }, "no such message"],
      [26, { msgid: 27, messageid: 2 ** 50, emoji: "🎉" }, "no such message"],
    ]);
    // The creator may.
    assertErrno(await a.request({ msgid: 26, messageid }), 0);
    assertEquals(await entry(b), { msgid: 26, id: ann.id, groupid, messageid, seq: 4 });
    assertEquals(await entry(c), { msgid: 26, id: ann.id, groupid, messageid, seq: 4 });

    const note = await say(a, { toid: ann.id }, "milk");
    assertEquals((await entry(a)).seq, 6);
    const again = await a.request({ msgid: 25, messageid: note, msg: "milk, bread" });
    assertEquals(await entry(a), { msgid: 25, id: ann.id, toid: ann.id, messageid: note, msg: "milk, bread", edited: again.edited, seq: 7 });
    for (const client of [a, b, c]) await nothingElse(client);
  },
);

databaseTest("deeds: reply and silent come back; what is answered must be of the same conversation", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob, cid] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
  await using a = await s.client(ann, proto3);
  await using b = await s.client(bob, proto3);
  await using old = await s.client(cid, { proto: 2 });
  const first = await say(a, { toid: bob.id }, "first");
  await entry(b);
  const second = await say(b, { toid: ann.id }, "second", { reply: first, silent: true });
  const { reply, silent, seq } = await entry(a);
  assertEquals([reply, silent, seq], [first, true, 1]);
  const { messages } = await a.request({ msgid: 16, toid: bob.id });
  assertEquals((messages as Message[]).map((m) => [m.messageid, m.reply, m.silent]), [[first, undefined, undefined], [second, first, true]]);
  assertErrno(await b.request({ msgid: 6, toid: cid.id, msg: "x", reply: first }), 26);
  assertErrno(await b.request({ msgid: 6, toid: ann.id, msg: "x", reply: 2 ** 50 }), 26);
  // Silent is not told when it is false, and a client of 0.1 is told neither.
  const third = await say(a, { toid: cid.id }, "third", { silent: true });
  assertEquals(Object.keys(await entry(old)), ["msgid", "id", "name", "toid", "msg", "time", "ts", "messageid", "seq"]);
  await say(a, { toid: bob.id }, "loud", { silent: false });
  assertEquals("silent" in await entry(b), false);
  await say(a, { toid: cid.id }, "answer", { reply: third });
  assertEquals("reply" in await entry(old), false);
  // What is answered may have been deleted since.
  assertErrno(await a.request({ msgid: 26, messageid: first }), 0);
  assertEquals(await say(b, { toid: ann.id }, "to a stone", { reply: first }) > 0, true);
});

databaseTest("deeds: clients of 0.1 are sent texts as they are now, and no events; those count as confirmed with what came before", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using a = await s.client(ann, proto3);
  const waiting = await say(a, { toid: bob.id }, "wrong");
  const doomed = await say(a, { toid: bob.id }, "doomed");
  assertErrno(await a.request({ msgid: 25, messageid: waiting, msg: "right" }), 0);
  assertErrno(await a.request({ msgid: 26, messageid: doomed }), 0);
  const b = await s.client(bob);
  const first = await entry(b);
  assertEquals([first.msg, first.seq, "edited" in first], ["right", 1, false]);
  assertErrno(await a.request({ msgid: 25, messageid: waiting, msg: "still right" }), 0);
  const last = await say(a, { toid: bob.id }, "last");
  assertEquals((await entry(b)).seq, 6);
  b.send({ msgid: 12, seq: 1 });
  await eventually(async () => await confirmedSeq(db, bob.id) === 5, "what it is not sent is confirmed with the first");
  const { messages } = await b.request({ msgid: 16, toid: ann.id });
  assertEquals((messages as Message[]).map((m) => [m.msg, m.edited]), [["still right", undefined], ["last", undefined]]);
  await nothingElse(b);
  await b.close();
  // Nor is a classic one, whose LOGIN_ACK has what waits.
  assertErrno(await a.request({ msgid: 26, messageid: last }), 0);
  await say(a, { toid: bob.id }, "classic");
  await using classic = await s.connect();
  const ack = await classic.login({ id: bob.id, token: bob.token });
  const inAck = ((ack.offlinemsg ?? []) as string[]).map((text) => JSON.parse(text) as Message);
  while (inAck.length < 1) inAck.push(await classic.next(isChat));
  assertEquals(inAck.map((m) => [m.msg, m.seq]), [["classic", 8]]);
  await nothingElse(classic);
});

databaseTest("deeds: an edit that races with a frozen reader, with the first login, with a second edit: all end with the same text", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob, cid] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
  await using a = await s.client(ann, proto3);
  const groupid = await makeGroup(a);
  await using frozen = await s.client(bob, proto3);
  await frozen.request({ msgid: 9, groupid });
  await using c = await s.client(cid, proto3);
  await c.request({ msgid: 9, groupid });
  await c.close();
  frozen.pause();
  const numbers: number[] = [];
  for (const i of upTo(30)) numbers.push(await say(a, { groupid }, `${i} ${"x".repeat(40_000)}`));
  // As fast as they can, several at once.
  await using a2 = await s.client(ann, { proto: 3, takeover: true });
  await Promise.all(numbers.flatMap((messageid, i) => [
    a2.request({ msgid: 25, messageid, msg: `first ${i}` }),
    ...i % 3 === 0 ? [a2.request({ msgid: 25, messageid, msg: `second ${i}` })] : [],
    ...i % 5 === 0 ? [a2.request({ msgid: 26, messageid })] : [],
  ]));
  frozen.resume();
  await using late = await s.client(cid, proto3);
  const last = await say(a2, { groupid }, "end");
  const expected = await shownOf(a2, { groupid });
  assertEquals(expected.get(numbers[3]!)?.msg, "second 3");
  assertEquals(expected.get(numbers[5]!)?.deleted, true);
  for (const client of [frozen, late]) assertEquals((await readUntil(client, last)).conversation({ groupid }), expected);
});

databaseTest("deeds: a message that is edited, then deleted while its delivery is held is told in the order of the log", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
  const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using a = await s.client(ann, proto3);
  const messageid = await say(a, { toid: bob.id }, "one");
  const held = Promise.withResolvers<void>(), asked = Promise.withResolvers<void>();
  watch.around = async (call) => {
    const result = await call.run();
    if (call.name === "log") {
      asked.resolve();
      await held.promise;
    }
    return result;
  };
  // The log was read before the edit, and comes after it.
  await using b = await s.client(bob, proto3);
  await asked.promise;
  assertErrno(await a.request({ msgid: 25, messageid, msg: "two" }), 0);
  assertErrno(await a.request({ msgid: 26, messageid }), 0);
  held.resolve();
  const came = [await entry(b), await entry(b), await entry(b)];
  assertEquals(came.map((m) => [m.seq, m.msgid, m.msg, m.deleted]), [[1, 6, "one", undefined], [2, 25, undefined, true], [
    3,
    26,
    undefined,
    undefined,
  ]]);
});

databaseTest("deeds: twenty different reactions at most, and of the same user to a message one a second", async (db) => {
  await using s = await startServer(db);
  const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using a = await s.client(ann, proto3);
  await using b = await s.client(bob, proto3);
  const messageid = await say(a, { toid: bob.id }, "hello"), other = await say(a, { toid: bob.id }, "and");
  const emoji = [..."😀😁😂😃😄😅😆😇😈😉😊😋😌😍😎😏😐😑😒"];
  const store = await db.open();
  for (const one of emoji) await store.act({ what: "react", by: bob.id, messageid, at: 1, emoji: one, off: false });
  // Two commits may take a second.
  using _clock = clockStopped();
  assertErrno(await b.request({ msgid: 27, messageid, emoji: "👍" }), 0);
  const refused = await b.request({ msgid: 27, messageid, emoji: "👎" });
  assertErrno(refused, 15);
  assert(refused.retry! > 0 && refused.retry! <= 1000, `${refused.retry}`);
  assertErrno(await b.request({ msgid: 27, messageid: other, emoji: "👎" }), 0);
  // It is the twentieth, and so there is room for no other; another user may add to one.
  const full = await a.request({ msgid: 27, messageid, emoji: "👎" });
  assertErrno(full, 24);
  assertEquals(full.errmsg, "too many different reactions");
});

clusterTest("deeds: on two nodes everyone is told at once, and ends with the same", async (db) => {
  const times = { reconcile: 3600_000, kicks: 100 };
  await using a = await startNode(db, "a", { times }, { limits: "off" });
  await using b = await startNode(db, "b", { times }, { limits: "off" });
  const [ann, bob, cid] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
  await using onA = await a.client(ann, proto3);
  await using onB = await b.client(bob, proto3);
  await using old = await b.client(cid, { proto: 2 });
  const groupid = await makeGroup(onA);
  for (const client of [onB, old]) assertErrno(await client.request({ msgid: 9, groupid }), 0);
  const numbers = [await say(onA, { groupid }, "a"), await say(onA, { groupid }, "b"), await say(onB, { groupid }, "c")];
  await Promise.all(
    upTo(20).flatMap((i) => [
      onA.request({ msgid: 25, messageid: numbers[i % 2]!, msg: `text ${i}` }),
      onB.request({ msgid: 27, messageid: numbers[i % 3]!, emoji: "👍", off: i % 4 === 0 }),
      onA.request({ msgid: 27, messageid: numbers[i % 3]!, emoji: "👍", off: i % 4 === 1 }),
      ...i === 15 ? [onB.request({ msgid: 26, messageid: numbers[2] })] : [],
    ]),
  );
  const last = await say(onA, { groupid }, "end"), answer = await say(onB, { groupid }, "end too");
  const expected = await shownOf(onA, { groupid });
  assertEquals((await readUntil(onB, last)).conversation({ groupid }, [numbers[2]!, answer]), without(expected, [numbers[2]!, answer]));
  const seen: Message[] = [];
  while (seen.at(-1)?.messageid !== answer) seen.push(await entry(old));
  assertEquals(seen.map((m) => m.messageid).filter((id) => id! >= last), [last, answer]);
  assert(seen.every(isChat), "events to a client of 0.1");
});

function without<T>(shown: Map<number, T>, numbers: readonly number[]): Map<number, T> {
  return new Map([...shown].filter(([number]) => !numbers.includes(number)));
}
