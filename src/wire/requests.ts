/** The messages a client may send: the schema of each. What the dispatcher does with them stands in its own table. */
import * as v from "valibot";
import { mixesScripts } from "./looks.ts";
import { Msg } from "./msgid.ts";
import { faultOfName } from "./names.ts";

export { Msg };

/** Most characters of a group's description; the course's column is as wide. */
const MAX_GROUPDESC = 200;
/** Most characters of what users say of themselves, and of why they report a message. */
export const MAX_ABOUT = 200, MAX_REASON = 500;
/** Most bytes of a password. */
export const MAX_PASSWORD = 256;
/** Most bytes of a `mid`. */
const MAX_MID = 64;
/** Most characters of a `ref`. */
const MAX_REF = 64;
/** Most characters of a signal. */
const MAX_SIGNAL = 1024;
/** Most files of a message. */
export const MAX_FILES = 10;
/** Most users in one USERS. */
const MAX_USERS = 100;
/** Most members in one MEMBERS. */
const MAX_MEMBERS = 200;
/** Most characters of a text that is looked for, most messages in one answer. */
const MAX_SEARCH = 100, MAX_FOUND = 50;
/** Most conversations in one answer. */
const MAX_CONVERSATIONS = 100;
/** Most characters of a name that is looked for. */
const MAX_LOOKUP = 200;
/** Most bytes of an endpoint of Web Push. */
const MAX_ENDPOINT = 1000;
/** No emoji is longer. */
const MAX_EMOJI = 64;

const encoder = new TextEncoder();
/** SQLite cuts strings at U+0000, and a lone surrogate has no UTF-8. */
const isSound = (text: string) => !text.includes("\0") && text.isWellFormed();

// Each field is one check, not a pipe of several: half the time of a schema (docs/performance.md).
function integer(least: number, message: string, most: number = Number.MAX_SAFE_INTEGER) {
  return v.custom<number>((value) => Number.isSafeInteger(value) && value as number >= least && value as number <= most, message);
}
const id = integer(1, "must be a positive integer");
const seq = integer(0, "must be an integer, 0 or more");

/** A sound string. `fault`: what else may be wrong with it; undefined: nothing. */
function string(fault: (text: string) => string | undefined) {
  const faultOf = (value: unknown) =>
    typeof value !== "string" ? "must be a string" : isSound(value) ? fault(value) : "has U+0000 or a lone surrogate";
  return v.custom<string>((value) => faultOf(value) === undefined, ({ input }) => faultOf(input)!);
}
const filled = string((text) => text === "" ? "is empty" : undefined);
// No character takes more than two units, and no unit more than three bytes, so that they are counted only in between.
const characters = (most: number) => (text: string) =>
  text.length > most && (text.length > most * 2 || [...text].length > most) ? `has more than ${most} characters` : undefined;
const bytes = (most: number) => (text: string) =>
  text === "" ? "is empty" : text.length * 3 > most && encoder.encode(text).length > most ? `has more than ${most} bytes` : undefined;
const name = string(faultOfName);
/** A name by which others know somebody, or something: it must not look like another's. */
const known = string((text) => faultOfName(text) ?? (mixesScripts(text) ? "mixes letters of several scripts" : undefined));
/** A name that is looked for, not made: any that does not cost much will do, it is found or not. */
const lookup = string((text) => text === "" ? "is empty" : characters(MAX_LOOKUP)(text));
const secret = string(bytes(MAX_PASSWORD));
const groupdesc = string(characters(MAX_GROUPDESC));
const msg = filled;
const mid = v.optional(string(bytes(MAX_MID)));
const flag = v.custom<boolean>((value) => typeof value === "boolean", "must be true or false");
/** One of these words. */
function word<T extends string>(...words: T[]) {
  return v.custom<T>((value) => words.includes(value as T), `must be ${words.join(" or ")}`);
}
// Made when first needed: as a literal it would cost 12 ms at every start.
let emojiPattern: RegExp | undefined;
const isEmoji = (text: string) => text.length <= MAX_EMOJI && (emojiPattern ??= new RegExp("^\\p{RGI_Emoji}$", "v")).test(text);
const emoji = string((text) => isEmoji(text) ? undefined : "must be one emoji");

