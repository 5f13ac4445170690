// Leases, sweeps and returns of several nodes on one MySQL database. Leases are not waited for: the tests let them run out in the database.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { StoreUnavailable } from "../src/store/store.ts";
import { addUsers } from "./support/databases.ts";
import { type Admin, mysqlTest } from "./support/mysql.ts";
import { runOut, twoNodes, WRITES } from "./support/mysql_nodes.ts";
import { addDevice, claim, hash, proved, release, tryClaim } from "./support/stores.ts";

const text = new TextDecoder("latin1");

/** As if the incarnation had begun a lease ago. */
async function age(admin: Admin, node: string): Promise<void> {
  await admin.query(`UPDATE node SET since = since - INTERVAL 11 SECOND WHERE name = '${node}'`);
}

mysqlTest("a lease that ran out: others may claim, the node itself is fenced until it renews", async (t) => {
  const { a, b, users: [ada, bob, cy], admin } = await twoNodes(t);
  await claim(a, ada, "a1");
  await claim(a, bob, "a2");
  await runOut(admin, "a");
  assertEquals(await tryClaim(a, cy, "a3"), { result: "fenced" });
  assertEquals(await tryClaim(a, ada, "a4", { takeover: "a1" }), { result: "fenced" });
  await claim(b, ada, "b1");
  assertEquals(await a.renew(), true);
  await claim(a, cy, "a3");
  assertEquals(await tryClaim(b, bob, "b2"), { result: "held", session: "a2", node: "a" });
  assertEquals(await tryClaim(a, ada, "a5"), { result: "held", session: "b1", node: "b" });
});

mysqlTest("a sweep reaps the node whose lease ran out; the node notices, and claims its sessions anew", async (t) => {
  const { a, b, users: [ada, bob, cy], admin } = await twoNodes(t);
  for (const [i, user] of [ada, bob, cy].entries()) await claim(a, user, `a${i}`);
  await runOut(admin, "a");
  assertEquals((await b.sweep()).toSorted(), [ada, bob, cy]);
  assertEquals(await b.sweep(), []);
  const [{ state, lastseen, now }] = await admin.query(`SELECT state, lastseen, UNIX_TIMESTAMP() * 1000 AS now FROM user WHERE id = ${ada}`);
  assertEquals(state, "offline");
  assert(Math.abs(Number(lastseen) - Number(now)) < 10_000);
  await claim(b, bob, "b1");
  assertEquals(await a.renew(), false);
  assertEquals(await a.renew(), false);
  assertEquals(await tryClaim(a, ada, "a9"), { result: "fenced" });
  assertEquals(
    await a.rejoin(
      proved({ userId: cy, device: 0, session: "a2" }, { userId: bob, device: 0, session: "a1" }, { userId: ada, device: 0, session: "a0" }),
    ),
    [{ userId: bob, device: 0, session: "a1" }],
  );
  assertEquals(await a.renew(), true);
  assertEquals(await a.sessions({ userId: 0, device: 0 }, 10), [{ userId: ada, device: 0, session: "a0", lastSeq: 0 }, {
    userId: cy,
    device: 0,
    session: "a2",
    lastSeq: 0,
  }]);
  await age(admin, "a");
  assertEquals(await b.sweep(), []);
  assertEquals(await b.holder(bob, 0), { session: "b1", node: "b" });
});

mysqlTest("a node that died before the database's clock was set back is reaped a lease later", async (t) => {
  const { a, b, users: [ada, bob], admin } = await twoNodes(t);
  await claim(a, ada, "a1");
  await claim(b, bob, "b1");
  // To a clock that was set back by three hours all that it said before is so much later.
  await admin.query("UPDATE node SET lease_until = lease_until + INTERVAL 3 HOUR, since = since + INTERVAL 3 HOUR");
  assertEquals(await b.renew(), true);
  assertEquals(await b.sweep(), []);
  const within = "lease_until > UTC_TIMESTAMP(3) AND lease_until <= UTC_TIMESTAMP(3) + INTERVAL 10 SECOND AND since <= UTC_TIMESTAMP(3)";
  assertEquals(await admin.query(`SELECT name, incarnation FROM node WHERE ${within} ORDER BY name`), [
    { name: "a", incarnation: 1 },
    { name: "b", incarnation: 1 },
  ]);
  // Nobody is cut who lives.
  assertEquals(await a.renew(), true);
  await admin.query("UPDATE node SET lease_until = lease_until - INTERVAL 11 SECOND WHERE name = 'a'");
  assertEquals(await b.sweep(), [ada]);
  assertEquals(await b.holder(bob, 0), { session: "b1", node: "b" });
});

