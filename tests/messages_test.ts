// Which fields a request may have, and what is said of those it may not. What the server does with them: dispatcher_test.ts.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { check, isRef, Msg, type RequestId, schemas } from "../src/wire/requests.ts";
import { signalLine } from "../src/wire/encode.ts";
import { comparableName, faultOfName, MAX_NAME } from "../src/wire/names.ts";

const LONE = "\ud800", NUL = "a\0b";
const notIds = [0, -1, 1.5, 2 ** 53, "1", "", true, [1], { id: 1 }];
const notStrings = [1, true, ["a"], { a: 1 }];
const notTexts = [...notStrings, "", NUL, LONE];
const notNames = [...notTexts, "a".repeat(51), "👍".repeat(51), " a", "a ", "a\nb", "a\u200bb", "\u202ea", "\u200d", "\u3164", "\u2800", "\ufe0f"];
const notKnown = [...notNames, "Иван Ivan", "аlice"];
const notLookups = [...notTexts, "a".repeat(201), "👍".repeat(201)];
const notPasswords = [...notTexts, "a".repeat(257), "é".repeat(129)];
const notDescriptions = [...notStrings, NUL, LONE, "a".repeat(201), "👍".repeat(201)];
const notFlags = [0, 1, "true", "", {}];
const notEmoji = [...notTexts, "a", "1", ":)", "👍👍", "👍 ", " 👍", "a👍", "\u200d", "☺", "❤", "🏻\u200d", "👍".repeat(30)];
const notMids = [...notTexts, "a".repeat(65), "é".repeat(33)];

