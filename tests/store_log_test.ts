// The contract of the store, on both databases: a log per user, a place per device. What stands in it, what one's own messages are, what goes from it.

import { assert, assertEquals } from "@std/assert";
import type { Append, Store, UserId } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { eventually } from "./support/server.ts";
import { addDevice, claim, confirm, group, history, logOf, one, place, release, say, seqs, stored, texts } from "./support/stores.ts";

/** A user with device 0 and a phone, both here, and somebody who writes to them. */
async function twoDevices(store: Store) {
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const zero = await claim(store, ada, "0");
  const phone = await addDevice(store, ada, "phone");
  return { ada, bob, zero, phone };
}

databaseTest("each device has its place; a new one begins at the highest that any has confirmed", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await say(store, bob, ada, 2);
  const phone = await addDevice(store, ada, "phone");
  assertEquals(await place(store, ada, phone.device), { confirmed: 0, last: 2 });
  await say(store, bob, ada, 3);
  await confirm(store, phone, 4);
  await claim(store, ada, "0");
  assertEquals(await place(store, ada, 0), { confirmed: 4, last: 5 });
  const laptop = await addDevice(store, ada, "laptop");
  await confirm(store, laptop, 5);
  await release(store, phone);
  await claim(store, ada, "again", { device: phone.device });
  assertEquals(await place(store, ada, phone.device), { confirmed: 4, last: 5 });
  assertEquals(await place(store, ada, laptop.device), { confirmed: 5, last: 5 });
  assertEquals(await t.query(`select confirmed_seq from user where id = ${ada}`), [{ confirmed_seq: 5 }]);
});

databaseTest("confirming: up to seq, never down, never above the log's end, only for the row's session", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  await say(store, ada, bob, 4);
  await say(store, ada, cy);
  const key = await claim(store, bob, "s1");
  const other = await claim(store, cy, "s2");
  const waits = async (id: UserId) => [(await place(store, id)).confirmed, ...await seqs(store, id)];
  await store.confirm([{ ...key, session: "s0", seq: 4 }, { ...key, userId: ada, seq: 1 }, { ...key, device: 1, seq: 4 }]);
  assertEquals(await waits(bob), [0, 1, 2, 3, 4]);
  await store.confirm([{ ...key, seq: 2 }, { ...other, seq: 1 }]);
  assertEquals(await waits(bob), [2, 3, 4]);
  assertEquals(await waits(cy), [1]);
  await confirm(store, key, 1);
  assertEquals(await waits(bob), [2, 3, 4]);
  await confirm(store, key, 1000);
  assertEquals(await waits(bob), [4]);
  assertEquals((await stored(store, { sender: ada, toid: bob, msg: "x", ts: 5 })).receivers, [{ userId: bob, seq: 5, nodes: ["n1"] }]);
  await release(store, key);
  await confirm(store, key, 5);
  assertEquals(await waits(bob), [4, 5]);
  await store.confirm([]);
});

databaseTest("confirmations and appends at the same time leave exactly what is unconfirmed", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const users = await addUsers(store, ..."abcdefgh");
  const keys = await Promise.all(users.map((id) => claim(store, id, `s${id}`)));
  for (let round = 1; round <= 10; round++) {
    await Promise.all([
      ...users.map((sender, i) => one(store, { sender, toid: users[(i + round) % 8]!, msg: "x", ts: round })),
      store.confirm(keys.map((key) => ({ ...key, seq: round - 1 }))),
      store.confirm(keys.toReversed().map((key) => ({ ...key, seq: round - 2 }))),
    ]);
  }
  for (const userId of users) assertEquals(await seqs(store, userId), [10]);
});

