// Storing messages on MySQL: several nodes at once, COMMITs of unknown outcome, deadlocks, the number of statements.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { othersUse } from "../src/async/disk.ts";
import { openMysql } from "../src/store/mysql.ts";
import { type Append, type Store, StoreUnavailable } from "../src/store/store.ts";
import { addUsers, hasMysql, testDatabase } from "./support/databases.ts";
import { type Admin, countCommands, type MysqlTest, mysqlTest, waitingMysqlTests } from "./support/mysql.ts";
import type { Chunk } from "./support/proxy.ts";
import { eventually } from "./support/server.ts";
import { addDevice, group, logOf, release } from "./support/stores.ts";

const text = new TextDecoder("latin1");

/** Whether this chunk sends the statement in the clear (COMMIT is not prepared). */
function sends(chunk: Chunk, sql: string): boolean {
  return chunk.direction === "up" && text.decode(chunk.data).endsWith(sql);
}

async function two(t: MysqlTest): Promise<{ store: Store; admin: Admin; ada: number; bob: number }> {
  const store = await t.openProxied();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  return { store, admin: await t.admin(), ada, bob };
}

function batchOf(ada: number, bob: number, n: number): Append[] {
  return Array.from({ length: n }, (_, i) => ({ sender: ada, toid: bob, msg: `message ${i}`, ts: 1000 + i }));
}

/** The inbox has every message of the batch once, in order, as the answers say. */
async function assertStoredOnce(store: Store, bob: number, batch: Append[], answers: Awaited<ReturnType<Store["append"]>>): Promise<void> {
  const inbox = await logOf(store, bob, 0, 1000, 1e6);
  assertEquals(inbox.map((m) => [m.seq, m.msg]), batch.map((m, i) => [i + 1, m.msg]));
  assertEquals(
    answers,
    inbox.map((m) => ({ errno: "OK", messageid: m.messageid, ts: m.ts, repeated: false, receivers: [{ userId: bob, seq: m.seq, nodes: [] }] })),
  );
}

mysqlTest("a COMMIT that was done, and whose answer got lost: stored once, and answered", async (t) => {
  const { store, admin, ada, bob } = await two(t);
  let committing: number | undefined;
  t.proxy.inspect = (chunk) => {
    if (sends(chunk, "COMMIT")) committing ??= chunk.connection;
    return chunk.direction === "down" && chunk.connection === committing ? "cut" : "pass";
  };
  const batch = batchOf(ada, bob, 20);
  await assertStoredOnce(store, bob, batch, await store.append(batch));
  assert(committing !== undefined);
  assertEquals(await admin.query("SELECT COUNT(*) AS n FROM message"), [{ n: 20 }]);
});

mysqlTest("a COMMIT that never arrived: stored once, and answered", async (t) => {
  const { store, admin, ada, bob } = await two(t);
  let cut = 0;
  t.proxy.inspect = (chunk) => sends(chunk, "COMMIT") && cut++ < 2 ? "cut" : "pass";
  const batch = batchOf(ada, bob, 20);
  await assertStoredOnce(store, bob, batch, await store.append(batch));
  assertEquals(cut, 3);
  assertEquals(await admin.query("SELECT COUNT(*) AS n FROM message"), [{ n: 20 }]);
});

mysqlTest("a COMMIT of unknown outcome while the database stays away: unavailable; the same mid tells later", async (t) => {
  const { store, ada, bob } = await two(t);
  const closed = Promise.withResolvers<void>();
  t.proxy.inspect = (chunk) => {
    if (!sends(chunk, "COMMIT")) return "pass";
    t.proxy.refuse = true;
    closed.resolve();
    return "passAndCut";
  };
  const append = { sender: ada, toid: bob, msg: "once", ts: 5, mid: "m" };
  const appending = assertRejects(() => store.append([append]), StoreUnavailable);
  await closed.promise;
  await store.close();
  await appending;
  const other = await t.open();
  const [answer] = await other.append([{ ...append, ts: 6 }]);
  assert(answer.errno === "OK");
  assertEquals((await logOf(other, bob, 0, 10, 1e6)).map((m) => [m.seq, m.msg, m.messageid]), [[1, "once", answer.messageid]]);
});

