// The contract of the store, on both databases: invitations, and names that look the same.

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import type { Store } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";

const hash = (code: string) => createHash("sha256").update(code).digest();
const user = (name: string, look = name) => ({ name, key: name, password: "secret", look });
const invite = (store: Store, code: string, uses: number, expires = 1000, inviter?: number) =>
  store.addInvite({ hash: hash(code), inviter, uses, expires }, 0, 2);

databaseTest("an invitation lets in as many as it says, until it expires, and is gone then", async (t) => {
  const store = await t.open();
  assertEquals(await invite(store, "a", 2), "OK");
  assertEquals(await store.isInvited(hash("a"), 999), true);
  assertEquals(await store.isInvited(hash("a"), 1000), false);
  assertEquals(await store.isInvited(hash("b"), 0), false);
  assertEquals(await store.createInvited(hash("b"), 0, user("eve")), "NOT_INVITED");
  assertEquals(await store.createInvited(hash("a"), 1000, user("eve")), "NOT_INVITED");
  assertEquals(typeof await store.createInvited(hash("a"), 999, user("ada")), "number");
  // A name that is taken, or looks like one that is, uses nothing.
  assertEquals(await store.createInvited(hash("a"), 0, user("ada")), "INVALID");
  assertEquals(await store.createInvited(hash("a"), 0, user("àda", "ada")), "INVALID");
  assertEquals(typeof await store.createInvited(hash("a"), 0, user("bob")), "number");
  assertEquals(await store.createInvited(hash("a"), 0, user("cy")), "NOT_INVITED");
  assertEquals(await t.query("select count(*) as n from invite"), [{ n: 0 }]);
  await invite(store, "old", 1, 500);
  await invite(store, "older", 1, 400);
  await invite(store, "new", 1, 501);
  await store.expireInvites(500, 1);
  assertEquals(await store.isInvited(hash("new"), 0), true);
  assertEquals(await t.query("select count(*) as n from invite"), [{ n: 1 }]);
});

databaseTest("an invitation is used as often as it says, however many come at once on however many nodes", async (t) => {
  const stores = [await t.open(), await t.open()];
  for (const uses of [1, 3]) {
    const code = `code${uses}`;
    await invite(stores[0]!, code, uses);
    const asked = Array.from({ length: 16 }, (_, i) => stores[i % 2]!.createInvited(hash(code), 0, user(`${code}_${i}`)));
    const outcomes = await Promise.all(asked);
    assertEquals(outcomes.filter((outcome) => typeof outcome === "number").length, uses);
    assertEquals(outcomes.filter((outcome) => outcome === "NOT_INVITED").length, 16 - uses);
    assertEquals(await t.query(`select count(*) as n from user where name like '${code}%'`), [{ n: uses }]);
  }
});

databaseTest("what one user may invite by is bounded, also at once on two nodes; the operator is not", async (t) => {
  const stores = [await t.open(), await t.open()];
  const [ada, bob] = await addUsers(stores[0]!, "ada", "bob");
  const outcomes = await Promise.all(Array.from({ length: 8 }, (_, i) => invite(stores[i % 2]!, `a${i}`, 1, 1000, ada)));
  assertEquals(outcomes.filter((outcome) => outcome === "OK").length, 2);
  assertEquals(await invite(stores[0]!, "b", 1, 1000, bob), "OK");
  for (let i = 0; i < 3; i++) assertEquals(await invite(stores[0]!, `o${i}`, 1), "OK");
  // What has expired does not count.
  assertEquals(await stores[0]!.addInvite({ hash: hash("later"), inviter: ada, uses: 1, expires: 3000 }, 2000, 2), "OK");
});

databaseTest("of names that look the same one is given, however many ask at once", async (t) => {
  const stores = [await t.open(), await t.open()];
  const ids = await Promise.all(Array.from({ length: 8 }, (_, i) => stores[i % 2]!.createUser(`n${i}`, `n${i}`, "secret", "look")));
  assertEquals(ids.filter((id) => id !== undefined).length, 1);
  assert(await stores[0]!.createUser("other", "other", "secret", "other look") !== undefined);
});