databaseTest("one's own messages stand in the log from the second device on, and not before", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const all = await group(t, store, ada, bob);
  const zero = await claim(store, ada, "0");
  await claim(store, bob, "b");
  const send = async (msg: string, to: { toid: UserId } | { groupid: number }) => (await stored(store, { sender: ada, ...to, msg, ts: 1 })).receivers;
  assertEquals(await send("1", { toid: bob }), [{ userId: bob, seq: 1, nodes: ["n1"] }]);
  assertEquals(await send("2", { groupid: all }), [{ userId: bob, seq: 2, nodes: ["n1"] }]);
  await stored(store, { sender: bob, toid: ada, msg: "from bob", ts: 1 });
  const phone = await addDevice(store, ada, "phone");
  const here = ["n1"];
  assertEquals(await send("3", { toid: bob }), [{ userId: bob, seq: 3, nodes: here }, { userId: ada, seq: 2, nodes: here }]);
  assertEquals((await send("4", { groupid: all })).toSorted((a, b) => a.userId - b.userId), [
    { userId: ada, seq: 3, nodes: here },
    { userId: bob, seq: 4, nodes: here },
  ]);
  assertEquals(await send("5", { toid: cy }), [{ userId: cy, seq: 1, nodes: [] }, { userId: ada, seq: 4, nodes: here }]);
  assertEquals(await send("to myself", { toid: ada }), [{ userId: ada, seq: 5, nodes: here }]);
  assertEquals(await texts(store, ada), ["from bob", "3", "4", "5", "to myself"]);
  assertEquals((await logOf(store, ada, 1, 1, 1000))[0], {
    ...{ seq: 2, id: ada, name: "ada", toid: bob, msg: "3", ts: 1 },
    messageid: (await history(store, ada, { toid: bob }, {}, 1, 1000)).messages[0]!.messageid,
  });
  assertEquals(await texts(store, bob), ["1", "2", "3", "4"]);
  // The mark is never unset.
  await store.removeDevice(ada, phone.device);
  await release(store, zero);
  assertEquals(await send("6", { toid: bob }), [{ userId: bob, seq: 5, nodes: here }, { userId: ada, seq: 6, nodes: [] }]);
  // A repetition is told to nobody.
  const append: Append = { sender: ada, toid: bob, msg: "7", ts: 1, mid: "m" };
  assertEquals((await store.append([append, append])).map((r) => r.errno === "OK" && r.receivers.map((x) => x.userId)), [[bob, ada], []]);
});

databaseTest("the mark that comes between two messages of a user parts them, whatever stood in the log before", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const users = await addUsers(store, ...Array.from({ length: 12 }, (_, i) => `user${i}`));
  const [bob] = await addUsers(store, "bob");
  for (const [i, ada] of users.entries()) {
    await claim(store, ada, `0 ${i}`);
    const send = (msg: string) => one(store, { sender: ada, toid: bob, msg, ts: 1 });
    const answer = (msg: string) => one(store, { sender: bob, toid: ada, msg, ts: 1 });
    // Some have entries waiting, some have sent, some both, some neither; and the claim runs beside the next messages.
    if (i % 2 === 0) await send("before");
    if (i % 3 === 0) await answer("a");
    const [second, during] = await Promise.all([addDevice(store, ada, "phone"), send("during")]);
    assert(during.errno === "OK" && second.device === 1);
    await Promise.all([send("after"), answer("b")]);
    await send("last");
    const own = during.receivers.some((r) => r.userId === ada);
    const log = await texts(store, ada);
    assertEquals(log.filter((text) => text !== "b"), [...(i % 3 === 0 ? ["a"] : []), ...(own ? ["during"] : []), "after", "last"]);
    assertEquals(await seqs(store, ada), log.map((_, n) => n + 1));
    assertEquals((await place(store, ada, 1)).last, log.length);
  }
});

databaseTest("an entry goes when all devices have confirmed it", async (t) => {
  const store = await t.open();
  const { ada, bob, zero, phone } = await twoDevices(store);
  await say(store, bob, ada, 6);
  await confirm(store, phone, 4);
  assertEquals(await seqs(store, ada), [1, 2, 3, 4, 5, 6]);
  await confirm(store, zero, 2);
  assertEquals(await seqs(store, ada), [3, 4, 5, 6]);
  // Whether a device has a session or not: it counts.
  await release(store, phone);
  await confirm(store, zero, 6);
  assertEquals(await seqs(store, ada), [5, 6]);
  await claim(store, ada, "p", { device: phone.device });
  assertEquals(await place(store, ada, phone.device), { confirmed: 4, last: 6 });
  await confirm(store, { ...phone, session: "p" }, 6);
  assertEquals(await seqs(store, ada), []);
  assertEquals((await stored(store, { sender: bob, toid: ada, msg: "x", ts: 1 })).receivers[0]?.seq, 7);
});

