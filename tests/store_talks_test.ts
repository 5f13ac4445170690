// The contract of the store, on both databases: what one has read, and lists of conversations.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Conversation, Read, Store, StoredMessage, Talk, UserId } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { say } from "./support/deeds.ts";
import { addDevice, claim, group } from "./support/stores.ts";

async function remove(store: Store, by: UserId, messageid: number): Promise<void> {
  assertEquals((await store.act({ by, messageid, at: 1, what: "delete" })).errno, "OK");
}

async function talksOf(store: Store, userId: UserId): Promise<Talk[]> {
  return (await store.talks(userId, 1000)).talks;
}

/** What the list says of one conversation. */
async function talk(store: Store, userId: UserId, of: Conversation): Promise<Talk | undefined> {
  return (await talksOf(store, userId)).find(({ toid, groupid }) => toid === of.toid && groupid === of.groupid);
}

async function read(store: Store, userId: UserId, of: Conversation, messageid: number): Promise<Read> {
  const done = await store.read(userId, of, messageid);
  assert(typeof done === "object", `${done}`);
  return done;
}

const PLAIN = { muted: 0, pinned: false, archived: false };

databaseTest("a list of conversations: newest first, with name, last text, unread ones and marks; groups without any text behind them", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, dan] = await addUsers(store, "ada", "bob", "cy", "dan");
  assertEquals(await store.talks(ada, 10), { talks: [], next: undefined, count: 0 });
  const [pub, empty, other] = [await group(t, store, ada, bob), await group(t, store, bob, ada), await group(t, store, bob, ada)];
  await group(t, store, bob, cy);
  const [first, second] = [await say(store, bob, { toid: ada }, "1"), await say(store, bob, { toid: ada }, "2")];
  const third = await say(store, ada, { toid: cy }, "3");
  const fourth = await say(store, bob, { groupid: pub }, "4");
  const note = await say(store, ada, { toid: ada }, "5");
  await say(store, bob, { toid: cy }, "6");
  await store.act({ by: ada, messageid: second, at: 1, what: "react", emoji: "👍", off: false });
  const message = (messageid: number, id: UserId, name: string, to: Conversation, msg: string): StoredMessage => ({
    ...{ messageid, id, name, ...to, msg, ts: 10 },
  });
  const reactions = [{ emoji: "👍", count: 1 }];
  const names = new Map((await store.lists(ada)).groups.map(({ id, groupname }) => [id, groupname]));
  const behind = (groupid: number): Talk => ({ groupid, ...PLAIN, name: names.get(groupid)!, last: undefined, unread: 0, read: 0 });
  const all: Talk[] = [
    { toid: ada, ...PLAIN, name: "ada", last: message(note, ada, "ada", { toid: ada }, "5"), unread: 0, read: note },
    { groupid: pub, ...PLAIN, name: names.get(pub)!, last: message(fourth, bob, "bob", { groupid: pub }, "4"), unread: 1, read: 0 },
    { toid: cy, ...PLAIN, name: "cy", last: message(third, ada, "ada", { toid: cy }, "3"), unread: 0, read: third, peerread: 0 },
    {
      toid: bob,
      ...PLAIN,
      name: "bob",
      last: { ...message(second, bob, "bob", { toid: ada }, "2"), reactions },
      unread: 2,
      read: 0,
      peerread: second,
    },
    behind(empty),
    behind(other),
  ];
  assertEquals(await store.talks(ada, 10), { talks: all, next: undefined, count: 6 });
  // In pages.
  assertEquals(await store.talks(ada, 2), { talks: all.slice(0, 2), next: { messageid: fourth }, count: 6 });
  assertEquals(await store.talks(ada, 2, { messageid: fourth }), { talks: all.slice(2, 4), next: { messageid: second }, count: 6 });
  assertEquals(await store.talks(ada, 2, { messageid: second }), { talks: all.slice(4), next: undefined, count: 6 });
  assertEquals(await store.talks(ada, 1, { messageid: first }), { talks: [all[4]], next: { groupid: empty }, count: 6 });
  assertEquals(await store.talks(ada, 9, { groupid: empty }), { talks: [all[5]], next: undefined, count: 6 });
  assertEquals(await store.talks(ada, 9, { groupid: other }), { talks: [], next: undefined, count: 6 });
  assertEquals(await talksOf(store, dan), []);
  // What is deleted neither counts nor holds a conversation where it is; one without any other text is not shown.
  await remove(store, bob, second);
  assertEquals((await talk(store, ada, { toid: bob }))?.last?.messageid, first);
  assertEquals((await talk(store, ada, { toid: bob }))?.unread, 1);
  await remove(store, ada, third);
  await remove(store, bob, fourth);
  assertEquals((await talksOf(store, ada)).map(({ toid, groupid }) => toid ?? groupid), [ada, bob, pub, empty, other]);
  assertEquals(await talk(store, ada, { groupid: pub }), behind(pub));
});

