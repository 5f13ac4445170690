/** The client library's own promises, against a server that the test plays. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionLost, Msg, NatterClient, NatterError } from "../src/client/natter_client.ts";
import { ReconnectPolicy } from "../src/client/reconnect.ts";
import { Msg as ServerMsg } from "../src/wire/requests.ts";
import { FakeWire } from "./support/fake_wire.ts";
import { event } from "./support/client_events.ts";
import { clockByHand } from "./support/clock.ts";
import { clientOf, online } from "./support/fake_client.ts";

Deno.test("client: knows the same messages as the server", () => {
  assertEquals<Record<string, number>>(Msg, ServerMsg);
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

Deno.test("client: a login that was not answered in time has twice as long at the next attempt, until one is", async () => {
  using clock = clockByHand();
  const wire = new FakeWire();
  const client = clientOf(wire, { timeout: 20_000, backoff: { min: 0, max: 0 } });
  const login = client.login({ id: 1, token: "t0" });
  /** The next attempt is given up after this time (ms), and not before. */
  const givesUp = async (after: number) => {
    const connection = await wire.accept();
    let closed = false;
    void connection.closed.then(() => closed = true);
    await clock.pass(after - 1);
    assertEquals(closed, false, `not before ${after} ms`);
    await clock.pass(1);
    assertEquals(closed, true, `after ${after} ms`);
    await clock.pass(0);
  };
  for (const after of [20_000, 40_000, 60_000]) await givesUp(after);
  const answered = async (after: number) => {
    const connection = await wire.accept();
    const request = await connection.next(Msg.LOGIN);
    await clock.pass(after);
    wire.answerLogin(connection, request);
    await login;
    connection.drop();
    await clock.pass(0);
  };
  await answered(55_000);
  await answered(55_000);
  // The line is better now.
  await answered(1000);
  await givesUp(20_000);
  await client.close();
});

Deno.test("client: in doubt it asks, and leaves a server that says nothing within 3 s", async () => {
  using clock = clockByHand();
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  let closed = false;
  void connection.closed.then(() => closed = true);
  await clock.pass(1);
  client.reconnectNow();
  client.reconnectNow();
  await connection.next(Msg.PING);
  assertEquals(connection.waiting, []);
  await clock.pass(2000);
  assertEquals(closed, false, "it has had no time to answer");
  await clock.pass(1000);
  assertEquals(closed, true);
  await wire.login();
  await client.close();
});

Deno.test("client: in doubt it asks, also when the run before ended after this one had begun", async () => {
  using clock = clockByHand();
  const wire = new FakeWire();
  const { client } = await online(wire);
  const closing = client.close();
  const login = client.login({ id: 1, token: "t0" });
  const connection = await wire.login();
  await Promise.all([closing, login]);
  client.reconnectNow();
  await clock.pass(0);
  assertEquals(connection.waiting.map(({ msgid }) => msgid), [Msg.PING]);
  connection.answer(await connection.next(Msg.PING), { msgid: Msg.PONG });
  await client.close();
});

Deno.test("client: in doubt it asks, and stays with a server that answers", async () => {
  using clock = clockByHand();
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  client.reconnectNow();
  connection.answer(await connection.next(Msg.PING), { msgid: Msg.PONG });
  await clock.pass(3000);
  assertEquals([client.state.state, wire.attempts], ["online", 1]);
  await client.close();
});

