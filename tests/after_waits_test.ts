// What was looked at before a wait is not taken for true after it: whoever is let in, told or pushed to is so by what holds then.

import { assert, assertEquals } from "@std/assert";
import type { Bus, BusListener } from "../src/cluster/bus.ts";
import { LocalHub } from "../src/cluster/local.ts";
import { StoreWatch } from "./support/around_store.ts";
import { nothingElse } from "./support/chat.ts";
import { cheapPasswords } from "./support/cheap_passwords.ts";
import { databaseTest, type TestDatabase } from "./support/databases.ts";
import { waitingMysqlTests } from "./support/mysql.ts";
import { eventually, makeUsers, NEWS_MS, startServer, stateOf, type TestUser } from "./support/server.ts";

const passwords = cheapPasswords();
const never = 3600_000;

/** The first call of that name is made, and its result held back. */
function holdAfter(watch: StoreWatch, name: string): { reached: Promise<void>; open: () => void } {
  const reached = Promise.withResolvers<void>(), open = Promise.withResolvers<void>();
  let held = false;
  watch.around = async (call) => {
    const result = await call.run();
    if (call.name !== name || held) return result;
    held = true;
    reached.resolve();
    await open.promise;
    return result;
  };
  return { reached: reached.promise, open: open.resolve };
}

databaseTest("after a wait: what is sent between a login's steps arrives with it, not with the next look", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, {}, { store: watch.wrap, times: { reconcile: never } });
  const [ann, ...others] = await makeUsers(db, 7) as TestUser[];
  await using sender = await s.client(ann!);
  const kinds = [{ proto: 2 }, { proto: 3 }, {}].flatMap((fields) => ["claim", "welcome"].map((step) => ({ fields, step })));
  for (const [i, { fields, step }] of kinds.entries()) {
    const user = others[i]!;
    const held = holdAfter(watch, step);
    await using client = await s.connect();
    const login = client.login({ id: user.id, token: user.token, ...fields });
    await held.reached;
    assertEquals((await sender.request({ msgid: 6, toid: user.id, msg: "now" })).errno, 0);
    held.open();
    const ack = await login;
    assertEquals(ack.errno, 0);
    // A classic client may get it in its LOGIN_ACK.
    if (!ack.offlinemsg) assertEquals((await client.next((m) => m.msgid === 6, 2000)).msg, "now", step);
  }
});

databaseTest("after a wait: who was banned, or got another password, while a LOGIN waited is not let in", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, {}, { store: watch.wrap, passwords });
  const store = await db.open();
  const users = await makeUsers(db, 6);
  for (const [i, user] of users.entries()) {
    await db.query(`update user set password = '${await passwords.hash("secret")}' where id = ${user.id}`);
    const reached = Promise.withResolvers<void>(), open = Promise.withResolvers<void>();
    watch.around = async (call) => {
      if (call.name === "claim") {
        reached.resolve();
        await open.promise;
      }
      return await call.run();
    };
    await using client = await s.connect();
    const proof = i < 4 ? { password: "secret" } : { token: user.token };
    const login = client.login({ id: user.id, ...proof, proto: 3, ...(i % 2 ? { device: "a phone" } : {}) });
    await reached.promise;
    const banned = i < 2 || i === 4;
    if (banned) await store.setClosed(user.id, true);
    else await store.setPassword(user.id, undefined, "another");
    open.resolve();
    const ack = await login;
    assertEquals([ack.errno, ack.token], [banned ? 25 : 1, undefined], `${i}`);
    assertEquals(await stateOf(db, user.id), "offline");
    assertEquals((await store.devices(user.id)).map((device) => device.id), [0]);
  }
});

databaseTest("after a wait: who is banned when the claim is committed, and not in the table yet, does not stay", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, {}, { store: watch.wrap, times: { kicks: 20, reconcile: never } });
  const store = await db.open();
  for (const user of await makeUsers(db, 2)) {
    const held = holdAfter(watch, "claim");
    await using client = await s.connect();
    client.send({ msgid: 1, id: user.id, token: user.token, proto: 3 });
    await held.reached;
    await store.setClosed(user.id, true);
    watch.forget();
    await eventually(() => watch.made.filter((name) => name === "takeKicks").length >= 2, "the node has looked");
    held.open();
    assertEquals((await client.next((m) => m.msgid === 20)).reason, "kicked");
    await client.closed;
    await eventually(async () => await stateOf(db, user.id) === "offline", "offline");
  }
});

