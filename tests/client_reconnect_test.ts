/** How the client library comes back when a connection ends, or goes silent. Against a server that the test plays. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionLost, Msg, NatterClient, NatterError } from "../src/client/natter_client.ts";
import { ReconnectPolicy } from "../src/client/reconnect.ts";
import { FakeWire } from "./support/fake_wire.ts";
import { event } from "./support/client_events.ts";
import { clockByHand } from "./support/clock.ts";
import { clientOf, online } from "./support/fake_client.ts";

/** What a login is answered. */
const welcome = {
  msgid: Msg.LOGIN_ACK,
  id: 1,
  name: "alice",
  device: { id: 0, name: "" },
  token: "t1",
  heartbeat: 60,
  limits: { line: 65536 },
  inbox: { epoch: "e1", confirmed: 0, last: 0 },
};

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

Deno.test("client: comes back by token; GOODBYE says when, or not to", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire);
  const states: string[] = [];
  client.on("state", (s) => states.push(s.state));
  const login = client.login({ name: "alice", password: "pw" });
  const first = await wire.accept();
  const request = await first.next(Msg.LOGIN);
  assertEquals([request.name, request.password, request.proto], ["alice", "pw", 3]);
  first.answer(request, welcome);
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
  second.answer(again, welcome);

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
