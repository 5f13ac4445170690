// The contract of the store, on both databases: what becomes of a message. Edits, deletions, reactions, answers.

import { assert, assertEquals } from "@std/assert";
import { Query } from "../src/search/tokenizer.ts";
import type { Conversation, Done, StoredMessage, UserId } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { addDevice, claim, confirm, group, one, seqs, stored } from "./support/stores.ts";
import { act, done, edit, entries, react, remove, say, seen } from "./support/deeds.ts";

databaseTest("an edit: the history and what still waits say the new text, and all who are there are told once", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await claim(store, bob, "s");
  const id = await say(store, ada, { toid: bob });
  const acted = await done(store, ada, id, edit("better"), 500);
  const told: Done = { id: ada, toid: bob, messageid: id, what: "edit", msg: "better", edited: 500 };
  assertEquals(acted, { errno: "OK", done: told, receivers: [{ userId: bob, seq: 2, nodes: ["n1"] }], former: "hello" });
  const message: StoredMessage = { messageid: id, id: ada, name: "ada", toid: bob, msg: "better", ts: 10, edited: 500 };
  assertEquals(await seen(store, bob, { toid: ada }), [message]);
  assertEquals(await entries(store, bob), [{ ...message, seq: 1 }, { ...told, seq: 2 }]);
  assertEquals(await entries(store, ada), []);
  // Of the same time, of an earlier one: later than the last all the same.
  assertEquals((await done(store, ada, id, edit("best"), 500)).done, { ...told, msg: "best", edited: 501 });
  assertEquals((await done(store, ada, id, edit("worst"), 1)).done, { ...told, msg: "worst", edited: 502 });
  assertEquals(await t.query("select id from message where msg in ('hello', 'better', 'best')"), []);
  // The same text changes nothing.
  assertEquals(await act(store, ada, id, edit("worst"), 9999), { errno: "OK", done: { ...told, msg: "worst", edited: 502 }, receivers: [] });
  const early = await say(store, ada, { toid: bob }, "from the future", 10_000);
  const future = await done(store, ada, early, edit("now"), 20);
  assert(future.done.what === "edit" && !future.done.deleted);
  assertEquals(future.done.edited, 10_001);
});

databaseTest("what was never edited, edited to the same: nothing is told, nothing is marked", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const id = await say(store, ada, { toid: bob });
  const { receivers, done: told } = await done(store, ada, id, edit("hello"));
  assertEquals([receivers, told.what, told.deleted], [[], "edit", undefined]);
  assertEquals(await seen(store, ada, { toid: bob }), [{ messageid: id, id: ada, name: "ada", toid: bob, msg: "hello", ts: 10 }]);
  assertEquals(await seqs(store, bob), [1]);
});

databaseTest("a deletion: text and reactions are gone, a stone stays, and what was told of it before says so", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const id = await say(store, ada, { toid: bob }, "secretword");
  const kept = await say(store, ada, { toid: bob }, "kept");
  await done(store, bob, id, react("👍"));
  await done(store, ada, id, edit("otherword"));
  const acted = await done(store, ada, id, remove, 600);
  const place = { id: ada, toid: bob, messageid: id };
  assertEquals(acted, { errno: "OK", done: { ...place, what: "delete" }, receivers: [{ userId: bob, seq: 4, nodes: [] }] });
  const stone: StoredMessage = { messageid: id, id: ada, name: "ada", toid: bob, msg: "", ts: 10, deleted: true };
  assertEquals((await seen(store, bob, { toid: ada }))[0], stone);
  assertEquals((await entries(store, bob)).filter(({ messageid }) => messageid === id), [
    { ...stone, seq: 1 },
    { ...place, what: "edit", deleted: true, seq: 3 },
    { ...place, what: "delete", seq: 4 },
  ]);
  assertEquals(await entries(store, ada), [{ id: bob, toid: ada, messageid: id, what: "react", deleted: true, seq: 1 }]);
  assertEquals(await t.query("select * from reaction"), []);
  assertEquals(await t.query("select id from deed where emoji is not null"), []);
  assertEquals(await t.query("select id from message where msg like '%word%' or reactions is not null"), []);
  const page = await store.history(bob, { toid: ada }, {}, 10, 1e6, false);
  assert(typeof page === "object");
  assertEquals(page.messages.map(({ messageid }) => messageid), [kept]);
  // A second time changes nothing; nor can anything else be done to it.
  assertEquals(await act(store, ada, id, remove), { errno: "OK", done: { ...place, what: "delete" }, receivers: [] });
  assertEquals(await act(store, ada, id, edit("back")), { errno: "NO_MESSAGE" });
  assertEquals(await act(store, bob, id, react("👍")), { errno: "NO_MESSAGE" });
});

