// Limits on logins, passwords and registrations. Addresses come through the PROXY header.

import { assert, assertEquals } from "@std/assert";
import { Passwords } from "../src/auth/passwords.ts";
import { clockStopped } from "./support/clock.ts";
import { testDatabase } from "./support/databases.ts";
import { makeUsers, startServer, type TestUser } from "./support/server.ts";
import { assertRetry, connectFrom, ELSEWHERE, HERE, proxied } from "./support/limits.ts";

Deno.test("limits: logins of a user, on however many connections; others come in", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { "on-conflict": "replace" });
  const [user, other] = await makeUsers(db, 2) as [TestUser, TestUser];
  const clients = await Promise.all(Array.from({ length: 60 }, () => server.connect()));
  const answers = await Promise.all(clients.map(async (client) => {
    client.send({ msgid: 1, id: user.id, token: user.token, proto: 3 });
    // One that is in is replaced by the next one, perhaps before it is told that it is in.
    return await client.next((m) => m.msgid === 2 || m.msgid === 20);
  }));
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
  using _clock = clockStopped();
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
  using _clock = clockStopped();
  for (let i = 0; i < 30; i++) assertEquals((await client.register(`user${i}`, "pw")).errno, 0);
  assertRetry(await client.register("user30", "pw"), 20_000);
  await using other = await connectFrom(server, ELSEWHERE);
  assertEquals((await other.register("user30", "pw")).errno, 0);
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
  for (let i = 0; i < 5 || i < 200 && !alike(); i++) {
    for (const who of [{ name: "alice" }, { id }, { name: "nobody" }, { id: 4711 }]) {
      const begun = performance.now();
      assertEquals((await client.login({ ...who, password: "wrong", proto: 2 })).errno, 1);
      const key = JSON.stringify(who);
      times.set(key, Math.min(times.get(key) ?? Infinity, performance.now() - begun));
    }
  }
  assert(alike(), JSON.stringify([...times]));
});
