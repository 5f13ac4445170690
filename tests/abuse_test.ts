// What a client can do to a server without breaking a rule, or by breaking one, and that the others do not notice.

import { assert, assertEquals } from "@std/assert";
import { CapturedLog } from "./support/captured_log.ts";
import { testDatabase } from "./support/databases.ts";
import { StoreWatch } from "./support/around_store.ts";
import type { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf, type TestServer } from "./support/server.ts";

/** Others are answered within this (ms), on a machine that has other things to do as well. */
const ANSWER = 1000;

/** Asserts that this client is served. */
async function assertServed(client: RawClient): Promise<void> {
  assertEquals((await client.request({ msgid: 17 }, ANSWER)).errno, 0);
}

Deno.test("abuse: a byte at a time, a line is a line; who never comes to an end has as long as everybody to log in", async () => {
  // Who sends a line a byte at a time has to be done by then, on a machine that stands still meanwhile, too.
  const LOGIN = 2000;
  await using db = await testDatabase("sqlite");
  await using s = await startServer(db, { "login-timeout": LOGIN / 1000 });
  const [slow, other] = await makeUsers(db, 2);
  await using client = await s.connect();
  const begun = performance.now();
  await using never = await s.connect();
  const dribbling = setInterval(() => never.sendBytes("x"), 20);
  for (const byte of new TextEncoder().encode(`{"msgid":1,"id":${slow!.id},"token":"${slow!.token}","proto":2}\n`)) {
    client.sendBytes(Uint8Array.of(byte));
    await client.flushed();
  }
  assertEquals((await client.next()).errno, 0);
  await using bystander = await s.client(other!);
  await assertServed(bystander);
  const { reason } = await never.next((m) => m.msgid === 20);
  assert(performance.now() - begun >= LOGIN);
  assertEquals([reason, await never.closed], ["silent", "fin"]);
  clearInterval(dribbling);
  // Logged in, it may take its time.
  for (const byte of new TextEncoder().encode('{"msgid":17,"ref":"slow"}\n')) {
    client.sendBytes(Uint8Array.of(byte));
    await client.flushed();
  }
  assertEquals((await client.next((m) => m.ref === "slow")).errno, 0);
});

Deno.test("abuse: connections that are opened and abandoned leave nothing behind, and cost no request to the database", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using s = await startServer(db, { "max-connections": 400 }, { store: watch.wrap, times: { news: 60_000 } });
  const [user] = await makeUsers(db, 1);
  await using bystander = await s.client(user!);
  await watch.quiet();
  watch.forget();
  const { length } = log.records;
  const WAVES = 20, WAVE = 50;
  for (let wave = 1; wave <= WAVES; wave++) {
    const clients = await Promise.all(Array.from({ length: WAVE }, () => s.connect()));
    await Promise.all(clients.map((client, i) => {
      if (i % 3 === 0) client.sendBytes('{"msgid":13}\n{"msgid":');
      return i % 2 === 0 ? client.close() : client.rst();
    }));
  }
  // Whoever comes now does not wait for those who were gone before they were accepted.
  await eventually(
    async () => {
      await using next = await s.connect();
      return await next.request({ msgid: 13 }, ANSWER).then(({ msgid }) => msgid === 14, () => false);
    },
    "a place and an answer",
    ANSWER,
  );
  await log.until(["departure", "gone before it was accepted"], WAVES * WAVE);
  assertEquals(log.records.slice(length).filter((r) => r.properties.user !== undefined || r.level === "error" || r.level === "warning"), []);
  // What a server does by the clock may fall into this.
  assertEquals(watch.asked, []);
  await assertServed(bystander);
  // There is room for as many as in the beginning.
  const clients = await Promise.all(Array.from({ length: 100 }, () => s.connect()));
  await Promise.all(clients.map(async (client) => assertEquals((await client.request({ msgid: 13 })).msgid, 14)));
  await Promise.all(clients.map((client) => client.close()));
});

Deno.test("abuse: 10 MB without a line's end are not kept: told, closed, and read no further", async () => {
  await using db = await testDatabase("sqlite");
  await using s = await startServer(db);
  const [user] = await makeUsers(db, 1);
  await using bystander = await s.client(user!);
  await using client = await s.connect();
  client.sendBytes(new Uint8Array(10_000_000).fill(0x78));
  assertEquals((await client.next()).errno, 14);
  assertEquals((await client.next()).reason, "badinput");
  await assertServed(bystander);
  await client.closed;
});

