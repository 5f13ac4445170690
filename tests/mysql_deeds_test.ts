// What is done to messages on MySQL: against whatever else goes on at the same moment, on several nodes; the number of statements.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Acted, type Deed, type Store, StoreUnavailable } from "../src/store/store.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { addUsers, hasMysql, testDatabase } from "./support/databases.ts";
import { countCommands, hold, type MysqlTest, mysqlTest } from "./support/mysql.ts";
import { makeUsers, startServer, type TestUser } from "./support/server.ts";
import { addDevice, confirm, group, history, seqs, stored } from "./support/stores.ts";

/** What a deed sends: it looks, locks those concerned and looks again, and writes. */
const LOOKS = /AS reacted/, LOCKS = /FROM user FORCE INDEX.*AS reacted/s, WRITES = /INSERT INTO deed.*COMMIT/s;

/** Each step, and whether the locks are held there. */
const STEPS = [[LOOKS, "question", false], [LOOKS, "answer", false], [LOCKS, "question", false], [WRITES, "question", true], [
  WRITES,
  "answer",
  false,
]] as const;

async function nodes(t: MysqlTest) {
  const [a, b] = [await t.openProxied(), await t.open()];
  await a.join("a");
  await b.join("b");
  const [ada, bob] = await addUsers(b, "ada", "bob");
  const admin = await t.admin();
  for (const id of [ada, bob]) await addDevice(b, id, "phone");
  // Each has in the log what they did themselves.
  await admin.query("UPDATE user SET many = TRUE");
  return { a, b, ada, bob, admin };
}

function isTold(acted: Acted): boolean {
  return acted.errno === "OK" && acted.receivers.length > 0;
}

/** The logs have no gap, and what they say last of a message is what the history says. */
async function assertTold(store: Store, users: number[], messageid: number, name: string): Promise<void> {
  const [first, second] = users;
  const message = (await history(store, first, { toid: second })).messages.find((m) => m.messageid === messageid)!;
  for (const userId of users) {
    const numbers = await seqs(store, userId);
    assertEquals(numbers, numbers.map((_, i) => numbers[0] + i), name);
    const entries = (await store.log(userId, 0, 1000, 1e6)).flatMap((entry) => "groupname" in entry || entry.messageid !== messageid ? [] : [entry]);
    for (const entry of entries) {
      if (message.deleted) assert(entry.what === "delete" || entry.deleted, name);
      else if (entry.what === "edit") assert(!entry.deleted && entry.msg === message.msg && entry.edited === message.edited, name);
      else if (entry.what === "react") assert(!entry.deleted && entry.reactions.length === (message.reactions ?? []).length, name);
    }
  }
}

mysqlTest("a deed against messages, other deeds and confirmations, each of its steps held open while those go on", async (t) => {
  const { a, b, ada, bob, admin } = await nodes(t);
  const deed: Deed = { by: ada, messageid: 0, at: 50, what: "edit", msg: "ada's" };
  let round = 0;
  for (const [step, what, locked] of STEPS) {
    for (const other of ["append", "edit", "delete", "react", "confirm"] as const) {
      const name = `${other}, at the ${what} of ${step}`;
      const { messageid } = await stored(b, { sender: ada, toid: bob, msg: `text ${round++}`, ts: 1 });
      await b.act({ by: bob, messageid, at: 1, what: "react", emoji: "👍", off: false });
      const phone = { userId: bob, device: 1, session: `${bob} phone` };
      const end = (await seqs(b, bob)).at(-1)!;
      const holding = hold(t.proxy, step, what);
      const acting = a.act({ ...deed, messageid });
      await holding.there;
      const meanwhile = other === "append"
        ? stored(b, { sender: bob, toid: ada, msg: "meanwhile", ts: 1 }).then(() => undefined)
        : other === "confirm"
        ? confirm(b, phone, end).then(() => undefined)
        : b.act(
          other === "edit"
            ? { by: ada, messageid, at: 60, what: "edit", msg: "from elsewhere" }
            : other === "delete"
            ? { by: ada, messageid, at: 60, what: "delete" }
            : { by: bob, messageid, at: 60, what: "react", emoji: "🎉", off: false },
        );
      if (locked) await admin.lockWaits(1);
      else await meanwhile;
      holding.go();
      const [acted, also] = await Promise.all([acting, meanwhile]);
      const late = step === WRITES;
      if (also) assertEquals(also.errno, "OK", name);
      if (other === "delete" && !late) assertEquals(acted, { errno: "NO_MESSAGE" }, name);
      else assert(isTold(acted), name);
      await assertTold(b, [ada, bob], messageid, name);
      if (other === "edit") {
        const { messages } = await history(b, bob, { toid: ada });
        assertEquals(messages.find((m) => m.messageid === messageid)?.msg, late ? "from elsewhere" : "ada's", name);
      }
      if (other === "confirm") assertEquals(await seqs(b, bob), [end + 1], name);
    }
  }
  assertEquals(await admin.deadlock(), undefined);
});

