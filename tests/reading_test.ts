// READ, CONVERSATIONS, MUTE: marks never go back, whatever overtakes whatever; what is unread is what a count by hand gives.

import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { Reading } from "../src/chat/reading.ts";
import { assertErrno, assertRefused, nothingElse, upTo } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import { loginDevice, makeDevices } from "./support/devices.ts";
import { clusterTest, startNode } from "./support/nodes.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer, type TestServer, type TestUser } from "./support/server.ts";

const proto3 = { proto: 3 };
const isRead = (m: Message) => m.msgid === 29;

interface Talk {
  toid?: number;
  groupid?: number;
  name: string;
  last: Message | null;
  unread: number;
  read: number;
  peerread?: number;
  muted?: number;
  pinned?: boolean;
  archived?: boolean;
}

async function talks(client: RawClient, fields: object = {}): Promise<{ conversations: Talk[]; more: boolean }> {
  const answer = await client.request({ msgid: 31, ...fields });
  assertErrno(answer, 0);
  return answer as unknown as { conversations: Talk[]; more: boolean };
}

async function say(client: RawClient, to: object, msg: string): Promise<number> {
  const answer = await client.request({ msgid: "groupid" in to ? 10 : 6, ...to, msg });
  assertErrno(answer, 0);
  return answer.messageid!;
}

databaseTest("READ: told to one's own other devices and to the other one, after it is written; it never goes back", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [phone, desk] = await makeDevices(s, 2);
  const [bob] = await makeUsers(db, 1) as [TestUser];
  const ann = phone!.user.id;
  await using a = (await loginDevice(s, phone!)).client;
  await using a2 = (await loginDevice(s, desk!)).client;
  await using b = await s.client(bob, proto3);
  const numbers: number[] = [];
  for (const i of upTo(5)) numbers.push(await say(b, { toid: ann }, `${i}`));
  const [first, , third, , last] = numbers as [number, number, number, number, number];

  const done = await a.request({ msgid: 29, toid: bob.id, messageid: third });
  assertEquals(done, { msgid: 11, ref: done.ref!, errno: 0, re: 29, read: third });
  const told = { msgid: 29, id: ann, toid: bob.id, messageid: third };
  for (const client of [a2, b]) assertEquals(await client.next(isRead), told);
  // No answer without a ref, and nobody is told what is so already.
  a.send({ msgid: 29, toid: bob.id, messageid: first });
  assertEquals((await a2.request({ msgid: 29, toid: bob.id, messageid: third })).read, third);
  // Any number: it is cut to the newest.
  a2.send({ msgid: 29, toid: bob.id, messageid: 2 ** 53 - 1 });
  for (const client of [a, b]) assertEquals(await client.next(isRead), { ...told, messageid: last });
  for (const client of [a, a2, b]) await nothingElse(client, isRead);
  const [mine] = (await talks(a)).conversations;
  assertEquals([mine!.read, mine!.unread], [last, 0]);
  const [theirs] = (await talks(b)).conversations;
  assertEquals([theirs!.peerread, theirs!.read, theirs!.unread], [last, last, 0]);
  await assertRefused(a, [
    [16, { msgid: 29, toid: 4711, messageid: 1 }, "user"],
    [17, { msgid: 29, groupid: 4711, messageid: 1 }, "group"],
    [13, { msgid: 29, messageid: 1 }, "toid"],
  ]);
});

