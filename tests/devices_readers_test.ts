// One device's frozen or slow reader is nothing to the others, costs bounded memory, and loses nothing.

import { assert, assertEquals } from "@std/assert";
import { databaseTest } from "./support/databases.ts";
import { loginDevice, makeDevices } from "./support/devices.ts";
import { startProxy } from "./support/proxy.ts";
import { RawClient } from "./support/raw_client.ts";
import { COLLECT_EARLY, residentMemory, spawnServer, startServer } from "./support/server.ts";

const COUNT = 10_000, LENGTH = 2500, WINDOW = 200;
/** All that waits for the two kept in memory is 22 to 27 MiB; as it is, at most 9 (bytes). */
const MOST_GROWTH = 16 * 1024 * 1024;
const text = (i: number) => String(i).padEnd(LENGTH, ".");

databaseTest(`devices: one frozen, one that reads a byte at a time, one that reads: ${COUNT} messages of 2.5 KB`, async (db) => {
  await (await startServer(db)).server.close();
  await using server = await spawnServer(db, { limits: "off" }, { cheap: true, v8: COLLECT_EARLY });
  const [frozen, slow, quick] = await makeDevices(server, 3);
  const [from] = await makeDevices(server, 1);
  const { client: sender } = await loginDevice(server, from!);
  const { client: stopped } = await loginDevice(server, frozen!);
  const { client: reading } = await loginDevice(server, quick!);
  // A byte goes through, then nothing until it is let.
  await using proxy = await startProxy({ hostname: "127.0.0.1", port: server.port });
  const { client: crawling } = await loginDevice({ connect: () => RawClient.connect(proxy.port) }, slow!);
  const crawl = Promise.withResolvers<"pass">();
  proxy.inspect = ({ direction }) => direction === "down" ? crawl.promise : "pass";
  stopped.pause();
  try {
    const send = async (from: number, to: number) => {
      for (let i = from; i < to; i++) {
        sender.send({ msgid: 6, toid: quick!.user.id, msg: text(i), ref: i });
        if (i - from >= WINDOW) assertEquals((await sender.next((m) => m.ref === i - WINDOW)).errno, 0);
      }
      for (let i = Math.max(from, to - WINDOW); i < to; i++) assertEquals((await sender.next((m) => m.ref === i)).errno, 0);
    };
    const read = async (client: RawClient, from: number, to: number) => {
      for (let i = from; i < to; i++) {
        const message = await client.next((m) => m.msgid === 6, 30_000);
        assertEquals([message.seq, message.msg?.length], [i + 1, LENGTH]);
        if (message.msg !== text(i)) assertEquals(message.msg, text(i));
        if (i % 100 === 99) client.send({ msgid: 12, seq: message.seq });
      }
    };
    // The heap's young generation gets its size first.
    await Promise.all([send(0, COUNT / 4), read(reading, 0, COUNT / 4)]);
    const before = await residentMemory(server);
    await Promise.all([send(COUNT / 4, COUNT), read(reading, COUNT / 4, COUNT)]);
    const growth = await residentMemory(server) - before;
    assert(growth < MOST_GROWTH, `memory grew by ${Math.round(growth / 1024 / 1024)} MiB`);

    crawl.resolve("pass");
    stopped.resume();
    await Promise.all([read(stopped, 0, COUNT), read(crawling, 0, COUNT)]);
  } finally {
    crawl.resolve("pass");
    await Promise.all([sender, stopped, reading, crawling].map((client) => client.close()));
  }
});
