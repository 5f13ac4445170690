// Logins that meet: of one user at the same moment, on one connection, while another is alive. Those that die: login_death_test.ts.

import { assert, assertEquals } from "@std/assert";
import type { Connection } from "../src/net/connection.ts";
import type { Session } from "../src/net/session.ts";
import { isAlive } from "../src/presence/probe.ts";
import { standStill } from "./support/clock.ts";
import { databaseTest, onceTest, waitingDatabaseTest } from "./support/databases.ts";
import type { RawClient } from "./support/raw_client.ts";
import { countOnline, eventually, makeUsers, setHolder, startServer, stateOf, type TestServer, type TestUser } from "./support/server.ts";

/** Answers every PING, as a client that is alive does. */
async function answerPings(client: RawClient): Promise<void> {
  for await (const message of client) if (message.msgid === 13) client.send({ msgid: 14 });
}

/** Logs in on several connections at once. @returns the answers' errnos, and the connections, in the same order */
async function race(s: TestServer, user: TestUser, kinds: object[]): Promise<{ errnos: number[]; clients: RawClient[] }> {
  const clients = await Promise.all(kinds.map(() => s.connect()));
  kinds.forEach((kind, i) => clients[i]!.send({ msgid: 1, id: user.id, token: user.token, ...kind }));
  const acks = await Promise.all(clients.map(async (client) => {
    const ack = await client.next((m) => m.msgid === 2);
    void answerPings(client);
    return ack;
  }));
  return { errnos: acks.map((ack) => ack.errno!), clients };
}

const modern = { proto: 2 }, classic = {};

databaseTest("login race: of 4 logins of one user at the same moment exactly one wins, 100 rounds", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const users = await makeUsers(db, 5);
  for (let round = 0; round < 20; round++) {
    await Promise.all(users.map(async (user) => {
      const { errnos, clients } = await race(s, user, [modern, modern, modern, modern]);
      assertEquals(errnos.toSorted(), [0, 2, 2, 2]);
      assertEquals(await stateOf(db, user.id), "online");
      await Promise.all(clients.map((client) => round % 2 ? client.close() : client.rst()));
    }));
  }
  await eventually(async () => await countOnline(db) === 0, "all offline", 1000);
});

databaseTest("login race: classic and modern clients at once: exactly one wins", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const users = await makeUsers(db, 6);
  await Promise.all(users.map(async (user) => {
    const { errnos, clients } = await race(s, user, [classic, modern, classic, modern]);
    assertEquals(errnos.toSorted(), [0, 2, 2, 2]);
    await Promise.all(clients.map((client) => client.close()));
  }));
});

databaseTest("login race: by --on-conflict refuse one wins, by replace the last one, and the others are told", async (db) => {
  {
    await using s = await startServer(db, { "on-conflict": "refuse", limits: "off" });
    const [user] = await makeUsers(db, 1, "refused");
    const { errnos, clients } = await race(s, user!, [modern, classic, modern, classic]);
    assertEquals(errnos.toSorted(), [0, 2, 2, 2]);
    for (const client of clients) await client.close();
  }
  await using s = await startServer(db, { "on-conflict": "replace", limits: "off" });
  const [user] = await makeUsers(db, 1, "replaced");
  const clients = await Promise.all(Array.from({ length: 4 }, () => s.connect()));
  for (const client of clients) client.send({ msgid: 1, id: user!.id, token: user!.token, ...modern });
  const isOver = (client: RawClient) => client.backlog.some((m) => m.msgid === 20);
  await eventually(() => clients.filter(isOver).length === 3, "three are replaced");
  const winner = clients.find((client) => !isOver(client))!;
  assertEquals((await winner.next()).errno, 0);
  assertEquals((await winner.request({ msgid: 17 })).errno, 0);
  for (const client of clients.filter(isOver)) {
    const goodbye = await client.next((m) => m.msgid === 20);
    assertEquals([goodbye.reason, goodbye.retry, await client.closed], ["replaced", undefined, "fin"]);
  }
  assertEquals(await stateOf(db, user!.id), "online");
  await winner.close();
});