databaseTest("a device that is too far behind counts no more, and comes back at what was confirmed", async (t) => {
  const store = await t.open({ maxInbox: 10 });
  const { ada, bob, zero, phone } = await twoDevices(store);
  await release(store, zero);
  await say(store, bob, ada, 10);
  await confirm(store, phone, 10);
  // Ten behind: it counts.
  assertEquals((await seqs(store, ada)).length, 10);
  await say(store, bob, ada, 2);
  await confirm(store, phone, 11);
  assertEquals(await seqs(store, ada), [12]);
  await claim(store, ada, "0 again");
  assertEquals(await place(store, ada, 0), { confirmed: 11, last: 12 });
  // And counts again from there.
  await say(store, bob, ada, 3);
  await confirm(store, phone, 15);
  assertEquals(await seqs(store, ada), [12, 13, 14, 15]);
});

databaseTest("a device whose place is gone stands at what was confirmed, also while it has a session", async (t) => {
  const store = await t.open({ maxInbox: 4 });
  const { ada, bob, zero, phone } = await twoDevices(store);
  for (let i = 0; i < 3; i++) {
    await say(store, bob, ada, 4);
    await confirm(store, phone, 4 * (i + 1));
  }
  assertEquals(await seqs(store, ada), []);
  await say(store, bob, ada, 1);
  // What it reads begins above the next: it sees that something is missing.
  assertEquals(await seqs(store, ada, 0), [13]);
  await confirm(store, zero, 13);
  assertEquals(await place(store, ada, 0), { confirmed: 13, last: 13 });
});

databaseTest("the device furthest ahead always counts: what nobody has handled is never gone", async (t) => {
  const store = await t.open({ maxInbox: 4 });
  const { ada, bob, zero, phone } = await twoDevices(store);
  await say(store, bob, ada, 4);
  await confirm(store, zero, 1);
  await confirm(store, phone, 2);
  // More comes than anyone keeps up with: one's own goes in up to twice the limit.
  assertEquals((await one(store, { sender: bob, toid: ada, msg: "x", ts: 1 })).errno, "OK");
  for (let i = 0; i < 4; i++) await one(store, { sender: ada, toid: bob, msg: "own", ts: 1 });
  assertEquals((await place(store, ada, 0)).last, 9);
  await confirm(store, phone, 3);
  // Device 0 is 8 behind and does not count; the phone is 6 behind, and does.
  assertEquals(await seqs(store, ada), [4, 5, 6, 7, 8, 9]);
  await release(store, zero);
  await claim(store, ada, "0 again");
  assertEquals(await place(store, ada, 0), { confirmed: 3, last: 9 });
  await store.removeDevice(ada, phone.device);
  await store.removeDevice(ada, 0);
  assertEquals(await seqs(store, ada), [4, 5, 6, 7, 8, 9]);
});

databaseTest("a device that never comes back fills no log and refuses no message", async (t) => {
  const store = await t.open({ maxInbox: 5 });
  const { ada, bob, zero, phone } = await twoDevices(store);
  await release(store, zero);
  for (let i = 1; i <= 30; i++) {
    assertEquals((await one(store, { sender: bob, toid: ada, msg: `${i}`, ts: i })).errno, "OK");
    await confirm(store, phone, i);
    assert((await seqs(store, ada)).length <= 6, `${await seqs(store, ada)}`);
  }
});

