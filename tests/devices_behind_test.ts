// A device that is further behind than --max-inbox, or never comes back, neither fills the log nor makes a sender fail; when it comes back, it can see that it
// missed something. What nobody has handled is never trimmed.

import { assert, assertEquals } from "@std/assert";
import { databaseTest, type TestDatabase, waitingDatabaseTest } from "./support/databases.ts";
import { loginDevice, makeDevices } from "./support/devices.ts";
import type { RawClient } from "./support/raw_client.ts";
import { eventually, startServer } from "./support/server.ts";

const MOST = 20;

interface Place {
  epoch: string;
  confirmed: number;
  last: number;
}

async function send(sender: RawClient, toid: number, count: number): Promise<number[]> {
  const errnos: number[] = [];
  for (let i = 0; i < count; i++) errnos.push((await sender.request({ msgid: 6, toid, msg: `m${i}` })).errno!);
  return errnos;
}

async function waiting(db: TestDatabase, id: number): Promise<number> {
  const [row] = await db.query(`select count(*) as n from inbox where userid = ${id}`);
  return Number(row!.n);
}

databaseTest("devices: one that stays away does not fill the log, and sees by its place that it missed something", async (db) => {
  await using server = await startServer(db, { "max-inbox": MOST, limits: "off" });
  const [away, here] = await makeDevices(server, 2);
  const [other] = await makeDevices(server, 1);
  const { id } = here!.user;
  await using sender = (await loginDevice(server, other!)).client;
  await using reader = (await loginDevice(server, here!)).client;
  for (let round = 1; round <= 5; round++) {
    assertEquals(new Set(await send(sender, id, MOST)), new Set([0]), "the one who is here confirms, so nothing is full");
    const last = round * MOST;
    for (let seq = last - MOST + 1; seq <= last; seq++) assertEquals((await reader.next((m) => m.msgid === 6)).seq, seq);
    reader.send({ msgid: 12, seq: last });
    await eventually(async () => {
      const [row] = await db.query(`select confirmed_seq from user where id = ${id}`);
      return Number(row!.confirmed_seq) === last;
    }, "confirmed");
  }
  await eventually(async () => await waiting(db, id) <= MOST, "what the one who is away would need is gone");
  const { client, ack } = await loginDevice(server, away!);
  assertEquals((ack.inbox as Place).confirmed, 5 * MOST, "it goes on from where somebody handled it");
  assertEquals((ack.inbox as Place).last, 5 * MOST);
  await send(sender, id, 1);
  assertEquals((await client.next((m) => m.msgid === 6)).seq, 5 * MOST + 1);
  await client.close();
});

databaseTest("devices: what nobody has handled stays, and then the sender is told", async (db) => {
  await using server = await startServer(db, { "max-inbox": MOST, limits: "off" });
  const devices = await makeDevices(server, 2);
  const [other] = await makeDevices(server, 1);
  const { id } = devices[0]!.user;
  await using sender = (await loginDevice(server, other!)).client;
  assertEquals(await send(sender, id, MOST + 2), [...Array(MOST).fill(0), 24, 24]);
  for (const device of devices) {
    const { client, ack } = await loginDevice(server, device);
    assertEquals((ack.inbox as Place).confirmed, 0);
    for (let seq = 1; seq <= MOST; seq++) assertEquals((await client.next((m) => m.msgid === 6)).seq, seq);
    await client.close();
  }
});

waitingDatabaseTest("devices: a reader whose place is trimmed away under it is sent away, and comes back to the right place", async (db) => {
  await using server = await startServer(db, { "max-inbox": MOST, limits: "off", "send-queue": 1024 });
  const [frozen, here] = await makeDevices(server, 2);
  const [other] = await makeDevices(server, 1);
  const { id } = here!.user;
  await using sender = (await loginDevice(server, other!)).client;
  await using reader = (await loginDevice(server, here!)).client;
  const { client: stopped } = await loginDevice(server, frozen!);
  stopped.pause();
  const long = "x".repeat(60_000);
  let last = 0;
  // More than the kernel takes for one who does not read.
  for (let i = 0; i < 8 * MOST; i++) {
    assertEquals((await sender.request({ msgid: 6, toid: id, msg: long })).errno, 0);
    last = (await reader.next((m) => m.msgid === 6)).seq!;
    reader.send({ msgid: 12, seq: last });
    if (i % 8 === 7) {
      await eventually(
        async () => Number((await db.query(`select confirmed_seq from user where id = ${id}`))[0]!.confirmed_seq) === last,
        "confirmed",
      );
    }
  }
  stopped.resume();
  const seqs: number[] = [];
  let goodbye: string | undefined;
  for await (const message of stopped) {
    if (message.msgid === 6) seqs.push(message.seq!);
    if (message.msgid === 20) goodbye = message.reason;
  }
  assertEquals(seqs, seqs.map((_, i) => i + 1), "no gap in what it was sent");
  assert(seqs.length < last);
  assertEquals(goodbye, "slow");
  const { client, ack } = await loginDevice(server, frozen!);
  assert((ack.inbox as Place).confirmed > seqs.length);
  await client.close();
});
