// SQLite puts nothing in order that has texts in it: where it must sort, it reads all of them before it gives the first, and a page of four long messages costs what a
// hundred cost.

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals } from "@std/assert";
import { Query } from "../src/search/tokenizer.ts";
import { addUsers, testDatabase } from "./support/databases.ts";
import { addDevice, group, stored } from "./support/stores.ts";

/** The statements that are prepared meanwhile, each with how SQLite would go about it. */
async function plansOf(work: () => Promise<void>): Promise<Map<string, string[]>> {
  const { prepare } = DatabaseSync.prototype;
  const plans = new Map<string, string[]>();
  DatabaseSync.prototype.prepare = function (sql, ...options) {
    if (/^\s*SELECT/.test(sql)) plans.set(sql, prepare.call(this, `EXPLAIN QUERY PLAN ${sql}`).all().map(({ detail }) => String(detail)));
    return prepare.call(this, sql, ...options);
  };
  try {
    await work();
  } finally {
    DatabaseSync.prototype.prepare = prepare;
  }
  return plans;
}

Deno.test("sqlite: pages of conversations, of what was found, and of a log read texts in the order of an index", async () => {
  await using t = await testDatabase("sqlite");
  const plans = await plansOf(async () => {
    const store = await t.open();
    await store.join("n1");
    const [ada, bob] = await addUsers(store, "ada", "bob") as [number, number];
    const groupid = await group(t, store, ada, bob);
    const phone = await addDevice(store, bob, "phone");
    const { messageid } = await stored(store, { sender: ada, toid: bob, msg: "hello", ts: 1 });
    await stored(store, { sender: ada, groupid, msg: "hello all", ts: 2 });
    while ((await store.index()).more);
    for (const target of [{ toid: ada }, { groupid }]) {
      for (const part of [{}, { before: messageid }, { after: messageid }, { around: messageid }]) {
        for (const stones of [false, true]) assert(typeof await store.history(bob, target, part, 50, 1e6, stones) === "object");
      }
    }
    assertEquals((await store.search({ userId: bob, query: new Query("hello"), of: undefined, from: undefined, before: undefined }, 10)).length, 2);
    assertEquals((await store.log(phone.userId, 0, 10, 1e6)).length, 2);
    assertEquals((await store.talks(bob, 10)).talks.length, 2);
  });
  const texts = [...plans].filter(([sql]) => /\bm\.msg\b/.test(sql));
  assert(texts.length >= 8, `only ${texts.length} statements that read texts`);
  assertEquals(texts.filter(([, plan]) => plan.some((step) => step.includes("TEMP B-TREE"))), []);
});
