// The newest messages on SQLite, which stand in `message` alone: nobody can tell them from others.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { SHARE_MS } from "../src/async/loop.ts";
import { newestOf } from "../src/store/sqlite/history.ts";
import { CONVERSATION, MESSAGE, TAIL } from "../src/store/sqlite/tail.ts";
import type { Append, Store } from "../src/store/store.ts";
import { addUsers, type TestDatabase, testDatabase } from "./support/databases.ts";
import { addDevice, claim, confirm, group, history, logOf, place, seqs, stored } from "./support/stores.ts";

/** With so many messages to one user a pass begins. When half as many have come again that log is filed as far as this; then, piece by piece, their conversation. */
const LONG = Math.ceil(TAIL / (MESSAGE + 1));
const MAX_INBOX = 3 * LONG;

/** ada, who writes to bob, who is here; cy, whom they share a group with; and dan, who is in none. */
async function four(t: TestDatabase) {
  const store = await t.open({ maxInbox: MAX_INBOX });
  await store.join("n1");
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  const all = await group(t, store, ada, bob, cy);
  const key = await claim(store, bob, "s");
  let said = 0;
  const next = (): Append => ({ sender: ada, toid: bob, msg: String(++said), ts: 1 });
  /** `count` messages to bob, each with its number as its text, which is its number in his log as well. */
  const say = async (count: number, by: Store = store) => {
    for (let left = count; left > 0; left -= 100) await by.append(Array.from({ length: Math.min(left, 100) }, next));
  };
  const toAll = () => store.append([{ sender: ada, groupid: all, msg: String(++said), ts: 1 }]);
  const log = async (after = 0, limit = 10_000, bytes = 1e9) => {
    const entries = await logOf(store, bob, after, limit, bytes);
    assertEquals(entries.map((m) => m.msg), entries.map((m) => String(m.seq)));
    return entries.map((m) => m.seq);
  };
  const rows = async (userId = bob) => (await t.query(`select seq from inbox where userid = ${userId} order by seq`)).map((row) => row.seq);
  const talk = async (before?: number, limit = 10_000) =>
    (await history(store, bob, { toid: ada }, { before }, limit, 1e9)).messages.map((m) => Number(m.msg));
  const listed = async () => Number((await t.query("select count(*) as n from conversation"))[0]!.n);
  return { store, ada, bob, cy, dan, key, all, say, toAll, log, rows, talk, listed };
}

const span = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

Deno.test("a log and a conversation are the same whether their messages are filed or not, or some of them", async () => {
  await using t = await testDatabase("sqlite");
  const { store, bob, say, log, rows, talk, listed } = await four(t);
  await say(LONG);
  assertEquals([await rows(), await listed(), await log(), await talk()], [[], 0, span(1, LONG), span(1, LONG)]);
  const none = { userId: 0, device: 0 };
  assertEquals(await store.sessions(none, 10), [{ userId: bob, device: 0, session: "s", lastSeq: LONG }]);
  let end = LONG;
  const seen = new Set<string>();
  for (let part = 0; part < LONG; part = await listed()) {
    await say(50);
    end += 50;
    seen.add(`${(await rows()).length} ${await listed()}`);
    assertEquals([await log(), await talk()], [span(1, end), span(1, end)]);
  }
  assertEquals([...seen].slice(0, 2), ["0 0", `${LONG} 0`]);
  assert(seen.size >= 4, `in pieces: ${[...seen].join("; ")}`);
  assertEquals([await rows(), await listed(), await place(store, bob)], [span(1, LONG), LONG, { confirmed: 0, last: end }]);
});

Deno.test("pieces of a log end where they should, on either side of what is filed", async () => {
  await using t = await testDatabase("sqlite");
  const { say, log, rows } = await four(t);
  await say(LONG);
  await say(600);
  assertEquals((await rows()).length, LONG);
  assertEquals(await log(LONG - 2, 2), [LONG - 1, LONG]);
  assertEquals(await log(LONG - 2, 3), span(LONG - 1, LONG + 1));
  assertEquals(await log(LONG + 4, 3), span(LONG + 5, LONG + 7));
  assertEquals(await log(LONG + 600, 3), []);
  const length = String(LONG).length;
  assertEquals(await log(LONG - 2, 100, 2 * length), [LONG - 1, LONG]);
  assertEquals(await log(LONG - 2, 100, 4 * length), span(LONG - 1, LONG + 2));
  assertEquals(await log(LONG, 100, 1), [LONG + 1]);
});

