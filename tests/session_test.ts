// The lecture, end to end: register, log in, be online; go in any way, be offline; come back at once.

import { assertEquals } from "@std/assert";
import { databaseTest } from "./support/databases.ts";
import { eventually, startServer, stateOf } from "./support/server.ts";

databaseTest("register, log in, go, come back", async (db) => {
  await using s = await startServer(db);
  await using a = await s.connect();
  const { id, errno } = await a.register("张三 👩‍🚀", "secret") as { id: number; errno: number };
  assertEquals(errno, 0);
  assertEquals(await stateOf(db, id), "offline");
  const ack = await a.login({ name: "张三 👩‍🚀", password: "secret", proto: 2 });
  assertEquals(ack.errno, 0);
  assertEquals(await stateOf(db, id), "online");
  await a.close();
  await eventually(async () => await stateOf(db, id) === "offline", "offline after FIN", 1000);
  await using b = await s.connect();
  assertEquals((await b.login({ id, token: ack.token as string, proto: 2 })).errno, 0);
});
