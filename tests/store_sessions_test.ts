// The contract of the store, on both databases: how sessions end, this node's life, who is online and where.

import { assert, assertEquals } from "@std/assert";
import type { SessionKey, Store } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { addDevice, claim, confirm, hash, online, place, proved, release, say, seqs, states, tryClaim } from "./support/stores.ts";

databaseTest("a release of another session than the row's changes nothing", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await say(store, bob, ada);
  await claim(store, ada, "s1");
  await claim(store, ada, "s2", { takeover: "s1" });
  await store.release([{ userId: ada, device: 0, session: "s1", lastseen: 5, confirmed: 1 }]);
  await store.release([{ userId: ada, device: 1, session: "s2", lastseen: 5, confirmed: 1 }]);
  await store.release([{ userId: ada, device: 0, session: "s1", lastseen: 5, unmade: true }]);
  assertEquals(await store.holder(ada, 0), { session: "s2", node: "n1" });
  assertEquals(await seqs(store, ada), [1]);
  assertEquals(await t.query(`select state, lastseen, confirmed_seq from user where id = ${ada}`), [
    { state: "online", lastseen: null, confirmed_seq: 0 },
  ]);
});

databaseTest("a release sets offline, says when, confirms first, and may be repeated", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await say(store, bob, ada, 2);
  const key = await claim(store, ada, "s1");
  const ending = { ...key, lastseen: 1_700_000_000_123, confirmed: 1 };
  await store.release([ending, { userId: ada + 1000, device: 0, session: "s1", lastseen: 1 }]);
  await store.release([{ ...ending, lastseen: 7, confirmed: 2 }]);
  assertEquals(await store.holder(ada, 0), undefined);
  assertEquals(await t.query(`select state, lastseen, confirmed_seq from user where id = ${ada}`), [
    { state: "offline", lastseen: 1_700_000_000_123, confirmed_seq: 1 },
  ]);
  assertEquals(await seqs(store, ada), [2]);
});

databaseTest("the last session to end sets offline, and lastseen is the end of the last one, and never falls", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const lastseen = async () => (await store.whereabouts([ada])).get(ada)!.lastseen;
  const keys = [await claim(store, ada, "0"), await addDevice(store, ada, "a", "a"), await addDevice(store, ada, "b", "b")];
  await release(store, keys[1]!, 100);
  assertEquals([await online(t, ada), await lastseen()], [["online", 2], null]);
  // Both at once, in whatever order.
  await store.release([{ ...keys[2]!, lastseen: 300 }, { ...keys[0]!, lastseen: 200 }]);
  assertEquals([await online(t, ada), await lastseen()], [["offline", 0], 300]);
  await claim(store, ada, "0 again");
  await release(store, { ...keys[0]!, session: "0 again" }, 250);
  assertEquals([await online(t, ada), await lastseen()], [["offline", 0], 300]);
  assertEquals((await store.devices(ada)).map((d) => [d.id, d.lastseen]), [[0, 250], [1, 100], [2, 300]]);
});

databaseTest("a device that nobody was told of goes with the session that made it, and its tokens", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const zero = await claim(store, ada, "0");
  const token = { hash: hash(1), expires: Date.now() + 1e6 };
  const phone = await claim(store, ada, "p", { device: { name: "phone" }, token });
  await store.release([{ ...phone, session: "another", lastseen: 1, unmade: true }]);
  assertEquals((await store.devices(ada)).length, 2);
  await store.release([{ ...phone, lastseen: 1, unmade: true }, { ...zero, lastseen: 2 }]);
  assertEquals((await store.devices(ada)).map((d) => d.id), [0]);
  assertEquals(await store.findUserByToken(hash(1), 0), undefined);
  assertEquals(await online(t, ada), ["offline", 0]);
  const next = await addDevice(store, ada, "phone");
  assert(next.device > phone.device, "a device's number was given again");
});

databaseTest("500 sessions are released in one call, in any order, and only those", async (t) => {
  const store = await t.open();
  const users = await addUsers(store, ...Array.from({ length: 501 }, (_, i) => `user${i}`));
  await store.join("n1");
  await Promise.all(users.map((id) => claim(store, id, `s${id}`)));
  const releases = users.slice(1).map((userId) => ({ userId, device: 0, session: `s${userId}`, lastseen: 9 })).reverse();
  await Promise.all([store.release(releases), store.release(releases.slice(0, 100)), store.release([...releases].reverse())]);
  assertEquals((await t.query("select id from user where state = 'online'")).map((row) => row.id), [users[0]]);
  assertEquals((await t.query("select userid from device where session is not null")).map((row) => row.userid), [users[0]]);
  await store.release([]);
});

databaseTest("sessions() pages through this node's rows in the order of users and devices", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [a, b, c, d] = await addUsers(store, "a", "b", "c", "d");
  for (const id of [d, a, c]) await claim(store, id, `s${id}`);
  const phone = await addDevice(store, c, "phone", "phone");
  await addDevice(store, c, "laptop", "laptop");
  await release(store, phone);
  await say(store, a, c);
  const none = { userId: 0, device: 0 };
  assertEquals(await store.sessions(none, 2), [
    { userId: a, device: 0, session: `s${a}`, lastSeq: 0 },
    { userId: c, device: 0, session: `s${c}`, lastSeq: 1 },
  ]);
  assertEquals(await store.sessions({ userId: c, device: 0 }, 2), [
    { userId: c, device: 2, session: "laptop", lastSeq: 1 },
    { userId: d, device: 0, session: `s${d}`, lastSeq: 0 },
  ]);
  assertEquals(await store.sessions({ userId: d, device: 0 }, 2), []);
  assertEquals(await store.holder(b, 0), undefined);
  assertEquals(await store.holder(c, 1), undefined);
  assertEquals(
    await store.whereabouts([a, b, c, d + 1]),
    new Map([
      [a, { nodes: ["n1"], lastseen: null }],
      [b, { nodes: [], lastseen: null }],
      [c, { nodes: ["n1"], lastseen: null }],
    ]),
  );
  assertEquals(await store.whereabouts([]), new Map());
});

