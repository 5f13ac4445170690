// What nodes tell one another while the bus is away is lost, and what is to be told while the database cannot say where: sessions know all the same, afterwards, whom
// their users block, which groups they are in, and who of their friends is there.

import { assertEquals } from "@std/assert";
import type { Bus } from "../src/cluster/bus.ts";
import { joinRedis } from "../src/cluster/redis.ts";
import type { JoinBus } from "../src/cluster/router.ts";
import { StoreWatch } from "./support/around_store.ts";
import { assertErrno, nothingElse } from "./support/chat.ts";
import type { TestDatabase } from "./support/databases.ts";
import { loginDevice, makeDevices, type TestDevice } from "./support/devices.ts";
import { proxied, spawnNode, startNode, waitingClusterTests } from "./support/nodes.ts";
import { RawClient } from "./support/raw_client.ts";
import { redisUrl } from "./support/redis.ts";
import { eventually, makeUsers, type TestServer, type TestUser } from "./support/server.ts";

interface Cut {
  a: TestServer;
  b: TestServer;
  /** Of ann, on node a and on node b. */
  onA: RawClient;
  onB: RawClient;
  ann: TestDevice["user"];
  others: TestUser[];
  /** What node a asks of its store. */
  watch: StoreWatch;
  /** Redis is back for the node that had lost it: when nothing is left that node a would tell the other one by it then. */
  heal(): Promise<void>;
}

/** Ann is on both nodes, and does something while one of the two has no Redis; `before` while both have it. */
async function cutOff(
  db: TestDatabase,
  which: "a" | "b",
  before: (t: Omit<Cut, "heal">) => Promise<void>,
  meanwhile: (t: Cut) => Promise<void>,
): Promise<void> {
  const { proxy: started, url } = await proxied(redisUrl);
  await using proxy = started;
  const watch = new StoreWatch();
  let bus: Bus | undefined;
  const prefix = `natter:${new URL(db.url).pathname.slice(1)}:`;
  const overrides = (node: string) =>
    node === which ? { bus: (...[name, listener]: Parameters<JoinBus>) => bus = joinRedis(url, prefix, name, listener) } : {};
  await using a = await startNode(db, "a", { store: watch.wrap, ...overrides("a") }, { limits: "off" });
  await using b = await startNode(db, "b", overrides("b"), { limits: "off" });
  const others = await makeUsers(db, 2);
  const [phone, laptop] = await makeDevices(b, 2) as [TestDevice, TestDevice];
  const { client: onA } = await loginDevice(a, phone);
  const { client: onB } = await loginDevice(b, laptop);
  const t = { a, b, onA, onB, ann: phone.user, others, watch };
  await before(t);
  proxy.refuse = true;
  proxy.cut();
  await eventually(() => bus!.ping().then(() => false, () => true), `${which} has lost the bus`);
  const heal = async () => {
    await watch.quiet();
    proxy.refuse = false;
  };
  await meanwhile({ ...t, heal });
  for (const client of [onA, onB]) await client.close();
}

/** Until what one says by SIGNAL comes, or comes no more. */
async function signalled(from: RawClient, to: RawClient, signal: object, comes: boolean): Promise<void> {
  await eventually(async () => {
    from.send({ msgid: 21, msg: "typing", ...signal });
    return (await to.next((m) => m.msgid === 21, 300).catch(() => undefined) !== undefined) === comes;
  }, `signals ${comes ? "come" : "come no more"}`);
}

/** A client is told once to ask for all that may be another. */
async function toldToAskAgain(client: RawClient): Promise<void> {
  const told: unknown[] = [];
  while (told.length < 4) told.push((await client.next((m) => m.msgid === 30)).what);
  assertEquals(told.toSorted(), ["contacts", "conversations", "devices", "profile"]);
}

