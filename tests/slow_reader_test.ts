// A reader that takes nothing costs bounded memory, loses nothing, and is not cut.

import { assert, assertEquals } from "@std/assert";
import { databaseTest } from "./support/databases.ts";
import { RawClient } from "./support/raw_client.ts";
import { COLLECT_EARLY, makeUsers, residentMemory, spawnServer, startServer, type TestUser } from "./support/server.ts";

const COUNT = 20_000, WINDOW = 500;
/** All of it kept in memory is 15 to 24 MiB; as it is, at most 4 (bytes). */
const MOST_GROWTH = 10 * 1024 * 1024;

databaseTest(`slow reader: ${COUNT} messages of 1 KB to one who takes nothing, then all of them on the same connection`, async (db) => {
  await (await startServer(db)).server.close();
  const [ada, bob, eve] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
  await using server = await spawnServer(db, { limits: "off" }, { v8: COLLECT_EARLY });
  const login = async (user: TestUser) => {
    const client = (await RawClient.connect(server.port)).answerPings();
    assertEquals((await client.login({ id: user.id, token: user.token, proto: 2 })).errno, 0);
    return client;
  };
  await using sender = await login(ada);
  await using reader = await login(bob);
  const text = (i: number) => String(i).padEnd(1000, ".");
  const send = async (to: TestUser, from: number, count: number) => {
    for (let i = from; i < from + count; i++) {
      sender.send({ msgid: 6, toid: to.id, msg: text(i), ref: i });
      if (i - from >= WINDOW) assertEquals((await sender.next((m) => m.ref === i - WINDOW)).errno, 0);
    }
    for (let i = Math.max(from, from + count - WINDOW); i < from + count; i++) assertEquals((await sender.next((m) => m.ref === i)).errno, 0);
  };
  // Before measuring, the server has done the same for somebody who is away: the young generation of its heap has its size.
  await send(eve, 0, COUNT);
  const before = await residentMemory(server);
  reader.pause();
  await send(bob, 0, COUNT);
  const growth = await residentMemory(server) - before;
  assert(growth < MOST_GROWTH, `memory grew by ${Math.round(growth / 1024 / 1024)} MiB`);

  reader.resume();
  for (let i = 0; i < COUNT; i++) {
    const message = await reader.next((m) => m.msgid === 6);
    assertEquals(message.seq, i + 1);
    if (message.msg !== text(i)) assertEquals(message.msg, text(i));
  }
});
