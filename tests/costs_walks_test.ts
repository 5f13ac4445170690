// What users leave behind, and what is looked for among it: a hundred thousand events, deleted texts, deeds, files, friends. No turn of the event loop above 20 ms, and
// nothing grows that has no limit.

import { assert, assertEquals } from "@std/assert";
import { MAX_INVITATIONS, MAX_USED_UP } from "../src/store/group_store.ts";
import { MAX_TOKENS } from "../src/store/records.ts";
import type { Store } from "../src/store/store.ts";
import { addUsers, databaseTest, type TestDatabase, testDatabase } from "./support/databases.ts";
import { eventually } from "./support/server.ts";
import { claim, hash, history, stored, tryClaim } from "./support/stores.ts";
import { assertShort } from "./support/turns.ts";

/** How many there are of each; and what a turn may take where all but the mended would be below 20 ms (ms). */
const MANY = 100_000, SHORT = 10;
/** The numbers from 1 on as a table `n`. */
const NUMBERS = `WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ${MANY})`;

/** A SQLite file of its own, which is put into the state that is measured by its tables. */
function walk(what: string, test: (db: TestDatabase, store: Store) => Promise<void>): void {
  Deno.test(`costs: ${what}: no turn above 20 ms [sqlite]`, async () => {
    await using db = await testDatabase("sqlite");
    await test(db, await db.open());
  });
}

const EVENT = `{"what":"joined","id":1,"groupid":1,"groupname":"g"}`;
const happen = (db: TestDatabase, groupid: number, by: number) =>
  db.query(`${NUMBERS} insert into message (sender, groupid, ts, msg, kind) select ${by}, ${groupid}, 1, '${EVENT}', 4 from n`);
/** All rows of `deed` are of messages of that kind; each is of another time. */
async function doTo(db: TestDatabase, target: number, by: number, kind: number): Promise<void> {
  const [{ last }] = await db.query("select max(id) as last from message") as [{ last: number }];
  await db.query(`${NUMBERS} insert into message (sender, ts, msg, kind) select ${by}, x, '', ${kind} from n`);
  await db.query(`insert into deed (id, target, emoji) select id, ${target}, 'a' from message where id > ${last}`);
}

walk("the newest text of a group, among events and deleted texts, for its list, its readers and who comes", async (db, store) => {
  const [me, ...others] = await addUsers(store, ...Array.from({ length: 20 }, (_, i) => `user${i}`)) as [number, ...number[]];
  const { groupid } = await store.createGroup(me, "g", "g", "") as { groupid: number };
  const text = await stored(store, { sender: me, groupid, msg: "x", ts: 1 });
  await happen(db, groupid, me);
  await db.query(`update message set kind = 0, deleted = 1, msg = '' where kind = 4 and id % 2 = 0`);
  const [{ newest }] = await db.query("select max(id) as newest from message where kind = 0") as [{ newest: number }];
  await assertShort(async () => {
    const { talks: [talk] } = await store.talks(me, 100);
    assertEquals([talk?.last?.messageid, talk?.unread], [text.messageid, 0]);
  }, SHORT);
  await assertShort(async () => void assert(typeof await store.joinGroup(others.pop()!, { id: groupid }, 1) === "object"), SHORT);
  const [{ upto }] = await db.query(`select max(upto) as upto from talk where userid <> ${me}`) as [{ upto: number }];
  assertEquals(upto, newest);
  const page = await store.history(me, { groupid }, {}, 20, 1e6, false);
  assert(typeof page === "object");
  assertEquals(page.messages.map((message) => message.messageid), [text.messageid]);
});

walk("unread texts with many events between them are counted", async (db, store) => {
  const [me, other] = await addUsers(store, "me", "other") as [number, number];
  const { groupid } = await store.createGroup(me, "g", "g", "") as { groupid: number };
  await store.joinGroup(other, { id: groupid }, 1);
  await stored(store, { sender: me, groupid, msg: "x", ts: 1 });
  await happen(db, groupid, me);
  await stored(store, { sender: me, groupid, msg: "y", ts: 1 });
  await assertShort(async () => assertEquals((await store.talks(other, 100)).talks.map(({ unread }) => unread), [2]), SHORT);
});

