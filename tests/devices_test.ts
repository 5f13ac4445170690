// Devices: each has its own session, its own tokens; how they come, are listed, and go.

import { assertEquals, assertRejects } from "@std/assert";
import type { Connection } from "../src/net/connection.ts";
import { Limits } from "../src/ops/limits.ts";
import { TrustedTime } from "../src/ops/trusted_time.ts";
import { Login } from "../src/presence/login.ts";
import { StoreUnavailable } from "../src/store/store.ts";
import { StoreWatch } from "./support/around_store.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { chats, nothingElse } from "./support/chat.ts";
import { cheapPasswords } from "./support/cheap_passwords.ts";
import { clockAhead } from "./support/clock.ts";
import { databaseTest } from "./support/databases.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf, type TestServer, type TestUser } from "./support/server.ts";

const PASSWORD = "secret";
const passwords = cheapPasswords();

/** Logs in on a new device. */
async function onDevice(s: TestServer, id: number, device: string): Promise<{ client: RawClient; ack: Message; token: string; number: number }> {
  const client = await s.connect();
  const ack = await client.login({ id, password: PASSWORD, proto: 3, device });
  assertEquals(ack.errno, 0, JSON.stringify(ack));
  return { client, ack, token: ack.token!, number: (ack.device as { id: number }).id };
}

async function register(s: TestServer): Promise<number> {
  await using client = await s.connect();
  return (await client.register(`user ${crypto.randomUUID().slice(0, 8)}`, PASSWORD)).id!;
}

async function devicesOf(client: RawClient): Promise<{ id: number; name: string; state: string; this?: true }[]> {
  return (await client.request({ msgid: 33 })).devices as { id: number; name: string; state: string; this?: true }[];
}

const CHANGED = (what: string) => (message: Message) => message.msgid === 30 && message.what === what;

databaseTest("devices: several of a user are here at once, and each is sent what the user is sent", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann] = await makeUsers(db, 1) as [TestUser];
  const id = await register(s);
  const phone = await onDevice(s, id, "phone"), desktop = await onDevice(s, id, "desktop");
  assertEquals([phone.ack.device, desktop.ack.device], [{ id: 1, name: "phone" }, { id: 2, name: "desktop" }]);
  await phone.client.next(CHANGED("devices"));
  await using plain = await s.connect();
  assertEquals((await plain.login({ id, password: PASSWORD, proto: 3 })).device, { id: 0, name: "" });
  await using sender = await s.client(ann);
  await sender.request({ msgid: 6, toid: id, msg: "to all" });
  for (const client of [phone.client, desktop.client, plain]) assertEquals((await chats(client, 1))[0]!.msg, "to all");
  // One's own is there too, for the device that said it as well.
  const { messageid } = await phone.client.request({ msgid: 6, toid: ann.id, msg: "mine", mid: "m" });
  for (const client of [phone.client, desktop.client, plain]) {
    const [own] = await chats(client, 1);
    assertEquals([own!.id, own!.toid, own!.messageid, own!.mid, own!.seq], [id, ann.id, messageid, "m", 2]);
  }
  assertEquals((await chats(sender, 1))[0]!.msg, "mine");
  const listed = await devicesOf(desktop.client);
  assertEquals(listed.map(({ id, name, state, this: own }) => [id, name, state, own]), [
    [0, "", "online", undefined],
    [1, "phone", "online", undefined],
    [2, "desktop", "online", true],
  ]);
  await phone.client.close();
  await desktop.client.close();
  await eventually(async () => (await db.query(`select count(*) as n from device where session is not null`))[0]!.n == 2, "two are left");
  assertEquals(await stateOf(db, id), "online");
});

