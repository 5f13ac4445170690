// The contract of the store, on both databases: who comes into groups, who goes, what they may do there, and who is told of it.

import { assert, assertEquals } from "@std/assert";
import { Query } from "../src/search/tokenizer.ts";
import type { GroupId, GroupSettings, Role, Store, Told, UserId } from "../src/store/store.ts";
import { addUsers, databaseTest, type TestDatabase } from "./support/databases.ts";
import { hash, history, join, leave, stored } from "./support/stores.ts";

const FUTURE = 1e12;

async function create(store: Store, creator: UserId, name: string, isPrivate = false): Promise<GroupId> {
  const created = await store.createGroup(creator, name, name, "", isPrivate);
  assert(typeof created === "object", `createGroup: ${created}`);
  return created.groupid;
}

/** A private group, into which these were invited. */
async function club(store: Store, creator: UserId, ...others: UserId[]): Promise<GroupId> {
  const groupid = await create(store, creator, "club", true);
  for (const id of others) {
    assertEquals(typeof await store.inviteUser(creator, groupid, id, FUTURE, 1), "object");
    assertEquals(typeof await store.joinGroup(id, { id: groupid }, 1), "object");
  }
  return groupid;
}

/** Who is what, in the order of ids; exactly one of them creator, and the group's count right. */
async function roles(t: TestDatabase, groupid: GroupId): Promise<[UserId, Role][]> {
  const rows = await t.query(`SELECT userid, grouprole FROM groupuser WHERE groupid = ${groupid} ORDER BY userid`);
  const groups = await t.query(`SELECT count FROM allgroup WHERE id = ${groupid}`);
  assertEquals(groups.map(({ count }) => Number(count)), rows.length > 0 ? [rows.length] : []);
  assertEquals(rows.filter(({ grouprole }) => grouprole === "creator").length, rows.length > 0 ? 1 : 0);
  return rows.map(({ userid, grouprole }) => [Number(userid), grouprole as Role]);
}

/** What was told, and whom. */
function said(told: Told[] | string): unknown {
  if (typeof told === "string") return told;
  return told.map(({ event: { what, id, by, role, count }, receivers }) => [what, id, by, role, count, receivers.map(({ userId }) => userId).sort()]);
}

/** What happened in groups, as a log tells it. */
async function events(store: Store, userId: UserId): Promise<unknown[]> {
  return (await store.log(userId, 0, 1000, 1e6)).flatMap((entry) => "groupname" in entry ? [[entry.what, entry.id]] : []);
}

databaseTest("roles: set by the creator alone, who becomes moderator when another is made creator", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  const pub = await create(store, ada, "pub");
  for (const id of [bob, cy]) await join(store, id, { id: pub });
  const all = [ada, bob, cy];
  assertEquals(said(await store.setRole(ada, pub, bob, "moderator", 1)), [["role", bob, ada, "moderator", 3, all]]);
  assertEquals(said(await store.setRole(ada, pub, bob, "moderator", 1)), []);
  assertEquals(await store.setRole(bob, pub, cy, "moderator", 1), "NOT_YOURS");
  assertEquals(await store.setRole(dan, pub, cy, "moderator", 1), "NOT_MEMBER");
  assertEquals(await store.setRole(ada, pub, dan, "moderator", 1), "NO_USER");
  assertEquals(await store.setRole(ada, pub, ada, "normal", 1), "NOT_YOURS");
  assertEquals(await store.setRole(ada, pub + 99, bob, "normal", 1), "NO_GROUP");
  assertEquals(said(await store.setRole(ada, pub, cy, "creator", 1)), [
    ["role", ada, undefined, "moderator", 3, all],
    ["role", cy, ada, "creator", 3, all],
  ]);
  assertEquals(await roles(t, pub), [[ada, "moderator"], [bob, "moderator"], [cy, "creator"]]);
  assertEquals(said(await store.setRole(cy, pub, bob, "normal", 1)), [["role", bob, cy, "normal", 3, all]]);
});

