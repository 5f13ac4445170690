// Whatever a line says, it gets its errno, and the server goes on.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CapturedLog } from "./support/captured_log.ts";
import { clockStopped } from "./support/clock.ts";
import { databaseTest } from "./support/databases.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf } from "./support/server.ts";

/** What can only be said with a session. */
const forSessions = [3, 6, 7, 8, 9, 10, 12, 16, 17, 18, 19, 21, 22, 23, 24];

/** Sends bytes as they are, and takes the next message. */
function say(client: RawClient, line: string): Promise<Message> {
  client.sendBytes(line);
  return client.next();
}

/** A good line: what came before it has been handled when its answer comes, and bad lines begin to count anew. */
async function goodLine(client: RawClient): Promise<void> {
  client.send({ msgid: 13, ref: "good" });
  assertEquals(await client.next(), { msgid: 14, ref: "good" });
}

/** Sends all this, and only then looks at what came. Throws if the connection is reset meanwhile. @returns what came until the server's FIN */
async function flood(port: number, text: string): Promise<Message[]> {
  const conn = await Deno.connect({ port });
  try {
    for (let bytes = new TextEncoder().encode(text); bytes.length > 0;) bytes = bytes.subarray(await conn.write(bytes));
    let received = "";
    const buffer = new Uint8Array(65536);
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) received += new TextDecoder().decode(buffer.subarray(0, n));
    return received.trimEnd().split("\n").map((line) => JSON.parse(line));
  } finally {
    conn.close();
  }
}

databaseTest("dispatcher: of several errors the first of 10, 11, 12 (21), 13, 15 is told", async (db) => {
  await using s = await startServer(db);
  const [user] = await makeUsers(db, 1);
  await using client = await s.connect();

  // 10: not one JSON object, and nothing else is looked at.
  const notObjects = ["x", "[]", "[{}]", "null", "1", '"a"', "true", "{", '{"msgid":13', '{"msgid":13}}', "{'msgid':13}", '{"msgid":13}{"msgid":13}'];
  for (const line of [...notObjects, '\ufeff{"msgid":13}', "[".repeat(60_000), '{"a":'.repeat(10_000)]) {
    assertEquals(await say(client, line + "\n"), { msgid: 11, errno: 10, errmsg: "not a JSON object in UTF-8" }, line.slice(0, 50));
    await goodLine(client);
  }
  // 11: also for what only the server says, and whatever else is in the line.
  for (const msgid of [0, -1, 2, 5, 11, 15, 20, 99, 1.5, 1e300, "1", null, true, [1], {}, "constructor", "__proto__"]) {
    const about = Number.isSafeInteger(msgid) ? { re: msgid as number } : {};
    assertEquals(await say(client, JSON.stringify({ msgid, ref: 7 }) + "\n"), { msgid: 11, errno: 11, errmsg: "unknown msgid", ...about, ref: 7 });
    await goodLine(client);
  }
  assertEquals(await say(client, '{"msgid":1e999}\n'), { msgid: 11, errno: 11, errmsg: "unknown msgid" }, "Infinity");
  assertEquals(await say(client, '{"ref":7}\n'), { msgid: 11, errno: 11, errmsg: "unknown msgid", ref: 7 });
  // 12 before 13.
  for (const msgid of forSessions) {
    assertEquals(await say(client, JSON.stringify({ msgid, ref: "a", id: "x", toid: "x", msg: 1 }) + "\n"), {
      msgid: 11,
      ref: "a",
      errno: 12,
      re: msgid,
      errmsg: "log in first",
    });
  }
  // 13, on the message that answers the request.
  const faults: [request: object, answer: object][] = [
    [{ msgid: 1 }, { msgid: 2, errno: 13, errmsg: "id or name is missing" }],
    [{ msgid: 1, id: 1 }, { msgid: 2, errno: 13, errmsg: "password or token is missing" }],
    [{ msgid: 4, name: "a" }, { msgid: 5, errno: 13, errmsg: "password is missing" }],
    [{ msgid: 4, name: "a\0", password: "p" }, { msgid: 5, errno: 13, errmsg: "name has U+0000 or a lone surrogate" }],
    [{ msgid: 13, ref: 1.5 }, { msgid: 11, errno: 13, re: 13, errmsg: "ref must be an integer or a string of at most 64 characters" }],
    [{ msgid: 4, name: null, password: "p" }, { msgid: 5, errno: 13, errmsg: "name is missing" }],
  ];
  for (const [request, answer] of faults) assertEquals(await say(client, JSON.stringify(request) + "\n"), answer as Message);
  assertEquals((await say(client, '{"msgid":4,"name":"\\ud800","password":"p"}\n')).errno, 13, "a lone surrogate");
  assertEquals(await say(client, '{"msgid":13,"ref":null}\n'), { msgid: 14 }, "null is absent");

  assertEquals((await client.login({ id: user!.id, token: user!.token, proto: 2 })).errno, 0);
  // 21 before 13; 13 before 22, which only the session can tell.
  assertEquals(await say(client, '{"msgid":1,"id":"x"}\n'), { msgid: 2, errno: 21, errmsg: "this connection is already logged in" });
  assertEquals((await say(client, '{"msgid":3,"id":"x"}\n')).errno, 13);
  assertEquals(await say(client, '{"msgid":3,"id":99}\n'), { msgid: 11, errno: 22, re: 3, errmsg: "not yours" });
  // 11 and 13 before 15. Nothing comes back to the bucket meanwhile.
  using _clock = clockStopped();
  let last: Message;
  do last = await say(client, '{"msgid":13}\n'); while (last.msgid === 14);
  const { retry, ...tooMany } = last;
  assertEquals(tooMany, { msgid: 11, errno: 15, re: 13, errmsg: "too many requests" });
  assert(retry! > 0 && retry! <= 50, `retry is ${retry}`);
  assertEquals((await say(client, '{"msgid":99}\n')).errno, 11);
  assertEquals((await say(client, '{"msgid":6,"toid":0}\n')).errno, 13);
  assertEquals((await say(client, "x\n")).errno, 10);
  // 15 before what the server must look for; LOGOUT is not counted.
  const requests = [{ msgid: 6, toid: 99, msg: "x" }, { msgid: 10, groupid: 99, msg: "x" }, { msgid: 7, friendid: user!.id }, { msgid: 3, id: 99 }];
  client.sendBytes(requests.map((request) => JSON.stringify(request) + "\n").join(""));
  const answers = await Promise.all(requests.map(({ msgid }) => client.next((m) => m.re === msgid)));
  assertEquals(answers.map((m) => m.errno), [15, 15, 15, 22]);
});

