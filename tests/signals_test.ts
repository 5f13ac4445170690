// SIGNAL: passed on to who is here, never stored, never answered unless it fails.

import { assertEquals } from "@std/assert";
import { Memory } from "../src/async/memory.ts";
import { assertErrno, assertRefused, chats, nothingElse, upTo } from "./support/chat.ts";
import { clockAhead } from "./support/clock.ts";
import { databaseTest, onceTest } from "./support/databases.ts";
import { makeUsers, startServer } from "./support/server.ts";

databaseTest("SIGNAL reaches a user and a group, as it is, and nothing of it is kept", async (db) => {
  await using s = await startServer(db);
  const [ann, bob, cid] = await makeUsers(db, 3);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  await using c = await s.client(cid, {});
  const { groupid } = await a.request({ msgid: 8, groupname: "g", groupdesc: "" });
  for (const client of [b, c]) await client.request({ msgid: 9, groupid });

  // Only `msg` is passed on. A ref gets no answer.
  a.send({ msgid: 21, toid: bob.id, msg: "typing", ref: 1, extra: true, id: 999 });
  assertEquals(await b.next(), { msgid: 21, id: ann.id, toid: bob.id, msg: "typing" });
  a.send({ msgid: 21, toid: bob.id });
  assertEquals(await b.next(), { msgid: 21, id: ann.id, toid: bob.id });
  a.send({ msgid: 21, groupid, msg: "call" });
  assertEquals(await b.next(), { msgid: 21, id: ann.id, groupid, msg: "call" });
  a.send({ msgid: 21, toid: ann.id, msg: "to myself" });
  assertEquals(await a.next(), { msgid: 21, id: ann.id, toid: ann.id, msg: "to myself" });
  // The sender of a group's signal does not get it, a classic client gets none.
  await nothingElse(a);
  a.send({ msgid: 21, toid: cid.id, msg: "typing" });
  await a.request({ msgid: 13 });
  await nothingElse(c);
  // Never merged: two of the same are two.
  a.sendBytes(JSON.stringify({ msgid: 21, toid: bob.id, msg: "tick" }).concat("\n").repeat(20));
  assertEquals(await Promise.all(upTo(20).map(() => b.next().then((m) => m.msg))), upTo(20).map(() => "tick"));

  await b.close();
  a.send({ msgid: 21, toid: bob.id, msg: "missed" });
  await a.request({ msgid: 6, toid: bob.id, msg: "kept" });
  await using b2 = await s.client(bob);
  assertEquals((await chats(b2, 1)).map((m) => m.msg), ["kept"]);
  await nothingElse(b2);
  assertEquals((await db.query("select count(*) as n from message where kind = 0")).map((r) => Number(r.n)), [1]);
});

databaseTest("every refusal of SIGNAL", async (db) => {
  await using s = await startServer(db);
  const [ann, bob] = await makeUsers(db, 2);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  const { groupid } = await b.request({ msgid: 8, groupname: "g", groupdesc: "" });
  await assertRefused(a, [
    [16, { msgid: 21, toid: 4711, msg: "x" }, "user"],
    [17, { msgid: 21, groupid: 4711, msg: "x" }, "group"],
    [18, { msgid: 21, groupid, msg: "x" }, "member"],
    [13, { msgid: 21, msg: "x" }, "toid"],
    [13, { msgid: 21, toid: bob.id, msg: 7 }, "msg"],
    [13, { msgid: 21, toid: bob.id, msg: "x".repeat(1025) }, "msg"],
  ]);
  // 1,024 characters, whatever they weigh; and who joins or leaves is known at once.
  a.send({ msgid: 21, toid: bob.id, msg: "🛩".repeat(1024) });
  assertEquals((await b.next()).msg, "🛩".repeat(1024));
  await a.request({ msgid: 9, groupid });
  a.send({ msgid: 21, groupid, msg: "in" });
  assertEquals((await b.next()).msg, "in");
  await a.request({ msgid: 19, groupid });
  assertErrno(await a.request({ msgid: 21, groupid, msg: "out" }), 18);
  await nothingElse(b);
});

onceTest("where somebody is is remembered for 3 s, and not kept longer than until the next is asked", async () => {
  const memory = new Memory<number, number>(3000, 3);
  using clock = clockAhead();
  const find = (n: number) => memory.remember(n, () => Promise.resolve(n));
  for (const n of [1, 2, 3, 4]) await find(n);
  assertEquals([memory.size, memory.get(1), memory.get(2)?.value], [3, undefined, 2]);
  clock.by(3001);
  await find(5);
  assertEquals([memory.size, memory.get(4), memory.get(5)?.value], [1, undefined, 5]);
});