databaseTest("when the creator leaves: the oldest moderator, else the oldest member; the last one takes the group along", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  const pub = await create(store, ada, "pub");
  for (const id of [dan, cy, bob]) await join(store, id, { id: pub });
  await store.setRole(ada, pub, bob, "moderator", 1);
  await store.setRole(ada, pub, cy, "moderator", 1);
  assertEquals(said(await leave(store, ada, pub)), [["left", ada, undefined, undefined, 3, [ada, bob, cy, dan]], ["role", cy, ada, "creator", 3, [
    bob,
    cy,
    dan,
  ]]]);
  assertEquals(said(await leave(store, bob, pub)), [["left", bob, undefined, undefined, 2, [bob, cy, dan]]]);
  assertEquals(said(await leave(store, cy, pub)), [["left", cy, undefined, undefined, 1, [cy, dan]], ["role", dan, cy, "creator", 1, [dan]]]);
  assertEquals(await roles(t, pub), [[dan, "creator"]]);
  await store.inviteByCode(dan, pub, hash(1), 5, FUTURE, 1);
  await store.inviteUser(dan, pub, ada, FUTURE, 1);
  await store.kickMember(dan, pub, bob, true, 1);
  assertEquals(await store.leaveGroup(dan, pub, 1), { closed: [ada] });
  for (const table of ["ban", "invite", "groupuser", "talk", "allgroup", "look WHERE kind = 'group'"]) {
    assertEquals(await t.query(`SELECT * FROM ${table}`), [], table);
  }
  assertEquals(await join(store, ada, { code: hash(1) }), "NOT_INVITED");
});

databaseTest("who has deleted the account cannot be invited, nor banned: there is no such user", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  const groupid = await create(store, ada, "pub");
  await join(store, cy, { id: groupid });
  await store.inviteUser(ada, groupid, dan, FUTURE, 1);
  for (const id of [bob, cy, dan]) await store.deleteAccount(id, undefined, false);
  assertEquals(await store.kickMember(ada, groupid, dan, true, 1), "NO_USER");
  assertEquals(await store.inviteUser(ada, groupid, bob, FUTURE, 1), "NO_USER");
  for (const ban of [true, false]) assertEquals(await store.kickMember(ada, groupid, bob, ban, 1), "NO_USER");
  // Who has not been taken out yet is still in it.
  assertEquals(typeof await store.kickMember(ada, groupid, cy, true, 1), "object");
});

databaseTest("kick and ban: by who stands higher; who is banned does not come back, by whatever way, until the ban is lifted", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, dan, eve] = await addUsers(store, "ada", "bob", "cy", "dan", "eve");
  const pub = await create(store, ada, "pub");
  for (const id of [bob, cy, dan]) await join(store, id, { id: pub });
  for (const id of [bob, cy]) await store.setRole(ada, pub, id, "moderator", 1);
  const kick = async (by: UserId, id: UserId, ban = false) => said(await store.kickMember(by, pub, id, ban, 1));
  assertEquals([await kick(bob, ada), await kick(bob, cy), await kick(bob, bob), await kick(dan, bob)], Array(4).fill("NOT_YOURS"));
  assertEquals([await kick(eve, dan), await kick(bob, eve), await kick(bob, eve + 99, true)], ["NOT_MEMBER", "NO_USER", "NO_USER"]);
  assertEquals(await kick(bob, dan), [["kicked", dan, bob, undefined, 3, [ada, bob, cy, dan]]]);
  assertEquals(await store.append([{ sender: dan, groupid: pub, msg: "x", ts: 1 }]), [{ errno: "NOT_MEMBER" }]);
  // Who was only put out may come back.
  assertEquals(typeof await join(store, dan, { id: pub }), "object");
  await store.inviteByCode(ada, pub, hash(1), 1, FUTURE, 1);
  await store.inviteUser(ada, pub, eve, FUTURE, 1);
  assertEquals(await kick(bob, dan, true), [["kicked", dan, bob, undefined, 3, [ada, bob, cy, dan]]]);
  assertEquals([await kick(bob, eve, true), await kick(bob, eve, true)], ["INVITATION", []]);
  for (const id of [dan, eve]) {
    for (const way of [{ id: pub }, { key: "pub" }, { code: hash(1) }]) assertEquals(await join(store, id, way), "NOT_YOURS");
    assertEquals(await store.inviteUser(ada, pub, id, FUTURE, 1), "NOT_YOURS");
  }
  assertEquals(await store.banned(bob, pub, 0, 10), [{ id: dan, name: "dan" }, { id: eve, name: "eve" }]);
  assertEquals([await store.banned(bob, pub, dan, 10), await store.banned(bob, pub, 0, 1)], [[{ id: eve, name: "eve" }], [{ id: dan, name: "dan" }]]);
  assertEquals(await store.banned(dan, pub, 0, 10), "NOT_MEMBER");
  assertEquals([await store.unban(dan, pub, dan), await store.unban(cy, pub, dan), await store.unban(cy, pub, dan)], ["NOT_MEMBER", "OK", "OK"]);
  // The code was not used up by who was banned.
  assertEquals(typeof await join(store, dan, { code: hash(1) }), "object");
  assertEquals([await store.banned(dan, pub, 0, 10), await store.unban(dan, pub, eve)], ["NOT_YOURS", "NOT_YOURS"]);
  assertEquals(await roles(t, pub), [[ada, "creator"], [bob, "moderator"], [cy, "moderator"], [dan, "normal"]]);
});

