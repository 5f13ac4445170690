// The contract of the store, on both databases: append.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Append, type Appended, StoreUnavailable } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { addDevice, claim, confirm, group, history, logOf, one, type Stored, stored } from "./support/stores.ts";

databaseTest("a message reaches the receiver's inbox, and names the node where they are", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const first = await stored(store, { sender: ada, toid: bob, msg: "hello", ts: 1_700_000_000_001 });
  assertEquals(first.repeated, false);
  assertEquals(first.ts, 1_700_000_000_001);
  assertEquals(first.receivers, [{ userId: bob, seq: 1, nodes: [] }]);
  await claim(store, bob, "s1");
  const second = await stored(store, { sender: ada, toid: bob, msg: "again", ts: 2, mid: "m" });
  assertEquals(second.receivers, [{ userId: bob, seq: 2, nodes: ["n1"] }]);
  assert(second.messageid > first.messageid);
  assertEquals(await logOf(store, bob, 0, 10, 1000), [
    { seq: 1, messageid: first.messageid, id: ada, name: "ada", toid: bob, msg: "hello", ts: 1_700_000_000_001 },
    { seq: 2, messageid: second.messageid, id: ada, name: "ada", toid: bob, msg: "again", ts: 2, mid: "m" },
  ]);
  assertEquals(await logOf(store, ada, 0, 10, 1000), []);
});

databaseTest("a note to oneself arrives, beside other messages", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const results = await store.append([
    { sender: ada, toid: ada, msg: "1", ts: 1 },
    { sender: bob, toid: ada, msg: "2", ts: 2 },
    { sender: ada, toid: ada, msg: "3", ts: 3 },
  ]);
  assertEquals(results.map((r) => r.errno === "OK" && r.receivers), [1, 2, 3].map((seq) => [{ userId: ada, seq, nodes: [] }]));
  assertEquals((await logOf(store, ada, 0, 10, 1000)).map((m) => m.msg), ["1", "2", "3"]);
  assertEquals((await history(store, ada, { toid: ada }, {}, 10, 1e9)).messages.map((m) => m.msg), ["1", "3"]);
});

databaseTest("a group's message is stored once and reaches every member but the sender", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  const pub = await group(t, store, ada, bob, cy);
  await stored(store, { sender: dan, toid: cy, msg: "direct", ts: 1 });
  const result = await stored(store, { sender: bob, groupid: pub, msg: "hello", ts: 2, mid: "m" });
  assertEquals(result.receivers.map((r) => [r.userId, r.seq, r.nodes]).sort(), [[ada, 1, []], [cy, 2, []]].sort());
  const message = { messageid: result.messageid, id: bob, name: "bob", groupid: pub, msg: "hello", ts: 2, mid: "m" };
  assertEquals(await logOf(store, ada, 0, 10, 1000), [{ ...message, seq: 1 }]);
  assertEquals(await logOf(store, cy, 1, 10, 1000), [{ ...message, seq: 2 }]);
  assertEquals(await logOf(store, bob, 0, 10, 1000), []);
  assertEquals((await t.query("select id from message")).length, 2);
  const alone = await group(t, store, dan);
  assertEquals((await stored(store, { sender: dan, groupid: alone, msg: "echo", ts: 3 })).receivers, []);
});

databaseTest("text comes back unchanged", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const texts = [
    `'"\`\\ \\' \\" \\n \\0 %_ ? :a $1 -- /* */ ; drop table user; \x1a\r\n\t\x01`,
    "张三 👩‍🚀 e\u0301 é \u{10FFFF} \uFEFF \u2028",
    " leading and trailing ",
    "0",
    "x".repeat(65_000) + "'\\",
    "漢".repeat(21_000),
  ];
  await store.append(texts.map((msg, ts) => ({ sender: ada, toid: bob, msg, ts })));
  assertEquals((await logOf(store, bob, 0, 100, 1e9)).map((m) => m.msg), texts);
  assertEquals((await history(store, ada, { toid: bob }, {}, 100, 1e9)).messages.map((m) => m.msg), texts);
});

