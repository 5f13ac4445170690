// A log that cannot be read is read again; but by nobody who is gone, and by no server that is closed.

import { assertEquals } from "@std/assert";
import { StoreUnavailable } from "../src/store/store.ts";
import { StoreWatch } from "./support/around_store.ts";
import { assertErrno } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import { makeUsers, startServer, type TestUser } from "./support/server.ts";

databaseTest(
  "delivery: what could not be read comes a second later; a reading that fails when the server has closed is not tried again",
  async (db) => {
    const watch = new StoreWatch();
    const failing = Promise.withResolvers<void>();
    let readings = 0;
    watch.around = async (call) => {
      if (call.name !== "log") return await call.run();
      if (++readings === 1) throw new StoreUnavailable("not now");
      if (readings === 2) return await call.run();
      await failing.promise;
      throw new StoreUnavailable("the store is closed");
    };
    await using server = await startServer(db, {}, { store: watch.wrap });
    const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using sender = await server.client(ada);
    assertErrno(await sender.request({ msgid: 6, toid: bob.id, msg: "one" }), 0);
    await using first = await server.client(bob);
    assertEquals((await first.next((m) => m.msgid === 6)).msg, "one");
    assertEquals(readings, 2);
    await first.close();

    await using _second = await server.client(bob);
    while (readings < 3) await new Promise<void>((resolve) => setImmediate(resolve));
    await server.server.close();
    failing.resolve();
    await watch.quiet();
    assertEquals(readings, 3);
  },
);
