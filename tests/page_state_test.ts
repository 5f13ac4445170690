// What the page's store makes of events and pages, in whatever order and however often they come: what was deleted stays so, the latest text wins.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ConnectionLost, type Conversation as Talk, type Friend, type Group, NatterError } from "../src/client/natter_client.ts";
import { withAround, withDeletion, withEdit, withNewer, withNewest, withOlder, withReactions, withStored } from "../src/web/state/lines.ts";
import { Meanwhile } from "../src/web/state/meanwhile.ts";
import { withHeard, withRead, withTalk, withWritten } from "../src/web/state/marks.ts";
import { type Conversation, type Line, moment, newConversation, rowsOf } from "../src/web/state/model.ts";
import { forget } from "../src/web/state/storage.ts";
import { Store } from "../src/web/state/store.ts";
import { clockByHand, wallClockAhead } from "./support/clock.ts";
import { eventually } from "./support/server.ts";

const ME = 1, BOB = 2;

/** A part of the page that speaks to its client. Its types are those of a browser, which there are none of here. */
async function part(name: "Deeds" | "Groups" | "Names" | "Overview" | "Pages" | "People" | "Talk" | "Typing") {
  return (await import(`../src/web/state/${name.toLowerCase()}.ts`))[name];
}

function line(messageid: number, more: Partial<Line> = {}): Line {
  return { messageid, id: BOB, name: "bob", msg: `text ${messageid}`, ts: messageid * 1000, state: "stored", ...more };
}

function lines(from: number, to: number): Line[] {
  return Array.from({ length: to - from + 1 }, (_, i) => line(from + i));
}

/** What was done to message 1, 2 or 3: edited at a time, or deleted. */
type Deed = { messageid: number; edited?: number };

function apply(c: Conversation, { messageid, edited }: Deed): Conversation {
  return edited === undefined ? withDeletion(c, messageid) : withEdit(c, messageid, `edit ${edited}`, edited);
}

/** The message as it is after all of it. */
function after(messageid: number, deeds: readonly Deed[]): Line {
  const own = deeds.filter((deed) => deed.messageid === messageid);
  const edited = Math.max(0, ...own.map((deed) => deed.edited ?? 0));
  if (own.some((deed) => deed.edited === undefined)) return line(messageid, { msg: "", deleted: true });
  return edited === 0 ? line(messageid) : line(messageid, { msg: `edit ${edited}`, edited });
}

const shown = (c: Conversation) => c.lines.map(({ messageid, msg, edited, deleted }) => [messageid, msg, deleted ? undefined : edited, deleted]);

Deno.test("page: edits and deletions in any order, twice, between pages that are older or newer: the same in the end", () => {
  const deed = fc.record({ messageid: fc.integer({ min: 1, max: 4 }), edited: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 12 }), fc.nat(), fc.nat(), (deeds, seed, known) => {
      const before = deeds.slice(0, known % (deeds.length + 1));
      const shuffled = [...deeds, ...deeds].toSorted((a, b) => ((deeds.indexOf(a) + 1) * seed) % 7 - ((deeds.indexOf(b) + 1) * seed) % 7);
      const page = { lines: [1, 2, 3].map((id) => after(id, before)), more: false, asked: moment() };
      let c = withNewest(newConversation("u2", "bob"), page);
      for (const [i, deed] of shuffled.entries()) {
        c = apply(c, deed);
        // A page that was asked for long ago may come late.
        if (i % 3 === 0) c = withNewest(c, page);
      }
      const expected = [1, 2, 3].map((id) => after(id, deeds)).map((
        { messageid, msg, edited, deleted },
      ) => [messageid, msg, deleted ? undefined : edited, deleted]);
      assertEquals(shown(c), expected);
    }),
    { numRuns: 300 },
  );
});

