// CHAT: from one to one, by number and by name, and every answer it can have.

import { assert, assertEquals } from "@std/assert";
import { assertErrno, assertRefused, chats, nothingElse, upTo } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import { makeUsers, startServer } from "./support/server.ts";

databaseTest("CHAT reaches its receiver with all its fields, and its sender is told where it stands", async (db) => {
  await using s = await startServer(db);
  const [ann, bob] = await makeUsers(db, 2);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  const begun = Date.now();
  const text = '你好 👩‍🚀 "quoted"\nand \u2028 more';
  // What the client says of id, name and time is ignored: the server states who sent it and when.
  const reply = await a.request({ msgid: 6, toid: bob.id, msg: text, mid: "m-1", id: 999, name: "someone else", time: "never", ts: 1 });
  const { messageid, ts } = reply as { messageid: number; ts: number };
  assertEquals(reply, { msgid: 11, ref: reply.ref!, errno: 0, re: 6, messageid, ts, mid: "m-1" });
  assert(ts >= begun && ts <= Date.now(), "ts is now");
  const [got] = await chats(b, 1);
  const time = new Date(ts).toISOString().slice(0, 19).replace("T", " ");
  assertEquals(got, { msgid: 6, id: ann.id, name: ann.name, toid: bob.id, msg: text, time, ts, messageid, mid: "m-1", seq: 1 });

  // By name, without regard to case; without mid there is none.
  const second = await a.request({ msgid: 6, toname: bob.name.toUpperCase(), msg: "x" });
  assertErrno(second, 0);
  assert((second.messageid as number) > messageid, "messageid rises within a conversation");
  assertEquals("mid" in second, false);
  const [next] = await chats(b, 1);
  assertEquals([next.seq, next.toid, "mid" in next], [2, bob.id, false]);

  // Without a ref, only failures are answered.
  a.send({ msgid: 6, toid: bob.id, msg: "no ref" });
  await chats(b, 1);
  await nothingElse(a);
  a.send({ msgid: 6, toid: 4711, msg: "no ref" });
  assertEquals(await a.next(), { msgid: 11, errno: 16, errmsg: "no such user", re: 6 });
});

databaseTest("the same mid again is the same answer and no second message, whatever has changed since", async (db) => {
  await using s = await startServer(db, { "max-inbox": 2 });
  const [ann, bob, cid] = await makeUsers(db, 3);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  const first = await a.request({ msgid: 6, toid: bob.id, msg: "one", mid: "AbC" });
  const again = await a.request({ msgid: 6, toid: bob.id, msg: "one", mid: "AbC" });
  assertEquals({ ...again, ref: 0 }, { ...first, ref: 0 });
  // Byte by byte, and of this sender only.
  const other = await a.request({ msgid: 6, toid: bob.id, msg: "two", mid: "aBc" });
  assert(other.messageid !== first.messageid);
  await chats(b, 2);
  await nothingElse(b);
  // The inbox is full by now, for new messages.
  assertErrno(await a.request({ msgid: 6, toid: bob.id, msg: "three", mid: "new" }), 24);
  assertEquals({ ...await a.request({ msgid: 6, toid: bob.id, msg: "one", mid: "AbC" }), ref: 0 }, { ...first, ref: 0 });
  // A block comes before a full inbox, and does not change the answer to what was stored either.
  assertErrno(await b.request({ msgid: 23, userid: ann.id }), 0);
  assertErrno(await a.request({ msgid: 6, toid: bob.id, msg: "three", mid: "new" }), 23);
  assertEquals({ ...await a.request({ msgid: 6, toid: bob.id, msg: "one", mid: "AbC" }), ref: 0 }, { ...first, ref: 0 });
  // Another sender may use the same mid.
  await using c = await s.client(cid);
  assertErrno(await c.request({ msgid: 6, toid: ann.id, msg: "mine", mid: "AbC" }), 0);
  // Twice in one write: still one message.
  c.sendBytes([1, 2].map((ref) => JSON.stringify({ msgid: 6, toid: ann.id, msg: "twice", mid: "t", ref }) + "\n").join(""));
  const answers = [await c.next((m) => m.ref === 1), await c.next((m) => m.ref === 2)];
  assertEquals(answers[0]!.messageid, answers[1]!.messageid);
  assertEquals((await chats(a, 2)).map((m) => m.msg), ["mine", "twice"]);
  await nothingElse(a);
});

