// The contract of the store, on both databases: friends, blocks, groups.

import { assert, assertEquals } from "@std/assert";
import type { GroupId, Store, UserId } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { addDevice, claim, join, leave, release } from "./support/stores.ts";

async function createGroup(store: Store, creator: UserId, name: string): Promise<GroupId> {
  const created = await store.createGroup(creator, name, name, "");
  assert(typeof created === "object", `createGroup: ${created}`);
  return created.groupid;
}

/** The members in the order they joined, as one of them sees them. */
async function roles(store: Store, asker: UserId, groupid: GroupId): Promise<unknown[]> {
  return (await store.firstMembers(asker, [groupid], 1000)).get(groupid)!.map(({ id, role }) => [id, role]);
}

databaseTest("friends are listed by name, with state and lastseen, in one direction", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, cy, bob] = await addUsers(store, "ada", "cy", "bob");
  assertEquals(await store.addFriend(ada, { id: cy }), { id: cy, name: "cy", state: "offline", lastseen: null });
  await claim(store, bob, "s1");
  assertEquals(await store.addFriend(ada, { key: "bob" }), { id: bob, name: "bob", state: "online", lastseen: null });
  await release(store, await claim(store, cy, "s2"), 1_700_000_000_000);
  assertEquals((await store.lists(ada)).friends, [
    { id: bob, name: "bob", state: "online", lastseen: null },
    { id: cy, name: "cy", state: "offline", lastseen: 1_700_000_000_000 },
  ]);
  assertEquals((await store.lists(bob)).friends, []);
});

databaseTest("adding a friend: twice is once, unknown is NO_USER, a full list is FULL", async (t) => {
  const store = await t.open({ maxContacts: 2 });
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  assertEquals(await store.addFriend(ada, { id: dan + 1 }), "NO_USER");
  assertEquals(await store.addFriend(ada, { key: "eve" }), "NO_USER");
  await Promise.all([store.addFriend(ada, { id: bob }), store.addFriend(ada, { id: bob }), store.addFriend(ada, { key: "bob" })]);
  await store.addFriend(ada, { id: cy });
  assertEquals((await store.lists(ada)).friends.length, 2);
  assertEquals(await store.addFriend(ada, { id: dan }), "FULL");
  assertEquals(await store.addFriend(ada, { id: dan + 1 }), "NO_USER");
  assertEquals(await store.addFriend(ada, { id: cy }), { id: cy, name: "cy", state: "offline", lastseen: null });
  await store.removeFriend(ada, cy);
  await store.removeFriend(ada, cy);
  assertEquals((await store.lists(ada)).friends.map((f) => f.id), [bob]);
  await store.addFriend(ada, { id: dan });
  assertEquals((await store.lists(ada)).friends.map((f) => f.id), [bob, dan]);
});

databaseTest("a friend who blocks the user is shown offline since then, whom the user blocks is not", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await release(store, await claim(store, bob, "s0"), 77);
  const second = await claim(store, bob, "s1");
  await store.addFriend(ada, { id: bob });
  const pub = await createGroup(store, ada, "pub");
  await store.joinGroup(bob, { id: pub }, 1);
  assertEquals(await store.block(ada, bob, 500), "OK");
  const seen = { id: bob, name: "bob", state: "online" as const, lastseen: 77 };
  assertEquals((await store.lists(ada)).friends, [seen]);
  assertEquals(await store.block(bob, ada, 1000), "OK");
  const hidden = { id: bob, name: "bob", state: "offline" as const, lastseen: 1000 };
  // Wherever a state is told, and whatever the blocker does.
  const told = async () => {
    const members = await store.members(ada, pub, ada, 10);
    assert(typeof members === "object");
    const { role: _, ...first } = members.members[0]!;
    const { role: __, ...classic } = (await store.firstMembers(ada, [pub], 10)).get(pub)![1]!;
    return [(await store.lists(ada)).friends[0], (await store.welcome(ada, 0)).friends[0], await store.addFriend(ada, { id: bob }), first, classic];
  };
  assertEquals(await told(), Array(5).fill(hidden));
  await release(store, second, 2000);
  assertEquals(await told(), Array(5).fill(hidden));
  const third = await claim(store, bob, "s2");
  // The first time counts.
  assertEquals(await store.block(bob, ada, 3000), "OK");
  assertEquals(await told(), Array(5).fill(hidden));
  const lifted = await store.unblock(bob, ada);
  assertEquals([lifted?.seen, lifted?.sees.id], [{ ...seen, lastseen: 2000 }, ada]);
  assertEquals(await store.unblock(bob, ada), undefined);
  assertEquals(await told(), Array(5).fill({ ...seen, lastseen: 2000 }));
  await release(store, third, 4000);
  await store.block(bob, ada, 5000);
  assertEquals((await store.unblock(bob, ada))?.seen, { ...seen, state: "offline", lastseen: 4000 });
});