walk("the newest text of two, behind many that were deleted", async (db, store) => {
  const [me, you] = await addUsers(store, "me", "you") as [number, number];
  const { messageid } = await stored(store, { sender: me, toid: you, msg: "x", ts: 1 });
  const bury = async () => {
    await db.query(`${NUMBERS} insert into message (sender, toid, ts, msg, deleted) select ${me}, ${you}, 1, '', 1 from n`);
    await db.query("insert or ignore into conversation (low, high, messageid) select sender, toid, id from message");
    await db.query("update filed set upto = (select max(id) from message)");
  };
  const last = async () => (await store.talks(you, 100)).talks.map(({ last }) => last?.messageid);
  await bury();
  await assertShort(async () => assertEquals(await last(), [messageid]), SHORT);
  // What stands above what is known to be gone is looked at, and only that.
  await bury();
  assertEquals(await last(), [messageid]);
  const newer = await stored(store, { sender: you, toid: me, msg: "y", ts: 2 });
  assertEquals(await last(), [newer.messageid]);
  await store.act({ what: "delete", by: you, messageid: newer.messageid, at: 3 });
  assertEquals(await last(), [messageid]);
  await store.act({ what: "delete", by: me, messageid, at: 3 });
  assertEquals(await last(), []);
  assertEquals((await history(store, me, { toid: you }, {}, 10)).messages.length, 10);
});

walk("as many conversations are put in order", async (db, store) => {
  const [me] = await addUsers(store, "me") as [number];
  await db.query(`${NUMBERS} insert into user (id, name, namekey, password) select x + 100, 'p' || x, 'p' || x, '' from n`);
  await db.query(`${NUMBERS} insert into message (sender, toid, ts, msg) select ${me}, 101 + x * 7919 % ${MANY}, 1, 'x' from n`);
  await db.query("insert into conversation (low, high, messageid) select sender, toid, id from message order by 1, 2, 3");
  await db.query("update filed set upto = (select max(id) from message)");
  await db.query(`${NUMBERS} insert into talk (userid, toid, groupid, upto) select ${me}, 100 + x, 0, 0 from n`);
  const [{ newest }] = await db.query("select max(id) as newest from message") as [{ newest: number }];
  await assertShort(async () => {
    const { talks, next } = await store.talks(me, 20);
    assertEquals(talks.map(({ last }) => last?.messageid), Array.from({ length: 20 }, (_, i) => newest - i));
    assertEquals(next, { messageid: newest - 19 });
  });
});

walk("a message to which much was done is deleted, and nothing says any more what was put to it", async (db, store) => {
  const [me] = await addUsers(store, "me") as [number];
  const targets: number[] = [];
  for (let i = 0; i < 4; i++) {
    const { messageid } = await stored(store, { sender: me, toid: me, msg: "x", ts: 1 });
    await doTo(db, messageid, me, 3);
    targets.push(messageid);
  }
  await assertShort(async () => {
    const messageid = targets.pop()!;
    assertEquals((await store.act({ what: "delete", by: me, messageid, at: 5 })).errno, "OK");
    // Behind it stands the deletion.
    const last = `select emoji from deed where target = ${messageid} order by id desc limit 1 offset 1`;
    await eventually(async () => (await db.query(last))[0]!.emoji === null, "nothing says it");
  }, SHORT);
  // Of those that are still there it is known.
  const [row] = await db.query("select count(*) as count from deed where emoji is not null") as [{ count: number }];
  assertEquals(row.count, targets.length * MANY);
});

walk("a message to which much was done waits for that, and then goes", async (db, store) => {
  const [me] = await addUsers(store, "me") as [number];
  const { messageid } = await stored(store, { sender: me, toid: me, msg: "x", ts: 0 });
  await doTo(db, messageid, me, 3);
  await db.query("update message set ts = 10 where kind = 3");
  await db.query("update user set trimmed_seq = 1, confirmed_seq = 1");
  await assertShort(async () => assertEquals((await store.prune(1, undefined, 200)).deleted, 0), SHORT);
  await db.query("delete from message where kind = 3 and id not in (select id from message where kind = 3 limit 100)");
  await db.query("delete from deed where id not in (select id from message)");
  assertEquals((await store.prune(1, undefined, 200)).deleted, 1);
  assertEquals(await db.query("select * from deed"), []);
});

walk("the log of who left a group in which a text was edited very often", async (db, store) => {
  const [me, you] = await addUsers(store, "me", "you") as [number, number];
  const { groupid } = await store.createGroup(me, "g", "g", "") as { groupid: number };
  await store.joinGroup(you, { id: groupid }, 1);
  const { messageid } = await stored(store, { sender: me, groupid, msg: "x", ts: 1 });
  await doTo(db, messageid, me, 1);
  await store.leaveGroup(you, groupid, 1);
  await db.query(`update message set edited = ${MANY + 5} where id = ${messageid}`);
  await db.query(`insert into inbox (userid, seq, messageid) select ${you}, 1000 + row_number() over (), id from message where kind = 1 limit 100`);
  await db.query(`update user set filed_seq = 1100 where id = ${you}`);
  await assertShort(async () => assertEquals((await store.log(you, 1000, 3, 1e6)).length, 3), SHORT);
});

