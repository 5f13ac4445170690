// Who gets a device, where several nodes ask one MySQL database, and links break.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { StoreUnavailable } from "../src/store/store.ts";
import { addUsers } from "./support/databases.ts";
import { hold, mysqlTest } from "./support/mysql.ts";
import { runOut, twoNodes, WRITES } from "./support/mysql_nodes.ts";
import { claim, proved, tryClaim } from "./support/stores.ts";

const text = new TextDecoder("latin1");

mysqlTest("while the lease holds, the account is held, and names its node", async (t) => {
  const { a, b, users: [ada], admin } = await twoNodes(t);
  await claim(a, ada, "a1");
  assertEquals(await tryClaim(b, ada, "b1"), { result: "held", session: "a1", node: "a" });
  assertEquals(await b.sweep(), []);
  assertEquals(await b.holder(ada, 0), { session: "a1", node: "a" });
  const [row] = await admin.query(
    `SELECT u.state, n.name, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), n.lease_until) / 1e6 AS lease FROM user u JOIN device d ON d.userid = u.id JOIN node n ON n.name = d.node AND n.incarnation = d.incarnation WHERE u.id = ${ada}`,
  );
  assertEquals([row.state, row.name], ["online", "a"]);
  assert(Number(row.lease) > 5 && Number(row.lease) <= 10, `the lease is ${row.lease} s`);
});

mysqlTest("a claim that waited for its user while its node was reaped is fenced", async (t) => {
  const { a, b, users: [ada], admin } = await twoNodes(t);
  const reaper = await t.admin();
  await admin.query("START TRANSACTION");
  await admin.query(`SELECT id FROM user WHERE id = ${ada} FOR UPDATE`);
  const claiming = tryClaim(a, ada, "late");
  await admin.lockWaits(1);
  await runOut(reaper, "a");
  assertEquals(await b.sweep(), []);
  await admin.query("COMMIT");
  assertEquals(await claiming, { result: "fenced" });
  assertEquals(await b.holder(ada, 0), undefined);
});

mysqlTest("a claim that slipped in beside a reaping is kept by its node, or swept", async (t) => {
  const { b, users: [ada], admin } = await twoNodes(t);
  const a = await t.openProxied();
  await a.join("c");
  for (const kept of [true, false]) {
    // It has looked at its lease, and writes after the reaping.
    const writing = hold(t.proxy, WRITES);
    const claiming = tryClaim(a, ada, "late");
    await writing.there;
    await runOut(admin, "c");
    assertEquals(await b.sweep(), []);
    writing.go();
    assertEquals((await claiming).result, "claimed");
    assertEquals(await b.holder(ada, 0), { session: "late", node: "c" });
    if (!kept) assertEquals(await b.sweep(), [ada]);
    assertEquals(await a.renew(), false);
    assertEquals(await a.rejoin(kept ? proved({ userId: ada, device: 0, session: "late" }) : []), []);
    assertEquals(await b.sweep(), []);
    assertEquals(await b.holder(ada, 0), kept ? { session: "late", node: "c" } : undefined);
    await a.release([{ userId: ada, device: 0, session: "late", lastseen: 1 }]);
  }
});

mysqlTest("a claim that has looked is the one that gets the device: another node's waits, and hears who holds it", async (t) => {
  const { b, users: [ada], admin } = await twoNodes(t);
  const a = await t.openProxied();
  await a.join("through the proxy");
  const writing = hold(t.proxy, WRITES);
  const first = tryClaim(a, ada, "a1");
  await writing.there;
  const second = tryClaim(b, ada, "b1");
  await admin.lockWaits(1);
  writing.go();
  assertEquals((await first).result, "claimed");
  assertEquals(await second, { result: "held", session: "a1", node: "through the proxy" });
  assertEquals((await tryClaim(b, ada, "b2", { takeover: "a1" })).result, "claimed");
  assertEquals((await b.holder(ada, 0))?.session, "b2");
});

mysqlTest("claims of one moment: each has its own answer, and only the user whose row is locked waits", async (t) => {
  const { a, b, users: [ada, bob, cy], admin } = await twoNodes(t);
  await claim(b, bob, "b1");
  await admin.query("START TRANSACTION");
  await admin.query(`SELECT id FROM user WHERE id = ${cy} FOR UPDATE`);
  let late = false;
  const ask = (userId: number, session: string) => a.claim({ userId, session, proof: { version: 1 }, device: 0, address: "", at: 1 });
  const locked = ask(cy, "a3").finally(() => late = true);
  const [nobody, free, held] = await Promise.all([ask(cy + 1000, "a4"), ask(ada, "a1"), ask(bob, "a2")]);
  assertEquals([nobody, free.result, held], [{ result: "refused", errno: "INVALID" }, "claimed", { result: "held", session: "b1", node: "b" }]);
  assertEquals([late, await a.renew()], [false, true]);
  await admin.query("COMMIT");
  assertEquals((await locked).result, "claimed");
});

mysqlTest("a claim whose link broke before it wrote changed nothing, and none waits for it", async (t) => {
  const { b, users: [ada] } = await twoNodes(t);
  const a = await t.openProxied();
  await a.join("through the proxy");
  t.proxy.inspect = ({ direction, data }) => direction === "up" && WRITES.test(text.decode(data)) ? "cut" : "pass";
  await assertRejects(() => tryClaim(a, ada, "lost"), StoreUnavailable);
  await claim(b, ada, "b1");
});

mysqlTest("a claim whose answer was lost is found among the node's sessions, and released", async (t) => {
  const a = await t.openProxied();
  await a.join("a");
  const [ada] = await addUsers(a, "ada");
  const admin = await t.admin();
  t.proxy.inspect = ({ direction, data }) => direction === "up" && WRITES.test(text.decode(data)) ? "passAndCut" : "pass";
  await assertRejects(() => tryClaim(a, ada, "lost"), StoreUnavailable);
  t.proxy.inspect = undefined;
  await admin.until(`SELECT id FROM user WHERE id = ${ada} AND state = 'online'`, 1);
  assertEquals(await a.sessions({ userId: 0, device: 0 }, 10), [{ userId: ada, device: 0, session: "lost", lastSeq: 0 }]);
  await a.release([{ userId: ada, device: 0, session: "lost", lastseen: 5 }]);
  assertEquals(await a.holder(ada, 0), undefined);
});