databaseTest("seq has no gap and messageid rises, however many append at the same time", async (t) => {
  const stores = [await t.open(), await t.open()];
  const [ada, bob, cy, dan] = await addUsers(stores[0], "ada", "bob", "cy", "dan");
  const pub = await group(t, stores[0], ada, bob, cy, dan);
  const batches = Array.from({ length: 30 }, (_, b) =>
    Array.from({ length: 10 }, (_, i): Append => {
      const n = b * 10 + i;
      const sender = [ada, bob, cy][n % 3];
      const to = n % 4 === 0 ? { groupid: pub } : { toid: [dan, ada, bob][(n >> 1) % 3] };
      return { sender, ...to, msg: `${b} ${i}`, ts: n, mid: String(n) };
    }));
  const results = await Promise.all(batches.map((batch, b) => stores[b % 2].append(batch)));
  for (const userId of [ada, bob, cy, dan]) {
    const inbox = await logOf(stores[0], userId, 0, 1000, 1e9);
    assertEquals(inbox.map((m) => m.seq), inbox.map((_, i) => i + 1));
    // In the order of its seq, each conversation's messageid rises, and each batch keeps its order.
    const newest = new Map<string, number>();
    const place = new Map<string, number>();
    for (const m of inbox) {
      const conversation = m.groupid === undefined ? `user ${m.id}` : "group";
      assert(m.messageid > (newest.get(conversation) ?? 0), `messageid fell in ${conversation}`);
      newest.set(conversation, m.messageid);
      const [batch, i] = m.msg.split(" ");
      assert(Number(i) > (place.get(batch) ?? -1), `batch ${batch} lost its order`);
      place.set(batch, Number(i));
    }
    const told = results.flat().flatMap((r) =>
      r.errno === "OK" ? r.receivers.filter((x) => x.userId === userId).map((x) => [x.seq, r.messageid]) : []
    );
    assertEquals(told.sort(([a], [b]) => a - b), inbox.map((m) => [m.seq, m.messageid]));
  }
});

databaseTest("a mid gives the same answer and never a second message", async (t) => {
  const stores = [await t.open(), await t.open()];
  const [ada, bob] = await addUsers(stores[0], "ada", "bob");
  const append = { sender: ada, toid: bob, msg: "hello", ts: 1, mid: "m1" };
  // Within a batch, with a later time.
  const [first, second] = await stores[0].append([append, { ...append, ts: 2 }]);
  assert(first.errno === "OK" && second.errno === "OK");
  assertEquals(second, { errno: "OK", messageid: first.messageid, ts: 1, repeated: true, receivers: [] });
  // Across batches and stores.
  assertEquals(await one(stores[1], { ...append, ts: 3 }), second);
  // All at the same time.
  const raced = await Promise.all(Array.from({ length: 12 }, (_, i) => one(stores[i % 2], { ...append, mid: "m2", ts: 10 + i })));
  const winners = raced.filter((r) => r.errno === "OK" && !r.repeated);
  assertEquals(winners.length, 1);
  const [winner] = winners;
  for (const r of raced) assert(r.errno === "OK" && winner.errno === "OK" && r.messageid === winner.messageid && r.ts === winner.ts);
  assertEquals((await logOf(stores[0], bob, 0, 10, 1000)).map((m) => [m.seq, m.mid]), [[1, "m1"], [2, "m2"]]);
  // Another sender's same mid is another message.
  const other = await stored(stores[0], { sender: bob, toid: ada, msg: "x", ts: 1, mid: "m1" });
  assertEquals(other.repeated, false);
});

databaseTest("a mid that names another message is BAD_FIELD, wherever that one stands", async (t) => {
  const stores = [await t.open(), await t.open()];
  const [ada, bob, cy] = await addUsers(stores[0], "ada", "bob", "cy");
  const [pub, other] = [await group(t, stores[0], ada, bob), await group(t, stores[0], ada, bob)];
  const text = "'quoted' \\ 張三";
  const direct = { sender: ada, toid: bob, msg: text, ts: 1, mid: "d" };
  const grouped = { sender: ada, groupid: pub, msg: "hello", ts: 1, mid: "g" };
  const others: Append[] = [
    { ...direct, msg: `${text} ` },
    { ...direct, msg: text.toUpperCase() },
    { ...direct, toid: cy },
    { ...direct, toid: ada },
    { ...direct, toid: cy + 1000 },
    { sender: ada, groupid: pub, msg: text, ts: 1, mid: "d" },
    { ...grouped, msg: "Hello" },
    { ...grouped, groupid: other },
    { ...grouped, groupid: other + 1000 },
    { sender: ada, toid: bob, msg: "hello", ts: 1, mid: "g" },
  ];
  const refused = others.map(() => "BAD_FIELD");
  const codes = async (batch: Append[], store = stores[0]) => (await store.append(batch)).map((r) => r.errno);
  assertEquals(await codes([direct, grouped, ...others]), ["OK", "OK", ...refused]);
  assertEquals(await codes(others, stores[1]), refused);
  assertEquals(await codes([direct, ...others.slice(0, 2), grouped], stores[1]), ["OK", "BAD_FIELD", "BAD_FIELD", "OK"]);
  assertEquals((await t.query("select id from message")).length, 2);
  // At the same time, one of two texts.
  for (let round = 0; round < 5; round++) {
    const asked = Array.from(
      { length: 8 },
      (_, i) => one(stores[i % 2], { sender: ada, toid: bob, msg: `${(i >> 1) % 2}`, ts: i, mid: `r${round}` }),
    );
    const results = await Promise.all(asked);
    assertEquals(results.map((r) => r.errno).sort(), [...Array(4).fill("BAD_FIELD"), ...Array(4).fill("OK")]);
    assertEquals(results.filter((r) => r.errno === "OK" && !r.repeated).length, 1);
  }
});