databaseTest("invitations: told to the invited one alone, once; they let in until they expire", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  const pub = await create(store, ada, "pub", true);
  assertEquals(said(await store.inviteUser(ada, pub, bob, 100, 1)), [["invited", bob, ada, undefined, 1, [bob]]]);
  assertEquals(said(await store.inviteUser(ada, pub, bob, 200, 1)), "INVITATION");
  assertEquals([await events(store, ada), await events(store, bob)], [[], [["invited", bob]]]);
  assertEquals(await store.joinGroup(bob, { id: pub }, 200), "NO_GROUP");
  const joined = await store.joinGroup(bob, { id: pub }, 199);
  assert(typeof joined === "object");
  assertEquals(joined.group, { id: pub, groupname: "pub", groupdesc: "", role: "normal", count: 2, private: true });
  assertEquals(said(joined.events), [["joined", bob, undefined, "normal", 2, [ada, bob]]]);
  assertEquals(said(await store.inviteUser(ada, pub, bob, FUTURE, 1)), []);
  // An invitation lets in once.
  await leave(store, bob, pub);
  assertEquals(await join(store, bob, { id: pub }), "NO_GROUP");
  await store.block(cy, ada, 1);
  assertEquals([await store.inviteUser(ada, pub, cy, FUTURE, 1), await store.inviteUser(ada, pub, 999, FUTURE, 1)], ["BLOCKED", "NO_USER"]);
  await store.inviteUser(ada, pub, dan, FUTURE, 1);
  await join(store, dan, { id: pub });
  assertEquals(await store.inviteUser(dan, pub, bob, FUTURE, 1), "NOT_YOURS");
  assertEquals((await history(store, ada, { groupid: pub })).messages, []);
});

databaseTest("codes: used up, expired, revoked, unknown; a member does not use one up; so many a group", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  const pub = await create(store, ada, "pub", true);
  assertEquals(await store.inviteByCode(ada, pub, hash(1), 2, 100, 1), "OK");
  assertEquals(await store.joinGroup(bob, { code: hash(1) }, 100), "NOT_INVITED");
  for (const user of [bob, bob, ada, cy]) assertEquals(typeof await store.joinGroup(user, { code: hash(1) }, 99), "object");
  assertEquals([await join(store, dan, { code: hash(1) }), await join(store, dan, { code: hash(9) })], ["NOT_INVITED", "NOT_INVITED"]);
  // Who came by it, and did not hear so, asks again.
  assertEquals(typeof await store.joinGroup(cy, { code: hash(1) }, 99), "object");
  assertEquals((await t.query("SELECT uses FROM invite")).map(({ uses }) => Number(uses)), [0]);
  assertEquals(await store.inviteByCode(bob, pub, hash(2), 1, FUTURE, 1), "NOT_YOURS");
  assertEquals(await store.inviteByCode(dan, pub, hash(2), 1, FUTURE, 1), "NO_GROUP");
  for (let n = 2; n < 22; n++) assertEquals(await store.inviteByCode(ada, pub, hash(n), 1, FUTURE, 1), "OK");
  assertEquals(await store.inviteByCode(ada, pub, hash(30), 1, FUTURE, 1), "FULL");
  assertEquals([await store.revokeCodes(cy, pub), await store.revokeCodes(ada, pub)], ["NOT_YOURS", "OK"]);
  assertEquals(await join(store, dan, { code: hash(2) }), "NOT_INVITED");
  // What lets into the server lets into no group.
  await store.addInvite({ hash: hash(40), inviter: undefined, uses: 1, expires: FUTURE }, 1, 10);
  assertEquals(await join(store, dan, { code: hash(40) }), "NOT_INVITED");
});

