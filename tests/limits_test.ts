// Limits: what is refused, for how long, and to whom it does not happen. Addresses come through the PROXY header.

import { assert, assertEquals } from "@std/assert";
import { Passwords } from "../src/auth/passwords.ts";
import { Limiter } from "../src/ops/limits.ts";
import { StoreWatch } from "./support/around_store.ts";
import { testDatabase } from "./support/databases.ts";
import type { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf, type TestServer, type TestUser } from "./support/server.ts";

const HERE = "203.0.113.1", ELSEWHERE = "203.0.113.2";
const proxied = { "trusted-proxy": "127.0.0.1" };

/** A connection that comes from `address`, as its proxy says. */
async function connectFrom(server: TestServer, address: string): Promise<RawClient> {
  const client = await server.connect();
  client.sendBytes(address.includes(":") ? `PROXY TCP6 ${address} ::1 4000 6000\r\n` : `PROXY TCP4 ${address} 127.0.0.1 4000 6000\r\n`);
  return client;
}

function assertRetry(answer: { errno?: number; retry?: number }, most: number): void {
  assertEquals(answer.errno, 15, JSON.stringify(answer));
  assert(answer.retry! > 0 && answer.retry! <= most, JSON.stringify(answer));
}

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
  for (const [i, [line, count]] of floods.entries()) {
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
  }
});

Deno.test("limits: who has rested begins anew", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, {}, { times: { rest: 20 } });
  const [user] = await makeUsers(db, 1);
  await using client = await server.client(user);
  for (let round = 0; round < 2; round++) {
    const answers = await Promise.all(Array.from({ length: 150 }, () => client.request({ msgid: 13 })));
    assert(answers.filter((a) => a.errno === 15).length > 60);
    await new Promise((resolve) => setTimeout(resolve, 2600));
  }
  assertEquals((await client.request({ msgid: 13 })).msgid, 14);
});

Deno.test("limits: long texts, long answers and what goes to many are paid for, and may be owed", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  const [ada, bob, cid, ...members] = await makeUsers(db, 304) as [TestUser, TestUser, TestUser, ...TestUser[]];
  const store = await db.open();
  const group = await store.createGroup(cid.id, "all", "all", "") as { groupid: number };
  await Promise.all(members.map(({ id }) => store.joinGroup(id, { id: group.groupid })));
  const text = "x".repeat(60_000);
  /** How many of these are done before one is refused, and for how long that one is. */
  const most = async (user: TestUser, request: object) => {
    await using client = await server.client(user, { proto: 3 });
    for (let done = 0;; done++) {
      const { errno, retry } = await client.request(request);
      if (errno === 15) return { done, retry: retry! };
    }
  };
  // 15 units each, 50 at once; some come back meanwhile.
  const notes = await most(ada, { msgid: 6, toid: ada.id, msg: text });
  assert(notes.done >= 3 && notes.done < 10, JSON.stringify(notes));
  // Four of them fit into an answer: 16 units.
  const pages = await most(bob, { msgid: 16, toid: bob.id, limit: 100 });
  assert(pages.done >= 30, `short answers: ${JSON.stringify(pages)}`);
  await new Promise((resolve) => setTimeout(resolve, notes.retry + 500));
  const long = await most(ada, { msgid: 16, toid: ada.id, limit: 100 });
  assert(long.done <= 4, JSON.stringify(long));
  // 15, 3 for so many receivers, 17 for what they are sent: 35, the first time when it is known.
  const all = await most(cid, { msgid: 10, groupid: group.groupid, msg: text });
  assert(all.done >= 2 && all.done < notes.done && all.retry > 300, JSON.stringify({ all, notes }));
});

Deno.test("limits: logins of a user, on however many connections; others come in", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { "on-conflict": "replace" });
  const [user, other] = await makeUsers(db, 2) as [TestUser, TestUser];
  const clients = await Promise.all(Array.from({ length: 60 }, () => server.connect()));
  const answers = await Promise.all(clients.map((client) => client.login({ id: user.id, token: user.token, proto: 3 })));
  const refused = answers.filter(({ errno }) => errno === 15);
  assert(refused.length > 0 && refused.length <= 35, `${refused.length} refused`);
  for (const { retry } of refused) assert(retry! > 0, String(retry));
  await using client = await server.client(other);
  assertEquals((await client.request({ msgid: 13 })).msgid, 14);
  await Promise.all(clients.map((c) => c.close()));
});

