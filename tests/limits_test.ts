// Limits: what requests cost, and what becomes of who goes beyond them.

import { assert, assertEquals } from "@std/assert";
import { Limiter } from "../src/ops/limits.ts";
import { clockAhead, clockStopped } from "./support/clock.ts";
import { databaseTest, testDatabase } from "./support/databases.ts";
import { eventually, makeUsers, startServer, stateOf, type TestUser } from "./support/server.ts";
import { assertRetry } from "./support/limits.ts";

Deno.test("limiter: a burst, then one per refill; it says how long to wait", () => {
  const limiter = new Limiter<string>({ burst: 3, refill: 100 });
  assertEquals([1, 2, 3, 4].map(() => limiter.take("a", 1000)), [0, 0, 0, 100]);
  assertEquals(limiter.take("b", 1000), 0, "each key has its own");
  assertEquals(limiter.take("a", 1099), 1);
  assertEquals([limiter.take("a", 1100), limiter.take("a", 1100)], [0, 100]);
  assertEquals([1, 2, 3, 4].map(() => limiter.take("a", 1_000_000)), [0, 0, 0, 100], "never more than the burst");
});

Deno.test("limiter: what is given back can be taken again; what is full is forgotten", () => {
  const limiter = new Limiter<number>({ burst: 1, refill: 100 });
  for (let i = 0; i < 5; i++) {
    assertEquals(limiter.take(1, 1000), 0);
    limiter.giveBack(1);
  }
  for (let key = 0; key < 9999; key++) limiter.take(key, 1000);
  assertEquals(limiter.size, 9999);
  limiter.take(-1, 5000);
  assertEquals(limiter.size, 1);
});

Deno.test("limiter: what costs more than there is may be owed; whoever owes waits", () => {
  const limiter = new Limiter<string>({ burst: 3, refill: 100 });
  assertEquals(limiter.take("a", 1000, 5), 0, "one is there");
  assertEquals(limiter.take("a", 1000), 300, "two are owed");
  assertEquals([limiter.take("a", 1299), limiter.take("a", 1300)], [1, 0]);
  limiter.charge("a", 2, 1300);
  assertEquals(limiter.take("a", 1300, 2), 300);
  assertEquals([limiter.isFull("a", 1799), limiter.isFull("a", 1800), limiter.isFull("b", 0)], [false, true, true]);
});

Deno.test("limits: a user's requests, 50 at once and 20 a second; free ones and --limits off are not counted", async () => {
  for (const limits of ["on", "off"]) {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { limits });
    const [user, other] = await makeUsers(db, 2);
    await using client = await server.client(user);
    await using bystander = await server.client(other);
    client.sendBytes('{"msgid":14}\n{"msgid":12,"seq":0}\n'.repeat(100));
    const answers = await Promise.all(Array.from({ length: 140 }, () => client.request({ msgid: 13 })));
    assertEquals(answers.slice(0, 50).map((a) => a.msgid), Array(50).fill(14));
    const refused = answers.filter((a) => a.msgid !== 14);
    for (const answer of refused) assertRetry(answer, 50);
    assertEquals(refused.length > 0, limits === "on", `${refused.length} refused`);
    assertEquals((await bystander.request({ msgid: 13 })).msgid, 14);
  }
});

Deno.test("limits: who goes on beyond them is read no further for a while, and again, then cut; nobody else is", async () => {
  const REST = 20;
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, {}, { times: { rest: REST } });
  const users = await makeUsers(db, 6);
  await using bystander = await server.client(users.pop()!);
  const floods: [line: string, count: number][] = [
    ['{"msgid":13,"ref":1}', 2000],
    // What is no request is never refused.
    ['{"msgid":14}', 2000],
    ['{"msgid":12,"seq":1}', 2000],
    ['{"msgid":1,"id":1,"token":"x"}', 2000],
    ["", 40_000],
  ];
  await Promise.all(floods.map(async ([line, count], i) => {
    await using client = await server.client(users[i]);
    const begun = performance.now();
    client.sendBytes(`${line}\n`.repeat(count));
    assertEquals((await client.next((m) => m.msgid === 20)).reason, "limits", line);
    assertEquals(await client.closed, "fin");
    assert(performance.now() - begun >= 48 * REST);
    // A hundred are answered; then one before each rest, and the last one.
    assertEquals(client.backlog.filter((m) => m.errno === 15).length, i === 0 ? 100 + 48 + 1 : 0, line);
    assertEquals((await bystander.request({ msgid: 13 })).msgid, 14);
    await eventually(async () => await stateOf(db, users[i].id) === "offline", "offline");
  }));
});

