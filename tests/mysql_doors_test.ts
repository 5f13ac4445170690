// Who comes and goes in a group at the same moment, on two nodes: always exactly one creator, nobody in who is banned, and nobody waits for ever.

import { assert, assertEquals } from "@std/assert";
import type { GroupId, Store, UserId } from "../src/store/store.ts";
import { addUsers } from "./support/databases.ts";
import { type Admin, countCommands, hold, type MysqlTest, mysqlTest, waitingMysqlTests } from "./support/mysql.ts";
import { group, hash, seqs } from "./support/stores.ts";

const FUTURE = 1e12;
/** What a change of a group sends: it looks, locks the group, then the users, and writes. */
const LOOKS = /LEFT JOIN ban/, USERS = /FROM user FORCE INDEX.*FOR UPDATE/s, WRITES = /COMMIT/;
/** Which are held open. */
const HELD = ["join", "ban of who joins", "kick", "transfer", "the creator's leaving"];

interface Scene {
  a: Store;
  b: Store;
  admin: Admin;
  /** Creator, moderator, member, and one who is invited. */
  ada: UserId;
  bob: UserId;
  cy: UserId;
  dan: UserId;
}

async function scene(t: MysqlTest): Promise<Scene> {
  const [a, b] = [await t.openProxied(), await t.open()];
  await a.join("a");
  await b.join("b");
  const [ada, bob, cy, dan] = await addUsers(b, "ada", "bob", "cy", "dan");
  return { a, b, ada, bob, cy, dan, admin: await t.admin() };
}

async function club(t: MysqlTest, { b, admin, ada, bob, cy, dan }: Scene): Promise<GroupId> {
  const pub = await group(t.database, b, ada, bob, cy);
  await admin.query(`UPDATE groupuser SET grouprole = 'moderator' WHERE userid = ${bob} AND groupid = ${pub}`);
  // One may have no more than fifty invitations.
  await admin.query(`DELETE FROM invite WHERE userid = ${dan}`);
  assertEquals(typeof await b.inviteUser(ada, pub, dan, FUTURE, 1), "object");
  return pub;
}

/** Exactly one creator, unless all have gone, as many as are counted, nobody banned in it, each with what they keep of it; logs without a gap. */
async function assertWhole({ b, admin, ada, bob, cy, dan }: Scene, pub: GroupId, name: string): Promise<void> {
  const rows = await admin.query(`SELECT userid, grouprole FROM groupuser WHERE groupid = ${pub}`);
  assertEquals(rows.filter(({ grouprole }) => grouprole === "creator").length, rows.length > 0 ? 1 : 0, name);
  assertEquals(await admin.query(`SELECT count FROM allgroup WHERE id = ${pub}`), rows.length > 0 ? [{ count: rows.length }] : [], name);
  assertEquals(await admin.query(`SELECT * FROM ban JOIN groupuser USING (groupid, userid) WHERE groupid = ${pub}`), [], name);
  const talks = await admin.query(`SELECT userid FROM talk WHERE groupid = ${pub}`);
  assertEquals(talks.map(({ userid }) => userid).sort(), rows.map(({ userid }) => userid).sort(), name);
  for (const user of [ada, bob, cy, dan]) assertEquals(await seqs(b, user), (await seqs(b, user)).map((_, i) => i + 1), name);
}

type Change = [name: string, make: (store: Store, scene: Scene, pub: GroupId) => Promise<unknown>];

const CHANGES: Change[] = [
  ["join", (store, { dan }, pub) => store.joinGroup(dan, { id: pub }, 1)],
  ["ban of who joins", (store, { ada, dan }, pub) => store.kickMember(ada, pub, dan, true, 1)],
  ["kick", (store, { bob, cy }, pub) => store.kickMember(bob, pub, cy, false, 1)],
  ["message", (store, { cy }, pub) => store.append([{ sender: cy, groupid: pub, msg: "x", ts: 1 }])],
  ["invitation", (store, { bob, dan }, pub) => store.inviteUser(bob, pub, dan, FUTURE, 1)],
  ["transfer", (store, { ada, cy }, pub) => store.setRole(ada, pub, cy, "creator", 1)],
  ["the creator's leaving", (store, { ada }, pub) => store.leaveGroup(ada, pub, 1)],
  ["the moderator's leaving", (store, { bob }, pub) => store.leaveGroup(bob, pub, 1)],
  ["settings", (store, { bob }, pub) => store.updateGroup(bob, pub, { posting: "moderators", groupdesc: crypto.randomUUID() }, 1)],
];

/** One change is held open at each step while each of the others goes on. */
const beside = (held: string, first: Change[1]) => async (t: MysqlTest) => {
  const s = await scene(t);
  for (const [other, second] of CHANGES) {
    if (other === held) continue;
    for (const step of [LOOKS, USERS, WRITES]) {
      const name = `${held}, held at ${step}, and ${other}`;
      const pub = await club(t, s);
      const holding = hold(t.proxy, step);
      const making = first(s.a, s, pub);
      await holding.there;
      const meanwhile = second(s.b, s, pub);
      // The group is locked: the other one waits. Before, it does not.
      if (step === LOOKS) await meanwhile;
      else await waitsOrIsDone(s.admin, meanwhile);
      holding.go();
      await Promise.all([making, meanwhile]);
      await assertWhole(s, pub, name);
    }
  }
  assertEquals(await s.admin.deadlock(), undefined);
};

