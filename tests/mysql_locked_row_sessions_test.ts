// A row of one user that somebody else holds holds up nobody else who logs in, departs or confirms.

import { assert, assertEquals } from "@std/assert";
import type { UserId } from "../src/store/store.ts";
import { assertErrno, chats, upTo } from "./support/chat.ts";
import { addUsers } from "./support/databases.ts";
import { type MysqlTest, mysqlTest, waitingMysqlTests } from "./support/mysql.ts";
import { hold, say, SOON } from "./support/held_rows.ts";
import { eventually, makeUsers, startServer, stateOf } from "./support/server.ts";
import { addDevice, claim, hash, place, release } from "./support/stores.ts";

mysqlTest("locked row: a crowd that logs in, departs and confirms does not wait for the one who is held", async (t) => {
  await using server = await startServer(t.database, { limits: "off" });
  const [held, ...crowd] = await makeUsers(t.database, 41);
  const first = await Promise.all(crowd.map((user) => server.client(user)));
  const theirs = await server.client(held!);
  let admin = await hold(t, held!.id);
  await theirs.close();
  await Promise.all(first.map((client) => client.close()));
  await eventually(
    async () => (await Promise.all(crowd.map(({ id }) => stateOf(t.database, id)))).every((state) => state === "offline"),
    "gone",
    SOON,
  );
  assertEquals(await stateOf(t.database, held!.id), "online");
  await admin.query("COMMIT");
  await eventually(async () => await stateOf(t.database, held!.id) === "offline", "the held one is gone", SOON);

  admin = await hold(t, held!.id);
  await using late = await server.connect();
  late.send({ msgid: 1, ref: "late", id: held!.id, token: held!.token, proto: 2 });
  const again = await Promise.all(crowd.map((user) =>
    server.connect().then(async (client) => {
      assertErrno(await client.request({ msgid: 1, id: user.id, token: user.token, proto: 2 }, SOON), 0);
      return client;
    })
  ));
  assertEquals(late.backlog, []);
  await admin.query("COMMIT");
  assertErrno(await late.next((m) => m.ref === "late", SOON), 0);

  // What they have handled is written for all together.
  await say(again[0]!, { toid: crowd[1]!.id }, "x");
  await say(again[0]!, { toid: held!.id }, "x");
  const handled = await Promise.all([again[1]!, late].map(async (client) => (await chats(client, 1))[0]!.seq));
  admin = await hold(t, held!.id);
  for (const [i, client] of [again[1]!, late].entries()) client.send({ msgid: 12, seq: handled[i] });
  const confirmed = async (id: number) => (await t.database.query(`SELECT confirmed_seq AS n FROM user WHERE id = ${id}`))[0]!.n;
  await eventually(async () => await confirmed(crowd[1]!.id) === handled[0], "confirmed", SOON);
  assertEquals(await confirmed(held!.id), 0);
  await admin.query("COMMIT");
  await eventually(async () => await confirmed(held!.id) === handled[1], "the held one's, too", SOON);
  await Promise.all(again.map((client) => client.close()));
});

/** A sweep, and a node that comes back, while a row of one whom it had is held. */
async function sweptBeside(t: MysqlTest, table: string, key: string): Promise<void> {
  const stores = [await t.open(), await t.open()];
  const [a, b] = stores as [typeof stores[0], typeof stores[0]];
  await a!.join("a");
  await b!.join("b");
  const users = await addUsers(b!, "ann", "bob", "cid");
  for (const userId of users) await claim(a!, userId, `a${userId}`);
  const clock = await t.admin();
  await clock.query("UPDATE node SET lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE name = 'a'");
  const admin = await hold(t, `${key} = ${users[1]}`, table);
  // Told of is who may be offline by it.
  const swept = (await b!.sweep()).filter((userId) => userId !== users[1]);
  assertEquals([swept.sort(), await stateOf(t.database, users[1]!)], [[users[0], users[2]], "online"]);
  assertEquals(await a!.renew(), false);
  const sessions = users.map((userId) => ({ userId, device: 0, session: `a${userId}`, proof: { version: 1 } }));
  assertEquals(await a!.rejoin(sessions), []);
  assertEquals(await b!.holder(users[0]!, 0), { session: `a${users[0]}`, node: "a" });
  assertEquals(await a!.renew(), true);
  await admin.query("COMMIT");
  assertEquals(await a!.rejoin(sessions), []);
}