mysqlTest("a reaping and a return that meet in the middle lose no session", async (t) => {
  const { a, b, users, admin } = await twoNodes(t);
  const sessions = users.map((userId) => ({ userId, device: 0, session: `a${userId}` }));
  for (let round = 0; round < 10; round++) {
    for (const { userId, session } of sessions) await claim(a, userId, session, { takeover: session });
    await runOut(admin, "a");
    // The sweep has bumped the incarnation and waits for a user; the node comes back meanwhile, and waits too.
    await admin.query("START TRANSACTION");
    await admin.query(`SELECT id FROM user WHERE id = ${users[round % 3]} FOR UPDATE`);
    const sweeping = b.sweep();
    await admin.lockWaits(1);
    assertEquals(await a.renew(), false);
    const rejoining = a.rejoin(proved(...sessions));
    await admin.lockWaits(2);
    await admin.query("COMMIT");
    assertEquals(await rejoining, []);
    assertEquals(await sweeping, []);
    assertEquals(await a.sessions({ userId: 0, device: 0 }, 10), sessions.map((s) => ({ ...s, lastSeq: 0 })));
    assertEquals(await b.sweep(), []);
    assertEquals(await a.renew(), true);
  }
});

mysqlTest("a return that was interrupted is asked for again", async (t) => {
  const a = await t.openProxied();
  const b = await t.open();
  await a.join("a");
  await b.join("b");
  const [ada] = await addUsers(b, "ada");
  const admin = await t.admin();
  await claim(a, ada, "a1");
  await runOut(admin, "a");
  assertEquals(await b.sweep(), [ada]);
  assertEquals(await a.renew(), false);
  await admin.query("START TRANSACTION");
  await admin.query(`SELECT id FROM user WHERE id = ${ada} FOR UPDATE`);
  const interrupted = assertRejects(() => a.rejoin(proved({ userId: ada, device: 0, session: "a1" })), StoreUnavailable);
  await admin.lockWaits(1);
  t.proxy.refuse = true;
  t.proxy.cut();
  await interrupted;
  t.proxy.refuse = false;
  await admin.query("COMMIT");
  assertEquals(await a.renew(), false);
  assertEquals(await a.rejoin(proved({ userId: ada, device: 0, session: "a1" })), []);
  assertEquals(await a.renew(), true);
  assertEquals(await b.holder(ada, 0), { session: "a1", node: "a" });
});

mysqlTest("a node never reaps itself", async (t) => {
  const { a, users: [ada], admin } = await twoNodes(t);
  await claim(a, ada, "a1");
  await runOut(admin, "a");
  assertEquals(await a.sweep(), []);
  assertEquals(await a.renew(), true);
  assertEquals(await a.holder(ada, 0), { session: "a1", node: "a" });
});

mysqlTest("nobody touches the sessions of a node that has just come back, for a whole lease", async (t) => {
  const { a, b, users: [ada], admin } = await twoNodes(t);
  await claim(a, ada, "a1");
  // As rejoin() finds it between its new incarnation and its first claim.
  await admin.query(
    "UPDATE node SET incarnation = incarnation + 1, since = UTC_TIMESTAMP(3), lease_until = UTC_TIMESTAMP(3) + INTERVAL 10 SECOND WHERE name = 'a'",
  );
  assertEquals(await b.sweep(), []);
  assertEquals(await a.renew(), false);
  assertEquals(await tryClaim(b, ada, "b1"), { result: "held", session: "a1", node: "a" });
  await age(admin, "a");
  assertEquals(await b.sweep(), [ada]);
});

mysqlTest("a node that dies takes its sessions along: who is there on another one stays online", async (t) => {
  const { a, b, users: [ada, bob], admin } = await twoNodes(t);
  await claim(a, ada, "a0");
  const phone = await addDevice(b, ada, "phone", "b1");
  await addDevice(a, bob, "desk", "a2");
  assertEquals((await b.whereabouts([ada, bob])).get(ada)?.nodes.toSorted(), ["a", "b"]);
  await runOut(admin, "a");
  assertEquals((await b.sweep()).toSorted(), [ada, bob]);
  assertEquals(await admin.query("SELECT state FROM user WHERE name IN ('ada', 'bob') ORDER BY id"), [{ state: "online" }, { state: "offline" }]);
  assertEquals(await b.whereabouts([ada]), new Map([[ada, { nodes: ["b"], lastseen: null }]]));
  await release(b, phone, 77);
  const [{ state, lastseen }] = await admin.query(`SELECT state, lastseen FROM user WHERE id = ${ada}`);
  // Not 77: the sweep ended another one later.
  assertEquals([state, Number(lastseen) > 77], ["offline", true]);
});

mysqlTest("what a node is asked to end outlives its reaping, is taken by it alone and once, and goes with its next life", async (t) => {
  const { a, b, users: [ada, bob, cy], admin } = await twoNodes(t);
  const desk = await addDevice(a, ada, "desk", "a1");
  await claim(b, bob, "b0");
  await claim(a, cy, "a2");
  assertEquals(await b.setClosed(ada, true), [{ ...desk, node: "a" }]);
  assertEquals(await b.kick(bob), true);
  await runOut(admin, "a");
  // The ban ended ada's.
  assertEquals(await b.sweep(), [cy]);
  assertEquals(await b.takeKicks(), [{ userId: bob, device: 0, session: "b0" }]);
  assertEquals(await a.renew(), false);
  // Its row names none, and it is not claimed anew.
  assertEquals(await a.rejoin(proved(desk, { userId: cy, device: 0, session: "a2" })), [desk]);
  assertEquals(await a.takeKicks(), [desk]);
  assertEquals([await a.takeKicks(), await b.takeKicks()], [[], []]);
  assertEquals(await a.kick(cy), true);
  await a.leave();
  const again = await t.open();
  await again.join("a");
  assertEquals(await again.takeKicks(), []);
});

