// SQLite files of older versions: all that stood in them is there afterwards.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Query, tokensOf } from "../src/search/tokenizer.ts";
import { conversationOf } from "../src/store/sqlite/search_index.ts";
import type { Store } from "../src/store/store.ts";
import { addUsers, type TestDatabase, testDatabase } from "./support/databases.ts";
import { Program, run } from "./support/program.ts";
import { eventually, spawnServer } from "./support/server.ts";
import { addDevice, claim, confirm, group, history, logOf, place, stored } from "./support/stores.ts";

const fixture = (name: string) => Deno.readTextFileSync(new URL(`fixtures/${name}`, import.meta.url));
const SQL = fixture("sqlite_0_1.sql");
interface Contact01 {
  id: number;
  name: string;
  state: string;
  lastseen: number | null;
}
interface Group01 {
  id: number;
  groupname: string;
  groupdesc: string;
  users: { id: number; name: string; state: string; role: string }[];
}
/** What 0.1 said of that file; the lists stand in the order of `ids`. */
const SAID: {
  ids: number[];
  inbox: [seq: number, messageid: number][][];
  lists: { friends: Contact01[]; groups: Group01[]; blocked: number[] }[];
  group: number[];
  pairs: number[][][];
  places: { confirmed: number; last: number }[];
} = JSON.parse(fixture("sqlite_0_1.json"));

/** Puts 0.1's file there, changed by `change`. */
function put(t: TestDatabase, change?: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(t.url.slice("sqlite:".length), { enableForeignKeyConstraints: false });
  db.exec(SQL);
  change?.(db);
  db.close();
}

/** Everything that 0.1 said of it is so. */
async function sameAsSaid(store: Store): Promise<void> {
  const { ids } = SAID;
  for (const [i, id] of ids.entries()) {
    assertEquals((await logOf(store, id, 0, 1000, 1e9)).map((m) => [m.seq, m.messageid]), SAID.inbox[i], `the log of ${id}`);
    assertEquals((await history(store, 1, { groupid: 1 })).messages.map((m) => m.messageid), SAID.group);
    for (const [j, peer] of ids.entries()) {
      const { messages } = await history(store, id, { toid: peer }, {}, 1000, 1e9);
      assertEquals(messages.map((m) => m.messageid), SAID.pairs[i]![j], `${id} with ${peer}`);
    }
    const { friends, groups, blocked } = await store.lists(id);
    const said = SAID.lists[i]!;
    assertEquals(blocked, said.blocked);
    assertEquals(
      groups,
      said.groups.map(({ users, ...group }) => ({ ...group, role: users.find((u) => u.id === id)!.role as "creator", count: users.length })),
    );
    for (const [n, friend] of friends.entries()) {
      const before = said.friends[n]!;
      assertEquals([friend.id, friend.name], [before.id, before.name]);
    }
    assertEquals(friends.length, said.friends.length);
  }
}

Deno.test("a file that 0.1 left when it was killed under load: logs, places, conversations, lists, tokens and who was online", async () => {
  await using t = await testDatabase("sqlite");
  let tokens: { hash: Uint8Array; userid: number; expires: number }[] = [];
  let online: unknown[] = [];
  put(t, (db) => {
    tokens = db.prepare("SELECT hash, userid, expires FROM token").all() as typeof tokens;
    online = db.prepare("SELECT id FROM user WHERE state = 'online' ORDER BY id").all().map((row) => row.id);
    const [unlisted, unfiled] = ["upto", "filed"].map((mark) =>
      Number(db.prepare(`SELECT count(*) AS n FROM message WHERE id > (SELECT ${mark} FROM listed)`).get()!.n)
    );
    assert(tokens.length >= 6 && online.length === 6 && unlisted! > 10 && unfiled! > 10, "the fixture has all states");
  });
  const store = await t.open();
  // Right in every committed state: the first is the migration's.
  assertEquals((await t.query("select userid from device where session is not null order by userid")).map((row) => row.userid), online);
  assertEquals((await t.query("select id from user where state = 'online' order by id")).map((row) => row.id), online);
  await sameAsSaid(store);
  assertEquals((await store.join("n1")).length, 6);
  assertEquals(await t.query("select id from user where state = 'online'"), []);
  for (const { hash, userid, expires } of tokens) {
    const owner = await store.findUserByToken(hash, 0);
    assertEquals([owner?.account.id, owner?.device, owner?.expires], [userid, 0, expires]);
  }
  for (const [i, id] of SAID.ids.entries()) {
    assertEquals(await place(store, id), SAID.places[i]!);
    const closed = (await store.findUser({ id }))!.closed;
    assertEquals(closed, i === 9);
    if (closed) continue;
    // By token, as their programs do; the others by password.
    const token = tokens.find((token) => token.userid === id);
    const key = await claim(store, id, `s${id}`, token ? { proof: { token: token.hash } } : {});
    assertEquals(await place(store, id), SAID.places[i]!);
    assertEquals((await store.devices(id)).map((d) => [d.id, d.name, d.state]), [[0, "", "online"]]);
    // A second device begins where the first one stands, and holds the log with it.
    const phone = await addDevice(store, id, "phone");
    assertEquals(await place(store, id, phone.device), SAID.places[i]!);
    await confirm(store, phone, SAID.places[i]!.last);
    assertEquals((await logOf(store, id, 0, 1000, 1e9)).map((m) => [m.seq, m.messageid]), SAID.inbox[i]!);
    await confirm(store, key, SAID.places[i]!.last);
    assertEquals(await logOf(store, id, 0, 1000, 1e9), []);
  }
  assert((await store.epoch()).length >= 8);
});

