// The contract of the store, on both databases: friends, blocks, groups.

import { assert, assertEquals } from "@std/assert";
import type { Group, GroupId, Store, UserId } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";

async function createGroup(store: Store, creator: UserId, name: string): Promise<GroupId> {
  const created = await store.createGroup(creator, name, name, "");
  assert(typeof created === "object", `createGroup: ${created}`);
  return created.groupid;
}

function roles(group: Group): unknown[] {
  return group.users.map(({ id, role }) => [id, role]);
}

databaseTest("friends are listed by name, with state and lastseen, in one direction", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, cy, bob] = await addUsers(store, "ada", "cy", "bob");
  assertEquals(await store.addFriend(ada, { id: cy }), { id: cy, name: "cy", state: "offline", lastseen: null });
  await store.claim(bob, "s1");
  assertEquals(await store.addFriend(ada, { key: "bob" }), { id: bob, name: "bob", state: "online", lastseen: null });
  await store.claim(cy, "s2");
  await store.release([{ userId: cy, session: "s2", lastseen: 1_700_000_000_000 }]);
  assertEquals((await store.lists(ada)).friends, [
    { id: bob, name: "bob", state: "online", lastseen: null },
    { id: cy, name: "cy", state: "offline", lastseen: 1_700_000_000_000 },
  ]);
  assertEquals((await store.lists(bob)).friends, []);
});

databaseTest("adding a friend: twice is once, unknown is 16, a full list is 24", async (t) => {
  const store = await t.open({ maxContacts: 2 });
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  assertEquals(await store.addFriend(ada, { id: dan + 1 }), 16);
  assertEquals(await store.addFriend(ada, { key: "eve" }), 16);
  await Promise.all([store.addFriend(ada, { id: bob }), store.addFriend(ada, { id: bob }), store.addFriend(ada, { key: "bob" })]);
  await store.addFriend(ada, { id: cy });
  assertEquals((await store.lists(ada)).friends.length, 2);
  assertEquals(await store.addFriend(ada, { id: dan }), 24);
  assertEquals(await store.addFriend(ada, { id: dan + 1 }), 16);
  assertEquals(await store.addFriend(ada, { id: cy }), { id: cy, name: "cy", state: "offline", lastseen: null });
  await store.removeFriend(ada, cy);
  await store.removeFriend(ada, cy);
  assertEquals((await store.lists(ada)).friends.map((f) => f.id), [bob]);
  await store.addFriend(ada, { id: dan });
  assertEquals((await store.lists(ada)).friends.map((f) => f.id), [bob, dan]);
});

databaseTest("a friend who blocks the user is shown offline, whom the user blocks is not", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await store.claim(bob, "s0");
  await store.release([{ userId: bob, session: "s0", lastseen: 77 }]);
  await store.claim(bob, "s1");
  await store.addFriend(ada, { id: bob });
  assertEquals(await store.block(ada, bob), true);
  assertEquals((await store.lists(ada)).friends, [{ id: bob, name: "bob", state: "online", lastseen: 77 }]);
  await store.block(bob, ada);
  const hidden = { id: bob, name: "bob", state: "offline" as const, lastseen: null };
  assertEquals((await store.lists(ada)).friends, [hidden]);
  assertEquals(await store.addFriend(ada, { id: bob }), hidden);
  await store.unblock(bob, ada);
  assertEquals((await store.lists(ada)).friends[0].state, "online");
});

databaseTest("blocks: twice is once, unknown is false, lifted twice is lifted", async (t) => {
  const store = await t.open();
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  assertEquals(await store.block(ada, cy + 1), false);
  assertEquals(await Promise.all([store.block(ada, bob), store.block(ada, bob), store.block(ada, cy)]), [true, true, true]);
  assertEquals((await store.lists(ada)).blocked.sort(), [bob, cy].sort());
  assertEquals((await store.lists(bob)).blocked, []);
  await store.unblock(ada, bob);
  await store.unblock(ada, bob);
  assertEquals((await store.lists(ada)).blocked, [cy]);
});

