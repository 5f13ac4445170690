// The contract of the store, on both databases: a user's devices, their tokens, and how they end.

import { assert, assertEquals } from "@std/assert";
import type { Ended, SessionKey, Store } from "../src/store/store.ts";
import { addUsers, databaseTest, type TestDatabase } from "./support/databases.ts";
import { addDevice, claim, hash, place, release, say, seqs, tryClaim } from "./support/stores.ts";

const DAY = 24 * 3600_000;

async function ids(store: Store, userId: number): Promise<number[]> {
  return (await store.devices(userId)).map((device) => device.id);
}

async function state(t: TestDatabase, userId: number): Promise<unknown> {
  return (await t.query(`select state from user where id = ${userId}`))[0]?.state;
}

const ended = (...keys: SessionKey[]): Ended[] => keys.map((key) => ({ ...key, node: "n1" }));
const sorted = (keys: SessionKey[] | undefined) => keys?.toSorted((a, b) => a.device - b.device);

databaseTest("everyone has device 0; named ones are numbered as they come, and none of a number is made twice", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const unused = { id: 0, name: "", state: "offline" as const, since: null, lastseen: null, address: null };
  assertEquals(await store.devices(ada), [unused]);
  const phone = await claim(store, ada, "p", { device: { name: "phone" }, address: "192.0.2.7", at: 1000 });
  assertEquals(phone.device, 1);
  assertEquals(await tryClaim(store, ada, "l", { device: { name: "phone" }, address: "2001:db8::1", at: 2000 }), {
    result: "claimed",
    device: { id: 2, name: "phone" },
    removed: undefined,
  });
  await release(store, phone, 3000);
  assertEquals(await store.devices(ada), [
    unused,
    { id: 1, name: "phone", state: "offline", since: 1000, lastseen: 3000, address: "192.0.2.7" },
    { id: 2, name: "phone", state: "online", since: 2000, lastseen: null, address: "2001:db8::1" },
  ]);
  await claim(store, ada, "0", { at: 4000 });
  await claim(store, ada, "p2", { device: 1, at: 5000, address: "192.0.2.8" });
  assertEquals((await store.devices(ada)).map((d) => [d.id, d.name, d.state, d.since, d.lastseen, d.address]), [
    [0, "", "online", 4000, null, "192.0.2.1"],
    [1, "phone", "online", 5000, 3000, "192.0.2.8"],
    [2, "phone", "online", 2000, null, "2001:db8::1"],
  ]);
  await store.removeDevice(ada, 2);
  assertEquals((await addDevice(store, ada, "tablet")).device, 3);
  assertEquals((await addDevice(store, bob, "phone")).device, 1);
});

databaseTest("a device too many takes the place of the one that was away longest; if all are here there is none", async (t) => {
  const store = await t.open({ maxDevices: 3 });
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  await claim(store, ada, "0", { at: 1 });
  const token = (n: number) => ({ hash: hash(n), expires: Date.now() + DAY });
  const made: SessionKey[] = [];
  for (const n of [1, 2, 3]) made.push(await claim(store, ada, `s${n}`, { device: { name: `d${n}` }, token: token(n), at: 10 * n }));
  const next = (n: number) => tryClaim(store, ada, `s${n}`, { device: { name: `d${n}` }, token: token(n), at: 10 * n });
  assertEquals(await next(4), { result: "refused", errno: "FULL" });
  assertEquals(await store.findUserByToken(hash(4), 0), undefined);
  // Away since: 1 since 300, 2 since 200, 3 is here.
  await release(store, made[0]!, 300);
  await release(store, made[1]!, 200);
  assertEquals(await next(5), { result: "claimed", device: { id: 4, name: "d5" }, removed: 2 });
  assertEquals(await ids(store, ada), [0, 1, 3, 4]);
  assertEquals(await store.findUserByToken(hash(2), 0), undefined);
  assertEquals((await store.findUserByToken(hash(1), 0))?.device, 1);
  assertEquals(await next(6), { result: "claimed", device: { id: 5, name: "d6" }, removed: 1 });
  assertEquals(await next(7), { result: "refused", errno: "FULL" });
  // Device 0 counts for nothing in this.
  await release(store, { userId: ada, device: 0, session: "0" }, 1);
  assertEquals(await next(7), { result: "refused", errno: "FULL" });
});

