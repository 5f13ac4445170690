// A node is cut off from Redis, from MySQL, from both: the other one keeps all promises, this one says that it cannot now, and all is well by itself afterwards.

import { assert, assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { assertErrno, chats, nothingElse } from "./support/chat.ts";
import type { TestDatabase } from "./support/databases.ts";
import { proxied, startNode, waitingClusterTests } from "./support/nodes.ts";
import type { Proxy } from "./support/proxy.ts";
import type { RawClient } from "./support/raw_client.ts";
import { redisUrl } from "./support/redis.ts";
import { eventually, makeUsers, type TestServer, type TestUser } from "./support/server.ts";

/** Passes of reconciling are short enough for a test, and longer than what goes by the bus. */
const TIMES = { reconcile: 700, kicks: 100 };

interface Cut {
  a: TestServer;
  b: TestServer;
  users: TestUser[];
  /** On a, on b, on b. */
  ann: RawClient;
  bob: RawClient;
  cid: RawClient;
  redis: Proxy;
  mysql: Proxy;
  watch: StoreWatch;
  db: TestDatabase;
}

/** Node a by way of proxies, node b straight. */
function cut(fn: (t: Cut) => Promise<void>): (db: TestDatabase) => Promise<void> {
  return async (db) => {
    const toRedis = await proxied(redisUrl), toMysql = await proxied(db.url);
    await using redis = toRedis.proxy, mysql = toMysql.proxy;
    const watch = new StoreWatch();
    await using a = await startNode(db, "a", { times: TIMES }, { redis: toRedis.url, database: toMysql.url });
    await using b = await startNode(db, "b", { times: TIMES, store: watch.wrap });
    const users = await makeUsers(db, 4);
    await using ann = (await a.client(users[0])).answerPings();
    await using bob = (await b.client(users[1])).answerPings();
    await using cid = (await b.client(users[2])).answerPings();
    const t = { a, b, users, ann, bob, cid, redis, mysql, watch, db };
    await byBus(t);
    await fn(t);
    await byBus(t);
    for (const client of [ann, bob, cid]) await nothingElse(client);
  };
}

/** Resolves when messages go both ways by the bus: pushed, without a look into the log. */
async function byBus({ ann, bob, users, watch }: Cut): Promise<void> {
  await eventually(
    async () => {
      watch.forget();
      await talk(ann, bob, users[1]);
      return !watch.made.includes("log");
    },
    "messages go by the bus",
  );
  await talk(bob, ann, users[0]);
}

let count = 0;

/** A message is acknowledged and arrives, once. */
async function talk(from: RawClient, to: RawClient, receiver: TestUser): Promise<void> {
  const msg = `${++count}`;
  assertErrno(await from.request({ msgid: 6, toid: receiver.id, msg }), 0);
  assertEquals((await chats(to, 1))[0].msg, msg);
}

/** Nothing but resets from now on, or as before again. */
function broken(proxy: Proxy, broken: boolean): void {
  proxy.refuse = broken;
  if (broken) proxy.cut();
}

/** The login of a user on a node, and the connection, which the caller closes. */
async function tryLogin(node: TestServer, { id, token }: TestUser) {
  const client = await node.connect();
  const { errno, retry } = await client.login({ id, token, proto: 2 });
  return { client, errno, retry };
}

/** The other node does all it should. */
async function allWell({ b, bob, cid, users }: Cut): Promise<void> {
  await talk(bob, cid, users[2]);
  const { client, errno } = await tryLogin(b, users[3]);
  assertEquals(errno, 0);
  await talk(client, bob, users[1]);
  await client.close();
}

/** On the node that is cut off from MySQL nothing is acknowledged. */
async function refused({ a, ann, users }: Cut): Promise<void> {
  const answer = await ann.request({ msgid: 6, toid: users[1].id, msg: "lost" });
  assertErrno(answer, 19);
  assert(answer.retry! > 0);
  const { client, errno, retry } = await tryLogin(a, users[3]);
  assertEquals(errno, 19);
  assert(retry! > 0);
  await client.close();
}

waitingClusterTests("cut off", {
  "from Redis: messages come by way of the inbox, both ways; a user who is on that node stays there": cut(async (t) => {
    broken(t.redis, true);
    await Promise.all([talk(t.ann, t.bob, t.users[1]), talk(t.bob, t.ann, t.users[0])]);
    await allWell(t);
    // Nobody can ask whether Ann is alive, but her node is: it holds its name.
    const { client, errno } = await tryLogin(t.b, t.users[0]);
    assertEquals(errno, 2);
    await client.close();
    broken(t.redis, false);
  }),
  "from MySQL: errors with retry there, everything on the other node; then the same with Redis": cut(async (t) => {
    broken(t.mysql, true);
    await refused(t);
    await allWell(t);
    // Ann's node answers for her.
    const { client, errno } = await tryLogin(t.b, t.users[0]);
    assertEquals(errno, 2);
    await client.close();
    // What is stored elsewhere meanwhile is pushed all the same.
    await talk(t.bob, t.ann, t.users[0]);
    broken(t.mysql, false);
    await eventually(async () => (await t.ann.request({ msgid: 6, toid: t.users[1].id, msg: "back" })).errno === 0, "the database is back");
    await chats(t.bob, 1);
    broken(t.redis, true);
    await talk(t.ann, t.bob, t.users[1]);
    broken(t.redis, false);
  }),
  "from both: errors with retry there; a user of that node is let in elsewhere at once, the others stay": cut(async (t) => {
    await using dan = await t.a.client(t.users[3]);
    for (const proxy of [t.redis, t.mysql]) broken(proxy, true);
    assertErrno(await t.ann.request({ msgid: 6, toid: t.users[1].id, msg: "lost" }), 19);
    await talk(t.bob, t.cid, t.users[2]);
    let moved: RawClient | undefined;
    const took = await eventually(async () => {
      const { client, errno } = await tryLogin(t.b, t.users[3]);
      if (errno === 0) moved = client;
      else await client.close();
      return errno === 0;
    }, "Dan is let in");
    assert(took < 5000, `long before the lease is over: ${took} ms`);
    await talk(t.bob, moved!, t.users[3]);
    for (const proxy of [t.redis, t.mysql]) broken(proxy, false);
    await eventually(async () => {
      const { errno } = await t.ann.request({ msgid: 6, toid: t.users[1].id, msg: "back" });
      return errno === 0;
    }, "the database is back");
    await chats(t.bob, 1);
    // Dan's first session finds out that it is over.
    assertEquals((await dan.next((m) => m.msgid === 20)).reason, "replaced");
    await moved!.close();
  }),
});