Deno.test("limits: five wrong passwords of an account from an address; tokens, other addresses and accounts go on", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, proxied);
  await using elsewhere = await connectFrom(server, ELSEWHERE);
  const { id } = await elsewhere.register("alice", "right");
  await elsewhere.register("bob", "right");
  const { token } = await elsewhere.login({ id, password: "right", proto: 2 });
  assertEquals((await elsewhere.request({ msgid: 3 })).errno, 0);
  const { token: kept } = await elsewhere.login({ id, password: "right", proto: 2 });
  assertEquals((await elsewhere.login({ id, password: "right", proto: 2 })).errno, 21);
  assert(token !== kept);
  await using client = await connectFrom(server, HERE);
  for (let i = 0; i < 5; i++) assertEquals((await client.login({ name: "Alice", password: "wrong", proto: 2 })).errno, 1);
  // By name or by number, it is the same account.
  assertRetry(await client.login({ name: "alice", password: "right", proto: 2 }), 12_000);
  assertRetry(await client.login({ id, password: "right", proto: 2 }), 12_000);
  assertEquals((await client.login({ name: "bob", password: "right", proto: 2 })).errno, 0);
  await elsewhere.close();
  await using again = await connectFrom(server, ELSEWHERE);
  assertEquals((await again.login({ id, password: "right", proto: 2 })).errno, 0);
  await again.close();
  await using byToken = await connectFrom(server, HERE);
  assertEquals((await byToken.login({ id, token: kept, proto: 2 })).errno, 0);
});

Deno.test("limits: right passwords are not counted, many at once do not outrun the count", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, proxied);
  await using client = await connectFrom(server, HERE);
  const { id } = await client.register("alice", "right");
  for (let i = 0; i < 7; i++) {
    assertEquals((await client.login({ id, password: "right", proto: 2 })).errno, 0);
    assertEquals((await client.request({ msgid: 3 })).errno, 0);
  }
  const clients = await Promise.all(Array.from({ length: 8 }, () => connectFrom(server, HERE)));
  const answers = await Promise.all(clients.map((c) => c.login({ id, password: "wrong", proto: 2 })));
  assertEquals(answers.map((a) => a.errno!).sort((a, b) => a - b), [1, 1, 1, 1, 1, 15, 15, 15]);
  await Promise.all(clients.map((c) => c.close()));
});

Deno.test("limits: 30 registrations from an address", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, proxied);
  await using client = await connectFrom(server, HERE);
  for (let i = 0; i < 30; i++) assertEquals((await client.register(`user${i}`, "pw")).errno, 0);
  assertRetry(await client.register("user30", "pw"), 20_000);
  await using other = await connectFrom(server, ELSEWHERE);
  assertEquals((await other.register("user30", "pw")).errno, 0);
});

Deno.test("limits: 64 connections of an address; one that goes makes room", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, proxied);
  const clients: RawClient[] = [];
  for (let i = 0; i < 64; i++) {
    clients.push(await connectFrom(server, HERE));
    assertEquals((await clients[i].request({ msgid: 13 })).msgid, 14);
  }
  await using refused = await connectFrom(server, HERE);
  assertEquals((await refused.next((m) => m.msgid === 20)).reason, "limits");
  await refused.closed;
  await using other = await connectFrom(server, ELSEWHERE);
  assertEquals((await other.request({ msgid: 13 })).msgid, 14);
  await clients[0].close();
  await eventually(async () => {
    await using next = await connectFrom(server, HERE);
    return (await next.request({ msgid: 13 }).catch(() => undefined))?.msgid === 14;
  }, "there is room again");
  await Promise.all(clients.map((c) => c.close()));
});

