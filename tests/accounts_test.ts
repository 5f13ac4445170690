// REGISTER, LOGIN, LOGOUT, CHANGE_PASSWORD: every field and every answer.

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import deno from "../deno.json" with { type: "json" };
import { nothingElse } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import type { Message } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf, type TestUser } from "./support/server.ts";
import { giveTokens } from "./support/tokens.ts";

const invalid = { msgid: 2, errno: 1, errmsg: "id or password is invalid!" };

/** An answer without the `ref` that asked for it. */
function plain({ ref: _, ...message }: Message): object {
  return message;
}

databaseTest("REGISTER: any name, once, without regard to case and compatible forms", async (db) => {
  await using s = await startServer(db);
  await using client = await s.connect();
  const names = ["张三", "👩‍🚀 Ada", "O'Neill \"; drop table user; --", "ΟΔΟΣ", "Ünïcode", "x".repeat(50), "👍".repeat(50)];
  const ids: number[] = [];
  for (const name of names) {
    const answer = await client.register(name, "secret");
    assertEquals(plain(answer), { msgid: 5, errno: 0, id: answer.id });
    ids.push(answer.id!);
  }
  assertEquals(ids, ids.toSorted((a, b) => a - b));
  assertEquals((await db.query("select name from user order by id")).map((row) => row.name), names);
  assertEquals(new Set((await db.query("select state from user")).map((row) => row.state)), new Set(["offline"]));
  for (const name of ["张三", "👩‍🚀 ADA", "οδοσ", "üNÏcode", "u\u0308nïcode", "Ｘ".repeat(50)]) {
    assertEquals(plain(await client.register(name, "other")), { msgid: 5, errno: 1, errmsg: "the name is taken" }, name);
  }
  for (const [i, name] of names.entries()) {
    await using again = await s.connect();
    const ack = await again.login({ name: name.toUpperCase(), password: "secret" });
    assertEquals(plain(ack), { msgid: 2, errno: 0, id: ids[i]!, name });
  }
});

databaseTest("REGISTER: of many at once for one name, one has it", async (db) => {
  await using s = await startServer(db);
  const clients = await Promise.all(Array.from({ length: 6 }, () => s.connect()));
  for (let round = 0; round < 5; round++) {
    const names = [`Name${round}`, `NAME${round}`, `name${round}`, `ｎａｍｅ${round}`, `naMe${round}`, `Name${round}`];
    const answers = await Promise.all(clients.map((client, i) => client.register(names[i]!, `secret${i}`)));
    assertEquals(answers.map((a) => a.errno).toSorted(), [0, 1, 1, 1, 1, 1]);
    const winner = answers.findIndex((a) => a.errno === 0);
    assertEquals(await db.query(`select name from user where id = ${answers[winner]!.id}`).then((rows) => rows[0]?.name), names[winner]);
    const ack = await clients[0]!.login({ name: names[0]!, password: `secret${winner}`, proto: 2 });
    assertEquals([ack.errno, ack.id], [0, answers[winner]!.id]);
    assertEquals((await clients[0]!.request({ msgid: 3 })).errno, 0);
  }
  assertEquals((await db.query("select id from user")).length, 5);
  await Promise.all(clients.map((client) => client.close()));
});

databaseTest("LOGIN: by id or name, password or token; what is wrong is not told apart", async (db) => {
  await using s = await startServer(db);
  const [other] = await makeUsers(db, 1);
  await using client = await s.connect();
  const { id } = await client.register("Bob", "secret") as { id: number };
  const token = (await client.login({ id, password: "secret", proto: 2 })).token!;
  assertMatch(token, /^[A-Za-z0-9_-]{43}$/);
  await client.close();

  await using c = await s.connect();
  const wrong: object[] = [
    { id, password: "wrong" },
    { id: 999, password: "secret" },
    { name: "Bob", password: "Secret" },
    { name: "nobody", password: "secret" },
    { id: 999, token },
    { id: other!.id, token },
    { name: other!.name, token },
    { id, token: other!.token },
    { id, token: token.slice(1) },
    { id, token: token.slice(0, -1) + (token.endsWith("A") ? "B" : "A") },
    { id, token: "a token" },
    { name: "nobody", token },
  ];
  for (const fields of wrong) {
    for (const kind of [{}, { proto: 2 }]) assertEquals(plain(await c.login({ ...fields, ...kind })), invalid, JSON.stringify(fields));
  }
  await eventually(async () => await stateOf(db, id) === "offline", "offline");

  for (const fields of [{ id, password: "secret" }, { name: "bOB", password: "secret" }, { id, token }, { name: "ＢＯＢ", token }]) {
    await using modern = await s.connect();
    const ack = await modern.login({ ...fields, proto: 2 });
    assertEquals([ack.errno, ack.id, ack.name], [0, id, "Bob"]);
    assertEquals(ack.token === token, "token" in fields, "a token comes back, a password gives a new one");
    await modern.close();
    await using classic = await s.connect();
    assertEquals(plain(await classic.login(fields)), { msgid: 2, errno: 0, id, name: "Bob" });
  }
  // A hash that this runtime cannot check is no wrong password.
  const unsupported = await c.login({ id: other!.id, password: "none" });
  assertEquals([unsupported.errno, typeof unsupported.retry], [19, "number"]);
  await db.query("update token set expires = 1");
  assertEquals(plain(await c.login({ id, token })), invalid, "expired");
});

