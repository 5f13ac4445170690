// The contract of the store, on both databases: this node's life, sessions, who is online and where.

import { assert, assertEquals } from "@std/assert";
import type { Store } from "../src/store/store.ts";
import { addUsers, databaseTest, type TestDatabase } from "./support/databases.ts";

async function states(t: TestDatabase): Promise<unknown[]> {
  return (await t.query("select state from user order by id")).map((row) => row.state);
}

async function claim(store: Store, userId: number, session: string): Promise<void> {
  assertEquals((await store.claim(userId, session)).result, "claimed");
}

databaseTest("claims are fenced before the node has joined", async (t) => {
  const store = await t.open();
  const [ada] = await addUsers(store, "ada");
  assertEquals(await store.claim(ada, "s1"), { result: "fenced" });
  assertEquals(await states(t), ["offline"]);
  assertEquals(await store.join("n1"), 0);
  assertEquals(await store.claim(ada, "s1"), { result: "claimed", lastSeq: 0, confirmedSeq: 0 });
  assertEquals(await states(t), ["online"]);
});

databaseTest("a held account is claimed only by taking over the session that holds it", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  await claim(store, ada, "s1");
  assertEquals(await store.claim(ada, "s2"), { result: "held", session: "s1", node: "n1" });
  assertEquals(await store.claim(ada, "s2", "s0"), { result: "held", session: "s1", node: "n1" });
  assertEquals((await store.claim(ada, "s2", "s1")).result, "claimed");
  assertEquals(await store.holder(ada), { session: "s2", node: "n1" });
  assertEquals(await store.claim(ada, "s3", "s1"), { result: "held", session: "s2", node: "n1" });
  await store.release([{ userId: ada, session: "s2", lastseen: 1 }]);
  assertEquals((await store.claim(ada, "s3", "s1")).result, "claimed");
});

databaseTest("of many claims at once exactly one wins, and the others hear of it", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  for (let round = 0; round < 20; round++) {
    const claims = await Promise.all(Array.from({ length: 8 }, (_, i) => store.claim(ada, `${round}-${i}`)));
    const winners = claims.flatMap((c, i) => c.result === "claimed" ? [`${round}-${i}`] : []);
    assertEquals(winners.length, 1);
    for (const c of claims) if (c.result !== "claimed") assertEquals(c, { result: "held", session: winners[0], node: "n1" });
    await store.release([{ userId: ada, session: winners[0], lastseen: round }]);
  }
});

databaseTest("claims of many users at once: each has its own session, or hears who holds the account", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const users = await addUsers(store, ...Array.from({ length: 100 }, (_, i) => `user${i}`));
  for (const id of users.slice(0, 20)) await claim(store, id, `old${id}`);
  const claims = await Promise.all(users.toReversed().map((id, i) => store.claim(id, `new${id}`, i >= 90 ? `old${id}` : undefined)));
  assertEquals(
    claims.map((c) => c.result === "held" ? c.session : c.result),
    users.toReversed().map((id, i) => i >= 80 && i < 90 ? `old${id}` : "claimed"),
  );
  const rows = await t.query("select id, session from user order by id");
  assertEquals(rows.map((row) => row.session), users.map((id, i) => i >= 10 && i < 20 ? `old${id}` : `new${id}`));
});

databaseTest("a claim tells where the inbox stands", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await store.append([1, 2, 3].map((ts) => ({ sender: bob, toid: ada, msg: "x", ts })));
  assertEquals(await store.claim(ada, "s1"), { result: "claimed", lastSeq: 3, confirmedSeq: 0 });
  await store.confirm([{ userId: ada, session: "s1", seq: 2 }]);
  assertEquals(await store.claim(ada, "s2", "s1"), { result: "claimed", lastSeq: 3, confirmedSeq: 2 });
});

databaseTest("a release of another session than the row's changes nothing", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await store.append([{ sender: bob, toid: ada, msg: "x", ts: 1 }]);
  await claim(store, ada, "s1");
  assertEquals((await store.claim(ada, "s2", "s1")).result, "claimed");
  await store.release([{ userId: ada, session: "s1", lastseen: 5, confirmed: 1 }]);
  assertEquals(await store.holder(ada), { session: "s2", node: "n1" });
  assertEquals((await store.inbox(ada, 0, 10, 1000)).length, 1);
  assertEquals(await t.query(`select state, lastseen, confirmed_seq from user where id = ${ada}`), [{
    state: "online",
    lastseen: null,
    confirmed_seq: 0,
  }]);
});