/** For each request: one that is good, and values that each of its fields must not have (undefined: the field is needed). */
const requests: { [M in RequestId]: { good: Record<string, unknown>; bad: Record<string, unknown[]> } } = {
  [Msg.LOGIN]: {
    good: { id: 1, password: "p" },
    bad: {
      id: notIds,
      name: notLookups,
      password: notPasswords,
      token: notTexts,
      proto: [1, 0, -2, 2.5, "2", true],
      device: notNames,
      takeover: [0, 1, "true"],
    },
  },
  [Msg.LOGOUT]: { good: { id: 1 }, bad: { id: notIds } },
  [Msg.REGISTER]: {
    good: { name: "a", password: "p" },
    bad: { name: [undefined, ...notKnown], password: [undefined, ...notPasswords], invite: notTexts },
  },
  [Msg.CHAT]: {
    good: { toid: 1, msg: "m" },
    bad: { toid: notIds, toname: notLookups, msg: [undefined, ...notTexts], mid: notMids, reply: notIds, silent: notFlags },
  },
  [Msg.ADD_FRIEND]: { good: { friendid: 1 }, bad: { friendid: notIds, friendname: notLookups } },
  [Msg.CREATE_GROUP]: {
    good: { groupname: "g", groupdesc: "", private: true },
    bad: { groupname: [undefined, ...notKnown], groupdesc: [undefined, ...notDescriptions], private: notFlags },
  },
  [Msg.JOIN_GROUP]: { good: { groupid: 1 }, bad: { groupid: notIds, groupname: notLookups, code: notTexts } },
  [Msg.GROUP_CHAT]: {
    good: { groupid: 1, msg: "m" },
    bad: { groupid: [undefined, ...notIds], msg: [undefined, ...notTexts], mid: notMids, reply: notIds, silent: notFlags },
  },
  [Msg.RECEIVED]: { good: { seq: 0 }, bad: { seq: [undefined, -1, 1.5, 2 ** 53, "1", true] } },
  [Msg.PING]: { good: {}, bad: {} },
  [Msg.PONG]: { good: {}, bad: {} },
  [Msg.HISTORY]: {
    good: { toid: 1 },
    bad: { toid: notIds, toname: notLookups, groupid: notIds, before: notIds, after: notIds, around: notIds, limit: [...notIds, 101] },
  },
  [Msg.CONTACTS]: { good: {}, bad: {} },
  [Msg.REMOVE_FRIEND]: { good: { friendid: 1 }, bad: { friendid: [undefined, ...notIds] } },
  [Msg.LEAVE_GROUP]: { good: { groupid: 1 }, bad: { groupid: [undefined, ...notIds] } },
  [Msg.SIGNAL]: { good: { toid: 1 }, bad: { toid: notIds, groupid: notIds, msg: [...notStrings, NUL, LONE, "a".repeat(1025), "👍".repeat(1025)] } },
  [Msg.CHANGE_PASSWORD]: { good: { old: "p", new: "q" }, bad: { old: [undefined, ...notPasswords], new: [undefined, ...notPasswords] } },
  [Msg.BLOCK]: { good: { userid: 1 }, bad: { userid: [undefined, ...notIds] } },
  [Msg.UNBLOCK]: { good: { userid: 1 }, bad: { userid: [undefined, ...notIds] } },
  [Msg.EDIT]: { good: { messageid: 1, msg: "m" }, bad: { messageid: [undefined, ...notIds], msg: [undefined, ...notTexts] } },
  [Msg.DELETE]: { good: { messageid: 1 }, bad: { messageid: [undefined, ...notIds] } },
  [Msg.REACT]: {
    good: { messageid: 1, emoji: "👍", off: true },
    bad: { messageid: [undefined, ...notIds], emoji: [undefined, ...notEmoji], off: notFlags },
  },
  [Msg.READ]: { good: { toid: 1, messageid: 1 }, bad: { toid: notIds, groupid: notIds, messageid: [undefined, ...notIds] } },
  [Msg.CONVERSATIONS]: { good: {}, bad: { before: notIds, beforegroup: notIds, limit: [...notIds, 101] } },
  [Msg.MEMBERS]: {
    good: { groupid: 1, after: 0, limit: 200 },
    bad: { groupid: [undefined, ...notIds], after: [-1, 1.5, "1", true], limit: [...notIds, 201], banned: notFlags },
  },
  [Msg.DEVICES]: { good: {}, bad: {} },
  [Msg.REMOVE_DEVICE]: { good: { device: 0 }, bad: { device: [undefined, -1, 1.5, "1", true] } },
  [Msg.UPDATE_GROUP]: {
    good: { groupid: 1, groupname: "g", groupdesc: "", private: false, history: "all", posting: "moderators" },
    bad: {
      groupid: [undefined, ...notIds],
      groupname: notNames,
      groupdesc: notDescriptions,
      private: notFlags,
      history: [...notTexts, "moderators"],
      posting: [...notTexts, "joined"],
    },
  },
  [Msg.SET_ROLE]: {
    good: { groupid: 1, userid: 2, role: "moderator" },
    bad: { groupid: [undefined, ...notIds], userid: [undefined, ...notIds], role: [undefined, ...notTexts, "owner"] },
  },
  [Msg.KICK]: {
    good: { groupid: 1, userid: 2, ban: true },
    bad: { groupid: [undefined, ...notIds], userid: [undefined, ...notIds], ban: notFlags },
  },
  [Msg.UNBAN]: { good: { groupid: 1, userid: 2 }, bad: { groupid: [undefined, ...notIds], userid: [undefined, ...notIds] } },
  [Msg.INVITE]: {
    good: { groupid: 1, uses: 1000, days: 30 },
    bad: { groupid: notIds, userid: notIds, uses: [...notIds, 1001], days: [...notIds, 31] },
  },
  [Msg.REVOKE]: { good: { groupid: 1 }, bad: { groupid: [undefined, ...notIds] } },
  [Msg.SEARCH]: {
    good: { text: "lunch", toid: 3, groupid: 4, from: 5, before: 6, limit: 50 },
    bad: {
      text: [undefined, "", "x".repeat(101), 1, NUL, LONE],
      toid: [0, "3"],
      groupid: [0, "4"],
      from: [0, "bob"],
      before: [0, 1.5],
      limit: [0, 51, "20"],
    },
  },
  [Msg.DELETE_ACCOUNT]: { good: { password: "p" }, bad: { password: [undefined, ...notPasswords], messages: [0, 1, "true"] } },
  [Msg.PROFILE]: { good: {}, bad: { avatar: [0, "1", 1.5, true], about: [...notStrings, NUL, LONE, "a".repeat(201)], receipts: [0, 1, "true"] } },
  [Msg.REPORT]: {
    good: { messageid: 1, reason: "spam" },
    bad: { messageid: [undefined, ...notIds], reason: [undefined, ...notTexts, "a".repeat(501)] },
  },
  [Msg.HOOK]: {
    good: { groupid: 1, name: "build", off: true },
    bad: { groupid: [undefined, ...notIds], name: [undefined, ...notKnown], off: notFlags },
  },
  [Msg.PUSH]: {
    good: { endpoint: "https://push.example.org/x", keys: { p256dh: "B" + "A".repeat(86), auth: "A".repeat(22) }, text: true, off: false },
    bad: { endpoint: [undefined, "", 5], keys: [undefined, {}, "x", 5, { p256dh: "B" }], text: notFlags, off: notFlags },
  },
  [Msg.USERS]: {
    good: { ids: [1, 2] },
    bad: {
      ids: [1, "1", {}, [], [0], ["1"], Array(101).fill(1)],
      names: ["a", {}, [], [1], [""], Array(101).fill("a")],
      find: [...notTexts, "a", "👍", "a".repeat(51)],
    },
  },
  [Msg.MUTE]: {
    good: { groupid: 1, until: 0, pinned: true, archived: false },
    bad: { toid: notIds, groupid: notIds, until: [-1, 1.5, 2 ** 53, "1", true], pinned: notFlags, archived: notFlags },
  },
};