databaseTest("reactions: counted, in the order in which each came first, one's own marked; what is there already changes nothing", async (t) => {
  const store = await t.open();
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const pub = await group(t, store, ada, bob, cy);
  const id = await say(store, ada, { groupid: pub });
  const told = (by: UserId, emoji: string, off: boolean, reactions: [string, number][]): Done => ({
    ...{ id: by, groupid: pub, messageid: id, what: "react", emoji, off },
    reactions: reactions.map(([emoji, count]) => ({ emoji, count })),
  });
  const first = await done(store, bob, id, react("🎉"));
  assertEquals(first.done, told(bob, "🎉", false, [["🎉", 1]]));
  assertEquals(first.receivers.map(({ userId, seq }) => [userId, seq]).sort(), [[ada, 1], [cy, 2]]);
  assertEquals((await done(store, cy, id, react("👩‍🚀"))).done, told(cy, "👩‍🚀", false, [["🎉", 1], ["👩‍🚀", 1]]));
  assertEquals((await done(store, cy, id, react("🎉"))).done, told(cy, "🎉", false, [["🎉", 2], ["👩‍🚀", 1]]));
  assertEquals(await act(store, cy, id, react("🎉")), { errno: "OK", done: told(cy, "🎉", false, [["🎉", 2], ["👩‍🚀", 1]]), receivers: [] });
  assertEquals((await seen(store, cy, { groupid: pub }))[0].reactions, [{ emoji: "🎉", count: 2, mine: true }, {
    emoji: "👩‍🚀",
    count: 1,
    mine: true,
  }]);
  assertEquals((await seen(store, ada, { groupid: pub }))[0].reactions, [{ emoji: "🎉", count: 2 }, { emoji: "👩‍🚀", count: 1 }]);
  assertEquals((await done(store, bob, id, react("🎉", true))).done, told(bob, "🎉", true, [["🎉", 1], ["👩‍🚀", 1]]));
  assertEquals(await act(store, bob, id, react("🎉", true)), { errno: "OK", done: told(bob, "🎉", true, [["🎉", 1], ["👩‍🚀", 1]]), receivers: [] });
  assertEquals((await done(store, cy, id, react("🎉", true))).done, told(cy, "🎉", true, [["👩‍🚀", 1]]));
  // Each entry says what is so when it is read.
  const reactions = [{ emoji: "👩‍🚀", count: 1 }];
  const events = (await entries(store, ada)).map((entry) =>
    entry.what === "react" && !entry.deleted ? [entry.emoji, entry.off, entry.reactions] : []
  );
  assertEquals(events, [["🎉", false], ["👩‍🚀", false], ["🎉", false], ["🎉", true], ["🎉", true]].map((event) => [...event, reactions]));
  await done(store, cy, id, react("👩‍🚀", true));
  assertEquals((await seen(store, cy, { groupid: pub }))[0].reactions, undefined);
});

