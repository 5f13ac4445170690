// What is old goes on SQLite, where messages are looked at in the order in which they came, whether they are filed or not.

import { assert, assertEquals } from "@std/assert";
import { MESSAGE, TAIL } from "../src/store/sqlite/tail.ts";
import type { PrunePlace } from "../src/store/store.ts";
import { addUsers, type TestDatabase, testDatabase } from "./support/databases.ts";
import { claim, confirm, history } from "./support/stores.ts";

/** With so many messages to one user a part of them is listed in their conversation. */
const LONG = Math.ceil(TAIL / (MESSAGE + 1));

/** ada, who writes to bob, who is here. */
async function two(t: TestDatabase) {
  const store = await t.open({ maxInbox: 3 * LONG });
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob") as [number, number];
  const key = await claim(store, bob, "s");
  let said = 0;
  /** `count` messages, each with its number as its text. */
  const say = async (count: number, ts: number) => {
    for (let left = count; left > 0; left -= 100) {
      await store.append(Array.from({ length: Math.min(left, 100) }, () => ({ sender: ada, toid: bob, msg: String(++said), ts })));
    }
  };
  const talk = async () => (await history(store, bob, { toid: ada }, {}, 10_000, 1e9)).messages.map((m) => Number(m.msg));
  return { store, say, talk, handled: () => confirm(store, key, 10_000) };
}

const span = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

Deno.test("what is old is found in as many steps as it takes; what was said while the clock was set back, with what came before it at the latest", async () => {
  await using t = await testDatabase("sqlite");
  const { store, say, talk, handled } = await two(t);
  /** As retention does it. @returns how many went in each step */
  const forget = async (before: number) => {
    const steps: number[] = [];
    let place: PrunePlace | undefined;
    do {
      const { deleted, next } = await store.prune(before, place, 200);
      steps.push(deleted);
      place = next;
    } while (place);
    return steps;
  };
  await say(2500, 100);
  await say(10, 40);
  await say(10, 110);
  await handled();
  assertEquals(await forget(50), [0]);
  const steps = await forget(105);
  assertEquals(steps.reduce((sum, deleted) => sum + deleted, 0), 2510);
  assert(Math.max(...steps) <= 200, `${steps}`);
  assertEquals(await talk(), span(2511, 2520));
  assertEquals(await forget(105), [0]);
});

Deno.test("what is pruned is in no conversation, listed or not", async () => {
  await using t = await testDatabase("sqlite");
  const { store, say, talk, handled } = await two(t);
  await say(10, 1);
  await say(LONG - 10, 10);
  await say(10, 1);
  await say(10, 10);
  await handled();
  assertEquals((await store.prune(10, undefined, 100)).deleted, 20);
  assertEquals(Number((await t.query("select count(*) as n from conversation"))[0]!.n), LONG);
  assertEquals(await talk(), [...span(11, LONG), ...span(LONG + 11, LONG + 20)]);
});