Deno.test("page: reactions: one's own stay marked; a page that was asked for before does not undo what came since", () => {
  const asked = moment();
  let c = withNewest(newConversation("u2", "bob"), { lines: [line(1, { reactions: [{ emoji: "👍", count: 1, mine: true }] })], more: false, asked });
  const late = { lines: c.lines, more: false, asked: moment() };
  c = withReactions(c, 1, [{ emoji: "👍", count: 2 }]);
  assertEquals(c.lines[0].reactions, [{ emoji: "👍", count: 2, mine: true }]);
  c = withReactions(c, 1, [{ emoji: "👍", count: 1 }, { emoji: "🎉", count: 1 }], ["👍", false]);
  const now = [{ emoji: "👍", count: 1 }, { emoji: "🎉", count: 1 }];
  assertEquals(c.lines[0].reactions, now);
  assertEquals(withNewest(c, late).lines[0].reactions, now);
  assertEquals(withNewest(c, { ...late, asked: moment() }).lines[0].reactions, [{ emoji: "👍", count: 1, mine: true }]);
  assertEquals(withReactions(c, 7, now).lines, c.lines, "what is unknown changes nothing");
});

Deno.test("page: pages make one run of messages without a gap, whichever way they are turned", () => {
  const asked = moment();
  let c = withNewest(newConversation("u2", "bob"), { lines: lines(91, 100), more: true, asked });
  // To an old message, and on from there: what comes meanwhile is behind a gap.
  c = withAround(c, { lines: lines(41, 50), more: true, moreafter: true, asked });
  c = withStored(c, line(101));
  assertEquals([c.lines.length, c.last?.messageid], [10, 101]);
  c = withOlder(c, { lines: lines(31, 40), more: false, asked });
  for (const [from, to] of [[51, 80], [81, 101]]) c = withNewer(c, { lines: lines(from, to), more: to < 101, asked });
  assertEquals(c.lines.map(({ messageid }) => messageid), lines(31, 101).map(({ messageid }) => messageid));
  c = withStored(c, line(102));
  assertEquals(c.lines.at(-1)?.messageid, 102);
  // Back to the newest over a gap: what was here goes.
  c = withAround(c, { lines: lines(1, 20), more: false, moreafter: true, asked });
  c = withNewest(c, { lines: lines(93, 102), more: true, asked });
  assertEquals([c.lines[0].messageid, c.lines.length, c.moreafter, c.more], [93, 10, false, true]);
});

Deno.test("page: unread is counted as the server does, from what it said and what came since", () => {
  const talk = (last: number, read: number, unread: number): Talk => ({
    toid: BOB,
    name: "bob",
    last: { messageid: last, id: BOB, name: "bob", msg: "", time: "", ts: last },
    read,
    unread,
  });
  let c = withTalk(newConversation("u2", "bob"), talk(10, 7, 3), []);
  assertEquals([c.unread, c.read], [3, 7]);
  // What the list counted comes by the log as well; what is new counts once.
  for (const id of [9, 10, 11, 11]) c = withHeard(c, line(id), false);
  assertEquals(c.unread, 4);
  // A list that was asked for before 11 and 12 came, and one that knows them.
  c = withHeard(c, line(12), false);
  const came = [11, 12].map((messageid) => ({ messageid, mine: false }));
  assertEquals(withTalk(c, talk(10, 7, 3), came).unread, 5);
  assertEquals(withTalk(c, talk(12, 7, 5), came).unread, 5);
  // Read here a moment ago, which the list does not know.
  const read = withRead(c, 12, ME);
  assertEquals([read.unread, withTalk(read, talk(12, 7, 5), []).unread, withRead(read, 3, ME).read], [0, 0, 12]);
  // Part of it: what was on the screen.
  const open = withNewest(c, { lines: [...lines(5, 11), line(12, { deleted: true })], more: true, asked: moment() });
  assertEquals([withRead(open, 9, ME).unread, withRead(open, 11, ME).unread], [2, 0]);
  // Who writes has read.
  assertEquals([withWritten(c, line(13, { id: ME })).unread, withWritten(c, line(13, { id: ME })).read], [0, 13]);
  // The line stands above the first that is new, if it is here.
  const rows = rowsOf({ ...open, divider: 7 }).map((row) => row.kind === "message" ? row.line.messageid : row.kind);
  assertEquals(rows.slice(rows.indexOf("divider")), ["divider", 8, 9, 10, 11, 12]);
  assert(!rowsOf({ ...open, divider: 2 }).some((row) => row.kind === "divider"), "above what is not here");
});