databaseTest("twenty different reactions of a message, and no more", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const id = await say(store, ada, { toid: bob });
  const emojis = Array.from({ length: 21 }, (_, i) => String.fromCodePoint(0x1F600 + i));
  for (const emoji of emojis.slice(0, 20)) await done(store, bob, id, react(emoji));
  assertEquals(await act(store, ada, id, react(emojis[20])), { errno: "FULL" });
  assertEquals((await done(store, ada, id, react(emojis[0]))).receivers.length, 1);
  await done(store, bob, id, react(emojis[1], true));
  assertEquals((await done(store, ada, id, react(emojis[20]))).receivers.length, 1);
});

databaseTest("who may do what to a message, and where it is told: members, others, those who left, blocked ones, creators", async (t) => {
  const store = await t.open();
  const [ada, bob, cy, eve] = await addUsers(store, "ada", "bob", "cy", "eve");
  const pub = await group(t, store, ada, bob, cy);
  const deeds = [edit("x"), remove, react("👍")];
  const codes = async (by: UserId, id: number, wanted = deeds) => {
    const got = [];
    for (const deed of wanted) got.push((await act(store, by, id, deed)).errno);
    return got;
  };
  const none = ["NO_MESSAGE", "NO_MESSAGE", "NO_MESSAGE"];
  const [direct, grouped] = [await say(store, ada, { toid: bob }), await say(store, bob, { groupid: pub })];
  for (const id of [direct, grouped, 0, -1, 10_000, 2 ** 53 - 1]) assertEquals(await codes(eve, id), none, `${id}`);
  assertEquals(await codes(bob, direct), ["NOT_YOURS", "NOT_YOURS", "OK"]);
  assertEquals(await codes(cy, grouped), ["NOT_YOURS", "NOT_YOURS", "OK"]);
  assertEquals(await codes(ada, grouped, [edit("x"), react("👍"), remove]), ["NOT_YOURS", "OK", "OK"]);
  // What was done to a message is no message.
  const [{ id: deed }] = await t.query("select max(id) as id from message where kind <> 0") as { id: number }[];
  for (const user of [ada, bob, cy]) assertEquals(await codes(user, deed), none);

  // A block: what the other one takes nothing of; one's own may go all the same, and both are told.
  await store.block(bob, ada, 1);
  assertEquals(await codes(ada, direct, [edit("x"), react("🎉"), react("🎉", true)]), ["BLOCKED", "BLOCKED", "BLOCKED"]);
  assertEquals((await act(store, bob, direct, react("🎉"))).errno, "OK");
  assertEquals((await done(store, ada, direct, remove)).receivers.map(({ userId }) => userId), [bob]);

  // Who has left may delete what is their own: it is told to those who are there.
  const left = await say(store, bob, { groupid: pub });
  await store.leaveGroup(bob, pub, 1);
  assertEquals(await codes(bob, left, [edit("x"), react("👍")]), ["NO_MESSAGE", "NO_MESSAGE"]);
  assertEquals((await done(store, bob, left, remove)).receivers.map(({ userId }) => userId).sort(), [ada, cy]);
  // A new creator may do what the old one might.
  const last = await say(store, cy, { groupid: pub });
  await store.leaveGroup(ada, pub, 1);
  assertEquals(await codes(ada, last), none);
  const mine = await say(store, cy, { groupid: pub });
  await store.joinGroup(bob, { id: pub }, 1);
  const his = await say(store, bob, { groupid: pub });
  assertEquals((await act(store, cy, his, remove)).errno, "OK");
  // A group that is no more.
  for (const user of [bob, cy]) await store.leaveGroup(user, pub, 1);
  assertEquals(await done(store, cy, mine, remove), { errno: "OK", done: { id: cy, groupid: pub, messageid: mine, what: "delete" }, receivers: [] });
});