databaseTest("who cannot be reached, and what cannot be sent", async (db) => {
  await using s = await startServer(db);
  const [ann, bob] = await makeUsers(db, 2);
  await using a = await s.client(ann);
  const to = bob.id;
  await assertRefused(a, [
    [16, { msgid: 6, toid: 4711, msg: "x" }, "user"],
    [16, { msgid: 6, toname: "nobody at all", msg: "x" }, "user"],
    [13, { msgid: 6, toid: to, msg: "" }, "msg"],
    [13, { msgid: 6, toid: to }, "msg is missing"],
    [13, { msgid: 6, msg: "x" }, "toid"],
    [13, { msgid: 6, toid: "7", msg: "x" }, "toid"],
    [13, { msgid: 6, toid: 1.5, msg: "x" }, "toid"],
    [13, { msgid: 6, toid: to, msg: 7 }, "msg"],
    [13, { msgid: 6, toid: to, msg: "a\0b" }, "msg"],
    [13, { msgid: 6, toid: to, msg: "x", mid: "" }, "mid"],
    [13, { msgid: 6, toid: to, msg: "x", mid: "é".repeat(33) }, "mid"],
    [13, { msgid: 6, toid: to, msg: "x", mid: 5 }, "mid"],
  ]);
  a.sendBytes(`{"msgid":6,"ref":"lone","toid":${to},"msg":"\\ud800"}\n`);
  assertErrno(await a.next((m) => m.ref === "lone"), 13);
  assertErrno(await a.request({ msgid: 6, toid: to, msg: "é".repeat(32).slice(0, 1), mid: "é".repeat(32) }), 0);
  // Not logged in.
  await using stranger = await s.connect();
  assertErrno(await stranger.request({ msgid: 6, toid: to, msg: "x" }), 12);
});

databaseTest("a note to oneself arrives", async (db) => {
  await using s = await startServer(db);
  const [ann] = await makeUsers(db, 1);
  await using a = await s.client(ann);
  assertErrno(await a.request({ msgid: 6, toid: ann.id, msg: "milk", mid: "n" }), 0);
  const [note] = await chats(a, 1);
  assertEquals([note.id, note.toid, note.msg, note.seq], [ann.id, ann.id, "milk", 1]);
});

databaseTest("a message may fill the line, and no more", async (db) => {
  await using s = await startServer(db);
  const [ann, bob] = await makeUsers(db, 2);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  const head = `{"msgid":6,"ref":1,"toid":${bob.id},"msg":"`;
  const longest = "x".repeat(65_536 - head.length - 2);
  a.sendBytes(head + longest + '"}\n');
  assertErrno(await a.next((m) => m.ref === 1), 0);
  assertEquals((await chats(b, 1))[0]!.msg, longest);
  // Three bytes a character: it is bytes that count.
  const wide = "字".repeat(21_000);
  assertErrno(await a.request({ msgid: 6, toid: bob.id, msg: wide }), 0);
  assertEquals((await chats(b, 1))[0]!.msg, wide);
  // 64 KB of text do not fit, for there is a line around them. The server cannot know whose request it was.
  a.sendBytes(JSON.stringify({ msgid: 6, ref: 2, toid: bob.id, msg: "x".repeat(65_536) }) + "\n");
  const answer = await a.next();
  assertErrno(answer, 14);
  assertEquals(await a.next(), { msgid: 20, reason: "badinput" });
  assertEquals(await a.closed, "fin");
  await nothingElse(b);
});

databaseTest("answers to CHAT and GROUP_CHAT come in the order of the requests, also those that fail at once", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob] = await makeUsers(db, 2);
  await using a = await s.client(ann);
  const { groupid } = await a.request({ msgid: 8, groupname: "g", groupdesc: "" });
  const kinds = [
    { msgid: 6, toid: bob.id, msg: "stored" },
    { msgid: 6, toid: bob.id, msg: "" },
    { msgid: 6, toname: bob.name, msg: "stored, but looked up first" },
    { msgid: 10, groupid, msg: "stored" },
    { msgid: 6, toname: "nobody", msg: "x" },
    { msgid: 10, groupid: 4711, msg: "x" },
    { msgid: 10, msg: "x" },
  ];
  const errnos = [0, 13, 0, 0, 16, 17, 13];
  const count = 350;
  a.sendBytes(upTo(count).map((i) => JSON.stringify({ ...kinds[i % 7], ref: `r${i}` }) + "\n").join(""));
  const answers = [];
  while (answers.length < count) answers.push(await a.next());
  assertEquals(answers.map((m) => [m.ref, m.errno]), upTo(count).map((i) => [`r${i}`, errnos[i % 7]]));
});