mysqlTest("a deed in a group against one who leaves: told if the group was locked before, not after; nor done by who has left", async (t) => {
  const { a, b, ada, bob, admin } = await nodes(t);
  const pub = await group(t.database, b, ada, bob);
  for (const by of [ada, bob]) {
    for (const [step, what, locked] of STEPS) {
      const name = `${by === ada ? "by a member" : "by who leaves"}, at the ${what} of ${step}`;
      const { messageid } = await stored(b, { sender: ada, groupid: pub, msg: "x", ts: 1 });
      const holding = hold(t.proxy, step, what);
      const acting = a.act({ by, messageid, at: 1, what: "react", emoji: "👍", off: false });
      await holding.there;
      const leaving = b.leaveGroup(bob, pub, 1);
      // The group is locked before the users.
      if (locked || step === LOCKS) await admin.lockWaits(1);
      else await leaving;
      holding.go();
      const [acted] = await Promise.all([acting, leaving]);
      const before = step === LOOKS;
      if (by === bob && before) assertEquals(acted, { errno: "NO_MESSAGE" }, name);
      else {
        assert(acted.errno === "OK", name);
        assertEquals(acted.receivers.map(({ userId }) => userId).sort(), before ? [ada] : [ada, bob], name);
      }
      await b.joinGroup(bob, { id: pub }, 1);
    }
  }
  assertEquals(await admin.deadlock(), undefined);
});

mysqlTest("a message that is edited while it is being pruned stays, for those who are told of it", async (t) => {
  const { a, b, ada, bob, admin } = await nodes(t);
  const phone = { userId: bob, device: 1, session: `${bob} phone` };
  await admin.query("UPDATE user SET many = FALSE");
  for (const [step, pruner, editor] of [[/FROM message FORCE INDEX \(PRIMARY\).*FOR UPDATE/, a, b], [WRITES, b, a]] as const) {
    const { messageid } = await stored(b, { sender: ada, toid: bob, msg: "x", ts: 1 });
    const end = (await seqs(b, bob)).at(-1)!;
    await confirm(b, phone, end);
    assertEquals(await seqs(b, bob), []);
    const edit = () => editor.act({ by: ada, messageid, at: 50, what: "edit", msg: "y" });
    const prune = () => pruner.prune(40, undefined, 100);
    const holding = hold(t.proxy, step);
    const first = pruner === a ? prune() : edit();
    await holding.there;
    const second = pruner === a ? edit() : prune();
    if (pruner === a) await second;
    else await admin.lockWaits(1);
    holding.go();
    const results = await Promise.all([first, second]);
    assertEquals(results.flatMap((result) => result && "deleted" in result ? result.deleted : []), [0]);
    assertEquals((await b.log(bob, 0, 10, 1e6)).map((entry) => [entry.messageid, entry.what]), [[messageid, "edit"]]);
    await confirm(b, phone, end + 1);
    assert((await b.prune(40, undefined, 100)).deleted > 0);
  }
  assertEquals(await admin.deadlock(), undefined);
});

