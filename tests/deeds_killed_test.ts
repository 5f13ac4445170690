// The server is killed before and after each step of what is said, edited, reacted to, deleted, read and confirmed: who had no answer asks again, and every device
// ends with the same, each thing once.

import { assert, assertEquals } from "@std/assert";
import { databaseTest } from "./support/databases.ts";
import { makeDevices } from "./support/devices.ts";
import type { Message } from "./support/raw_client.ts";
import { Reader } from "./support/reader.ts";
import { type ServerProcess, spawnServer } from "./support/server.ts";
import { shownOf } from "./support/shown.ts";

/** A round has as many steps that write or read the log for somebody, and some more. */
const STEPS = 8;

databaseTest("deeds: the server dies at each of its steps, and every device shows each message once, as it is at the end", async (db) => {
  const deaths = Array.from({ length: STEPS }, (_, i) => [`before:${i + 1}`, `after:${i + 1}`]).flat();
  let process: ServerProcess = await spawnServer(db, { limits: "off" }, { cheap: true });
  const server = { connect: () => process.connect() };
  let died = 0;
  try {
    const [ada, bob] = [await makeDevices(server, 2), await makeDevices(server, 2)];
    const readers = [...ada, ...bob].map((device) => new Reader(server, device));
    const [ada1, ada2, bob1, bob2] = readers as [Reader, Reader, Reader, Reader];
    await process.stop("SIGKILL");

    const start = async (dies: string | undefined) => {
      for (const reader of readers) await reader.leave("close");
      process = await spawnServer(db, { limits: "off" }, { dies });
      for (const reader of readers) await reader.client();
    };
    /** Asks until there is an answer, by as many servers as that takes; meanwhile every device confirms what it was told. */
    const insist = async (reader: Reader, request: object): Promise<Message> => {
      for (;;) {
        const client = await reader.client();
        try {
          const answer = await client.request(request);
          assertEquals(answer.errno, 0, JSON.stringify([request, answer]));
          for (const each of readers) {
            const other = await each.client();
            each.take(other);
            other.send({ msgid: 12, seq: each.screen.seq });
          }
          return answer;
        } catch (error) {
          if (!String(error).includes("connection")) throw error;
          await process.process.status;
          died++;
          await start(deaths.shift());
        }
      }
    };

    await start(deaths.shift());
    let rounds = 0;
    for (; deaths.length > 0; rounds++) {
      assert(rounds < 40, `${deaths.length} deaths are left`);
      const toBob = { toid: bob1.device.user.id }, toAda = { toid: ada1.device.user.id };
      const { messageid } = await insist(ada1, { msgid: 6, ...toBob, msg: "first", mid: `a${rounds}` });
      await insist(bob1, { msgid: 27, messageid, emoji: "👍" });
      await insist(ada2, { msgid: 25, messageid, msg: "second" });
      const reply = await insist(bob2, { msgid: 6, ...toAda, msg: "reply", reply: messageid, mid: `b${rounds}` });
      await insist(ada1, { msgid: 25, messageid, msg: "third" });
      await insist(bob1, { msgid: 26, messageid: reply.messageid });
      await insist(ada2, { msgid: 29, ...toBob, messageid: reply.messageid });
    }
    await process.stop("SIGKILL");
    await start(undefined);
    assert(died >= 2 * STEPS - 1, `it died ${died} times`);
    for (const [reader, place] of readers.map((reader) => [reader, { toid: (ada.includes(reader.device) ? bob1 : ada1).device.user.id }] as const)) {
      const client = await reader.finish();
      const shown = await shownOf(client, place);
      assertEquals(reader.screen.conversation(place), shown);
      const all = [...shown.values()];
      assertEquals(all.length, 2 * rounds);
      assertEquals(all.filter(({ msg, reactions }) => msg === "third" && reactions["👍"] === 1).length, rounds);
      assertEquals(all.filter(({ deleted, reply }) => deleted && reply !== undefined).length, rounds);
    }
    for (const reader of readers) await reader.leave("close");
  } finally {
    await process.stop("SIGKILL");
  }
});
