// The contract of the store, on both databases: edits, deletions and reactions by many at once, and in random order.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Acted, Conversation, LogEntry, Store } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { group, seqs } from "./support/stores.ts";
import { act, edit, entries, react, remove, say, seen } from "./support/deeds.ts";

databaseTest("the same is done at once, by many: it is told once, and counted once", async (t) => {
  const stores = [await t.open(), await t.open()];
  const [ada, bob, cy] = await addUsers(stores[0], "ada", "bob", "cy");
  const pub = await group(t, stores[0], ada, bob, cy);
  const id = await say(stores[0], ada, { groupid: pub });
  const at = <T>(what: (store: Store, i: number) => Promise<T>, n = 6) => Promise.all(Array.from({ length: n }, (_, i) => what(stores[i % 2], i)));
  const told = (acted: Acted[]) => acted.filter((a) => a.errno === "OK" && a.receivers.length > 0).length;
  assertEquals(told(await at((store) => act(store, bob, id, react("👍")))), 1);
  assertEquals(told(await at((store, i) => act(store, [ada, bob, cy][i % 3], id, react("🎉")))), 3);
  assertEquals((await seen(stores[0], ada, { groupid: pub }))[0].reactions, [{ emoji: "👍", count: 1 }, { emoji: "🎉", count: 3, mine: true }]);
  const edits = await at((store, i) => act(store, ada, id, edit(`text ${i}`), 2000));
  const times = edits.map((a) => a.errno === "OK" && a.done.what === "edit" && !a.done.deleted ? a.done.edited : 0);
  assertEquals(times.toSorted(), [2000, 2001, 2002, 2003, 2004, 2005]);
  const last = edits[times.indexOf(2005)];
  assert(last.errno === "OK" && last.done.what === "edit" && !last.done.deleted);
  assertEquals((await seen(stores[1], bob, { groupid: pub }))[0].msg, last.done.msg);
  assertEquals(told(await at((store, i) => act(store, ada, id, i === 3 ? edit("late") : remove))) <= 2, true);
  assertEquals((await seen(stores[1], bob, { groupid: pub }))[0].deleted, true);
  for (const userId of [ada, bob, cy]) assertEquals(await seqs(stores[0], userId), (await seqs(stores[0], userId)).map((_, i) => i + 1));
});

/** What somebody knows who reads a log to its end. */
function heard(log: LogEntry[]): Map<number, { msg: string; edited: number; deleted: boolean; reactions: string }> {
  const known = new Map<number, { msg: string; edited: number; deleted: boolean; reactions: string }>();
  for (const entry of log) {
    if ("groupname" in entry) continue;
    const now = known.get(entry.messageid) ?? { msg: "", edited: 0, deleted: false, reactions: "[]" };
    if (entry.what === undefined) {
      Object.assign(now, { msg: entry.msg, edited: entry.edited ?? 0, deleted: entry.deleted === true });
    } else if (entry.what === "delete" || entry.deleted) Object.assign(now, { msg: "", edited: 0, deleted: true, reactions: "[]" });
    else if (entry.what === "edit") { if (entry.edited > now.edited) Object.assign(now, { msg: entry.msg, edited: entry.edited }); }
    else now.reactions = JSON.stringify(entry.reactions);
    known.set(entry.messageid, now);
  }
  return known;
}

databaseTest("random texts, edits, deletions and reactions on two stores: each log, put together, is the history", async (t) => {
  const stores = [await t.open(), await t.open()];
  const names = ["a", "b", "c"];
  const user = fc.nat(2),
    step = fc.record({ kind: fc.constantFrom("say", "say", "edit", "delete", "react", "off"), user, peer: user, n: fc.nat(20) });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 3, maxLength: 12 }), async (rounds) => {
      const users = await addUsers(stores[0], ...names.map((name) => `${name}${round}`));
      round++;
      const pub = await group(t, stores[0], ...users);
      for (const userId of users) {
        await t.query(`update user set many = 1 where id = ${userId}`);
      }
      const said: number[] = [];
      for (const steps of rounds) {
        await Promise.all(steps.map(async ({ kind, user, peer, n }, i) => {
          const store = stores[i % 2], by = users[user];
          const place: Conversation = user === peer ? { groupid: pub } : { toid: users[peer] };
          if (kind === "say") return void said.push(await say(store, by, place, `text ${n}`));
          const id = said[n % said.length] ?? 0;
          const deed = kind === "edit" ? edit(`edited ${n}`) : kind === "delete" ? remove : react(["👍", "🎉"][n % 2], kind === "off");
          await act(store, by, id, deed, 1000 + n);
        }));
      }
      for (const userId of users) {
        const log = await entries(stores[0], userId);
        assertEquals(log.map(({ seq }) => seq), log.map((_, i) => i + 1));
        const known = heard(log);
        const places: Conversation[] = [{ groupid: pub }, ...users.filter((id) => id !== userId).map((toid) => ({ toid }))];
        const all = (await Promise.all(places.map((place) => seen(stores[1], userId, place)))).flat();
        assertEquals(
          new Map(all.map((m) => [m.messageid, {
            ...{ msg: m.msg, edited: m.edited ?? 0, deleted: m.deleted === true },
            reactions: JSON.stringify((m.reactions ?? []).map(({ emoji, count }) => ({ emoji, count }))),
          }])),
          new Map([...known].sort(([a], [b]) => 0 * (a - b))),
        );
      }
    }),
    { numRuns: t.kind === "mysql" ? 6 : 15 },
  );
});