// The network swallows the first attempt, whether it is at connecting or at logging in.
for (const how of ["connect", "login"]) {
  Deno.test(`client: in doubt it gives up an attempt that has lasted 2.5 s, and begins another at once: at ${how}`, async () => {
    using clock = clockByHand();
    const wire = new FakeWire();
    let attempts = 0;
    const connect: typeof wire.connect = (events, signal) => {
      attempts++;
      if (how === "login" || attempts > 1) return wire.connect(events, signal);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    const client = clientOf(wire, { connect });
    const login = client.login({ id: 1, token: "t0" });
    if (how === "login") await (await wire.accept()).next(Msg.LOGIN);
    // Too early: it may well be answered yet.
    client.reconnectNow();
    await clock.pass(2400);
    client.reconnectNow();
    await clock.pass(0);
    assertEquals([client.state.state, attempts], ["connecting", 1]);
    await clock.pass(200);
    client.reconnectNow();
    await wire.login();
    await login;
    await client.close();
  });
}

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
      events: [],
      more: true,
    }],
    [() => client.history({ groupid: 4 }), { msgid: 16, groupid: 4 }, {
      messages: [{ msgid: 28, messageid: 1 }, { msgid: 10, msg: "x" }],
      more: false,
    }, {
      messages: [{ msgid: 10, msg: "x" }],
      events: [{ msgid: 28, messageid: 1 }],
      more: false,
    }],
    [() => client.members(4, { after: 7, limit: 2 }), { msgid: 32, groupid: 4, after: 7, limit: 2 }, {
      groupdesc: "d",
      private: true,
      history: "all",
      posting: "all",
      members: [],
      count: 2,
      more: false,
    }, { groupdesc: "d", private: true, history: "all", posting: "all", members: [], count: 2, more: false }],
    [() => client.banned(4), { msgid: 32, groupid: 4, banned: true }, { banned: [], more: false }, { banned: [], more: false }],
    [() => client.createGroup("g", "", { private: true }), { msgid: 8, groupname: "g", groupdesc: "", private: true }, { groupid: 4 }, {
      groupid: 4,
    }],
    [() => client.joinGroup({ code: "c" }), { msgid: 9, code: "c" }, { group: { id: 4 } }, { id: 4 }],
    [() => client.updateGroup(4, { posting: "all" }), { msgid: 35, groupid: 4, posting: "all" }, {}, undefined],
    [() => client.setRole(4, 2, "moderator"), { msgid: 36, groupid: 4, userid: 2, role: "moderator" }, {}, undefined],
    [() => client.kick(4, 2, { ban: true }), { msgid: 37, groupid: 4, userid: 2, ban: true }, {}, undefined],
    [() => client.unban(4, 2), { msgid: 38, groupid: 4, userid: 2 }, {}, undefined],
    [() => client.inviteToGroup(4, 2), { msgid: 39, groupid: 4, userid: 2 }, {}, undefined],
    [() => client.groupCode(4, { days: 1 }), { msgid: 39, groupid: 4, uses: 1, days: 1 }, { code: "c" }, "c"],
    [() => client.revokeCodes(4), { msgid: 40, groupid: 4 }, {}, undefined],
    [() => client.users({ ids: [2, 3] }), { msgid: 42, ids: [2, 3] }, { users: [{ id: 2, name: "bob" }] }, [{ id: 2, name: "bob" }]],
    [() => client.users({ names: ["bob"] }), { msgid: 42, names: ["bob"] }, { users: [] }, []],
    [() => client.devices(), { msgid: 33 }, { devices: [{ id: 0 }] }, [{ id: 0 }]],
    [() => client.removeDevice(2), { msgid: 34, device: 2 }, {}, undefined],
    [() => client.contacts(), { msgid: 17 }, { friends: [], groups: [], blocked: [9], invited: [] }, {
      friends: [],
      groups: [],
      blocked: [9],
      invited: [],
    }],
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

Deno.test("client: a server that knows no devices is one clear error", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire);
  const login = client.login({ name: "alice", password: "pw" });
  const connection = await wire.accept();
  const request = await connection.next(Msg.LOGIN);
  connection.answer(request, { msgid: Msg.LOGIN_ACK, id: 1, name: "alice", token: "t", heartbeat: 10, inbox: { confirmed: 0, last: 0 } });
  const error = await login.catch((error: NatterError) => error) as NatterError;
  assertEquals([error.errno, error.errmsg], [13, "the server is older than this client"]);
  await connection.closed;
  assertEquals(client.state.state, "closed");
});
