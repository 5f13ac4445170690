// The client library as one of several devices of a user: its name and token, its place in the log, and what the others of the same user do.

import { assertEquals } from "@std/assert";
import { Msg, NatterClient, type NatterClientOptions } from "../src/client/natter_client.ts";
import { event } from "./support/client_events.ts";
import { type FakeConnection, FakeWire } from "./support/fake_wire.ts";

/** A client that comes back at once. */
function clientOf(wire: FakeWire, options: Partial<NatterClientOptions> = {}): NatterClient {
  return new NatterClient({ connect: wire.connect, backoff: { min: 1, max: 1 }, ...options });
}

/** A client that is logged in as alice by token, and writes down what it hears. */
async function online(wire: FakeWire, options: Partial<NatterClientOptions> = {}, ack: Record<string, unknown> = {}) {
  const client = clientOf(wire, options);
  const log: string[] = [];
  client.on("login", () => log.push("login"));
  client.on("anew", ({ why }) => log.push(why));
  client.on("message", ({ seq }) => log.push(`${seq}`));
  const [connection] = await Promise.all([wire.login(ack), client.login({ id: 1, token: "t0" })]);
  return { client, connection, log };
}

/** Lets everything happen that needs no timer. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

/** Takes the connection away, and lets the client in on the next one. */
async function again(wire: FakeWire, connection: FakeConnection, inbox: Record<string, unknown>): Promise<FakeConnection> {
  connection.drop();
  return await wire.login({ inbox });
}

Deno.test("client, devices: the name goes with the password, and from then on the token stands for the device", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire);
  const login = client.login({ name: "alice", password: "pw", device: "Firefox on Linux" });
  const first = await wire.accept();
  const request = await first.next(Msg.LOGIN);
  assertEquals([request.name, request.password, request.device, request.proto], ["alice", "pw", "Firefox on Linux", 3]);
  const ack = { id: 1, token: "t7", device: { id: 4, name: "Firefox on Linux" }, heartbeat: 60, limits: { line: 65536 } };
  first.answer(request, { msgid: Msg.LOGIN_ACK, ...ack, inbox: { epoch: "e1", confirmed: 0, last: 0 } });
  assertEquals((await login).device, { id: 4, name: "Firefox on Linux" });
  first.drop();
  const { ref: _, ...second } = await (await wire.accept()).next(Msg.LOGIN);
  assertEquals<Record<string, unknown>>(second, { msgid: Msg.LOGIN, proto: 3, id: 1, token: "t7", takeover: true });
  await client.close();
});

Deno.test("client, devices: device 0 is taken from whoever has it when that is asked for, until it is there, and not at every coming back", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire);
  const login = client.login({ id: 1, token: "t0", takeover: true });
  const first = await wire.accept();
  const request = await first.next(Msg.LOGIN);
  assertEquals(request.takeover, true);
  first.answer(request, { msgid: Msg.LOGIN_ACK, errno: 19, errmsg: "later", retry: 1 });
  const second = await wire.accept();
  const later = await second.next(Msg.LOGIN);
  assertEquals([later.token, later.takeover], ["t0", true]);
  wire.answerLogin(second, later, { device: { id: 0, name: "" } });
  await login;
  second.drop();
  const { ref: _, ...back } = await (await wire.accept()).next(Msg.LOGIN);
  assertEquals<Record<string, unknown>>(back, { msgid: Msg.LOGIN, proto: 3, id: 1, token: "t1" });
  await client.close();
});

Deno.test("client, devices: a place in the log above what was handled means that something was missed: told before what follows", async () => {
  const wire = new FakeWire();
  const { client, connection, log } = await online(wire, {}, { inbox: { confirmed: 5, last: 6 } });
  connection.chat(6);
  // Handled and not yet confirmed, as at any lost connection: nothing is missed.
  const second = await again(wire, connection, { confirmed: 5, last: 7 });
  second.chat(6);
  second.chat(7);
  await second.next(Msg.RECEIVED);
  const third = await again(wire, second, { confirmed: 9, last: 10 });
  third.chat(10);
  assertEquals((await third.next(Msg.RECEIVED)).seq, 10);
  assertEquals(log, ["login", "6", "login", "7", "login", "missed", "10"]);
  assertEquals(client.snapshot(), { id: 1, seq: 10, epoch: "e1", pending: [] });
  await client.close();
});

Deno.test("client, devices: another epoch is another database: its numbers are new, whatever was handled of the old one", async () => {
  const wire = new FakeWire();
  const { client, connection, log } = await online(wire, { resume: { id: 1, seq: 40, epoch: "e0", pending: [] } }, {
    inbox: { confirmed: 30, last: 50 },
  });
  // A copy that was put back went on counting: its 31 to 50 are not those of before.
  for (let seq = 31; seq <= 50; seq++) connection.chat(seq);
  assertEquals((await connection.next(Msg.RECEIVED)).seq, 50);
  assertEquals(log, ["login", "restored", ...Array.from({ length: 20 }, (_, i) => `${31 + i}`)]);
  assertEquals(client.snapshot()?.epoch, "e1");
  const second = await again(wire, connection, { epoch: "e2", confirmed: 50, last: 50 });
  assertEquals(log.slice(-2), ["login", "restored"]);
  await again(wire, second, { epoch: "e2", confirmed: 50, last: 50 });
  assertEquals(log.slice(-2), ["restored", "login"]);
  await client.close();
});