Deno.test("messages: every request has its good and its bad fields here", () => {
  assertEquals(Object.keys(requests), Object.keys(schemas));
});

for (const [id, { good, bad }] of Object.entries(requests)) {
  const msgid = Number(id) as RequestId;
  const name = Object.entries(Msg).find(([, number]) => number === msgid)![0];

  Deno.test(`messages: ${name}: unknown fields are ignored, and what is wrong with a field is said of that field`, () => {
    const checked = check(msgid, { ...good, msgid, ref: 1, unknown: [NUL], constructor: 1 });
    assert(typeof checked === "object", `refused: ${checked}`);
    for (const [field, value] of Object.entries(good)) assertEquals((checked as Record<string, unknown>)[field], value);
    for (const [field, values] of Object.entries(bad)) {
      for (const value of values) {
        const fault = check(msgid, { ...good, [field]: value });
        const what = `${field}: ${JSON.stringify(value)?.slice(0, 80)} is answered with ${JSON.stringify(fault)}`;
        assert(typeof fault === "string", what);
        assert(fault.startsWith(`${field} `) && fault.length < 100, what);
        if (value === undefined) assertEquals(fault, `${field} is missing`);
      }
    }
  });
}

Deno.test("messages: a field that is null is absent, in every request", () => {
  for (const [id, { good, bad }] of Object.entries(requests)) {
    const msgid = Number(id) as RequestId;
    for (const field of new Set([...Object.keys(good), ...Object.keys(bad)])) {
      const absent = { ...good };
      delete absent[field];
      const expected = check(msgid, absent), checked = check(msgid, { ...good, [field]: null });
      assertEquals(JSON.stringify(checked), JSON.stringify(expected), `${field} of ${id}`);
      // Handlers ask whether a field is undefined.
      if (typeof checked === "object") assertEquals(Object.values(checked).includes(null as never), false, `${field} of ${id}`);
    }
  }
  assertEquals(check(Msg.HISTORY, { toid: 1, toname: null, groupid: null, before: null, limit: null, other: null }) as object, {
    toid: 1,
    toname: undefined,
    groupid: undefined,
    before: undefined,
    limit: 50,
  });
});

Deno.test("messages: of the fields of which one is needed, the error names all", () => {
  assertEquals(check(Msg.LOGIN, { password: "p" }), "id or name is missing");
  assertEquals(check(Msg.LOGIN, { id: 1 }), "password or token is missing");
  assertEquals(check(Msg.CHAT, { msg: "m" }), "toid or toname is missing");
  assertEquals(check(Msg.ADD_FRIEND, {}), "friendid or friendname is missing");
  assertEquals(check(Msg.JOIN_GROUP, {}), "groupid or groupname or code is missing");
  assertEquals(check(Msg.HISTORY, {}), "toid or toname or groupid is missing");
  assertEquals(check(Msg.SIGNAL, { msg: "m" }), "toid or groupid is missing");
  assertEquals(check(Msg.READ, { messageid: 1 }), "toid or groupid is missing");
  assertEquals(check(Msg.MUTE, { pinned: true }), "toid or groupid is missing");
});

Deno.test("messages: of the fields that exclude each other only one may be there", () => {
  for (const fields of [{ before: 1, after: 1 }, { before: 1, around: 2 }, { after: 1, around: 1 }]) {
    assertEquals(check(Msg.HISTORY, { toid: 1, ...fields }), "before, after, around exclude each other");
  }
  assertEquals(check(Msg.CONVERSATIONS, { before: 1, beforegroup: 1 }), "before, beforegroup exclude each other");
});