Deno.test("limits: who has rested begins anew", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, {}, { times: { rest: 20 } });
  const [user] = await makeUsers(db, 1);
  await using client = await server.client(user);
  using clock = clockAhead();
  for (let round = 0; round < 2; round++) {
    const answers = await Promise.all(Array.from({ length: 150 }, () => client.request({ msgid: 13 })));
    assert(answers.filter((a) => a.errno === 15).length > 60);
    clock.by(2600 * (round + 1));
  }
  assertEquals((await client.request({ msgid: 13 })).msgid, 14);
});

Deno.test("limits: long texts, long answers and what goes to many are paid for, and may be owed", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  const [ada, bob, cid, ...members] = await makeUsers(db, 304) as [TestUser, TestUser, TestUser, ...TestUser[]];
  const store = await db.open();
  const group = await store.createGroup(cid.id, "all", "all", "") as { groupid: number };
  await Promise.all(members.map(({ id }) => store.joinGroup(id, { id: group.groupid }, 1)));
  const text = "x".repeat(60_000);
  // On a machine that takes a second for some of this it would be paid for meanwhile.
  using clock = clockStopped();
  /** How many of these are done before one is refused, and for how long that one is. */
  const most = async (user: TestUser, request: object) => {
    await using client = await server.client(user, { proto: 3 });
    for (let done = 0;; done++) {
      const { errno, retry } = await client.request(request);
      if (errno === 15) return { done, retry: retry! };
    }
  };
  // 15 units each, 50 at once; the fourth is owed in part.
  const notes = await most(ada, { msgid: 6, toid: ada.id, msg: text });
  assertEquals(notes.done, 4);
  // Four of them fit into an answer: 16 units.
  const pages = await most(bob, { msgid: 16, toid: bob.id, limit: 100 });
  assert(pages.done >= 30, `short answers: ${JSON.stringify(pages)}`);
  clock.by(notes.retry + 500);
  const long = await most(ada, { msgid: 16, toid: ada.id, limit: 100 });
  assert(long.done <= 4, JSON.stringify(long));
  // 15, 3 for so many receivers, 138 for what they are sent: 156, the first time when it is known.
  const all = await most(cid, { msgid: 10, groupid: group.groupid, msg: text });
  assert(all.done === 1 && all.retry > 3000, JSON.stringify({ all, notes }));
  // 15, and 29 for 5,940 messages that are unread.
  const [dan, ...others] = members as [TestUser, ...TestUser[]];
  for (const { id } of others.slice(0, 60)) await store.append(Array.from({ length: 99 }, () => ({ sender: id, toid: dan.id, msg: "x", ts: 1 })));
  const lists = await most(dan, { msgid: 31, limit: 100 });
  assert(lists.done <= 2 && lists.retry > 1000, JSON.stringify(lists));
});

databaseTest("limits: INVITE to a server to which members do not invite is refused in the order of 3.7: 15 before 22", async (db) => {
  await using server = await startServer(db);
  const [ann] = await makeUsers(db, 1);
  await using a = await server.client(ann!, { proto: 3 });
  using _clock = clockStopped();
  const told: unknown[] = [];
  for (let i = 0; i < 11; i++) told.push((await a.request({ msgid: 39 })).errno);
  assertEquals(told, [...Array(10).fill(22), 15]);
});