Deno.test("pages of a conversation go over the place where the listed ones end", async () => {
  await using t = await testDatabase("sqlite");
  const { store, bob, cy, say, talk, listed } = await four(t);
  await say(LONG);
  await say(1000);
  const end = await listed();
  assert(end > 10 && end < LONG);
  await stored(store, { sender: cy, toid: bob, msg: "of another", ts: 10 });
  await say(5);
  const page = await history(store, bob, { toid: cy }, {}, 10, 1000);
  assertEquals([page.messages.map((m) => m.msg), page.more], [["of another"], false]);
  const ids = new Map((await t.query(`select id, msg from message where toid = ${bob}`)).map((row) => [Number(row.msg), Number(row.id)]));
  const next = await listed();
  for (const at of [LONG + 1005, next + 3, next + 2, next + 1, next, end + 1, 4]) {
    assertEquals(await talk(ids.get(at), 4), span(Math.max(1, at - 4), at - 1));
  }
});

Deno.test("what is confirmed before it is filed gets no row, and does not come again", async () => {
  await using t = await testDatabase("sqlite");
  const { store, bob, key, say, log, rows } = await four(t);
  await say(300);
  await confirm(store, key, 297);
  assertEquals(await log(), [298, 299, 300]);
  await say(LONG - 300);
  await say(600);
  assertEquals(await rows(), span(298, LONG));
  // More than there is counts as all there is.
  await confirm(store, key, 10 * LONG);
  assertEquals([await log(), await rows()], [[], []]);
  assertEquals(await place(store, bob), { confirmed: LONG + 600, last: LONG + 600 });
});

Deno.test("a full log counts what is not filed", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, key, say } = await four(t);
  await say(MAX_INBOX - 1);
  const one: Append = { sender: ada, toid: bob, msg: "one more", ts: 1 };
  assertEquals((await store.append([one, one])).map((r) => r.errno), ["OK", "FULL"]);
  await confirm(store, key, 1);
  assertEquals((await store.append([one, one])).map((r) => r.errno), ["OK", "FULL"]);
});

Deno.test("many logs: what is filed piece by piece is what was said, to each in order, also for who opens the file in the middle", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open();
  const users = await addUsers(store, ...Array.from({ length: 7 }, (_, i) => `user${i}`));
  const groupid = await group(t, store, ...users.slice(2));
  const said = new Map(users.map((id) => [id, [] as string[]]));
  const logs = async (by: Store) => {
    const all = new Map<number, string[]>();
    for (const id of users) {
      const log = await logOf(by, id, 0, 10_000, 1e9);
      assertEquals(log.map((m) => m.seq), span(1, log.length));
      all.set(id, log.map((m) => m.msg));
    }
    return all;
  };
  const filed = async () => Number((await t.query("select count(*) as n from inbox"))[0]!.n);
  const states = new Set<number>();
  for (let n = 0; n < 3 * LONG; n += 50) {
    const batch = Array.from({ length: 50 }, (_, i): Append => {
      const to = (n + i) % 10 === 9 ? { groupid } : { toid: users[(n + i) * (n + i) % 7]! };
      return { sender: users[2]!, ...to, msg: String(n + i), ts: 1 };
    });
    for (const { toid, msg } of batch) for (const id of toid === undefined ? users.slice(3) : [toid]) said.get(id)!.push(msg);
    await store.append(batch);
    states.add(await filed());
    // Nothing of the memory of who wrote them is left to one that opens the file.
    if (n % 250 === 0) assertEquals(await logs(await t.open()), said);
  }
  assert(states.size > 3, "piece by piece");
  assertEquals(await logs(store), said);
  await store.prune(0, undefined, 1);
  assertEquals([await filed(), await logs(store)], [[...said.values()].flat().length, said]);
});