waitingMysqlTests("locked row, sessions", {
  "a sweep, and a node that comes back, leave the one who is held to later": (t) => sweptBeside(t, "user", "id"),
  "and the one of whom a device's row is": (t) => sweptBeside(t, "device", "userid"),

  "a device's row holds up nobody else who departs or confirms": async (t) => {
    await using server = await startServer(t.database, { limits: "off" });
    const [held, ...crowd] = await makeUsers(t.database, 20);
    const theirs = await server.client(held!);
    const clients = await Promise.all(crowd.map((user) => server.client(user)));
    await say(clients[0]!, { toid: crowd[1]!.id }, "x");
    await say(clients[0]!, { toid: held!.id }, "x");
    const handled = await Promise.all([clients[1]!, theirs].map(async (client) => (await chats(client, 1))[0]!.seq));
    const admin = await hold(t, `userid = ${held!.id}`, "device");
    for (const [i, client] of [clients[1]!, theirs].entries()) client.send({ msgid: 12, seq: handled[i] });
    const confirmed = async (id: number) => (await t.database.query(`SELECT confirmed_seq AS n FROM user WHERE id = ${id}`))[0]!.n;
    await eventually(async () => await confirmed(crowd[1]!.id) === handled[0], "confirmed", SOON);
    await Promise.all([theirs, ...clients].map((client) => client.close()));
    await eventually(
      async () => (await Promise.all(crowd.map(({ id }) => stateOf(t.database, id)))).every((state) => state === "offline"),
      "gone",
      SOON,
    );
    assertEquals([await stateOf(t.database, held!.id), await confirmed(held!.id)], ["online", 0]);
    await admin.query("COMMIT");
    await eventually(async () => await stateOf(t.database, held!.id) === "offline", "the held one is gone", SOON);
    assertEquals(await confirmed(held!.id), handled[1]);
  },

  "a log's row holds up nobody who confirms or departs, and goes with the next departure, or confirmation": async (t) => {
    const store = await t.open();
    await store.join("a");
    const [ann, bob] = await addUsers(store, "ann", "bob");
    const keys = [await claim(store, ann!, "a1"), await claim(store, bob!, "b1")];
    for (const toid of [ann!, bob!, ann!]) await store.append([{ sender: bob!, toid, msg: "x", ts: 1 }]);
    const admin = await hold(t, `userid = ${ann} AND seq = 1`, "inbox");
    const logs = async () => (await t.database.query("SELECT userid, seq FROM inbox ORDER BY userid, seq")).map(({ userid, seq }) => [userid, seq]);
    assertEquals(await store.confirm(keys.map((key) => ({ ...key, seq: 1 }))), new Set());
    assertEquals([await place(store, ann!), await logs()], [{ confirmed: 1, last: 2 }, [[ann, 1], [ann, 2]]]);
    assertEquals(await store.release(keys.map((key) => ({ ...key, lastseen: 1, confirmed: 2 }))), []);
    assertEquals([await stateOf(t.database, ann!), await place(store, ann!)], ["offline", { confirmed: 2, last: 2 }]);
    await admin.query("COMMIT");
    // Nobody is wary of it any more. There is nothing new to confirm.
    const again = await t.open();
    await again.join("b");
    await release(again, await claim(again, ann!, "a2"));
    assertEquals(await logs(), []);
  },

  "tokens and devices of the others expire": async (t) => {
    const store = await t.open();
    const users = await addUsers(store, "ann", "held", "cid");
    await store.join("a");
    const made = [];
    for (const [i, userId] of users.entries()) made.push(await addDevice(store, userId, "phone", `s${i}`, { token: { hash: hash(i), expires: 10 } }));
    for (const key of made) await release(store, key);
    const admin = await hold(t, users[1]!);
    const left = async () => (await t.database.query("SELECT userid FROM token ORDER BY userid")).map(({ userid }) => userid);
    await store.expireTokens(20, 1000);
    assertEquals([await left(), (await store.devices(users[0]!)).length], [[users[1]], 1]);
    await admin.query("COMMIT");
    await store.expireTokens(20, 1000);
    assertEquals([await left(), (await store.devices(users[1]!)).length], [[], 1]);
  },

  "a token's row holds up no others that expire, though they are most of the table": async (t) => {
    const store = await t.open();
    const users = await addUsers(store, ...upTo(12).map((i) => `u${i}`));
    await store.join("a");
    for (const [i, userId] of users.entries()) {
      await release(store, await addDevice(store, userId, "phone", `s${i}`, { token: { hash: hash(i), expires: i === 0 ? 100 : 10 } }));
    }
    const admin = await hold(t, `userid = ${users[0]}`, "token");
    await store.expireTokens(20, 1000);
    assertEquals(await t.database.query("SELECT userid FROM token"), [{ userid: users[0] }]);
    await admin.query("COMMIT");
  },

  "a token's row, an invitation's and a name's hold up nobody whose tokens, invitations and names end, though theirs are most of the table": async (
    t,
  ) => {
    const store = await t.open();
    const [held, ann] = await addUsers(store, "held", "ann") as [UserId, UserId];
    const give = async (userId: UserId, count: number) => {
      const tokens = upTo(count).map((i) => `(UNHEX(SHA2('${userId} ${i}', 256)), ${userId}, 0, 1000)`);
      await t.database.query(`INSERT INTO token (hash, userid, device, expires) VALUES ${tokens}`);
    };
    const invited = [[held, 1], ...upTo(12).map((i) => [ann, i])].map(([userId, groupid]) => `(${groupid}, ${userId}, ${held}, 1, 1000)`);
    await t.database.query(`INSERT INTO invite (groupid, userid, inviter, uses, expires) VALUES ${invited}`);
    const bot = { name: "bot", key: "bot", look: "bot" };
    const made = await store.makeBot(bot, hash(1), 1000);
    assert(made !== "INVALID");
    await give(held, 1);
    const [[{ token }], [{ invite }], [{ look }]] = await Promise.all([
      t.database.query(`SELECT HEX(hash) AS token FROM token WHERE userid = ${held}`),
      t.database.query(`SELECT id AS invite FROM invite WHERE userid = ${held}`),
      t.database.query(`SELECT HEX(look) AS look FROM look WHERE id = ${held}`),
    ]) as [[{ token: string }], [{ invite: number }], [{ look: string }]];
    const admins = [await hold(t, `hash = UNHEX('${token}')`, "token"), await hold(t, invite, "invite")];
    admins.push(await hold(t, `kind = 'user' AND look = UNHEX('${look}')`, "look"));
    await give(made.id, 12);
    assert(await store.makeBot(bot, hash(2), 1000) !== "INVALID");
    await store.deleteAccount(made.id, undefined, false);
    await give(ann, 12);
    assert(await store.setPassword(ann, undefined, "secret"));
    await give(ann, 12);
    await store.deleteAccount(ann, undefined, false);
    await store.clearAccount(ann, 100);
    const left = async (table: string) => (await t.database.query(`SELECT userid FROM ${table}`)).map(({ userid }) => userid);
    assertEquals([await left("token"), await left("invite")], [[held], [held]]);
    for (const admin of admins) await admin.query("COMMIT");
  },
});