databaseTest("READ: in a group only one's own devices are told; nobody across a block; a client of 0.1 is told nothing", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [phone, desk] = await makeDevices(s, 2);
  const [bob, cid] = await makeUsers(db, 2) as [TestUser, TestUser];
  const ann = phone!.user.id;
  await using a = (await loginDevice(s, phone!)).client;
  await using a2 = (await loginDevice(s, desk!)).client;
  await using b = await s.client(bob, proto3);
  await using old = await s.client(cid, { proto: 2 });
  const { groupid } = await b.request({ msgid: 8, groupname: "g", groupdesc: "" });
  for (const client of [a, old]) assertErrno(await client.request({ msgid: 9, groupid }), 0);
  const messageid = await say(b, { groupid: groupid! }, "hello");
  assertErrno(await a.request({ msgid: 29, groupid, messageid }), 0);
  assertEquals(await a2.next(isRead), { msgid: 29, id: ann, groupid, messageid });
  const fromOld = await say(old, { toid: ann }, "hello");
  assertErrno(await a.request({ msgid: 29, toid: cid.id, messageid: fromOld }), 0);
  assertEquals((await a2.next(isRead)).toid, cid.id);
  const fromBob = await say(b, { toid: ann }, "hello");
  assertErrno(await a.request({ msgid: 23, userid: bob.id }), 0);
  assertErrno(await a.request({ msgid: 29, toid: bob.id, messageid: fromBob }), 0);
  assertEquals((await a2.next(isRead)).messageid, fromBob);
  for (const client of [b, old]) await nothingElse(client, isRead);
  assertEquals((await talks(b)).conversations.find((talk) => talk.toid === ann)!.peerread, undefined);
  assertErrno(await a.request({ msgid: 29, groupid: groupid! + 1, messageid }), 17);
  assertErrno(await a.request({ msgid: 19, groupid }), 0);
  assertErrno(await a.request({ msgid: 29, groupid, messageid }), 18);
});

databaseTest(
  "CONVERSATIONS: newest first, by pages, the groups without texts behind; the beginning of the last text; what is set by MUTE",
  async (db) => {
    await using s = await startServer(db, { limits: "off" });
    const users = await makeUsers(db, 4) as [TestUser, TestUser, TestUser, TestUser];
    const [ann, bob, cid, dan] = users;
    await using a = await s.client(ann, proto3);
    await using b = await s.client(bob, proto3);
    const groups: number[] = [];
    for (const groupname of ["one", "two", "three"]) groups.push((await a.request({ msgid: 8, groupname, groupdesc: "" })).groupid!);
    const long = "好👍".repeat(400);
    await say(b, { toid: ann.id }, "first");
    await say(a, { toid: cid.id }, "to cid");
    await say(a, { groupid: groups[1]! }, "in two");
    await say(b, { toid: ann.id }, long);
    const all = await talks(a);
    const placeOf = ({ toid, groupid }: Talk) => toid ?? -groupid!;
    assertEquals(all.conversations.map(placeOf), [bob.id, -groups[1]!, cid.id, -groups[0]!, -groups[2]!]);
    assertEquals(all.more, false);
    const [first, second, third, fourth] = all.conversations as [Talk, Talk, Talk, Talk];
    assertEquals([first.name, first.unread, first.last!.msg], [bob.name, 2, "好👍".repeat(150)]);
    const { messages } = await a.request({ msgid: 16, toid: bob.id, limit: 1 });
    assertEquals<unknown>({ ...first.last, msg: long }, (messages as Message[])[0]);
    assertEquals([second.name, second.unread, third.unread, third.peerread, fourth.last, fourth.read], ["two", 0, 0, 0, null, 0]);

    const pages: number[] = [];
    for (let page = { limit: 2 } as object;;) {
      const { conversations, more } = await talks(a, page);
      pages.push(...conversations.map(placeOf));
      if (!more) break;
      const last = conversations.at(-1)!;
      page = { limit: 2, ...last.last ? { before: last.last.messageid } : { beforegroup: last.groupid } };
    }
    assertEquals(pages, all.conversations.map(placeOf));

    const settings = async (fields: object) => {
      assertErrno(await a.request({ msgid: 45, toid: bob.id, ...fields }), 0);
      const { muted, pinned, archived } = (await talks(a)).conversations.find((talk) => talk.toid === bob.id)!;
      return [muted, pinned, archived];
    };
    const later = Date.now() + 3600_000;
    assertEquals(await settings({ pinned: true }), [undefined, true, undefined]);
    assertEquals(await settings({ until: later }), [later, true, undefined]);
    assertEquals(await settings({ archived: true, pinned: false }), [later, undefined, true]);
    assertEquals(await settings({}), [2 ** 53 - 1, undefined, true]);
    assertEquals(await settings({ until: 0, archived: false }), [undefined, undefined, undefined]);
    assertEquals(await settings({ until: 1 }), [undefined, undefined, undefined]);
    await using a2 = await s.client(ann, { proto: 3, takeover: true });
    await a2.request({ msgid: 45, groupid: groups[0], until: later });
    assertEquals((await talks(a2)).conversations.map(({ muted }) => muted), [undefined, undefined, undefined, later, undefined]);
    await assertRefused(a2, [
      [16, { msgid: 45, toid: 4711 }, "user"],
      [17, { msgid: 45, groupid: 4711 }, "group"],
      [13, { msgid: 45, pinned: true }, "toid"],
    ]);
    // Nothing of it is anybody else's.
    assertEquals((await talks(b)).conversations.map(({ toid, muted }) => [toid, muted]), [[ann.id, undefined]]);
    await using d = await s.client(dan, proto3);
    const { conversations, more } = await talks(d);
    assertEquals([conversations, more], [[], false]);
  },
);