const tests = (which: "a" | "b") => ({
  [`${which} was cut off: who is blocked on one is blocked on the other`]: (db: TestDatabase) =>
    cutOff(db, which, async () => {}, async ({ b, onA, onB, ann, others: [bob], heal }) => {
      await using bobs = await b.client(bob!);
      assertErrno(await onA.request({ msgid: 23, userid: bob!.id, ref: 1 }), 0);
      await signalled(bobs, onB, { toid: ann.id }, true);
      await heal();
      await toldToAskAgain(onB);
      await signalled(bobs, onB, { toid: ann.id }, false);
    }),

  [`${which} was cut off: who came into a group on one is in it on the other`]: async (db: TestDatabase) => {
    let groupid = 0;
    const make = async ({ b, others: [bob] }: Pick<Cut, "b" | "others">) => {
      await using bobs = await b.client(bob!);
      ({ groupid } = await bobs.request({ msgid: 8, groupname: "g", groupdesc: "" }) as { groupid: number });
    };
    await cutOff(db, which, make, async ({ b, onA, onB, others: [bob], heal }) => {
      await using bobs = await b.client(bob!);
      assertErrno(await onA.request({ msgid: 9, groupid, ref: 1 }), 0);
      assertErrno(await onB.request({ msgid: 21, groupid, msg: "typing", ref: 2 }), 18);
      await heal();
      await toldToAskAgain(onB);
      await signalled(bobs, onB, { groupid }, true);
      await signalled(onB, bobs, { groupid }, true);
    });
  },

  [`${which} was cut off: clients are told to ask for contacts, read marks and all else`]: async (db: TestDatabase) => {
    let messageid = 0;
    await cutOff(db, which, async ({ b, onA, onB, ann, others: [bob] }) => {
      await using bobs = await b.client(bob!);
      ({ messageid } = await bobs.request({ msgid: 6, toid: ann.id, msg: "hello", ref: 1 }) as { messageid: number });
      for (const client of [onA, onB]) await client.next((m) => m.msgid === 6);
    }, async ({ onA, onB, others: [bob, cid], heal }) => {
      assertErrno(await onA.request({ msgid: 7, friendid: cid!.id, ref: 1 }), 0);
      assertErrno(await onA.request({ msgid: 29, toid: bob!.id, messageid, ref: 2 }), 0);
      await nothingElse(onB);
      await heal();
      await toldToAskAgain(onB);
      const { friends } = await onB.request({ msgid: 17, ref: 3 }) as unknown as { friends: { id: number }[] };
      assertEquals(friends.map(({ id }) => id), [cid!.id]);
      const { conversations } = await onB.request({ msgid: 31, ref: 4 }) as unknown as { conversations: { read: number }[] };
      assertEquals(conversations.map(({ read }) => read), [messageid]);
      if (which === "a") await toldToAskAgain(onA);
      for (const client of [onA, onB]) await nothingElse(client);
    });
  },

  [`${which} was cut off: who went on one is gone on the other`]: async (db: TestDatabase) => {
    let bobs: RawClient;
    await cutOff(db, which, async ({ a, onB, others: [bob] }) => {
      bobs = await a.client(bob!);
      const { friend } = await onB.request({ msgid: 7, friendid: bob!.id, ref: 1 });
      assertEquals((friend as { state: string }).state, "online");
    }, async ({ onB, others: [bob], watch, heal }) => {
      await bobs.close();
      await eventually(() => watch.made.includes("watchers"), "it is asked whom to tell");
      await watch.quiet();
      await nothingElse(onB);
      await heal();
      const { id, state } = await onB.next((m) => m.msgid === 15);
      assertEquals([id, state], [bob!.id, "offline"]);
    });
  },
});

