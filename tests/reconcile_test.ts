// Rows and table are held against each other: what does not agree is put right, and no living client is cut without need.

import { assertEquals } from "@std/assert";
import { LocalHub } from "../src/cluster/local.ts";
import type { JoinBus } from "../src/cluster/router.ts";
import { StoreWatch } from "./support/around_store.ts";
import { standStill } from "./support/clock.ts";
import { hasMysql, testDatabase, waitingDatabaseTests } from "./support/databases.ts";
import { eventually, holderOf, makeUsers, setHolder, startServer, stateOf, type TestUser } from "./support/server.ts";

const TIMES = { renew: 100, kicks: 100, reconcile: 200, news: 250 };
/** No pass but those that are asked for. */
const ON_DEMAND = { ...TIMES, reconcile: 3600_000 };

/** A bus that was away, and is back, whenever it is told to. */
function returning() {
  let back = () => {};
  const bus: JoinBus = (node, listener) => {
    back = () => listener.returned();
    return new LocalHub().join(node, listener);
  };
  return { bus, returned: () => back() };
}

/** Does something while a pass waits to begin: no pass comes between its steps. `ask` has the pass come, where none does by itself. */
async function heldPasses(watch: StoreWatch, work: () => Promise<void>, ask: () => void = () => {}): Promise<void> {
  const open = Promise.withResolvers<void>();
  watch.around = async (call) => {
    if (call.name === "sessions") await open.promise;
    return await call.run();
  };
  watch.forget();
  ask();
  await eventually(() => watch.made.includes("sessions"), "a pass");
  await work();
  open.resolve();
}

Deno.test({
  name: "reconciling: a node whose lease ran out and that was swept keeps its clients, and loses only those who moved",
  ignore: !hasMysql,
  fn: async () => {
    await using db = await testDatabase("mysql");
    await using s = await startServer(db, { node: "a" }, { times: TIMES });
    const [stays, moves] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using kept = await s.client(stays);
    await using lost = await s.client(moves);
    // As if this process had been stopped: its lease is over, another node has swept it, and one user has moved there.
    await db.query("update node set incarnation = incarnation + 1, lease_until = null where name = 'a'");
    await setHolder(db, stays.id, undefined);
    await setHolder(db, moves.id, { session: "there", node: "b" });
    assertEquals((await lost.next((m) => m.msgid === 20)).reason, "replaced");
    await eventually(async () => await stateOf(db, stays.id) === "online", "claimed anew");
    assertEquals((await kept.request({ msgid: 13 })).msgid, 14);
    assertEquals(await holderOf(db, moves.id), "there");
    // And it serves logins again.
    await kept.close();
    await using back = await s.client(stays);
    assertEquals((await back.request({ msgid: 13 })).msgid, 14);
  },
});

Deno.test({
  name: "sweeping: friends on other nodes are told who went with a node, and who is back when it lives after all",
  ignore: !hasMysql,
  fn: async () => {
    await using db = await testDatabase("mysql");
    const hub = new LocalHub();
    const bus = hub.join.bind(hub);
    const watch = new StoreWatch();
    await using a = await startServer(db, { node: "a" }, { times: TIMES, bus, store: watch.wrap });
    await using b = await startServer(db, { node: "b" }, { times: { ...TIMES, lease: 0 }, bus });
    const [user, friend] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using client = await a.client(user);
    await using watcher = await b.client(friend);
    await watcher.request({ msgid: 7, friendid: user.id });

    // As if node a were stopped: it renews no more.
    const held = Promise.withResolvers<void>(), open = Promise.withResolvers<void>();
    watch.around = async (call) => {
      if (call.name === "renew") {
        held.resolve();
        await open.promise;
      }
      return await call.run();
    };
    await held.promise;
    await db.query("update node set lease_until = utc_timestamp(3) - interval 1 second where name = 'a'");
    assertEquals((await watcher.next((m) => m.msgid === 15)).state, "offline");
    assertEquals(await stateOf(db, user.id), "offline");

    open.resolve();
    const news = await watcher.next((m) => m.msgid === 15);
    assertEquals([news.id, news.state], [user.id, "online"]);
    assertEquals(await stateOf(db, user.id), "online");
    assertEquals((await client.request({ msgid: 13 })).msgid, 14);
  },
});

Deno.test("reconciling: what was asked for before the process stood still is not forgotten", async () => {
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  const { bus, returned } = returning();
  await using _s = await startServer(db, {}, { store: watch.wrap, times: ON_DEMAND, bus });
  await eventually(() => watch.made.includes("takeKicks"), "the loop turns");
  returned();
  standStill(3 * TIMES.renew);
  await eventually(() => watch.made.includes("sessions"), "a pass");
});