Deno.test("page: of what was kept stays what the server's page has, and what came behind it", () => {
  const asked = moment();
  const kept = (c: Conversation) => ({ ...c, kept: true, more: true });
  const numbers = (c: Conversation) => c.lines.map(({ messageid }) => messageid);
  // 3 went without a word, 4 and 5 were deleted and edited: one is told again, one is not; 11 came since.
  let c = kept({ ...newConversation("u2", "bob"), lines: lines(1, 10) });
  c = withStored(withDeletion(c, 4), line(11));
  const page = { lines: [line(2), line(4, { msg: "", deleted: true }), line(5, { msg: "other", edited: 9 }), ...lines(6, 10)], more: true, asked };
  const fresh = withNewest(c, page);
  assertEquals([numbers(fresh), fresh.kept, fresh.more, fresh.history], [[2, 4, 5, 6, 7, 8, 9, 10, 11], false, true, "loaded"]);
  assertEquals([fresh.lines[1].deleted, fresh.lines[2].msg], [true, "other"]);
  assert(fresh.lines[3] === c.lines[5], "what is as it was is not drawn again");
  // Far behind what is new, of the midst of it, and where there is nothing any more.
  assertEquals(numbers(withNewest(c, { lines: lines(80, 99), more: true, asked })), numbers({ ...c, lines: lines(80, 99) }));
  assertEquals(numbers(withNewest({ ...c, moreafter: true }, { lines: lines(8, 14), more: true, asked })), [8, 9, 10, 11, 12, 13, 14]);
  assertEquals(numbers(withNewest(c, { lines: [], more: false, asked })), []);
  // What comes while nobody looks is the beginning of it; it does not count as all there is.
  c = withStored(withStored(newConversation("u2", "bob"), line(20)), line(21));
  assertEquals([numbers(c), c.kept, c.more, c.history], [[20, 21], true, true, "unknown"]);
});

Deno.test("page: what one user has read is not told in the name of another, who logs in after them", async () => {
  const told: [number, unknown, number][] = [];
  const store = new Store();
  let online = true;
  const client = (id: number) => ({
    conversations: () => Promise.resolve({ conversations: [], more: false }),
    read: (of: unknown, messageid: number) => {
      if (!online) return Promise.reject(new ConnectionLost("closed"));
      told.push([id, of, messageid]);
      return Promise.resolve({ read: messageid });
    },
  });
  const account = { client: client(ME) };
  const overview = new (await part("Overview"))(store, account, new Meanwhile());
  const group = { ...newConversation("g7", "cooks"), last: line(9) };
  const enter = async (id: number) => {
    account.client = client(id);
    store.update({ me: { id, name: `user ${id}` }, conversations: new Map([["g7", group]]), groups: new Map([[7, { id: 7 } as Group]]) });
    overview.entered();
    await eventually(() => overview.complete, "the list");
  };
  await enter(ME);
  online = false;
  overview.saw("g7", 8);
  overview.heard({ id: ME, groupid: 7, messageid: 8 });
  dispatchEvent(new Event("pagehide"));
  await enter(ME);
  online = true;
  await enter(ME);
  assertEquals(told, [[ME, { groupid: 7 }, 8]], "it is told at the next login");
  online = false;
  overview.saw("g7", 9);
  dispatchEvent(new Event("pagehide"));
  online = true;
  await enter(BOB);
  dispatchEvent(new Event("pagehide"));
  assertEquals(told.length, 1);
  overview.saw("g7", 9);
  overview.leaving();
  assertEquals(told.slice(1), [[BOB, { groupid: 7 }, 9]], "who logs out has read what was on the screen");
});

Deno.test("page: what was read is told again when the server puts it off, and not when it refuses it", async () => {
  using clock = clockByHand();
  const store = new Store();
  const answers = [new NatterError(19, "not now", 1000), new NatterError(15, "too many requests", 2000), new NatterError(18, "no member")];
  const told: number[] = [];
  const read = (_of: unknown, messageid: number) => {
    told.push(messageid);
    return Promise.reject(answers.shift());
  };
  const conversations = () => Promise.resolve({ conversations: [], more: false });
  store.update({
    conversations: new Map([["g7", { ...newConversation("g7", "cooks"), last: line(9) }]]),
    groups: new Map([[7, { id: 7 } as Group]]),
  });
  const overview = new (await part("Overview"))(store, { client: { conversations, read, state: { state: "online" } } }, new Meanwhile());
  overview.entered();
  await clock.pass(1);
  overview.saw("g7", 9);
  await clock.pass(1000);
  assertEquals(told, [9]);
  await clock.pass(1000);
  assertEquals(told, [9, 9]);
  await clock.pass(60_000);
  assertEquals(told, [9, 9, 9]);
});