databaseTest("the limit of devices holds, however many new ones come at the same time", async (t) => {
  const store = await t.open({ maxDevices: 3 });
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const { version } = (await store.findUser({ id: ada }))!;
  const claims = await Promise.all(
    Array.from(
      { length: 8 },
      (_, i) => store.claim({ userId: ada, session: `s${i}`, proof: { version }, device: { name: "x" }, address: "", at: i }),
    ),
  );
  assertEquals(claims.map((c) => c.result).sort(), [..."ccc"].map(() => "claimed").concat([..."rrrrr"].map(() => "refused")));
  assertEquals((await store.devices(ada)).length, 4);
  assertEquals(new Set(claims.flatMap((c) => c.result === "claimed" ? [c.device.id] : [])), new Set([1, 2, 3]));
});

databaseTest("a device is removed with its session and tokens, and the node that holds it is asked to end it", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const expires = Date.now() + DAY;
  const phone = await claim(store, ada, "p", { device: { name: "phone" }, token: { hash: hash(1), expires } });
  const laptop = await claim(store, ada, "l", { device: { name: "laptop" }, token: { hash: hash(2), expires } });
  const zero = await claim(store, ada, "0", { token: { hash: hash(3), expires } });
  const other = await claim(store, bob, "b", { token: { hash: hash(4), expires } });
  assertEquals(await store.removeDevice(ada, phone.device), ended(phone));
  assertEquals(await ids(store, ada), [0, laptop.device]);
  assertEquals(await state(t, ada), "online");
  assertEquals(await store.removeDevice(ada, phone.device), undefined);
  assertEquals(await store.removeDevice(ada, 77), undefined);
  // Device 0 stays, but all that was on it ends.
  assertEquals(await store.removeDevice(ada, 0), ended(zero));
  assertEquals(await store.removeDevice(ada, 0), []);
  assertEquals(await ids(store, ada), [0, laptop.device]);
  assertEquals(await store.holder(ada, 0), undefined);
  await release(store, laptop);
  assertEquals(await store.removeDevice(ada, laptop.device), []);
  assertEquals(await state(t, ada), "offline");
  const left = await Promise.all([1, 2, 3, 4].map(async (n) => await store.findUserByToken(hash(n), 0) !== undefined));
  assertEquals(left, [false, false, false, true]);
  assertEquals(await store.holder(bob, 0), { session: other.session, node: "n1" });
  assertEquals(sorted(await store.takeKicks()), [zero, phone]);
  assertEquals(await store.takeKicks(), []);
  assertEquals(await store.removeDevice(bob + 1, 0), undefined);
});

databaseTest("the user of a device that is removed is offline from then on, if it was the last one here", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const phone = await addDevice(store, ada, "phone");
  const before = Date.now();
  await store.removeDevice(ada, phone.device);
  assertEquals(await state(t, ada), "offline");
  const { lastseen, nodes } = (await store.whereabouts([ada])).get(ada)!;
  assert(lastseen! >= before && nodes.length === 0);
  // The session's own end changes nothing more.
  await release(store, phone, 5);
  assertEquals((await store.whereabouts([ada])).get(ada)!.lastseen, lastseen);
});

databaseTest("a new password ends all devices but the one that set it, in one step", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const expires = Date.now() + DAY;
  const token = (n: number) => ({ token: { hash: hash(n), expires } });
  const held = async () => (await Promise.all([1, 2, 3, 4, 5].map(async (n) => await store.findUserByToken(hash(n), 0) ? [n] : []))).flat();
  const all = async () => {
    const zero = await claim(store, ada, `0 ${Math.random()}`, token(1));
    await release(store, zero);
    const devices = [
      await claim(store, ada, `0 ${Math.random()}`, token(2)),
      await claim(store, ada, `a ${Math.random()}`, { device: { name: "a" }, ...token(3) }),
      await claim(store, ada, `b ${Math.random()}`, { device: { name: "b" }, ...token(4) }),
    ];
    return devices as [SessionKey, SessionKey, SessionKey];
  };
  const version = async () => (await store.findUser({ id: ada }))!.version;
  await claim(store, bob, "bob", token(5));

  // By a named device: device 0 loses session and tokens, the other named one is gone.
  const [zero, a, b] = await all();
  const first = await version();
  assertEquals(await store.setPassword(ada, first + 7, "never"), undefined);
  assertEquals(sorted(await store.setPassword(ada, first, "second", { device: a.device, token: hash(3) })), ended(zero, b));
  assert(await version() > first);
  assertEquals((await store.findUser({ id: ada }))!.password, "second");
  assertEquals([await ids(store, ada), await held()], [[0, a.device], [3, 5]]);
  assertEquals(await store.holder(ada, a.device), { session: a.session, node: "n1" });
  assertEquals(await store.holder(ada, 0), undefined);
  assertEquals(sorted(await store.takeKicks()), [zero, b]);
  assertEquals(await store.setPassword(ada, first, "late"), undefined);
  await store.removeDevice(ada, a.device);
  await store.takeKicks();

  // By device 0: its other tokens go.
  const [zero2, a2, b2] = await all();
  assertEquals(sorted(await store.setPassword(ada, await version(), "third", { device: 0, token: hash(2) })), ended(a2, b2));
  assertEquals([await ids(store, ada), await held(), (await store.holder(ada, 0))?.session], [[0], [2, 5], zero2.session]);
  await store.removeDevice(ada, 0);
  await store.takeKicks();

  // By an operator: all of it.
  const [zero3, a3, b3] = await all();
  assertEquals(sorted(await store.setPassword(ada, undefined, "fourth")), ended(zero3, a3, b3));
  assertEquals([await ids(store, ada), await held(), await state(t, ada)], [[0], [5], "offline"]);
  assertEquals(sorted(await store.takeKicks()), [zero3, a3, b3]);
  assertEquals(await store.setPassword(bob + 1, undefined, "x"), undefined);
  assertEquals((await store.holder(bob, 0))?.session, "bob");
});

