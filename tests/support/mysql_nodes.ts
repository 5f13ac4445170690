// Nodes of one cluster, as far as the database knows them: stores that have joined.

import { assertEquals } from "@std/assert";
import type { Store } from "../../src/store/store.ts";
import { addUsers } from "./databases.ts";
import type { Admin, MysqlTest } from "./mysql.ts";

/** What a transaction on users sends last. */
export const WRITES = /(INSERT INTO device|UPDATE user).*COMMIT/s;

/** Nodes a and b, three users, and a look into the database. */
export async function twoNodes(t: MysqlTest): Promise<{ a: Store; b: Store; users: number[]; admin: Admin }> {
  const [a, b] = [await t.open(), await t.open()];
  assertEquals((await a.join("a")).length, 0);
  assertEquals((await b.join("b")).length, 0);
  return { a, b, users: await addUsers(a, "ada", "bob", "cy"), admin: await t.admin() };
}

/** Lets the lease of a node run out. */
export async function runOut(admin: Admin, node: string): Promise<void> {
  await admin.query(`UPDATE node SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE name = '${node}'`);
}