Deno.test("page: a list whose answer is late on a connection that stands is asked for again", async () => {
  using clock = clockByHand();
  const store = new Store();
  let asked = 0;
  const conversations = () => ++asked === 1 ? Promise.reject(new ConnectionLost("timeout")) : Promise.resolve({ conversations: [], more: false });
  const overview = new (await part("Overview"))(store, { client: { conversations, state: { state: "online" } } }, new Meanwhile());
  overview.entered();
  await clock.pass(5000);
  assertEquals([asked, overview.complete], [2, true]);
});

Deno.test("page: what is done to messages while they are asked for is done to what comes: the answer may not know of it", async () => {
  const store = new Store();
  const meanwhile = new Meanwhile();
  const history = Promise.withResolvers<object>(), conversations = Promise.withResolvers<object>();
  const client = { history: () => history.promise, conversations: () => conversations.promise, state: { state: "online" } };
  const account = { client, keep: () => {} };
  store.update({ me: { id: ME, name: "me" }, conversations: new Map([["u2", newConversation("u2", "bob")]]) });
  const overview = new (await part("Overview"))(store, account, meanwhile);
  const pages = new (await part("Pages"))(store, account, meanwhile);
  const deeds = new (await part("Deeds"))(store, account, overview);
  overview.refresh = () => {};
  overview.entered();
  const loaded = Promise.all([pages.newest("u2"), pages.quote("u2", 1)]);
  meanwhile.happens(() => deeds.deleted({ id: BOB, toid: ME, messageid: 1, seq: 1 }));
  meanwhile.happens(() => deeds.edited({ id: BOB, toid: ME, messageid: 2, msg: "other", edited: 9, seq: 2 }));
  meanwhile.happens(() => deeds.deleted({ id: BOB, toid: ME, messageid: 3, seq: 3 }));
  conversations.resolve({ conversations: [{ toid: BOB, name: "bob", last: line(3), unread: 0, read: 3 }], more: false });
  await eventually(() => overview.complete, "the list");
  assertEquals(store.conversation("u2")?.last, undefined);
  history.resolve({ messages: [line(1), line(2), line(3)], events: [], more: false });
  await loaded;
  const { lines: shown, quoted } = store.conversation("u2")!;
  assertEquals(shown.map(({ msg, deleted }) => [msg, deleted]), [["", true], ["other", undefined], ["", true]]);
  assertEquals(quoted.get(1)?.deleted, true);
});

Deno.test("page: a telling that somebody types lasts five seconds, whatever the clock says; what one types oneself is told", async () => {
  using time = clockByHand();
  using clock = wallClockAhead();
  let told = 0;
  const store = new Store();
  const typing = new (await part("Typing"))(store, { client: { signal: () => told++ } });
  store.update({ me: { id: ME, name: "me" }, conversations: new Map([["u2", newConversation("u2", "bob")]]) });
  typing.heard({ id: BOB, toid: ME, msg: "typing" });
  typing.tell("u2");
  clock.by(-3_600_000);
  await time.pass(5001);
  typing.tell("u2");
  assertEquals([store.state.typing.size, told], [0, 2]);
});

Deno.test("page: where the log has gaps nothing of what was here stays, for it may be deleted: not what is looked at, nor what it answers", async () => {
  const store = new Store();
  const client = { conversations: () => Promise.reject(new ConnectionLost("closed")), state: { state: "offline" } };
  const talk = new (await part("Talk"))(store, { client });
  const own = [line(0, { id: ME, mid: "1", state: "sending" })];
  const opened = { ...newConversation("u2", "bob"), lines: lines(1, 90), own, history: "loaded" as const, quoted: new Map([[1, line(1)]]) };
  store.update({ me: { id: ME, name: "me" }, conversations: new Map([["u2", opened]]), open: "u2" });
  talk.entered();
  assertEquals(store.conversation("u2")?.lines.length, 90, "without gaps all that follows is told");
  talk.anew("missed");
  const { lines: left, quoted, own: kept } = store.conversation("u2")!;
  assertEquals([left, quoted.size, kept], [[], 0, own]);
});

