/** The client library's own promises, against a server that the test plays. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionLost, Msg, NatterClient, type NatterClientOptions, NatterError } from "../src/client/natter_client.ts";
import { ReconnectPolicy } from "../src/client/reconnect.ts";
import { Msg as ServerMsg } from "../src/wire/messages.ts";
import { FakeWire } from "./support/fake_wire.ts";
import { event } from "./support/client_events.ts";

/** A client that comes back at once. */
function clientOf(wire: FakeWire, options: Partial<NatterClientOptions> = {}): NatterClient {
  return new NatterClient({ connect: wire.connect, backoff: { min: 1, max: 1 }, ...options });
}

/** A client, logged in as alice by token (so that it keeps trying). */
async function online(wire: FakeWire, options: Partial<NatterClientOptions> = {}, ack: Record<string, unknown> = {}) {
  const client = clientOf(wire, options);
  const [connection] = await Promise.all([wire.login(ack), client.login({ id: 1, token: "t0" })]);
  return { client, connection };
}

/** Lets everything happen that needs no timer. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("client: knows the same messages as the server", () => {
  assertEquals<Record<string, number>>(Msg, ServerMsg);
});

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
  connection.answer(a1, { errno: 15, errmsg: "slower", retry: 30 });
  connection.answer(g1, { messageid: 1, ts: 1 });
  connection.answer(c1, { messageid: 2, ts: 1 });
  assertEquals((await sends[2]).messageid, 1);
  assertEquals((await sends[3]).messageid, 2);
  const again = await connection.next(Msg.CHAT);
  const waited = performance.now() - began;
  assert(waited > 25 && waited < 900, `${waited}`);
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

Deno.test("client: asks a silent server, and leaves it when it stays silent", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire, {}, { heartbeat: 0.03 });
  connection.answer(await connection.next(Msg.PING), { msgid: Msg.PONG });
  await connection.next(Msg.PING);
  const lost = event(client, "state", (s) => s.state === "offline");
  await connection.closed;
  const state = await lost;
  assert(state.state === "offline" && state.error instanceof ConnectionLost && state.error.reason === "timeout");
  await wire.login();
  await client.close();
});

Deno.test("client: answers PING, and passes on presence and signals", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  connection.send({ msgid: Msg.PING, ref: "x" });
  assertEquals(await connection.next(Msg.PONG), { msgid: Msg.PONG, ref: "x" });
  const states: string[] = [];
  const off = client.on("presence", ({ id, state }) => states.push(`${id} ${state}`));
  connection.send({ msgid: Msg.PRESENCE, id: 2, state: "online", lastseen: 5 });
  off();
  connection.send({ msgid: Msg.PRESENCE, id: 2, state: "offline", lastseen: 6 });
  assertEquals(states, ["2 online"]);
  const signal = event(client, "signal");
  connection.send({ msgid: Msg.SIGNAL, id: 2, toid: 1, msg: "typing" });
  assertEquals((await signal).msg, "typing");
  client.signal({ groupid: 4 });
  assertEquals(await connection.next(Msg.SIGNAL), { msgid: Msg.SIGNAL, groupid: 4 });
  await client.close();
});

Deno.test("client: comes back by token; GOODBYE says when, or not to", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire);
  const states: string[] = [];
  client.on("state", (s) => states.push(s.state));
  const login = client.login({ name: "alice", password: "pw" });
  const first = await wire.accept();
  const request = await first.next(Msg.LOGIN);
  assertEquals([request.name, request.password, request.proto], ["alice", "pw", 3]);
  first.answer(request, {
    msgid: Msg.LOGIN_ACK,
    id: 1,
    name: "alice",
    device: { id: 0, name: "" },
    token: "t1",
    heartbeat: 60,
    limits: { line: 65536 },
    inbox: { epoch: "e1", confirmed: 0, last: 0 },
  });
  assertEquals((await login).token, "t1");

  const offline = event(client, "state", (s) => s.state === "offline");
  first.send({ msgid: Msg.GOODBYE, reason: "stopping", retry: 60_000 });
  await first.closed;
  const state = await offline;
  assert(state.state === "offline" && Math.abs(state.until - Date.now() - 60_000) < 1000);
  client.reconnectNow();
  const second = await wire.accept();
  const again = await second.next(Msg.LOGIN);
  assertEquals([again.id, again.token, again.password], [1, "t1", undefined]);
  second.answer(again, {
    msgid: Msg.LOGIN_ACK,
    id: 1,
    name: "alice",
    device: { id: 0, name: "" },
    token: "t1",
    heartbeat: 60,
    limits: { line: 65536 },
    inbox: { epoch: "e1", confirmed: 0, last: 0 },
  });

  const closed = event(client, "state", (s) => s.state === "closed");
  second.send({ msgid: Msg.GOODBYE, reason: "replaced" });
  const last = await closed;
  assert(last.state === "closed" && last.reason === "goodbye");
  assertEquals(states, ["connecting", "online", "offline", "connecting", "online", "closed"]);
  assertEquals(wire.attempts, 2);
  await client.close();
  assertEquals(client.state, last);
});

Deno.test("client: a token that ended closes the session; messages wait for the next login", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const hello = client.chat({ id: 2 }, "hello");
  const { mid } = await connection.next(Msg.CHAT);
  connection.drop();
  const second = await wire.accept();
  const closed = event(client, "state", (s) => s.state === "closed");
  second.answer(await second.next(Msg.LOGIN), { msgid: Msg.LOGIN_ACK, errno: 1, errmsg: "id or password is invalid!" });
  const state = await closed;
  assert(state.state === "closed" && state.reason === "refused" && state.error instanceof NatterError && state.error.errno === 1);
  const [third] = await Promise.all([wire.login(), client.login({ name: "alice", password: "pw" })]);
  const request = await third.next(Msg.CHAT);
  assertEquals(request.mid, mid);
  third.answer(request, { messageid: 1, ts: 1 });
  await hello;
  await client.close();
});

Deno.test("client: by password the first attempt decides, by token it keeps trying until it is closed", async () => {
  const wire = new FakeWire();
  wire.down = true;
  const client = clientOf(wire);
  const error = await assertRejects(() => client.login({ name: "alice", password: "pw" }), ConnectionLost) as ConnectionLost;
  assertEquals([error.reason, (error.cause as Error).message], ["unreachable", "connection refused"]);
  assertEquals([client.state.state, wire.attempts], ["closed", 1]);

  const login = client.login({ id: 1, token: "t0" });
  await assertRejects(() => client.login({ id: 1, token: "t0" }), TypeError);
  while (wire.attempts < 4) await event(client, "state");
  wire.down = false;
  const connection = await wire.accept();
  // Busy is not a refusal either.
  connection.answer(await connection.next(Msg.LOGIN), { msgid: Msg.LOGIN_ACK, errno: 19, errmsg: "later", retry: 1 });
  await wire.login();
  assertEquals((await login).id, 1);
  await client.close();

  wire.down = true;
  const hopeless = assertRejects(() => client.login({ id: 1, token: "t0" }), ConnectionLost, "not connected");
  await event(client, "state", (s) => s.state === "offline");
  await client.close();
  await hopeless;
});

Deno.test("client: close ends an attempt that hangs; a server that accepts and is silent is given up", async () => {
  let aborted = false;
  const client = new NatterClient({
    connect: (_events, signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          aborted = true;
          reject(new Error("aborted"));
        })
      ),
    timeout: 20,
  });
  const timedOut = await assertRejects(() => client.login({ name: "alice", password: "pw" }), ConnectionLost) as ConnectionLost;
  assertEquals([timedOut.reason, aborted], ["timeout", true]);
  const closed = assertRejects(() => client.login({ id: 1, token: "t0" }), ConnectionLost, "not connected");
  await client.close();
  await closed;

  const wire = new FakeWire();
  const silent = clientOf(wire, { timeout: 20 });
  const refused = await assertRejects(() => silent.login({ name: "alice", password: "pw" }), ConnectionLost) as ConnectionLost;
  assertEquals(refused.reason, "timeout");
  await (await wire.accept()).closed;
});

Deno.test("client: in doubt it asks, and leaves a server that says nothing, or does not let it in, within 3 s", async () => {
  const dead = async () => {
    const wire = new FakeWire();
    const { client, connection } = await online(wire);
    const began = performance.now();
    client.reconnectNow();
    client.reconnectNow();
    await connection.next(Msg.PING);
    assertEquals(connection.waiting, []);
    await connection.closed;
    assert(performance.now() - began < 3500);
    await wire.login();
    await client.close();
  };
  const alive = async () => {
    const wire = new FakeWire();
    const { client, connection } = await online(wire);
    client.reconnectNow();
    connection.answer(await connection.next(Msg.PING), { msgid: Msg.PONG });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assertEquals([client.state.state, wire.attempts], ["online", 1]);
    await client.close();
  };
  // The network swallows the first attempt, whether it is at connecting or at logging in.
  const swallowed = async (how: "connect" | "login") => {
    const wire = new FakeWire();
    let attempts = 0;
    const connect: typeof wire.connect = (events, signal) => {
      if (how === "login" || ++attempts > 1) return wire.connect(events, signal);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    const client = clientOf(wire, { connect });
    const login = client.login({ id: 1, token: "t0" });
    if (how === "login") await (await wire.accept()).next(Msg.LOGIN);
    // Too early: it may well be answered yet.
    client.reconnectNow();
    assertEquals(client.state.state, "connecting");
    await new Promise((resolve) => setTimeout(resolve, 2600));
    client.reconnectNow();
    await wire.login();
    await login;
    await client.close();
  };
  await Promise.all([dead(), alive(), swallowed("connect"), swallowed("login")]);
});

Deno.test("client: requests carry their fields, and tell what went wrong", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const requests: [() => Promise<unknown>, Record<string, unknown>, Record<string, unknown>, unknown][] = [
    [() => client.addFriend({ name: "bob" }), { msgid: 7, friendname: "bob" }, { friend: { id: 2 } }, { id: 2 }],
    [() => client.addFriend({ id: 2 }), { msgid: 7, friendid: 2 }, { friend: { id: 2 } }, { id: 2 }],
    [() => client.removeFriend(2), { msgid: 18, friendid: 2 }, {}, undefined],
    [() => client.createGroup("g", "d"), { msgid: 8, groupname: "g", groupdesc: "d" }, { groupid: 4 }, { groupid: 4 }],
    [() => client.joinGroup({ id: 4 }), { msgid: 9, groupid: 4 }, { group: { id: 4 } }, { id: 4 }],
    [() => client.joinGroup({ name: "g" }), { msgid: 9, groupname: "g" }, { group: { id: 4 } }, { id: 4 }],
    [() => client.leaveGroup(4), { msgid: 19, groupid: 4 }, {}, undefined],
    [() => client.history({ id: 2 }, { before: 9, limit: 3 }), { msgid: 16, toid: 2, before: 9, limit: 3 }, { messages: [], more: true }, {
      messages: [],
      more: true,
    }],
    [() => client.history({ groupid: 4 }), { msgid: 16, groupid: 4 }, { messages: [], more: false }, { messages: [], more: false }],
    [() => client.members(4, { after: 7, limit: 2 }), { msgid: 32, groupid: 4, after: 7, limit: 2 }, {
      groupdesc: "d",
      members: [],
      count: 2,
      more: false,
    }, { groupdesc: "d", members: [], count: 2, more: false }],
    [() => client.users({ ids: [2, 3] }), { msgid: 42, ids: [2, 3] }, { users: [{ id: 2, name: "bob" }] }, [{ id: 2, name: "bob" }]],
    [() => client.users({ names: ["bob"] }), { msgid: 42, names: ["bob"] }, { users: [] }, []],
    [() => client.devices(), { msgid: 33 }, { devices: [{ id: 0 }] }, [{ id: 0 }]],
    [() => client.removeDevice(2), { msgid: 34, device: 2 }, {}, undefined],
    [() => client.contacts(), { msgid: 17 }, { friends: [], groups: [], blocked: [9] }, { friends: [], groups: [], blocked: [9] }],
    [() => client.changePassword("a", "b"), { msgid: 22, old: "a", new: "b" }, {}, undefined],
    [() => client.block(2), { msgid: 23, userid: 2 }, {}, undefined],
    [() => client.unblock(2), { msgid: 24, userid: 2 }, {}, undefined],
  ];
  for (const [call, sent, answer, result] of requests) {
    const promise = call();
    const { ref, ...request } = await connection.next(sent.msgid as number);
    assertEquals<Record<string, unknown>>(request, sent);
    connection.answer({ ...request, ref }, answer);
    assertEquals(await promise, result);
  }
  const ping = client.ping();
  connection.answer(await connection.next(Msg.PING), { msgid: Msg.PONG });
  assert(await ping >= 0);

  const refused = assertRejects(() => client.joinGroup({ id: 9 }), NatterError);
  connection.answer(await connection.next(Msg.JOIN_GROUP), { errno: 17, errmsg: "no such group" });
  const error = await refused as NatterError;
  assertEquals([error.errno, error.errmsg, error.message], [17, "no such group", "no such group (errno 17)"]);

  const lost = assertRejects(() => client.contacts(), ConnectionLost, "lost");
  await connection.next(Msg.CONTACTS);
  connection.drop();
  await lost;
  await assertRejects(() => client.contacts(), ConnectionLost, "not connected");
  await client.close();
});

Deno.test("client: whatever is no message of a server ends the connection, and nothing else", async () => {
  for (const line of ["220 mail.example.org", "null", "5", '"hello"']) {
    const client = new NatterClient({
      connect: (events) =>
        Promise.resolve({
          send: () => events.line(line),
          close: () => Promise.resolve(),
        }),
    });
    await assertRejects(() => client.login({ name: "alice", password: "pw" }), ConnectionLost, "lost", line);
    await client.close();
  }
});

Deno.test("client: registers on a connection of its own", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire);
  for (const [answer, check] of [[{ id: 7 }, undefined], [{ errno: 1, errmsg: "taken" }, 1]] as const) {
    const register = client.register("bob", "pw");
    const connection = await wire.accept();
    const request = await connection.next(Msg.REGISTER);
    assertEquals([request.name, request.password], ["bob", "pw"]);
    connection.answer(request, { msgid: Msg.REGISTER_ACK, ...answer });
    if (check === undefined) assertEquals(await register, { id: 7 });
    else assertEquals((await assertRejects(() => register, NatterError) as NatterError).errno, check);
    await connection.closed;
  }
  assertEquals(client.state, { state: "closed", reason: "new" });
});

Deno.test("client: waits longer and longer, in full jitter, but not after a good session; an account in use gets 15 s", () => {
  const lost = new ConnectionLost("lost");
  const longest = (policy: () => ReconnectPolicy, failures: number) => {
    const delays = Array.from({ length: 400 }, () => {
      const p = policy();
      for (let i = 0; i < failures; i++) p.delay(lost, 0);
      return p.delay(lost, 0)!;
    });
    assert(Math.min(...delays) >= 0 && Math.min(...delays) < Math.max(...delays) / 5);
    return Math.max(...delays);
  };
  const fresh = () => new ReconnectPolicy({ min: 250, max: 15_000 });
  for (const [failures, bound] of [[0, 250], [1, 500], [4, 4000], [6, 15_000], [2000, 15_000]]) {
    const most = longest(fresh, failures);
    assert(most <= bound && most > bound * 0.8, `after ${failures} failures up to ${most}`);
  }
  const worn = () => {
    const p = fresh();
    for (let i = 0; i < 20; i++) p.delay(lost, 5000);
    p.delay(lost, 20_000);
    return p;
  };
  assert(longest(worn, 0) <= 500);

  const policy = fresh();
  const inUse = [];
  for (let delay = policy.delay(new NatterError(2, ""), 0); delay !== undefined; delay = policy.delay(new NatterError(2, ""), 0)) inUse.push(delay);
  assert(inUse[0] < 500 && inUse.reduce((a, b) => a + b) >= 15_000);
  for (const errno of [1, 13, 25]) assertEquals(fresh().delay(new NatterError(errno, ""), 0), undefined);
  assertEquals(fresh().delay(new NatterError(15, "", 77), 0), 77);
});
