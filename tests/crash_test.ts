// A server that was killed leaves nobody online: the next one sets them offline before it accepts the first connection.

import { assertEquals } from "@std/assert";
import { databaseTest } from "./support/databases.ts";
import { RawClient } from "./support/raw_client.ts";
import { countOnline, makeUsers, spawnServer, startServer, type TestUser } from "./support/server.ts";

const ONLINE = 500;
/** So many log in at the same moment: how long they would all take is not what is asked here. */
const WAVE = 50;

databaseTest(`crash: SIGKILL of the server with ${ONLINE} online: 0 are online before the next ready line, and all may log in`, async (db) => {
  await (await startServer(db)).server.close();
  const users = await makeUsers(db, ONLINE) as TestUser[];
  const login = async (port: number, { id, token }: TestUser) => {
    const client = await RawClient.connect(port);
    assertEquals((await client.login({ id, token, proto: 2 })).errno, 0);
    return client;
  };
  const all = async (port: number) => {
    const clients: RawClient[] = [];
    for (let i = 0; i < ONLINE; i += WAVE) clients.push(...await Promise.all(users.slice(i, i + WAVE).map((user) => login(port, user))));
    return clients;
  };
  await using first = await spawnServer(db, { limits: "off" });
  const clients = await all(first.port);
  assertEquals(await countOnline(db), ONLINE);
  await first.stop("SIGKILL");
  await Promise.all(clients.map((client) => client.close()));
  assertEquals(await countOnline(db), ONLINE, "nobody was there to set them offline");

  await using second = await spawnServer(db, { limits: "off" });
  assertEquals(await countOnline(db), 0);
  const back = await all(second.port);
  assertEquals(await countOnline(db), ONLINE);
  await Promise.all(back.map((client) => client.close()));
});
