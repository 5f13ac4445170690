// Two nodes over MySQL and Redis: what goes from one to the other goes at once, by the bus, and not only when somebody looks into the database.
// What holds on one node is tried on two in again_on_two_nodes_test.ts.

import { assert, assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { assertErrno, chats, nothingElse, upTo } from "./support/chat.ts";
import { standStill } from "./support/clock.ts";
import { loginDevice, makeDevices, type TestDevice } from "./support/devices.ts";
import { clusterTest, startNode, waitingClusterTests } from "./support/nodes.ts";
import { publish } from "./support/redis.ts";
import { eventually, makeUsers, setHolder } from "./support/server.ts";

/** No pass of reconciling but the first one, when the bus is joined. */
const TIMES = { reconcile: 3600_000, kicks: 100 };
/** How late a change is told, as it is (ms). */
const NEWS = 2000;

/** A watch that has seen the first pass. */
async function passed(watch: StoreWatch): Promise<void> {
  await eventually(() => watch.made.includes("sessions"), "the first pass");
  await watch.quiet();
}

clusterTest("two nodes: the holder's node has its time for an answer, though neither ran meanwhile", async (db) => {
  await using a = await startNode(db, "a", { times: TIMES });
  await using b = await startNode(db, "b", { times: TIMES });
  const [user] = await makeUsers(db, 1);
  await using dumb = await a.client(user);
  await using client = await b.connect();
  const login = client.login({ id: user.id, token: user.token, proto: 2 });
  await dumb.next((m) => m.msgid === 13);
  standStill(2000);
  assertErrno(await login, 0);
});

waitingClusterTests("two nodes", {
  "a block that is lifted on one while the other tells of it is lifted on both": async (db) => {
    const watch = new StoreWatch();
    await using a = await startNode(db, "a", { times: TIMES, store: watch.wrap }, { limits: "off" });
    await using b = await startNode(db, "b", { times: TIMES });
    const [bob] = await makeUsers(db, 1);
    const [phone, laptop] = await makeDevices(b, 2) as [TestDevice, TestDevice];
    const ann = phone.user;
    await using bobs = await b.client(bob!);
    const { client: onA } = await loginDevice(a, phone);
    const { client: onB } = await loginDevice(b, laptop);
    // Node a does not get to know where it is to be told until it is lifted again.
    const reached = Promise.withResolvers<void>(), open = Promise.withResolvers<void>();
    watch.around = async (call) => {
      if (call.name !== "whereabouts" || (call.args[0] as number[])[0] !== ann.id) return await call.run();
      reached.resolve();
      await open.promise;
      return await call.run();
    };
    assertErrno(await onA.request({ msgid: 23, userid: bob!.id, ref: 1 }), 0);
    await reached.promise;
    assertErrno(await onB.request({ msgid: 24, userid: bob!.id, ref: 1 }), 0);
    open.resolve();
    assertEquals((await onB.next((m) => m.msgid === 30)).what, "blocked");
    await eventually(
      async () => {
        bobs.send({ msgid: 21, toid: ann.id, msg: "typing" });
        return (await onB.next((m) => m.msgid === 21, 300).catch(() => undefined))?.msg === "typing";
      },
      "signals go through",
    );
    for (const client of [onA, onB]) await client.close();
  },

  "a session that is taken over on its way from its claim to the table ends when it is there": async (db) => {
    const watch = new StoreWatch();
    const claimed = Promise.withResolvers<void>(), open = Promise.withResolvers<void>();
    await using a = await startNode(db, "a", { times: TIMES, store: watch.wrap }, { "on-conflict": "replace" });
    await using b = await startNode(db, "b", { times: TIMES }, { "on-conflict": "replace" });
    const [user, other] = await makeUsers(db, 2);
    await using witness = await a.client(other);
    watch.around = async (call) => {
      const result = await call.run();
      if (call.name !== "claim") return result;
      claimed.resolve();
      await open.promise;
      return result;
    };
    await using first = await a.connect();
    first.send({ msgid: 1, id: user.id, token: user.token, proto: 2 });
    await claimed.promise;
    await using second = await b.client(user);
    // On the same way as the news of the takeover, and after it.
    second.send({ msgid: 21, toid: other.id, msg: "there" });
    await witness.next((m) => m.msgid === 21);
    open.resolve();
    const goodbye = await first.next((m) => m.msgid === 20);
    assertEquals([goodbye.reason, await first.closed], ["replaced", "fin"]);
    assertErrno(await second.request({ msgid: 17 }), 0);
  },

  "PRESENCE: who went with a node that stopped, and whom a killed one had left online when it is started again, is offline": async (db) => {
    await using a = await startNode(db, "a", { times: TIMES });
    await using b = await startNode(db, "b", { times: TIMES });
    const [one, other, friend] = await makeUsers(db, 3);
    const client = await a.client(one);
    await db.query("insert into node values ('killed', 1, utc_timestamp(3), utc_timestamp(3) + interval 1 hour)");
    await setHolder(db, other.id, { session: "of a former life", node: "killed" });
    await using watcher = await b.client(friend);
    for (const { id } of [one, other]) {
      const { friend } = await watcher.request({ msgid: 7, friendid: id });
      assertEquals((friend as { state: string }).state, "online");
    }
    await a.server.close();
    await client.closed;
    const stopped = await watcher.next((m) => m.msgid === 15);
    assertEquals([stopped.id, stopped.state], [one.id, "offline"]);
    await using _again = await startNode(db, "killed", { times: TIMES });
    const left = await watcher.next((m) => m.msgid === 15);
    assertEquals([left.id, left.state], [other.id, "offline"]);
  },

  "PRESENCE: who went while a LOGIN on another node waited for the database is online again with it": async (db) => {
    const watch = new StoreWatch();
    await using a = await startNode(db, "a", { times: TIMES });
    await using b = await startNode(db, "b", { times: TIMES, store: watch.wrap }, { "on-conflict": "replace" });
    const [user, friend] = await makeUsers(db, 2);
    const first = await a.client(user);
    await using watcher = await a.client(friend);
    await watcher.request({ msgid: 7, friendid: user.id });
    watch.around = async (call) => {
      if (call.name === "claim" && (call.args[0] as { takeover?: string }).takeover !== undefined) {
        await first.close();
        assertEquals((await watcher.next((m) => m.msgid === 15)).state, "offline");
      }
      return await call.run();
    };
    await using _second = await b.client(user);
    assertEquals((await watcher.next((m) => m.msgid === 15)).state, "online");
  },

  "the holder's node is asked: who answers stays, who does not is replaced there and told; friends see nothing of it": async (db) => {
    await using a = await startNode(db, "a", { times: TIMES });
    await using b = await startNode(db, "b", { times: TIMES });
    const [alive, silent, friend] = await makeUsers(db, 3);
    const held = (await a.client(alive)).answerPings();
    const dumb = await a.client(silent);
    await using watcher = await b.client(friend);
    for (const { id } of [alive, silent]) await watcher.request({ msgid: 7, friendid: id });

    const refused = await b.connect(), taken = await b.connect();
    const [first, second] = await Promise.all([
      refused.login({ id: alive.id, token: alive.token, proto: 2 }),
      taken.login({ id: silent.id, token: silent.token, proto: 2 }),
    ]);
    assertEquals([first.errno, second.errno], [2, 0]);
    assert(Math.max(refused.loginTook, taken.loginTook) < 2500, "within the probe's 1.5 s and what the machine adds");
    const goodbye = await dumb.next((m) => m.msgid === 20);
    assertEquals([goodbye.reason, goodbye.retry], ["replaced", undefined]);
    assertEquals(await dumb.closed, "fin");
    assertErrno(await held.request({ msgid: 17 }), 0);
    // Who was on node a is on node b now: what is sent there from a arrives.
    held.send({ msgid: 6, toid: silent.id, msg: "moved?" });
    assertEquals((await chats(taken, 1))[0].msg, "moved?");

    // All go. Had their friend been told of the takeover, it would come before that.
    for (const client of [held, taken, refused]) await client.close();
    const news = [await watcher.next((m) => m.msgid === 15), await watcher.next((m) => m.msgid === 15)];
    assertEquals(new Map(news.map((m) => [m.id, m.state])), new Map([[alive.id, "offline"], [silent.id, "offline"]]));
    await nothingElse(watcher);
  },
  "PRESENCE from the other node; a move within 2 s is not told": async (db) => {
    const times = { ...TIMES, news: NEWS };
    await using a = await startNode(db, "a", { times });
    await using b = await startNode(db, "b", { times });
    const [user, friend] = await makeUsers(db, 2);
    await using watcher = await a.client(friend);
    await watcher.request({ msgid: 7, friendid: user.id });
    const first = await b.client(user);
    assertEquals((await watcher.next((m) => m.msgid === 15)).state, "online");
    await first.close();
    const second = await a.client(user);
    const third = async () => {
      await second.close();
      return await b.client(user);
    };
    await using _last = await third();
    // The moves have been looked at when their 2 s are over, and so has what follows them.
    await new Promise((resolve) => setTimeout(resolve, 1.3 * NEWS));
    await nothingElse(watcher);
  },

  "PRESENCE: a kick finds its user wherever it is, and friends on the other node are told": async (db) => {
    await using a = await startNode(db, "a", { times: TIMES });
    await using b = await startNode(db, "b", { times: TIMES });
    const [user, friend] = await makeUsers(db, 2);
    await using watcher = await a.client(friend);
    await watcher.request({ msgid: 7, friendid: user.id });
    const first = await a.client(user);
    assertEquals((await watcher.next((m) => m.msgid === 15)).state, "online");
    await first.close();
    assertEquals((await watcher.next((m) => m.msgid === 15)).state, "offline");
    await using last = await b.client(user);
    assertEquals((await watcher.next((m) => m.msgid === 15)).state, "online");
    const store = await db.open();
    assert(await store.kick(user.id));
    assertEquals((await last.next((m) => m.msgid === 20)).reason, "kicked");
    assertEquals((await watcher.next((m) => m.msgid === 15)).state, "offline");
  },

  "what nobody can read, and what only a node of a later version knows, costs nothing that comes by the bus with it": async (db) => {
    await using a = await startNode(db, "a", { times: TIMES });
    const [ann, bob] = await makeUsers(db, 2);
    await using client = await a.client(ann);
    const signal = (msg: string) => ({
      type: "signal",
      from: bob.id,
      to: [ann.id],
      line: JSON.stringify({ msgid: 21, id: bob.id, toid: ann.id, msg }),
    });
    const sent = ["no JSON", [{ type: "of a later version" }, signal("1")], [{ type: "deliver" }, signal("2")], [signal("3")]];
    await publish(`natter:${new URL(db.url).pathname.slice(1)}:a`, sent.map((what) => typeof what === "string" ? what : JSON.stringify(what)));
    for (const msg of ["1", "2", "3"]) assertEquals((await client.next((m) => m.msgid === 21)).msg, msg);
  },

  "messages, group messages and signals are pushed to the other node, in order, without a look into the inbox": async (db) => {
    const watch = new StoreWatch();
    await using a = await startNode(db, "a", { times: TIMES }, { limits: "off" });
    await using b = await startNode(db, "b", { times: TIMES, store: watch.wrap });
    await passed(watch);
    const [ann, bob, cid] = await makeUsers(db, 3);
    await using onA = await a.client(ann);
    await using onB = await b.client(bob);
    await using alsoOnB = await b.client(cid);
    const { groupid } = await onA.request({ msgid: 8, groupname: "g", groupdesc: "" });
    for (const member of [onB, alsoOnB]) assertErrno(await member.request({ msgid: 9, groupid }), 0);
    // That the two came in has the first places in their logs.
    await watch.quiet();
    watch.forget();

    for (const i of upTo(100)) {
      onA.send(i % 2 ? { msgid: 6, toid: bob.id, msg: `${i}`, ref: `${i}` } : { msgid: 10, groupid, msg: `${i}`, ref: `${i}` });
    }
    for (const i of upTo(100)) assertEquals((await onA.next((m) => m.msgid === 11 && m.errno === 0)).ref, `${i}`);
    const got = await chats(onB, 100);
    assertEquals(got.map((m) => [m.seq, m.msg]), upTo(100).map((i) => [i + 2, `${i}`]));
    assertEquals((await chats(alsoOnB, 50)).map((m) => m.msg), upTo(50).map((i) => `${2 * i}`));
    await watch.quiet();
    assert(!watch.made.includes("log"), `pushed out of memory: ${watch.made}`);

    onA.send({ msgid: 21, toid: bob.id, msg: "typing" });
    assertEquals(await onB.next(), { msgid: 21, id: ann.id, toid: bob.id, msg: "typing" });
    onA.send({ msgid: 21, groupid, msg: "typing" });
    for (const member of [onB, alsoOnB]) assertEquals(await member.next(), { msgid: 21, id: ann.id, groupid, msg: "typing" });
    for (const client of [onA, onB, alsoOnB]) await nothingElse(client);
  },
});