databaseTest("blocks: twice is once, unknown is NO_USER, too many are FULL, lifted twice is lifted", async (t) => {
  const store = await t.open({ maxContacts: 2 });
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  assertEquals(await store.block(ada, dan + 1, 1), "NO_USER");
  assertEquals(await Promise.all([store.block(ada, bob, 1), store.block(ada, bob, 1), store.block(ada, cy, 1)]), ["OK", "OK", "OK"]);
  assertEquals((await store.lists(ada)).blocked.sort(), [bob, cy].sort());
  assertEquals((await store.lists(bob)).blocked, []);
  assertEquals(await store.block(ada, dan, 1), "FULL");
  assertEquals(await store.block(ada, cy, 1), "OK");
  assert(await store.unblock(ada, bob));
  assertEquals(await store.unblock(ada, bob), undefined);
  assertEquals((await store.lists(ada)).blocked, [cy]);
  assertEquals(await store.block(ada, dan, 1), "OK");
});

databaseTest("watchers are those online who have a user as friend, with no block in either direction", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy, dan, eve] = await addUsers(store, "ada", "bob", "cy", "dan", "eve");
  for (const id of [bob, cy, dan, eve]) await store.addFriend(id, { id: ada });
  await store.addFriend(cy, { id: eve });
  for (const id of [bob, cy, dan]) await claim(store, id, `s${id}`);
  // Once for each node, however many devices are there.
  await addDevice(store, bob, "phone");
  const watching = async (ids: UserId[]) => (await store.watchers(ids)).map((w) => [w.userId, w.watcher, w.node]).sort();
  assertEquals(await watching([ada, eve]), [[ada, bob, "n1"], [ada, cy, "n1"], [ada, dan, "n1"], [eve, cy, "n1"]].sort());
  await store.block(ada, bob, 1);
  await store.block(dan, ada, 1);
  assertEquals(await watching([ada]), [[ada, cy, "n1"]]);
  assertEquals(await watching([]), []);
  const many = Array.from({ length: 500 }, (_, i) => i + 1);
  assertEquals(await watching(many), [[ada, cy, "n1"], [eve, cy, "n1"]].sort());
});

databaseTest("groups are listed by name, with one's role and the number of members", async (t) => {
  const store = await t.open();
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const zoo = await createGroup(store, cy, "zoo");
  const pub = await store.createGroup(ada, "Pub 🍺", "pub 🍺", 'of "the" \\ people');
  assert(typeof pub === "object");
  assertEquals(await join(store, bob, { id: zoo }), { id: zoo, groupname: "zoo", groupdesc: "", role: "normal", count: 2 });
  assertEquals(await join(store, ada, { key: "zoo" }), { id: zoo, groupname: "zoo", groupdesc: "", role: "normal", count: 3 });
  assertEquals((await store.lists(ada)).groups, [
    { id: pub.groupid, groupname: "Pub 🍺", groupdesc: 'of "the" \\ people', role: "creator", count: 1 },
    { id: zoo, groupname: "zoo", groupdesc: "", role: "normal", count: 3 },
  ]);
  assertEquals((await store.lists(bob)).groups.map((g) => g.id), [zoo]);
  await store.leaveGroup(bob, zoo, 1);
  assertEquals((await store.lists(cy)).groups, [{ id: zoo, groupname: "zoo", groupdesc: "", role: "creator", count: 2 }]);
  assertEquals((await store.welcome(bob, 0)).groups, []);
});