databaseTest("a full group, and too many groups, use no code up", async (t) => {
  const store = await t.open({ maxGroup: 2, maxContacts: 1 });
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await create(store, ada, "pub", true);
  await store.inviteByCode(ada, pub, hash(1), 2, FUTURE, 1);
  const other = await create(store, bob, "other");
  assertEquals(await join(store, bob, { code: hash(1) }), "FULL");
  await leave(store, bob, other);
  assertEquals(typeof await join(store, bob, { code: hash(1) }), "object");
  assertEquals(await join(store, cy, { code: hash(1) }), "FULL");
  assertEquals((await t.query("SELECT uses FROM invite")).map(({ uses }) => Number(uses)), [1]);
});

databaseTest("to who is not in it a private group is a number that was never given, whatever names it", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, eve] = await addUsers(store, "ada", "bob", "cy", "eve");
  const secret = await club(store, ada, bob, cy);
  const { messageid } = await stored(store, { sender: ada, groupid: secret, msg: "secret", ts: 1 });
  await store.kickMember(ada, secret, cy, true, 1);
  await leave(store, bob, secret);
  const asked = (who: UserId, groupid: GroupId): Promise<unknown>[] => [
    store.joinGroup(who, { id: groupid }, 1),
    store.leaveGroup(who, groupid, 1),
    store.updateGroup(who, groupid, { groupname: "mine" }, 1),
    store.setRole(who, groupid, ada, "normal", 1),
    store.kickMember(who, groupid, ada, true, 1),
    store.unban(who, groupid, cy),
    store.inviteUser(who, groupid, bob, FUTURE, 1),
    store.inviteByCode(who, groupid, hash(3), 1, FUTURE, 1),
    store.revokeCodes(who, groupid),
    store.members(who, groupid, 0, 10),
    store.banned(who, groupid, 0, 10),
    store.firstMembers(who, [groupid], 10),
    store.history(who, { groupid }, {}, 10, 1e6, true),
    store.append([{ sender: who, groupid, msg: "x", ts: 1 }]),
    store.append([{ sender: who, groupid, msg: "x", ts: 1, reply: messageid }]),
    store.read(who, { groupid }, messageid),
    store.keep(who, { groupid }, { pinned: true }),
    store.search({ userId: who, of: { groupid }, query: new Query("secret") }, 10),
  ];
  const byName = await store.joinGroup(eve, { key: "club" }, 1);
  assertEquals(byName, "NO_GROUP");
  for (const who of [eve, bob]) assertEquals(await Promise.all(asked(who, secret)), await Promise.all(asked(who, secret + 99)), `${who}`);
  // Banned is told by a code alone: by number there is nothing.
  assertEquals(await join(store, cy, { id: secret }), "NO_GROUP");
  for (const who of [eve, bob, cy]) {
    const deed = await store.act({ by: who, messageid, at: 1, what: "react", emoji: "👍", off: false });
    assertEquals(deed, { errno: "NO_MESSAGE" });
    assertEquals([(await store.lists(who)).groups, (await store.talks(who, 10)).talks], [[], []]);
  }
  assertEquals(await roles(t, secret), [[ada, "creator"]]);
});

