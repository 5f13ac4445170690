// Devices of a user that come and go at the same moment, on two nodes: `user.state` and `lastseen` are the truth, whatever comes first.

import { assert, assertEquals } from "@std/assert";
import type { SessionKey, Store } from "../src/store/store.ts";
import { addUsers } from "./support/databases.ts";
import { type Admin, hold, type MysqlTest, mysqlTest } from "./support/mysql.ts";
import { addDevice, release } from "./support/stores.ts";

/** What a transaction on users sends first, and last. */
const READS = /FOR UPDATE/, WRITES = /(INSERT INTO device|UPDATE user).*COMMIT/s;

/** A session begins (`came`) or ends (`went`) on a device. */
interface Move {
  kind: "came" | "went";
  store: Store;
  key: SessionKey;
  at: number;
}

async function make({ kind, store, key, at }: Move): Promise<void> {
  if (kind === "went") return assertEquals(await store.release([{ ...key, lastseen: at }]), []);
  const claim = await store.claim({ ...key, proof: { version: 1 }, address: "", at });
  assertEquals(claim.result, "claimed");
}

async function look(admin: Admin, userId: number): Promise<{ state: unknown; lastseen: number; sessions: unknown[] }> {
  const [{ state, lastseen, node }] = await admin.query(`SELECT state, lastseen, node FROM user WHERE id = ${userId}`);
  const rows = await admin.query(`SELECT session, node FROM device WHERE userid = ${userId} AND session IS NOT NULL ORDER BY device`);
  const nodes = new Set(rows.map((row) => row.node));
  assertEquals(node, nodes.size === 1 ? [...nodes][0] : null);
  return { state, lastseen: Number(lastseen), sessions: rows.map(({ session }) => session) };
}

/** Nodes a, through the proxy, and b; a user with three devices, of which nobody is there. */
async function devices(t: MysqlTest) {
  const [a, b] = [await t.openProxied(), await t.open()];
  await a.join("a");
  await b.join("b");
  const [ada] = await addUsers(b, "ada");
  const keys = [{ userId: ada, device: 0, session: "0" }, await addDevice(b, ada, "phone"), await addDevice(b, ada, "desk")];
  for (const key of keys.slice(1)) await release(b, key, 1);
  return { a, b, ada, devices: keys.map(({ device }) => device), admin: await t.admin() };
}

mysqlTest("two devices of a user, one on each node, come and go at once: each step of one held open while the other goes on", async (t) => {
  const { a, b, ada, devices: [first, second], admin } = await devices(t);
  const kinds = ["came", "went"] as const;
  let clock = 10;
  for (const held of kinds) {
    for (const other of kinds) {
      for (const [step, what] of [[READS, "question"], [WRITES, "question"], [WRITES, "answer"]] as const) {
        const name = `${held} and ${other}, at the ${what} of ${step}`;
        const keys = [first, second].map((device) => ({ userId: ada, device, session: `${device} ${clock}` }));
        const moves: Move[] = [{ kind: held, store: a, key: keys[0], at: clock + 2 }, { kind: other, store: b, key: keys[1], at: clock + 1 }];
        for (const move of moves) if (move.kind === "went") await make({ ...move, kind: "came", at: clock });
        const holding = hold(t.proxy, step, what);
        const making = make(moves[0]);
        await holding.there;
        // Between the reading and the writing the user is locked: the other one waits. Before and after, it does not.
        const meanwhile = make(moves[1]);
        if (step === WRITES && what === "question") await admin.lockWaits(1);
        else await meanwhile;
        holding.go();
        await Promise.all([making, meanwhile]);
        const there = moves.filter(({ kind }) => kind === "came");
        const { state, lastseen, sessions } = await look(admin, ada);
        assertEquals([state, sessions], [there.length > 0 ? "online" : "offline", there.map(({ key }) => key.session)], name);
        const ends = moves.filter(({ kind }) => kind === "went").map(({ at }) => at);
        if (there.length === 0) assertEquals(lastseen, Math.max(...ends), name);
        for (const { key, store } of there) await store.release([{ ...key, lastseen: clock + 3 }]);
        clock += 10;
      }
    }
  }
  assertEquals(await admin.deadlock(), undefined);
});