Deno.test("limits: all of an IPv6 network count as one address, and IPv4 in IPv6 as IPv4", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, proxied);
  const from: [count: number, address: (i: number) => string, other: string][] = [
    [64, (i) => `2001:db8:1:2:${i}::1`, "2001:db8:1:3::1"],
    [64, (i) => i % 2 ? HERE : `::ffff:${HERE}`, ELSEWHERE],
  ];
  for (const [count, address, other] of from) {
    const clients: RawClient[] = [];
    for (let i = 0; i < count; i++) {
      clients.push(await connectFrom(server, address(i)));
      assertEquals((await clients[i].request({ msgid: 13 })).msgid, 14);
    }
    await using refused = await connectFrom(server, address(count));
    assertEquals((await refused.next((m) => m.msgid === 20)).reason, "limits");
    await using neighbour = await connectFrom(server, other);
    assertEquals((await neighbour.request({ msgid: 13 })).msgid, 14);
    for (let i = 0; i < 30; i++) assertEquals((await clients[i].register(`user ${address(i)} ${i}`, "pw")).errno, 0);
    assertRetry(await clients[30].register(`user ${address(0)} 30`, "pw"), 20_000);
    const name = `user ${address(0)} 0`;
    for (let i = 0; i < 5; i++) assertEquals((await clients[i].login({ name, password: "wrong", proto: 2 })).errno, 1);
    assertRetry(await clients[5].login({ name, password: "pw", proto: 2 }), 12_000);
    assertEquals((await neighbour.login({ name, password: "pw", proto: 2 })).errno, 0);
    await Promise.all(clients.map((c) => c.close()));
  }
});

Deno.test("limits: 256 connections of an address one after the other, then 20 a second; others come in", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { ...proxied, "login-timeout": 30 });
  let welcome = 0;
  for (let i = 0; i < 400; i++) {
    await using client = await connectFrom(server, HERE);
    client.send({ msgid: 13 });
    const { msgid, reason } = await client.next();
    if (msgid === 14) welcome++;
    else assertEquals(reason, "limits");
  }
  assert(welcome >= 256 && welcome < 400, `${welcome} were welcome`);
  await using other = await connectFrom(server, ELSEWHERE);
  assertEquals((await other.request({ msgid: 13 })).msgid, 14);
});

Deno.test("limits: loopback is exempt from those per address, and --limits off lifts them for all", async () => {
  for (const [settings, from] of [[{}, undefined], [{ ...proxied, limits: "off" }, HERE]] as const) {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, settings);
    const connect = () => from ? connectFrom(server, from) : server.connect();
    const clients = await Promise.all(Array.from({ length: 66 }, connect));
    for (const client of clients) assertEquals((await client.request({ msgid: 13 })).msgid, 14);
    for (let i = 0; i < 32; i++) assertEquals((await clients[0].register(`user${i}`, "pw")).errno, 0);
    for (let i = 0; i < 7; i++) assertEquals((await clients[1].login({ name: "user1", password: "wrong" })).errno, 1);
    await Promise.all(clients.map((c) => c.close()));
  }
});

Deno.test("limits: --max-connections, of which those not logged in hold at most a quarter", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { "max-connections": 8 });
  const users = await makeUsers(db, 9);
  const full = async (client: RawClient) => {
    const { reason, retry } = await client.next((m) => m.msgid === 20);
    assertEquals(reason, "full");
    assert(retry! >= 500 && retry! <= 1000, String(retry));
    assertEquals(await client.closed, "fin");
  };
  const there = async (client: RawClient) => {
    assertEquals((await client.request({ msgid: 13 })).msgid, 14);
    return client;
  };
  const first = await there(await server.connect()), second = await there(await server.connect());
  // Who has been there longest makes room, whether it says something or not; who logs in is out of that.
  const third = await there(await server.connect());
  await full(first);
  assertEquals((await second.login({ id: users[0].id, token: users[0].token, proto: 2 })).errno, 0);
  const fourth = await there(await server.connect());
  await there(third);
  // Who has logged out is a newcomer.
  assertEquals((await second.request({ msgid: 3 })).errno, 0);
  await full(third);
  await there(fourth);
  assertEquals((await second.login({ id: users[1].id, token: users[1].token, proto: 2 })).errno, 0);
  const clients = [second];
  for (const user of users.slice(2)) clients.push(await server.client(user));
  // Where sessions hold all places, nobody makes room.
  await full(await server.connect());
  for (const client of clients) await there(client);
  await Promise.all([...clients, fourth].map((c) => c.close()));
});