databaseTest("a release sets offline, says when, confirms first, and may be repeated", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await store.append([1, 2].map((ts) => ({ sender: bob, toid: ada, msg: "x", ts })));
  await claim(store, ada, "s1");
  const release = { userId: ada, session: "s1", lastseen: 1_700_000_000_123, confirmed: 1 };
  await store.release([release, { userId: ada + 1000, session: "s1", lastseen: 1 }]);
  await store.release([{ ...release, lastseen: 7, confirmed: 2 }]);
  assertEquals(await store.holder(ada), undefined);
  assertEquals(await t.query(`select state, lastseen, confirmed_seq from user where id = ${ada}`), [
    { state: "offline", lastseen: 1_700_000_000_123, confirmed_seq: 1 },
  ]);
  assertEquals((await store.inbox(ada, 0, 10, 1000)).map((m) => m.seq), [2]);
});

databaseTest("500 sessions are released in one call, in any order, and only those", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const users = await addUsers(store, ...Array.from({ length: 501 }, (_, i) => `user${i}`));
  await Promise.all(users.map((id) => claim(store, id, `s${id}`)));
  const releases = users.slice(1).map((userId) => ({ userId, session: `s${userId}`, lastseen: 9 })).reverse();
  await Promise.all([store.release(releases), store.release(releases.slice(0, 100)), store.release([...releases].reverse())]);
  assertEquals((await t.query("select id from user where state = 'online'")).map((row) => row.id), [users[0]]);
  await store.release([]);
});

databaseTest("sessions() pages through this node's rows in the order of their ids", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [a, b, c, d] = await addUsers(store, "a", "b", "c", "d");
  for (const id of [d, a, c]) await claim(store, id, `s${id}`);
  await store.append([{ sender: a, toid: c, msg: "x", ts: 1 }]);
  assertEquals(await store.sessions(0, 2), [{ userId: a, session: `s${a}`, lastSeq: 0 }, { userId: c, session: `s${c}`, lastSeq: 1 }]);
  assertEquals(await store.sessions(c, 2), [{ userId: d, session: `s${d}`, lastSeq: 0 }]);
  assertEquals(await store.sessions(d, 2), []);
  assertEquals(await store.holder(b), undefined);
  assertEquals(await store.nodesOf([a, b, c]), new Map([[a, "n1"], [c, "n1"]]));
  assertEquals(await store.nodesOf([]), new Map());
});

databaseTest("joining sets the users offline whom a former life left online", async (t) => {
  const before = await t.open();
  await before.join("n1");
  const [ada, bob] = await addUsers(before, "ada", "bob", "cy");
  await claim(before, ada, "s1");
  await claim(before, bob, "s2");
  await before.close();
  const after = await t.open();
  assertEquals(await after.claim(ada, "s3", "s1"), { result: "fenced" });
  const started = Date.now();
  assertEquals(await after.join("n1"), 2);
  assertEquals(await states(t), ["offline", "offline", "offline"]);
  const [{ lastseen }] = await t.query(`select lastseen from user where id = ${ada}`);
  assert(Math.abs(Number(lastseen) - started) < 60_000, `lastseen is ${lastseen}`);
  await after.release([{ userId: ada, session: "s1", lastseen: 5 }]);
  assertEquals((await after.claim(ada, "s4")).result, "claimed");
});

databaseTest("whoever leaves gives the name up, and claims nothing more", async (t) => {
  const first = await t.open();
  await first.join("n1");
  const [ada] = await addUsers(first, "ada");
  assertEquals(await first.renew(), true);
  await first.leave();
  assertEquals(await first.claim(ada, "s1"), { result: "fenced" });
  const second = await t.open();
  assertEquals(await second.join("n1"), 0);
  assertEquals((await second.claim(ada, "s1")).result, "claimed");
});

databaseTest("rejoining keeps what is free or one's own, and names what is lost", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [held, offline, lost] = await addUsers(store, "held", "offline", "lost");
  await claim(store, held, "s1");
  await claim(store, lost, "other");
  const sessions = [{ userId: held, session: "s1" }, { userId: offline, session: "s2" }, { userId: lost, session: "s3" }];
  assertEquals(await store.rejoin(sessions), [{ userId: lost, session: "s3" }]);
  assertEquals(await store.holder(held), { session: "s1", node: "n1" });
  assertEquals(await store.holder(offline), { session: "s2", node: "n1" });
  assertEquals(await store.holder(lost), { session: "other", node: "n1" });
  assertEquals(await store.rejoin([]), []);
  await store.release([{ userId: held, session: "s1", lastseen: 1 }]);
  assertEquals((await store.claim(held, "s4")).result, "claimed");
});

databaseTest("an answer to ping, and none after close", async (t) => {
  const store = await t.open();
  await store.ping();
  await store.close();
  let answered = true;
  await store.ping().catch(() => answered = false);
  assert(!answered);
});
