// A database that 0.1 left when it was killed under load (fixtures/mysql_0_1.sql), brought to the newest schema.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Store, StoreRefused } from "../src/store/store.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { type Admin, newMysqlTest } from "./support/mysql.ts";
import { addDevice, logOf, one, tryClaim } from "./support/stores.ts";

const fixture = await Deno.readTextFile(new URL("fixtures/mysql_0_1.sql", import.meta.url));

type Row = Record<string, unknown>;

async function load(admin: Admin): Promise<void> {
  for (const sql of fixture.split(";\n").filter((sql) => sql.trim() !== "")) await admin.query(sql);
}

/** The rows of every table, but for the epoch's word. */
async function content(admin: Admin): Promise<Record<string, Row[]>> {
  const tables = await admin.query("SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name");
  const rows: Record<string, Row[]> = {};
  for (const { name } of tables) {
    const order = name === "schema_version" ? "1" : "1, 2";
    rows[String(name)] = name === "epoch" ? [] : await admin.query(`SELECT * FROM ${name} ORDER BY ${order}`);
  }
  return rows;
}

/** What the tables are: columns in their order, and keys. */
async function shape(admin: Admin): Promise<Row[]> {
  return [
    ...await admin.query(
      "SELECT table_name AS table_name, ordinal_position, column_name, column_type, is_nullable, column_default, extra, collation_name, generation_expression " +
        "FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
    ),
    ...await admin.query(
      "SELECT table_name, index_name, seq_in_index, column_name, non_unique FROM information_schema.statistics WHERE table_schema = DATABASE() " +
        "ORDER BY table_name, index_name, seq_in_index",
    ),
    ...await admin.query(
      "SELECT table_name AS table_name, engine AS engine, table_collation FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name",
    ),
  ];
}

newMysqlTest("the tables of 0.1 become those of a new database", async (t) => {
  const admin = await t.admin();
  await t.open();
  const fresh = await shape(admin);
  for (const { table_name } of fresh.filter((row) => "engine" in row)) await admin.query(`DROP TABLE ${table_name}`);
  await load(admin);
  await using log = await CapturedLog.start();
  await t.open();
  assertEquals(await shape(admin), fresh);
  const [begun, done, ...more] = log.records.map(({ message }) => message.join("")).filter((message) => message.includes("this version's tables"));
  assertStringIncludes(begun!, "the database is brought to this version's tables");
  assertEquals([done, ...more], ["the database has this version's tables"]);
});

newMysqlTest("what 0.1 left comes along: who was online, what waits, tokens, friends, blocks, groups, bans", async (t) => {
  const admin = await t.admin();
  await load(admin);
  const before = await content(admin);
  const users = before.user;
  const store = await t.open();

  // Device 0 is what the user was; who has never logged in has none.
  assertEquals(
    await admin.query("SELECT userid, device, name, confirmed_seq, session, node, incarnation, since, lastseen FROM device ORDER BY userid"),
    users.filter(({ since }) => since !== null).map(({ id, confirmed_seq, session, node, incarnation, since, lastseen }) => (
      { userid: id, device: 0, name: "", confirmed_seq, session, node, incarnation, since, lastseen }
    )),
  );
  assert(users.some(({ since }) => since === null) && users.some(({ state }) => state === "online"));
  assertEquals(
    await admin.query(
      "SELECT id, state, node, closed, last_seq, confirmed_seq, trimmed_seq, lastseen, many, last_device, version FROM user ORDER BY id",
    ),
    users.map(({ id, state, node, closed, last_seq, confirmed_seq, lastseen }) => (
      { id, state, node, closed, last_seq, confirmed_seq, trimmed_seq: confirmed_seq, lastseen, many: 0, last_device: 0, version: 1 }
    )),
  );

  // Every log holds what waited, and goes on where it ended.
  for (const { id, last_seq, confirmed_seq } of users) {
    const waiting = before.inbox.filter(({ userid }) => userid === id);
    const log = await logOf(store, Number(id), 0, 1000, 1e9);
    assertEquals(log.map(({ seq, messageid }) => ({ userid: id, seq, messageid })), waiting);
    for (const entry of log) {
      const message = before.message.find((message) => message.id === entry.messageid)!;
      assertEquals([entry.id, entry.msg, entry.ts, entry.toid ?? entry.groupid], [
        message.sender,
        message.msg,
        message.ts,
        message.toid ?? message.groupid,
      ]);
    }
    assertEquals(waiting.length, Number(last_seq) - Number(confirmed_seq));
    const { confirmed, last } = (await store.welcome(Number(id), 0)).inbox;
    if (users.find((user) => user.id === id)!.since !== null) assertEquals([confirmed, last], [confirmed_seq, last_seq]);
  }

  // A node of that name finds nobody online, and everybody comes in by the token of before.
  const online = users.filter(({ state }) => state === "online").length;
  assertEquals((await store.join("n1")).length, online);
  assertEquals(await admin.query("SELECT id FROM user WHERE state = 'online'"), []);
  assert(before.token.length >= online);
  for (const { hash, userid, expires } of before.token) {
    const owner = await store.findUserByToken(hash as Uint8Array, 0);
    assertEquals([owner?.account.id, owner?.device, owner?.expires], [userid, 0, expires]);
    const claim = await tryClaim(store, Number(userid), `t${userid}`, { proof: { token: hash as Uint8Array } });
    assertEquals(claim, { result: "claimed", device: { id: 0, name: "" }, removed: undefined });
  }

  // A new device beside it stands where the user was; a message is the next one; a mid of before is known.
  const [{ id: ada, last_seq, confirmed_seq }] = users;
  const phone = await addDevice(store, Number(ada), "phone");
  assertEquals((await store.welcome(Number(ada), phone.device)).inbox, { confirmed: Number(confirmed_seq), last: Number(last_seq) });
  const said = before.message.find(({ mid, toid }) => mid !== null && toid !== null)!;
  const again = { sender: Number(said.sender), toid: Number(said.toid), msg: String(said.msg), mid: String(said.mid), ts: 5 };
  assertEquals(await one(store, again), { errno: "OK", messageid: Number(said.id), ts: Number(said.ts), repeated: true, receivers: [] });
  assertEquals(await one(store, { ...again, msg: "another" }), { errno: "BAD_FIELD" });
  const next = await one(store, { sender: Number(users[3].id), toid: Number(ada), msg: "next", ts: 6 });
  assert(next.errno === "OK");
  assertEquals([next.receivers, next.messageid > Number(before.message.at(-1)!.id)], [
    [{ userId: ada, seq: Number(last_seq) + 1, nodes: ["n1"] }],
    true,
  ]);

  for (const { id } of users) {
    const { friends, groups, blocked } = await store.lists(Number(id));
    assertEquals(
      friends.map((friend) => friend.id).toSorted((a, b) => a - b),
      before.friend.filter(({ userid }) => userid === id).map(({ friendid }) => friendid),
    );
    assertEquals(blocked, before.block.filter(({ userid }) => userid === id).map((block) => block.blocked));
    const theirs = before.groupuser.filter(({ userid }) => userid === id);
    assertEquals(groups.map((group) => group.id).toSorted(), theirs.map(({ groupid }) => groupid));
    for (const group of groups) {
      const members = before.groupuser.filter(({ groupid }) => groupid === group.id);
      assertEquals([group.count, group.role], [members.length, members.find(({ userid }) => userid === id)!.grouprole]);
    }
  }
  // Whom bob and cy blocked sees them offline, and not for ever.
  for (const { userid, blocked } of before.block) {
    const [{ lastseen }] = await admin.query(`SELECT lastseen FROM block WHERE userid = ${userid} AND blocked = ${blocked}`);
    assert(Number(lastseen) > 1e12);
  }
  assertEquals(await store.takeKicks(), []);
  assertEquals((await store.epoch()).length > 8, true);
});

