// A client that sends without waiting is read only as fast as its messages are stored: bounded memory, nothing lost, and others hardly notice.

import { assert, assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { databaseTest, waitingDatabaseTest } from "./support/databases.ts";
import { RawClient } from "./support/raw_client.ts";
import { COLLECT_EARLY, eventually, makeUsers, residentMemory, spawnServer, startServer, stateOf, type TestUser } from "./support/server.ts";

const COUNT = 20_000, MIB = 1024 * 1024;
/** All of it waiting inside takes 49 to 73 MiB; as it is, 8 to 17 (bytes). */
const MOST_GROWTH = 32 * MIB;
/** What a server that reads no further has taken, the kernel's buffers on both ends included (bytes). */
const MOST_TAKEN = 12 * MIB;
/** The others' answers, one at a time (ms): half of them, and 95 of 100, come within this. On two idle cores it is 3 and 10. */
const P50 = 150, P95 = 1000;

const text = (i: number) => String(i).padEnd(1000, ".");
const chats = (to: TestUser, from: number, count: number) =>
  Array.from({ length: count }, (_, i) => JSON.stringify({ msgid: 6, toid: to.id, msg: text(from + i), ref: from + i }) + "\n").join("");

/** A client of its own process that sends them all as fast as they are taken. @returns the answers */
async function flood(port: number, { id, token }: TestUser, to: TestUser): Promise<string[]> {
  const script = new URL("./support/flooding_client.ts", import.meta.url).pathname;
  const args = ["run", "-A", "--quiet", script, ...[port, id, token, to.id, COUNT].map(String)];
  const { code, stdout } = await new Deno.Command(Deno.execPath(), { args, stdin: "null", stderr: "inherit" }).output();
  assertEquals(code, 0);
  return new TextDecoder().decode(stdout).trimEnd().split("\n").slice(1);
}

/** Sends and waits for the answer, over and over, until `stop` resolves. @returns how long each answer took (ms), the quickest first */
async function talk(client: RawClient, to: TestUser, stop: Promise<unknown>): Promise<number[]> {
  const took: number[] = [];
  let going = true;
  stop.then(() => going = false, () => going = false);
  while (going) {
    const begun = performance.now();
    assertEquals((await client.request({ msgid: 6, toid: to.id, msg: "hello" })).errno, 0);
    took.push(performance.now() - begun);
  }
  return took.sort((a, b) => a - b);
}

databaseTest(
  `fast sender: ${COUNT} messages of 1 KB without waiting: memory is bounded, all are stored once, in order, others talk on`,
  async (db) => {
    await (await startServer(db)).server.close();
    const [ada, bob, eve, fay] = await makeUsers(db, 4) as [TestUser, TestUser, TestUser, TestUser];
    await using server = await spawnServer(db, { limits: "off" }, { v8: COLLECT_EARLY });
    await using other = await RawClient.connect(server.port);
    assertEquals((await other.login({ id: eve.id, token: eve.token, proto: 2 })).errno, 0);
    // Before measuring: the young generation of the server's heap has its size.
    for (let i = 0; i < 4000; i += 200) {
      other.sendBytes(chats(fay, i, 200));
      for (let k = i; k < i + 200; k++) assertEquals((await other.next((m) => m.ref === k)).errno, 0);
    }
    const before = await residentMemory(server);
    let most = before;
    const watching = setInterval(async () => most = Math.max(most, await residentMemory(server)), 20);
    const flooding = flood(server.port, ada, bob);
    const [answers, took] = await Promise.all([flooding, talk(other, fay, flooding)]).finally(() => clearInterval(watching));
    assert(most - before < MOST_GROWTH, `memory grew by ${Math.round((most - before) / MIB)} MiB`);
    const [p50, p95] = [0.5, 0.95].map((p) => took[Math.floor(took.length * p)]!) as [number, number];
    assert(p50 < P50 && p95 < P95, `others waited ${Math.round(p50)} ms in the middle, ${Math.round(p95)} ms at the 95th percentile`);
    for (const [i, answer] of answers.entries()) {
      if (!answer.startsWith(`{"msgid":11,"ref":${i},"errno":0,`)) {
        assertEquals(answer, `the answer to ${i}`);
      }
    }
    const rows = await db.query(`select msg from message where toid = ${bob.id} order by id`);
    assertEquals(rows.length, COUNT);
    for (const [i, { msg }] of rows.entries()) if (msg !== text(i)) assertEquals(msg, text(i));
  },
);

waitingDatabaseTest("fast sender: while nothing can be stored it is not read, nor taken for silent, and its account is in use", async (db) => {
  const HEARTBEAT = 1000;
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off", heartbeat: HEARTBEAT / 1000 }, { store: watch.wrap });
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using sender = (await s.client(ada)).answerPings();
  const held = Promise.withResolvers<void>();
  watch.around = async (call) => {
    if (call.name === "append") await held.promise;
    return await call.run();
  };
  let taken = 0;
  const sending = (async () => {
    for (let i = 0; i < COUNT; i += 100) {
      const lines = chats(bob, i, 100);
      sender.sendBytes(lines);
      await sender.flushed();
      taken += lines.length;
    }
  })();
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  // Before that it may be asked, as everybody is who says nothing for a while: a busy machine lets it.
  for (let before = -1; before !== taken; await pause(100)) before = taken;
  const { lines } = sender;
  // Three heartbeats: what the client says after all this stands behind it, unread.
  await pause(3 * HEARTBEAT);
  assert(taken < MOST_TAKEN, `the server has taken ${Math.round(taken / MIB)} MiB`);
  assertEquals(sender.lines, lines, "it was asked");
  await using second = await s.connect();
  assertEquals((await second.login({ id: ada.id, token: ada.token, proto: 2 })).errno, 2);
  assertEquals(await stateOf(db, ada.id), "online");
  held.resolve();
  for (let i = 0; i < COUNT; i++) {
    const answer = await sender.next((m) => m.msgid === 11);
    if (answer.ref !== i || answer.errno !== 0) assertEquals(answer, { msgid: 11, ref: i, errno: 0 });
  }
  await sending;
  // And then it is asked as everybody is.
  sender.pause();
  await eventually(async () => await stateOf(db, ada.id) === "offline", "silent", 10 * HEARTBEAT);
});