databaseTest("dispatcher: ten bad lines in a row end the connection, nine do not", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [user, classic] = await makeUsers(db, 2);
  const bad = ["x", '{"msgid":99}', '{"msgid":4}', "[]", '{"msgid":13,"ref":[]}'];
  await using client = await s.client(user!);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 9; i++) assert((await say(client, bad[i % bad.length] + "\n\n \r\n")).errno! >= 10, "blank lines count for nothing");
    await goodLine(client);
  }
  // A good line at the wrong time breaks the row, too, and is none of it.
  await using early = await s.connect();
  for (const [who, misplaced, errno] of [[client, '{"msgid":1,"id":"x"}', 21], [early, '{"msgid":6,"toid":"x"}', 12]] as const) {
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 9; i++) assert((await say(who, "x\n")).errno === 10);
      for (let i = 0; i < 12; i++) assertEquals((await say(who, misplaced + "\n")).errno, errno);
    }
  }
  for (let i = 0; i < 10; i++) assert((await say(client, bad[i % bad.length] + "\n")).errno! >= 10);
  assertEquals(await client.next(), { msgid: 20, reason: "badinput" });
  assertEquals(await client.closed, "fin");
  await eventually(async () => await stateOf(db, user!.id) === "offline", "offline", 1000);

  // A classic client is not told what it does not know.
  await using old = await s.client(classic!, {});
  old.sendBytes("x\n".repeat(10));
  for (let i = 0; i < 10; i++) assertEquals((await old.next()).errno, 10);
  assertEquals(await old.closed, "fin");
  assertEquals(old.backlog, []);
});

databaseTest("dispatcher: who floods with bad lines is answered ten times, told why, and cut; others notice nothing", async (db) => {
  await using s = await startServer(db);
  const [user] = await makeUsers(db, 1);
  await using other = await s.client(user!);
  for (const bad of ["x\n".repeat(1_000_000), '{"msgid":99}\n'.repeat(100_000), "\n".repeat(9000) + "x\n".repeat(500_000)]) {
    const received = await flood(s.port, bad);
    assertEquals(received.map((m) => m.errno! >= 10 || m.reason), [...Array(10).fill(true), "badinput"]);
    await goodLine(other);
  }
});

databaseTest("dispatcher: a line that is too long: errno 14, then the end, and the client hears of it while it still sends", async (db) => {
  await using s = await startServer(db);
  const [user] = await makeUsers(db, 1);
  const ping = (bytes: number, end: string) => `{"msgid":13,"pad":"${"x".repeat(bytes - 21)}"}` + end;
  for (const end of ["\n", "\r\n", "\0"]) {
    await using client = await s.connect();
    assertEquals(ping(65536, "").length, 65536);
    assertEquals(await say(client, ping(65536, end)), { msgid: 14 });
    assertEquals(await say(client, ping(65537, end)), { msgid: 11, errno: 14, errmsg: "the line is longer than 65536 bytes" });
    assertEquals(await client.next(), { msgid: 20, reason: "badinput" });
    assertEquals(await client.closed, "fin");
  }
  // All of it is taken, so that nothing resets the connection before the client has read.
  const login = JSON.stringify({ msgid: 1, id: user!.id, token: user!.token, proto: 2 });
  for (const size of [70_000, 1_000_000, 5_000_000]) {
    const [ack, ...received] = await flood(s.port, login + '\n{"msgid":13,"ref":1}\n' + "x".repeat(size));
    assertEquals(ack!.errno, 0);
    assertEquals(received, [
      { msgid: 14, ref: 1 },
      { msgid: 11, errno: 14, errmsg: "the line is longer than 65536 bytes" },
      { msgid: 20, reason: "badinput" },
    ]);
    await eventually(async () => await stateOf(db, user!.id) === "offline", "offline", 1000);
  }
});