databaseTest(
  "history `joined`: who comes sees what happens from the own joining on, in histories, lists, answers, deeds and what is found",
  async (t) => {
    const store = await t.open();
    const [ada, bob] = await addUsers(store, "ada", "bob");
    const secret = await create(store, ada, "secret", true);
    const old = await stored(store, { sender: ada, groupid: secret, msg: "apple old", ts: 1 });
    await store.inviteByCode(ada, secret, hash(1), 5, FUTURE, 1);
    await join(store, bob, { code: hash(1) });
    const [empty] = (await store.talks(bob, 10)).talks;
    assertEquals([empty?.last, empty?.unread], [undefined, 0]);
    const seen = await stored(store, { sender: ada, groupid: secret, msg: "apple new", ts: 2 });
    const page = async (who: UserId, stones = true) => {
      const found = await store.history(who, { groupid: secret }, {}, 10, 1e6, stones);
      assert(typeof found === "object");
      return [found.messages.map((m) => m.what ?? (m as { msg: string }).msg), found.more];
    };
    assertEquals(await page(ada), [["apple old", "joined", "apple new"], false]);
    assertEquals(await page(bob), [["joined", "apple new"], false]);
    assertEquals(await page(bob, false), [["apple new"], false]);
    const [talk] = (await store.talks(bob, 10)).talks;
    assertEquals([talk?.last?.msg, talk?.unread], ["apple new", 1]);
    const react = (messageid: number) => store.act({ by: bob, messageid, at: 1, what: "react", emoji: "👍", off: false });
    assertEquals(await react(old.messageid), { errno: "NO_MESSAGE" });
    assertEquals((await react(seen.messageid)).errno, "OK");
    assertEquals(await store.append([{ sender: bob, groupid: secret, msg: "x", ts: 1, reply: old.messageid }]), [{ errno: "NO_MESSAGE" }]);
    const edited = await store.act({ by: ada, messageid: old.messageid, at: 9, what: "edit", msg: "apple edited" });
    assert(edited.errno === "OK");
    assertEquals(edited.receivers, []);
    // A public group shows all; who is in it keeps what they see when that is changed.
    await store.updateGroup(ada, secret, { history: "all" }, 1);
    assertEquals((await page(bob))[0], ["joined", "apple new", "updated"]);
    await leave(store, bob, secret);
    await join(store, bob, { code: hash(1) });
    assertEquals((await page(bob))[0], ["apple edited", "joined", "apple new", "updated", "left", "joined"]);
  },
);

databaseTest("posting: only creator and moderators write and edit; the others react, and delete what is their own", async (t) => {
  const store = await t.open();
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await create(store, ada, "pub");
  for (const id of [bob, cy]) await join(store, id, { id: pub });
  await store.setRole(ada, pub, cy, "moderator", 1);
  const own = await stored(store, { sender: bob, groupid: pub, msg: "mine", ts: 1 });
  await store.updateGroup(ada, pub, { posting: "moderators" }, 1);
  const codes = async (sender: UserId, reply?: number) => (await store.append([{ sender, groupid: pub, msg: "x", ts: 1, reply }]))[0].errno;
  assertEquals([await codes(ada), await codes(bob), await codes(cy)], ["OK", "MODERATORS_ONLY", "OK"]);
  assertEquals(await codes(bob, own.messageid + 999), "NO_MESSAGE");
  const base = { by: bob, messageid: own.messageid, at: 1 };
  assertEquals(await store.act({ ...base, what: "edit", msg: "other" }), { errno: "MODERATORS_ONLY" });
  assertEquals((await store.act({ ...base, what: "react", emoji: "👍", off: false })).errno, "OK");
  assertEquals((await store.act({ ...base, what: "delete" })).errno, "OK");
  await store.updateGroup(cy, pub, { posting: "all" }, 1);
  assertEquals(await codes(bob), "OK");
});

