// The page when an answer comes late: what it is about is another by then, or somebody else's.

import { assertEquals } from "@std/assert";
import { ConnectionLost, NatterError } from "../src/client/natter_client.ts";
import { withOwn, withStored } from "../src/web/state/lines.ts";
import { Meanwhile } from "../src/web/state/meanwhile.ts";
import { type Line, newConversation, newestOf, rowsOf } from "../src/web/state/model.ts";
import { forget, letGo, readAccount, readDraft, readPreference, writeAccount, writeDraft, writePreference } from "../src/web/state/storage.ts";
import { Store } from "../src/web/state/store.ts";
import { eventually } from "./support/server.ts";

const ME = 1, BOB = 2;

/** A part of the page that speaks to its client. Its types are those of a browser, which there are none of here. */
async function part(name: "Deeds" | "Groups" | "Pages" | "People" | "Talk") {
  // Where the page was opened is looked at when it is loaded.
  const kept = Object.getOwnPropertyDescriptor(globalThis, "location")!;
  Object.defineProperty(globalThis, "location", { configurable: true, value: { hash: "" } });
  try {
    return (await import(`../src/web/state/${name.toLowerCase()}.ts`))[name];
  } finally {
    Object.defineProperty(globalThis, "location", kept);
  }
}

function line(messageid: number, more: Partial<Line> = {}): Line {
  return { messageid, id: BOB, name: "bob", msg: `text ${messageid}`, ts: messageid * 1000, state: "stored", ...more };
}

function lines(from: number, to: number): Line[] {
  return Array.from({ length: to - from + 1 }, (_, i) => line(from + i));
}

Deno.test("page: what comes while the newest messages are asked for from far above is not left out: the answer may not know of it", async () => {
  const Talk = await part("Talk");
  for (const kind of ["newest", "newer", "around"] as const) {
    const answer = Promise.withResolvers<object>();
    const store = new Store();
    const talk = new Talk(store, { client: { history: () => answer.promise, sentHere: () => true, state: { state: "online" } }, keep: () => {} });
    talk.overview.refresh = () => {};
    const far = { ...newConversation("u2", "bob"), lines: lines(11, 20), moreafter: true, more: true, history: "loaded" as const };
    const own = [line(0, { id: ME, mid: "m-1", state: "sending" })];
    store.update({ me: { id: ME, name: "me" }, conversations: new Map([["u2", { ...far, own }]]) });
    const asked = kind === "around" ? talk.pages.around("u2", 25) : talk.pages[kind]("u2");
    const from = { id: BOB, name: "bob", toid: ME };
    talk.message({ ...line(31), ...from, seq: 1 });
    talk.message({ ...line(32), ...from, seq: 2 });
    talk.delete({ ...from, messageid: 31, seq: 3 });
    talk.sent({ mid: "m-1", to: { id: BOB }, msg: "mine", state: "stored", messageid: 33, ts: 33_000 });
    answer.resolve({ messages: lines(21, 30), events: [], more: kind === "around", moreafter: false });
    await asked;
    const { lines: shown, moreafter, own: unsent } = store.conversation("u2")!;
    assertEquals(shown.slice(-5).map(({ messageid, msg }) => [messageid, msg]), [[29, "text 29"], [30, "text 30"], [31, ""], [32, "text 32"], [
      33,
      "mine",
    ]], kind);
    assertEquals([moreafter, unsent], [false, []], kind);
  }
});