databaseTest("devices: clients of 0.1 are not sent their own messages, and those count as confirmed", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann] = await makeUsers(db, 1) as [TestUser];
  const id = await register(s);
  const phone = await onDevice(s, id, "phone");
  for (const fields of [{ proto: 2 }, {}]) {
    const old = await s.connect();
    assertEquals((await old.login({ id, password: PASSWORD, ...fields })).errno, 0);
    for (let i = 0; i < 3; i++) await old.request({ msgid: 6, toid: ann.id, msg: "mine" });
    await chats(phone.client, 3);
    await nothingElse(old);
    // A note to oneself is one entry, and is sent to all.
    await old.request({ msgid: 6, toid: id, msg: "a note" });
    assertEquals((await chats(old, 1))[0]!.msg, "a note");
    assertEquals((await chats(phone.client, 1))[0]!.msg, "a note");
    await nothingElse(phone.client);
    await old.close();
    const place = async () => Number((await db.query(`select confirmed_seq as seq from device where userid = ${id} and device = 0`))[0]!.seq);
    await eventually(async () => await place() === ("proto" in fields ? 3 : 7), "nothing waited before them");
    const again = await s.connect();
    const ack = await again.login({ id, password: PASSWORD, proto: 2 });
    const { confirmed, last } = ack.inbox as { confirmed: number; last: number };
    assertEquals(last - confirmed, 1, "only the note waits");
    assertEquals((await chats(again, 1))[0]!.seq, last);
    again.send({ msgid: 12, seq: last });
    await again.request({ msgid: 3 });
    await again.close();
  }
  await phone.client.close();
});

databaseTest("devices: LOGOUT ends the device with its token; device 0 stays, and its other tokens live", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const id = await register(s);
  const phone = await onDevice(s, id, "phone");
  const stays = await onDevice(s, id, "desktop");
  await phone.client.next(CHANGED("devices"));
  assertEquals((await phone.client.request({ msgid: 3 })).errno, 0);
  await stays.client.next(CHANGED("devices"));
  assertEquals((await phone.client.login({ id, token: phone.token, proto: 3 })).errno, 1);
  assertEquals((await devicesOf(stays.client)).map((device) => device.id), [0, 2]);
  const first = await phone.client.login({ id, password: PASSWORD, proto: 3 });
  assertEquals((await phone.client.request({ msgid: 3 })).errno, 0);
  const second = await phone.client.login({ id, password: PASSWORD, proto: 3 });
  assertEquals((await phone.client.request({ msgid: 3 })).errno, 0);
  assertEquals((await phone.client.login({ id, token: first.token!, proto: 3 })).errno, 1);
  assertEquals((await phone.client.login({ id, token: second.token!, proto: 3 })).errno, 1);
  await phone.client.close();
  await stays.client.close();
});

databaseTest("devices: REMOVE_DEVICE ends one wherever it is; one's own is LOGOUT; errno 28", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const id = await register(s);
  const phone = await onDevice(s, id, "phone"), desktop = await onDevice(s, id, "desktop");
  await using plain = await s.connect();
  const { token } = await plain.login({ id, password: PASSWORD, proto: 3 });
  assertEquals((await desktop.client.request({ msgid: 34, device: 9 })).errno, 28);
  assertEquals((await desktop.client.request({ msgid: 34, device: phone.number })).errno, 0);
  assertEquals((await phone.client.next((m) => m.msgid === 20)).reason, "kicked");
  await phone.client.closed;
  await using again = await s.connect();
  assertEquals((await again.login({ id, token: phone.token, proto: 3 })).errno, 1);
  assertEquals((await desktop.client.request({ msgid: 34, device: 0 })).errno, 0);
  assertEquals((await plain.next((m) => m.msgid === 20)).reason, "kicked");
  assertEquals((await again.login({ id, token: token!, proto: 3 })).errno, 1);
  assertEquals(await devicesOf(desktop.client).then((all) => all.map((device) => [device.id, device.state])), [[0, "offline"], [2, "online"]]);
  assertEquals((await desktop.client.request({ msgid: 34, device: 2 })).errno, 0);
  assertEquals((await desktop.client.request({ msgid: 33 })).errno, 12, "logged out, and the connection stays");
  await eventually(async () => await stateOf(db, id) === "offline", "offline");
  await desktop.client.close();
});

databaseTest("devices: CHANGE_PASSWORD ends all others", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const id = await register(s);
  const phone = await onDevice(s, id, "phone"), desktop = await onDevice(s, id, "desktop");
  await using plain = await s.connect();
  await plain.login({ id, password: PASSWORD, proto: 2 });
  assertEquals((await phone.client.request({ msgid: 22, old: PASSWORD, new: "another" })).errno, 0);
  for (const client of [desktop.client, plain]) {
    assertEquals((await client.next((m) => m.msgid === 20)).reason, "kicked");
    await client.closed;
  }
  assertEquals((await devicesOf(phone.client)).map(({ id, state }) => [id, state]), [[0, "offline"], [1, "online"]]);
  await phone.client.close();
  const back = await s.client({ id, name: "", token: phone.token }, { proto: 3 });
  await back.close();
});