databaseTest("login: two on one connection: errno 21, also in one write", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [a, b] = await makeUsers(db, 2);
  await using client = await s.client(a!);
  const again = await client.login({ id: b!.id, token: b!.token, proto: 2 });
  assertEquals([again.msgid, again.errno], [2, 21]);
  assertEquals((await client.login({ id: a!.id, token: a!.token })).errno, 21, "as the same user too");
  assertEquals([await stateOf(db, a!.id), await stateOf(db, b!.id)], ["online", "offline"]);
  assertEquals((await client.request({ msgid: 17 })).errno, 0, "the session goes on");
  await client.close();

  await using both = await s.connect();
  const lines = [a!, b!].map((user, i) => JSON.stringify({ msgid: 1, id: user.id, token: user.token, proto: 2, ref: i }) + "\n");
  both.sendBytes(lines.join(""));
  assertEquals([await both.next(), await both.next()].map((m) => [m.ref, m.errno]), [[0, 0], [1, 21]]);
  assertEquals(await stateOf(db, b!.id), "offline");
});

databaseTest("login: a second one while the first is alive: errno 2, modern and classic", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const users = await makeUsers(db, 4);
  await Promise.all(users.map(async (user, i) => {
    const [held, coming] = [i % 2 ? modern : classic, i < 2 ? modern : classic];
    await using holder = await s.client(user, held);
    void answerPings(holder);
    await using client = await s.connect();
    for (let tries = 0; tries < 2; tries++) {
      const ack = await client.login({ id: user.id, token: user.token, ...coming });
      assertEquals([ack.msgid, ack.errno, ack.errmsg], [2, 2, "this account is using, input another!"]);
    }
    assertEquals(await stateOf(db, user.id), "online");
    // The holder goes, and the one that was refused gets in on the same connection.
    await holder.close();
    assertEquals((await client.login({ id: user.id, token: user.token, ...coming })).errno, 0);
  }));
});

waitingDatabaseTest("login: a holder that says nothing is replaced, and told", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [user] = await makeUsers(db, 1);
  await using frozen = await s.client(user!);
  await using client = await s.connect();
  const begun = performance.now();
  assertEquals((await client.login({ id: user!.id, token: user!.token, proto: 2 })).errno, 0);
  const given = performance.now() - begun;
  assert(given > 1400 && client.loginTook < 3000, `it was given ${given} ms`);
  const goodbye = await frozen.next((m) => m.msgid === 20);
  assertEquals([goodbye.reason, goodbye.retry], ["replaced", undefined]);
  assertEquals(await frozen.closed, "fin");
  assertEquals(await stateOf(db, user!.id), "online");
  assertEquals((await client.request({ msgid: 17 })).errno, 0);
});

onceTest("login: what a holder has said while the process did not run counts, though it is read later", async () => {
  const connection: Partial<Connection> = { ending: false, inputEnded: false, busy: false, send: () => true };
  const alive = isAlive({ connection, modern: true, welcomed: true } as unknown as Session);
  // Read in the same turn as the timer that is due before, and behind it.
  setTimeout(() => connection.onSign?.("heard"), 1510);
  standStill(1900);
  assertEquals(await alive, true);
});

databaseTest("login: a session that its node does not hold is no conflict, whatever the mode", async (db) => {
  for (const mode of ["probe", "refuse", "replace"]) {
    await using s = await startServer(db, { "on-conflict": mode, limits: "off" });
    const [user] = await makeUsers(db, 1, mode);
    await setHolder(db, user!.id, { session: "nobody", node: "test" });
    await using client = await s.client(user!);
    assertEquals((await client.request({ msgid: 17 })).errno, 0);
  }
});
