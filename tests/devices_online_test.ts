// A user is online exactly while a device has a session, in every state that the database is ever in; the last one to go sets the user offline.

import { assert, assertEquals } from "@std/assert";
import { databaseTest, type TestDatabase } from "./support/databases.ts";
import { loginDevice, makeDevices, presenceOf, type TestDevice } from "./support/devices.ts";
import { clusterTest, startNode } from "./support/nodes.ts";
import type { RawClient } from "./support/raw_client.ts";
import { eventually, startServer, type TestServer } from "./support/server.ts";

/** Three devices come and go at once, each as `chance` says, on the servers in turn; after each round the database is compared with what is true. */
async function comeAndGo(db: TestDatabase, servers: TestServer[], rounds: number): Promise<void> {
  const devices = await makeDevices(servers[0]!, 3);
  const { id } = devices[0]!.user;
  const here = new Map<TestDevice, RawClient>();
  let leftAt = 0;
  await eventually(async () => (await presenceOf(db, id)).state === "offline", "all devices have left");

  const move = async (device: TestDevice, round: number) => {
    const client = here.get(device);
    if (client) {
      here.delete(device);
      leftAt = Date.now();
      await (Math.random() < 0.5 ? client.close() : client.rst());
    } else {
      const server = servers[(round + device.id) % servers.length]!;
      const { client } = await loginDevice(server, device);
      here.set(device, client.answerPings());
      assertEquals((await presenceOf(db, id)).state, "online", "a device was told that it is in");
    }
  };

  let lastseen = 0;
  for (let round = 0; round < rounds; round++) {
    const moving = devices.filter(() => Math.random() < 0.7);
    let done = false;
    const moves = Promise.all(moving.map((device) => move(device, round))).finally(() => done = true);
    while (!done) {
      const { state, sessions } = await presenceOf(db, id);
      assertEquals(state, sessions > 0 ? "online" : "offline", "in between");
      // SQLite answers in the same turn of the event loop: the servers need one, too.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await moves;
    await eventually(async () => (await presenceOf(db, id)).sessions === here.size, `round ${round}: ${here.size} sessions`);
    const now = await presenceOf(db, id);
    assertEquals(now.state, here.size > 0 ? "online" : "offline");
    assert((now.lastseen ?? 0) >= lastseen, "lastseen went back");
    lastseen = now.lastseen ?? 0;
    if (here.size === 0 && moving.length > 0) assert(lastseen >= leftAt - 1, `${lastseen} is before the last device left (${leftAt})`);
  }
  for (const client of here.values()) await client.close();
  await eventually(async () => (await presenceOf(db, id)).state === "offline", "the last device has left");
}

databaseTest("devices: online exactly while one has a session, 200 rounds of three that come and go at once", async (db) => {
  await using server = await startServer(db, { limits: "off" });
  await comeAndGo(db, [server], 200);
});

clusterTest("devices: the same on two nodes, 300 rounds", async (db) => {
  await using a = await startNode(db, "a", {}, { limits: "off" });
  await using b = await startNode(db, "b", {}, { limits: "off" });
  // Three users share the rounds: as many claims and releases meet, in a third of the time. (A thousand, on the store alone: mysql_devices_test.ts.)
  await Promise.all(Array.from({ length: 3 }, () => comeAndGo(db, [a, b], 100)));
});