databaseTest("a read mark rises to the newest text that is there, and never goes back", async (t) => {
  const store = await t.open();
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await group(t, store, ada, bob);
  const [one, two] = [await say(store, bob, { toid: ada }), await say(store, bob, { toid: ada })];
  const elsewhere = await say(store, bob, { toid: cy });
  const three = await say(store, bob, { toid: ada });
  const to = { toid: bob };
  const now = async () => {
    const { read, unread } = (await talk(store, ada, to))!;
    return [read, unread];
  };
  assertEquals(await now(), [0, 3]);
  assertEquals(await read(store, ada, to, 0), { read: 0, risen: false, nodes: [], peerNodes: [] });
  assertEquals(await read(store, ada, to, two), { read: two, risen: true, nodes: [], peerNodes: [] });
  assertEquals(await now(), [two, 1]);
  assertEquals(await read(store, ada, to, one), { read: two, risen: false, nodes: [], peerNodes: [] });
  // A number of another conversation is cut to what stands below it here.
  assertEquals((await read(store, ada, to, elsewhere)).read, two);
  assertEquals((await read(store, ada, to, Number.MAX_SAFE_INTEGER)).read, three);
  assertEquals((await read(store, ada, to, two)).read, three);
  assertEquals(await now(), [three, 0]);
  assertEquals((await talk(store, bob, { toid: ada }))?.peerread, three);
  // Sending reads, but does not stand in the way of a later mark.
  await say(store, ada, to);
  const four = await say(store, bob, { toid: ada });
  assertEquals((await now())[1], 1);
  assertEquals((await read(store, ada, to, four)).read, four);
  const said = await say(store, bob, { groupid: pub });
  assertEquals(await read(store, ada, { groupid: pub }, said), { read: said, risen: true, nodes: [], peerNodes: [] });
  assertEquals((await talk(store, ada, { groupid: pub }))?.unread, 0);
  // Where nobody has spoken there is nothing to read.
  assertEquals(await read(store, ada, { toid: cy }, 10), { read: 0, risen: false, nodes: [], peerNodes: [] });
  assertEquals(await store.read(ada, { toid: 999 }, 1), "NO_USER");
  assertEquals(await store.read(ada, { groupid: 999 }, 1), "NO_GROUP");
  assertEquals(await store.read(cy, { groupid: pub }, 1), "NOT_MEMBER");
});

databaseTest(
  "who is told what somebody has read: their own sessions, and the peer, unless either wants no receipts or blocks the other",
  async (t) => {
    const store = await t.open();
    await store.join("n1");
    const [ada, bob] = await addUsers(store, "ada", "bob");
    await claim(store, ada, "a");
    await claim(store, bob, "b");
    await addDevice(store, bob, "phone");
    const next = async () => {
      const messageid = await say(store, bob, { toid: ada });
      const { read: place, risen, nodes, peerNodes } = await read(store, ada, { toid: bob }, messageid);
      assertEquals([place, risen], [messageid, true]);
      const { peerread } = (await talk(store, bob, { toid: ada }))!;
      assertEquals(peerread !== undefined, peerNodes.length > 0);
      if (peerread !== undefined) assertEquals(peerread, messageid);
      assertEquals((await talk(store, ada, { toid: bob }))!.peerread, peerread);
      return [nodes, peerNodes];
    };
    assertEquals(await next(), [["n1"], ["n1"]]);
    for (const [by, other] of [[ada, bob], [bob, ada]]) {
      await t.query(`update user set receipts = 0 where id = ${by}`);
      assertEquals(await next(), [["n1"], []]);
      await t.query(`update user set receipts = 1 where id = ${by}`);
      // Somebody who is blocked cannot write: one's own block only.
      if (by === bob) await store.block(by, other, 1);
      assertEquals(await next(), [["n1"], by === bob ? [] : ["n1"]]);
      await store.unblock(by, other);
    }
    const last = await say(store, bob, { toid: ada });
    await store.block(ada, bob, 1);
    assertEquals(await read(store, ada, { toid: bob }, last), { read: last, risen: true, nodes: ["n1"], peerNodes: [] });
    assertEquals((await talk(store, bob, { toid: ada }))?.peerread, undefined);
    // To oneself nothing is told twice.
    const note = await say(store, ada, { toid: ada });
    assertEquals((await read(store, ada, { toid: ada }, note)).peerNodes, []);
    assertEquals((await talk(store, ada, { toid: ada }))?.peerread, undefined);
  },
);

