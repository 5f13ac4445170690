// A row of one user that somebody else holds (a node that stands still, an operator) holds up those alone who write to or from that user.

import { assert, assertEquals } from "@std/assert";
import type { Append, Store, UserId } from "../src/store/store.ts";
import { assertErrno, chats, nothingElse, upTo } from "./support/chat.ts";
import { addUsers } from "./support/databases.ts";
import { hold as holdStatement, type MysqlTest, mysqlTest, waitingMysqlTests } from "./support/mysql.ts";
import { hold, say, SOON } from "./support/held_rows.ts";
import { eventually, makeUsers, spawnServer, startServer } from "./support/server.ts";
import { claim, confirm, group, logOf } from "./support/stores.ts";

mysqlTest("locked row: the log says it once", async (t) => {
  await using server = await spawnServer(t.database, { limits: "off" }, { cheap: true });
  const [ann, bob, held] = await makeUsers(t.database, 3);
  const [onAnn, onBob] = [await server.connect(), await server.connect()];
  assertErrno(await onAnn.login({ id: ann!.id, token: ann!.token, proto: 2 }), 0);
  assertErrno(await onBob.login({ id: bob!.id, token: bob!.token, proto: 2 }), 0);
  const admin = await hold(t, held!.id);
  onAnn.send({ msgid: 6, ref: "held", toid: held!.id, msg: "x" });
  for (const i of upTo(20)) await say(onBob, { toid: bob!.id }, `${i}`);
  await admin.query("COMMIT");
  assertErrno(await onAnn.next((m) => m.ref === "held", SOON), 0);
  await Promise.all([onAnn, onBob].map((client) => client.close()));
  await server.stop();
  assertEquals((await server.log).match(/held by others for long/g)?.length, 1);
});