databaseTest("devices: at --max-devices the one that was away longest goes; if all are here: 24; with 0 there are none", async (db) => {
  {
    await using s = await startServer(db, { limits: "off", "max-devices": 2 });
    const id = await register(s);
    const first = await onDevice(s, id, "first"), second = await onDevice(s, id, "second");
    await using client = await s.connect();
    const full = await client.login({ id, password: PASSWORD, proto: 3, device: "third" });
    assertEquals([full.errno, full.token], [24, undefined]);
    await second.client.close();
    await eventually(async () => (await devicesOf(first.client))[2]?.state === "offline", "the second is away");
    const third = await onDevice(s, id, "third");
    assertEquals(third.number, 3, "numbers are not given again");
    assertEquals((await devicesOf(first.client)).map((device) => device.id), [0, 1, 3]);
    assertEquals((await client.login({ id, token: second.token, proto: 3 })).errno, 1);
    for (const device of [first, third]) await device.client.close();
  }
  await using s = await startServer(db, { limits: "off", "max-devices": 0 });
  const id = await register(s);
  const { client, ack } = await onDevice(s, id, "ignored");
  assertEquals([ack.device, ack.features], [{ id: 0, name: "" }, []]);
  await client.close();
});

databaseTest("devices: each is asked for itself, and takeover asks nobody", async (db) => {
  await using s = await startServer(db, { limits: "off", "on-conflict": "refuse" });
  const id = await register(s);
  const phone = await onDevice(s, id, "phone"), desktop = await onDevice(s, id, "desktop");
  await using again = await s.connect();
  assertEquals((await again.login({ id, token: phone.token, proto: 3 })).errno, 2);
  assertEquals((await again.login({ id, token: phone.token, proto: 3, takeover: false })).errno, 2);
  const ack = await again.login({ id, token: phone.token, proto: 3, takeover: true });
  assertEquals([ack.errno, ack.device], [0, { id: 1, name: "phone" }]);
  assertEquals((await phone.client.next((m) => m.msgid === 20)).reason, "replaced");
  await phone.client.closed;
  assertEquals((await desktop.client.request({ msgid: 13 })).msgid, 14);
  await desktop.client.close();
});

databaseTest("devices: one that nobody was told of does not stay", async (db) => {
  await using log = await CapturedLog.start();
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap, passwords, times: { reconcile: 100 } });
  const id = await register(s);
  const rows = async (what: string) => Number((await db.query(`select count(*) as n from ${what} where userid = ${id} and device > 0`))[0]!.n);
  for (const step of ["claim", "welcome", "epoch"]) {
    const reached = Promise.withResolvers<void>(), open = Promise.withResolvers<void>();
    watch.around = async (call) => {
      const result = await call.run();
      if (call.name === step) {
        reached.resolve();
        await open.promise;
      }
      return result;
    };
    const client = await s.connect();
    client.send({ msgid: 1, id, password: PASSWORD, proto: 3, device: "lost" });
    await reached.promise;
    assertEquals([await rows("device"), await rows("token")], [1, 1]);
    const gone = log.count("departure");
    await client.rst();
    await log.until("departure", gone + 1);
    open.resolve();
    await eventually(async () => await rows("device") === 0 && await rows("token") === 0, `gone after ${step}`);
    assertEquals(await stateOf(db, id), "offline");
  }
  // Whether the claim was made is not known.
  let failed = false;
  watch.around = async (call) => {
    const result = await call.run();
    if (call.name !== "claim" || failed) return result;
    failed = true;
    throw new (await import("../src/store/store.ts")).StoreUnavailable("as the test wants it");
  };
  await using client = await s.connect();
  assertEquals((await client.login({ id, password: PASSWORD, proto: 3, device: "doubtful" })).errno, 19);
  await eventually(async () => await rows("device") === 0 && await rows("token") === 0, "found, and gone");
});