databaseTest("MUTE: the user's other devices are told by CHANGED", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [phone, desk] = await makeDevices(s, 2);
  const [bob] = await makeUsers(db, 1) as [TestUser];
  await using a = (await loginDevice(s, phone!)).client;
  await using a2 = (await loginDevice(s, desk!)).client;
  await say(a, { toid: bob.id }, "hello");
  assertErrno(await a.request({ msgid: 45, toid: bob.id }), 0);
  assertEquals(await a2.next((m) => m.msgid === 30 && m.what === "conversations"), { msgid: 30, what: "conversations" });
  await nothingElse(a, (m) => m.msgid === 30);
});

databaseTest("CONVERSATIONS: stones neither count nor stand last; an edit changes the text and moves nothing", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob, cid] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
  await using a = await s.client(ann, proto3);
  await using b = await s.client(bob, proto3);
  await using c = await s.client(cid, proto3);
  const first = await say(b, { toid: ann.id }, "first"), second = await say(b, { toid: ann.id }, "second");
  await say(c, { toid: ann.id }, "of cid");
  const seen = async () => (await talks(a)).conversations.map(({ toid, last, unread }) => [toid, last?.msg, unread]);
  assertEquals(await seen(), [[cid.id, "of cid", 1], [bob.id, "second", 2]]);
  assertErrno(await b.request({ msgid: 25, messageid: first, msg: "First" }), 0);
  assertErrno(await b.request({ msgid: 26, messageid: second }), 0);
  assertEquals(await seen(), [[cid.id, "of cid", 1], [bob.id, "First", 1]]);
  const { last } = (await talks(a)).conversations[1]!;
  assertEquals(typeof last!.edited, "number");
});

databaseTest("HISTORY: after, around and before, one of the three; together they leave nothing out", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using a = await s.client(ann, proto3);
  const numbers: number[] = [];
  for (const i of upTo(21)) numbers.push(await say(a, { toid: bob.id }, `${i} ${i % 7 === 0 ? "好".repeat(21_000) : ""}`));
  const page = async (fields: object) => {
    const { messages, more, moreafter } = await a.request({ msgid: 16, toid: bob.id, ...fields });
    return [(messages as Message[]).map((m) => numbers.indexOf(m.messageid!)), more, moreafter];
  };
  assertEquals(await page({ after: numbers[0], limit: 3 }), [[1, 2, 3], true, undefined]);
  assertEquals(await page({ after: numbers[17], limit: 3 }), [[18, 19, 20], false, undefined]);
  assertEquals(await page({ after: numbers[20] }), [[], false, undefined]);
  assertEquals(await page({ around: numbers[10], limit: 4 }), [[8, 9, 10, 11], true, true]);
  assertEquals(await page({ around: numbers[0], limit: 4 }), [[0, 1], false, true]);
  assertEquals(await page({ around: numbers[20], limit: 4 }), [[18, 19, 20], true, false]);
  // Many large ones: as many as fit, from where they were asked for.
  const large: number[] = [];
  for (const i of upTo(12)) large.push(await say(a, { toid: ann.id }, `${i} ${"x".repeat(60_000)}`));
  const notes = async (fields: object) => {
    const bytes = a.bytes;
    const { messages, more, moreafter } = await a.request({ msgid: 16, toid: ann.id, limit: 100, ...fields });
    assert(a.bytes - bytes <= 256 * 1024);
    return [(messages as Message[]).map((m) => large.indexOf(m.messageid!)), more, moreafter] as const;
  };
  const [around, older, newer] = await notes({ around: large[6] });
  assert(around.includes(6) && around.includes(5) && around.length >= 3 && older && newer, JSON.stringify(around));
  const seen: number[] = [];
  for (let after = 1, more = true; more;) {
    const [some, further] = await notes({ after });
    seen.push(...some);
    [after, more] = [large[seen.at(-1)!]!, further as boolean];
  }
  assertEquals(seen, large.map((_, i) => i));
});

