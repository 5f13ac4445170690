// What a fuzzer sends: messages made from the schemas, then spoilt; and bytes that never were one. The same seed gives the same inputs.

import fc from "fast-check";
import * as v from "valibot";
import { Msg, type RequestId, schemas } from "../../src/wire/requests.ts";

/** Inputs that are made together, from one seed. */
export const BLOCK = 500;

/** What the inputs may hit: users and groups have the ids 1 to this, and users the names `user1` and so on. */
export const KNOWN = 12;

/** Inputs number `block * BLOCK` and following. */
export function inputs(seed: number, block: number): Uint8Array[] {
  return fc.sample(input, { seed: (seed + block * 7919) | 0, numRuns: BLOCK });
}

const ABSENT = Symbol();
const encoder = new TextEncoder();

const NUMBERS = [0, -0, -1, 1.5, 100, 101, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 2 ** 63, 1e308, -1e308, 5e-324];
const TEXTS = [
  "",
  " ",
  "typing",
  "\0",
  "a\0b",
  "\ud800",
  "\udfff\ud800",
  "\ufeff",
  "\u202e\u200b",
  "\x1b[2J\x1b]0;t\x07",
  "\r\n",
  "' OR 1=1; DROP TABLE user; --",
  '"; DELETE FROM message; --',
  "%' UNION SELECT password FROM user --",
  "<script>alert(1)</script>",
  "__proto__",
  "constructor",
  "👩‍👩‍👧‍👦🏳️‍🌈",
  "Z̸̡͌a̷͚l̶g̵o̶",
  "ﷺ".repeat(50),
  "ß".repeat(256),
  "x".repeat(1024),
  "x".repeat(65_000),
];

const known = fc.integer({ min: 1, max: KNOWN });
const number = fc.oneof({ weight: 6, arbitrary: known }, { weight: 2, arbitrary: fc.constantFrom(...NUMBERS) }, fc.double(), fc.maxSafeInteger());
const text = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: "grapheme", maxLength: 60 }) },
  { weight: 2, arbitrary: fc.constantFrom(...TEXTS.slice(0, -2)) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 80 }) },
);
const longText = fc.oneof({ weight: 200, arbitrary: text }, fc.constantFrom(...TEXTS.slice(-2)));
const name = fc.oneof({ weight: 2, arbitrary: known.map((n) => `user${n}`) }, text);
const wrong = fc.oneof(fc.constantFrom(null, true, false, [], {}, [[]], [1]), text, number, fc.jsonValue({ maxDepth: 2 }), known.map(String));

/** What a field takes. */
type Type = "number" | "flag" | "list" | "emoji" | "word" | "text";

const WORDS = ["all", "joined", "moderators", "creator", "moderator", "normal"];

/** What goes into a field, mostly what should. A password costs a hash if it is well-formed, so most are not. */
function valueOf(field: string, type: Type): fc.Arbitrary<unknown> {
  if (type === "flag") return fc.boolean();
  if (type === "list") return fc.array(fc.oneof(number, name), { maxLength: 3 });
  if (type === "emoji") return fc.constantFrom("👍", "❤️", "🏳️‍🌈", "x");
  if (type === "word") return fc.constantFrom(...WORDS);
  if (type === "number") return field === "proto" ? fc.constantFrom(2, 3, 1, 99) : number;
  if (field === "password" || field === "old" || field === "new") {
    const weight = field === "password" ? 2000 : 30;
    return fc.oneof({ weight, arbitrary: fc.constantFrom<unknown>("", "\0", "ß".repeat(200), 1, null) }, fc.constant("secret"));
  }
  // A group that is new stays: not too many of them.
  if (field === "groupname") return fc.oneof({ weight: 100, arbitrary: known.map((n) => `group${n}`) }, text);
  if (field.endsWith("name")) return name;
  return field === "msg" ? longText : text;
}

/** A field, as it should be, ill-typed, or absent. */
function fieldOf(field: string, type: Type): fc.Arbitrary<unknown> {
  // Flags and lists are what most who send such a message leave out.
  const absent = type === "flag" || type === "list" ? 60 : 5;
  return fc.oneof({ weight: 42, arbitrary: valueOf(field, type) }, { weight: 3, arbitrary: wrong }, {
    weight: absent,
    arbitrary: fc.constant(ABSENT),
  });
}

/** The fields of a schema, and which type each has: every number may be 2. */
function fieldsOf(schema: unknown): [string, Type][] {
  const { entries } = schema as { entries: Record<string, v.GenericSchema> };
  return Object.entries(entries).map(([field, entry]) => [field, typeOf(entry)]);
}

function typeOf(entry: v.GenericSchema): Type {
  if (v.is(entry, 2)) return "number";
  if (v.is(entry, true)) return "flag";
  if (v.is(entry, [1]) || v.is(entry, ["x"])) return "list";
  if (v.is(entry, "typing")) return "text";
  return v.is(entry, "👍") ? "emoji" : WORDS.some((word) => v.is(entry, word)) ? "word" : "text";
}