databaseTest("after a wait: natter passwd ends the session of whoever holds the account", async (db) => {
  await using s = await startServer(db, {}, { times: { kicks: 20, reconcile: 50 } });
  const [user] = await makeUsers(db, 1) as [TestUser];
  await using holder = (await s.client(user)).answerPings();
  await using old = await s.connect();
  const store = await db.open();
  await store.setPassword(user.id, undefined, await passwords.hash("mine"));
  assertEquals((await holder.next((m) => m.msgid === 20)).reason, "kicked");
  assertEquals((await old.login({ id: user.id, token: user.token, proto: 2 })).errno, 1);
});

databaseTest("after a wait: LOGINs with the old password that wait while it is changed are not let in", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap, passwords });
  const client = await s.connect();
  const { id } = await client.register("ann", "old") as { id: number };
  await client.login({ id, password: "old", proto: 3, device: "desktop" });
  const open = Promise.withResolvers<void>(), reached = Promise.withResolvers<void>();
  let waiting = 0;
  watch.around = async (call) => {
    if (call.name === "claim") {
      if (++waiting === 3) reached.resolve();
      await open.promise;
    }
    return await call.run();
  };
  const late = await Promise.all([1, 2, 3].map(() => s.connect()));
  const logins = late.map((other, i) => other.login({ id, password: "old", proto: 3, ...(i ? { device: `device ${i}` } : {}) }));
  await reached.promise;
  assertEquals((await client.request({ msgid: 22, old: "old", new: "new" })).errno, 0);
  open.resolve();
  assertEquals((await Promise.all(logins)).map((ack) => ack.errno), [1, 1, 1]);
  assertEquals(((await client.request({ msgid: 33 })).devices as { id: number }[]).map((device) => device.id), [0, 1]);
  for (const other of [...late, client]) await other.close();
});

databaseTest("after a wait: a password is changed in one step, with the tokens that it ends", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, {}, { store: watch.wrap, passwords });
  await using client = await s.connect();
  const { id } = await client.register("ann", "old") as { id: number };
  await client.login({ id, password: "old", proto: 2 });
  watch.forget();
  assertEquals((await client.request({ msgid: 22, old: "old", new: "new" })).errno, 0);
  await watch.quiet();
  const writes = watch.asked.filter((name) => !["findUser", "confirm"].includes(name));
  assertEquals(writes, ["setPassword"]);
});

/** Two nodes in this process; `drops` says what gets lost on the way between them. */
async function onTwoNodes(db: TestDatabase, drops: (type: string) => boolean, times: object) {
  const hub = new LocalHub();
  const bus = (node: string, listener: BusListener): Bus =>
    hub.join(node, { received: (message) => drops(message.type) || listener.received(message), returned: () => listener.returned() });
  const [a, b] = await Promise.all(["a", "b"].map((node) => startServer(db, { node }, { bus, times: { news: NEWS_MS, ...times } })));
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      await Promise.all([a, b].map((node) => node[Symbol.asyncDispose]()));
    },
  };
}

waitingMysqlTests("after a wait, on two nodes", {
  "who was taken over by another node, and whose node was not told, is not taken for the receiver": async ({ database: db }) => {
    await using t = await onTwoNodes(db, (type) => type === "ended", { reconcile: never });
    const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using sender = await t.a.client(ann);
    await using stale = await t.a.client(bob, { proto: 3 });
    await using client = await t.b.client(bob, { proto: 3, takeover: true });
    assertEquals((await sender.request({ msgid: 6, toid: bob.id, msg: "x" })).errno, 0);
    assertEquals((await client.next((m) => m.msgid === 6, 2000)).msg, "x");
    assertEquals(stale.backlog, [], "nothing went to the one who has lost it");
  },
  "who has left a group gets none of its signals, from whatever node": async ({ database: db }) => {
    await using t = await onTwoNodes(db, () => false, {});
    const [ann, bob, cid] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
    await using a = await t.a.client(ann);
    await using b = await t.b.client(bob);
    await using c = await t.b.client(cid);
    const { groupid } = await a.request({ msgid: 8, groupname: "g", groupdesc: "" });
    for (const member of [b, c]) assertEquals((await member.request({ msgid: 9, groupid })).errno, 0);
    a.send({ msgid: 21, groupid, msg: "typing" });
    for (const member of [b, c]) assertEquals((await member.next((m) => m.msgid === 21)).msg, "typing");
    assertEquals((await b.request({ msgid: 19, groupid })).errno, 0);
    // Node a still remembers where the members are.
    a.send({ msgid: 21, groupid, msg: "typing" });
    assertEquals((await c.next((m) => m.msgid === 21)).msg, "typing");
    await nothingElse(b);
    // Nor does it take any from who has left.
    const answer = await b.request({ msgid: 21, groupid, msg: "typing" });
    assertEquals(answer.errno, 18);
    assert(c.backlog.length === 0);
  },
});