databaseTest("settings: what is as it was is no change; names are unique among public groups alone, also of one that becomes public", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const pub = await create(store, ada, "pub");
  await join(store, bob, { id: pub });
  const update = (groupid: GroupId, settings: Partial<GroupSettings>) => store.updateGroup(ada, groupid, settings, 1);
  assertEquals(await update(pub, { groupname: "pub", groupdesc: "", private: false, history: "all", posting: "all" }), []);
  const told = await update(pub, { groupname: "Bar", groupdesc: "", posting: "moderators" });
  assert(typeof told === "object");
  assertEquals(told.map(({ event }) => [event.what, event.groupname, event.group]), [["updated", "Bar", {
    groupname: "Bar",
    posting: "moderators",
  }]]);
  assertEquals(await store.updateGroup(bob, pub, { groupname: "x" }, 1), "NOT_YOURS");
  assertEquals(await store.joinGroup(bob, { key: "pub" }, 1), "NO_GROUP");
  const members = await store.members(bob, pub, 0, 10);
  assertEquals(typeof members === "object" && [members.private, members.history, members.posting], [false, "all", "moderators"]);

  const [one, two] = [await create(store, ada, "bar", true), await create(store, ada, "bar", true)];
  assertEquals(await store.createGroup(bob, "BAR", "bar", ""), "INVALID");
  assertEquals([await update(one, { private: false }), await update(one, { private: false, groupname: "bar" })], ["INVALID", "INVALID"]);
  // Nothing of a change that is refused was made.
  assertEquals(await update(one, { private: false, groupdesc: "new" }), "INVALID");
  assertEquals((await store.lists(ada)).groups.map(({ groupdesc }) => groupdesc), ["", "", ""]);
  assertEquals(typeof await update(one, { private: false, groupname: "inn" }), "object");
  assertEquals([await update(two, { private: false, groupname: "INN" }), typeof await update(two, { groupname: "inn" })], ["INVALID", "object"]);
  assertEquals(await update(pub, { groupname: "inn" }), "INVALID");
  // A public one that becomes private frees its name.
  assertEquals(typeof await update(one, { private: true }), "object");
  assertEquals(typeof await update(pub, { groupname: "inn" }), "object");
  assertEquals(typeof await store.createGroup(bob, "bar", "bar", ""), "object");
  // What looks the same is taken as well, and one's own look is in nobody's way.
  assertEquals(typeof await update(pub, { groupname: "Inn" }), "object");
  assertEquals(await update(pub, { groupname: "bаr" }), "INVALID");
});

databaseTest("events stand in logs and histories in their place, up to twice the limit of a log, with the names of now", async (t) => {
  const store = await t.open({ maxInbox: 2 });
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await create(store, ada, "pub");
  await join(store, bob, { id: pub });
  await join(store, cy, { id: pub });
  await stored(store, { sender: cy, groupid: pub, msg: "x", ts: 1 });
  await store.setRole(ada, pub, bob, "moderator", 5);
  await store.kickMember(bob, pub, cy, false, 6);
  // The message found the logs full; what happened is told until they are twice so.
  assertEquals(await events(store, ada), [["joined", bob], ["joined", cy], ["role", bob], ["kicked", cy]]);
  assertEquals(await events(store, cy), [["joined", cy], ["role", bob], ["kicked", cy]]);
  assertEquals((await store.log(ada, 0, 100, 1e6)).map(({ seq }) => seq), [1, 2, 3, 4]);
  const told = await store.updateGroup(ada, pub, { groupdesc: "new" }, 7);
  assert(typeof told === "object");
  assertEquals(told[0].receivers, []);
  const page = await store.history(bob, { groupid: pub }, {}, 100, 1e6, true);
  assert(typeof page === "object");
  const [, , , role, kicked, updated] = page.messages;
  const base = { groupid: pub, groupname: "pub" };
  assertEquals(role, {
    ...base,
    what: "role",
    messageid: role.messageid,
    ts: 5,
    id: bob,
    name: "bob",
    by: ada,
    byname: "ada",
    role: "moderator",
    count: 3,
  });
  assertEquals(kicked, { ...base, what: "kicked", messageid: kicked.messageid, ts: 6, id: cy, name: "cy", by: bob, byname: "bob", count: 2 });
  assertEquals(updated, {
    ...base,
    what: "updated",
    messageid: updated.messageid,
    ts: 7,
    id: ada,
    name: "ada",
    group: { groupdesc: "new" },
    count: 2,
  });
  const last = (await store.log(bob, 0, 100, 1e6)).at(-1)!;
  assertEquals(last, { ...kicked, seq: 4 });
});