waitingMysqlTests("locked row", {
  "the others' messages are acknowledged while it is held, its own after it; in order, none lost or doubled": async (t) => {
    await using server = await startServer(t.database, { limits: "off" });
    // Who writes has a lower number than who is held: that row is locked first, by whoever waits for the other.
    const [ann, bob, cid, held] = await makeUsers(t.database, 4);
    await using onAnn = await server.client(ann);
    await using onBob = await server.client(bob);
    await using onCid = await server.client(cid);
    await using onHeld = await server.client(held);
    const admin = await hold(t, held.id);

    // In one turn, so in one batch with those of whom one waits for the row.
    onAnn.send({ msgid: 6, ref: "a1", mid: "a1", toid: held.id, msg: "to the held one" });
    onAnn.send({ msgid: 6, ref: "a2", mid: "a2", toid: bob.id, msg: "behind it" });
    onAnn.send({ msgid: 6, ref: "bad", toid: "nobody", msg: "" });
    onHeld.send({ msgid: 6, ref: "h1", toid: bob.id, msg: "from the held one" });
    await say(onBob, { toid: cid.id }, "first");
    for (const i of upTo(30)) {
      await say(onBob, { toid: cid.id }, `${i}`);
      // Who waits is written to, too.
      await say(onCid, { toid: ann.id }, `${i}`);
    }
    assertEquals((await chats(onCid, 31)).map((m) => m.msg), ["first", ...upTo(30).map(String)]);
    assertEquals((await chats(onAnn, 30)).map((m) => m.msg), upTo(30).map(String));
    await Promise.all([onAnn, onHeld, onBob].map((client) => nothingElse(client)));

    await admin.query("COMMIT");
    const answers = await Promise.all(["a1", "a2", "bad"].map(() => onAnn.next((m) => m.msgid === 11, SOON)));
    assertEquals(answers.map(({ ref, errno }) => [ref, errno]), [["a1", 0], ["a2", 0], ["bad", 13]]);
    assert(answers[0]!.messageid! < answers[1]!.messageid!);
    assertErrno(await onHeld.next((m) => m.ref === "h1", SOON), 0);
    assertEquals((await chats(onHeld, 1)).map((m) => [m.seq, m.msg]), [[1, "to the held one"]]);
    const toBob = await chats(onBob, 2);
    assertEquals(toBob.map((m) => m.seq), [1, 2]);
    assertEquals(toBob.map((m) => m.msg).sort(), ["behind it", "from the held one"]);
    for (const client of [onAnn, onBob, onCid, onHeld]) await nothingElse(client, (m) => m.msgid === 6);
    assertEquals(await t.database.query("SELECT COUNT(*) AS n FROM message"), [{ n: 31 + 30 + 3 }]);
  },

  "where the held one is in a group, that group waits; its members and other groups do not": async (t) => {
    await using server = await startServer(t.database, { limits: "off" });
    const [ann, bob, cid, held] = await makeUsers(t.database, 4);
    const store = await t.open();
    const groupid = await group(t.database, store, ann.id, bob.id, cid.id, held.id);
    const other = await group(t.database, store, ann.id, bob.id, cid.id);
    await using onAnn = await server.client(ann);
    await using onBob = await server.client(bob);
    await using onCid = await server.client(cid);
    const { messageid } = await say(onAnn, { groupid }, "before");
    const admin = await hold(t, held.id);
    onAnn.send({ msgid: 10, ref: "group", groupid, msg: "to all" });
    onCid.send({ msgid: 6, ref: "first", toid: bob.id, msg: "x" });
    assertErrno(await onCid.next((m) => m.ref === "first", SOON), 0);
    // What is done to a message of the group, and who comes or goes, locks all its members.
    onAnn.send({ msgid: 27, ref: "react", messageid, emoji: "👍" });
    onCid.send({ msgid: 19, ref: "leave", groupid });
    for (const i of upTo(30)) {
      await say(onBob, { groupid: other }, `${i}`);
      await say(onBob, { toid: ann.id }, `${i}`);
    }
    assertEquals([onAnn, onCid].map((client) => client.backlog.filter((m) => m.msgid === 11).length), [0, 0]);
    await admin.query("COMMIT");
    assertErrno(await onAnn.next((m) => m.ref === "group", SOON), 0);
    assertErrno(await onAnn.next((m) => m.ref === "react", SOON), 0);
    assertEquals((await t.database.query(`SELECT COUNT(*) AS n FROM message WHERE groupid = ${groupid} AND kind = 0`))[0], { n: 2 });
  },

  "what is said into a group that is held stays behind what its author said before": async (t) => {
    await using server = await startServer(t.database, { limits: "off" });
    const [bob, cid, held, ...authors] = await makeUsers(t.database, 9);
    const store = await t.open();
    const groupid = await group(t.database, store, ...[bob, cid, held, ...authors].map((user) => user!.id));
    await using onBob = await server.client(bob!);
    await using onCid = await server.client(cid!);
    const clients = await Promise.all(authors.map((user) => server.client(user)));
    const admin = await hold(t, held!.id);
    onCid.send({ msgid: 10, ref: "group", groupid, msg: "x" });
    for (const client of clients) {
      // The group is known to be held by now, the receiver is not known to be.
      await say(onBob, { toid: bob!.id }, "x");
      client.send({ msgid: 6, ref: "first", toid: held!.id, msg: "first" });
      client.send({ msgid: 10, ref: "second", groupid, msg: "second" });
    }
    await say(onBob, { toid: bob!.id }, "x");
    await admin.query("COMMIT");
    for (const client of clients) {
      const answers = [await client.next((m) => m.msgid === 11, SOON), await client.next((m) => m.msgid === 11, SOON)];
      assertEquals(answers.map(({ ref, errno }) => [ref, errno]), [["first", 0], ["second", 0]]);
      assert(answers[0]!.messageid! < answers[1]!.messageid!);
      await client.close();
    }
  },

  "a server that ends answers what waits for it, and does not wait itself": async (t) => {
    await using server = await startServer(t.database, { limits: "off" });
    const [ann, bob, held] = await makeUsers(t.database, 3);
    await using onAnn = await server.client(ann);
    await using onBob = await server.client(bob);
    const admin = await hold(t, held.id);
    onAnn.send({ msgid: 6, ref: "held", toid: held.id, msg: "x" });
    onAnn.send({ msgid: 6, ref: "behind", toid: bob.id, msg: "x" });
    await say(onBob, { toid: bob.id }, "x");
    const closing = server.server.close();
    const came: [unknown, unknown][] = [];
    for (let m = await onAnn.next(() => true, SOON); m.msgid !== 20; m = await onAnn.next(() => true, SOON)) came.push([m.ref, m.errno]);
    assertEquals(came, [["held", 19], ["behind", 19]]);
    await admin.query("COMMIT");
    await closing;
  },

  "a group's row holds up that group alone": async (t) => {
    await using server = await startServer(t.database, { limits: "off" });
    const [ann, bob, cid] = await makeUsers(t.database, 3);
    const store = await t.open();
    const groupid = await group(t.database, store, ann.id, bob.id);
    const other = await group(t.database, store, bob.id, cid.id);
    await using onAnn = await server.client(ann);
    await using onBob = await server.client(bob);
    const admin = await hold(t, groupid, "allgroup");
    onAnn.send({ msgid: 10, ref: "group", groupid, msg: "to all" });
    for (const i of upTo(10)) {
      await say(onBob, { groupid: other }, `${i}`);
      await say(onBob, { toid: ann.id }, `${i}`);
    }
    await admin.query("COMMIT");
    assertErrno(await onAnn.next((m) => m.ref === "group", SOON), 0);
  },

  "what is old is forgotten but for the message that is held, and what was done to it": async (t) => {
    const store = await t.open();
    await store.join("a");
    const [ann] = await addUsers(store, "ann");
    const key = await claim(store, ann!, "a1");
    for (const ts of upTo(6)) await store.append([{ sender: ann!, toid: ann!, msg: "x", ts }]);
    for (const messageid of [1, 2, 3]) assertEquals((await store.act({ what: "edit", by: ann!, messageid, msg: "y", at: 10 })).errno, "OK");
    await confirm(store, key, 9);
    // Most of a small table goes: nothing of it is scanned.
    const left = async (table: string) => (await t.database.query(`SELECT id FROM ${table} ORDER BY id`)).map(({ id }) => id);
    const admins = [await hold(t, 5, "message"), await hold(t, 8, "message")];
    // Of messages 1 to 3 the edits 7 to 9.
    assertEquals(await store.dropDeeds(0, 100), { dropped: 2, next: undefined });
    assertEquals([await left("deed"), await left("message")], [[8], [1, 2, 3, 4, 5, 6, 8]]);
    assertEquals((await store.prune(7, undefined, 100)).deleted, 5);
    assertEquals(await left("message"), [5, 8]);
    for (const admin of admins) await admin.query("COMMIT");
    assertEquals([(await store.dropDeeds(0, 100)).dropped, (await store.prune(7, undefined, 100)).deleted], [1, 1]);
    assertEquals([await left("deed"), await left("message")], [[], []]);
  },

  "what is asked of another node, a file that is going and what a user's texts take hold up nobody else's, though those are most of the table":
    async (t) => {
      const store = await t.open();
      await store.join("a");
      const [held, ...users] = await addUsers(store, ...upTo(13).map((i) => `u${i}`)) as [UserId, ...UserId[]];
      for (const userId of users) {
        await claim(store, userId, `s${userId}`);
        assert(await store.kick(userId));
      }
      await t.database.query(`INSERT INTO kick (session, userid, device, node, at) VALUES ('there', ${held}, 0, 'b', ${Date.now()})`);
      for (const userId of [held, ...users]) await store.reservePlace(`${userId}`, 1);
      await store.setTextKept([held, ...users].map((userId) => [userId, 1]));
      const admins = [await hold(t, "node = 'b'", "kick"), await hold(t, `place = '${held}'`, "gone"), await hold(t, `userid = ${held}`, "texts")];
      assertEquals((await store.takeKicks()).length, users.length);
      await store.sweep();
      await store.forgetPlaces(users.map(String));
      await store.setTextKept(users.map((userId) => [userId, 0]));
      const left = async (column: string, table: string) =>
        (await t.database.query(`SELECT ${column} AS it FROM ${table}`)).map(({ it }) => Number(it));
      assertEquals([await left("userid", "kick"), await left("place", "gone"), await left("userid", "texts")], [[held], [held], [held]]);
      for (const admin of admins) await admin.query("COMMIT");
    },

  "a message that is not committed for long holds up the index, and no edit of those before it": async (t) => {
    const store = await t.open();
    const [ann, bob] = await addUsers(store, "ann", "bob");
    const [first] = await store.append([{ sender: ann, toid: bob, msg: "first", ts: 1 }]);
    assert(first.errno === "OK");
    const admin = await t.admin();
    await admin.query("START TRANSACTION");
    await admin.query("INSERT INTO message (sender, toid, ts, msg) VALUES (1000, 1001, 1, 'second')");
    await store.append([{ sender: bob, toid: bob, msg: "third", ts: 1 }]);
    // It reads up to what was the newest a second ago.
    let round = await store.index();
    const waits = admin.lockWaits(1);
    let waited = false;
    void waits.then(() => waited = true);
    while (!waited) round = await store.index();
    await waits;
    assertEquals(round, { behind: 3, more: false });
    const edited = await store.act({ what: "edit", by: ann, messageid: first.messageid, msg: "edited", at: 2 });
    assertEquals(edited.errno, "OK");
    await admin.query("COMMIT");
    await eventually(async () => (await store.index()).behind === 0, "the index is through");
  },

  "a node that stands still in mid-transaction holds up those alone whom that concerns, on the others": async (t) => {
    const frozen = await t.openProxied();
    await using server = await startServer(t.database, { limits: "off" });
    const [ann, bob, cid, don] = await makeUsers(t.database, 4);
    const groupid = await group(t.database, frozen, ann.id, bob.id, cid.id);
    const commit = holdStatement(t.proxy, /COMMIT/);
    const appending = frozen.append([
      { sender: bob.id, toid: ann.id, msg: "frozen", ts: 1 },
      { sender: don.id, toid: bob.id, msg: "frozen", ts: 1 },
    ]);
    await commit.there;
    const clients = await Promise.all([server.connect(), server.client(cid)]);
    const [onBob, onCid] = clients;
    const login = onBob.login({ id: bob.id, token: bob.token, proto: 2 });
    onCid.send({ msgid: 6, ref: "bob", toid: bob.id, msg: "x" });
    onCid.send({ msgid: 10, ref: "group", groupid, msg: "x" });
    const [eve, fay] = await makeUsers(t.database, 2, "other");
    await using onEve = await server.client(eve);
    for (const i of upTo(20)) await say(onEve, { toid: i % 2 ? fay.id : cid.id }, `${i}`);
    assertEquals(onCid.backlog.filter((m) => m.msgid === 11), []);
    commit.go();
    assertEquals((await appending).map(({ errno }) => errno), ["OK", "OK"]);
    assertErrno(await login, 0);
    for (const ref of ["bob", "group"]) assertErrno(await onCid.next((m) => m.ref === ref, SOON), 0);
    const log = await logOf(frozen, bob.id, 0, 10, 1e6);
    assertEquals(log.map(({ seq }) => seq), upTo(log.length));
    for (const client of clients) await client.close();
  },

  "a row that is held for longer: errno 19, nothing stored; the others' go on all the while": async (t) => {
    await using server = await startServer(t.database, { limits: "off" });
    const [ann, bob, held] = await makeUsers(t.database, 3);
    await using onAnn = await server.client(ann!);
    await using onBob = await server.client(bob!);
    const admin = await hold(t, held!.id);
    onAnn.send({ msgid: 6, ref: "a1", mid: "a1", toid: held!.id, msg: "1" });
    onAnn.send({ msgid: 6, ref: "a2", mid: "a2", toid: bob!.id, msg: "2" });
    let refused = false;
    const others = async () => {
      for (let i = 0; !refused; i++) await say(onBob, { toid: bob!.id }, `${i}`);
    };
    const [answer] = await Promise.all([onAnn.next((m) => m.ref === "a1").finally(() => refused = true), others()]);
    assertErrno(answer, 19);
    assertErrno(await onAnn.next((m) => m.ref === "a2", SOON), 0);
    assertEquals(await t.database.query(`SELECT COUNT(*) AS n FROM message WHERE toid = ${held!.id}`), [{ n: 0 }]);
    await admin.query("COMMIT");
    assertErrno(await onAnn.request({ msgid: 6, mid: "a1", toid: held!.id, msg: "1" }, SOON), 0);
    assertEquals(await t.database.query(`SELECT COUNT(*) AS n FROM message WHERE sender = ${ann!.id}`), [{ n: 2 }]);
  },

  "rows that are held for moments, again and again, keep nobody wary": async (t) => {
    const store = await t.open();
    const [ann, busy] = await addUsers(store, "ann", "busy");
    await keptWary(t, store, busy!, "user", () => ({ sender: ann!, toid: busy!, msg: "x", ts: 1 }));
  },

  "nor do those of files": async (t) => {
    const store = await t.open();
    const [ann, bob] = await addUsers(store, "ann", "bob");
    const told = { name: "a", type: "text/plain", size: 1, width: null, height: null };
    const added = await store.addFile({ ...told, owner: ann!, hash: "a", place: "a", urlkey: "a", created: 1 }, 1e9);
    assert(typeof added === "object");
    // It is not used by what is refused.
    await store.block(bob!, ann!, 1);
    await keptWary(t, store, added.id, "file", () => ({ sender: ann!, toid: bob!, msg: "x", ts: 1, files: [added.id] }), "BLOCKED");
  },
});

/** Goes on until somebody waits for the row with others in hand, as nobody does who is wary. */
async function keptWary(t: MysqlTest, store: Store, id: number, table: string, append: () => Append, errno = "OK"): Promise<void> {
  const result = async () => (await store.append([append()]))[0]!.errno;
  const admin = await hold(t, id, table);
  assertEquals(await result(), "HELD");
  await admin.query("COMMIT");
  const watching = await t.admin();
  let waited = false;
  const waits = watching.lockWaits(1).then(() => waited = true);
  while (!waited) {
    assertEquals(await result(), errno);
    await admin.query("START TRANSACTION");
    await admin.query(`SELECT id FROM ${table} WHERE id = ${id} FOR UPDATE`);
    const appending = result();
    await Promise.race([appending, waits]);
    await admin.query("COMMIT");
    await appending;
  }
  await waits;
}
