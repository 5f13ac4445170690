// --keep-days: what is old and waits for nobody is forgotten; what waits stays, however old.

import { assertEquals } from "@std/assert";
import { databaseTest } from "./support/databases.ts";
import { eventually, makeUsers, startServer, type TestUser } from "./support/server.ts";

databaseTest("retention: old messages that were confirmed go, those that wait stay; expired tokens go", async (db) => {
  await using s = await startServer(db, { "keep-days": 1 }, { times: { retention: 50 } });
  const [ada, bob, eve] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
  const store = await db.open();
  const old = Date.now() - 2 * 24 * 3600_000;
  const texts = async (peer: number) => (await store.history({ userId: ada.id, peer }, undefined, 10, 1e6)).messages.map((m) => m.msg);
  await store.append([
    { sender: ada.id, toid: bob.id, msg: "old, confirmed", ts: old },
    { sender: ada.id, toid: bob.id, msg: "new", ts: Date.now() },
    { sender: ada.id, toid: eve.id, msg: "old, waits", ts: old },
  ]);
  await using client = await s.client(bob);
  await client.next((m) => m.msg === "new");
  client.send({ msgid: 12, seq: 2 });
  await eventually(async () => (await texts(bob.id)).length === 1, "the old one is gone");
  assertEquals(await texts(bob.id), ["new"]);
  assertEquals(await texts(eve.id), ["old, waits"]);
  await store.extendToken((await import("../src/auth/tokens.ts")).hashToken(eve.token)!, Date.now() - 1);
  await eventually(async () => Number((await db.query("select count(*) as n from token"))[0]?.n) === 2, "the expired token is gone");
});