Deno.test("abuse: a flood of PINGs is answered in order, some of it with when to come back, then hardly read; others are served", async () => {
  await using db = await testDatabase("sqlite");
  const REST = 250;
  await using s = await startServer(db, {}, { times: { rest: REST } });
  const [flooder, other] = await makeUsers(db, 2);
  await using client = await s.client(flooder!);
  await using bystander = await s.client(other!);
  const COUNT = 500_000;
  const begun = performance.now();
  client.sendBytes(Array.from({ length: COUNT }, (_, ref) => `{"msgid":13,"ref":${ref}}\n`).join(""));
  for (let i = 0; i < 10; i++) await assertServed(bystander);
  await eventually(() => client.lines > 150, "what is answered at once");
  const before = client.lines, rested = performance.now();
  await eventually(() => client.lines > before && performance.now() - rested > 2 * REST, "two rests, and it is read on");
  // Twenty units come back in a second, and each rest is a line more.
  const seconds = (performance.now() - begun) / 1000;
  assert(client.lines < 150 + 75 * seconds, `${client.lines} answers in ${seconds} s`);
  assertEquals(client.backlog.map((m) => m.ref), Array.from({ length: client.lines - 1 }, (_, i) => i));
  assert(client.backlog.every((m) => m.msgid === 14 || (m.errno === 15 && m.retry! > 0)));
  assert(client.backlog.filter((m) => m.msgid === 14).length >= 50);
  await assertServed(bystander);
});

Deno.test("abuse: a flood of PINGs by one who reads nothing is not read; others are served; then all is answered", async () => {
  await using db = await testDatabase("sqlite");
  await using s = await startServer(db, { limits: "off", "send-queue": "64KiB" });
  const [flooder, other] = await makeUsers(db, 2);
  await using client = await s.client(flooder!);
  await using bystander = await s.client(other!);
  client.pause();
  const COUNT = 300_000, PART = 2000;
  let sent = 0;
  const flooding = (async () => {
    for (; sent < COUNT; sent += PART) {
      client.sendBytes(`{"msgid":13,"ref":"${"x".repeat(64)}"}\n`.repeat(PART));
      await client.flushed();
    }
  })();
  // Nothing goes any more: the buffers of both directions are full.
  await eventually(async () => {
    const before = sent;
    // The server has had as many turns, in each of which it would have read.
    for (let turn = 0; turn < 100; turn++) await assertServed(bystander);
    return sent === before;
  }, "it is read no further");
  assert(sent < COUNT, "all of it was read");
  assertEquals(await stateOf(db, flooder!.id), "online");
  client.resume();
  await flooding;
  await eventually(() => client.lines === 1 + COUNT, "all are answered", 60_000);
});

Deno.test("abuse: who joins 10,000 groups is in 400 of them, and can still be told which", async () => {
  await using db = await testDatabase("sqlite");
  await using s = await startServer(db, { limits: "off" });
  const [first, second, third, joiner] = await makeUsers(db, 4);
  const store = await db.open();
  const ids: number[] = [];
  for (const { id } of [first!, second!, third!]) {
    const made = await Promise.all(Array.from({ length: 300 }, (_, i) => store.createGroup(id, `g${id} ${i}`, `g${id} ${i}`, "")));
    for (const group of made) ids.push((group as { groupid: number }).groupid);
  }
  await using client = await s.client(joiner!);
  await using bystander = await s.client(first!);
  const before = client.lines;
  client.sendBytes(Array.from({ length: 10_000 }, (_, i) => `{"msgid":9,"groupid":${ids[i] ?? 1_000_000 + i},"ref":${i}}\n`).join(""));
  await assertServed(bystander);
  await eventually(() => client.lines - before === 10_000, "all are answered", 60_000);
  const errnos = client.backlog.splice(0).map((m) => m.errno!);
  assertEquals(errnos, [...Array(400).fill(0), ...Array(500).fill(24), ...Array(9100).fill(17)]);
  assertEquals(((await client.request({ msgid: 17 })).groups as unknown[]).length, 400);
  await client.close();
  await eventually(async () => await stateOf(db, joiner!.id) === "offline", "offline");
  await using again = await login(s, joiner!);
  assertEquals((await again.request({ msgid: 13 })).msgid, 14);
});

async function login(s: TestServer, user: { id: number; token: string }): Promise<RawClient> {
  const client = await s.connect();
  const ack = await client.login({ id: user.id, token: user.token, proto: 2 });
  assertEquals([ack.errno, (ack.groups as unknown[]).length], [0, 400]);
  return client;
}