/** A list of 1 to {@linkcode MAX_USERS} of them. */
function listOf<T>(what: string, item: v.GenericSchema<T, T>) {
  return v.custom<T[]>(
    (value) => Array.isArray(value) && value.length > 0 && value.length <= MAX_USERS && value.every((one) => v.is(item, one)),
    `must be an array of 1 to ${MAX_USERS} ${what}`,
  );
}

/** At least one of the fields must be there; the error names all of them. */
function oneOf<T extends Record<string, unknown>>(...fields: (keyof T & string)[]) {
  return v.check<T, string>((value) => fields.some((field) => value[field] !== undefined), `${fields.join(" or ")} is missing`);
}

/** No two of the fields may be there. */
function atMostOne<T extends Record<string, unknown>>(...fields: (keyof T & string)[]) {
  const count = (value: T) => fields.filter((field) => value[field] !== undefined).length;
  return v.check<T, string>((value) => count(value) <= 1, `${fields.join(", ")} exclude each other`);
}

/** Files that go with a message. */
const files = v.optional(v.custom<number[]>(
  (value) =>
    Array.isArray(value) && value.length > 0 && value.length <= MAX_FILES && value.every((one) => v.is(id, one)) &&
    new Set(value).size === value.length,
  `must be an array of 1 to ${MAX_FILES} different ids`,
));
const text = string(() => undefined);
/** Without files there must be text. */
function saysSomething<T extends { msg: string; files?: number[] | undefined }>() {
  return v.check<T, string>(({ msg, files }) => msg !== "" || files !== undefined, "msg is empty");
}

/** What a browser gives with an endpoint of Web Push, each in base64url. */
const pushKeys = v.custom<{ p256dh: string; auth: string }>((value) => {
  const { p256dh, auth } = value as { p256dh?: unknown; auth?: unknown } ?? {};
  return typeof p256dh === "string" && /^[\w-]{87}=?$/.test(p256dh) && typeof auth === "string" && /^[\w-]{22}(==)?$/.test(auth);
}, "must have p256dh and auth, a point of P-256 and 16 bytes in base64url");

/** A message without fields. */
const nothing = v.object({});

