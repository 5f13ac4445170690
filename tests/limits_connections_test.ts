// Limits on connections: who is kept out, for how long, and who is not. Addresses come through the PROXY header.

import { assert, assertEquals } from "@std/assert";
import { StoreUnavailable } from "../src/store/store.ts";
import { Awake } from "./support/awake.ts";
import { StoreWatch } from "./support/around_store.ts";
import { clockStopped } from "./support/clock.ts";
import { testDatabase } from "./support/databases.ts";
import type { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, type TestUser } from "./support/server.ts";
import { assertRetry, connectFrom, ELSEWHERE, HERE, proxied } from "./support/limits.ts";

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
    {
      using _clock = clockStopped();
      for (let i = 0; i < 30; i++) assertEquals((await clients[i].register(`user ${address(i)} ${i}`, "pw")).errno, 0);
      assertRetry(await clients[30].register(`user ${address(0)} 30`, "pw"), 20_000);
    }
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
  using clock = clockStopped();
  /** How many of these are let in. */
  const welcome = async (count: number) => {
    let welcome = 0;
    for (let i = 0; i < count; i++) {
      await using client = await connectFrom(server, HERE);
      client.send({ msgid: 13 });
      const { msgid, reason } = await client.next();
      if (msgid === 14) welcome++;
      else assertEquals(reason, "limits");
    }
    return welcome;
  };
  assertEquals(await welcome(300), 256);
  clock.by(1000);
  assertEquals(await welcome(30), 20);
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
  await using server = await startServer(db, { "login-timeout": 1.5 });
  const [user] = await makeUsers(db, 1);
  await using client = await server.client(user);
  const begun = performance.now();
  using awake = new Awake();
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
  assert(took > 1450 && awake.ms < 4000, `${took} ms`);
  assertEquals((await client.request({ msgid: 13 })).msgid, 14);
});

Deno.test("limits: who was let in, and could not be told so, has --login-timeout again to try it", async () => {
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using server = await startServer(db, { "login-timeout": 4, heartbeat: 1 }, { store: watch.wrap });
  const [user] = await makeUsers(db, 1) as [TestUser];
  await using client = await server.connect();
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  watch.around = async (call) => {
    if (call.name !== "welcome") return await call.run();
    await pause(4200);
    throw new StoreUnavailable("as the test wants it");
  };
  const login = { id: user.id, token: user.token, proto: 3 };
  assertEquals((await client.login(login)).errno, 19);
  watch.around = (call) => call.run();
  // Else it would be ended by now, and there are three seconds left: a busy machine takes one now and then.
  await pause(1000);
  assertEquals((await client.login(login)).errno, 0);
});