databaseTest("one's own log has what one does from the second device on; a note is one entry; twice the limit, then it is left out", async (t) => {
  const store = await t.open({ maxInbox: 3 });
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const note = await say(store, ada, { toid: ada });
  assertEquals((await done(store, ada, note, edit("1"))).receivers.map(({ userId, seq }) => [userId, seq]), [[ada, 2]]);
  assertEquals((await entries(store, ada, 1))[0], { id: ada, toid: ada, messageid: note, what: "edit", msg: "1", edited: 1000, seq: 2 });
  const id = await say(store, bob, { toid: ada });
  assertEquals((await done(store, ada, id, react("1"))).receivers.map(({ userId, seq }) => [userId, seq]), [[bob, 1]]);
  assertEquals((await one(store, { sender: bob, toid: ada, msg: "x", ts: 1 })).errno, "FULL");
  const phone = await addDevice(store, ada, "phone");
  await addDevice(store, ada, "desk");
  const both = async (emoji: string) => (await done(store, ada, id, react(emoji))).receivers.map(({ userId, seq }) => [userId, seq]).sort();
  assertEquals(await both("2"), [[ada, 4], [bob, 2]].sort());
  assertEquals((await done(store, ada, note, edit("2"))).receivers.map(({ userId, seq }) => [userId, seq]), [[ada, 5]]);
  assertEquals((await done(store, bob, id, edit("!"))).receivers.map(({ userId, seq }) => [userId, seq]), [[ada, 6]]);
  assertEquals((await done(store, bob, id, edit("!!"))).receivers, []);
  assertEquals(await both("3"), [[bob, 3]]);
  assertEquals((await seen(store, bob, { toid: ada }))[0].msg, "!!");
  await confirm(store, phone, 6);
  assertEquals(await both("4"), [[ada, 7], [bob, 4]].sort());
});

databaseTest("an answer: to what the sender may see in the same conversation, and comes with what is said; so does silence", async (t) => {
  const store = await t.open();
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const [pub, other] = [await group(t, store, ada, bob), await group(t, store, ada, bob)];
  const [direct, grouped, foreign] = [
    await say(store, ada, { toid: bob }),
    await say(store, ada, { groupid: pub }),
    await say(store, bob, { toid: cy }),
  ];
  const note = await say(store, ada, { toid: ada });
  const told = await stored(store, { sender: bob, toid: ada, msg: "yes", ts: 5, reply: direct, silent: true, mid: "m" });
  const message: StoredMessage = {
    messageid: told.messageid,
    id: bob,
    name: "bob",
    toid: ada,
    msg: "yes",
    ts: 5,
    reply: direct,
    silent: true,
    mid: "m",
  };
  assertEquals((await entries(store, ada)).at(-1), { ...message, seq: told.receivers[0].seq });
  assertEquals((await seen(store, bob, { toid: ada })).at(-1), message);
  await done(store, bob, direct, react("👍"));
  const [{ id: deed }] = await t.query("select id from message where kind <> 0") as { id: number }[];
  const to = (place: Conversation, reply: number, sender = ada) => ({ sender, ...place, msg: "x", ts: 1, reply });
  const answers = await store.append([
    to({ toid: bob }, direct),
    to({ toid: bob }, grouped),
    to({ toid: bob }, foreign),
    to({ toid: bob }, deed),
    to({ toid: bob }, note),
    to({ toid: ada }, note),
    to({ toid: ada }, direct),
    to({ groupid: pub }, grouped),
    to({ groupid: other }, grouped),
    to({ groupid: pub }, direct),
    to({ toid: cy }, foreign, bob),
    to({ toid: cy }, foreign),
    to({ toid: bob }, 10_000),
    to({ groupid: pub }, grouped, cy),
    to({ toid: 10_000 }, 10_000),
    to({ groupid: 10_000 }, 10_000),
  ]);
  const no = "NO_MESSAGE";
  assertEquals(answers.map(({ errno }) => errno), [
    ...["OK", no, no, no, no, "OK", no],
    ...["OK", no, no],
    ...["OK", no, no, no, "NO_USER", "NO_GROUP"],
  ]);
  // The answer stays when what it answers is deleted, and a stone can be answered.
  await done(store, ada, direct, remove);
  assertEquals((await seen(store, bob, { toid: ada })).map(({ reply }) => reply), [undefined, direct, direct]);
  assertEquals((await one(store, to({ toid: bob }, direct))).errno, "OK");
});