for (const disturbance of ["another process writes", "a transaction is rolled back"]) {
  Deno.test(`where ${disturbance} between any two appends, they are filed all the same, each once`, async () => {
    await using t = await testDatabase("sqlite");
    const { store, ada, bob, say, log, talk, rows } = await four(t);
    const other = await t.open();
    const lost = (msg: string | null) => ({ sender: ada, toid: bob, msg: msg as string, ts: 1 });
    let longest = 0;
    // Until the log is nearly full.
    for (let n = 0; n < MAX_INBOX - 100; n += 50) {
      await say(50);
      if (disturbance === "another process writes") await addUsers(other, `user${n}`);
      else await assertRejects(() => store.append([...Array<Append>(50).fill(lost("lost")), lost(null)]));
      const [{ tail }] = await t.query("select count(*) as tail from message where id > (select upto from filed)") as [{ tail: number }];
      longest = Math.max(longest, tail);
      if (n % 500 === 0) assertEquals([await log(), await talk()], [span(1, n + 50), span(1, n + 50)]);
    }
    // As many as begin a pass, and as many as come during it.
    assert(longest <= 2 * LONG + 50, `${longest} stood in the tail`);
    assert((await rows()).length >= LONG);
  });
}

Deno.test("a group's message comes after all that was said before it, and writes no row for its members", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, cy, dan, say, toAll, log, rows, talk, listed } = await four(t);
  await say(3);
  await stored(store, { sender: ada, toid: dan, msg: "to dan", ts: 1 });
  await toAll();
  await say(2);
  await toAll();
  await say(1);
  assertEquals([await rows(), await rows(cy), await rows(dan), await listed()], [[], [], [], 0]);
  assertEquals(await log(), span(1, 8));
  assertEquals((await logOf(store, cy, 0, 10, 1e6)).map((m) => [m.seq, m.msg]), [[1, "4"], [2, "7"]]);
  assertEquals(await talk(), [1, 2, 3, 5, 6, 8]);
  // Another process reads the same, and so does one that finds the file so; whoever files them later files them once.
  const next = await t.open({ maxInbox: MAX_INBOX });
  assertEquals((await logOf(next, 2, 0, 100, 1e6)).map((m) => m.seq), span(1, 8));
  assertEquals((await logOf(next, dan, 0, 100, 1e6)).map((m) => [m.seq, m.msg]), [[1, "to dan"]]);
  await next.prune(0, undefined, 1);
  assertEquals([await rows(), await log(), await rows(cy), await listed(), await talk()], [span(1, 8), span(1, 8), [1, 2], 7, [1, 2, 3, 5, 6, 8]]);
});

Deno.test("the mark of more than one device comes between two messages of the tail, and files one log", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, say, rows } = await four(t);
  const reopened = async () => await logOf(await t.open({ maxInbox: MAX_INBOX }), ada, 0, 100, 1e6);
  await say(3);
  await claim(store, ada, "0");
  await stored(store, { sender: bob, toid: ada, msg: "waits", ts: 1 });
  await addDevice(store, ada, "phone");
  assertEquals([await rows(ada), await rows(bob)], [[1], []]);
  await say(2);
  const own = [[1, "waits"], [2, "4"], [3, "5"]];
  assertEquals((await logOf(store, ada, 0, 100, 1e6)).map((m) => [m.seq, m.msg]), own);
  assertEquals((await reopened()).map((m) => [m.seq, m.msg]), own);
  await store.prune(0, undefined, 1);
  assertEquals((await logOf(store, ada, 0, 100, 1e6)).map((m) => [m.seq, m.msg]), own);
  assertEquals([await rows(ada), await rows(bob)], [[1, 2, 3], span(1, 5)]);
});

