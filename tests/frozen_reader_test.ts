// A reader that froze and was then reset has missed nothing when it is back.

import { assertEquals } from "@std/assert";
import { databaseTest } from "./support/databases.ts";
import type { Message } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf, type TestUser } from "./support/server.ts";

const COUNT = 100;

for (const modern of [true, false]) {
  databaseTest(
    `frozen reader, ${modern ? "modern" : "classic"}: ${COUNT} acknowledged, then reset: ${COUNT} of ${COUNT} after the next login`,
    async (db) => {
      await using s = await startServer(db, { limits: "off" });
      const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
      const fields = modern ? { proto: 2 } : {};
      await using sender = await s.client(ada);
      const frozen = await s.client(bob, fields);
      frozen.pause();
      for (let i = 0; i < COUNT; i++) sender.send({ msgid: 6, toid: bob.id, msg: `m${i}`, ref: i });
      for (let i = 0; i < COUNT; i++) assertEquals((await sender.next((m) => m.ref === i)).errno, 0);
      await frozen.rst();
      await eventually(async () => await stateOf(db, bob.id) === "offline", "the reset was noticed");

      await using back = await s.connect();
      const ack = await back.login({ id: bob.id, token: bob.token, ...fields });
      assertEquals(ack.errno, 0);
      const messages = ((ack.offlinemsg ?? []) as string[]).map((text) => JSON.parse(text) as Message);
      while (messages.length < COUNT) messages.push(await back.next((m) => m.msgid === 6));
      assertEquals(messages.map((m) => m.msg), Array.from({ length: COUNT }, (_, i) => `m${i}`));
    },
  );
}
