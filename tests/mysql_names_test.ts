// The names of nodes on one MySQL database: one process has each.

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { StoreRefused, StoreUnavailable } from "../src/store/store.ts";
import { addUsers } from "./support/databases.ts";
import { mysqlTest, waitingMysqlTests } from "./support/mysql.ts";
import { twoNodes } from "./support/mysql_nodes.ts";
import { claim, tryClaim } from "./support/stores.ts";

const text = new TextDecoder("latin1");

mysqlTest("a node that leaves leaves nothing online", async (t) => {
  const { a, b, users: [ada], admin } = await twoNodes(t);
  await claim(a, ada, "a1");
  await a.leave();
  assertEquals(await tryClaim(a, ada, "a2"), { result: "fenced" });
  assertEquals(await b.sweep(), [ada]);
  const [{ lease_until }] = await admin.query("SELECT lease_until FROM node WHERE name = 'a'");
  assertEquals(lease_until, null);
});

mysqlTest("a name is waited for, and free when its holder leaves", async (t) => {
  const { a, users: [ada] } = await twoNodes(t);
  await claim(a, ada, "a1");
  const second = await t.open();
  let joined = false;
  const joining = second.join("a").finally(() => joined = true);
  const admin = await t.admin();
  await admin.until("SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User lock'", 1);
  assertEquals(joined, false);
  await a.leave();
  assertEquals((await joining).length, 1);
  assertEquals(await second.holder(ada, 0), undefined);
});

mysqlTest("names are told apart by case", async (t) => {
  const { users: [ada] } = await twoNodes(t);
  const other = await t.open();
  assertEquals((await other.join("A")).length, 0);
  await claim(other, ada, "s");
  assertEquals((await other.holder(ada, 0))?.node, "A");
});

mysqlTest("the connection that holds the name is killed: the name is taken again", async (t) => {
  const { a, users: [ada], admin } = await twoNodes(t);
  await claim(a, ada, "a1");
  for (let round = 0; round < 5; round++) {
    await admin.killAll();
    assertEquals(await a.renew(), true);
    const [{ holder }] = await admin.query("SELECT IS_USED_LOCK(CONCAT('natter.node.', SHA1(CONCAT(DATABASE(), '/', 'a')))) AS holder");
    assertNotEquals(holder, null);
  }
  assertEquals(await a.holder(ada, 0), { session: "a1", node: "a" });
});

waitingMysqlTests("what waits for names", {
  "another process took the name meanwhile: renewing and rejoining are refused": async (t) => {
    const { a, users: [ada], admin } = await twoNodes(t);
    await claim(a, ada, "a1");
    await admin.killAll();
    const second = await t.open();
    assertEquals((await second.join("a")).length, 1);
    assertEquals(await tryClaim(a, ada, "a2"), { result: "fenced" });
    await Promise.all([assertRejects(() => a.renew(), StoreRefused), assertRejects(() => a.rejoin([]), StoreRefused)]);
    await claim(second, ada, "s1");
  },
  "a cable that was cut, twice: the name is taken again although the database still sees the old connections": async (t) => {
    const a = await t.openProxied();
    await a.join("a");
    const [ada] = await addUsers(a, "ada");
    await claim(a, ada, "a1");
    await a.renew();
    const seen = new Set<number>();
    const cut = new Set<number>();
    const end = Promise.withResolvers<"drop">();
    let locking = 0;
    t.proxy.inspect = ({ connection, direction, data }) => {
      // What the client sends there is held, its end too: the database cannot know.
      if (cut.has(connection)) return direction === "up" ? end.promise : "drop";
      seen.add(connection);
      // The next connection is cut when it has asked for the name, before it hears that it has it.
      if (cut.size > 0 && direction === "up" && data.length > 0) {
        if (connection === locking) cut.add(connection);
        else if (locking === 0 && text.decode(data).includes("GET_LOCK")) locking = connection;
      }
      return "pass";
    };
    await a.renew();
    for (const connection of seen) cut.add(connection);
    await assertRejects(() => a.renew(), StoreUnavailable);
    await assertRejects(() => a.renew(), StoreUnavailable);
    assertEquals(await a.renew(), true);
    assert(cut.has(locking));
    assertEquals(await a.holder(ada, 0), { session: "a1", node: "a" });
    end.resolve("drop");
  },
});
