// A batch of messages of which some need rows that somebody else holds: the store stores the others.

import { assert, assertEquals } from "@std/assert";
import type { Append } from "../src/store/store.ts";
import { upTo } from "./support/chat.ts";
import { addUsers } from "./support/databases.ts";
import { mysqlTest, waitingMysqlTests } from "./support/mysql.ts";
import { hold } from "./support/held_rows.ts";
import { eventually } from "./support/server.ts";
import { group, logOf } from "./support/stores.ts";

mysqlTest("locked row: two nodes beside it, in the same conversations and groups: no gap, in each author's order, nothing twice", async (t) => {
  const stores = [await t.open(), await t.open()];
  const users = await addUsers(stores[0]!, ..."abcdefgh");
  const held = users[4]!;
  const groups = [await group(t.database, stores[0]!, ...users), await group(t.database, stores[0]!, ...users.filter((id) => id !== held))];
  const random = (n: number) => Math.floor(Math.random() * n);
  const admin = await hold(t, held);
  const sent = new Map<string, string[]>();
  let met = 0, writing = stores.length;
  await Promise.all([
    ...stores.map(async (store, s) => {
      // Each author is on one node, as one session is.
      const authors = users.filter((_, i) => i % 2 === s);
      let waiting: Append[] = [];
      for (let round = 0; round < 60 || waiting.length > 0; round++) {
        if (round === 40) writing--;
        for (let i = 0; i < 5 && round < 60; i++) {
          const sender = authors[random(4)]!;
          const to = random(4) === 0 ? { groupid: groups[sender === held ? 0 : random(2)]! } : { toid: users[random(8)]! };
          waiting.push({ sender, ...to, msg: `${sender}.${round}.${i}`, mid: `${round}.${i}`, ts: 1 });
        }
        const answers = await store.append(waiting);
        const next: Append[] = [];
        for (const [i, answer] of answers.entries()) {
          const append = waiting[i]!;
          if (answer.errno === "HELD") next.push(append);
          else {
            assert(answer.errno === "OK" && !answer.repeated);
            for (const { userId } of answer.receivers) {
              const key = `${userId} ${append.sender}`;
              sent.set(key, [...sent.get(key) ?? [], append.msg]);
            }
          }
        }
        met += next.length;
        waiting = next;
      }
    }),
    (async () => {
      await eventually(() => writing === 0, "forty rounds beside it", 60_000);
      await admin.query("COMMIT");
    })(),
  ]);
  assert(met > 0);
  for (const user of users) {
    const log = await logOf(stores[0]!, user, 0, 10_000, 1e7);
    assertEquals(log.map(({ seq }) => seq), upTo(log.length));
    for (const author of users) {
      const said = log.filter(({ id }) => id === author);
      assertEquals(said.map(({ msg }) => msg), sent.get(`${user} ${author}`) ?? []);
      assertEquals(said.map(({ messageid }) => messageid), said.map(({ messageid }) => messageid).toSorted((a, b) => a - b));
      const order = said.map(({ msg }) => msg.split(".").map(Number)).map(([, round, i]) => round! * 10 + i!);
      assertEquals(order, order.toSorted((a, b) => a - b));
    }
  }
  assertEquals(await t.database.query("SELECT COUNT(*) AS n FROM message"), [{ n: 2 * 60 * 5 }]);
});