databaseTest("marks from many devices at once, on two stores: the highest stays, and each rise is told once", async (t) => {
  const stores = [await t.open(), await t.open()];
  const [ada, bob] = await addUsers(stores[0], "ada", "bob");
  const ids: number[] = [];
  for (let i = 0; i < 10; i++) ids.push(await say(stores[0], bob, { toid: ada }));
  const marks = [3, 9, 1, 9, 5, 7, 9, 0, 8, 9];
  const reads = await Promise.all(marks.map((n, i) => read(stores[i % 2], ada, { toid: bob }, ids[n])));
  for (const [i, { read }] of reads.entries()) assert(read >= ids[marks[i]]);
  const risen = reads.filter(({ risen }) => risen).map(({ read }) => read);
  assertEquals(new Set(risen).size, risen.length);
  assert(risen.includes(ids[9]));
  assertEquals((await talk(stores[0], ada, { toid: bob }))?.read, ids[9]);
});

databaseTest("who joins has read what there is; who leaves keeps nothing of the group", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const pub = await group(t, store, ada);
  const old = await say(store, ada, { groupid: pub });
  await store.joinGroup(bob, { id: pub }, 1);
  const mark = async () => {
    const found = await talk(store, bob, { groupid: pub });
    return found && [found.read, found.unread, found.pinned];
  };
  assertEquals(await mark(), [old, 0, false]);
  await store.joinGroup(bob, { id: pub }, 1);
  await say(store, ada, { groupid: pub });
  assertEquals(await mark(), [old, 1, false]);
  assertEquals(await store.keep(bob, { groupid: pub }, { pinned: true }), "OK");
  assertEquals(await mark(), [old, 1, true]);
  await store.leaveGroup(bob, pub, 1);
  assertEquals([await mark(), await talksOf(store, bob)], [undefined, []]);
  assertEquals(await store.keep(bob, { groupid: pub }, { pinned: true }), "NOT_MEMBER");
  const newest = await say(store, ada, { groupid: pub });
  await store.joinGroup(bob, { id: pub }, 1);
  assertEquals(await mark(), [newest, 0, false]);
});

databaseTest("what is kept of a conversation: each setting by itself, for this user alone, also before the first message", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const to = { toid: bob };
  assertEquals(await store.keep(ada, to, { muted: Number.MAX_SAFE_INTEGER }), "OK");
  assertEquals(await talksOf(store, ada), []);
  const first = await say(store, bob, { toid: ada });
  const now = async (user = ada, of: Conversation = to) => {
    const { muted, pinned, archived } = (await talk(store, user, of))!;
    return { muted, pinned, archived };
  };
  assertEquals(await now(), { ...PLAIN, muted: Number.MAX_SAFE_INTEGER });
  await store.keep(ada, to, { pinned: true });
  await store.keep(ada, to, { archived: true, muted: 5 });
  assertEquals(await now(), { muted: 5, pinned: true, archived: true });
  await store.keep(ada, to, {});
  await store.keep(ada, to, { pinned: false, muted: 0 });
  assertEquals(await now(), { ...PLAIN, archived: true });
  assertEquals(await now(bob, { toid: ada }), PLAIN);
  assertEquals((await talk(store, ada, to))?.unread, 1);
  assertEquals((await read(store, ada, to, first)).read, first);
  assertEquals(await now(), { ...PLAIN, archived: true });
  assertEquals(await store.keep(ada, { toid: 999 }, { muted: 1 }), "NO_USER");
  assertEquals(await store.keep(ada, { groupid: 999 }, { muted: 1 }), "NO_GROUP");
});