Deno.test("client, devices: what one remembers from before there were epochs is good; who remembers nothing takes over what there is", async () => {
  const wire = new FakeWire();
  for (
    const [resume, inbox, expected] of [
      [{ id: 1, seq: 40, pending: [] }, { confirmed: 38, last: 41 }, ["login", "41"]],
      [{ id: 1, seq: 40, pending: [] }, { confirmed: 40, last: 41 }, ["login", "41"]],
      [{ id: 1, seq: 39, pending: [] }, { confirmed: 40, last: 41 }, ["login", "missed", "41"]],
      [{ id: 1, seq: 40, pending: [] }, { confirmed: 10, last: 39 }, ["login", "restored"]],
      [undefined, { confirmed: 40, last: 41 }, ["login", "41"]],
    ] as const
  ) {
    const { client, connection, log } = await online(wire, resume ? { resume: { ...resume, pending: [] } } : {}, { inbox });
    if (inbox.last === 41) connection.chat(41);
    await settled();
    assertEquals(log, [...expected]);
    await client.close();
  }
});

Deno.test("client, devices: what waits to be handled when a place above it is told is let go, and comes by HISTORY", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire);
  const log: string[] = [];
  let release = () => {};
  client.on("anew", ({ why }) => log.push(why));
  client.on("message", async ({ seq }) => {
    log.push(`${seq}`);
    if (seq === 1) await new Promise<void>((resolve) => release = resolve);
  });
  const [connection] = await Promise.all([wire.login(), client.login({ id: 1, token: "t0" })]);
  for (let seq = 1; seq <= 4; seq++) connection.chat(seq);
  const second = await again(wire, connection, { confirmed: 3, last: 4 });
  second.chat(4);
  release();
  assertEquals((await second.next(Msg.RECEIVED)).seq, 4);
  assertEquals(log, ["1", "missed", "4"]);
  await client.close();
});

Deno.test("client, devices: one's own message from another device is a message; one that is on its way here is stored by it, and its late answer changes nothing", async () => {
  const wire = new FakeWire();
  const { client, connection, log } = await online(wire);
  const steps: string[] = [];
  client.on("sent", ({ mid, state }) => steps.push(`${state} ${mid}`));
  client.on("message", (m) => steps.push(`${m.seq} ${client.sentHere(m) ? "here" : m.id === 1 ? "elsewhere" : "another"}`));
  connection.chat(1, { id: 1, name: "alice", toid: 2, mid: "phone-1" });
  const first = client.chat({ id: 2 }, "hello");
  const second = client.chat({ id: 2 }, "again");
  const request = await connection.next(Msg.CHAT);
  connection.chat(2, { id: 1, name: "alice", toid: 2, msg: "hello", mid: request.mid, messageid: 77, ts: 5 });
  assertEquals(await first, { mid: request.mid as string, messageid: 77, ts: 5 });
  // Another's with the same mid is another's.
  connection.chat(3, { mid: request.mid });
  connection.answer(request, { messageid: 77, ts: 5, mid: request.mid });
  const next = await connection.next(Msg.CHAT);
  assertEquals(next.msg, "again");
  connection.answer(next, { messageid: 78, ts: 6, mid: next.mid });
  assertEquals((await second).messageid, 78);
  assertEquals(log, ["login", "1", "2", "3"]);
  assertEquals(steps.filter((step) => /^\d/.test(step)), ["1 elsewhere", "2 here", "3 another"]);
  assertEquals(steps.filter((step) => step.startsWith("stored")), [`stored ${request.mid}`, `stored ${next.mid}`]);
  assertEquals(client.pending(), []);
  await client.close();
});

Deno.test("client, devices: a message that was given up on a dead connection and comes by the log is not sent again", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const sent = client.chat({ id: 2 }, "hello");
  const { mid } = await connection.next(Msg.CHAT);
  connection.drop();
  const second = await wire.accept();
  const login = await second.next(Msg.LOGIN);
  wire.answerLogin(second, login, { inbox: { confirmed: 0, last: 1 } });
  second.chat(1, { id: 1, name: "alice", toid: 2, msg: "hello", mid, messageid: 9, ts: 4 });
  assertEquals((await sent).messageid, 9);
  // It may have gone out before the entry was read; then its answer is the same, and told to nobody.
  for (const request of second.waiting.filter((m) => m.msgid === Msg.CHAT)) second.answer(request, { messageid: 9, ts: 4, mid });
  assertEquals(client.pending(), []);
  await client.close();
});

Deno.test("client, devices: CHANGED is passed on; signing oneself out is logging out", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const changed = event(client, "changed");
  connection.send({ msgid: Msg.CHANGED, what: "devices" });
  assertEquals((await changed).what, "devices");
  const out = client.removeDevice(1);
  connection.answer(await connection.next(Msg.LOGOUT));
  await out;
  assertEquals(client.state, { state: "closed", reason: "logout" });
});