walk("those who have somebody for a friend are told", async (db, store) => {
  const [me] = await addUsers(store, "me") as [number];
  await store.join("n");
  await db.query(`${NUMBERS} insert into user (id, name, namekey, password) select x + 100, 'p' || x, 'p' || x, '' from n`);
  await db.query(`${NUMBERS} insert into friend (userid, friendid) select x + 100, ${me} from n`);
  await db.query(`update user set state = 'online' where id in (101, ${100 + MANY})`);
  await assertShort(async () => assertEquals((await store.watchers([me])).map(({ watcher }) => watcher), [101, 100 + MANY]), SHORT);
});

walk("files whose bytes go, and those of an account that goes", async (db, store) => {
  const [me] = await addUsers(store, "me") as [number];
  const columns = "owner, hash, name, type, size, place, urlkey, created, used, messageid";
  await db.query(`${NUMBERS} insert into file (${columns}) select ${me}, x, 'n', 't', 1, 'p' || x, 'u' || x, 1, 1, x from n`);
  await db.query("insert into gone (place, at) select 'gone' || place, 1 from file");
  await db.query("insert into gone (place, at) select place, 0 from file where id <= 200");
  await assertShort(async () => assertEquals((await store.gonePlaces(5, 100)).length, 100), SHORT);
  assertEquals(await db.query("select place from gone where at = 0"), []);
  await assertShort(async () => assertEquals((await store.clearAccount(me, 100)).more, false), SHORT / 2);
});

walk("the index is written anew where there is much that is no text", async (db, store) => {
  const [me] = await addUsers(store, "me") as [number];
  const { groupid } = await store.createGroup(me, "g", "g", "") as { groupid: number };
  for (let i = 0; i < 5; i++) await happen(db, groupid, me);
  await stored(store, { sender: me, groupid, msg: "x", ts: 1 });
  await assertShort(async () => {
    await store.reindex();
    while ((await store.index()).more);
  });
  assertEquals((await store.index()).behind, 0);
});

databaseTest("a user has so many tokens on device 0, and the one that would expire first makes room for the next", async (db) => {
  const store = await db.open();
  await store.join("n");
  const [me, other] = await addUsers(store, "me", "other") as [number, number];
  const rows = Array.from({ length: MAX_TOKENS }, (_, i) => `('${String(i).padStart(32, "0")}', ${me}, 0, ${1000 + i})`);
  await db.query(`insert into token (hash, userid, device, expires) values ${rows}`);
  await db.query(`insert into token (hash, userid, device, expires) values ('${"x".repeat(32)}', ${other}, 0, 1)`);
  const left = async (of: number) =>
    (await db.query(`select expires from token where userid = ${of} order by expires`)).map(({ expires }) => expires);
  await claim(store, me, "s1", { token: { hash: hash(1), expires: 5000 } });
  assertEquals([(await left(me)).length, (await left(me))[0], (await left(me)).at(-1)], [MAX_TOKENS, 1001, 5000]);
  // Who is not let in makes no room.
  assertEquals((await tryClaim(store, me, "s2", { token: { hash: hash(2), expires: 6000 } })).result, "held");
  assertEquals([(await left(me)).length, await left(other)], [MAX_TOKENS, [1]]);
});

databaseTest("a group has so many invitations by name, and remembers so many codes that are used up", async (db) => {
  const store = await db.open();
  const [me, a, b] = await addUsers(store, "me", "a", "b") as [number, number, number];
  const { groupid } = await store.createGroup(me, "g", "g", "") as { groupid: number };
  const columns = "insert into invite (groupid, userid, hash, inviter, uses, expires) values";
  const rows = (count: number, row: (i: number) => string) => db.query(`${columns} ${Array.from({ length: count }, (_, i) => row(i))}`);
  await rows(MAX_INVITATIONS - 1, (i) => `(${groupid}, ${1000 + i}, null, ${me}, 1, 9000)`);
  assertEquals(typeof await store.inviteUser(me, groupid, a, 9000, 1), "object");
  assertEquals(await store.inviteUser(me, groupid, b, 9000, 1), "FULL");
  // Who is invited is so once more.
  assertEquals(await store.inviteUser(me, groupid, a, 9500, 1), "INVITATION");
  await rows(MAX_USED_UP + 5, (i) => `(${groupid}, null, '${String(i).padStart(32, "0")}', ${me}, 0, ${2000 + i})`);
  assertEquals(await store.inviteByCode(me, groupid, hash(1), 1, 9000, 1), "OK");
  const codes = await db.query("select uses, expires from invite where hash is not null order by id");
  assertEquals([codes.length, codes[0]!.expires, codes.at(-1)!.uses], [MAX_USED_UP + 1, 2005, 1]);
});