mysqlTest("a thousand rounds of three devices that come and go at once on two nodes: state and lastseen are the truth after each", async (t) => {
  const { a, b, ada, devices: numbers, admin } = await devices(t);
  const stores = [a, b];
  const random = (n: number) => Math.floor(Math.random() * n);
  const held = new Map<number, SessionKey>();
  let clock = 1000, ended = 1, shown = 0;
  for (let round = 0; round < 1000; round++) {
    if (round % 50 === 0) { for (const store of stores) await store.renew(); }
    const moves = numbers.filter(() => random(3) > 0).map((device): Move => {
      const key = held.get(device);
      const store = stores[random(2)];
      if (!key) return { kind: "came", store, key: { userId: ada, device, session: `${device} ${round}` }, at: clock++ };
      // What a late release says of its time is not in the order of the releases.
      return { kind: "went", store, key, at: clock++ - random(3) };
    });
    await Promise.all(moves.map(make));
    for (const { kind, key, at } of moves) {
      if (kind === "came") held.set(key.device, key);
      else held.delete(key.device);
      if (kind === "went") ended = Math.max(ended, at);
    }
    const { state, lastseen, sessions } = await look(admin, ada);
    assertEquals(sessions, numbers.flatMap((device) => held.get(device)?.session ?? []), `round ${round}`);
    assertEquals(state, held.size > 0 ? "online" : "offline", `round ${round}`);
    if (held.size === 0) assertEquals(lastseen, ended, `round ${round}`);
    assert(lastseen >= shown && lastseen <= ended, `round ${round}: lastseen ${shown}, then ${lastseen}; the last end was ${ended}`);
    shown = lastseen;
  }
  assertEquals(await admin.deadlock(), undefined);
});

mysqlTest("the same device asked for on two nodes at once: one gets it, the other hears of that session", async (t) => {
  const { a, b, ada, admin } = await devices(t);
  for (let round = 0; round < 100; round++) {
    const claims = await Promise.all([a, b].map(async (store, i) => ({
      session: `${round} ${i}`,
      claim: await store.claim({ userId: ada, session: `${round} ${i}`, proof: { version: 1 }, device: 0, address: "", at: round }),
    })));
    const [winner, ...others] = claims.filter(({ claim }) => claim.result === "claimed");
    assertEquals(others, []);
    const loser = claims.find((claim) => claim !== winner)!;
    assertEquals(loser.claim, { result: "held", session: winner.session, node: winner === claims[0] ? "a" : "b" });
    await a.release([{ userId: ada, device: 0, session: winner.session, lastseen: round }]);
  }
  assertEquals((await look(admin, ada)).state, "offline");
});

mysqlTest("new devices on two nodes at once: each its own number, never more than there may be, and the mark for more than one", async (t) => {
  const stores = [await t.open({ maxDevices: 3 }), await t.open({ maxDevices: 3 })];
  await stores[0].join("a");
  await stores[1].join("b");
  const admin = await t.admin();
  for (let round = 0; round < 10; round++) {
    const [user] = await addUsers(stores[0], `user${round}`);
    const claims = await Promise.all(
      Array.from(
        { length: 6 },
        (_, i) =>
          stores[i % 2].claim({ userId: user, session: `${round} ${i}`, proof: { version: 1 }, device: { name: `d${i}` }, address: "", at: i }),
      ),
    );
    const made = claims.flatMap((claim) => claim.result === "claimed" ? [claim.device.id] : []);
    assertEquals(made.toSorted(), [1, 2, 3]);
    assertEquals(claims.filter((claim) => claim.result === "refused" && claim.errno === "FULL").length, 3);
    assertEquals(await admin.query(`SELECT many, last_device, state FROM user WHERE id = ${user}`), [{ many: 1, last_device: 3, state: "online" }]);
  }
});

mysqlTest("a token that is deleted by its hash and with its device at the same moment: the two do not wait for each other", async (t) => {
  const [a, b] = [await t.open(), await t.open()];
  await a.join("a");
  const users = await addUsers(a, ..."abcdefghij");
  const admin = await t.admin();
  for (let round = 0; round < 100; round++) {
    if (round % 25 === 0) await a.renew();
    await Promise.all(users.map(async (userId) => {
      const hash = crypto.getRandomValues(new Uint8Array(32));
      const session = crypto.randomUUID();
      const token = { hash, expires: 1e15 };
      const claim = await a.claim({ userId, session, proof: { version: 1 }, device: { name: "phone" }, token, address: "", at: round });
      assert(claim.result === "claimed");
      const removing = b.removeDevice(userId, claim.device.id);
      // The removal locks its user first: at about the same time as both delete.
      await a.ping();
      await Promise.all([removing, a.removeToken(hash), a.extendToken(hash, 1)]);
    }));
  }
  assertEquals(await admin.deadlock(), undefined);
  assertEquals(await admin.query("SELECT * FROM token"), []);
  assertEquals(await admin.query("SELECT * FROM device"), []);
  assertEquals(await admin.query("SELECT id FROM user WHERE state = 'online'"), []);
});

