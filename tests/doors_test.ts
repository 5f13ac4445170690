// Groups with doors: who may do what, who is told of it, and that nothing of a group reaches who has gone, from the commit on. What strangers are told of private
// groups: private_groups_test.ts.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { assertErrno, assertRefused, nothingElse, upTo } from "./support/chat.ts";
import { clockStopped } from "./support/clock.ts";
import { databaseTest, type TestDatabase } from "./support/databases.ts";
import { loginDevice, makeDevices } from "./support/devices.ts";
import { clusterTest, startNode } from "./support/nodes.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer, type TestServer, type TestUser } from "./support/server.ts";

const proto3 = { proto: 3 };
const isEvent = (m: Message) => m.msgid === 28;
/** The next thing that happened in a group. */
const event = (client: RawClient) => client.next(isEvent);
const inLog = (m: Message) => m.seq !== undefined;

async function create(client: RawClient, fields: object = {}): Promise<number> {
  const answer = await client.request({ msgid: 8, groupname: `g-${crypto.randomUUID().slice(0, 8)}`, groupdesc: "", ...fields });
  assertErrno(answer, 0);
  return answer.groupid!;
}

async function ok(client: RawClient, request: { msgid: number; [field: string]: unknown }): Promise<Message> {
  const answer = await client.request(request);
  assertErrno(answer, 0, `${JSON.stringify(request)}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Without what differs from receiver to receiver, or is made up by the server. */
function said({ seq: _, ts, messageid, ...event }: Message): object {
  assert(Number.isSafeInteger(ts) && Number.isSafeInteger(messageid));
  return event;
}

databaseTest(
  "doors: what happens in a group is told on every device of all who were in it or are, once by seq, and stands in its history",
  async (db) => {
    await using s = await startServer(db, { limits: "off" });
    const [phone, desk] = await makeDevices(s, 2);
    const [bob, cid, old] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
    const ann = phone!.user;
    await using a = (await loginDevice(s, phone!)).client;
    await using a2 = (await loginDevice(s, desk!)).client;
    await using b = await s.client(bob, proto3);
    await using c = await s.client(cid, proto3);
    await using o = await s.client(old, { proto: 2 });
    const groupid = await create(a, { groupname: "crew" });
    assertEquals((await a2.next((m) => m.msgid === 30)).what, "groups");
    const about = { msgid: 28, groupid, groupname: "crew" };
    const byAnn = { by: ann.id, byname: ann.name };

    await ok(b, { msgid: 9, groupid });
    await ok(o, { msgid: 9, groupid });
    await ok(c, { msgid: 9, groupid });
    await ok(a, { msgid: 36, groupid, userid: bob.id, role: "moderator" });
    await ok(b, { msgid: 35, groupid, groupname: "Crew", groupdesc: "of a small plane", posting: "moderators" });
    await ok(b, { msgid: 37, groupid, userid: cid.id, ban: true });
    await ok(a, { msgid: 19, groupid });
    const [joined1, joined2, joined3, role, updated, kicked, left, creator] = [
      { ...about, what: "joined", id: bob.id, name: bob.name, role: "normal", count: 2 },
      { ...about, what: "joined", id: old.id, name: old.name, role: "normal", count: 3 },
      { ...about, what: "joined", id: cid.id, name: cid.name, role: "normal", count: 4 },
      { ...about, what: "role", id: bob.id, name: bob.name, ...byAnn, role: "moderator", count: 4 },
      {
        ...about,
        groupname: "Crew",
        what: "updated",
        id: bob.id,
        name: bob.name,
        group: { groupname: "Crew", groupdesc: "of a small plane", posting: "moderators" },
        count: 4,
      },
      { ...about, groupname: "Crew", what: "kicked", id: cid.id, name: cid.name, by: bob.id, byname: bob.name, count: 3 },
      { ...about, groupname: "Crew", what: "left", id: ann.id, name: ann.name, count: 2 },
      { ...about, groupname: "Crew", what: "role", id: bob.id, name: bob.name, ...byAnn, role: "creator", count: 2 },
    ];
    const all = [joined1, joined2, joined3, role, updated, kicked, left, creator];
    const told: [RawClient, object[]][] = [[a, all.slice(0, 7)], [a2, all.slice(0, 7)], [b, all], [c, all.slice(2, 6)]];
    for (const [client, expected] of told) {
      const events: Message[] = [];
      while (events.length < expected.length) events.push(await event(client));
      assertEquals(events.map(said), expected);
      assertEquals(events.map((m) => m.seq), upTo(expected.length));
    }
    // On the devices of one who went or was put out, lists are not as they were.
    for (const client of [a2, c]) assertEquals((await client.next((m) => m.msgid === 30)).what, "groups");
    for (const client of [a, a2, b, c, o]) await nothingElse(client, inLog);
    const { messages, more } = await ok(b, { msgid: 16, groupid });
    assertEquals([(messages as Message[]).map(said), more], [all, false]);
    assertEquals((await ok(o, { msgid: 16, groupid })).messages, []);
    // Clients of 0.1 know no moderators, and what they are not sent is confirmed.
    await ok(b, { msgid: 36, groupid, userid: old.id, role: "moderator" });
    const { groups } = await ok(o, { msgid: 17 });
    assertEquals((groups as { users: { role: string }[] }[])[0]!.users.map(({ role }) => role), ["creator", "normal"]);
    assertEquals(((await ok(o, { msgid: 32, groupid })).members as { role: string }[]).map(({ role }) => role).sort(), ["creator", "normal"]);
    assertErrno(await ok(o, { msgid: 10, groupid, msg: "a moderator all the same" }), 0);
    assertEquals((await b.next((m) => m.msgid === 10)).msg, "a moderator all the same");
  },
);

databaseTest("doors: every refusal: what one has no right to, what is taken, who is banned, who blocks", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob, cid, dan, eve] = await makeUsers(db, 5) as TestUser[];
  await using a = await s.client(ann!, proto3);
  await using b = await s.client(bob!, proto3);
  await using c = await s.client(cid!, proto3);
  await using d = await s.client(dan!, proto3);
  await using e = await s.client(eve!, proto3);
  const groupid = await create(a, { groupname: "crew" });
  await create(a, { groupname: "taken" });
  for (const client of [b, c, d]) await ok(client, { msgid: 9, groupid });
  for (const userid of [bob!.id, cid!.id]) await ok(a, { msgid: 36, groupid, userid, role: "moderator" });
  const no = "no right";
  await assertRefused(d, [
    [22, { msgid: 35, groupid, groupname: "mine" }, no],
    [22, { msgid: 36, groupid, userid: dan!.id, role: "creator" }, no],
    [22, { msgid: 37, groupid, userid: bob!.id }, no],
    [22, { msgid: 38, groupid, userid: eve!.id }, no],
    [22, { msgid: 39, groupid }, no],
    [22, { msgid: 39, groupid, userid: eve!.id }, no],
    [22, { msgid: 40, groupid }, no],
    [22, { msgid: 32, groupid, banned: true }, "not yours"],
  ]);
  await assertRefused(b, [
    // Moderators cannot touch creator or moderators, nor themselves.
    [22, { msgid: 37, groupid, userid: ann!.id }, no],
    [22, { msgid: 37, groupid, userid: cid!.id }, no],
    [22, { msgid: 37, groupid, userid: bob!.id }, no],
    [22, { msgid: 36, groupid, userid: dan!.id, role: "moderator" }, no],
    [1, { msgid: 35, groupid, groupname: "TAKEN" }, "exists"],
    [16, { msgid: 37, groupid, userid: eve!.id }, "user"],
    [16, { msgid: 37, groupid, userid: 2 ** 40, ban: true }, "user"],
    [16, { msgid: 39, groupid, userid: 2 ** 40 }, "user"],
    [13, { msgid: 39, userid: eve!.id }, "groupid"],
    [13, { msgid: 35, groupid }, "groupname"],
    [13, { msgid: 35, groupid, history: "none" }, "history"],
  ]);
  await assertRefused(a, [
    [16, { msgid: 36, groupid, userid: eve!.id, role: "moderator" }, "user"],
    [22, { msgid: 36, groupid, userid: ann!.id, role: "normal" }, no],
    [27, { msgid: 9, code: "AAAAAAAAAAAAAAAAAAAAAA" }, "invitation"],
    [27, { msgid: 9, code: "no code" }, "invitation"],
  ]);
  // Where only moderators write others may react, and delete their own.
  const { messageid } = await ok(d, { msgid: 10, groupid, msg: "while I may" });
  await ok(b, { msgid: 35, groupid, posting: "moderators" });
  await assertRefused(d, [
    [29, { msgid: 10, groupid, msg: "may I?" }, "only moderators"],
    [29, { msgid: 25, messageid, msg: "may I?" }, "only moderators"],
  ]);
  await ok(d, { msgid: 27, messageid, emoji: "👍" });
  await ok(d, { msgid: 26, messageid });
  await ok(c, { msgid: 10, groupid, msg: "we may" });
  // A ban keeps out, by name and by code, and uses none up; who was never in can be banned.
  await ok(b, { msgid: 37, groupid, userid: eve!.id, ban: true });
  const { code } = await ok(b, { msgid: 39, groupid, uses: 1, days: 1 });
  assertMatch(code as string, /^[\w-]{22}$/);
  await assertRefused(e, [[22, { msgid: 9, groupid }, "banned"], [22, { msgid: 9, groupname: "crew" }, "banned"], [
    22,
    { msgid: 9, code },
    "banned",
  ]]);
  await assertRefused(b, [[22, { msgid: 39, groupid, userid: eve!.id }, no]]);
  assertEquals((await ok(b, { msgid: 32, groupid, banned: true })).banned, [{ id: eve!.id, name: eve!.name }]);
  await ok(b, { msgid: 38, groupid, userid: eve!.id });
  assertEquals((await ok(b, { msgid: 32, groupid, banned: true })).banned, []);
  // A member who uses a code uses none up; and who blocks is not invited.
  assertEquals(((await ok(d, { msgid: 9, code })).group as { id: number }).id, groupid);
  await ok(e, { msgid: 23, userid: bob!.id });
  await assertRefused(b, [[23, { msgid: 39, groupid, userid: eve!.id }, "does not take"]]);
  await ok(e, { msgid: 9, code });
  await ok(e, { msgid: 19, groupid });
  await assertRefused(e, [[27, { msgid: 9, code }, "not valid"]]);
  // Codes that are revoked are none.
  const { code: another } = await ok(b, { msgid: 39, groupid, uses: 5 });
  await ok(c, { msgid: 40, groupid });
  await assertRefused(e, [[27, { msgid: 9, code: another }, "not valid"]]);
  // The creator hands over, and is a moderator then.
  await ok(a, { msgid: 36, groupid, userid: dan!.id, role: "creator" });
  const { members } = await ok(d, { msgid: 32, groupid });
  assertEquals((members as { role: string }[]).map(({ role }) => role).sort(), ["creator", "moderator", "moderator", "moderator"]);
});

databaseTest("doors: a private group is told as one, is entered by invitation alone, and begins for each with their joining", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using a = await s.client(ann, proto3);
  await using b = await s.client(bob, proto3);
  const groupid = await create(a, { groupname: "secret", private: true });
  await ok(a, { msgid: 10, groupid, msg: "before" });
  await ok(a, { msgid: 39, groupid, userid: bob.id });
  // Once, however often.
  await ok(a, { msgid: 39, groupid, userid: bob.id });
  const invited = await event(b);
  const about = { msgid: 28, groupid, groupname: "secret", id: bob.id, name: bob.name };
  assertEquals(said(invited), { ...about, what: "invited", by: ann.id, byname: ann.name, count: 1 });
  assertEquals((await ok(b, { msgid: 9, groupid })).group, { id: groupid, groupname: "secret", role: "normal", count: 2, private: true });
  for (const [client, seq] of [[a, 1], [b, 2]] as const) {
    const joined = await event(client);
    assertEquals([said(joined), joined.seq], [{ ...about, what: "joined", role: "normal", count: 2 }, seq]);
  }
  await ok(a, { msgid: 10, groupid, msg: "after" });
  const history = (await ok(b, { msgid: 16, groupid })).messages as Message[];
  assertEquals(history.map((m) => m.what ?? m.msg), ["joined", "after"]);
  const { private: isPrivate, history: sees, posting } = await ok(b, { msgid: 32, groupid });
  assertEquals([isPrivate, sees, posting], [true, "joined", "all"]);
  assertEquals(((await ok(b, { msgid: 17 })).groups as { private?: boolean }[]).map((group) => group.private), [true]);
  // Made public it is as any other.
  await ok(a, { msgid: 35, groupid, private: false, history: "all" });
  assertEquals("private" in await ok(b, { msgid: 32, groupid }), false);
  assertEquals("private" in ((await ok(b, { msgid: 17 })).groups as object[])[0]!, false);
});

databaseTest("doors: coming and going, making groups and inviting: ten a minute of each, then 15", async (db) => {
  await using s = await startServer(db);
  const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using a = await s.client(ann, proto3);
  await using b = await s.client(bob, proto3);
  // A busy machine takes as long for all that as one of them takes to come back.
  using _clock = clockStopped();
  const groupid = await create(a);
  for (const i of upTo(5)) {
    await ok(b, { msgid: 9, groupid });
    assertErrno(await b.request({ msgid: 19, groupid: i === 5 ? 4_000_000 : groupid }), i === 5 ? 17 : 0);
  }
  for (const _ of upTo(9)) await create(a);
  for (const i of upTo(10)) await ok(a, { msgid: 39, groupid, ...(i % 2 ? { userid: bob.id } : {}) });
  const requests = [[b, { msgid: 9, groupid }], [b, { msgid: 19, groupid }], [a, { msgid: 8, groupname: "one more", groupdesc: "" }], [a, {
    msgid: 39,
    groupid,
  }]] as const;
  for (const [client, request] of requests) {
    const { errno, retry } = await client.request(request);
    assertEquals([errno, retry! > 0 && retry! <= 6000], [15, true], JSON.stringify(request));
  }
  // What others do is not held up by that.
  await ok(a, { msgid: 37, groupid, userid: bob.id });
});

/** Whoever is to go, by somebody else or by themselves. */
const ways = {
  kick: (t: Race) => ok(t.creator, { msgid: 37, groupid: t.groupid, userid: t.gone }),
  ban: (t: Race) => ok(t.creator, { msgid: 37, groupid: t.groupid, userid: t.gone, ban: true }),
  leave: (t: Race) => ok(t.devices[0]!, { msgid: 19, groupid: t.groupid }),
};

interface Race {
  creator: RawClient;
  sender: RawClient;
  /** Two devices of who goes. */
  devices: RawClient[];
  groupid: number;
  gone: number;
}

/** Messages and signals race with somebody's going: what was committed before is told, on both devices, and nothing after. */
async function race(db: TestDatabase, servers: readonly TestServer[], watch: StoreWatch): Promise<void> {
  const [near, far] = [servers[0]!, servers.at(-1)!];
  for (const [way, go] of Object.entries(ways)) {
    const [ann, bob] = await makeUsers(db, 2, way) as [TestUser, TestUser];
    const owned = await makeDevices(near, 2);
    const gone = owned[0]!.user.id;
    await using creator = await near.client(ann, proto3);
    await using sender = await far.client(bob, proto3);
    await using one = (await loginDevice(near, owned[0]!)).client;
    await using two = (await loginDevice(far, owned[1]!)).client;
    const groupid = await create(creator, { private: true });
    const { code } = await ok(creator, { msgid: 39, groupid, uses: 2 });
    for (const client of [sender, one]) await ok(client, { msgid: 9, code });
    const t: Race = { creator, sender, devices: [one, two], groupid, gone };

    // Some before, some while it is committed, and some while it is committed and not told yet.
    const answers: Promise<Message>[] = [];
    const say = (count: number) => upTo(count).forEach(() => answers.push(sender.request({ msgid: 10, groupid, msg: `${answers.length}` })));
    say(20);
    await Promise.all(answers);
    const committed = Promise.withResolvers<void>(), goOn = Promise.withResolvers<void>();
    watch.around = async (call) => {
      const result = await call.run();
      if (call.name !== "kickMember" && call.name !== "leaveGroup") return result;
      committed.resolve();
      await goOn.promise;
      return result;
    };
    say(20);
    const going = go(t);
    say(20);
    await committed.promise;
    say(20);
    const numbers = (await Promise.all(answers)).map((answer) => {
      assertErrno(answer, 0);
      return answer.messageid!;
    });
    goOn.resolve();
    await going;
    watch.around = (call) => call.run();
    // From the answer on no signal goes there, though the sender's node may remember where the members are.
    sender.send({ msgid: 21, groupid, msg: "typing" });
    await ok(sender, { msgid: 10, groupid, msg: "without you" });
    const texts: number[][] = [];
    for (const client of t.devices) {
      const seen: number[] = [];
      let last = 0;
      for (let entry = await client.next(inLog);; entry = await client.next(inLog)) {
        assertEquals(entry.seq, ++last, way);
        if (entry.msgid === 10) seen.push(entry.messageid!);
        if (entry.what !== "kicked" && entry.what !== "left") continue;
        assertEquals([entry.id, entry.groupid, entry.what], [gone, groupid, way === "leave" ? "left" : "kicked"]);
        // All that were committed before, and none that was after.
        assertEquals(seen, numbers.filter((number) => number < entry.messageid!), way);
        break;
      }
      texts.push(seen);
      await nothingElse(client, (m) => inLog(m) || m.msgid === 21);
      for (const request of [{ msgid: 10, groupid, msg: "x" }, { msgid: 21, groupid, msg: "typing" }, { msgid: 16, groupid }]) {
        assertErrno(await client.request(request), 17, `${way}: ${JSON.stringify(request)}`);
      }
    }
    assertEquals(texts[0], texts[1]);
    // Who comes back is not told what was said meanwhile; who was banned does not come back.
    const again = await ok(creator, { msgid: 39, groupid });
    assertErrno(await one.request({ msgid: 9, code: again.code }), way === "ban" ? 22 : 0);
    if (way === "ban") continue;
    for (const client of t.devices) assertEquals((await event(client)).what, "joined");
    sender.send({ msgid: 21, groupid, msg: "hello" });
    for (const client of t.devices) assertEquals((await client.next((m) => m.msgid === 21)).msg, "hello");
    assertEquals(((await ok(two, { msgid: 16, groupid })).messages as Message[]).map((m) => m.what), ["joined"]);
  }
}

databaseTest("doors: who is put out, banned or leaves is sent what was committed before, on all devices, and nothing after", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
  await race(db, [s], watch);
});

clusterTest("doors: the same on two nodes", async (db) => {
  const watch = new StoreWatch();
  const times = { reconcile: 3600_000, kicks: 100 };
  await using a = await startNode(db, "a", { times, store: watch.wrap }, { limits: "off" });
  await using b = await startNode(db, "b", { times }, { limits: "off" });
  await race(db, [a, b], watch);
});

/** More want in by a code than it is for, at once. */
async function crowd(db: TestDatabase, servers: readonly TestServer[]): Promise<void> {
  await using log = await CapturedLog.start();
  const [ann, ...many] = await makeUsers(db, 9) as [TestUser, ...TestUser[]];
  await using a = await servers[0]!.client(ann, proto3);
  const groupid = await create(a, { private: true });
  const code = (await ok(a, { msgid: 39, groupid, uses: 3, days: 30 })).code as string;
  const clients = await Promise.all(many.map((user, i) => servers[i % servers.length]!.client(user, proto3)));
  try {
    const answers = await Promise.all(clients.map((client) => client.request({ msgid: 9, code })));
    assertEquals(answers.map(({ errno }) => errno).sort(), [0, 0, 0, ...Array(5).fill(27)]);
    assertEquals((await ok(a, { msgid: 32, groupid })).count, 4);
    // It is nowhere in the clear.
    assertEquals((await db.query("select uses from invite")).map(({ uses }) => Number(uses)), [0]);
    const second = (await ok(a, { msgid: 39, groupid, uses: 3 })).code as string;
    const [row] = await db.query("select hash from invite where uses > 0");
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(second)));
    assertEquals(new Uint8Array(row!.hash as Uint8Array), hash);
    const told = JSON.stringify(log.records.map(({ message, properties }) => [message, properties]));
    for (const one of [code, second]) assert(!told.includes(one), "not in the log");
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

databaseTest("doors: a code lets in as many as it is for, however many try at once, and stands nowhere in the clear", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  await crowd(db, [s]);
});

clusterTest("doors: the same code on two nodes", async (db) => {
  await using a = await startNode(db, "a", {}, { limits: "off" });
  await using b = await startNode(db, "b", {}, { limits: "off" });
  await crowd(db, [a, b]);
});