Deno.test("what is left out of a sender's full log stays out, also for who opens the file later", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open({ maxInbox: 2 });
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const zero = await claim(store, ada, "0");
  const phone = await addDevice(store, ada, "phone");
  const reader = await claim(store, bob, "b");
  let said = 0;
  const say = async () => {
    const { receivers } = await stored(store, { sender: ada, toid: bob, msg: String(++said), ts: 1 });
    await confirm(store, reader, 100);
    return receivers.find((r) => r.userId === ada)?.seq;
  };
  assertEquals([await say(), await say(), await say(), await say(), await say(), await say()], [1, 2, 3, 4, undefined, undefined]);
  await store.confirm([{ ...zero, seq: 3 }, { ...phone, seq: 3 }]);
  assertEquals(await say(), 5);
  const next = await t.open({ maxInbox: 2 });
  for (const by of [store, next]) assertEquals((await logOf(by, ada, 0, 10, 1000)).map((m) => [m.seq, m.msg]), [[4, "4"], [5, "7"]]);
  await next.prune(0, undefined, 1);
  for (const by of [store, next]) assertEquals((await logOf(by, ada, 0, 10, 1000)).map((m) => [m.seq, m.msg]), [[4, "4"], [5, "7"]]);
});

Deno.test("who leaves a group, or their account, keeps what was said before, and has nothing of what is said then", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open({ maxInbox: 100 });
  await store.join("n1");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const all = await group(t, store, bob, ada, cy);
  await addDevice(store, ada, "phone");
  await addDevice(store, ada, "laptop");
  const own = await group(t, store, ada);
  const say = async (groupid: number) =>
    (await stored(store, { sender: ada, groupid, msg: "to all", ts: 1 })).receivers.map((r) => [r.userId, r.seq]);
  assertEquals([await say(own), await say(all), await say(all)], [[[ada, 1]], [[ada, 2], [bob, 1], [cy, 1]], [[ada, 3], [bob, 2], [cy, 2]]]);
  // Nobody is left who would be told of it.
  assertEquals(await store.leaveGroup(ada, own, 1), { closed: [] });
  assert(await store.deleteAccount(cy, undefined, false));
  const logs = async (by: Store) => [await seqs(by, ada), await seqs(by, bob), await seqs(by, cy)];
  for (const by of [store, await t.open()]) assertEquals(await logs(by), [[1, 2, 3], [1, 2], [1, 2]]);
  // The news of it come behind what was said, and what is said then is for the others.
  await store.leaveGroup(ada, all, 1);
  await stored(store, { sender: bob, groupid: all, msg: "without ada", ts: 1 });
  for (const by of [store, await t.open()]) assertEquals(await logs(by), [[1, 2, 3, 4], [1, 2, 3], [1, 2]]);
});

Deno.test("whose account is deleted has what groups were told before, whoever deletes it", async () => {
  await using t = await testDatabase("sqlite");
  const { store, bob, cy, say, toAll } = await four(t);
  await say(2);
  await toAll();
  // What this process knows of the tail it reads when it deletes the accounts.
  const operator = await t.open();
  for (const userId of [bob, cy]) assert(await operator.deleteAccount(userId, undefined, false));
  await toAll();
  for (const by of [store, operator, await t.open()]) assertEquals([await seqs(by, bob), await seqs(by, cy)], [[1, 2, 3], [1]]);
});

Deno.test("what a rolled back transaction had added is forgotten", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, say, log } = await four(t);
  await say(3);
  const refused: Append = { sender: ada, toid: bob, msg: null as unknown as string, ts: 1 };
  const failing = store.append([{ sender: ada, toid: bob, msg: "lost", ts: 1 }, refused]);
  await assertRejects(() => failing);
  await say(1);
  assertEquals(await log(), [1, 2, 3, 4]);
});