waitingMysqlTests("locked row, messages", {
  "what an author says behind what is held is held, the same mid is one message": async (t) => {
    const store = await t.open();
    const [ann, bob, held] = await addUsers(store, "ann", "bob", "held");
    const admin = await hold(t, held);
    const batch: Append[] = [
      { sender: bob, toid: ann, msg: "1", ts: 1 },
      { sender: ann, toid: bob, msg: "2", ts: 1 },
      { sender: ann, toid: held, msg: "3", ts: 1, mid: "m" },
      { sender: ann, toid: bob, msg: "4", ts: 1 },
      { sender: ann, toid: held, msg: "3", ts: 1, mid: "m" },
      { sender: bob, toid: 4_000_000, msg: "5", ts: 1 },
      { sender: held, toid: bob, msg: "6", ts: 1 },
      { sender: bob, toid: bob, msg: "7", ts: 1 },
    ];
    for (const _ of [1, 2]) {
      const errnos = (await store.append(batch)).map(({ errno }) => errno);
      assertEquals(errnos, ["OK", "OK", "HELD", "HELD", "HELD", "NO_USER", "HELD", "OK"]);
    }
    await admin.query("COMMIT");
    const answers = await store.append(batch.filter(({ sender }) => sender === ann));
    assertEquals(answers.map((answer) => answer.errno === "OK" && answer.repeated), [false, false, false, true]);
    assertEquals((await logOf(store, held, 0, 10, 1e6)).map(({ seq, msg }) => [seq, msg]), [[1, "3"]]);
    const log = await logOf(store, bob, 0, 100, 1e6);
    assertEquals(log.map(({ seq, msg }) => [seq, msg]), [..."272724"].map((msg, i) => [i + 1, msg]));
  },

  "a file's row holds up what sends it, and what its author says behind that": async (t) => {
    const store = await t.open();
    const [ann, bob] = await addUsers(store, "ann", "bob");
    const told = { name: "a", type: "text/plain", size: 1, width: null, height: null };
    const file = { ...told, owner: ann!, hash: "a", place: "a", urlkey: "a", created: 1 };
    const added = await store.addFile(file, 1e9);
    assert(typeof added === "object");
    const admin = await hold(t, added.id, "file");
    const batch: Append[] = [
      { sender: ann!, toid: bob!, msg: "1", ts: 1, files: [added.id], mid: "m" },
      { sender: ann!, toid: bob!, msg: "2", ts: 1 },
      { sender: bob!, toid: ann!, msg: "3", ts: 1 },
      { sender: bob!, toid: ann!, msg: "4", ts: 1, files: [added.id] },
      { sender: bob!, toid: ann!, msg: "5", ts: 1, files: [4_000_000] },
    ];
    for (const _ of [1, 2]) {
      assertEquals((await store.append(batch)).map(({ errno }) => errno), ["HELD", "HELD", "OK", "NO_MESSAGE", "NO_MESSAGE"]);
    }
    await admin.query("COMMIT");
    assertEquals((await store.append(batch.slice(0, 2))).map(({ errno }) => errno), ["OK", "OK"]);
    assertEquals((await logOf(store, bob!, 0, 10, 1e6)).map(({ seq, msg }) => [seq, msg]), [[1, "1"], [2, "2"]]);
  },

  "what two keep of their conversation holds up no message": async (t) => {
    const first = await t.open();
    const [ann, bob, cid] = await addUsers(first, "ann", "bob", "cid");
    await first.append([{ sender: ann!, toid: bob!, msg: "1", ts: 1 }]);
    // Another node does not know that they have their rows.
    const store = await t.open();
    const admin = await hold(t, `userid = ${ann} AND toid = ${bob} AND groupid = 0`, "talk");
    const batch = (msg: string): Append[] => [
      { sender: cid!, toid: bob!, msg, ts: 2 },
      { sender: ann!, toid: bob!, msg, ts: 2 },
      { sender: bob!, toid: cid!, msg, ts: 2 },
    ];
    for (const msg of ["2", "3"]) assertEquals((await store.append(batch(msg))).map(({ errno }) => errno), ["OK", "OK", "OK"]);
    await admin.query("COMMIT");
    const rows = await t.database.query("SELECT userid, toid FROM talk ORDER BY userid, toid");
    assertEquals(rows.map(({ userid, toid }) => [userid, toid]), [[ann, bob], [bob, ann], [bob, cid], [cid, bob]]);
  },

  "to who is not in it, a group that is held is as one that is free, or as none": async (t) => {
    const store = await t.open();
    const [ann, bob, out] = await addUsers(store, "ann", "bob", "out");
    const groupid = await group(t.database, store, ann!, bob!);
    const den = await store.createGroup(ann!, "den", "den", "", true);
    assert(typeof den === "object");
    const batch: Append[] = [
      { sender: out!, groupid: den.groupid, msg: "1", ts: 1 },
      { sender: out!, groupid, msg: "2", ts: 1 },
      { sender: out!, toid: bob!, msg: "3", ts: 1 },
      { sender: ann!, groupid: den.groupid, msg: "4", ts: 1 },
      { sender: bob!, groupid, msg: "5", ts: 1 },
    ];
    // The groups' own rows, or that of one who is in both.
    for (const [which, table] of [[`id IN (${groupid}, ${den.groupid})`, "allgroup"], [ann!, "user"]] as const) {
      const admin = await hold(t, which, table);
      for (const _ of [1, 2]) {
        assertEquals((await store.append(batch)).map(({ errno }) => errno), ["NO_GROUP", "NOT_MEMBER", "OK", "HELD", "HELD"]);
      }
      await admin.query("COMMIT");
    }
  },
});