mysqlTest("messages, deeds, marks, confirmations, prunings and the index at once, on two nodes: no deadlock, no gap", async (t) => {
  const { b, ada, bob, admin } = await nodes(t);
  const stores = [b, await t.open()];
  const pub = await group(t.database, b, ada, bob);
  const random = (n: number) => Math.floor(Math.random() * n);
  const said: number[] = [];
  for (let i = 0; i < 5; i++) {
    said.push((await stored(b, { sender: ada, ...(i % 2 ? { toid: bob } : { groupid: pub }), msg: "first", ts: 1 })).messageid);
  }
  await Promise.all(Array.from({ length: 6 }, async (_, worker) => {
    const store = stores[worker % 2];
    for (let round = 0; round < 40; round++) {
      const [by, peer] = random(2) ? [ada, bob] : [bob, ada];
      const of = random(2) ? { toid: peer } : { groupid: pub };
      const messageid = said[random(said.length)];
      const kind = random(8);
      if (kind < 2) said.push((await stored(store, { sender: by, ...of, msg: `text ${round}`, ts: Date.now(), reply: undefined })).messageid);
      else if (kind === 2) await store.act({ by, messageid, at: Date.now(), what: "edit", msg: `edited ${round}` });
      else if (kind === 3) await store.act({ by, messageid, at: 1, what: "delete" });
      else if (kind === 4) await store.act({ by, messageid, at: 1, what: "react", emoji: ["👍", "🎉"][random(2)], off: random(3) === 0 });
      else if (kind === 5) await store.read(by, of, messageid);
      else if (kind === 6) {
        const end = (await seqs(store, by)).at(-1) ?? 0;
        await confirm(store, { userId: by, device: 1, session: `${by} phone` }, end - random(3));
      } else await (random(2) ? store.index() : store.dropDeeds(0, 100).then(() => store.prune(Date.now(), undefined, 100)));
    }
  }));
  for (const userId of [ada, bob]) {
    const numbers = await seqs(b, userId);
    assertEquals(numbers, numbers.map((_, i) => numbers[0] + i));
  }
  // What a reaction's row says is what the message's says.
  const counted = await admin.query("SELECT id, reactions FROM message WHERE reactions IS NOT NULL ORDER BY id");
  for (const { id, reactions } of counted) {
    const rows = await admin.query(`SELECT COUNT(*) AS n FROM reaction WHERE messageid = ${id}`);
    assertEquals(rows, [{ n: (JSON.parse(String(reactions)) as [string, number][]).reduce((sum, [, n]) => sum + n, 0) }]);
  }
  assertEquals(await admin.query("SELECT id FROM deed WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.id = deed.target)"), []);
  assertEquals(await admin.deadlock(), undefined);
});

mysqlTest("a deed whose COMMIT was done, and whose answer got lost: unavailable; done again it changes nothing", async (t) => {
  const { a, b, ada, bob } = await nodes(t);
  const { messageid } = await stored(b, { sender: ada, toid: bob, msg: "x", ts: 1 });
  let committing: number | undefined;
  const text = new TextDecoder("latin1");
  t.proxy.inspect = ({ connection, direction, data }) => {
    if (direction === "up" && WRITES.test(text.decode(data))) committing ??= connection;
    return direction === "down" && connection === committing ? "cut" : "pass";
  };
  const deed: Deed = { by: ada, messageid, at: 5, what: "edit", msg: "y" };
  await assertRejects(() => a.act(deed), StoreUnavailable);
  assert(committing !== undefined);
  assertEquals(await a.act(deed), {
    errno: "OK",
    done: { id: ada, toid: bob, messageid, what: "edit", msg: "y", edited: 5 },
    receivers: [],
  });
  assertEquals(await seqs(b, bob), [1, 2]);
});

