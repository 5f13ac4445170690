// The course's client: reads 1,024 bytes at a time, expects one JSON object per read, and knows only the messages 2, 5, 6 and 10.

import { assert, assertEquals } from "@std/assert";
import { clockAhead } from "./support/clock.ts";
import { databaseTest } from "./support/databases.ts";
import { eventually, makeUsers, startServer, type TestServer, type TestUser } from "./support/server.ts";
import { giveTokens } from "./support/tokens.ts";

/** Reads as that client does; a read that is not one whole object throws. Lines end with NUL, as it sends them. */
class CourseClient implements AsyncDisposable {
  readonly #buffer = new Uint8Array(1024);

  constructor(readonly conn: Deno.TcpConn) {}

  static async connect(s: TestServer): Promise<CourseClient> {
    return new CourseClient(await Deno.connect({ port: s.port }));
  }

  async send(message: object): Promise<void> {
    await this.conn.write(new TextEncoder().encode(JSON.stringify(message) + "\0"));
  }

  async read(): Promise<Record<string, unknown>> {
    const n = await this.conn.read(this.#buffer);
    assert(n !== null, "the server closed");
    return JSON.parse(new TextDecoder().decode(this.#buffer.subarray(0, n)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.conn.close();
    return Promise.resolve();
  }
}

databaseTest("classic: registers, logs in, and finds its keys absent when its lists are empty", async (db) => {
  await using s = await startServer(db);
  await using c = await CourseClient.connect(s);
  await c.send({ msgid: 4, name: "zhang san", password: "123456" });
  const registered = await c.read();
  assertEquals(registered, { msgid: 5, errno: 0, id: registered.id });
  await c.send({ msgid: 1, id: registered.id, password: "123456" });
  assertEquals(await c.read(), { msgid: 2, errno: 0, id: registered.id, name: "zhang san" });
});

databaseTest("classic: lists are encoded twice", async (db) => {
  await using s = await startServer(db);
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using modern = await s.client(ada);
  await modern.request({ msgid: 7, friendid: bob.id });
  const { groupid } = await modern.request({ msgid: 8, groupname: "g", groupdesc: "d" });
  await modern.request({ msgid: 6, toid: ada.id, msg: "note" });
  await modern.request({ msgid: 3 });
  await using c = await CourseClient.connect(s);
  await c.send({ msgid: 1, id: ada.id, token: (await tokenOf(s, ada)).token });
  const ack = await c.read();
  assertEquals(JSON.parse((ack.friends as string[])[0]!), { id: bob.id, name: bob.name, state: "offline" });
  const group = JSON.parse((ack.groups as string[])[0]!);
  assertEquals({ ...group, users: group.users.map((user: string) => JSON.parse(user)) }, {
    id: groupid,
    groupname: "g",
    groupdesc: "d",
    users: [{ id: ada.id, name: ada.name, state: "online", role: "creator" }],
  });
  const note = JSON.parse((ack.offlinemsg as string[])[0]!);
  assertEquals([note.msgid, note.id, note.name, note.toid, note.msg, note.seq], [6, ada.id, ada.name, ada.id, "note", 1]);
  assert(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(note.time));
});

/** A token that a LOGOUT has ended is replaced straight in the database. */
async function tokenOf(s: TestServer, user: TestUser): Promise<TestUser> {
  const [token] = await giveTokens(s.db.url, [user.id]);
  return { ...user, token: token! };
}

databaseTest("classic: what waits comes first in LOGIN_ACK, below 1,000 bytes, then as messages, one per read", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using sender = await s.client(ada);
  for (let i = 0; i < 30; i++) await sender.request({ msgid: 6, toid: bob.id, msg: `消息 "${i}"` });
  await using c = await CourseClient.connect(s);
  await c.send({ msgid: 1, id: bob.id, token: bob.token });
  const buffer = new Uint8Array(65536);
  const first = buffer.slice(0, await c.conn.read(buffer) ?? 0);
  const end = first.indexOf(10);
  assert(end > 0 && end < 1000, `LOGIN_ACK has ${end} bytes`);
  const text = new TextDecoder();
  const ack = JSON.parse(text.decode(first.subarray(0, end)));
  assert(ack.offlinemsg.length >= 2);
  const lines = [...ack.offlinemsg as string[]];
  let rest = text.decode(first.subarray(end + 1));
  while (lines.length < 30) {
    const parts = rest.split("\n");
    rest = parts.pop()!;
    lines.push(...parts);
    if (lines.length < 30) rest += text.decode(buffer.subarray(0, await c.conn.read(buffer) ?? 0), { stream: true });
  }
  assertEquals(lines.map((line) => JSON.parse(line).msg), Array.from({ length: 30 }, (_, i) => `消息 "${i}"`));
});

databaseTest("classic: nothing unasked: no answer to what succeeds, no signal, no presence", async (db) => {
  await using s = await startServer(db);
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using modern = await s.client(ada);
  await using c = await CourseClient.connect(s);
  await c.send({ msgid: 1, id: bob.id, token: bob.token });
  assertEquals((await c.read()).errno, 0);
  await c.send({ msgid: 7, friendid: ada.id });
  await c.send({ msgid: 6, toid: ada.id, msg: "hello" });
  await modern.next((m) => m.msg === "hello");
  await modern.request({ msgid: 13 });
  modern.send({ msgid: 21, toid: bob.id, msg: "typing" });
  await modern.request({ msgid: 6, toid: bob.id, msg: "world" });
  const message = await c.read();
  assertEquals([message.msgid, message.msg], [6, "world"]);
  // What fails is told.
  await c.send({ msgid: 6, toid: 999_999, msg: "x" });
  const failed = await c.read();
  assertEquals([failed.msgid, failed.errno, failed.re], [11, 16, 6]);
});

databaseTest("classic: a later line confirms what was written 5 s before; what is younger comes again", async (db) => {
  using clock = clockAhead();
  await using s = await startServer(db);
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using sender = await s.client(ada);
  const confirmed = async () => Number((await db.query(`select confirmed_seq from user where id = ${bob.id}`))[0]?.confirmed_seq);
  const c = await CourseClient.connect(s);
  await c.send({ msgid: 1, id: bob.id, token: bob.token });
  await c.read();
  await sender.request({ msgid: 6, toid: bob.id, msg: "old" });
  await c.read();
  // Short of five seconds a line confirms nothing.
  clock.by(4000);
  await c.send({ msgid: 6, toid: ada.id, msg: "too soon" });
  await sender.next((m) => m.msg === "too soon");
  clock.by(5100);
  await sender.request({ msgid: 6, toid: bob.id, msg: "young" });
  await c.read();
  await c.send({ msgid: 6, toid: ada.id, msg: "seen" });
  await eventually(async () => await confirmed() === 1, "the old one is confirmed");
  c.conn.close();
  await sender.next((m) => m.msg === "seen");
  await using back = await CourseClient.connect(s);
  await back.send({ msgid: 1, id: bob.id, token: bob.token });
  const ack = await back.read();
  assertEquals((ack.offlinemsg as string[]).map((text) => JSON.parse(text).msg), ["young"]);
});