databaseTest("a sender's own log takes what is their own up to twice the limit, then is left out, and goes on when there is room", async (t) => {
  const store = await t.open({ maxInbox: 3 });
  const { ada, bob, zero, phone } = await twoDevices(store);
  const cy = (await addUsers(store, "cy"))[0]!;
  const all = await group(t, store, ada, bob, cy);
  const reader = await claim(store, bob, "b");
  let said = 0;
  const own = async (to: { toid: UserId } | { groupid: number } = { toid: bob }) => {
    const { receivers } = await stored(store, { sender: ada, ...to, msg: `${++said}`, ts: 1 });
    await confirm(store, reader, 1000);
    return receivers.find((r) => r.userId === ada)?.seq;
  };
  assertEquals([await own(), await own(), await own(), await own({ groupid: all }), await own()], [1, 2, 3, 4, 5]);
  // Others are refused at the limit.
  assertEquals((await one(store, { sender: bob, toid: ada, msg: "x", ts: 1 })).errno, "FULL");
  assertEquals((await one(store, { sender: ada, toid: ada, msg: "note", ts: 1 })).errno, "FULL");
  assertEquals([await own(), await own(), await own({ groupid: all }), await own()], [6, undefined, undefined, undefined]);
  assertEquals(await texts(store, ada), ["1", "2", "3", "4", "5", "6"]);
  await store.confirm([{ ...zero, seq: 4 }, { ...phone, seq: 2 }]);
  assertEquals([await own(), await own({ groupid: all })], [7, 8]);
  assertEquals(await texts(store, ada, 6), ["10", "11"]);
  const { messages } = await history(store, ada, { toid: bob }, {}, 100, 1e6);
  assertEquals(messages.map((m) => m.msg), ["1", "2", "3", "5", "6", "7", "9", "10"]);
});

databaseTest("many entries go at once, however many", async (t) => {
  const store = await t.open();
  const { ada, bob, zero, phone } = await twoDevices(store);
  await say(store, bob, ada, 3500);
  // Files them, on SQLite.
  await store.prune(0, undefined, 1);
  await confirm(store, zero, 3400);
  await confirm(store, phone, 3300);
  await eventually(async () => Number((await t.query(`select count(*) as n from inbox where userid = ${ada}`))[0]!.n) === 200, "they have gone");
  assertEquals(await seqs(store, ada), Array.from({ length: 200 }, (_, i) => 3301 + i));
  await say(store, bob, ada, 1);
  assertEquals((await place(store, ada)).last, 3501);
});

databaseTest("the log is read in pieces: by number, and by size, but never none", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const sizes = [10, 4000, 10, 10, 10];
  await store.append(sizes.map((n, ts) => ({ sender: ada, toid: bob, msg: "x".repeat(n), ts })));
  const read = async (after: number, limit: number, bytes: number) => (await logOf(store, bob, after, limit, bytes)).map((m) => m.seq);
  for (let round = 0; round < 2; round++) {
    assertEquals(await read(0, 2, 1e6), [1, 2]);
    assertEquals(await read(2, 100, 1e6), [3, 4, 5]);
    assertEquals(await read(0, 100, 1000), [1]);
    assertEquals(await read(1, 100, 1000), [2]);
    assertEquals(await read(2, 100, 1), [3]);
    assertEquals(await read(5, 100, 1e6), []);
    // On SQLite the second time from the table.
    await store.prune(0, undefined, 1);
  }
});

databaseTest("what a login reads: the device's place, the log's end, the lists", async (t) => {
  const store = await t.open();
  const { ada, bob, phone } = await twoDevices(store);
  await say(store, bob, ada, 3);
  await store.addFriend(ada, { id: bob });
  await store.block(ada, bob, 5);
  const pub = await group(t, store, ada, bob);
  await confirm(store, phone, 2);
  const lists = {
    friends: [{ id: bob, name: "bob", state: "offline" as const, lastseen: null }],
    groups: (await store.lists(ada)).groups,
    blocked: [bob],
    invited: [],
  };
  assertEquals(lists.groups.map((g) => [g.id, g.role, g.count]), [[pub, "creator", 2]]);
  assertEquals(await store.welcome(ada, phone.device), { ...lists, inbox: { confirmed: 2, last: 3 } });
  assertEquals(await store.welcome(ada, 0), { ...lists, inbox: { confirmed: 0, last: 3 } });
  assertEquals(await store.lists(ada), lists);
  assertEquals((await logOf(store, ada, 2, 10, 1000)).length, 1);
});