waitingDatabaseTests("reconciling", {
  "a row that claims a session which the node does not hold is released, and friends are told": async (db) => {
    const watch = new StoreWatch();
    await using s = await startServer(db, {}, { store: watch.wrap, times: TIMES });
    const [user, friend] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using watcher = await s.client(friend);
    await heldPasses(watch, async () => {
      await setHolder(db, user.id, { session: "nobody", node: "test" });
      await watcher.request({ msgid: 7, friendid: user.id });
    });
    await eventually(async () => await stateOf(db, user.id) === "offline", "released");
    const news = await watcher.next((m) => m.msgid === 15);
    assertEquals([news.id, news.state], [user.id, "offline"]);
  },

  "what is lost while a pass is under way is looked for in another one, at once": async (db) => {
    const watch = new StoreWatch();
    const { bus, returned } = returning();
    await using _s = await startServer(db, {}, { store: watch.wrap, times: ON_DEMAND, bus });
    await heldPasses(watch, () => {
      watch.forget();
      returned();
      return Promise.resolve();
    }, returned);
    await eventually(() => watch.made.includes("sessions"), "another pass");
  },

  "who has gone, and waits to be set offline, is left to that": async (db) => {
    const watch = new StoreWatch();
    await using s = await startServer(db, {}, { store: watch.wrap, times: TIMES });
    const [user] = await makeUsers(db, 1) as [TestUser];
    const open = Promise.withResolvers<void>();
    let released = 0;
    watch.around = async (call) => {
      if (call.name === "release") {
        released += (call.args[0] as unknown[]).length;
        await open.promise;
      }
      return await call.run();
    };
    await (await s.client(user)).close();
    await eventually(() => released === 1, "the release");
    watch.forget();
    await eventually(() => watch.made.filter((name) => name === "sessions").length >= 2, "two passes");
    open.resolve();
    await eventually(async () => await stateOf(db, user.id) === "offline", "released");
    await watch.quiet();
    assertEquals(released, 1);
  },

  "a session whose row names another is closed": async (db) => {
    await using s = await startServer(db, {}, { times: TIMES });
    const [user, other] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using client = await s.client(user);
    await using untouched = await s.client(other);
    await setHolder(db, user.id, { session: "another", node: "elsewhere" });
    const goodbye = await client.next((m) => m.msgid === 20);
    assertEquals([goodbye.reason, goodbye.retry], ["replaced", undefined]);
    await client.closed;
    assertEquals(await holderOf(db, user.id), "another");
    assertEquals((await untouched.request({ msgid: 13 })).msgid, 14);
  },

  "a row that was set offline under a living session is claimed anew, and friends are told": async (db) => {
    const watch = new StoreWatch();
    await using s = await startServer(db, {}, { store: watch.wrap, times: TIMES });
    const [user, friend] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using watcher = await s.client(friend);
    await watcher.request({ msgid: 7, friendid: user.id });
    await using client = await s.client(user);
    assertEquals((await watcher.next((m) => m.msgid === 15)).state, "online");
    await heldPasses(watch, async () => {
      await setHolder(db, user.id, undefined);
      const [seen] = (await watcher.request({ msgid: 17 })).friends as { state: string }[];
      assertEquals(seen?.state, "offline");
    });
    await eventually(async () => await stateOf(db, user.id) === "online", "claimed anew");
    const news = await watcher.next((m) => m.msgid === 15);
    assertEquals([news.id, news.state], [user.id, "online"]);
    assertEquals((await client.request({ msgid: 13 })).msgid, 14);
    await client.close();
    await eventually(async () => await stateOf(db, user.id) === "offline", "and offline when it goes");
  },

  "a message whose wake-up was lost is delivered": async (db) => {
    await using s = await startServer(db, {}, { times: TIMES });
    const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using client = await s.client(bob);
    const store = await db.open();
    await store.append([{ sender: ada.id, toid: bob.id, msg: "from elsewhere", ts: Date.now() }]);
    assertEquals((await client.next((m) => m.msgid === 6)).msg, "from elsewhere");
  },

  "the lease is renewed while a sweep, or a pass, takes long": async (db) => {
    for (const slow of ["sweep", "sessions"] as const) {
      const watch = new StoreWatch();
      const open = Promise.withResolvers<void>();
      watch.around = async (call) => {
        if (call.name === slow) await open.promise;
        return await call.run();
      };
      await using _s = await startServer(db, {}, { store: watch.wrap, times: { ...TIMES, lease: 0 } });
      try {
        await eventually(() => watch.made.includes(slow), slow);
        watch.forget();
        await eventually(() => watch.made.filter((name) => name === "renew").length >= 2, "renewed");
      } finally {
        open.resolve();
      }
    }
  },
});