databaseTest("a mid is compared byte by byte", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const mids = ["AbC", "aBc", "AbC ", " AbC", "é", "e\u0301", "e", "ß", "ss", "x".repeat(63) + "1", "x".repeat(63) + "2", "👩", "1", "01", "1.0"];
  const results = await store.append(mids.map((mid, ts) => ({ sender: ada, toid: bob, msg: "x", ts, mid })));
  assertEquals(results.map((r) => r.errno === "OK" && r.repeated), mids.map(() => false));
  assertEquals((await logOf(store, bob, 0, 100, 1000)).map((m) => m.mid), mids);
});

databaseTest("errors come in order: the mid, no user or group, not a member, blocked, full; what fails stores nothing", async (t) => {
  const store = await t.open({ maxInbox: 2 });
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await group(t, store, ada, bob);
  const closed = await group(t, store, bob);
  const direct = await stored(store, { sender: ada, toid: bob, msg: "1", ts: 1, mid: "d" });
  const grouped = await stored(store, { sender: bob, groupid: pub, msg: "2", ts: 2, mid: "g" });
  const ended = await stored(store, { sender: bob, groupid: closed, msg: "3", ts: 2, mid: "c" });
  await stored(store, { sender: ada, toid: bob, msg: "3", ts: 3 });
  const again = (first: Stored): Appended => ({ errno: "OK", messageid: first.messageid, ts: first.ts, repeated: true, receivers: [] });
  const codes = async (...batch: Append[]) => (await store.append(batch)).map((r) => r.errno);

  assertEquals(await codes({ sender: ada, toid: cy + 1000, msg: "1", ts: 9, mid: "d" }), ["BAD_FIELD"]);
  assertEquals(await codes({ sender: ada, toid: cy + 1000, msg: "x", ts: 9, mid: "n" }), ["NO_USER"]);
  assertEquals(await codes({ sender: bob, groupid: closed + 1000, msg: "x", ts: 9, mid: "n" }), ["NO_GROUP"]);
  assertEquals(await codes({ sender: cy, groupid: pub, msg: "x", ts: 9 }), ["NOT_MEMBER"]);
  assertEquals(await codes({ sender: ada, toid: bob, msg: "x", ts: 9 }), ["FULL"]);
  assertEquals(await one(store, { sender: ada, toid: bob, msg: "1", ts: 9, mid: "d" }), again(direct));
  await store.block(bob, ada, 1);
  assertEquals(await codes({ sender: ada, toid: bob, msg: "x", ts: 9 }), ["BLOCKED"]);
  assertEquals(await one(store, { sender: ada, toid: bob, msg: "1", ts: 9, mid: "d" }), again(direct));
  await store.leaveGroup(bob, pub, 1);
  assertEquals(await codes({ sender: bob, groupid: pub, msg: "x", ts: 9, mid: "new" }), ["NOT_MEMBER"]);
  assertEquals(await one(store, { sender: bob, groupid: pub, msg: "2", ts: 9, mid: "g" }), again(grouped));
  // The group is gone, the answer is not.
  await store.leaveGroup(bob, closed, 1);
  assertEquals(await codes({ sender: bob, groupid: closed, msg: "x", ts: 9, mid: "new" }), ["NO_GROUP"]);
  assertEquals(await one(store, { sender: bob, groupid: closed, msg: "3", ts: 9, mid: "c" }), again(ended));

  // In one batch with good ones: each has its own answer, in its place.
  const mixed = await codes(
    { sender: ada, toid: cy, msg: "good", ts: 4, mid: "a" },
    { sender: ada, toid: bob, msg: "x", ts: 4, mid: "b" },
    { sender: ada, toid: cy + 1000, msg: "x", ts: 4, mid: "c" },
    { sender: ada, toid: cy, msg: "good", ts: 4, mid: "a" },
    { sender: cy, groupid: pub, msg: "x", ts: 4 },
    { sender: ada, toid: cy, msg: "good", ts: 5 },
    { sender: ada, toid: cy, msg: "x", ts: 6 },
    { sender: ada, toid: cy, msg: "bad", ts: 6, mid: "a" },
  );
  assertEquals(mixed, ["OK", "BLOCKED", "NO_USER", "OK", "NOT_MEMBER", "OK", "FULL", "BAD_FIELD"]);
  // A mid that failed is not taken.
  await store.unblock(bob, ada);
  assertEquals(await codes({ sender: ada, toid: cy, msg: "x", ts: 4, mid: "b" }), ["FULL"]);
  assertEquals((await logOf(store, cy, 0, 10, 1000)).map((m) => [m.seq, m.msg]), [[1, "good"], [2, "good"]]);
  assertEquals((await t.query("select id from message where kind = 0")).length, 6);
});

