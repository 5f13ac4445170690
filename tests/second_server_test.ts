// Two servers of one name, or on one file, cannot be: the second one refuses to start, and says why.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { StoreRefused } from "../src/store/store.ts";
import { databaseTest } from "./support/databases.ts";
import { makeUsers, startServer, stateOf, type TestUser } from "./support/server.ts";

databaseTest("second server: refused with the reason, and the first one's users stay online", async (db) => {
  await using s = await startServer(db);
  const [user] = await makeUsers(db, 1) as [TestUser];
  await using client = await s.client(user);
  const error = await assertRejects(() => startServer(db, {}, { times: { name: 1000 } }), StoreRefused);
  const reason = db.kind === "sqlite" ? /is in use by another natter/ : /another natter named "test" runs on this database/;
  assert(reason.test(error.message), error.message);
  assertEquals((await client.request({ msgid: 13 })).msgid, 14);
  assertEquals(await stateOf(db, user.id), "online");
});