mysqlTest("what was ended when a sweep had taken its session is not claimed anew by the node that comes back", async (t) => {
  const { a, b, users: [ada, bob, cy], admin } = await twoNodes(t);
  const [token, other] = [hash(1), hash(2)];
  const desk = await addDevice(a, cy, "desk", "a3", { token: { hash: token, expires: 1e15 } });
  const keys = [await claim(a, ada, "a1"), await claim(a, bob, "a2"), desk];
  await runOut(admin, "a");
  assertEquals((await b.sweep()).length, 3);
  // Nobody is asked to end a session, for no row names one.
  assertEquals(await b.setClosed(ada, true), []);
  assertEquals(await b.setPassword(bob, 1, "another", undefined), []);
  assertEquals(await a.renew(), false);
  const [one, two, three] = [...proved(...keys.slice(0, 2)), { ...desk, proof: { token } }] as const;
  assertEquals(await a.rejoin([one!, two!, { ...three!, proof: { token: other } }]), keys);
  assertEquals(await a.rejoin([three!]), []);
  assertEquals(await a.sessions({ userId: 0, device: 0 }, 10), [{ ...desk, lastSeq: 0 }]);
});

mysqlTest("what a node is asked to end is taken although the answer that it was is lost", async (t) => {
  const a = await t.openProxied();
  const b = await t.open();
  await a.join("a");
  await b.join("b");
  const [ada] = await addUsers(b, "ada");
  const key = await claim(a, ada, "a1");
  assertEquals(await b.kick(ada), true);
  let asked: number | undefined, answers = 0;
  t.proxy.inspect = ({ connection, direction, data }) => {
    if (direction === "up" && text.decode(data).includes("DELETE kick FROM")) asked ??= connection;
    return connection === asked && direction === "down" && ++answers === 1 ? "cut" : "pass";
  };
  assertEquals(await a.takeKicks(), [key]);
  assertEquals([await a.takeKicks(), answers], [[], 1]);
});

mysqlTest("who comes back renews the lease between the steps", async (t) => {
  const a = await t.openProxied();
  await a.join("a");
  const [ada] = await addUsers(a, "ada");
  await claim(a, ada, "a1");
  let renewed = false;
  t.proxy.inspect = ({ direction, data }) => {
    renewed ||= direction === "up" && text.decode(data).includes("UPDATE node SET lease_until");
    return "pass";
  };
  assertEquals(await a.rejoin(proved({ userId: ada, device: 0, session: "a1" })), []);
  assert(renewed);
});

mysqlTest("a sweep asks nothing of each node that ever was", async (t) => {
  const { a, b } = await twoNodes(t);
  const c = await t.openProxied();
  await c.join("through the proxy");
  for (const store of [a, b]) await store.leave();
  // The first time prepares.
  await c.sweep();
  let asked = 0;
  t.proxy.inspect = ({ direction }) => {
    if (direction === "up") asked++;
    return "pass";
  };
  assertEquals(await c.sweep(), []);
  assertEquals(asked, 3, "statements");
});

mysqlTest("who was swept is told of although the answer was lost", async (t) => {
  const { a, users: [ada], admin } = await twoNodes(t);
  const c = await t.openProxied();
  await c.join("through the proxy");
  await claim(a, ada, "a1");
  await runOut(admin, "a");
  t.proxy.inspect = ({ direction, data }) => direction === "up" && WRITES.test(text.decode(data)) ? "passAndCut" : "pass";
  assertEquals(await c.sweep(), [ada]);
  await admin.until(`SELECT id FROM user WHERE id = ${ada} AND state = 'offline'`, 1);
});

mysqlTest("a thousand sessions are swept, and rejoined, in chunks", async (t) => {
  const { a, b, admin } = await twoNodes(t);
  await admin.query(
    "INSERT INTO user (name, namekey, password) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) SELECT CONCAT('u', i), CONCAT('u', i), 'x' FROM n",
  );
  await admin.query("UPDATE user SET state = 'online', node = 'a'");
  await admin.query(
    "INSERT INTO device (userid, device, name, created, confirmed_seq, session, node, incarnation) SELECT id, 0, '', 1, 0, CONCAT('s', id), 'a', 1 FROM user",
  );
  const sessions = (await a.sessions({ userId: 0, device: 0 }, 5000)).map(({ userId, device, session }) => ({ userId, device, session }));
  assert(sessions.length > 1000);
  await runOut(admin, "a");
  assertEquals((await b.sweep()).length, sessions.length);
  assertEquals(await a.renew(), false);
  assertEquals(await a.rejoin(proved(...sessions.toReversed())), []);
  assertEquals((await a.sessions({ userId: 0, device: 0 }, 5000)).length, sessions.length);
  assertEquals(await (await t.open()).sweep(), []);
});
