// What waits for a user is read to their devices as fast as they take it, but not over and over.

import { assert, assertEquals } from "@std/assert";
import { testDatabase } from "./support/databases.ts";
import { makeUsers, startServer, type TestUser } from "./support/server.ts";

/** What may be read at once, what comes back in a ms, and what one read of the log may take beyond: entries, each KiB of which counts as one more. */
const AT_ONCE = 20_000, REFILL = 1, PAGE = 200 + 257;
const WAITING = 90, KIB = 60;

Deno.test("limits: who logs in over and over with the same messages waiting is read to more slowly, and misses none", async () => {
  await using db = await testDatabase("sqlite");
  const [user, sender] = await makeUsers(db, 2) as [TestUser, TestUser];
  const store = await db.open();
  const texts = Array.from({ length: WAITING }, (_, i) => `${i} `.padEnd(KIB * 1024 - 200, "x"));
  for (const [ts, msg] of texts.entries()) await store.append([{ sender: sender.id, toid: user.id, msg, ts }]);
  await store.close();
  await using server = await startServer(db, { "on-conflict": "replace" });
  const begun = performance.now();
  for (let login = 1; login <= 4; login++) {
    await using client = await server.client(user, { proto: 3 });
    for (const text of texts) assertEquals((await client.next((m) => m.msgid === 6)).msg, text);
    const read = login * WAITING * (KIB - 1), allowed = AT_ONCE + PAGE + REFILL * (performance.now() - begun);
    assert(read <= allowed, `${read} read, of ${allowed} at most`);
  }
});