Deno.test("a file of 0.1 goes on: numbers, mids and conversations follow what was there", async () => {
  await using t = await testDatabase("sqlite");
  put(t);
  const store = await t.open();
  await store.join("n1");
  const newest = Math.max(...SAID.inbox.flat().map(([, messageid]) => messageid));
  const [ada, bob] = SAID.ids as [number, number];
  const next = await stored(store, { sender: ada, toid: bob, msg: "next", ts: 1 });
  assert(next.messageid > newest);
  assertEquals(next.receivers.map((r) => [r.userId, r.seq]), [[bob, SAID.places[1]!.last + 1]]);
  const [old] = await t.query("select id, sender, toid, mid, msg, ts from message where mid is not null and toid is not null limit 1");
  const append = { sender: Number(old!.sender), toid: Number(old!.toid), msg: String(old!.msg), mid: String(old!.mid), ts: 5 };
  assertEquals(await store.append([append, { ...append, msg: "another" }]), [
    { errno: "OK", messageid: Number(old!.id), ts: Number(old!.ts), repeated: true, receivers: [] },
    { errno: "BAD_FIELD" },
  ]);
  const grouped = await stored(store, { sender: ada, groupid: 1, msg: "all", ts: 1 });
  assertEquals(new Map(grouped.receivers.map((r) => [r.userId, r.seq])).get(bob), SAID.places[1]!.last + 2);
  const members = await store.firstMembers(ada, [1], 100);
  const before = SAID.lists[0]!.groups.find((g) => g.id === 1)!;
  assertEquals(members.get(1)!.map((m) => [m.id, m.name, m.role]), before.users.map((u) => [u.id, u.name, u.role]));
});

Deno.test("who was blocked in 0.1 sees the blocker offline, since a time that betrays nothing", async () => {
  await using t = await testDatabase("sqlite");
  put(t, (db) => db.exec("UPDATE user SET lastseen = 1234567 WHERE id = 3; INSERT INTO block VALUES (4, 1); INSERT INTO friend VALUES (1, 4)"));
  const store = await t.open();
  // 3 blocks 1, and was seen; 4 blocks 1, and was never seen go.
  const friends = new Map((await store.lists(1)).friends.map((f) => [f.id, f]));
  assertEquals([friends.get(3)?.state, friends.get(3)?.lastseen], ["offline", 1234567]);
  const { state, lastseen } = friends.get(4)!;
  assert(state === "offline" && Math.abs(lastseen! - Date.now()) < 3600_000, `${lastseen}`);
});

Deno.test("the two marks of 0.1 may stand in any order", async () => {
  for (const upto of [0, 100, 130, 150]) {
    await using t = await testDatabase("sqlite");
    put(t, (db) => db.exec(`UPDATE listed SET upto = ${upto}; DELETE FROM conversation WHERE messageid > ${upto}`));
    await sameAsSaid(await t.open());
  }
});

