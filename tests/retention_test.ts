// --keep-days: what is old and waits for nobody is forgotten; what waits stays, however old.

import { assert, assertEquals } from "@std/assert";
import { TrustedTime } from "../src/ops/trusted_time.ts";
import { StoreUnavailable } from "../src/store/store.ts";
import { StoreWatch } from "./support/around_store.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { clockAhead, wallClockAhead } from "./support/clock.ts";
import { databaseTest, testDatabase, waitingDatabaseTests } from "./support/databases.ts";
import { eventually, makeUsers, startServer, type TestUser } from "./support/server.ts";
import { history } from "./support/stores.ts";

waitingDatabaseTests("retention", {
  "old messages that were confirmed go, those that wait stay; expired tokens go": async (db) => {
    await using s = await startServer(db, { "keep-days": 1 }, { times: { retention: 50 } });
    const [ada, bob, eve] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
    const store = await db.open();
    const old = Date.now() - 2 * 24 * 3600_000;
    const texts = async (peer: number) => (await history(store, ada.id, { toid: peer }, {}, 10, 1e6)).messages.map((m) => m.msg);
    await store.append([
      { sender: ada.id, toid: bob.id, msg: "old, confirmed", ts: old },
      { sender: ada.id, toid: bob.id, msg: "new", ts: Date.now() },
      { sender: ada.id, toid: eve.id, msg: "old, waits", ts: old },
    ]);
    await using client = await s.client(bob);
    await client.next((m) => m.msg === "new");
    client.send({ msgid: 12, seq: 2 });
    await eventually(async () => (await texts(bob.id)).length === 1, "the old one is gone");
    assertEquals(await texts(bob.id), ["new"]);
    assertEquals(await texts(eve.id), ["old, waits"]);
    await store.extendToken((await import("../src/auth/tokens.ts")).hashToken(eve.token)!, Date.now() - 1);
    await eventually(async () => Number((await db.query("select count(*) as n from token"))[0]?.n) === 2, "the expired token is gone");
  },

  "entries of what was done to messages go when no log names them any more, also where messages are kept for ever": async (db) => {
    await using s = await startServer(db, {}, { times: { retention: 50 } });
    const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using sender = await s.client(ada, { proto: 3 });
    const { messageid } = await sender.request({ msgid: 6, toid: bob.id, msg: "one" });
    for (const msg of ["two", "three"]) await sender.request({ msgid: 25, messageid, msg });
    const left = async () => Number((await db.query("select count(*) as n from message"))[0]?.n);
    await using client = await s.client(bob, { proto: 3 });
    for (const seq of [1, 2, 3]) await client.next((m) => m.seq === seq);
    assertEquals(await left(), 3);
    client.send({ msgid: 12, seq: 2 });
    await eventually(async () => await left() === 2, "the first edit is gone");
    client.send({ msgid: 12, seq: 3 });
    await eventually(async () => await left() === 1, "the second one too");
    assertEquals((await db.query("select msg from message"))[0]?.msg, "three");
  },

  "where tokens cannot be looked at, messages are forgotten all the same": async (db) => {
    const watch = new StoreWatch();
    watch.around = (call) => call.name === "expireTokens" ? Promise.reject(new StoreUnavailable("others hold a row")) : call.run();
    await using s = await startServer(db, { "keep-days": 1 }, { times: { retention: 50 }, store: watch.wrap });
    const [ada] = await makeUsers(db, 1) as [TestUser];
    const store = await db.open();
    await store.append([{ sender: ada.id, toid: ada.id, msg: "old", ts: 1 }]);
    await using client = await s.client(ada);
    await client.next((m) => m.msg === "old");
    client.send({ msgid: 12, seq: 1 });
    await eventually(async () => Number((await db.query("select count(*) as n from message"))[0]?.n) === 0, "the old one is gone");
  },
});

Deno.test("retention: a fault is told of, also where the database was away before it", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  watch.around = (call) => {
    if (call.name === "expireTokens") return Promise.reject(new StoreUnavailable("others hold a row"));
    return call.name === "expireReports" ? Promise.reject(new Error("a fault")) : call.run();
  };
  await using _ = await startServer(db, {}, { times: { retention: 50 }, store: watch.wrap });
  const failed = "forgetting what is old failed";
  await log.until([failed, "the database is away; what is old stays until the next pass"], 1);
  assert(log.count(failed) > 0);
});

const DAY = 24 * 3600_000;

databaseTest("retention: a clock that is 40 days ahead for a while deletes no message and ends no token; one that stays so does", async (db) => {
  const watch = new StoreWatch();
  using wall = wallClockAhead();
  using time = clockAhead();
  await using s = await startServer(db, { "keep-days": 30, "token-days": 7 }, { times: { retention: 20 }, store: watch.wrap });
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  const store = await db.open();
  await store.append([{ sender: ada.id, toid: bob.id, msg: "of today", ts: Date.now() }]);
  const client = await s.client(bob);
  await client.next((m) => m.msg === "of today");
  client.send({ msgid: 12, seq: 1 });
  await eventually(async () => Number((await db.query("select confirmed_seq from user where id = " + bob.id))[0]?.confirmed_seq) === 1, "confirmed");
  await client.close();
  const left = async () => [(await history(store, ada.id, { toid: bob.id }, {}, 10, 1e9)).messages.length, await tokens()].join();
  const tokens = async () => Number((await db.query("select count(*) as n from token"))[0]?.n);
  const passes = async (count: number) => {
    watch.forget();
    await eventually(() => watch.made.filter((name) => name === "prune").length > count, "passes");
  };
  wall.by(40 * DAY);
  await passes(3);
  assertEquals(await left(), "1,2");
  await (await s.client(ada)).close();
  wall.by(0);
  await passes(3);
  assertEquals(await left(), "1,2");
  wall.by(40 * DAY);
  await passes(2);
  time.by(DAY + 60_000);
  await passes(2);
  assertEquals(await left(), "0,0");
});

Deno.test("time by which things end: a clock set forward is believed after a day, one set back at once", () => {
  using wall = wallClockAhead();
  using time = clockAhead();
  const trusted = new TrustedTime();
  const begun = Date.now();
  const days = () => Math.round((trusted.now() - begun) / DAY * 10) / 10;
  assertEquals(Number.isSafeInteger(trusted.now()), true, "whole milliseconds");
  /** Both clocks go on. */
  const pass = (d: number) => {
    passed += d;
    time.by(passed * DAY);
    wall.by((passed + wrong) * DAY);
  };
  let passed = 0, wrong = 0;
  pass(0.5);
  assertEquals(days(), 0.5);
  wrong = 40;
  pass(0);
  assertEquals(days(), 0.5);
  pass(0.9);
  assertEquals(days(), 1.4);
  wrong = -3;
  pass(0);
  assertEquals(days(), -1.6);
  wrong = 0;
  pass(0.5);
  assertEquals(days(), -1.1);
  pass(0.6);
  assertEquals(days(), 2.5);
});