newMysqlTest("while a node of 0.1 has its lease, its database is refused, untouched; behind it, it is not", async (t) => {
  const admin = await t.admin();
  await load(admin);
  await admin.query("UPDATE node SET lease_until = UTC_TIMESTAMP(3) + INTERVAL 10 SECOND");
  const [tables, rows] = [await shape(admin), await content(admin)];
  await using log = await CapturedLog.start();
  const { message } = await assertRejects(() => t.open(), StoreRefused);
  assertEquals(log.records.map(({ message }) => message.join("")), [], "nothing was begun");
  assertStringIncludes(message, '"n1"');
  assertEquals(message.split("\n").length, 1);
  assertEquals([await shape(admin), await content(admin)], [tables, rows]);
  await admin.query("UPDATE node SET lease_until = UTC_TIMESTAMP(3)");
  const store = await t.open();
  assert(typeof await store.epoch() === "string");
});

newMysqlTest("a migration that is killed behind every one of its statements, one after the other, comes to the same end", async (t) => {
  const admin = await t.admin();
  await load(admin);
  // Else the hour of the migration stands in `block`.
  await admin.query("UPDATE user SET lastseen = 7");
  await t.open();
  const [tables, rows] = [await shape(admin), await content(admin)];
  for (const name of Object.keys(rows)) await admin.query(`DROP TABLE ${name}`);
  await load(admin);
  await admin.query("UPDATE user SET lastseen = 7");
  let store: Store | undefined;
  let killed = 0;
  while (!store && killed < 100) {
    let left = ++killed;
    // A prepared statement is run by what follows its text.
    t.proxy.inspect = ({ direction, data }) => {
      const command = direction === "up" && data.length > 4 ? data[4] : 0;
      return command === 0x17 && left-- === 1 ? "passAndCut" : "pass";
    };
    store = await t.openProxied().catch(() => undefined);
  }
  t.proxy.inspect = undefined;
  assert(store && killed > 15, `${killed} statements`);
  assertEquals(await shape(admin), tables);
  const after = await content(admin);
  for (const name of Object.keys(rows)) assertEquals(after[name], rows[name], name);
  assertEquals(await admin.query("SELECT COUNT(*) AS n FROM epoch"), [{ n: 1 }]);
});

newMysqlTest("old names have what they look like, the oldest of those that look the same", async (t) => {
  const admin = await t.admin();
  await load(admin);
  const [{ before }] = await admin.query("SELECT COUNT(*) AS `before` FROM user");
  await admin.query("INSERT INTO user (id, name, namekey, password) VALUES (9001, 'scope', 'scope', 'x'), (9002, 'ѕсоре', 'ѕсоре', 'x')");
  const store = await t.open();
  const kept = "SELECT id, CONVERT(look USING utf8mb4) AS look FROM look WHERE kind = 'user' AND id > 9000";
  assertEquals(await admin.query(kept), [{ id: 9001, look: "scope" }]);
  assertEquals(await admin.query("SELECT COUNT(*) AS n FROM look WHERE kind = 'user'"), [{ n: Number(before) + 1 }]);
  assertEquals(await admin.query("SELECT COUNT(*) AS n FROM look WHERE kind = 'group'"), await admin.query("SELECT COUNT(*) AS n FROM allgroup"));
  assertEquals(await store.createUser("Scope", "scopе", "x", "scope"), undefined);
});