mysqlTest("two nodes in the same conversations: no gap, and the ids rise as the seqs do", async (t) => {
  const stores = [await t.open(), await t.open()];
  const users = await addUsers(stores[0], ..."abcdef");
  const groupid = await group(t.database, stores[0], ...users);
  const sent = new Map<number, number>(users.map((user) => [user, 0]));
  await Promise.all(stores.flatMap((store, s) =>
    [0, 1].map(async (lane) => {
      for (let round = 0; round < 25; round++) {
        const batch: Append[] = Array.from({ length: 8 }, (_, i) => {
          const sender = users[(s + lane + i + round) % users.length];
          const base = { sender, msg: "x", ts: round };
          return i % 4 === 0 ? { ...base, groupid } : { ...base, toid: users[(s * 3 + i * round) % users.length] };
        });
        for (const answer of await store.append(batch)) {
          assert(answer.errno === "OK");
          for (const { userId } of answer.receivers) sent.set(userId, sent.get(userId)! + 1);
        }
      }
    })
  ));
  for (const user of users) {
    const inbox = await stores[1].log(user, 0, 10_000, 1e7);
    assertEquals(inbox.map((m) => m.seq), Array.from({ length: sent.get(user)! }, (_, i) => i + 1));
    for (
      const conversation of [
        ...users.map((peer) => inbox.filter((m) => m.toid !== undefined && m.id === peer)),
        inbox.filter((m) => m.groupid !== undefined),
      ]
    ) {
      const ids = conversation.map((m) => m.messageid);
      assertEquals(ids, ids.toSorted((a, b) => a - b));
    }
  }
});

mysqlTest(
  "appends, claims, releases and confirmations of the same users' devices at once: no deadlock, no error comes out, nothing is lost",
  async (t) => {
    const stores = [await t.open(), await t.open()];
    const names = Array.from({ length: 40 }, (_, i) => `user${i}`);
    const users = await addUsers(stores[0], ...names);
    await Promise.all(stores.map((store, i) => store.join(`node${i}`)));
    // Every other user has three devices, and what they say is in their own logs too.
    for (const user of users.filter((_, i) => i % 2 === 0)) {
      for (const name of ["phone", "desk"]) await release(stores[0], await addDevice(stores[0], user, name));
    }
    const random = (n: number) => Math.floor(Math.random() * n);
    const entries = new Map<number, number>(users.map((user) => [user, 0]));
    const writers = stores.map(async (store) => {
      for (let round = 0; round < 60; round++) {
        const batch = Array.from({ length: 30 }, () => ({ sender: users[random(40)], toid: users[random(40)], msg: "x", ts: round }));
        for (const answer of await store.append(batch)) {
          assert(answer.errno === "OK");
          for (const { userId } of answer.receivers) entries.set(userId, entries.get(userId)! + 1);
        }
      }
    });
    let writing = true;
    const comers = stores.map(async (store, s) => {
      for (let round = 0; writing; round++) {
        await store.renew();
        const chosen = users.flatMap((userId, i) =>
          [0, 1, 2].filter((device) => (device === 0 || i % 2 === 0) && random(3) === 0).map((device) => ({ userId, device }))
        );
        const held = (await Promise.all(
          chosen.sort(() => random(3) - 1).map(async ({ userId, device }) => {
            const session = `${s}-${round}-${userId}-${device}`;
            const claim = await store.claim({ userId, session, proof: { version: 1 }, device, address: "", at: round });
            if (claim.result !== "claimed") return [];
            const { last } = (await store.welcome(userId, device)).inbox;
            return [{ userId, device, session, seq: last, lastseen: round }];
          }),
        )).flat();
        await Promise.all([
          store.confirm(held),
          store.release(held.map((h) => ({ ...h, confirmed: h.seq }))),
          store.release(held.toReversed()),
        ]);
      }
    });
    await Promise.all(writers);
    writing = false;
    await Promise.all(comers);
    const admin = await t.admin();
    const rows = await admin.query("SELECT id, state, last_seq, confirmed_seq, trimmed_seq FROM user ORDER BY id");
    assertEquals(rows.map(({ id, state, last_seq }) => [id, state, last_seq]), [...entries].map(([id, last]) => [id, "offline", last]));
    for (const { id, last_seq, confirmed_seq, trimmed_seq } of rows) {
      const places = (await admin.query(`SELECT confirmed_seq FROM device WHERE userid = ${id}`)).map((row) => Number(row.confirmed_seq));
      assertEquals([confirmed_seq, trimmed_seq], [Math.max(0, ...places), Math.min(...places)]);
      const log = await admin.query(`SELECT MIN(seq) AS first, MAX(seq) AS last, COUNT(*) AS n FROM inbox WHERE userid = ${id}`);
      const n = Number(last_seq) - Number(trimmed_seq);
      assertEquals(log, [{ first: n > 0 ? Number(trimmed_seq) + 1 : null, last: n > 0 ? last_seq : null, n }]);
    }
    assertEquals(await admin.deadlock(), undefined);
  },
);