databaseTest("one's own block does not keep one from writing, and a group knows no blocks", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await store.block(ada, bob, 1);
  assertEquals((await one(store, { sender: ada, toid: bob, msg: "x", ts: 1 })).errno, "OK");
  assertEquals((await one(store, { sender: bob, toid: ada, msg: "x", ts: 1 })).errno, "BLOCKED");
  const pub = await group(t, store, ada, bob);
  assertEquals((await stored(store, { sender: bob, groupid: pub, msg: "x", ts: 1 })).receivers.length, 1);
});

databaseTest("an inbox holds its limit and no more, however many append at the same time", async (t) => {
  const stores = [await t.open({ maxInbox: 5 }), await t.open({ maxInbox: 5 })];
  await stores[0].join("n1");
  const [ada, bob] = await addUsers(stores[0], "ada", "bob");
  const results = await Promise.all(Array.from({ length: 12 }, (_, i) => one(stores[i % 2], { sender: ada, toid: bob, msg: "x", ts: i })));
  assertEquals(results.map((r) => r.errno).sort(), [...Array(7).fill("FULL"), ...Array(5).fill("OK")]);
  await confirm(stores[0], await claim(stores[0], bob, "s1"), 2);
  const more = await stores[1].append([1, 2, 3].map((ts) => ({ sender: ada, toid: bob, msg: "x", ts })));
  assertEquals(more.map((r) => r.errno), ["OK", "OK", "FULL"]);
  assertEquals((await stores[0].log(bob, 2, 10, 1000)).map((m) => m.seq), [3, 4, 5, 6, 7]);
});

databaseTest("a member whose inbox is full is left out, and finds the message in the history", async (t) => {
  const store = await t.open({ maxInbox: 1 });
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await group(t, store, ada, bob, cy);
  await stored(store, { sender: ada, toid: bob, msg: "fills", ts: 1 });
  const result = await stored(store, { sender: ada, groupid: pub, msg: "hello", ts: 2 });
  assertEquals(result.receivers, [{ userId: cy, seq: 1, nodes: [] }]);
  assertEquals((await stored(store, { sender: ada, groupid: pub, msg: "again", ts: 3 })).receivers, []);
  assertEquals((await logOf(store, bob, 0, 10, 1000)).map((m) => m.msg), ["fills"]);
  assertEquals((await history(store, ada, { groupid: pub }, {}, 10)).messages.map((m) => m.msg), ["hello", "again"]);
});

databaseTest("a message that the database refuses takes its whole batch with it, and nothing else", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const good: Append = { sender: ada, toid: bob, msg: "good", ts: 1, mid: "m" };
  const refused = { ...good, mid: undefined, msg: null as unknown as string };
  const failing = store.append([good, refused, good]);
  const other = store.append([{ sender: bob, toid: ada, msg: "other", ts: 1 }]);
  const eve = store.createUser("eve", "eve", "secret");
  const error = await assertRejects(() => failing);
  assert(!(error instanceof StoreUnavailable), "a refused message is no outage");
  assertEquals((await other)[0].errno, "OK");
  assert(await eve !== undefined);
  assertEquals(await logOf(store, bob, 0, 10, 1000), []);
  assertEquals((await stored(store, good)).receivers, [{ userId: bob, seq: 1, nodes: [] }]);
  assertEquals((await logOf(store, ada, 0, 10, 1000)).map((m) => m.msg), ["other"]);
});