/** Makes 0.1's file one of version 2, in which every log was written at once. */
function versionTwo(db: DatabaseSync): void {
  db.exec("DELETE FROM inbox");
  for (const [i, id] of SAID.ids.entries()) {
    for (const [seq, messageid] of SAID.inbox[i]!) db.exec(`INSERT INTO inbox VALUES (${id}, ${seq}, ${messageid})`);
    db.exec(`UPDATE user SET last_seq = ${SAID.places[i]!.last} WHERE id = ${id}`);
  }
  db.exec("ALTER TABLE listed DROP COLUMN filed; PRAGMA user_version = 2");
}

/** And of version 1, which had no table of conversations. */
function versionOne(db: DatabaseSync): void {
  versionTwo(db);
  db.exec(`DROP TABLE conversation; DROP TABLE listed; PRAGMA user_version = 1;
    CREATE INDEX message_direct ON message (min(sender, toid), max(sender, toid)) WHERE toid IS NOT NULL`);
}

for (const [version, make] of [[1, versionOne], [2, versionTwo]] as const) {
  Deno.test(`a file of version ${version} becomes one of the newest, with all that was said`, async () => {
    await using t = await testDatabase("sqlite");
    put(t, make);
    await sameAsSaid(await t.open());
  });
}

Deno.test("a file in which only texts of two waited for their rows: they have them, and those of groups are entries once", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await group(t, store, ada!, bob!);
  await store.close();
  // As the version before left it: 3 was said in the group and filed what was before it; 4 and 5 wait; ada has two devices, and has confirmed the first.
  const db = new DatabaseSync(t.url.slice("sqlite:".length));
  db.exec(`INSERT INTO message (id, sender, toid, groupid, ts, msg) VALUES
        (1, ${ada}, ${bob}, NULL, 1, '1'), (2, ${ada}, ${bob}, NULL, 1, '2'), (3, ${ada}, NULL, 1, 1, '3'), (4, ${ada}, ${bob}, NULL, 1, '4'),
        (5, ${bob}, ${ada}, NULL, 1, '5');
      INSERT INTO inbox (userid, seq, messageid) VALUES (${bob}, 1, 1), (${bob}, 2, 2), (${bob}, 3, 3), (${ada}, 2, 2), (${ada}, 3, 3);
      UPDATE user SET filed_seq = 3, filed = 2 WHERE id IN (${ada}, ${bob});
      UPDATE user SET many = 1, confirmed_seq = 4, trimmed_seq = 4 WHERE id = ${ada};
      DELETE FROM inbox WHERE userid = ${ada};
      DROP INDEX message_text;
      DROP INDEX invite_server;
      DROP INDEX ban_userid;
      DROP INDEX file_loose;
      DROP INDEX message_edit;
      CREATE INDEX message_ts ON message (ts);
      PRAGMA user_version = 15`);
  db.close();
  const next = await t.open();
  const texts = async (id: number) => (await logOf(next, id, 0, 100, 1e6)).map((m) => [m.seq, m.msg]);
  assertEquals([await texts(bob!), await texts(ada!)], [[[1, "1"], [2, "2"], [3, "3"], [4, "4"]], [[5, "5"]]]);
  assertEquals((await history(next, bob!, { toid: ada! }, {}, 10, 1e6)).messages.map((m) => m.msg), ["1", "2", "4", "5"]);
  const [said] = await next.append([{ sender: ada!, groupid: 1, msg: "6", ts: 1 }]);
  assert(said!.errno === "OK");
  assertEquals(said!.receivers.map((r) => [r.userId, r.seq]), [[ada, 6], [bob, 5]]);
});

Deno.test("where a row of the search index had twice as many words, it is made anew: messages are edited, and found", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob") as [number, number];
  const texts = [1, 2, 3].map((n) => Array.from({ length: 35 }, (_, i) => `w${n}x${i}`).join(" "));
  for (const msg of texts) await stored(store, { sender: ada, toid: bob, msg, ts: 1 });
  while ((await store.index()).more);
  await store.close();
  const db = new DatabaseSync(t.url.slice("sqlite:".length));
  db.exec(
    "INSERT INTO search (search) VALUES ('delete-all'); DROP INDEX message_edit; CREATE INDEX message_ts ON message (ts); PRAGMA user_version = 17",
  );
  for (const [i, msg] of texts.entries()) {
    const words = [conversationOf(ada, bob), `u_${ada}`, `u_${bob}`, `s_${ada}`, ...tokensOf(msg)];
    db.prepare("INSERT INTO search (rowid, words) VALUES (?, ?)").run(i + 1, words.join(" "));
  }
  db.close();
  const next = await t.open();
  while ((await next.index()).more);
  const found = async (text: string) =>
    (await next.search({ userId: bob, query: new Query(text), of: undefined, from: undefined, before: undefined }, 10)).length;
  assertEquals(await found("w3x34"), 1);
  for (const messageid of [1, 2, 3]) assertEquals((await next.act({ what: "edit", by: ada, messageid, msg: "short", at: 2 })).errno, "OK");
  assertEquals([await found("w3x34"), await found("short")], [0, 3]);
});