databaseTest("members: those who joined first for 0.1, in pages by id for others, and where they are", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  const zoo = await createGroup(store, cy, "zoo");
  const pub = await store.createGroup(ada, "pub", "pub", "what for");
  assert(typeof pub === "object");
  for (const id of [bob, ada]) await store.joinGroup(id, { id: zoo }, 1);
  await claim(store, bob, "s1");
  assertEquals(await roles(store, ada, zoo), [[cy, "creator"], [bob, "normal"], [ada, "normal"]]);
  await store.leaveGroup(bob, zoo, 1);
  await store.joinGroup(bob, { id: zoo }, 1);
  assertEquals(await roles(store, ada, zoo), [[cy, "creator"], [ada, "normal"], [bob, "normal"]]);
  assertEquals((await store.firstMembers(bob, [zoo, pub.groupid], 2)).get(pub.groupid), undefined);
  const first = await store.firstMembers(ada, [zoo, pub.groupid, zoo + pub.groupid], 2);
  assertEquals(first.get(zoo), [
    { id: cy, name: "cy", state: "offline", lastseen: null, role: "creator" },
    { id: ada, name: "ada", state: "offline", lastseen: null, role: "normal" },
  ]);
  assertEquals([first.get(pub.groupid)?.length, first.get(zoo + pub.groupid)], [1, undefined]);
  const settings = { groupdesc: "", private: false, history: "all", posting: "all" } as const;
  assertEquals(await store.members(ada, zoo, 0, 2), {
    ...settings,
    members: [
      { id: ada, name: "ada", state: "offline", lastseen: null, role: "normal" },
      { id: bob, name: "bob", state: "online", lastseen: null, role: "normal" },
    ],
    count: 3,
    more: true,
  });
  assertEquals(await store.members(ada, zoo, bob, 2), {
    ...settings,
    members: [{ id: cy, name: "cy", state: "offline", lastseen: null, role: "creator" }],
    count: 3,
    more: false,
  });
  assertEquals(await store.members(ada, zoo, cy, 2), { ...settings, members: [], count: 3, more: false });
  const whole = await store.members(ada, zoo, 0, 3);
  assertEquals(typeof whole === "object" && [whole.members.length, whole.more], [3, false]);
  const one = await store.members(ada, pub.groupid, 0, 10);
  assertEquals(typeof one === "object" && [one.groupdesc, one.count], ["what for", 1]);
  assertEquals(await store.members(dan, zoo, 0, 10), "NOT_MEMBER");
  assertEquals(await store.members(ada, zoo + pub.groupid, 0, 10), "NO_GROUP");
  const members = await store.membersOf(zoo);
  assertEquals(members?.toSorted((a, b) => a.userId - b.userId), [
    { userId: ada, nodes: [] },
    { userId: bob, nodes: ["n1"] },
    { userId: cy, nodes: [] },
  ]);
  assertEquals(await store.membersOf(zoo + pub.groupid), undefined);
});

databaseTest("joining: twice is once, unknown is NO_GROUP, a full group and too many groups are FULL", async (t) => {
  const store = await t.open({ maxGroup: 2, maxContacts: 2 });
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const one = await createGroup(store, ada, "one");
  assertEquals(await store.joinGroup(bob, { id: one + 1 }, 1), "NO_GROUP");
  assertEquals(await store.joinGroup(bob, { key: "two" }, 1), "NO_GROUP");
  const twice = await Promise.all([join(store, bob, { id: one }), join(store, bob, { key: "one" })]);
  for (const group of twice) assertEquals(typeof group === "object" && [group.role, group.count], ["normal", 2]);
  assertEquals(await roles(store, bob, one), [[ada, "creator"], [bob, "normal"]]);
  assertEquals(await store.joinGroup(cy, { id: one }, 1), "FULL");
  const again = await join(store, ada, { id: one });
  assertEquals(typeof again === "object" && again.role, "creator");
  await createGroup(store, ada, "two");
  assertEquals(await store.createGroup(ada, "three", "three", ""), "FULL");
  const three = await createGroup(store, cy, "three");
  assertEquals(await store.joinGroup(ada, { id: three }, 1), "FULL");
  assertEquals((await store.lists(ada)).groups.length, 2);
});