databaseTest("a mid stays the answer of then when its message was edited or deleted since, whatever is said", async (t) => {
  const store = await t.open();
  const [ada, bob, cy] = await addUsers(store, "ada", "bob", "cy");
  const send = (msg: string, toid = bob) => one(store, { sender: ada, toid, msg, ts: 1, mid: "m" });
  const first = await send("1");
  assert(first.errno === "OK");
  const again = { errno: "OK" as const, messageid: first.messageid, ts: 1, repeated: true, receivers: [] };
  assertEquals([await send("1"), await send("2")], [again, { errno: "BAD_FIELD" }]);
  await done(store, ada, first.messageid, edit("2"));
  assertEquals([await send("1"), await send("3"), await send("1", cy)], [again, again, { errno: "BAD_FIELD" }]);
  await done(store, ada, first.messageid, remove);
  assertEquals([await send("1"), await send("1", cy)], [again, { errno: "BAD_FIELD" }]);
});

databaseTest("search finds the new text of what was edited, and nothing of what was deleted, at once", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const id = await say(store, ada, { toid: bob }, "apple tree");
  const indexed = async () => {
    for (let behind = 1, rounds = 0; behind > 0; rounds++) {
      ({ behind } = await store.index());
      if (behind > 0 && rounds > 0) await new Promise((resolve) => setTimeout(resolve, 100));
      assert(rounds < 200);
    }
  };
  const found = async (text: string) => (await store.search({ userId: bob, query: new Query(text) }, 10)).map((m) => m.msg);
  await indexed();
  assertEquals(await found("apple"), ["apple tree"]);
  await done(store, ada, id, edit("pear tree"));
  assertEquals([await found("apple"), await found("pear"), await found("tree")], [[], ["pear tree"], ["pear tree"]]);
  await done(store, ada, id, react("👍"));
  // What was done is not searched through, and does not hold up what is.
  const later = await say(store, ada, { toid: bob }, "apple pie");
  await indexed();
  assertEquals(await found("apple"), ["apple pie"]);
  for (const each of [id, later]) await done(store, ada, each, remove);
  for (const text of ["apple", "pear", "tree", "pie", "p", "a"]) assertEquals(await found(text), []);
  await store.reindex();
  await indexed();
  assertEquals(await found("tree"), []);
});

databaseTest("what was done goes when no log names it, and its message stays until then", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const key = await claim(store, bob, "s");
  const id = await say(store, ada, { toid: bob });
  await confirm(store, key, 1);
  for (const msg of ["1", "2", "3"]) await done(store, ada, id, edit(msg));
  await done(store, ada, id, react("👍"));
  const walk = async () => (await store.prune(5000, undefined, 100)).deleted;
  assertEquals(await store.dropDeeds(0, 100), { dropped: 0, next: undefined });
  assertEquals(await walk(), 0);
  await confirm(store, key, 3);
  const first = await store.dropDeeds(0, 3);
  assertEquals([first.dropped, typeof first.next], [2, "number"]);
  assertEquals(await store.dropDeeds(first.next!, 3), { dropped: 0, next: undefined });
  assertEquals((await t.query("select id from message")).length, 3);
  assertEquals(await walk(), 0);
  assertEquals((await entries(store, bob, 3)).length, 2);
  await confirm(store, key, 5);
  await walk();
  for (const table of ["message", "deed", "reaction"]) assertEquals(await t.query(`select * from ${table}`), [], table);
  assertEquals(await act(store, ada, id, edit("4")), { errno: "NO_MESSAGE" });
});