Deno.test("messages: the bounds themselves are good", () => {
  const good: [RequestId, Record<string, unknown>][] = [
    [Msg.LOGIN, { name: "👍".repeat(200), password: "a".repeat(256), proto: 3 }],
    [Msg.LOGIN, { id: Number.MAX_SAFE_INTEGER, token: "a".repeat(60_000), proto: 2 }],
    [Msg.REGISTER, { name: "👍".repeat(50), password: "é".repeat(128) }],
    [Msg.REGISTER, { name: "你".repeat(50), password: " " }],
    [Msg.CHAT, { toname: "a", msg: "\u0001\n\u202e\ufeff", mid: "é".repeat(32) }],
    [Msg.CREATE_GROUP, { groupname: "g".repeat(50), groupdesc: "👍".repeat(200) }],
    [Msg.HISTORY, { groupid: 1, before: 1, limit: 1 }],
    [Msg.HISTORY, { toname: "a", limit: 100 }],
    [Msg.SIGNAL, { groupid: 1, msg: "" }],
    [Msg.SIGNAL, { toid: 1, msg: "👍".repeat(1024) }],
    [Msg.RECEIVED, { seq: Number.MAX_SAFE_INTEGER }],
    ...["👍", "👍🏽", "❤️", "🏳️‍🌈", "👩‍👩‍👧‍👦", "🇩🇪", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👨🏻‍❤️‍💋‍👨🏿"].map((
      emoji,
    ): [RequestId, Record<string, unknown>] => [Msg.REACT, { messageid: 1, emoji }]),
  ];
  for (const [msgid, fields] of good) assert(typeof check(msgid, fields) === "object", `${msgid}: ${check(msgid, fields)}`);
  assertEquals(check(Msg.HISTORY, { toid: 1 }), { toid: 1, limit: 50 });
});

Deno.test("messages: a ref is an integer, or a string of at most 64 characters", () => {
  for (const ref of [0, -1, Number.MAX_SAFE_INTEGER, "", "a".repeat(64), "👍".repeat(64), "你"]) assert(isRef(ref), JSON.stringify(ref));
  for (const ref of [1.5, 2 ** 53, Infinity, NaN, "a".repeat(65), "👍".repeat(65), NUL, LONE, null, undefined, true, [1], {}]) {
    assert(!isRef(ref), JSON.stringify(ref));
  }
});

Deno.test("messages: a SIGNAL's line is its JSON, however its message was written", () => {
  const escaped = (text: string) => [...text].map((c) => c.length === 1 ? "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0") : c).join("");
  const character = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom('"', "\\", "/", "\n", "\u2028", "\u007f", "\u0001", "👍"));
  fc.assert(fc.property(fc.array(character), fc.boolean(), fc.boolean(), (characters, escape, toGroup) => {
    const msg = characters.join("");
    const line = `{"msg":${escape ? `"${escaped(msg)}"` : JSON.stringify(msg)}}`;
    const fields = toGroup ? { groupid: 3, msg: JSON.parse(line).msg } : { toid: 3, msg: JSON.parse(line).msg };
    assertEquals(JSON.parse(signalLine(7, fields, !line.includes("\\"))), { msgid: 21, id: 7, ...fields, msg });
  }));
  assertEquals(signalLine(7, { toid: 3 }, true), '{"msgid":21,"id":7,"toid":3}');
});

Deno.test("names: any script and emoji are fine", () => {
  const names = ["张三", "Ἀχιλλεύς", "محمد", "हिन्दी", "o'Neill", "a b", "👍", "👩‍🚀", "🏳️‍🌈", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "❤️", "👍🏽", "x".repeat(MAX_NAME)];
  for (const name of names) assertEquals(faultOfName(name), undefined, name);
});

/** Names with joiners as their scripts are written, and the same without. */
const joined: [name: string, without: string][] = [
  ["علی\u200cرضا", "علیرضا"],
  ["مِی\u200cخواهم", "مِیخواهم"],
  ["ܐܒ\u200cܓ", "ܐܒܓ"],
  ["क्\u200dष", "क्ष"],
  ["क्\u200cष", "क्ष"],
  ["श्री\u0930\u094d\u200dय", "श्री\u0930\u094dय"],
  ["র\u200d্যাব", "র্যাব"],
  ["ශ්\u200dරී", "ශ්රී"],
  ["അവന്\u200d", "അവന്"],
];