mysqlTest(
  "logins, logouts, removals of devices and the expiry of tokens at once, on two nodes: no deadlock, and no token of a device that is gone",
  async (t) => {
    const stores = [await t.open({ maxDevices: 3 }), await t.open({ maxDevices: 3 })];
    await stores[0].join("a");
    await stores[1].join("b");
    const users = await addUsers(stores[0], "ada", "bob", "cy");
    const admin = await t.admin();
    const random = (n: number) => Math.floor(Math.random() * n);
    await Promise.all(stores.flatMap((store) =>
      [0, 1, 2].map(async () => {
        for (let round = 0; round < 60; round++) {
          const userId = users[random(3)], session = crypto.randomUUID(), hash = crypto.getRandomValues(new Uint8Array(32));
          const device = random(3) === 0 ? 0 : { name: "d" };
          const token = { hash, expires: random(2) * 1e6 };
          const claim = await store.claim({ userId, session, proof: { version: 1 }, device, token, address: "", at: round });
          if (claim.result !== "claimed") {
            if (claim.result === "held") await store.kick(userId, 0);
            continue;
          }
          const { id } = claim.device;
          await Promise.all([
            random(2) ? store.removeDevice(userId, id) : store.release([{ userId, device: id, session, lastseen: round }]),
            random(2) ? store.removeToken(hash) : store.extendToken(hash, 2e6),
            random(3) === 0 ? store.expireTokens(5e5, 1e6) : undefined,
          ]);
        }
      })
    ));
    assertEquals(await admin.deadlock(), undefined);
    assertEquals(
      await admin.query(
        "SELECT t.userid, t.device FROM token t LEFT JOIN device d ON d.userid = t.userid AND d.device = t.device WHERE d.userid IS NULL",
      ),
      [],
    );
    const wrong = "SELECT id FROM user u WHERE (state = 'online') <> EXISTS (SELECT 1 FROM device WHERE userid = u.id AND session IS NOT NULL)";
    assertEquals(await admin.query(wrong), []);
  },
);

mysqlTest("a log of which much is to go is trimmed in steps, and nothing of it is lost on the way", async (t) => {
  const store = await t.open();
  await store.join("a");
  const [ada] = await addUsers(store, "ada");
  const admin = await t.admin();
  await claimOf(store, ada);
  await admin.query("INSERT INTO message (sender, toid, ts, msg) VALUES (1, 1, 1, 'x')");
  await admin.query(
    `INSERT INTO inbox (userid, seq, messageid) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) SELECT ${ada}, i, 1 FROM n`,
  );
  for (let i = 0; i < 5; i++) await admin.query(`INSERT INTO inbox SELECT userid, seq + ${999 * 2 ** i}, messageid FROM inbox`);
  const last = 999 * 32;
  await admin.query(`UPDATE user SET last_seq = ${last}`);
  const left = async () => Number((await admin.query("SELECT COUNT(*) AS n FROM inbox"))[0].n);
  const key = { userId: ada, device: 0, session: "s" };
  await store.confirm([{ ...key, seq: last - 2 }]);
  assertEquals([await left(), (await store.welcome(ada, 0)).inbox.confirmed], [last - 10_000, last - 2]);
  await store.confirm([{ ...key, seq: last - 1 }]);
  assertEquals(await left(), last - 20_000);
  for (let i = 0; i < 2; i++) await store.release([{ ...key, lastseen: 1, confirmed: last }]);
  assertEquals(await admin.query("SELECT confirmed_seq, trimmed_seq FROM user"), [{ confirmed_seq: last, trimmed_seq: 30_000 }]);
});

async function claimOf(store: Store, userId: number): Promise<void> {
  assertEquals((await store.claim({ userId, session: "s", proof: { version: 1 }, device: 0, address: "", at: 1 })).result, "claimed");
}