databaseTest("dispatcher: --max-line", async (db) => {
  await using s = await startServer(db, { "max-line": 1024 });
  const [user] = await makeUsers(db, 1);
  await using client = await s.connect();
  const ack = await client.login({ id: user!.id, token: user!.token, proto: 2 });
  assertEquals(ack.limits, { line: 1024, group: 2000 });
  assertEquals((await say(client, " ".repeat(1024 - 12) + '{"msgid":13}\n')).msgid, 14);
  assertEquals((await say(client, " ".repeat(1025 - 12) + '{"msgid":13}\n')).errno, 14);
});

databaseTest("dispatcher: bytes that are not UTF-8: errno 10, then the end; the lines before them are answered", async (db) => {
  await using s = await startServer(db);
  const encoder = new TextEncoder();
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe4, 0xbd]]) {
    await using client = await s.connect();
    client.sendBytes(
      new Uint8Array([...encoder.encode('{"msgid":13,"ref":1}\n{"msgid":13,"ref":"'), ...bytes, ...encoder.encode('"}\n{"msgid":13}\n')]),
    );
    assertEquals(await client.next(), { msgid: 14, ref: 1 });
    assertEquals(await client.next(), { msgid: 11, errno: 10, errmsg: "not UTF-8" });
    assertEquals(await client.next(), { msgid: 20, reason: "badinput" });
    assertEquals([await client.closed, client.backlog], ["fin", []]);
  }
});

databaseTest("dispatcher: messages may be glued and split anywhere, and end with LF, CRLF or NUL", async (db) => {
  await using s = await startServer(db);
  const [user] = await makeUsers(db, 1);
  const login = JSON.stringify({ msgid: 1, id: user!.id, token: user!.token, proto: 2 });
  await using glued = await s.connect();
  glued.sendBytes(`\r\n\0${login}\0{"msgid":13,"ref":1}\r\n\n{"msgid":17,"ref":2}\n{"msgid":13,"ref":"好"}\0{"msgid":13`);
  assertEquals([(await glued.next()).msgid, (await glued.next()).ref, (await glued.next()).ref, (await glued.next()).ref], [2, 1, 2, "好"]);
  assertEquals((await say(glued, ',"ref":4}\n')).ref, 4);
  await glued.close();

  await using split = await s.connect();
  for (const byte of new TextEncoder().encode(login + '\0{"msgid":13,"ref":"👍"}\r\n')) {
    split.sendBytes(new Uint8Array([byte]));
    await split.flushed();
  }
  assertEquals([(await split.next()).errno, (await split.next()).ref], [0, "👍"]);
});

databaseTest("dispatcher: any fields in any request: one answer, never errno 20, and the server lives", async (db) => {
  await using log = await CapturedLog.start();
  await using s = await startServer(db, { limits: "off" });
  const [user] = await makeUsers(db, 1);
  await using client = await s.client(user!);
  const fields = ["id", "name", "password", "token", "proto", "toid", "toname", "msg", "mid", "friendid", "friendname", "groupname", "groupdesc"];
  const more = ["groupid", "seq", "before", "limit", "old", "new", "userid"];
  const value = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<unknown>(1, 2, 50, "user1", "a", "张三 👩‍🚀", "x".repeat(50)) },
    {
      weight: 2,
      arbitrary: fc.constantFrom<unknown>(0, -1, 1.5, 2 ** 31, 2 ** 53 - 1, 2 ** 53, "", "\0", "\ud800", "' or 1=1 --", "x".repeat(10_000), null),
    },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  );
  // Not LOGIN, LOGOUT and CHANGE_PASSWORD, which would end the session or cost a hash; not 12, 14 and 21, which have no answer.
  const msgid = fc.constantFrom(4, 6, 7, 8, 9, 10, 13, 16, 17, 18, 19, 23, 24);
  const request = fc.record({ msgid, fields: fc.dictionary(fc.constantFrom(...fields, ...more), value, { maxKeys: 5 }) });
  let ref = 0;
  await fc.assert(
    fc.asyncProperty(request, async ({ msgid, fields }) => {
      client.send({ ...fields, msgid, ref: ++ref });
      const answer = await client.next((m) => m.ref === ref);
      assert(answer.errno === undefined ? answer.msgid === 14 : answer.errno !== 20 && answer.errno !== 12, JSON.stringify(answer));
      client.send({ msgid: 13, ref: ++ref });
      await client.next((m) => m.ref === ref);
      assertEquals(client.backlog.filter((m) => m.ref !== undefined), [], "one answer");
      client.backlog.length = 0;
    }),
    { numRuns: 500 },
  );
  assertEquals(log.records.filter((r) => r.level === "error"), []);
});