Deno.test("page: a group's new name and one's new role stay, and no deleted message speaks to one, whatever lists say that were asked for before", async () => {
  const [lists, conversations, found] = [Promise.withResolvers<object>(), Promise.withResolvers<object>(), Promise.withResolvers<object>()];
  const store = new Store();
  const client = {
    contacts: () => lists.promise,
    conversations: () => conversations.promise,
    search: () => found.promise,
    state: { state: "online" },
  };
  const account = { client, keep: () => {} };
  const talk = new (await part("Talk"))(store, account);
  const people = new (await part("People"))(store, account, talk.meanwhile);
  talk.groups = new (await part("Groups"))(store, account, people);
  const group = { id: 7, groupname: "cooks", role: "normal" as const, count: 2 };
  store.update({ me: { id: ME, name: "me" }, groups: new Map([[7, group]]), conversations: new Map([["g7", newConversation("g7", "cooks")]]) });
  talk.entered();
  talk.overview.refresh = () => {};
  const refreshed = people.refresh();
  const event = { groupid: 7, groupname: "cooks", id: BOB, name: "bob", count: 2, ts: 1, seq: 1 };
  talk.group({ ...event, what: "updated", group: { groupname: "bakers" }, messageid: 8 });
  talk.group({ ...event, what: "role", id: ME, role: "moderator", messageid: 9 });
  const named = () => [store.state.groups.get(7)?.groupname, store.conversation("g7")?.name, store.state.groups.get(7)?.role];
  lists.resolve({ friends: [], groups: [group], blocked: [], invited: [] });
  await refreshed;
  assertEquals(named(), ["bakers", "bakers", "moderator"]);
  talk.group({ ...event, what: "updated", group: { groupname: "brewers" }, messageid: 10 });
  conversations.resolve({ conversations: [{ groupid: 7, name: "bakers", last: line(5, { msg: "@me" }), unread: 1, read: 0 }], more: false });
  await eventually(() => talk.overview.complete, "the list");
  assertEquals(named(), ["brewers", "brewers", "moderator"]);
  talk.delete({ id: BOB, groupid: 7, messageid: 5, seq: 4 });
  found.resolve({ messages: [{ ...line(5, { msg: "@me" }), groupid: 7 }], more: false });
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(store.conversation("g7")?.mentions, []);
});

Deno.test("page: a group that the list does not know of yet is not called as somebody is", async () => {
  const store = new Store();
  const talk = new (await part("Talk"))(store, { client: { sentHere: () => false, state: { state: "online" } }, keep: () => {} });
  store.update({ me: { id: ME, name: "me" }, names: new Map([[7, "carol"]]) });
  talk.message({ ...line(1), id: BOB, name: "bob", groupid: 7, seq: 1 });
  talk.message({ ...line(2), id: ME, name: "me", groupid: 7, seq: 2 });
  talk.message({ ...line(3), id: ME, name: "me", groupid: 8, seq: 3 });
  talk.message({ ...line(4), id: ME, name: "me", toid: 7, seq: 4 });
  assertEquals(["g7", "g8", "u7"].map((key) => store.conversation(key as "g7")?.name), ["#7", "#8", "carol"]);
});

Deno.test("page: a message that cannot be brought to the screen is said not to be, and does not come there when its page is here", async () => {
  const store = new Store();
  const trouble: string[] = [];
  store.complain = (what) => void trouble.push(what);
  const answers = [
    () => Promise.reject(new ConnectionLost("unreachable")),
    () => Promise.resolve({ messages: lines(1, 10), events: [], more: false }),
  ];
  const history = () => answers.shift()!();
  const pages = new (await part("Pages"))(store, { client: { history } }, new Meanwhile());
  const here = { ...newConversation("u2", "bob"), lines: lines(11, 20), more: true, history: "loaded" as const };
  store.update({ me: { id: ME, name: "me" }, open: "u2", conversations: new Map([["u2", here]]) });
  await pages.to("u2", 5);
  assertEquals([trouble.length, store.conversation("u2")?.target], [1, undefined]);
  // The user has gone on, up to there.
  await pages.older("u2");
  assertEquals([store.conversation("u2")?.lines.length, store.conversation("u2")?.target], [20, undefined]);
  await pages.to("u2", 5);
  assertEquals(store.conversation("u2")?.target, { messageid: 5 });
});