databaseTest("watchers are those online who have a user as friend, with no block in either direction", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy, dan, eve] = await addUsers(store, "ada", "bob", "cy", "dan", "eve");
  for (const id of [bob, cy, dan, eve]) await store.addFriend(id, { id: ada });
  await store.addFriend(cy, { id: eve });
  for (const id of [bob, cy, dan]) await store.claim(id, `s${id}`);
  const watching = async (ids: UserId[]) => (await store.watchers(ids)).map((w) => [w.userId, w.watcher, w.node]).sort();
  assertEquals(await watching([ada, eve]), [[ada, bob, "n1"], [ada, cy, "n1"], [ada, dan, "n1"], [eve, cy, "n1"]].sort());
  await store.block(ada, bob);
  await store.block(dan, ada);
  assertEquals(await watching([ada]), [[ada, cy, "n1"]]);
  assertEquals(await watching([]), []);
  const many = Array.from({ length: 500 }, (_, i) => i + 1);
  assertEquals(await watching(many), [[ada, cy, "n1"], [eve, cy, "n1"]].sort());
});

databaseTest("groups are listed by name, their members in the order they joined", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  await store.claim(bob, "s1");
  const zoo = await createGroup(store, cy, "zoo");
  const pub = await store.createGroup(ada, "Pub 🍺", "pub 🍺", 'of "the" \\ people');
  assert(typeof pub === "object");
  assertEquals(await store.joinGroup(bob, { id: zoo }), {
    id: zoo,
    groupname: "zoo",
    groupdesc: "",
    users: [{ id: cy, name: "cy", state: "offline", role: "creator" }, { id: bob, name: "bob", state: "online", role: "normal" }],
  });
  const joined = await store.joinGroup(ada, { key: "zoo" });
  assert(typeof joined === "object");
  assertEquals(roles(joined), [[cy, "creator"], [bob, "normal"], [ada, "normal"]]);
  const groups = (await store.lists(ada)).groups;
  assertEquals(groups.map((g) => [g.id, g.groupname, g.groupdesc, roles(g)]), [
    [pub.groupid, "Pub 🍺", 'of "the" \\ people', [[ada, "creator"]]],
    [zoo, "zoo", "", [[cy, "creator"], [bob, "normal"], [ada, "normal"]]],
  ]);
  assertEquals((await store.lists(bob)).groups.map((g) => g.id), [zoo]);
  await store.leaveGroup(bob, zoo);
  await store.joinGroup(bob, { id: zoo });
  assertEquals(roles((await store.lists(bob)).groups[0]), [[cy, "creator"], [ada, "normal"], [bob, "normal"]]);
  await store.leaveGroup(ada, zoo);
  await store.joinGroup(ada, { id: zoo });
  assertEquals(roles((await store.lists(bob)).groups[0]), [[cy, "creator"], [bob, "normal"], [ada, "normal"]]);
  const members = await store.members(zoo);
  assertEquals(members?.map((m) => [m.userId, m.node]).sort(), [[ada, null], [bob, "n1"], [cy, null]].sort());
  assertEquals(await store.members(zoo + pub.groupid), undefined);
});

databaseTest("joining: twice is once, unknown is 17, a full group and too many groups are 24", async (t) => {
  const store = await t.open({ maxGroup: 2, maxContacts: 2 });
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const one = await createGroup(store, ada, "one");
  assertEquals(await store.joinGroup(bob, { id: one + 1 }), 17);
  assertEquals(await store.joinGroup(bob, { key: "two" }), 17);
  const twice = await Promise.all([store.joinGroup(bob, { id: one }), store.joinGroup(bob, { key: "one" })]);
  for (const group of twice) assertEquals(typeof group === "object" && roles(group), [[ada, "creator"], [bob, "normal"]]);
  assertEquals(await store.joinGroup(cy, { id: one }), 24);
  const again = await store.joinGroup(bob, { id: one });
  assert(typeof again === "object");
  await createGroup(store, ada, "two");
  assertEquals(await store.createGroup(ada, "three", "three", ""), 24);
  const three = await createGroup(store, cy, "three");
  assertEquals(await store.joinGroup(ada, { id: three }), 24);
  assertEquals((await store.lists(ada)).groups.length, 2);
});