databaseTest("joining sets the users offline whom a former life left online", async (t) => {
  const before = await t.open();
  await before.join("n1");
  const [ada, bob, cy] = await addUsers(before, "ada", "bob", "cy");
  await claim(before, ada, "s1");
  await addDevice(before, ada, "phone", "s3");
  await addDevice(before, bob, "phone", "s2");
  await release(before, await claim(before, cy, "gone"), 2_000_000_000_000_000);
  await claim(before, cy, "s4");
  await before.kick(ada);
  await before.close();
  const after = await t.open();
  assertEquals(await tryClaim(after, ada, "s5", { takeover: "s1" }), { result: "fenced" });
  const started = Date.now();
  assertEquals((await after.join("n1")).length, 3);
  assertEquals(await states(t), ["offline", "offline", "offline"]);
  assertEquals(await t.query("select userid from device where session is not null"), []);
  const lastseen = async (id: number) => (await after.whereabouts([id])).get(id)!.lastseen!;
  assert(Math.abs(await lastseen(ada) - started) < 60_000, `lastseen is ${await lastseen(ada)}`);
  assertEquals(await lastseen(cy), 2_000_000_000_000_000);
  // What was asked of the former life is of no use to this one.
  assertEquals(await after.takeKicks(), []);
  await release(after, { userId: ada, device: 0, session: "s1" }, 5);
  await claim(after, ada, "s6");
});

databaseTest("whoever leaves gives the name up, and claims nothing more", async (t) => {
  const first = await t.open();
  await first.join("n1");
  const [ada] = await addUsers(first, "ada");
  assertEquals(await first.renew(), true);
  await first.leave();
  assertEquals(await tryClaim(first, ada, "s1"), { result: "fenced" });
  const second = await t.open();
  assertEquals((await second.join("n1")).length, 0);
  await claim(second, ada, "s1");
});

databaseTest("rejoining keeps what is free or one's own, and names what is lost", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [held, offline, lost, removed] = await addUsers(store, "held", "offline", "lost", "removed");
  await claim(store, held, "s1");
  await release(store, await claim(store, offline, "before"));
  await claim(store, lost, "other");
  const phone = await addDevice(store, lost, "phone", "s5");
  const gone = await addDevice(store, removed, "gone", "s4");
  await store.removeDevice(removed, gone.device);
  const sessions = [[held, 0, "s1"], [offline, 0, "s2"], [lost, 0, "s3"], [lost, phone.device, "s5"], [removed, gone.device, "s4"]] as const;
  const keys = sessions.map(([userId, device, session]): SessionKey => ({ userId, device, session }));
  assertEquals(await store.rejoin(proved(...keys)), [keys[2], keys[4]]);
  const holder = async (store: Store, userId: number, device = 0) => (await store.holder(userId, device))?.session;
  assertEquals(await holder(store, held), "s1");
  assertEquals(await holder(store, offline), "s2");
  assertEquals(await holder(store, lost), "other");
  assertEquals(await holder(store, lost, phone.device), "s5");
  assertEquals(await states(t), ["online", "online", "online", "offline"]);
  assertEquals(await store.rejoin([]), []);
  await release(store, { userId: held, device: 0, session: "s1" });
  await claim(store, held, "s6");
});

databaseTest("a session confirms for its own device, and only while the row names it", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const zero = await claim(store, ada, "0");
  const phone = await addDevice(store, ada, "phone", "p");
  await say(store, bob, ada, 5);
  await confirm(store, phone, 3);
  assertEquals([await place(store, ada, 0), await place(store, ada, phone.device)], [{ confirmed: 0, last: 5 }, { confirmed: 3, last: 5 }]);
  await confirm(store, { ...zero, session: "p" }, 4);
  await confirm(store, { ...zero, device: 7 }, 4);
  assertEquals(await place(store, ada, 0), { confirmed: 0, last: 5 });
  await store.release([{ ...zero, lastseen: 1, confirmed: 2 }]);
  assertEquals(await place(store, ada, 0), { confirmed: 2, last: 5 });
  await confirm(store, zero, 5);
  assertEquals(await place(store, ada, 0), { confirmed: 2, last: 5 });
});

databaseTest("an answer to ping, and none after close", async (t) => {
  const store = await t.open();
  await store.ping();
  await store.close();
  let answered = true;
  await store.ping().catch(() => answered = false);
  assert(!answered);
});

databaseTest("rejoining takes no free device that the session could not claim", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const token = { hash: hash(1), expires: 1e15 };
  const desk = await addDevice(store, cy, "desk", "s3", { token });
  const keys = [await claim(store, ada, "s1"), await claim(store, bob, "s2"), desk];
  for (const key of keys) await release(store, key);
  // No row names a session that could be asked to end.
  assertEquals(await store.setClosed(ada, true), []);
  assertEquals(await store.setPassword(bob, 1, "another", undefined), []);
  assertEquals(await store.rejoin([...proved(...keys.slice(0, 2)), { ...desk, proof: { token: hash(2) } }]), keys);
  assertEquals(await states(t), ["offline", "offline", "offline"]);
  assertEquals(await store.rejoin([{ ...desk, proof: { token: token.hash } }]), []);
  assertEquals(await states(t), ["offline", "offline", "online"]);
});