Deno.test("page: what is changed of a group while its members are on their way is so, whatever they say", async () => {
  const answer = Promise.withResolvers<object>();
  const store = new Store();
  const groups = new (await part("Groups"))(store, { client: { members: () => answer.promise } }, {});
  store.update({ me: { id: ME, name: "me" }, groups: new Map([[7, { id: 7, groupname: "cooks", role: "normal" as const, count: 1 }]]) });
  const loading = groups.loadMembers(7);
  const event = { groupid: 7, groupname: "cooks", what: "updated", id: BOB, name: "bob", count: 1, ts: 5, messageid: 5 };
  groups.heard({ ...event, group: { posting: "moderators", private: true } });
  groups.heard({ ...event, group: { groupdesc: "soup" } });
  answer.resolve({ groupdesc: "", history: "all", posting: "all", members: [], count: 1, more: false });
  await loading;
  const told = { groupdesc: "soup", private: true, history: "all", posting: "moderators", members: [], count: 1, more: false };
  assertEquals(store.state.members.get(7) as object, told);
  groups.heard({ ...event, group: { posting: "all", private: false } });
  const { private: _, ...open } = told;
  assertEquals(store.state.members.get(7) as object, { ...open, posting: "all" });
});

Deno.test("page: what is on its way is the newest of its conversation, also where the clock was set back", () => {
  const before = withStored(newConversation("u2", "bob"), line(9));
  const c = withOwn(before, line(0, { id: ME, mid: "1", msg: "mine", ts: 1, state: "sending" }));
  assertEquals([newestOf(c)?.msg, rowsOf(c).map(({ kind }) => kind)], ["mine", ["date", "message", "message"]]);
  const failed = withOwn(before, line(0, { id: ME, mid: "1", msg: "mine", ts: 1, state: "failed" }));
  assertEquals(newestOf(failed)?.msg, "text 9");
});

Deno.test("page: what the server puts off is not done in the name of who has logged in by then", async () => {
  const store = new Store();
  const done: string[] = [];
  const client = (name: string, answer: () => Promise<unknown>) => {
    const ask = (what: string) => () => {
      done.push(`${name}: ${what}`);
      return answer();
    };
    return { react: ask("react"), edit: ask("edit"), delete: ask("delete") };
  };
  const answers = Array.from({ length: 3 }, () => new NatterError(15, "too many requests", 1));
  const alice = client("alice", () => Promise.reject(answers.shift() ?? new ConnectionLost("closed")));
  const account = { client: alice, keep: () => {} };
  store.update({ me: { id: ME, name: "alice" }, conversations: new Map([["u2", { ...newConversation("u2", "bob"), lines: lines(1, 3) }]]) });
  const deeds = new (await part("Deeds"))(store, account, { refresh: () => {} });
  const asked = [deeds.react("u2", line(1), "👍"), deeds.edit("u2", line(2), "other"), deeds.delete("u2", line(3))];
  account.client = client("bob", () => Promise.resolve({}));
  const theirs = { ...newConversation("u2", "bob"), lines: [line(1, { reactions: [{ emoji: "👍", count: 1 }] })] };
  store.update({ me: { id: BOB, name: "bob" }, conversations: new Map([["u2", theirs]]) });
  await Promise.allSettled(asked);
  assertEquals(done.filter((what) => what.startsWith("bob")), []);
  assertEquals([store.conversation("u2"), store.state.trouble], [theirs, ""]);
});