Deno.test("page: who is put out while the members are on their way is not among them", async () => {
  const store = new Store();
  const answer = Promise.withResolvers<object>();
  // Where the page was opened is looked at when it is loaded.
  const kept = Object.getOwnPropertyDescriptor(globalThis, "location")!;
  Object.defineProperty(globalThis, "location", { configurable: true, value: { hash: "" } });
  const groups = new (await part("Groups"))(store, { client: { members: () => answer.promise } }, {});
  store.update({ me: { id: ME, name: "me" }, groups: new Map([[7, { id: 7, groupname: "cooks", role: "creator", count: 2 } as Group]]) });
  Object.defineProperty(globalThis, "location", kept);
  const loading = groups.loadMembers(7);
  const happened = { groupid: 7, groupname: "cooks", what: "kicked", id: BOB, name: "bob", messageid: 5, ts: 5, count: 1 };
  groups.heard({ ...happened, groupid: 8, id: ME });
  groups.heard(happened);
  const member = (id: number) => ({ id, name: `user ${id}`, role: "normal", state: "offline", lastseen: null });
  answer.resolve({ count: 2, members: [member(ME), member(BOB)], more: false });
  await loading;
  assertEquals([store.state.members.get(7)?.members.map(({ id }) => id), store.state.groups.get(7)?.count], [[ME], 1]);
});

Deno.test("page: lists that another device has changed are asked for again when the server puts it off: nobody repeats that they are others", async () => {
  const store = new Store();
  const friend: Friend = { id: BOB, name: "bob", state: "offline", lastseen: null };
  // The import may take its time: nobody would look at a promise that is rejected meanwhile.
  const People = await part("People");
  const answers = [Promise.reject(new NatterError(19, "not now", 1)), Promise.resolve({ friends: [friend], groups: [], blocked: [], invited: [] })];
  const people = new People(store, { client: { contacts: () => answers.shift() } }, new Meanwhile());
  await people.changed("contacts");
  assertEquals([...store.state.friends.keys()], [BOB]);
});

Deno.test("page: names that the server puts off are asked for again; who is not there keeps nobody else from being named", async () => {
  const store = new Store();
  const asked: number[] = [];
  const users = ({ ids }: { ids: number[] }) => {
    asked.push(ids.length);
    if (asked.length === 1) return Promise.reject(new NatterError(15, "too many requests", 1));
    return Promise.resolve(ids.filter((id) => id > 100).map((id) => ({ id, name: `user ${id}` })));
  };
  const names = new (await part("Names"))(store, { client: { users } });
  for (let id = 1; id <= 101; id++) names.of(id);
  await eventually(() => names.of(101) === "user 101", "the name");
  assertEquals(asked, [100, 100, 1]);
});

Deno.test("page: a contact is removed while a message to them is on its way: it stays in the list", async () => {
  const store = new Store();
  const friend: Friend = { id: BOB, name: "bob", state: "offline", lastseen: null };
  const people = new (await part("People"))(store, { client: { removeFriend: () => Promise.resolve() } });
  const remove = async (c: Conversation) => {
    store.update({ friends: new Map([[BOB, friend]]), conversations: new Map([["u2", c]]) });
    await people.removeFriend(BOB);
    return [...store.state.conversations.keys()];
  };
  const c = newConversation("u2", "bob");
  assertEquals(await remove({ ...c, own: [line(0, { id: ME, mid: "1", state: "sending" })] }), ["u2"]);
  assertEquals(await remove(c), []);
});

Deno.test("page: in a browser that keeps nothing, what is to be forgotten is forgotten without a word", () => {
  const kept = Object.getOwnPropertyDescriptor(globalThis, "localStorage")!;
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get() {
      throw new DOMException("The operation is insecure.", "SecurityError");
    },
  });
  try {
    forget(ME);
  } finally {
    Object.defineProperty(globalThis, "localStorage", kept);
  }
});