databaseTest("LOGIN: what a client of 0.1 is told", async (db) => {
  await using s = await startServer(db, { heartbeat: 7, "max-group": 33 });
  const [user] = await makeUsers(db, 1);
  await using client = await s.connect();
  client.send({ msgid: 1, id: user!.id, token: user!.token, proto: 2, ref: "好" });
  assertEquals(await client.next(), {
    msgid: 2,
    ref: "好",
    errno: 0,
    id: user!.id,
    name: user!.name,
    proto: 2,
    friends: [],
    groups: [],
    token: user!.token,
    heartbeat: 7,
    limits: { line: 65536, group: 33 },
    inbox: { confirmed: 0, last: 0 },
  });
});

databaseTest("LOGIN: what a client of today is told, whatever higher version it asks for", async (db) => {
  await using s = await startServer(db, { heartbeat: 7, "max-group": 33, "max-devices": 5, "max-line": "1MiB" });
  const [user] = await makeUsers(db, 1);
  for (const proto of [3, 1000]) {
    await using client = await s.connect();
    const ack = await client.login({ id: user!.id, token: user!.token, proto });
    const { epoch } = ack.inbox as { epoch: string };
    assertMatch(epoch, /^[0-9a-z]{8,}$/);
    assertEquals(ack, {
      msgid: 2,
      ref: ack.ref!,
      errno: 0,
      id: user!.id,
      name: user!.name,
      proto: 3,
      device: { id: 0, name: "" },
      friends: [],
      groups: [],
      blocked: [],
      invited: [],
      token: user!.token,
      heartbeat: 7,
      limits: { line: 1048576, answer: 1_064_960, group: 33, devices: 5 },
      inbox: { epoch, confirmed: 0, last: 0 },
      features: ["devices", "push"],
      version: deno.version,
    });
  }
});

databaseTest("LOGOUT: session and token end, the connection stays, other tokens live", async (db) => {
  await using s = await startServer(db);
  const [other] = await makeUsers(db, 1);
  await using client = await s.connect();
  const { id } = await client.register("bob", "secret") as { id: number };
  const kept = (await client.login({ id, password: "secret", proto: 2 })).token!;
  await client.close();
  await using c = await s.connect();
  const { token } = await c.login({ id, password: "secret", proto: 2 }) as { token: string };
  assertNotEquals(token, kept);

  assertEquals(plain(await c.request({ msgid: 3, id: other!.id })), { msgid: 11, errno: 22, re: 3, errmsg: "not yours" });
  assertEquals(await stateOf(db, id), "online");
  assertEquals(plain(await c.request({ msgid: 3, id })), { msgid: 11, errno: 0, re: 3 });
  await eventually(async () => await stateOf(db, id) === "offline", "offline", 1000);
  assertEquals((await c.request({ msgid: 17 })).errno, 12);
  assertEquals((await c.request({ msgid: 3 })).errno, 12);
  assertEquals((await c.request({ msgid: 13 })).msgid, 14);
  assertEquals(plain(await c.login({ id, token, proto: 2 })), invalid, "its token has ended");

  // On the same connection: someone else, then the same again by the token that was left alone, which ends by this LOGOUT.
  assertEquals((await c.login({ id: other!.id, token: other!.token, proto: 2 })).errno, 0);
  c.send({ msgid: 3 });
  assertEquals((await c.login({ id, token: kept, proto: 2 })).errno, 0);
  await eventually(async () => await stateOf(db, other!.id) === "offline", "the other is offline");
  assertEquals((await c.request({ msgid: 3 })).errno, 0);
  assertEquals(plain(await c.login({ id, token: kept, proto: 2 })), invalid);
  assertEquals((await c.login({ id, password: "secret" })).errno, 0, "a classic session after modern ones");
  await nothingElse(c);
});