databaseTest("a full batch, and one to a large group", async (t) => {
  const store = await t.open();
  const users = await addUsers(store, ...Array.from({ length: 300 }, (_, i) => `user${i}`));
  const batch = Array.from(
    { length: store.appendLimit },
    (_, i) => ({ sender: users[i % 300], toid: users[(i * 7) % 300], msg: `${i}`, ts: i, mid: `${i}` }),
  );
  assertEquals((await store.append(batch)).filter((r) => r.errno === "OK" && !r.repeated).length, batch.length);
  assertEquals((await store.append(batch)).filter((r) => r.errno === "OK" && r.repeated).length, batch.length);
  const all = await group(t, store, ...users);
  const waiting = async () => (await Promise.all(users.map((id) => store.log(id, 0, 1000, 1e6)))).flat().length;
  const before = await waiting();
  const results = await store.append([1, 2, 3].map((ts) => ({ sender: users[5], groupid: all, msg: "x", ts })));
  for (const r of results) assertEquals(r.errno === "OK" && new Set(r.receivers.map((x) => x.userId)).size, 299);
  assertEquals(await waiting(), before + 3 * 299);
  assertEquals(await store.append([]), []);
});

databaseTest("a group's message names each node of a receiver once, however many devices they have there", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await group(t, store, ada, bob, cy);
  await claim(store, bob, "0");
  await addDevice(store, bob, "phone");
  await addDevice(store, bob, "laptop");
  const { receivers } = await stored(store, { sender: ada, groupid: pub, msg: "x", ts: 1 });
  assertEquals(receivers.toSorted((a, b) => a.userId - b.userId), [{ userId: bob, seq: 1, nodes: ["n1"] }, { userId: cy, seq: 1, nodes: [] }]);
  assertEquals((await stored(store, { sender: ada, toid: bob, msg: "x", ts: 1 })).receivers, [{ userId: bob, seq: 2, nodes: ["n1"] }]);
  const members = await store.membersOf(pub);
  assertEquals(members?.toSorted((a, b) => a.userId - b.userId), [
    { userId: ada, nodes: [] },
    { userId: bob, nodes: ["n1"] },
    { userId: cy, nodes: [] },
  ]);
});

databaseTest(
  "random batches of direct and group messages, by users with one device and with more: seq has no gap, and each log is what was told",
  async (t) => {
    const stores = [await t.open(), await t.open()];
    await stores[0].join("n1");
    const users = await addUsers(stores[0], ..."abcdef");
    const groups = [await group(t, stores[0], ...users), await group(t, stores[0], ...users.slice(2))];
    for (const id of users.slice(0, 3)) {
      await claim(stores[0], id, `0 ${id}`);
      await addDevice(stores[0], id, "phone");
    }
    let n = 0;
    const batch = () =>
      Array.from({ length: 12 }, (): Append => {
        const i = n++ * 7919 % 1000;
        const to = i % 5 === 0 ? { groupid: groups[i % 2] } : { toid: users[(i >> 3) % 6] };
        return { sender: users[i % 2 === 1 && i % 5 === 0 ? 2 + i % 4 : i % 6], ...to, msg: `${n}`, ts: n };
      });
    const told = new Map(users.map((id) => [id, [] as [number, number][]]));
    for (let round = 0; round < 5; round++) {
      const results = await Promise.all(Array.from({ length: 4 }, (_, i) => stores[i % 2].append(batch())));
      for (const r of results.flat()) {
        assert(r.errno === "OK");
        for (const { userId, seq } of r.receivers) told.get(userId)!.push([seq, r.messageid]);
      }
    }
    for (const id of users) {
      const log = await stores[1].log(id, 0, 1000, 1e6);
      assertEquals(log.map((m) => [m.seq, m.messageid]), told.get(id)!.toSorted(([a], [b]) => a - b));
      assertEquals(log.map((m) => m.seq), log.map((_, i) => i + 1));
      assertEquals(log.some((m) => m.id === id && m.toid !== id), users.indexOf(id) < 3);
    }
  },
);