const ref = fc.oneof({ weight: 3, arbitrary: fc.constant(ABSENT) }, { weight: 6, arbitrary: fc.nat() }, { weight: 2, arbitrary: text }, wrong);
const extra = fc.dictionary(
  fc.oneof(fc.constantFrom("__proto__", "constructor", "toString", "id", "name", "time", "seq", "ts", "errno"), text),
  wrong,
  {
    maxKeys: 3,
  },
);

function messageOf(msgid: RequestId): fc.Arbitrary<[string, unknown][]> {
  const fields = fieldsOf(schemas[msgid]);
  return fc.tuple(
    fc.oneof({ weight: 60, arbitrary: fc.constant<unknown>(msgid) }, number, wrong),
    ref,
    fc.tuple(...fields.map(([field, type]) => fieldOf(field, type))),
    fc.oneof({ weight: 15, arbitrary: fc.constant({}) }, extra),
  ).map(([id, r, values, more]): [string, unknown][] => [
    ["msgid", id],
    ...fields.map(([field], i): [string, unknown] => [field, values[i]]),
    ["ref", r],
    ...Object.entries(more),
  ]);
}

const ids = Object.keys(schemas).map(Number) as RequestId[];
const message = fc.oneof(...ids.map((id) => ({
  // Who is logged out says nothing that goes deep; the chats do.
  weight: id === Msg.LOGOUT ? 1 : id === Msg.CHAT || id === Msg.GROUP_CHAT ? 50 : 10,
  arbitrary: messageOf(id),
})));

/** Not through an object: fields may come twice, and in any order. */
const line = fc.tuple(message, fc.boolean()).map(([fields, backwards]) => {
  const there = fields.filter(([, value]) => value !== ABSENT);
  if (backwards) there.reverse();
  return `{${there.map(([field, value]) => `${JSON.stringify(field)}:${JSON.stringify(value)}`).join()}}`;
});

/** What is done to a line. `at`: where, from 0 to 1; `bytes`: with what. */
type Spoil = (line: string, at: number, bytes: Uint8Array) => string | Uint8Array;

const place = (line: string, at: number) => Math.floor(at * line.length);
const insert = (what: string): Spoil => (line, at) => line.slice(0, place(line, at)) + what + line.slice(place(line, at));

const spoils: { weight: number; spoil: Spoil }[] = [
  { weight: 800, spoil: (line) => line },
  { weight: 30, spoil: (line, at) => line.slice(0, place(line, at)) },
  { weight: 10, spoil: (line, at) => line.slice(place(line, at)) },
  ...["\0", "\r", "\n", "\r\n", "\t", "\\", '"', "{", "}", ",", ":", "\ufeff", "\u2028"].map((what) => ({ weight: 4, spoil: insert(what) })),
  ...["1e999", "-0", "01", "0x10", "NaN", "1e-400", "9".repeat(400), "true", "[[[[]]]]"].map((what) => ({
    weight: 3,
    spoil: (line: string) => line.replace(/(?<=:)-?\d[\d.e+-]*/, what),
  })),
  { weight: 5, spoil: (line) => line + line },
  { weight: 5, spoil: (line) => `[${line}]` },
  { weight: 3, spoil: (line, at) => line.replace(/}$/, `,"x":${"[".repeat(at * 30_000)}${"]".repeat(at * 30_000)}}`) },
  { weight: 2, spoil: (_, at) => '{"a":'.repeat(at * 12_000) },
  { weight: 10, spoil: (_line, _at, bytes) => bytes.filter((byte) => byte < 0x80) },
  { weight: 10, spoil: () => " \t " },
  // Each of these ends the connection.
  { weight: 1, spoil: (_line, _at, bytes) => bytes },
  { weight: 1, spoil: (line, at, bytes) => Uint8Array.of(...encoder.encode(line.slice(0, place(line, at))), 0xc3, 0x28, ...bytes) },
  { weight: 1, spoil: (line, at) => line + " ".repeat(131_072 * at) },
];
const spoil = fc.oneof(...spoils.map(({ weight, spoil }) => ({ weight, arbitrary: fc.constant(spoil) })));
const end = fc.oneof({ weight: 88, arbitrary: fc.constant("\n") }, { weight: 6, arbitrary: fc.constant("\r\n") }, {
  weight: 4,
  arbitrary: fc.constant("\0"),
}, fc.constant(""));

const input = fc.tuple(line, spoil, fc.double({ min: 0, max: 1, noNaN: true }), fc.uint8Array({ maxLength: 60 }), end).map(
  ([line, spoil, at, bytes, end]) => {
    const spoilt = spoil(line, at, bytes);
    return typeof spoilt === "string" ? encoder.encode(spoilt + end) : Uint8Array.of(...spoilt, ...encoder.encode(end));
  },
);