databaseTest("LOGOUT: the account is free at once for others who wait for it", async (db) => {
  await using s = await startServer(db);
  const [user] = await makeUsers(db, 1);
  for (let i = 0; i < 10; i++) {
    await using first = await s.connect();
    const [token] = await giveTokens(db.url, [user!.id]);
    assertEquals((await first.login({ id: user!.id, token, proto: 2 })).errno, 0);
    await using second = await s.connect();
    first.send({ msgid: 3, ref: "out" });
    await first.next((m) => m.ref === "out");
    assertEquals((await second.login({ id: user!.id, token: user!.token, proto: 2 })).errno, 0);
    assertEquals(await stateOf(db, user!.id), "online", "the release that was under way did not hit the new session");
  }
});

databaseTest("CHANGE_PASSWORD: the old one must be right; all other tokens end", async (db) => {
  await using s = await startServer(db);
  await using c = await s.connect();
  const { id } = await c.register("bob", "first") as { id: number };
  const gone = (await c.login({ id, password: "first", proto: 2 })).token!;
  await c.close();
  await using client = await s.connect();
  const { token } = await client.login({ id, password: "first", proto: 2 }) as { token: string };
  assertEquals(plain(await client.request({ msgid: 22, old: "wrong", new: "second" })), {
    msgid: 11,
    errno: 1,
    re: 22,
    errmsg: "the old password is wrong",
  });
  assertEquals(plain(await client.request({ msgid: 22, old: "first", new: "second" })), { msgid: 11, errno: 0, re: 22 });
  assertEquals((await client.request({ msgid: 17 })).errno, 0, "the session goes on");
  await client.close();
  await using again = await s.connect();
  assertEquals([(await again.login({ id, password: "first" })).errno, (await again.login({ id, token: gone })).errno], [1, 1]);
  assertEquals((await again.login({ id, token, proto: 2 })).errno, 0);
  await again.close();
  await using last = await s.connect();
  assertEquals((await last.login({ id, password: "second" })).errno, 0);
});

databaseTest("every request with a ref is answered once with it; without one, what succeeds is silent", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using client = await s.client(ada);
  await using member = await s.client(bob);
  const group = (await member.request({ msgid: 8, groupname: "g", groupdesc: "" })).groupid as number;
  const requests: { msgid: number; always?: boolean; [field: string]: unknown }[] = [
    { msgid: 6, toid: bob.id, msg: "m" },
    { msgid: 7, friendid: bob.id },
    { msgid: 8, groupname: "h", groupdesc: "d" },
    { msgid: 9, groupid: group },
    { msgid: 10, groupid: group, msg: "m" },
    { msgid: 13, always: true },
    { msgid: 16, toid: bob.id, always: true },
    { msgid: 17, always: true },
    { msgid: 18, friendid: bob.id },
    { msgid: 19, groupid: group },
    { msgid: 23, userid: bob.id },
    { msgid: 24, userid: bob.id },
  ];
  let made = 0;
  for (const { always, ...request } of requests) {
    for (const ref of [undefined, 0, -7, "", "x".repeat(64), "👍"]) {
      // A group can be made or left only once.
      if (request.msgid === 19) assertEquals((await client.request({ msgid: 9, groupid: group })).errno, 0);
      const fields = request.msgid === 8 ? { groupname: `group ${made++}` } : {};
      client.send({ ...request, ...fields, ref });
      const what = `${request.msgid} with ref ${JSON.stringify(ref)}`;
      if (ref !== undefined || always) {
        const answer = await client.next();
        assertEquals([answer.ref, answer.errno ?? 0, answer.re ?? 13], [ref, 0, request.msgid], what);
      }
      await nothingElse(client);
    }
  }
  // No answer ever: 12, 14, 21.
  for (const request of [{ msgid: 12, seq: 0 }, { msgid: 14 }, { msgid: 21, toid: bob.id, msg: "typing" }]) {
    client.send({ ...request, ref: "silent" });
    await nothingElse(client);
  }
});