Deno.test("names: joiners are fine where a script needs them, nowhere else, and do not make a name another", () => {
  for (const [name, without] of joined) {
    assertEquals(faultOfName(name), undefined, JSON.stringify(name));
    assertEquals(comparableName(name), comparableName(without), JSON.stringify(name));
    assertEquals(comparableName(`${name}👩‍🚀`), comparableName(`${without}👩‍🚀`));
  }
  const nowhere = [
    "a\u200cb",
    "a\u200db",
    "张\u200c三",
    "\u200cعلی",
    "علی\u200c",
    "علی\u200dرضا",
    "علی\u200c\u200cرضا",
    "علی\u200c a",
    "क\u200cष",
    "क\u200dष",
    "क्\u200d\u200dष",
    "क्\u200ca",
    "a्\u200cb",
    "ع👍\u200cع",
    "👩\u200c🚀",
  ];
  for (const name of nowhere) assert(faultOfName(name), JSON.stringify(name));
  // What is looked for may be anything: it does not become another's name.
  assertEquals(comparableName("al\u200cice") === comparableName("alice"), false);
});

Deno.test("names: what cannot be seen, or reverses what can, is refused; between emoji too", () => {
  const unseen = [
    "\0",
    "\x07",
    "\x7f",
    "\x85",
    "\t",
    "\u00ad",
    "\u200b",
    "\u200d",
    "\u200e",
    "\u202e",
    "\u2028",
    "\u2066",
    "\ufeff",
    "\u3164",
    "\u2800",
  ];
  for (const c of [...unseen, "\u{e0041}", "\ue000", "\u{10ffff}", "\ud800", "\udc00", "\ufe0f", "\u115f", "\u17b4"]) {
    for (const name of [c, `a${c}`, `${c}a`, `a${c}b`, `👍${c}`, `👍${c}a`]) assert(faultOfName(name), JSON.stringify(name));
  }
  for (const name of ["", " ", "\u00a0", "\u3000", " a", "a\u2003"]) assert(faultOfName(name), JSON.stringify(name));
});

Deno.test("names: two that differ in case or compatible form only are one", () => {
  const same = [
    ["Bob", "BOB", "bob", "Ｂｏｂ", "ⓑⓞⓑ", "𝐁𝐨𝐛"],
    ["Zoë", "zoe\u0308", "ZOË"],
    ["ΟΔΟΣ", "οδος", "οδοσ"],
    ["straße", "STRASSE", "STRAẞE"],
    ["ﬁn", "fin", "FIN"],
    ["Ⅳ", "iv"],
    ["٣", "٣"],
    ["❤️", "❤"],
    ["张三", "张三"],
    ["ｶﾞ", "ガ"],
  ];
  for (const names of same) assertEquals(new Set(names.map(comparableName)).size, 1, names.join(" "));
  const different = ["bob", "bob1", "b ob", "böb", "张三", "张山", "👩‍🚀", "👩🚀", "👍", "👍🏽"];
  assertEquals(new Set(different.map(comparableName)).size, different.length);
});

Deno.test("names: the comparable form of any name is its own, and that of the name in capitals and in small letters", () => {
  const tricky = fc.constantFrom(..."ßẞςσΣıİiŉΐǰKÅﬁ'a\u0301\u0307\u0327", ...joined.map(([name]) => name));
  const character = fc.oneof(tricky, fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }));
  const name = fc.array(character, { minLength: 1, maxLength: 8 }).map((characters) => characters.join(""))
    .filter((s) => faultOfName(s) === undefined)
    // The iota below a Greek letter is a letter of its own in capitals; what stands above belongs to another one then.
    .filter((s) => !s.normalize("NFD").includes("\u0345"));
  fc.assert(
    fc.property(name, (name) => {
      const key = comparableName(name);
      for (const form of [key, name.toUpperCase(), name.toLowerCase(), name.normalize("NFD"), name.normalize("NFKC")]) {
        assertEquals(comparableName(form), key, `${JSON.stringify(name)} as ${JSON.stringify(form)}`);
      }
    }),
    { numRuns: 2000 },
  );
});