type Step = { who: number; do: "direct" | "group" | "delete" | "edit" | "read" | "old"; which: number };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    who: fc.nat({ max: 2 }),
    do: fc.constantFrom(
      "direct" as const,
      "direct" as const,
      "group" as const,
      "group" as const,
      "delete" as const,
      "edit" as const,
      "read" as const,
      "old" as const,
    ),
    which: fc.nat({ max: 99 }),
  }),
  { minLength: 20, maxLength: 60 },
);

/** What was said in one place, by hand. */
interface Place {
  key: string;
  texts: { messageid: number; by: number; deleted: boolean }[];
  /** Up to where each has read. */
  read: [number, number, number];
}

databaseTest("unread: what CONVERSATIONS counts is what a count by hand gives, after random histories", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  let run = 0;
  await fc.assert(fc.asyncProperty(steps, (script) => playReading(s, script, ++run, (name) => makeUsers(db, 3, name))), { numRuns: 8 });
});

async function playReading(s: TestServer, script: Step[], run: number, people: (prefix: string) => Promise<TestUser[]>): Promise<void> {
  const users = await people(`run${run}_`);
  const clients = await Promise.all(users.map((user) => s.client(user, proto3)));
  const groupid = (await clients[0]!.request({ msgid: 8, groupname: `run${run}`, groupdesc: "" })).groupid!;
  for (const client of clients.slice(1)) assertErrno(await client.request({ msgid: 9, groupid }), 0);
  const places = new Map<string, Place>();
  const placeOf = (key: string) => {
    if (!places.has(key)) places.set(key, { key, texts: [], read: [0, 0, 0] });
    return places.get(key)!;
  };
  const pair = (a: number, b: number) => placeOf([a, b].sort().join("-"));
  placeOf("group");
  /** How a user names the place. */
  const named = (place: Place, who: number) => {
    if (place.key === "group") return { groupid };
    const [a, b] = place.key.split("-").map(Number) as [number, number];
    return { toid: users[a === who ? b : a]!.id };
  };
  for (const { who, do: what, which } of script) {
    const place = what === "group" ? placeOf("group") : pair(who, (who + 1 + which % 2) % 3);
    const client = clients[who]!;
    if (what === "direct" || what === "group") {
      const messageid = await say(client, named(place, who), `${which}`);
      place.texts.push({ messageid, by: who, deleted: false });
      place.read[who] = messageid;
    } else if (what === "delete" || what === "edit") {
      const own = [...places.values()].flatMap(({ texts }) => texts.filter(({ by, deleted }) => by === who && !deleted));
      const text = own[which % Math.max(1, own.length)];
      if (!text) continue;
      assertErrno(await client.request({ msgid: what === "edit" ? 25 : 26, messageid: text.messageid, msg: `edited ${which}` }), 0);
      if (what === "delete") text.deleted = true;
    } else {
      const there = [...places.values()].filter(({ key, texts }) => texts.length > 0 && (key === "group" || key.split("-").includes(`${who}`)));
      const some = there[which % Math.max(1, there.length)];
      if (!some) continue;
      const { messageid } = some.texts[which % some.texts.length]!;
      const answer = await client.request({ msgid: 29, ...named(some, who), messageid });
      some.read[who] = Math.max(some.read[who]!, messageid);
      assertEquals(answer.read! as number <= some.read[who]!, true);
    }
  }
  for (const [who, client] of clients.entries()) {
    const got = (await talks(client, { limit: 100 })).conversations.map(({ toid, groupid, last, unread, read, peerread }) => ({
      place: groupid !== undefined ? "group" : `${toid}`,
      last: last?.messageid,
      unread,
      read,
      peerread,
    }));
    const expected = [...places.values()].filter(({ key, texts }) =>
      key === "group" || key.split("-").includes(`${who}`) && texts.some(({ deleted }) => !deleted)
    ).map((place) => {
      const { key, texts, read } = place;
      const peer = key === "group" ? undefined : key.split("-").map(Number).find((other) => other !== who)!;
      return {
        place: peer === undefined ? "group" : `${users[peer]!.id}`,
        last: texts.findLast(({ deleted }) => !deleted)?.messageid,
        unread: texts.filter(({ messageid, by, deleted }) => by !== who && !deleted && messageid > read[who]!).length,
        read: read[who]!,
        peerread: peer === undefined ? undefined : read[peer]!,
      };
    }).sort((a, b) => (b.last ?? 0) - (a.last ?? 0));
    assertEquals(got, expected, `what ${users[who]!.name} is told`);
  }
  await Promise.all(clients.map((client) => client.close()));
}

