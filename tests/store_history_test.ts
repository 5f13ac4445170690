// The contract of the store, on both databases: history, and pruning it.

import { assert, assertEquals } from "@std/assert";
import type { Append, HistoryPage, PrunePlace } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { claim, confirm, group, history, logOf, stored } from "./support/stores.ts";

databaseTest("history shows both directions, newest page first, each page oldest first", async (t) => {
  const store = await t.open();
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await group(t, store, ada, bob, cy);
  for (let i = 0; i < 7; i++) {
    await store.append([
      { sender: i % 2 ? ada : bob, toid: i % 2 ? bob : ada, msg: `direct ${i}`, ts: i },
      { sender: cy, toid: i % 2 ? ada : bob, msg: "another conversation", ts: i },
      { sender: [ada, bob, cy][i % 3], groupid: pub, msg: `group ${i}`, ts: i, mid: `${i}` },
    ]);
  }
  for (const [asker, of, kind] of [[bob, { toid: ada }, "direct"], [ada, { toid: bob }, "direct"], [ada, { groupid: pub }, "group"]] as const) {
    const newest = await history(store, asker, of, {}, 3);
    assertEquals(newest.messages.map((m) => m.msg), [4, 5, 6].map((i) => `${kind} ${i}`));
    assertEquals(newest.more, true);
    const middle = await history(store, asker, of, { before: newest.messages[0].messageid }, 3);
    assertEquals(middle.messages.map((m) => m.msg), [1, 2, 3].map((i) => `${kind} ${i}`));
    assertEquals(middle.more, true);
    const oldest = await history(store, asker, of, { before: middle.messages[0].messageid }, 3);
    assertEquals([oldest.messages.map((m) => m.msg), oldest.more], [[`${kind} 0`], false]);
    assertEquals(await history(store, asker, of, { before: oldest.messages[0].messageid }, 3), { messages: [], more: false });
    assertEquals((await history(store, asker, of, {}, 7)).more, false);
  }
  const [first] = (await history(store, ada, { groupid: pub }, {}, 100)).messages;
  assertEquals(first, { messageid: first.messageid, id: ada, name: "ada", groupid: pub, msg: "group 0", ts: 0, mid: "0" });
});

databaseTest("history for who is shown no stones goes on behind however many are left out", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const say = (msg: string, count: number) => store.append(Array.from({ length: count }, (_, ts) => ({ sender: ada, toid: bob, msg, ts })));
  await say("first", 1);
  for (let i = 0; i < 5; i++) await say("deleted", 1000);
  await say("last", 1);
  await t.query("update message set deleted = 1, msg = '' where msg = 'deleted'");
  const texts = async (part: Parameters<typeof store.history>[2]) => {
    const page = await store.history(bob, { toid: ada }, part, 1, 1e9, false) as HistoryPage;
    return [page.messages.map((m) => m.what === undefined ? m.msg : ""), page.more, page.messages[0]!.messageid] as const;
  };
  const [newest, more, last] = await texts({});
  assertEquals([newest, more], [["last"], true]);
  const [oldest, none, first] = await texts({ before: last });
  assertEquals([oldest, none], [["first"], false]);
  assertEquals(await texts({ after: first }), [["last"], false, last]);
});

databaseTest("pruning deletes what is old and waits in no inbox, a piece at a time", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await group(t, store, ada, bob, cy);
  await store.append([
    { sender: ada, toid: bob, msg: "old, confirmed", ts: 1 },
    { sender: ada, toid: cy, msg: "old, waits", ts: 2 },
    { sender: ada, groupid: pub, msg: "old, waits for one", ts: 3 },
    { sender: cy, groupid: pub, msg: "old, confirmed by both", ts: 3 },
    { sender: ada, toid: bob, msg: "new, confirmed", ts: 10 },
    { sender: ada, toid: bob, msg: "old, late", ts: 4 },
  ]);
  await confirm(store, await claim(store, bob, "s1"), 100);
  await confirm(store, await claim(store, ada, "s2"), 100);
  const left = async () => (await t.query("select msg from message order by id")).map((row) => row.msg);
  assertEquals(await store.prune(10, undefined, 100), { deleted: 3, next: undefined });
  assertEquals(await left(), ["old, waits", "old, waits for one", "new, confirmed"]);
  assertEquals((await store.prune(10, undefined, 100)).deleted, 0);
  assertEquals((await logOf(store, cy, 0, 10, 1000)).map((m) => m.msg), ["old, waits", "old, waits for one"]);
  assertEquals((await history(store, ada, { toid: bob }, {}, 10, 1e9)).messages.map((m) => m.msg), ["new, confirmed"]);
  await confirm(store, await claim(store, cy, "s3"), 100);
  assertEquals((await store.prune(11, undefined, 100)).deleted, 3);
  const next = await stored(store, { sender: ada, toid: bob, msg: "next", ts: 20 });
  assert(next.messageid > 6, "the number of a message that is gone was given again");
});

databaseTest("a page of history is about as large as it may be, but one message at least", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const pub = await group(t, store, ada, bob);
  const sizes = [10, 10, 400, 10, 10, 10];
  for (const to of [{ toid: bob }, { groupid: pub }]) {
    await store.append(sizes.map((n, ts): Append => ({ sender: ada, ...to, msg: "漢".repeat(n), ts })));
  }
  for (const where of [{ toid: ada }, { groupid: pub }]) {
    const pages: number[][] = [];
    let before: number | undefined;
    for (let more = true; more;) {
      const page = await history(store, bob, where, { before }, 4, 95);
      pages.push(page.messages.map((m) => m.msg.length));
      more = page.more;
      before = page.messages[0].messageid;
    }
    assertEquals(pages, [[10, 10, 10], [400], [10, 10]]);
    assertEquals((await history(store, bob, where, {}, 4, 1e6)).messages.length, 4);
    assertEquals((await history(store, bob, where, {}, 100, 1)).messages.length, 1);
  }
});

databaseTest("prune walks on: each step looks at so many messages, whether they go or stay, and at none twice", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  // Several of one moment; every third waits for cy.
  const batch = Array.from({ length: 20 }, (_, i) => ({ sender: ada, toid: i % 3 === 0 ? cy : bob, msg: `${i}`, ts: 1 + Math.floor(i / 7) }));
  await store.append(batch);
  await confirm(store, await claim(store, bob, "s1"), 100);
  const steps: number[] = [];
  let place: PrunePlace | undefined;
  do {
    const { deleted, next } = await store.prune(100, place, 6);
    steps.push(deleted);
    place = next;
  } while (place);
  assertEquals(steps, [4, 4, 4, 1]);
  assertEquals((await t.query("select msg from message order by id")).map((row) => row.msg), batch.filter((m) => m.toid === cy).map((m) => m.msg));
});