databaseTest("unread ones are counted up to a hundred", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const batch = Array.from({ length: 100 }, () => ({ sender: bob, toid: ada, msg: "x", ts: 1 }));
  await store.append(batch);
  const mine = await say(store, ada, { toid: bob });
  for (const expected of [100, 100]) {
    await store.append(batch);
    assertEquals((await talk(store, ada, { toid: bob }))?.unread, expected);
  }
  assertEquals((await talk(store, bob, { toid: ada }))!.read > mine, true);
});

databaseTest("random texts, marks and deletions: unread ones and marks are what one counts by hand", async (t) => {
  const store = await t.open();
  const step = fc.record({ kind: fc.constantFrom("say", "say", "say", "read", "delete"), user: fc.nat(2), peer: fc.nat(2), n: fc.nat(30) });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const users = await addUsers(store, ...["a", "b", "c"].map((name) => `${name}${round}`));
      round++;
      const pub = await group(t, store, ...users);
      const said: { id: number; sender: UserId; place: string; deleted: boolean }[] = [];
      const marks = new Map<string, number>();
      const where = (user: number, peer: number) => user === peer ? "group" : [user, peer].sort().join();
      for (const { kind, user, peer, n } of steps) {
        const of: Conversation = user === peer ? { groupid: pub } : { toid: users[peer] };
        const place = where(user, peer), key = `${user} ${place}`;
        if (kind === "say") said.push({ id: await say(store, users[user], of), sender: users[user], place, deleted: false });
        const target = said[n % said.length];
        if (target && kind === "read") {
          const newest = Math.max(0, ...said.filter((m) => m.place === place && m.id <= target.id).map(({ id }) => id));
          const expected = Math.max(marks.get(key) ?? 0, newest);
          assertEquals((await read(store, users[user], of, target.id)).read, expected);
          marks.set(key, expected);
        }
        if (target && kind === "delete") {
          await remove(store, target.sender, target.id);
          target.deleted = true;
        }
      }
      for (const [user, userId] of users.entries()) {
        const list = await talksOf(store, userId);
        for (const peer of users.keys()) {
          const texts = said.filter((m) => m.place === where(user, peer));
          const shown = list.find((entry) => user === peer ? entry.groupid === pub : entry.toid === users[peer]);
          const last = texts.findLast((m) => !m.deleted);
          if (!last && user !== peer) {
            assertEquals(shown, undefined);
            continue;
          }
          assert(shown);
          const readOf = (i: number, of: UserId) =>
            Math.max(marks.get(`${i} ${where(user, peer)}`) ?? 0, texts.findLast((m) => m.sender === of)?.id ?? 0);
          const place = readOf(user, userId);
          const unread = texts.filter((m) => m.id > place && m.sender !== userId && !m.deleted).length;
          const peerread = user === peer ? undefined : readOf(peer, users[peer]);
          assertEquals(
            { last: shown.last?.messageid, read: shown.read, unread: shown.unread, peerread: shown.peerread },
            { last: last?.id, read: place, unread, peerread },
          );
        }
      }
    }),
    { numRuns: t.kind === "mysql" ? 6 : 20 },
  );
});

databaseTest("a list of conversations that is read while newest texts are deleted tells those before them", async (t) => {
  const store = await t.open(), other = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const groupid = await group(t, store, bob, ada);
  const places = [{ sender: bob, of: { toid: ada } }, { sender: bob, of: { groupid } }];
  for (const { sender, of } of places) await say(store, sender, of, "the first");
  for (let round = 0; round < 40; round++) {
    const newest = await Promise.all(places.map(({ sender, of }) => say(store, sender, of, "newer")));
    const lists = Array.from({ length: 4 }, async (_, i) => {
      for (let turns = 0; turns < i + round % 5; turns++) await new Promise((resolve) => setTimeout(resolve, 0));
      return await talksOf(store, ada);
    });
    await Promise.all(newest.map((messageid) => remove(other, bob, messageid)));
    for (const talks of await Promise.all(lists)) {
      assertEquals(talks.map(({ last }) => last?.msg === undefined), [false, false], `round ${round}: ${JSON.stringify(talks)}`);
    }
  }
});