mysqlTest("a reaction in a group of 1,000 costs about what a message costs; what is refused or changes nothing is one look", async (t) => {
  const store = await t.openProxied();
  const admin = await t.admin();
  const [ada, eve] = await addUsers(store, "ada", "eve");
  await admin.query(
    "INSERT INTO user (name, namekey, password) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) SELECT CONCAT('u', i), CONCAT('u', i), 'x' FROM n",
  );
  await store.createGroup(ada, "g", "g", "");
  await admin.query(
    `INSERT INTO groupuser (groupid, userid, grouprole, joined) SELECT 1, id, 'normal', id FROM user WHERE id NOT IN (${ada}, ${eve})`,
  );
  const { messageid } = await stored(store, { sender: ada, groupid: 1, msg: "x", ts: 1 });
  const react = async (by: number, emoji: string) => await store.act({ by, messageid, at: 1, what: "react", emoji, off: false });
  await react(ada, "🎉");
  const count = countCommands(t.proxy);
  await stored(store, { sender: ada, groupid: 1, msg: "y", ts: 1 });
  const message = count.commands;
  count.commands = 0;
  const acted = await react(ada, "👍");
  assert(acted.errno === "OK");
  assertEquals(acted.receivers.length, 999);
  assert(count.commands <= message + 1, `${count.commands} commands, a message ${message}`);
  for (const [by, emoji, errno] of [[ada, "👍", "OK"], [eve, "👍", "NO_MESSAGE"]] as const) {
    count.commands = 0;
    assertEquals((await react(by, emoji)).errno, errno);
    assertEquals(count.commands, 1);
  }
});

mysqlTest("the first message between two gives both their row, whoever else writes; those behind it pay nothing for that", async (t) => {
  const { a, b, ada, bob, admin } = await nodes(t);
  const rows = async () => (await admin.query("SELECT userid, toid FROM talk ORDER BY userid, toid")).map(({ userid, toid }) => [userid, toid]);
  const say = (store: Store, sender: number, toid: number) => stored(store, { sender, toid, msg: "x", ts: 1 });
  // What was rolled back is not remembered.
  await assertRejects(() =>
    a.append([{ sender: ada, toid: bob, msg: "x", ts: 1 }, { sender: ada, toid: bob, msg: "x", ts: 1, mid: "m".repeat(65) }])
  );
  assertEquals(await rows(), []);
  await Promise.all([say(a, ada, bob), say(b, bob, ada), say(b, ada, bob), say(a, bob, ada)]);
  assertEquals(await rows(), [[ada, bob], [bob, ada]]);
  const sent: string[] = [];
  const text = new TextDecoder("latin1");
  t.proxy.inspect = ({ direction, data }) => {
    if (direction === "up") sent.push(text.decode(data));
    return "pass";
  };
  await say(a, ada, bob);
  assert(sent.length > 0 && !sent.some((sql) => /talk/.test(sql)), sent.join("\n"));
  await say(a, ada, ada);
  assertEquals(await rows(), [[ada, ada], [ada, bob], [bob, ada]]);
  assertEquals(await admin.deadlock(), undefined);
});

Deno.test({
  name: "an EDIT as long as a message may be is written; where the database takes none so long, the log says so at the start",
  ignore: !hasMysql,
  fn: async () => {
    await using db = await testDatabase("mysql");
    const [{ allowed }] = await db.query("select @@max_allowed_packet as allowed") as [{ allowed: number }];
    await using log = await CapturedLog.start();
    await using server = await startServer(db, { limits: "off", "max-line": "16MiB", "send-queue": "64MiB" });
    const told = log.count("the database's max_allowed_packet is too small for the longest messages: they will fail");
    assertEquals(told, allowed < 16 * 1024 * 1024 + 1024 ? 1 : 0);
    const [ann] = await makeUsers(db, 1) as [TestUser];
    await using client = await server.client(ann, { proto: 3 });
    const { messageid } = await client.request({ msgid: 6, toid: ann.id, msg: "short" });
    // More than half of what the database takes by default.
    const msg = "long" + " ".repeat(8.2 * 1024 * 1024) + "text";
    assertEquals((await client.request({ msgid: 25, messageid, msg })).errno, 0);
    assertEquals(
      await db.query(`select length(msg) as length, right(msg, 4) as ending, edited is null as never from message where id = ${messageid}`),
      [
        { length: msg.length, ending: "text", never: 0 },
      ],
    );
  },
});