Deno.test("limits: connections that say nothing keep nobody out who wants to log in; who is logging in is left alone", async () => {
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using server = await startServer(db, { "max-connections": 16 }, { store: watch.wrap });
  const users = await makeUsers(db, 9);
  const held = Promise.withResolvers<void>(), asked = Promise.withResolvers<void>();
  watch.around = async (call) => {
    if (call.name === "findUserByToken") {
      asked.resolve();
      await held.promise;
    }
    return await call.run();
  };
  const early = await server.connect();
  const login = early.login({ id: users[0].id, token: users[0].token, proto: 2 });
  await asked.promise;
  const silent: RawClient[] = [];
  for (let i = 0; i < 20; i++) silent.push(await server.connect());
  held.resolve();
  assertEquals((await login).errno, 0);
  const others: RawClient[] = [];
  for (const user of users.slice(1)) others.push(await server.client(user));
  await Promise.all([early, ...others, ...silent].map((c) => c.close()));
});

Deno.test("limits: who has not logged in when --login-timeout is over is gone, whatever it says; who has stays", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { "login-timeout": 0.4 });
  const [user] = await makeUsers(db, 1);
  await using client = await server.client(user);
  const begun = performance.now();
  await using talker = await server.connect();
  await using silent = await server.connect();
  let over = false;
  void talker.closed.then(() => over = true);
  while (!over) {
    talker.send({ msgid: 13 });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals((await talker.next((m) => m.msgid === 20).catch(() => talker.backlog.find((m) => m.msgid === 20)))?.reason, "silent");
  assertEquals([await talker.closed, await silent.closed], ["fin", "fin"]);
  const took = performance.now() - begun;
  assert(took > 350 && took < 3000, `${took} ms`);
  assertEquals((await client.request({ msgid: 13 })).msgid, 14);
});

Deno.test("limits: more passwords than may wait are answered with errno 19 at once, known or not; tokens go on", async () => {
  await using db = await testDatabase("sqlite");
  const passwords = new Passwords({ figures: { algorithm: "scrypt", ln: 14, r: 8, p: 1 }, parallel: 1, queue: 3 });
  await using server = await startServer(db, { limits: "off" }, { passwords });
  const [user] = await makeUsers(db, 1);
  await using first = await server.connect();
  assertEquals((await first.register("alice", "right")).errno, 0);
  for (const name of ["alice", "nobody"]) {
    const clients = await Promise.all(Array.from({ length: 12 }, () => server.connect()));
    const asked = clients.map((c) => c.login({ name, password: "wrong", proto: 2 }));
    await using byToken = await server.client(user);
    assertEquals((await byToken.request({ msgid: 13 })).msgid, 14);
    const answers = await Promise.all(asked);
    const busy = answers.filter((a) => a.errno === 19);
    for (const { retry, errmsg } of busy) assert(retry! > 0 && errmsg, String(retry));
    assert(busy.length > 0 && busy.length <= 8, `${busy.length} refused`);
    assertEquals(new Set(answers.filter((a) => a.errno !== 19).map((a) => `${a.errno} ${a.errmsg}`)), new Set(["1 id or password is invalid!"]));
    await Promise.all(clients.map((c) => c.close()));
  }
  // All places are free again.
  assertEquals((await first.login({ name: "alice", password: "right", proto: 2 })).errno, 0);
});

Deno.test("limits: an unknown user takes as long as a wrong password", async () => {
  await using db = await testDatabase("sqlite");
  const passwords = new Passwords({ figures: { algorithm: "scrypt", ln: 13, r: 8, p: 1 } });
  await using server = await startServer(db, { limits: "off" }, { passwords });
  await using client = await server.connect();
  const { id } = await client.register("alice", "right");
  // The quickest of several in turn, and of more where the machine does much else: noise only ever adds.
  const times = new Map<string, number>();
  const alike = () => Math.max(...times.values()) < 2 * Math.min(...times.values());
  for (let i = 0; i < 5 || i < 30 && !alike(); i++) {
    for (const who of [{ name: "alice" }, { id }, { name: "nobody" }, { id: 4711 }]) {
      const begun = performance.now();
      assertEquals((await client.login({ ...who, password: "wrong", proto: 2 })).errno, 1);
      const key = JSON.stringify(who);
      times.set(key, Math.min(times.get(key) ?? Infinity, performance.now() - begun));
    }
  }
  assert(alike(), JSON.stringify([...times]));
});