mysqlTest("a deadlock is tried again", async (t) => {
  const { store, admin, ada, bob } = await two(t);
  await admin.query("START TRANSACTION");
  // The victim is the one that has changed less: the append.
  await admin.query(
    "INSERT INTO block (userid, blocked, lastseen) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT 999, i, 0 FROM n",
  );
  await admin.query(`SELECT id FROM user WHERE id = ${bob} FOR UPDATE`);
  const appending = store.append(batchOf(ada, bob, 1));
  await admin.lockWaits(1);
  // The append holds ada and waits for bob.
  await admin.query(`UPDATE user SET closed = FALSE WHERE id = ${ada}`);
  await admin.query("COMMIT");
  assertEquals((await appending)[0].errno, "OK");
  assertEquals((await logOf(store, bob, 0, 10, 100)).length, 1);
  assert(await admin.deadlock() !== undefined);
});

waitingMysqlTests("what waits for deadlines", {
  "a COMMIT that is still under way is waited for": async (t) => {
    const { store, admin, ada, bob } = await two(t);
    const arriving = Promise.withResolvers<"pass">();
    let held = false;
    t.proxy.inspect = (chunk) => {
      if (held || !sends(chunk, "COMMIT")) return "pass";
      held = true;
      return arriving.promise;
    };
    // The statement's deadline passes while the COMMIT is held; the question comes on another connection, and waits for the row's lock.
    const batch = batchOf(ada, bob, 3);
    const appending = store.append(batch);
    await admin.lockWaits(1);
    arriving.resolve("pass");
    await assertStoredOnce(store, bob, batch, await appending);
  },
  "a lock wait that runs out is tried again": async (t) => {
    const { store, admin, ada, bob } = await two(t);
    await admin.query("START TRANSACTION");
    await admin.query(`SELECT id FROM user WHERE id = ${bob} FOR UPDATE`);
    const closing = store.setClosed(bob, true);
    const appending = store.append(batchOf(ada, bob, 1));
    await admin.lockWaits(2);
    assertEquals(await appending, [{ errno: "HELD", behind: false }]);
    await admin.query("COMMIT");
    await closing;
    assertEquals((await store.append(batchOf(ada, bob, 1)))[0].errno, "OK");
    assertEquals((await logOf(store, bob, 0, 10, 100)).length, 1);
  },
});

mysqlTest("who left a group before the append had its lock gets nothing of it", async (t) => {
  const { store, admin, ada, bob } = await two(t);
  const created = await store.createGroup(ada, "g", "g", "");
  assert(typeof created === "object");
  await store.joinGroup(bob, { id: created.groupid }, 1);
  await admin.query("START TRANSACTION");
  await admin.query(`SELECT id FROM allgroup WHERE id = ${created.groupid} FOR UPDATE`);
  await admin.query(`DELETE FROM groupuser WHERE groupid = ${created.groupid} AND userid = ${bob}`);
  const appending = store.append([{ sender: ada, groupid: created.groupid, msg: "x", ts: 1 }]);
  await admin.lockWaits(1);
  await admin.query("COMMIT");
  const [answer] = await appending;
  assert(answer.errno === "OK");
  assertEquals(answer.receivers, []);
});