Deno.test("a file that was brought to the newest version has the tables of a new one", async () => {
  await using t = await testDatabase("sqlite");
  put(t);
  await (await t.open()).close();
  await using fresh = await testDatabase("sqlite");
  await (await fresh.open()).close();
  const tables = async (db: TestDatabase) => {
    const names = (await db.query("select name from sqlite_schema where type = 'table' order by name")).map((row) => String(row.name));
    const columns = await Promise.all(
      names.map((name) => db.query(`select name, type, "notnull", pk from pragma_table_info('${name}') order by name`)),
    );
    const indexes = await db.query("select name, tbl_name from sqlite_schema where type = 'index' order by name");
    return { tables: names.map((name, i) => [name, columns[i]]), indexes };
  };
  assertEquals(await tables(t), await tables(fresh));
  assertEquals(await t.query("pragma foreign_key_check"), []);
  assertEquals((await t.query("pragma integrity_check"))[0]?.integrity_check, "ok");
});

Deno.test("the log says that a file is brought to newer tables before it is begun, and when it is done; of a new or newest one nothing", async () => {
  await using t = await testDatabase("sqlite");
  await using fresh = await testDatabase("sqlite");
  put(t);
  const said = async (db: TestDatabase) => {
    await using server = await spawnServer(db, { "log-level": "info" });
    await server.stop();
    const lines = (await server.log).split("\n").filter((line) => line.includes("this version's tables"));
    return lines.map((line) => JSON.parse(line).message as string);
  };
  const [begun, done, ...more] = await said(t);
  assertStringIncludes(begun, "the database is brought to this version's tables");
  assertEquals([done, ...more], ["the database has this version's tables"]);
  assertEquals([...await said(t), ...await said(fresh)], []);
});

Deno.test("a migration that fails leaves the file as it was", async () => {
  await using t = await testDatabase("sqlite");
  // A table in the way.
  put(t, (db) => db.exec("CREATE TABLE epoch (a)"));
  const refused = await t.open().then(() => undefined, (error) => error as Error);
  assertEquals(refused?.name, "StoreRefused");
  assertEquals((await t.query("pragma user_version"))[0]?.user_version, 3);
  assertEquals(Number((await t.query("select count(*) as n from listed"))[0]!.n), 1);
  await t.query("drop table epoch");
  await sameAsSaid(await t.open());
});

Deno.test("old names have what they look like, the oldest of those that look the same", async () => {
  await using t = await testDatabase("sqlite");
  let before = 0;
  put(t, (db) => {
    before = Number(db.prepare("SELECT count(*) AS n FROM user").get()!.n);
    const add = db.prepare("INSERT INTO user (id, name, namekey, password) VALUES (?, ?, ?, 'x')");
    add.run(9001, "scope", "scope");
    add.run(9002, "ѕсоре", "ѕсоре");
  });
  const store = await t.open();
  assertEquals(await t.query("select id, look from look where kind = 'user' and id > 9000"), [{ id: 9001, look: "scope" }]);
  assertEquals(await t.query("select count(*) as n from look where kind = 'user'"), [{ n: before + 1 }]);
  assertEquals(await t.query("select count(*) as n from look where kind = 'group'"), await t.query("select count(*) as n from allgroup"));
  assertEquals(await store.createUser("Scope", "scopе", "x", "scope"), undefined);
});