/** The schema of each msgid that a client may send. */
export const schemas = {
  [Msg.LOGIN]: v.pipe(
    v.object({
      id: v.optional(id),
      name: v.optional(lookup),
      password: v.optional(secret),
      // However long it is: a token that is not known reads like any other.
      token: v.optional(filled),
      proto: v.optional(integer(2, "must be an integer, 2 or more")),
      device: v.optional(name),
      takeover: v.optional(flag),
    }),
    oneOf("id", "name"),
    oneOf("password", "token"),
  ),
  [Msg.LOGOUT]: v.object({ id: v.optional(id) }),
  [Msg.REGISTER]: v.object({
    name: known,
    password: secret,
    // However long it is: a code that is not known reads like any other.
    invite: v.optional(filled),
  }),
  [Msg.CHAT]: v.pipe(
    v.object({ toid: v.optional(id), toname: v.optional(lookup), msg: text, mid, reply: v.optional(id), silent: v.optional(flag), files }),
    oneOf("toid", "toname"),
    saysSomething(),
  ),
  [Msg.ADD_FRIEND]: v.pipe(v.object({ friendid: v.optional(id), friendname: v.optional(lookup) }), oneOf("friendid", "friendname")),
  [Msg.CREATE_GROUP]: v.object({ groupname: known, groupdesc, private: v.optional(flag, false) }),
  [Msg.JOIN_GROUP]: v.pipe(
    // However long a code is: one that is not known reads like any other.
    v.object({ groupid: v.optional(id), groupname: v.optional(lookup), code: v.optional(filled) }),
    oneOf("groupid", "groupname", "code"),
  ),
  [Msg.GROUP_CHAT]: v.pipe(
    v.object({ groupid: id, msg: text, mid, reply: v.optional(id), silent: v.optional(flag), files }),
    saysSomething(),
  ),
  [Msg.RECEIVED]: v.object({ seq }),
  [Msg.PING]: nothing,
  [Msg.PONG]: nothing,
  [Msg.HISTORY]: v.pipe(
    v.object({
      toid: v.optional(id),
      toname: v.optional(lookup),
      groupid: v.optional(id),
      before: v.optional(id),
      after: v.optional(id),
      around: v.optional(id),
      limit: v.optional(integer(1, "must be an integer, 1 to 100", 100), 50),
    }),
    oneOf("toid", "toname", "groupid"),
    atMostOne("before", "after", "around"),
  ),
  [Msg.CONTACTS]: nothing,
  [Msg.REMOVE_FRIEND]: v.object({ friendid: id }),
  [Msg.LEAVE_GROUP]: v.object({ groupid: id }),
  [Msg.SIGNAL]: v.pipe(
    v.object({ toid: v.optional(id), groupid: v.optional(id), msg: v.optional(string(characters(MAX_SIGNAL))) }),
    oneOf("toid", "groupid"),
  ),
  [Msg.CHANGE_PASSWORD]: v.object({ old: secret, new: secret }),
  [Msg.BLOCK]: v.object({ userid: id }),
  [Msg.UNBLOCK]: v.object({ userid: id }),
  [Msg.EDIT]: v.object({ messageid: id, msg }),
  [Msg.DELETE]: v.object({ messageid: id }),
  [Msg.REACT]: v.object({ messageid: id, emoji, off: v.optional(flag, false) }),
  [Msg.READ]: v.pipe(v.object({ toid: v.optional(id), groupid: v.optional(id), messageid: id }), oneOf("toid", "groupid")),
  [Msg.CONVERSATIONS]: v.pipe(
    v.object({
      before: v.optional(id),
      beforegroup: v.optional(id),
      limit: v.optional(integer(1, `must be an integer, 1 to ${MAX_CONVERSATIONS}`, MAX_CONVERSATIONS), 50),
    }),
    atMostOne("before", "beforegroup"),
  ),
  [Msg.MEMBERS]: v.object({
    groupid: id,
    after: v.optional(seq, 0),
    limit: v.optional(v.pipe(id, v.maxValue(MAX_MEMBERS, `must be 1 to ${MAX_MEMBERS}`)), 100),
    banned: v.optional(flag, false),
  }),
  [Msg.DEVICES]: nothing,
  [Msg.REMOVE_DEVICE]: v.object({ device: seq }),
  [Msg.UPDATE_GROUP]: v.pipe(
    v.object({
      groupid: id,
      groupname: v.optional(known),
      groupdesc: v.optional(groupdesc),
      private: v.optional(flag),
      history: v.optional(word("all", "joined")),
      posting: v.optional(word("all", "moderators")),
    }),
    oneOf("groupname", "groupdesc", "private", "history", "posting"),
  ),
  [Msg.SET_ROLE]: v.object({ groupid: id, userid: id, role: word("creator", "moderator", "normal") }),
  [Msg.KICK]: v.object({ groupid: id, userid: id, ban: v.optional(flag, false) }),
  [Msg.UNBAN]: v.object({ groupid: id, userid: id }),
  [Msg.INVITE]: v.pipe(
    v.object({
      groupid: v.optional(id),
      userid: v.optional(id),
      uses: v.optional(integer(1, "must be an integer, 1 to 1000", 1000), 1),
      days: v.optional(integer(1, "must be an integer, 1 to 30", 30), 7),
    }),
    v.check(({ groupid, userid }) => groupid !== undefined || userid === undefined, "groupid is missing"),
  ),
  [Msg.REVOKE]: v.object({ groupid: id }),
  [Msg.PROFILE]: v.object({
    about: v.optional(string(characters(MAX_ABOUT))),
    receipts: v.optional(flag),
    avatar: v.optional(v.custom<number | "">((value) => value === "" || v.is(id, value), "must be a positive integer, or empty")),
  }),
  [Msg.USERS]: v.pipe(
    v.object({
      ids: v.optional(listOf("positive integers", id)),
      names: v.optional(listOf("names", lookup)),
      find: v.optional(string((text) => characters(50)(text) ?? ([...text].length < 2 ? "has less than 2 characters" : undefined))),
    }),
    oneOf("ids", "names", "find"),
  ),
  [Msg.SEARCH]: v.object({
    text: string((text) => text === "" ? "is empty" : characters(MAX_SEARCH)(text)),
    toid: v.optional(id),
    groupid: v.optional(id),
    from: v.optional(id),
    before: v.optional(id),
    limit: v.optional(integer(1, `must be an integer, 1 to ${MAX_FOUND}`, MAX_FOUND), 20),
  }),
  [Msg.DELETE_ACCOUNT]: v.object({ password: secret, messages: v.optional(flag, false) }),
  [Msg.MUTE]: v.pipe(
    v.object({
      toid: v.optional(id),
      groupid: v.optional(id),
      until: v.optional(seq),
      pinned: v.optional(flag),
      archived: v.optional(flag),
    }),
    oneOf("toid", "groupid"),
  ),
  [Msg.REPORT]: v.object({ messageid: id, reason: string((text) => text === "" ? "is empty" : characters(MAX_REASON)(text)) }),
  [Msg.HOOK]: v.object({ groupid: id, name: known, off: v.optional(flag, false) }),
  [Msg.PUSH]: v.pipe(
    v.object({
      endpoint: v.optional(string(bytes(MAX_ENDPOINT))),
      keys: v.optional(pushKeys),
      text: v.optional(flag, false),
      off: v.optional(flag, false),
    }),
    v.check(({ endpoint, keys }) => endpoint !== undefined || keys === undefined, "endpoint is missing"),
    v.check(({ endpoint, keys }) => endpoint === undefined || keys !== undefined, "keys is missing"),
    v.check(({ endpoint, off }) => endpoint === undefined || !off, "endpoint, off exclude each other"),
  ),
} as const;

