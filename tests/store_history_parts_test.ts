// The contract of the store, on both databases: parts of histories.

import { assert, assertEquals } from "@std/assert";
import type { Conversation, Part, Store, UserId } from "../src/store/store.ts";
import { addUsers, databaseTest, type TestDatabase } from "./support/databases.ts";
import { done, remove, say } from "./support/deeds.ts";
import { group } from "./support/stores.ts";

/** The texts of a part, and its ends. */
async function part(store: Store, asker: UserId, of: Conversation, part: Part, limit: number, bytes = 1e6, stones = true): Promise<unknown[]> {
  const page = await store.history(asker, of, part, limit, bytes, stones);
  assert(typeof page === "object", `${page}`);
  return [
    page.messages.flatMap((message) => message.what === undefined ? message.msg || "-" : []).join(""),
    page.more,
    ...page.moreafter === undefined ? [] : [page.moreafter],
  ];
}

async function alphabet(t: TestDatabase): Promise<{ store: Store; ada: UserId; bob: UserId; id: (letter: string) => number }> {
  const store = await t.open();
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const ids = new Map<string, number>();
  for (const letter of "abcdefghij") {
    ids.set(letter, await say(store, ...letter < "e" ? [ada, { toid: bob }] as const : [bob, { toid: ada }] as const, letter));
    await say(store, cy, { toid: bob }, "?");
  }
  return { store, ada, bob, id: (letter) => ids.get(letter)! };
}

databaseTest("a history is read from any place in both directions", async (t) => {
  const { store, ada, bob, id } = await alphabet(t);
  const of = { toid: bob };
  assertEquals(await part(store, ada, of, {}, 3), ["hij", true]);
  assertEquals(await part(store, ada, of, {}, 10), ["abcdefghij", false]);
  assertEquals(await part(store, ada, of, { before: id("d") }, 2), ["bc", true]);
  assertEquals(await part(store, ada, of, { before: id("d") }, 3), ["abc", false]);
  assertEquals(await part(store, ada, of, { before: id("a") }, 3), ["", false]);
  assertEquals(await part(store, ada, of, { after: 0 }, 3), ["abc", true]);
  assertEquals(await part(store, ada, of, { after: id("c") }, 3), ["def", true]);
  assertEquals(await part(store, ada, of, { after: id("g") }, 3), ["hij", false]);
  assertEquals(await part(store, ada, of, { after: id("j") }, 3), ["", false]);
  assertEquals(await part(store, ada, of, { around: id("e") }, 4), ["cdef", true, true]);
  assertEquals(await part(store, ada, of, { around: id("e") }, 5), ["cdefg", true, true]);
  assertEquals(await part(store, ada, of, { around: id("a") }, 4), ["ab", false, true]);
  assertEquals(await part(store, ada, of, { around: id("j") }, 4), ["hij", true, false]);
  assertEquals(await part(store, ada, of, { around: id("j") + 100 }, 4), ["ij", true, false]);
  // The number of another conversation is a place as well.
  assertEquals(await part(store, ada, of, { around: id("c") + 1 }, 4), ["bcde", true, true]);
});

databaseTest("a part of a history is no larger than it may be, in each direction, but one message at least", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const ids: number[] = [];
  for (let i = 0; i < 10; i++) ids.push(await say(store, ada, { toid: bob }, `${i}`.repeat(100)));
  const digits = async (wanted: Part, bytes: number) => {
    const [text, ...ends] = await part(store, ada, { toid: bob }, wanted, 100, bytes);
    return [(text as string).replaceAll(/(\d)\1*/g, "$1"), ...ends];
  };
  assertEquals(await digits({}, 350), ["789", true]);
  assertEquals(await digits({ after: ids[1] }, 350), ["234", true]);
  assertEquals(await digits({ around: ids[5] }, 450), ["3456", true, true]);
  for (const wanted of [{}, { before: ids[3] }, { after: ids[3] }]) assertEquals((await digits(wanted, 1))[1], true);
  assertEquals((await digits({ after: ids[3] }, 1))[0], "4");
});

databaseTest("without stones a page is full of what is left", async (t) => {
  const { store, ada, bob, id } = await alphabet(t);
  for (const letter of "cd") await done(store, ada, id(letter), remove);
  for (const letter of "fij") await done(store, bob, id(letter), remove);
  const of = { toid: bob };
  const without = (wanted: Part, limit: number) => part(store, ada, of, wanted, limit, 1e6, false);
  assertEquals(await part(store, ada, of, {}, 4), ["gh--", true]);
  assertEquals(await without({}, 3), ["egh", true]);
  assertEquals(await without({}, 5), ["abegh", false]);
  assertEquals(await without({ after: id("b") }, 2), ["eg", true]);
  assertEquals(await without({ after: id("h") }, 2), ["", false]);
  assertEquals(await without({ around: id("d") }, 4), ["abeg", false, true]);
});

databaseTest("a history is for those who are in the conversation", async (t) => {
  const store = await t.open();
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await group(t, store, ada, bob);
  await say(store, ada, { groupid: pub }, "hidden");
  const ask = (asker: UserId, of: Conversation) => store.history(asker, of, {}, 10, 1e6, true);
  assertEquals(await ask(cy, { groupid: pub }), "NOT_MEMBER");
  assertEquals(await ask(cy, { groupid: 999 }), "NO_GROUP");
  assertEquals(await ask(cy, { toid: 999 }), "NO_USER");
  assertEquals(await ask(cy, { toid: ada }), { messages: [], more: false });
  assertEquals(await part(store, bob, { groupid: pub }, {}, 10), ["hidden", false]);
  await store.leaveGroup(bob, pub, 1);
  assertEquals(await ask(bob, { groupid: pub }), "NOT_MEMBER");
});