Deno.test("while an older natter serves its file, it is refused, untouched, by server and commands alike; behind it, it is not", async () => {
  await using t = await testDatabase("sqlite");
  put(t);
  const path = t.url.slice("sqlite:".length);
  const version = () => {
    const db = new DatabaseSync(path);
    const { user_version } = db.prepare("PRAGMA user_version").get()!;
    db.close();
    return user_version;
  };
  const before = version();
  const older = Deno.openSync(`${path}.lock`, { create: true, write: true });
  older.lockSync(true);
  older.writeSync(new TextEncoder().encode("4711\n"));
  for (const args of [["users"], ["--listen", "127.0.0.1:0", "--http", "off"]]) {
    const { code, stdout, stderr } = await run([...args, "--database", t.url]);
    assertEquals([code, stdout, stderr], [
      1,
      "",
      `natter: the database ${path} is in use by another natter (process 4711), of an older version: stop that one first\n`,
    ]);
    assertEquals(version(), before);
  }
  older.close();
  assertEquals((await run(["users", "--database", t.url])).code, 0);
  assert(version() !== before);
});

Deno.test({
  name: "what an operator's command makes beside a file that is another user's is that user's",
  ignore: Deno.build.os === "windows" || Deno.uid() !== 0,
  fn: async () => {
    await using t = await testDatabase("sqlite");
    put(t);
    const path = t.url.slice("sqlite:".length);
    const folder = path.slice(0, -"/natter.db".length);
    const nobody = 65_534;
    for (const owned of [folder, path]) Deno.chownSync(owned, nobody, nobody);
    assertEquals((await run(["users", "--database", t.url])).code, 0);
    for (const { name } of Deno.readDirSync(folder)) assertEquals(Deno.statSync(`${folder}/${name}`).uid, nobody, name);
    assert([...Deno.readDirSync(folder)].length > 1);
  },
});

Deno.test({
  name: "asked to stop before an older file is brought to newer tables, a server lets nobody in, however long its log takes",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    for (let round = 1;; round++) {
      await using t = await testDatabase("sqlite");
      put(t);
      const path = t.url.slice("sqlite:".length);
      // Nobody reads its log, which says first what will be done: that is waited for, a second each time.
      const pipe = `${path}.pipe`;
      assert((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
      const shell = `exec 3<>${pipe}; head -c 65536 /dev/zero >&3; exec 2>&3`;
      await using server = new Program(["--listen", "127.0.0.1:0", "--http", "off", "--database", t.url], { shell });
      let looked = performance.now(), before = looked;
      await eventually(() => {
        before = looked;
        looked = performance.now();
        return Deno.stat(`${path}.lock`).then(() => true, () => false);
      }, "it is about to");
      // A part of the first second is over: what comes behind it would be done within the second one.
      await new Promise((resolve) => setTimeout(resolve, 500));
      server.kill("SIGTERM");
      // The machine has other things to do: it may have been asked too late.
      const inTime = performance.now() - before < 1000;
      const { code, stdout } = await server.ended();
      if (!inTime && round < 5) continue;
      assertEquals([code, stdout], [0, ""]);
      return;
    }
  },
});

Deno.test("a backup of a file of 0.1 leaves it as it is, and is one of 0.1", async () => {
  await using t = await testDatabase("sqlite");
  put(t);
  const path = t.url.slice("sqlite:".length), copy = `${path}.copy`;
  const version = (file: string) => {
    using db = new DatabaseSync(file);
    return db.prepare("PRAGMA user_version").get()!.user_version;
  };
  const before = version(path);
  assertEquals((await run(["backup", copy, "--database", t.url])).code, 0);
  assertEquals([version(path), version(copy)], [before, before]);
  await Deno.rename(copy, path);
  const store = await t.open();
  await sameAsSaid(store);
  await store.close();
  // What is no database of natter is not copied.
  using other = new DatabaseSync(`${path}.other`);
  other.exec("CREATE TABLE a (b)");
  const { code, stderr } = await run(["backup", copy, "--database", `sqlite:${path}.other`]);
  assertEquals([code, stderr.includes("no database of natter")], [1, true]);
});

Deno.test("a user's groups are read with the roles from one index, in which they lie together", async () => {
  await using t = await testDatabase("sqlite");
  await t.open();
  const plan = await t.query("EXPLAIN QUERY PLAN SELECT g.grouprole FROM groupuser g JOIN allgroup a ON a.id = g.groupid WHERE g.userid = 1");
  assertStringIncludes(String(plan[0]?.detail), "COVERING INDEX groupuser_userid");
});
