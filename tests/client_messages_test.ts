/** What the client library promises of messages, against a server that the test plays: each once, in order, confirmed when handled; sent until answered. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionLost, Msg, NatterError } from "../src/client/natter_client.ts";
import { Awake } from "./support/awake.ts";
import { FakeWire } from "./support/fake_wire.ts";
import { event } from "./support/client_events.ts";
import { clientOf, online, settled } from "./support/fake_client.ts";

Deno.test("client: messages come one at a time, in order, and are confirmed when they have been handled", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const log: string[] = [];
  let release = () => {};
  client.on("message", async (m) => {
    log.push(`begin ${m.seq}`);
    if (m.seq === 2) await new Promise<void>((resolve) => release = resolve);
    log.push(`end ${m.seq}`);
  });
  for (let seq = 1; seq <= 3; seq++) connection.chat(seq);
  assertEquals((await connection.next(Msg.RECEIVED)).seq, 1);
  assertEquals(log, ["begin 1", "end 1", "begin 2"]);
  release();
  assertEquals((await connection.next(Msg.RECEIVED)).seq, 3);
  assertEquals(log, ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]);
  await client.close();
});

Deno.test("client: a confirmation is for 64 messages, or for what there is when the client closes or logs out", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  client.on("message", () => {});
  for (let seq = 1; seq <= 130; seq++) connection.chat(seq);
  assertEquals(connection.waiting.map((m) => m.seq), [64, 128]);
  await client.close();
  assertEquals(connection.waiting.map((m) => m.seq), [64, 128, 130]);
  await connection.closed;

  const again = await online(wire, {}, { inbox: { confirmed: 130, last: 130 } });
  again.client.on("message", () => {});
  again.connection.chat(131);
  const logout = again.client.logout();
  assertEquals((await again.connection.next(Msg.RECEIVED)).seq, 131);
  again.connection.answer(await again.connection.next(Msg.LOGOUT));
  await logout;
  assertEquals(again.client.state, { state: "closed", reason: "logout" });
  assertEquals(again.client.session, undefined);
});

Deno.test("client: messages wait, unconfirmed, until someone listens; the one in the same turn as LOGIN_ACK too", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire);
  const login = client.login({ name: "alice", password: "pw" });
  const connection = await wire.login({ inbox: { confirmed: 6, last: 8 } });
  connection.chat(7);
  connection.chat(8);
  await login;
  await settled();
  const seqs: number[] = [];
  client.on("message", (m) => seqs.push(m.seq));
  assertEquals(seqs, [7, 8]);
  assertEquals((await connection.next(Msg.RECEIVED)).seq, 8);
  await client.close();
});

Deno.test("client: what comes again on a new connection is not handed over again, but confirmed", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const seqs: number[] = [];
  let release = () => {};
  client.on("message", (m) => {
    seqs.push(m.seq);
    if (m.seq === 3) return new Promise<void>((resolve) => release = resolve);
  });
  for (let seq = 1; seq <= 4; seq++) connection.chat(seq);
  await settled();
  // 1 and 2 are handled and unconfirmed, 3 is being handled, 4 waits.
  connection.drop();
  const second = await wire.login({ inbox: { confirmed: 0, last: 5 } });
  for (let seq = 1; seq <= 5; seq++) second.chat(seq);
  release();
  assertEquals((await second.next(Msg.RECEIVED)).seq, 5);
  assertEquals(seqs, [1, 2, 3, 4, 5]);
  await client.close();
});

Deno.test("client: confirms no more than this connection brought, and starts anew when the server's numbers fell", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const seqs: number[] = [];
  client.on("message", (m) => seqs.push(m.seq));
  for (let seq = 1; seq <= 3; seq++) connection.chat(seq);
  connection.drop();
  const second = await wire.login({ inbox: { confirmed: 0, last: 3 } });
  second.chat(1);
  assertEquals((await second.next(Msg.RECEIVED)).seq, 1);
  second.drop();
  // A database put back to an earlier day: its 2 is another message than the one handled.
  const third = await wire.login({ inbox: { confirmed: 1, last: 2 } });
  third.chat(2);
  assertEquals((await third.next(Msg.RECEIVED)).seq, 2);
  assertEquals(seqs, [1, 2, 3, 2]);
  await client.close();
});

Deno.test("client: a message whose listener throws is not handled: it comes again", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const uncaught = new Promise<unknown>((resolve) => {
    globalThis.addEventListener("error", (e) => {
      e.preventDefault();
      resolve(e.error);
    }, { once: true });
  });
  const seqs: number[] = [];
  client.on("message", (m) => {
    seqs.push(m.seq);
    if (m.seq === 2 && seqs.length === 2) throw new Error("not this time");
  });
  for (let seq = 1; seq <= 3; seq++) connection.chat(seq);
  assertEquals(String(await uncaught), "Error: not this time");
  await connection.closed;
  const second = await wire.login({ inbox: { confirmed: 0, last: 3 } });
  for (let seq = 1; seq <= 3; seq++) second.chat(seq);
  assertEquals((await second.next(Msg.RECEIVED)).seq, 3);
  assertEquals(seqs, [1, 2, 2, 3]);
  await client.close();
});

Deno.test("client: what was not answered goes out again after a reconnect, same mid, same order", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire, { window: 10 });
  const states: string[] = [];
  client.on("sent", (s) => states.push(`${s.msg} ${s.state}`));
  const sends = ["a", "b", "c"].map((msg) => client.chat({ id: 2 }, msg));
  const requests = [await connection.next(Msg.CHAT), await connection.next(Msg.CHAT), await connection.next(Msg.CHAT)];
  connection.answer(requests[0], { messageid: 10, ts: 1000, mid: requests[0].mid });
  assertEquals(await sends[0], { mid: requests[0].mid, messageid: 10, ts: 1000 });
  connection.drop();
  sends.push(client.chat({ id: 2 }, "d"));
  assertEquals(client.pending().map((p) => p.msg), ["b", "c", "d"]);
  const second = await wire.login();
  for (const [i, msg] of ["b", "c", "d"].entries()) {
    const request = await second.next(Msg.CHAT);
    assertEquals([request.msg, request.toid], [msg, 2]);
    if (i < 2) assertEquals(request.mid, requests[i + 1].mid);
    second.answer(request, { messageid: 11 + i, ts: 1001, mid: request.mid });
  }
  assertEquals((await Promise.all(sends)).map((s) => s.messageid), [10, 11, 12, 13]);
  assertEquals(states, ["a sending", "b sending", "c sending", "a stored", "d sending", "b stored", "c stored", "d stored"]);
  assertEquals(client.pending(), []);
  await client.close();
});

Deno.test("client: 'later' holds back that conversation, in order, and no other", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const sends = [client.chat({ id: 2 }, "a1"), client.chat({ id: 2 }, "a2"), client.chat({ groupid: 5 }, "g1"), client.chat({ name: "carol" }, "c1")];
  const a1 = await connection.next(Msg.CHAT);
  const g1 = await connection.next(Msg.GROUP_CHAT);
  const c1 = await connection.next(Msg.CHAT);
  assertEquals([a1.msg, g1.msg, g1.groupid, c1.msg, c1.toname], ["a1", "g1", 5, "c1", "carol"]);
  assertEquals(connection.waiting, []);
  const began = performance.now();
  using awake = new Awake();
  connection.answer(a1, { errno: 15, errmsg: "slower", retry: 30 });
  connection.answer(g1, { messageid: 1, ts: 1 });
  connection.answer(c1, { messageid: 2, ts: 1 });
  assertEquals((await sends[2]).messageid, 1);
  assertEquals((await sends[3]).messageid, 2);
  const again = await connection.next(Msg.CHAT);
  const waited = performance.now() - began;
  assert(waited > 25 && awake.ms < 900, `${waited}`);
  assertEquals([again.msg, again.mid], ["a1", a1.mid]);
  connection.answer(again, { errno: 19, errmsg: "later", retry: 1 });
  const third = await connection.next(Msg.CHAT);
  assertEquals(third.mid, a1.mid);
  connection.answer(third, { messageid: 3, ts: 1 });
  const a2 = await connection.next(Msg.CHAT);
  assertEquals(a2.msg, "a2");
  connection.answer(a2, { messageid: 4, ts: 1 });
  assertEquals((await sends[1]).messageid, 4);
  await client.close();
});

Deno.test("client: a definite no fails that message, and the next goes on", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire, {}, { limits: { line: 200, group: 2000 } });
  const failed = event(client, "sent", (s) => s.state === "failed");
  const blocked = client.chat({ id: 2 }, "a");
  const long = client.chat({ id: 2 }, "长".repeat(60));
  const next = client.chat({ id: 2 }, "c");
  connection.answer(await connection.next(Msg.CHAT), { errno: 23, errmsg: "no" });
  const error = await assertRejects(() => blocked, NatterError) as NatterError;
  assertEquals([error.errno, error.errmsg], [23, "no"]);
  assertEquals((await failed).msg, "a");
  assertEquals((await assertRejects(() => long, NatterError) as NatterError).errno, 14);
  const request = await connection.next(Msg.CHAT);
  assertEquals(request.msg, "c");
  connection.answer(request, { messageid: 1, ts: 1 });
  await next;
  await client.close();
});

Deno.test("client: a snapshot takes unanswered messages and the last number over to a later client", async () => {
  const wire = new FakeWire();
  const first = await online(wire);
  first.client.on("message", () => {});
  for (let seq = 1; seq <= 3; seq++) first.connection.chat(seq);
  const unanswered = assertRejects(() => first.client.chat({ id: 2, name: "bob" } as { id: number }, "hello"), ConnectionLost);
  const { mid } = await first.connection.next(Msg.CHAT);
  const kept = JSON.stringify(first.client.snapshot());
  await first.client.close();
  await unanswered;
  assertEquals(JSON.parse(kept), { id: 1, seq: 3, epoch: "e1", pending: [{ mid, to: { id: 2 }, msg: "hello" }] });

  const client = clientOf(wire, { resume: JSON.parse(kept) });
  const seqs: number[] = [];
  client.on("message", (m) => seqs.push(m.seq));
  const stored = event(client, "sent", (s) => s.state === "stored");
  const [connection] = await Promise.all([wire.login({ inbox: { confirmed: 1, last: 4 } }), client.login({ id: 1, token: "t1" })]);
  const request = await connection.next(Msg.CHAT);
  assertEquals([request.mid, request.msg], [mid, "hello"]);
  connection.answer(request, { messageid: 7, ts: 1 });
  assertEquals((await stored).mid, mid);
  for (let seq = 2; seq <= 4; seq++) connection.chat(seq);
  assertEquals(seqs, [4]);
  await client.close();
});

Deno.test("client: what one user left is not sent for another", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire, { resume: { id: 1, seq: 9, pending: [{ mid: "x", to: { id: 2 }, msg: "mine" }] } });
  await assertRejects(() => client.chat({ id: 2 }, "closed"), ConnectionLost, "not connected");
  const [connection] = await Promise.all([
    wire.login({ id: 3, name: "eve", inbox: { confirmed: 0, last: 20 } }),
    client.login({ name: "eve", password: "pw" }),
  ]);
  await settled();
  assertEquals(connection.waiting, []);
  const message = event(client, "message");
  connection.chat(1);
  assertEquals((await message).seq, 1);
  assertEquals(client.snapshot()?.id, 3);
  await client.close();
});