waitingMysqlTests(
  "two changes of a group at once, each step of one held open while the other goes on",
  Object.fromEntries(CHANGES.filter(([name]) => HELD.includes(name)).map(([name, make]) => [name, beside(name, make)])),
);

/** Resolves when the call waits for a lock, or is done: what is refused without any lock does not wait. */
async function waitsOrIsDone(admin: Admin, call: Promise<unknown>): Promise<void> {
  let done = false;
  const ended = call.finally(() => done = true);
  const waiting = "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE '%FOR UPDATE%'";
  while (!done && (await admin.query(waiting)).length === 0) await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5))]);
}

mysqlTest("from the commit of a kick on a message reaches that one no more, nor does that one write", async (t) => {
  const s = await scene(t);
  for (const ban of [false, true]) {
    const pub = await club(t, s);
    const holding = hold(t.proxy, /START TRANSACTION/);
    const writing = s.a.append([{ sender: s.ada, groupid: pub, msg: "x", ts: 1 }, { sender: s.cy, groupid: pub, msg: "y", ts: 1 }]);
    await holding.there;
    assertEquals(typeof await s.b.kickMember(s.bob, pub, s.cy, ban, 1), "object");
    holding.go();
    const [to, from] = await writing;
    assert(to.errno === "OK");
    assertEquals(to.receivers.map(({ userId }) => userId), [s.bob]);
    assertEquals(from, { errno: "NOT_MEMBER" });
  }
});

mysqlTest("fifty join at once by a code of ten uses, on two nodes: exactly ten are in", async (t) => {
  const stores = [await t.open(), await t.open()];
  const users = await addUsers(stores[0], ...Array.from({ length: 51 }, (_, i) => `user${i}`));
  const admin = await t.admin();
  const created = await stores[0].createGroup(users[0], "club", "club", "", true);
  assert(typeof created === "object");
  assertEquals(await stores[0].inviteByCode(users[0], created.groupid, hash(1), 10, FUTURE, 1), "OK");
  const joined = await Promise.all(users.slice(1).map((user, i) => stores[i % 2].joinGroup(user, { code: hash(1) }, 1)));
  assertEquals(joined.filter((outcome) => typeof outcome === "object").length, 10);
  assertEquals(joined.filter((outcome) => outcome === "NOT_INVITED").length, 40);
  assertEquals(await admin.query("SELECT count FROM allgroup"), [{ count: 11 }]);
  assertEquals((await admin.query("SELECT uses FROM invite")).map(({ uses }) => Number(uses)), [0]);
  assertEquals(await seqs(stores[0], users[0]), Array.from({ length: 10 }, (_, i) => i + 1));
  assertEquals(await admin.deadlock(), undefined);
});

mysqlTest("everybody does everything with a group at once, on two nodes: it is whole after each round, without a deadlock", async (t) => {
  const s = await scene(t);
  const random = <T>(list: readonly T[]) => list[Math.floor(Math.random() * list.length)];
  for (let round = 0; round < 40; round++) {
    const pub = await club(t, s);
    await Promise.all(Array.from({ length: 6 }, (_, i) => random(CHANGES)[1](i % 2 === 0 ? s.a : s.b, s, pub)));
    await assertWhole(s, pub, `round ${round}`);
  }
  assertEquals(await s.admin.deadlock(), undefined);
});

mysqlTest("two public groups ask for the same name at once: one gets it", async (t) => {
  const [a, b] = [await t.open(), await t.open()];
  const [ada, bob] = await addUsers(a, "ada", "bob");
  for (let round = 0; round < 20; round++) {
    const [one, two] = [await group(t.database, a, ada, bob), await group(t.database, b, bob, ada)];
    const name = `name${round}`;
    const outcomes = await Promise.all([
      a.updateGroup(ada, one, { groupname: name }, 1),
      b.updateGroup(bob, two, { groupname: name }, 1),
      a.createGroup(ada, name, name, ""),
    ]);
    assertEquals(outcomes.filter((outcome) => outcome === "INVALID").length, 2);
    await Promise.all([a.leaveGroup(ada, one, 1), b.leaveGroup(bob, one, 1), a.leaveGroup(ada, two, 1), b.leaveGroup(bob, two, 1)]);
  }
});

mysqlTest("joining a group of 2,000 is a handful of round trips", async (t) => {
  const store = await t.openProxied({ maxGroup: 3000 });
  const [creator, joiner] = await addUsers(store, "creator", "joiner");
  const admin = await t.admin();
  await admin.query(
    "INSERT INTO user (name, namekey, password) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) SELECT CONCAT('u', i), CONCAT('u', i), '' FROM n",
  );
  await admin.query("INSERT INTO user (name, namekey, password) SELECT CONCAT('v', id), CONCAT('v', id), '' FROM user WHERE id > 2");
  const members = (await admin.query("SELECT id FROM user WHERE id > 2")).map(({ id }) => Number(id));
  const pub = await group(t.database, store, creator, ...members);
  const count = countCommands(t.proxy);
  const joined = await store.joinGroup(joiner, { id: pub }, 1);
  assert(typeof joined === "object");
  assertEquals(joined.events[0].receivers.length, members.length + 2);
  assert(count.commands <= 10, `${count.commands} round trips`);
});