databaseTest("a ban ends all sessions and keeps the devices", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const zero = await claim(store, ada, "0");
  const phone = await claim(store, ada, "p", { device: { name: "phone" }, token: { hash: hash(1), expires: Date.now() + DAY } });
  assertEquals(sorted(await store.setClosed(ada, true)), ended(zero, phone));
  assertEquals([await state(t, ada), await ids(store, ada)], ["offline", [0, phone.device]]);
  assertEquals(await store.setClosed(ada, true), []);
  assertEquals((await store.findUserByToken(hash(1), 0))?.account.closed, true);
  assertEquals(sorted(await store.takeKicks()), [zero, phone]);
  assertEquals(await store.setClosed(ada, false), []);
  assertEquals(await store.setClosed(bob + 1, true), undefined);
  await claim(store, ada, "again", { device: phone.device, proof: { token: hash(1) } });
});

databaseTest("an operator asks for sessions to be ended: all of a user's, or one device's; they stay until they are", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  assertEquals(await store.kick(ada), false);
  const zero = await claim(store, ada, "0");
  const phone = await addDevice(store, ada, "phone");
  await claim(store, bob, "b");
  assertEquals(await store.kick(ada, 7), false);
  assertEquals(await store.kick(ada, phone.device), true);
  assertEquals(await store.takeKicks(), [phone]);
  assertEquals(await store.takeKicks(), []);
  assertEquals([await store.kick(ada), await store.kick(ada)], [true, true]);
  assertEquals(sorted(await store.takeKicks()), [zero, phone]);
  assertEquals(await store.holder(ada, 0), { session: "0", node: "n1" });
  assertEquals(await state(t, ada), "online");
  // Another process on the database asks; it has no sessions itself.
  const other = await t.open();
  assertEquals(await other.kick(ada, 0), true);
  assertEquals(await other.takeKicks(), []);
  assertEquals(await store.takeKicks(), [zero]);
});

databaseTest("users are listed with what an operator asks for", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  await claim(store, ada, "0", { at: 1000 });
  await claim(store, ada, "p", { device: { name: "phone" }, at: 2000 });
  await release(store, await claim(store, bob, "b", { at: 500 }), 700);
  await store.setClosed(cy, true);
  const none = { closed: false, sessions: 0, nodes: [] };
  assertEquals(await store.users(0, 2), [
    { id: ada, name: "ada", state: "online", lastseen: null, closed: false, sessions: 2, nodes: ["n1"], since: 2000 },
    { id: bob, name: "bob", state: "offline", lastseen: 700, ...none, since: 500 },
  ]);
  assertEquals(await store.users(bob, 2), [{ id: cy, name: "cy", state: "offline", lastseen: null, ...none, closed: true, since: null }]);
  assertEquals(await store.users(cy, 2), []);
});

