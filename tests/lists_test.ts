// What a login tells does not depend on how large one's groups are; MEMBERS and USERS tell the rest, by pages. Clients of 0.1 get bounded lists.

import { assert, assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { assertErrno, assertRefused } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import { eventually, makeUsers, startServer, stateOf, type TestUser } from "./support/server.ts";

interface MemberShown {
  id: number;
  name: string;
  role: string;
  state: string;
  lastseen: number | null;
}

databaseTest("lists: groups without members at login, and MEMBERS by pages", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob, ...others] = await makeUsers(db, 12) as [TestUser, TestUser, ...TestUser[]];
  await using a = await s.client(ann, { proto: 3 });
  const { groupid } = await a.request({ msgid: 8, groupname: "g", groupdesc: "what for" });
  await using b = await s.client(bob, { proto: 3 });
  assertEquals((await b.request({ msgid: 9, groupid })).group, { id: groupid, groupname: "g", role: "normal", count: 2 });
  const store = await db.open();
  for (const { id } of others) await store.joinGroup(id, { id: groupid! }, 1);
  const shown = { id: groupid, groupname: "g", role: "creator", count: 12 };
  assertEquals((await a.request({ msgid: 17 })).groups, [shown]);
  await a.close();
  // Who is back before the end of the session is written was never away.
  await eventually(async () => await stateOf(db, ann.id) === "offline", "away");
  await using again = await s.connect();
  assertEquals((await again.login({ id: ann.id, token: ann.token, proto: 3 })).groups, [shown]);

  const pages: MemberShown[] = [];
  for (let after = 0, more = true; more; after = pages.at(-1)!.id) {
    const page = await b.request({ msgid: 32, groupid, after, limit: 5 });
    assertEquals([page.errno, page.groupdesc, page.count], [0, "what for", 12]);
    const members = page.members as MemberShown[];
    assert(members.length === 5 || !page.more);
    pages.push(...members);
    more = page.more as boolean;
  }
  assertEquals(pages.map((member) => member.id), [ann, bob, ...others].map((user) => user.id).sort((x, y) => x - y));
  const of = (id: number) => pages.find((member) => member.id === id)!;
  assertEquals(of(bob.id), { id: bob.id, name: bob.name, role: "normal", state: "online", lastseen: null });
  assertEquals([of(ann.id).role, of(ann.id).state, typeof of(ann.id).lastseen], ["creator", "online", "number"]);

  // Who blocks the asker has been away since then, wherever a state is told.
  const before = Date.now();
  assertErrno(await again.request({ msgid: 23, userid: bob.id }), 0);
  const hidden = ((await b.request({ msgid: 32, groupid, limit: 20 })).members as MemberShown[]).find(({ id }) => id === ann.id)!;
  assertEquals([hidden.id, hidden.state], [ann.id, "offline"]);
  assert(hidden.lastseen! >= before && hidden.lastseen! <= Date.now());

  assertErrno(await b.request({ msgid: 19, groupid }), 0);
  await assertRefused(b, [
    [18, { msgid: 32, groupid }, "member"],
    [17, { msgid: 32, groupid: 4711 }, "group"],
    [13, { msgid: 32, groupid, limit: 201 }, "limit"],
    [13, { msgid: 32 }, "groupid is missing"],
  ]);
});

databaseTest("lists: USERS tells who exists, by number or name; find only with --directory on", async (db) => {
  const [ann, bob] = await (async () => {
    await using s = await startServer(db, { limits: "off" });
    const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
    await using a = await s.client(ann, { proto: 3 });
    const both = [ann, bob].map(({ id, name }) => ({ id, name }));
    const byId = (x: { id: number }, y: { id: number }) => x.id - y.id;
    assertEquals((await a.request({ msgid: 42, ids: [bob.id, ann.id, 4711, ann.id] })).users, both.sort(byId));
    assertEquals((await a.request({ msgid: 42, names: [bob.name.toUpperCase(), "nobody"] })).users, [{ id: bob.id, name: bob.name }]);
    await assertRefused(a, [
      [13, { msgid: 42, find: "us" }, "no directory"],
      [13, { msgid: 42 }, "ids or names or find is missing"],
      [13, { msgid: 42, ids: [] }, "ids"],
    ]);
    return [ann, bob];
  })();
  await using s = await startServer(db, { limits: "off", directory: "on" });
  await using a = await s.connect();
  assertEquals((await a.login({ id: ann.id, token: ann.token, proto: 3 })).features, ["devices", "push", "directory"]);
  assertEquals(((await a.request({ msgid: 42, find: "USER" })).users as { id: number }[]).map(({ id }) => id), [ann.id, bob.id]);
  assertEquals((await a.request({ msgid: 42, find: "nobody" })).users, []);
});