databaseTest("a group's key is given once, and the limits hold, however many ask at the same time", async (t) => {
  const stores = [await t.open({ maxGroup: 3, maxContacts: 5 }), await t.open({ maxGroup: 3, maxContacts: 5 })];
  const users = await addUsers(stores[0], ..."abcdefgh");
  const created = await Promise.all(users.map((id, i) => stores[i % 2].createGroup(id, "Pub", "pub", "")));
  const groups = created.filter((c) => typeof c === "object");
  assertEquals(groups.length, 1);
  assertEquals(created.filter((c) => c === "INVALID").length, 7);
  const joined = await Promise.all(users.map((id, i) => stores[i % 2].joinGroup(id, { id: groups[0].groupid }, 1)));
  assertEquals(joined.filter((j) => typeof j === "object").length, 3);
  assertEquals((await stores[0].membersOf(groups[0].groupid))?.length, 3);
  const many = await Promise.all(Array.from({ length: 10 }, (_, i) => stores[i % 2].createGroup(users[0], `g${i}`, `g${i}`, "")));
  const inPub = (await stores[0].membersOf(groups[0].groupid))!.some((m) => m.userId === users[0]) ? 1 : 0;
  assertEquals(many.filter((c) => typeof c === "object").length, 5 - inPub);
  assertEquals((await stores[0].lists(users[0])).groups.length, 5);
  const [{ count, members }] = await t.query(
    `select count, (select count(*) from groupuser where groupid = allgroup.id) as members from allgroup where id = ${groups[0].groupid}`,
  );
  assertEquals([Number(count), Number(members)], [3, 3]);
});

databaseTest("leaving: the oldest member follows the creator, the last one out frees the name", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  const pub = await createGroup(store, bob, "pub");
  await store.joinGroup(dan, { id: pub }, 1);
  await store.joinGroup(cy, { id: pub }, 1);
  assertEquals(await store.leaveGroup(ada, pub, 1), "NOT_MEMBER");
  assertEquals(await store.leaveGroup(ada, pub + 1, 1), "NO_GROUP");
  await leave(store, bob, pub);
  assertEquals(await roles(store, cy, pub), [[dan, "creator"], [cy, "normal"]]);
  await store.joinGroup(bob, { id: pub }, 1);
  await leave(store, cy, pub);
  assertEquals(await roles(store, bob, pub), [[dan, "creator"], [bob, "normal"]]);
  assertEquals(await store.createGroup(ada, "pub", "pub", ""), "INVALID");
  await leave(store, dan, pub);
  await leave(store, bob, pub);
  assertEquals(await store.leaveGroup(bob, pub, 1), "NO_GROUP");
  assertEquals(await store.membersOf(pub), undefined);
  assertEquals((await store.lists(bob)).groups, []);
  assertEquals(await store.joinGroup(ada, { key: "pub" }, 1), "NO_GROUP");
  const next = await createGroup(store, ada, "pub");
  assert(next !== pub, "the number of a group that is gone was given again");
});

databaseTest("members who leave at the same time leave one creator, or no group", async (t) => {
  const stores = [await t.open(), await t.open()];
  const [ada, bob, cy] = await addUsers(stores[0], "ada", "bob", "cy");
  for (let round = 0; round < 10; round++) {
    const pub = await createGroup(stores[0], ada, "pub");
    await stores[0].joinGroup(bob, { id: pub }, 1);
    await stores[0].joinGroup(cy, { id: pub }, 1);
    await Promise.all([leave(stores[0], ada, pub), leave(stores[1], bob, pub)]);
    assertEquals(await roles(stores[0], cy, pub), [[cy, "creator"]]);
    await stores[0].joinGroup(ada, { id: pub }, 1);
    await Promise.all([leave(stores[0], ada, pub), leave(stores[1], cy, pub)]);
    assertEquals(await stores[0].membersOf(pub), undefined);
  }
});