/** A msgid that a client may send. */
export type RequestId = keyof typeof schemas;
/** The checked fields of a request. */
export type Request<M extends RequestId> = NonNullable<(typeof schemas)[M]["~types"]>["output"];

/** What carries an answer back to its request. */
export type Ref = number | string;

const refFault = characters(MAX_REF);

/** A `ref` that may be given back: an integer, or a sound string of at most 64 characters. */
export function isRef(ref: unknown): ref is Ref {
  return typeof ref === "number" ? Number.isSafeInteger(ref) : typeof ref === "string" && refFault(ref) === undefined && isSound(ref);
}

/** Checks the fields of a request; one that is null is absent. The string that comes back instead names the field and what is wrong with it. */
export function check<M extends RequestId>(msgid: M, fields: Record<string, unknown>): Request<M> | string {
  const schema: v.GenericSchema = schemas[msgid];
  // Idle clients send nothing else, by the thousand.
  if (schema === nothing) return {} as Request<M>;
  let result = v.safeParse(schema, fields, { abortEarly: true });
  // No field may be null, so what has one fails: only then is it looked for, and the others do not pay for it.
  if (!result.success && dropNulls(fields)) result = v.safeParse(schema, fields, { abortEarly: true });
  if (result.success) return result.output as Request<M>;
  const issue = result.issues[0];
  const field = issue.path?.map((p) => String(p.key)).join(".");
  if (!field) return issue.message;
  return issue.received === "undefined" ? `${field} is missing` : `${field} ${issue.message}`;
}

/** @returns whether there were any */
function dropNulls(fields: Record<string, unknown>): boolean {
  let any = false;
  for (const field in fields) {
    if (fields[field] !== null) continue;
    fields[field] = undefined;
    any = true;
  }
  return any;
}