databaseTest(
  "being connected is use: a named device's token is extended when it has lost a day; what has expired goes, and the device with its last token",
  async (t) => {
    const store = await t.open();
    await store.join("n1");
    const [ada] = await addUsers(store, "ada");
    const now = Date.now(), life = 90 * DAY;
    const make = (n: number, name: string, expires: number) =>
      claim(store, ada, `s${n}`, { device: name === "" ? 0 : { name }, token: { hash: hash(n), expires } });
    const here = await make(1, "here", now + life - 2 * DAY);
    const fresh = await make(2, "fresh", now + life - DAY / 2);
    const away = await make(3, "away", now + 1000);
    const expired = await make(4, "expired", now - 1000);
    // Here so long that nobody extended it in time.
    const late = await make(5, "late", now - 1000);
    const zero = await make(6, "", now - 1000);
    const without = await claim(store, ada, "without", { device: { name: "without" } });
    for (const key of [away, expired, without, zero]) await release(store, key);
    await store.expireTokens(now, life);
    const expires = async (n: number) => (await store.findUserByToken(hash(n), 0))?.expires;
    assertEquals(await expires(1), now + life);
    assertEquals(await expires(2), now + life - DAY / 2);
    assertEquals(await expires(3), now + 1000);
    assertEquals(await expires(4), undefined);
    assertEquals(await expires(5), now + life);
    assertEquals(await expires(6), undefined);
    assertEquals(await ids(store, ada), [0, here.device, fresh.device, away.device, late.device]);
    await store.expireTokens(now + 2000, life);
    assertEquals(await ids(store, ada), [0, here.device, fresh.device, late.device]);
  },
);

databaseTest("a token of device 0 lives from its last login on, whoever is connected there", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const now = Date.now(), life = 90 * DAY, hash = new Uint8Array(32);
  await claim(store, ada, "s", { token: { hash, expires: now + 1000 } });
  await store.expireTokens(now, life);
  assertEquals((await store.findUserByToken(hash, 0))?.expires, now + 1000);
});

databaseTest("many tokens expire at once, and many devices", async (t) => {
  const store = await t.open();
  const users = await addUsers(store, ...Array.from({ length: 550 }, (_, i) => `user${i}`));
  await store.join("n1");
  const token = (i: number) => ({ hash: crypto.getRandomValues(new Uint8Array(32)), expires: 1000 + i });
  const named = await Promise.all(users.map((id, i) => claim(store, id, `s${id}`, { device: { name: "x" }, token: token(i) })));
  // On a busy machine a lease is over before so many are in.
  await store.renew();
  await Promise.all(users.map((id, i) => claim(store, id, `0 ${id}`, { token: token(550 + i) })));
  await store.release(named.slice(0, 500).map((key) => ({ ...key, lastseen: 1 })));
  await store.release(named.slice(500).map((key) => ({ ...key, lastseen: 1 })));
  await store.expireTokens(2090, 1);
  assertEquals(Number((await t.query("select count(*) as n from token"))[0]!.n), 10);
  assertEquals(Number((await t.query("select count(*) as n from device where device > 0"))[0]!.n), 0);
});

databaseTest("a device that goes holds nothing back any more", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const phone = await addDevice(store, ada, "phone");
  const laptop = await addDevice(store, ada, "laptop");
  await say(store, bob, ada, 5);
  await store.confirm([{ ...phone, seq: 5 }, { ...laptop, seq: 2 }]);
  assertEquals(await seqs(store, ada), [3, 4, 5]);
  await store.removeDevice(ada, laptop.device);
  assertEquals(await seqs(store, ada), []);
  assertEquals(await place(store, ada, phone.device), { confirmed: 5, last: 5 });
});

databaseTest(
  "who wrote with one device a moment ago has what they write on the second one as well, and writes no more when the account is gone",
  async (t) => {
    const store = await t.open();
    await store.join("n1");
    const [ada, bob] = await addUsers(store, "ada", "bob") as [number, number];
    await claim(store, ada, "0");
    const to = async () => {
      const [said] = await store.append([{ sender: ada, toid: bob, msg: "hello", ts: 1 }]);
      return said!.errno === "OK" ? said!.receivers.map(({ userId }) => userId).sort() : said!.errno;
    };
    assertEquals([await to(), await to()], [[bob], [bob]]);
    await claim(store, ada, "p", { device: { name: "phone" } });
    assertEquals(await to(), [ada, bob].sort());
    assertEquals(await store.append([{ sender: bob, toid: ada, msg: "hi", ts: 1 }]).then(([said]) => said!.errno), "OK");
    await store.deleteAccount(bob, undefined, false);
    assertEquals(await store.append([{ sender: bob, toid: ada, msg: "hi", ts: 1 }]).then(([said]) => said!.errno), "NO_USER");
  },
);

databaseTest("the epoch is a word that stays, until it is renewed", async (t) => {
  const store = await t.open();
  const first = await store.epoch();
  assert(first.length >= 8);
  assertEquals(await (await t.open()).epoch(), first);
  await store.renewEpoch();
  const second = await store.epoch();
  assert(second.length >= 8 && second !== first);
  assertEquals(await (await t.open()).epoch(), second);
});