databaseTest("lists: a client of 0.1 is told at most 100 members of each group, and 256 KiB in all", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, ...others] = await makeUsers(db, 120, "a".repeat(40)) as [TestUser, ...TestUser[]];
  const store = await db.open();
  for (let i = 0; i < 40; i++) {
    const created = await store.createGroup(ann.id, `group ${i}`, `group ${i}`, "");
    assert(typeof created === "object");
    await db.query(`insert into groupuser (groupid, userid, grouprole, joined)
      select ${created.groupid}, id, 'normal', id + 1 from user where id in (${others.map(({ id }) => id).join(", ")})`);
  }
  for (const fields of [{ proto: 2 }, {}]) {
    await using client = await s.connect();
    const ack = await client.login({ id: ann.id, token: ann.token, ...fields });
    const groups = (ack.groups as unknown[]).map((group) => typeof group === "string" ? JSON.parse(group) : group) as { users: unknown[] }[];
    assertEquals(groups.length, 40);
    assertEquals(groups[0]!.users.length, 100);
    if ("proto" in fields) assert(JSON.stringify(ack).length < 262_144 + 8000, `${JSON.stringify(ack).length}`);
    assertEquals(groups[39]!.users.length, 0);
    await client.close();
    await eventually(async () => Number((await db.query("select count(*) as n from device where session is not null"))[0]!.n) === 0, "gone");
  }
});

databaseTest("lists: who has all that one may have, each of the longest name, is told all of it within limits.answer", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, inviter] = await makeUsers(db, 2) as [TestUser, TestUser];
  const MOST = 400, INVITED = 50, FIRST = 2_000_000_000;
  const now = Date.now();
  /** A row for each of so many, of which this says the values. */
  const insert = (into: string, count: number, values: (i: number, name: string) => string) =>
    db.query(
      `insert into ${into} values ${
        Array.from({ length: count }, (_, i) => `(${values(FIRST + i, "𠀋".repeat(49) + String.fromCodePoint(0x20100 + i))})`).join()
      }`,
    );
  await insert("user (id, name, namekey, password, lastseen)", MOST, (id, name) => `${id}, '${name}', '${name}', 'none', ${now}`);
  await insert("friend (userid, friendid)", MOST, (id) => `${ann.id}, ${id}`);
  await insert("block (userid, blocked, lastseen)", MOST, (id) => `${ann.id}, ${id}, ${now}`);
  await insert("allgroup (id, groupname, groupkey, groupdesc, count, private)", MOST + INVITED, (id, name) => `${id}, '${name}', null, '', 2000, 1`);
  await insert("groupuser (groupid, userid, grouprole, joined)", MOST, (id) => `${id}, ${ann.id}, 'moderator', 1`);
  await insert("groupuser (groupid, userid, grouprole, joined)", MOST + INVITED, (id) => `${id}, ${inviter.id}, 'creator', 2`);
  await insert(
    "invite (groupid, userid, inviter, uses, expires)",
    INVITED,
    (id) => `${id + MOST}, ${ann.id}, ${inviter.id}, 1, ${now + 86_400_000}`,
  );
  await using client = await s.connect();
  client.send({ msgid: 1, id: ann.id, token: ann.token, proto: 3, ref: "\u0001".repeat(64) });
  const ack = await client.next((m) => m.msgid === 2);
  const { answer } = ack.limits as { answer: number };
  const contacts = await client.request({ msgid: 17 });
  for (const told of [ack, contacts]) {
    const counts = ["friends", "groups", "blocked"].map((list) => (told[list] as unknown[]).length);
    assertEquals(counts, [MOST, MOST, MOST]);
    const bytes = new TextEncoder().encode(JSON.stringify(told)).length;
    assert(bytes <= answer, `${bytes} bytes, ${answer} were told`);
  }
});

databaseTest("lists: what a login reads is one request to the store, however many groups there are", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
  const [ann] = await makeUsers(db, 1) as [TestUser];
  const store = await db.open();
  for (let i = 0; i < 20; i++) await store.createGroup(ann.id, `group ${i}`, `group ${i}`, "");
  watch.forget();
  await using _client = await s.client(ann, { proto: 3 });
  await watch.quiet();
  const reads = watch.asked.filter((name) => name !== "extendToken").sort();
  assertEquals(reads, ["claim", "epoch", "findUserByToken", "welcome"]);
});