databaseTest("devices: CHANGED tells the user's other devices, and nobody else", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann] = await makeUsers(db, 1) as [TestUser];
  const id = await register(s);
  const phone = await onDevice(s, id, "phone"), desktop = await onDevice(s, id, "desktop");
  await phone.client.next(CHANGED("devices"));
  await using old = await s.connect();
  await old.login({ id, password: PASSWORD, proto: 2 });
  await using other = await s.client(ann, { proto: 3 });
  // On two nodes what was told of the phone may reach the desktop's behind its login, but before this.
  for (const msgid of [7, 18]) {
    assertEquals((await phone.client.request({ msgid, friendid: ann.id })).errno, 0);
    await desktop.client.next(CHANGED("contacts"));
  }
  desktop.client.backlog.splice(0);
  const told = async (what: string, request: object) => {
    assertEquals((await phone.client.request(request)).errno, 0);
    assertEquals(await desktop.client.next(), { msgid: 30, what });
    for (const client of [phone.client, old, other]) await nothingElse(client);
  };
  await told("contacts", { msgid: 7, friendid: ann.id });
  await told("contacts", { msgid: 18, friendid: ann.id });
  await told("blocked", { msgid: 23, userid: ann.id });
  await told("blocked", { msgid: 24, userid: ann.id });
  await told("groups", { msgid: 8, groupname: `of ${id}`, groupdesc: "" });
  const [group] = (await desktop.client.request({ msgid: 17 })).groups as { id: number }[];
  await told("groups", { msgid: 19, groupid: group!.id });
  for (const { client } of [phone, desktop]) await client.close();
});

databaseTest("devices: a block of one device holds for all", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann] = await makeUsers(db, 1) as [TestUser];
  const id = await register(s);
  const phone = await onDevice(s, id, "phone"), desktop = await onDevice(s, id, "desktop");
  await using other = await s.client(ann, { proto: 3 });
  other.send({ msgid: 21, toid: id, msg: "typing" });
  for (const { client } of [phone, desktop]) await client.next((m) => m.msgid === 21);
  await phone.client.request({ msgid: 23, userid: ann.id });
  await desktop.client.next(CHANGED("blocked"));
  other.send({ msgid: 21, toid: id, msg: "typing" });
  desktop.client.send({ msgid: 21, toid: ann.id, msg: "typing" });
  await desktop.client.request({ msgid: 13 });
  await nothingElse(other);
  for (const { client } of [phone, desktop]) {
    await nothingElse(client, (m) => m.msgid === 21);
    await client.close();
  }
});

Deno.test("devices: what nobody knows of failed logins is kept for a while, and of a bounded number", async () => {
  const sessions: string[] = [];
  const store = {
    findUser: () => Promise.resolve({ id: 1, name: "ann", password: "hash", version: 1, closed: false }),
    claim: ({ session }: { session: string }) => {
      sessions.push(session);
      return Promise.reject(new StoreUnavailable("as the test wants it"));
    },
  };
  const parts = { onConflict: "probe", maxDevices: 20, tokenLife: 1000, store, passwords: { verify: () => Promise.resolve({ ok: true }) } };
  const others = { limits: new Limits(false), time: new TrustedTime(), table: {}, router: {}, offline: {}, listener: {}, remote: {} };
  const login = new Login({ ...parts, ...others, fenced: () => {}, end: () => {} } as unknown as ConstructorParameters<typeof Login>[0]);
  const connection = { address: "127.0.0.1", lost: false } as Connection;
  const fail = () =>
    assertRejects(() => login.login(connection, { msgid: 1, id: 1, password: "x", proto: 3, device: "d" } as never), StoreUnavailable);
  for (let i = 0; i < 10_001; i++) await fail();
  // The oldest made room.
  assertEquals([sessions[0]!, sessions[1]!, sessions.at(-1)!].map((session) => login.wasDoubtful(session)), [false, true, true]);
  using clock = clockAhead();
  clock.by(3600_000);
  await fail();
  assertEquals([sessions[2]!, sessions.at(-2)!, sessions.at(-1)!].map((session) => login.wasDoubtful(session)), [false, false, true]);
});