databaseTest("a group's key is given once, and the limits hold, however many ask at the same time", async (t) => {
  const stores = [await t.open({ maxGroup: 3, maxContacts: 5 }), await t.open({ maxGroup: 3, maxContacts: 5 })];
  const users = await addUsers(stores[0], ..."abcdefgh");
  const created = await Promise.all(users.map((id, i) => stores[i % 2].createGroup(id, "Pub", "pub", "")));
  const groups = created.filter((c) => typeof c === "object");
  assertEquals(groups.length, 1);
  assertEquals(created.filter((c) => c === 1).length, 7);
  const joined = await Promise.all(users.map((id, i) => stores[i % 2].joinGroup(id, { id: groups[0].groupid })));
  assertEquals(joined.filter((j) => typeof j === "object").length, 3);
  assertEquals((await stores[0].members(groups[0].groupid))?.length, 3);
  const many = await Promise.all(Array.from({ length: 10 }, (_, i) => stores[i % 2].createGroup(users[0], `g${i}`, `g${i}`, "")));
  const inPub = (await stores[0].members(groups[0].groupid))!.some((m) => m.userId === users[0]) ? 1 : 0;
  assertEquals(many.filter((c) => typeof c === "object").length, 5 - inPub);
  assertEquals((await stores[0].lists(users[0])).groups.length, 5);
});

databaseTest("leaving: the oldest member follows the creator, the last one out frees the name", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  const pub = await createGroup(store, bob, "pub");
  await store.joinGroup(dan, { id: pub });
  await store.joinGroup(cy, { id: pub });
  assertEquals(await store.leaveGroup(ada, pub), 18);
  assertEquals(await store.leaveGroup(ada, pub + 1), 17);
  assertEquals(await store.leaveGroup(bob, pub), 0);
  assertEquals(roles((await store.lists(cy)).groups[0]), [[dan, "creator"], [cy, "normal"]]);
  await store.joinGroup(bob, { id: pub });
  assertEquals(await store.leaveGroup(cy, pub), 0);
  assertEquals(roles((await store.lists(bob)).groups[0]), [[dan, "creator"], [bob, "normal"]]);
  assertEquals(await store.createGroup(ada, "pub", "pub", ""), 1);
  assertEquals(await store.leaveGroup(dan, pub), 0);
  assertEquals(await store.leaveGroup(bob, pub), 0);
  assertEquals(await store.leaveGroup(bob, pub), 17);
  assertEquals(await store.members(pub), undefined);
  assertEquals((await store.lists(bob)).groups, []);
  assertEquals(await store.joinGroup(ada, { key: "pub" }), 17);
  const next = await createGroup(store, ada, "pub");
  assert(next !== pub, "the number of a group that is gone was given again");
});

databaseTest("members who leave at the same time leave one creator, or no group", async (t) => {
  const stores = [await t.open(), await t.open()];
  const [ada, bob, cy] = await addUsers(stores[0], "ada", "bob", "cy");
  for (let round = 0; round < 10; round++) {
    const pub = await createGroup(stores[0], ada, "pub");
    await stores[0].joinGroup(bob, { id: pub });
    await stores[0].joinGroup(cy, { id: pub });
    assertEquals(await Promise.all([stores[0].leaveGroup(ada, pub), stores[1].leaveGroup(bob, pub)]), [0, 0]);
    assertEquals(roles((await stores[0].lists(cy)).groups[0]), [[cy, "creator"]]);
    await stores[0].joinGroup(ada, { id: pub });
    assertEquals(await Promise.all([stores[0].leaveGroup(ada, pub), stores[1].leaveGroup(cy, pub)]), [0, 0]);
    assertEquals(await stores[0].members(pub), undefined);
  }
});