Deno.test("page: of clicks on an emoji the last one counts, however the server puts them off; what it refuses is taken back", async () => {
  const store = new Store();
  const asked: [string, boolean][] = [];
  const answers: PromiseWithResolvers<object[]>[] = [];
  const react = (_: number, emoji: string, { off }: { off: boolean }) => {
    asked.push([emoji, off]);
    answers.push(Promise.withResolvers());
    return answers.at(-1)!.promise;
  };
  store.update({ me: { id: ME, name: "me" }, conversations: new Map([["u2", { ...newConversation("u2", "bob"), lines: [line(1)] }]]) });
  const deeds = new (await part("Deeds"))(store, { client: { react } }, {});
  store.complain = () => {};
  const shown = () => store.conversation("u2")!.lines[0].reactions?.map(({ emoji, mine }) => `${emoji} ${mine}`);
  const click = (...emoji: string[]) => emoji.map((emoji) => deeds.react("u2", line(1), emoji));
  const clicks = click("👍");
  await eventually(() => asked.length === 1, "the first");
  clicks.push(...click("👍", "👍", "🎉"));
  answers[0].resolve([{ emoji: "👍", count: 1 }]);
  await eventually(() => asked.length === 2, "the second");
  assertEquals(shown(), ["👍 true", "🎉 true"], "as it was clicked, not as it was answered");
  answers[1].resolve([{ emoji: "👍", count: 1 }]);
  await eventually(() => asked.length === 3, "the third");
  answers[2].reject(new NatterError(24, "full"));
  await Promise.all(clicks);
  assertEquals(asked, [["👍", false], ["👍", false], ["🎉", false]], "the click that was taken back is not told");
  assertEquals(shown(), ["👍 true"]);
  // Taken away, and put there again before that is refused: it is where the server has it.
  const more = click("👍");
  await eventually(() => asked.length === 4, "the next");
  more.push(...click("👍"));
  answers[3].reject(new NatterError(23, "blocked"));
  await eventually(() => asked.length === 5, "the last");
  answers[4].reject(new NatterError(23, "blocked"));
  await Promise.all(more);
  assertEquals(shown(), ["👍 true"]);
});

Deno.test("page: who is told of a message only when it is known what was read is told what it says by then, and nothing if it is deleted", async () => {
  const list = Promise.withResolvers<object>();
  const store = new Store();
  const talk = new (await part("Talk"))(store, { client: { conversations: () => list.promise, state: { state: "online" } }, keep: () => {} });
  const told: string[] = [];
  talk.came = (_: unknown, { msg }: Line) => told.push(msg);
  store.update({ me: { id: ME, name: "me" } });
  talk.entered();
  talk.overview.refresh = () => {};
  const from = { id: BOB, name: "bob", toid: ME };
  for (const messageid of [1, 2]) talk.message({ ...line(messageid), ...from, seq: messageid });
  talk.edit({ ...from, messageid: 1, msg: "changed", edited: 9, seq: 3 });
  talk.delete({ ...from, messageid: 2, seq: 4 });
  list.resolve({ conversations: [{ toid: BOB, name: "bob", last: line(1), unread: 1, read: 0 }], more: false });
  await eventually(() => talk.overview.complete, "the list");
  assertEquals(told, ["changed"]);
});

Deno.test("page: what the browser has no room for stays as long as the page is, and goes when another tab has the account", () => {
  const kept = Object.getOwnPropertyDescriptor(globalThis, "localStorage")!;
  const full = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  Object.defineProperty(globalThis, "localStorage", { configurable: true, value: { getItem: () => null, setItem: full, removeItem() {} } });
  try {
    const account = { id: ME, name: "me", token: "a token" };
    const write = () => {
      writeAccount(account);
      writeDraft(ME, "u2", "a draft");
      writePreference("theme", "dark");
    };
    const read = () => [readAccount(), readDraft(ME, "u2"), readPreference("theme")];
    write();
    assertEquals(read(), [account, "a draft", "dark"]);
    writeDraft(ME, "u2", "");
    assertEquals(readDraft(ME, "u2"), "");
    write();
    forget(ME);
    assertEquals(read(), [undefined, "", "dark"], "nothing of the user's");
    write();
    letGo();
    assertEquals(read(), [undefined, "", "dark"]);
  } finally {
    writePreference("theme", undefined);
    Object.defineProperty(globalThis, "localStorage", kept);
  }
});

Deno.test("page: several things that went wrong in one moment are all said, each once", async () => {
  const store = new Store();
  const { setTimeout } = globalThis;
  let over = () => {};
  globalThis.setTimeout = ((run: () => void) => (over = run, 0)) as unknown as typeof setTimeout;
  try {
    for (const text of ["one", "two", "one"]) store.complain(text);
    assertEquals(store.state.trouble, "two\none");
    over();
    store.complain("three");
    assertEquals(store.state.trouble, "three");
    over();
  } finally {
    globalThis.setTimeout = setTimeout;
  }
  await Promise.resolve();
});