Deno.test("READ: of marks that wait for a session that takes nothing only the highest is told, whatever overtook whatever", () => {
  const said: unknown[] = [], later = new Map<string, () => void>();
  const session = { id: "s", dialect: 3, connection: { send: (message: unknown) => said.push(message) } };
  const pushes = { push: (_: unknown, about: string, tell: () => void) => later.set(about, tell) };
  const reading = new Reading({ table: { of: () => [session] }, pushes } as never);
  const mark = { type: "read" as const, to: [7], by: "other", reader: 2 };
  for (const messageid of [5, 9, 3]) reading.heard({ ...mark, of: { toid: 7 }, messageid });
  reading.heard({ ...mark, of: { groupid: 7 }, messageid: 4 });
  reading.heard({ ...mark, by: "s", of: { toid: 7 }, messageid: 10 });
  for (const tell of later.values()) tell();
  assertEquals(said, [{ msgid: 29, id: 2, toid: 7, messageid: 9 }, { msgid: 29, id: 2, groupid: 7, messageid: 4 }]);
});

clusterTest("READ: on two nodes marks never go back, whatever overtakes whatever, and everyone ends with the highest", async (db) => {
  const times = { reconcile: 3600_000, kicks: 100 };
  await using a = await startNode(db, "a", { times }, { limits: "off" });
  await using b = await startNode(db, "b", { times }, { limits: "off" });
  const [phone, desk] = await makeDevices(a, 2);
  const [bob] = await makeUsers(db, 1) as [TestUser];
  await using onA = (await loginDevice(a, phone!)).client;
  await using onB = (await loginDevice(b, desk!)).client;
  await using bobs = await b.client(bob, proto3);
  const numbers: number[] = [];
  for (const i of upTo(40)) numbers.push(await say(bobs, { toid: phone!.user.id }, `${i}`));
  const read = async (client: RawClient, place: number): Promise<number> =>
    (await client.request({ msgid: 29, toid: bob.id, messageid: numbers[place] })).read as number;
  const answers = await Promise.all(upTo(39).flatMap((i) => [read(onA, i - 1), read(onB, 40 - i)]));
  const last = numbers[39]!;
  for (const answer of answers) assert(answer >= numbers[0]! && answer <= last);
  const highest = Math.max(...answers);
  assertEquals(highest, last);
  // Each was told of the highest, but for who said it.
  await bobs.next((m) => isRead(m) && m.messageid === highest);
  await onA.next((m) => isRead(m) && m.messageid === highest);
  for (const client of [onA, onB]) assertEquals((await talks(client)).conversations[0]!.read, highest);
  assertEquals((await talks(bobs)).conversations[0]!.peerread, highest);
});
