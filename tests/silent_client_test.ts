// A client that is gone without a word: no FIN, no RST, nothing. A proxy that stops forwarding stands for the pulled cable.

import { assert, assertEquals } from "@std/assert";
import { Awake } from "./support/awake.ts";
import { clockAhead, clockStopped } from "./support/clock.ts";
import { databaseTest, waitingDatabaseTest } from "./support/databases.ts";
import { startProxy } from "./support/proxy.ts";
import { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf, type TestUser } from "./support/server.ts";

/** `--heartbeat` of these tests (ms). */
const HEARTBEAT = 1000;
/** A returning user is in after this long at most (ms). */
const RETURN = 2000;
/** PRESENCE comes 2 to 3 s after the change (ms); what a busy machine adds is not the server's. */
const NEWS = 3000, SLACK = 500;

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function loginThrough(port: number, { id, token }: TestUser, fields: object): Promise<RawClient> {
  const client = await RawClient.connect(port);
  assertEquals((await client.login({ id, token, ...fields })).errno, 0);
  return client.answerPings();
}

waitingDatabaseTest(
  "silent: offline after two heartbeats, friends know 2 s later; at any moment of that time the user is in again within 2 s",
  async (db) => {
    await using s = await startServer(db, { heartbeat: HEARTBEAT / 1000 });
    await using proxy = await startProxy({ hostname: "127.0.0.1", port: s.port });
    const [friend, last, ...users] = await makeUsers(db, 17) as [TestUser, TestUser, ...TestUser[]];
    /** When each comes back, after it fell silent (ms); the others never do. */
    const returns = [0, 200, 500, 900, 1000, 1100, 1500, 1900, 2000, 2100];
    const away = users.slice(returns.length);

    await using watcher = (await s.client(friend)).answerPings();
    for (const user of [last, ...users]) assertEquals((await watcher.request({ msgid: 7, friendid: user.id })).errno, 0);
    await using clients = new AsyncDisposableStack();
    for (const user of users) clients.use(await loginThrough(proxy.port, user, { proto: 2 }));
    // All have been asked, and have answered; what friends were told of their coming is over.
    for (const { id } of users) assertEquals((await watcher.next((m) => m.msgid === 15 && m.id === id)).state, "online");

    proxy.freeze();
    const frozen = performance.now();
    using awake = new Awake();
    const back = Promise.all(returns.map(async (moment, i) => {
      await delay(Math.max(0, moment - (performance.now() - frozen)));
      const { loginTook } = clients.use(await loginThrough(s.port, users[i]!, { proto: 2 }));
      assert(loginTook <= RETURN, `a login ${moment} ms after the silence began took ${loginTook} ms`);
    }));

    const ids = away.map((user) => user.id).join();
    const offline = async () => (await db.query(`select id from user where state = 'offline' and id in (${ids})`)).length;
    await eventually(async () => await offline() > 0, "the first is offline", 2 * HEARTBEAT + 1000);
    const first = performance.now() - frozen;
    assert(first >= HEARTBEAT, `they were given ${first} ms`);
    await eventually(async () => await offline() === away.length, "all are offline", 2 * HEARTBEAT + 1000 - awake.ms);
    const seen = awake.ms;
    await back;
    // What friends are told of this login comes after whatever they are told of those before.
    await using _marker = (await s.client(last)).answerPings();

    const news = await Promise.all(away.map(({ id }) => watcher.next((m) => m.msgid === 15 && m.id === id, NEWS + SLACK)));
    assert(awake.ms - seen <= NEWS + SLACK);
    const rows = await db.query(`select id, lastseen from user where id in (${ids})`) as { id: number; lastseen: number }[];
    for (const { id, lastseen } of rows) assertEquals(news.find((m) => m.id === id), { msgid: 15, id, state: "offline", lastseen });
    // Before the list, which would be no news after it.
    assertEquals((await watcher.next((m) => m.msgid === 15 && m.id === last.id)).state, "online");
    const { friends } = await watcher.request({ msgid: 17 }) as unknown as { friends: { id: number; state: string; lastseen: number | null }[] };
    for (const { id, lastseen } of rows) {
      const entry = friends.find((f) => f.id === id);
      assertEquals([entry?.state, entry?.lastseen], ["offline", lastseen]);
    }
    // Those who came back never were away, for all that friends know.
    assertEquals(watcher.backlog, []);
    const [{ n }] = await db.query(`select count(*) as n from user where state = 'online'`) as [{ n: number }];
    assertEquals(n, 2 + returns.length);
  },
);

databaseTest("silent: a classic client stays, is in use for 30 s, and is replaced by a login after that", async (db) => {
  using clock = clockStopped();
  await using s = await startServer(db);
  await using proxy = await startProxy({ hostname: "127.0.0.1", port: s.port });
  const [user] = await makeUsers(db, 1) as [TestUser];
  await using old = await loginThrough(proxy.port, user, {});
  proxy.freeze();
  const attempt = async () => {
    await using client = await s.connect();
    return (await client.login({ id: user.id, token: user.token, proto: 2 })).errno;
  };
  assertEquals(await attempt(), 2);
  clock.by(29_000);
  assertEquals(await attempt(), 2);
  assertEquals(await stateOf(db, user.id), "online");

  clock.by(1500);
  await using client = await s.client(user);
  assert(client.loginTook <= RETURN);
  assertEquals(await stateOf(db, user.id), "online");
  proxy.thaw();
  // GOODBYE is not for classic clients.
  await old.closed;
  assertEquals(old.backlog, []);
  assertEquals(await stateOf(db, user.id), "online");
  assertEquals((await client.request({ msgid: 17 })).errno, 0);
});

databaseTest("silent: a classic client without a login is asked every five minutes, and stays, however long it says nothing", async (db) => {
  using clock = clockAhead();
  await using s = await startServer(db, { heartbeat: HEARTBEAT / 1000 });
  const [user] = await makeUsers(db, 1) as [TestUser];
  await using client = await s.client(user, {});
  clock.by(4.9 * 60_000);
  await delay(100);
  assertEquals(client.lines, 1);
  for (const minutes of [5.1, 60, 600]) {
    clock.by(minutes * 60_000);
    assertEquals(await client.next(), { msgid: 13 });
  }
  assertEquals(await stateOf(db, user.id), "online");
  assertEquals((await client.request({ msgid: 17 })).errno, 0);
});