/** Ann blocks bob at node a, which is cut off from its database before it has asked whom to tell of it. */
async function blockedUntold(db: TestDatabase): Promise<void> {
  const { proxy: started, url: database } = await proxied(db.url);
  await using proxy = started;
  const watch = new StoreWatch();
  await using a = await startNode(db, "a", { store: watch.wrap }, { database, limits: "off" });
  await using b = await startNode(db, "b", {}, { limits: "off" });
  const [phone, laptop] = await makeDevices(b, 2) as [TestDevice, TestDevice];
  const [bob] = await makeUsers(db, 1);
  await using onA = (await loginDevice(a, phone)).client;
  await using onB = (await loginDevice(b, laptop)).client;
  await using bobs = await b.client(bob!);
  const { friend } = await bobs.request({ msgid: 7, friendid: phone.user.id, ref: 1 });
  assertEquals((friend as { state: string }).state, "online");
  // Nothing else asks by then.
  await eventually(() => watch.made.includes("whereabouts"), "it was told that ann is here");
  await watch.quiet();
  let failed = 0;
  watch.around = async (call) => {
    if (call.name !== "whereabouts") return await call.run();
    proxy.refuse = true;
    proxy.cut();
    return await call.run().catch((error) => {
      failed++;
      throw error;
    });
  };
  assertErrno(await onA.request({ msgid: 23, userid: bob!.id, ref: 1 }), 0);
  await eventually(() => failed === 2, "it was asked where ann is, and where bob is");
  watch.around = (call) => call.run();
  proxy.refuse = false;
  await toldToAskAgain(onB);
  await toldToAskAgain(onA);
  assertEquals((await bobs.next((m) => m.msgid === 15)).state, "offline");
  await signalled(bobs, onB, { toid: phone.user.id }, false);
}

/** Ann blocks bob at node a, which is cut off from Redis by then, and dies. It is started again, or buried by the other one. */
async function diedUntold(db: TestDatabase, again: boolean): Promise<void> {
  const { proxy: started, url: redis } = await proxied(redisUrl);
  await using proxy = started;
  await using a = await spawnNode(db, "a", { redis, limits: "off", "log-level": "error" });
  await using b = await startNode(db, "b", { times: { lease: again ? 3600_000 : 0, kicks: 100 } }, { limits: "off" });
  const [phone, laptop] = await makeDevices(b, 2) as [TestDevice, TestDevice];
  const [bob] = await makeUsers(db, 1);
  const onA = (await loginDevice(a, phone)).client;
  await using onB = (await loginDevice(b, laptop)).client;
  await using bobs = await b.client(bob!);
  await signalled(bobs, onB, { toid: phone.user.id }, true);
  proxy.freeze();
  assertErrno(await onA.request({ msgid: 23, userid: bob!.id, ref: 1 }), 0);
  await a.stop("SIGKILL");
  await onA.closed;
  // What it had said is lost, and Redis knows that it has gone.
  proxy.cut();
  await nothingElse(onB);
  await using next = again ? await spawnNode(db, "a", { "log-level": "error" }) : undefined;
  if (!next) await db.query("update node set lease_until = utc_timestamp(3) where name = 'a'");
  await toldToAskAgain(onB);
  await signalled(bobs, onB, { toid: phone.user.id }, false);
}

/** A node dies, and is there again: nobody hears of those who come back as soon as they can. */
async function backSoon(db: TestDatabase): Promise<void> {
  const watch = new StoreWatch();
  const a = await spawnNode(db, "a", { "log-level": "error" });
  // News are not due before this is over.
  await using b = await startNode(db, "b", { store: watch.wrap, times: { news: 3600_000, reconcile: 3600_000 } }, { limits: "off" });
  const [ann, bob] = await makeUsers(db, 2);
  const gone = await RawClient.connect(a.port);
  await gone.login({ id: ann!.id, token: ann!.token, proto: 2 });
  await using bobs = await b.client(bob!);
  const { friend } = await bobs.request({ msgid: 7, friendid: ann!.id, ref: 1 });
  assertEquals((friend as { state: string }).state, "online");
  await eventually(() => watch.made.includes("sessions"), "the pass with which b begins");
  await a.stop("SIGKILL");
  await gone.closed;
  await watch.quiet();
  watch.forget();
  await using _again = await spawnNode(db, "a", { "log-level": "error" });
  await eventually(() => watch.made.includes("sessions"), "b is told that something was lost");
  assertEquals(watch.asked, []);
  await nothingElse(bobs);
}

waitingClusterTests("the bus is back", { ...tests("a"), ...tests("b") });

// By itself: together they would need more connections than a MariaDB has.
waitingClusterTests("what could not be told is found", {
  "the database could not say where": blockedUntold,
  "a node died, and is buried": (db) => diedUntold(db, false),
  "a node died, and is there again": (db) => diedUntold(db, true),
  "but who comes back to a node that died, and is there again, was not gone": backSoon,
});