mysqlTest("a group of 1,000: one row in message, and a handful of statements", async (t) => {
  const { store, admin, ada } = await two(t);
  await admin.query(
    "INSERT INTO user (name, namekey, password) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 998) SELECT CONCAT('u', i), CONCAT('u', i), 'x' FROM n",
  );
  await store.createGroup(ada, "g", "g", "");
  await admin.query(`INSERT INTO groupuser (groupid, userid, grouprole, joined) SELECT 1, id, 'normal', id FROM user WHERE id <> ${ada}`);
  await store.append([{ sender: ada, groupid: 1, msg: "first", ts: 1 }]);
  const count = countCommands(t.proxy);
  const [answer] = await store.append([{ sender: ada, groupid: 1, msg: "second", ts: 2 }]);
  assert(answer.errno === "OK");
  assertEquals(answer.receivers.length, 999);
  assert(count.commands >= 5 && count.commands <= 10, `${count.commands} commands`);
  assertEquals(await admin.query("SELECT COUNT(*) AS n FROM message"), [{ n: 2 }]);
  assertEquals(await admin.query("SELECT COUNT(*) AS n FROM inbox"), [{ n: 2 * 999 }]);
});

mysqlTest("mids and names are compared byte by byte, spaces at the end too", async (t) => {
  const { store, ada, bob } = await two(t);
  const mids = ["AbC", "aBc", "AbC ", "ábc", "abc", "😀", "😁"];
  const answers = await store.append(mids.map((mid, i) => ({ sender: ada, toid: bob, msg: mid, ts: i, mid })));
  assertEquals(answers.map((a) => a.errno === "OK" && !a.repeated), mids.map(() => true));
  assertEquals((await logOf(store, bob, 0, 100, 1e6)).map((m) => m.mid), mids);
  for (const key of ["Bob", "bob ", "böb"]) assertEquals(typeof await store.createUser(key, key, "x"), "number");
});

mysqlTest("a message that the database refuses makes its batch reject, with nothing stored", async (t) => {
  const { store, admin, ada, bob } = await two(t);
  const batch = [...batchOf(ada, bob, 2), { sender: ada, toid: bob, msg: "x", ts: 1, mid: "m".repeat(65) }];
  const error = await assertRejects(() => store.append(batch));
  assert(!(error instanceof StoreUnavailable));
  assertEquals(await admin.query("SELECT COUNT(*) AS n FROM message"), [{ n: 0 }]);
  assertEquals((await store.append(batchOf(ada, bob, 2))).map((r) => r.errno), ["OK", "OK"]);
});

const isHere = new URL(Deno.env.get("NATTER_TEST_MYSQL") ?? "mysql://127.0.0.1").hostname === "127.0.0.1" && Deno.build.os === "linux";

Deno.test({
  name: "files wait for commits of a database on this machine, whose disk is most likely theirs, and of no other",
  ignore: !hasMysql || !isHere,
  fn: async () => {
    await using db = await testDatabase("mysql");
    const url = new URL(db.url);
    // To Linux the second one is this machine, too.
    for (const [host, waits] of [["127.0.0.1", true], ["0.0.0.0", false]] as const) {
      url.hostname = host;
      const store = await openMysql(url.href, { maxGroup: 10, maxInbox: 10, maxDevices: 10, maxContacts: 10 });
      const [ada] = await addUsers(store, `ada at ${host}`);
      await eventually(() => !othersUse(), "nobody has used the disk for a while");
      await store.append([{ sender: ada!, toid: ada!, msg: "a note", ts: 1 }]);
      assertEquals(othersUse(), waits, host);
      await store.close();
    }
  },
});