Deno.test("who opens the file after a crash finds all of them, and goes on counting", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, key, say, toAll, log } = await four(t);
  await say(5);
  await toAll();
  await say(4);
  await confirm(store, key, 8);
  // As if the first were gone: nothing of its memory is written at an end.
  const next = await t.open({ maxInbox: MAX_INBOX });
  assertEquals((await logOf(next, bob, 0, 100, 1e6)).map((m) => m.seq), [9, 10]);
  const [result] = await next.append([{ sender: ada, toid: bob, msg: "11", ts: 1 }]);
  assertEquals(result.errno === "OK" && result.receivers, [{ userId: bob, seq: 11, nodes: ["n1"] }]);
  // And what another process wrote is seen by the first.
  assertEquals(await log(), [9, 10, 11]);
  await store.append([{ sender: ada, toid: bob, msg: "12", ts: 1 }]);
  assertEquals((await logOf(next, bob, 0, 100, 1e6)).map((m) => m.seq), [9, 10, 11, 12]);
});

Deno.test("a log is read as it stands in one state of the file, whoever writes it", async () => {
  await using t = await testDatabase("sqlite");
  const { store, bob, say } = await four(t);
  await say(LONG - 1);
  const other = await t.open({ maxInbox: MAX_INBOX });
  for (let round = 1; round <= 8; round++) {
    // The other files and appends while this one reads and appends.
    const work = Promise.all([other.prune(0, undefined, 1), say(3, other), say(2)]);
    for (let i = 0; i < 5; i++) {
      const all = await seqs(store, bob);
      assertEquals(all, span(1, all.length));
    }
    await work;
    assertEquals(await seqs(store, bob), span(1, LONG - 1 + 5 * round));
  }
});

Deno.test("what is no text makes the tail no longer than texts do", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, all, say, toAll } = await four(t);
  await say(1);
  await toAll();
  const [{ id }] = await t.query(`select max(id) as id from message where groupid = ${all}`) as [{ id: number }];
  const upto = async () => Number((await t.query("select upto from filed"))[0]!.upto);
  const react = (by: number, off: boolean) => store.act({ what: "react", by, messageid: id, emoji: "👍", off, at: 1 });
  for (let i = 0; i < TAIL / MESSAGE; i += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, k) => react(k % 2 ? ada : bob, (k & 2) !== 0)));
  }
  assertEquals(await upto(), 0);
  for (let i = 0; i < TAIL / MESSAGE; i += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, k) => react(k % 2 ? ada : bob, (k & 2) !== 0)));
  }
  assert(await upto() >= TAIL / MESSAGE);
  assertEquals((await store.log(bob, 0, 2, 1e6)).map((m) => m.seq), [1, 2]);
});

Deno.test("READ finds the newest message of a conversation without reading all of it", async () => {
  await using t = await testDatabase("sqlite");
  const { store, ada, bob, say } = await four(t);
  await say(LONG);
  await say(1000);
  // Some of it is filed, the rest is not.
  for (const upto of [5, LONG, Number.MAX_SAFE_INTEGER - 1]) {
    const [{ id }] = await t.query(`select max(id) as id from message where toid is not null and id <= ${upto}`);
    const read = await store.read(bob, { toid: ada }, upto);
    assertEquals(typeof read === "object" && read.read, id);
  }
  const plan = (await t.query(`explain query plan ${newestOf(CONVERSATION)}`)).map(({ detail }) => detail);
  assertEquals(plan.includes("MERGE (UNION ALL)"), true, plan.join("; "));
});

Deno.test("what is filed while somebody's conversations are being listed is counted once", async () => {
  await using t = await testDatabase("sqlite");
  const { store, bob, dan, say, rows, listed } = await four(t);
  await store.append([1, 2, 3].map((n): Append => ({ sender: dan, toid: bob, msg: `from dan ${n}`, ts: 1 })));
  await say(LONG);
  // The logs are filed; the next append lists a piece.
  while (await rows().then(({ length }) => length === 0)) await say(1);
  await say(370);
  assertEquals(await listed(), 0);
  const asked = store.talks(bob, 10);
  // The list is read. What it shows is not: this turn took long, and a commit that files comes before the next.
  for (const begun = performance.now(); performance.now() - begun < 2 * SHARE_MS;);
  const filed = say(100);
  assertEquals((await asked).talks.find(({ toid }) => toid === dan)?.unread, 3);
  await filed;
  assert(await listed() > 0);
});
