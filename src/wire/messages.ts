/** The messages a client may send: the schema of each. What the dispatcher does with them stands in its own table. */
import * as v from "valibot";
import { Msg } from "./msgid.ts";
import { faultOfName } from "./names.ts";

export { Msg };

/** Most characters of a group's description; the course's column is as wide. */
export const MAX_GROUPDESC = 200;
/** Most bytes of a password. */
export const MAX_PASSWORD = 256;
/** Most bytes of a `mid`. */
export const MAX_MID = 64;
/** Most characters of a `ref`. */
export const MAX_REF = 64;
/** Most characters of a signal. */
export const MAX_SIGNAL = 1024;
/** Most users in one USERS, most members in one MEMBERS. */
export const MAX_USERS = 100, MAX_MEMBERS = 200;
/** Most characters of a text that is looked for, most messages in one answer. */
export const MAX_SEARCH = 100, MAX_FOUND = 50;
/** Most characters of a name that is looked for. */
const MAX_LOOKUP = 200;

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
/** A name that is looked for, not made: any that does not cost much will do, it is found or not. */
const lookup = string((text) => text === "" ? "is empty" : characters(MAX_LOOKUP)(text));
const secret = string(bytes(MAX_PASSWORD));
const msg = filled;
const mid = v.optional(string(bytes(MAX_MID)));
const flag = v.custom<boolean>((value) => typeof value === "boolean", "must be true or false");

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
  [Msg.REGISTER]: v.object({ name, password: secret }),
  [Msg.CHAT]: v.pipe(v.object({ toid: v.optional(id), toname: v.optional(lookup), msg, mid }), oneOf("toid", "toname")),
  [Msg.ADD_FRIEND]: v.pipe(v.object({ friendid: v.optional(id), friendname: v.optional(lookup) }), oneOf("friendid", "friendname")),
  [Msg.CREATE_GROUP]: v.object({ groupname: name, groupdesc: string(characters(MAX_GROUPDESC)) }),
  [Msg.JOIN_GROUP]: v.pipe(v.object({ groupid: v.optional(id), groupname: v.optional(lookup) }), oneOf("groupid", "groupname")),
  [Msg.GROUP_CHAT]: v.object({ groupid: id, msg, mid }),
  [Msg.RECEIVED]: v.object({ seq }),
  [Msg.PING]: nothing,
  [Msg.PONG]: nothing,
  [Msg.HISTORY]: v.pipe(
    v.object({
      toid: v.optional(id),
      toname: v.optional(lookup),
      groupid: v.optional(id),
      before: v.optional(id),
      limit: v.optional(integer(1, "must be an integer, 1 to 100", 100), 50),
    }),
    oneOf("toid", "toname", "groupid"),
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
  [Msg.MEMBERS]: v.object({
    groupid: id,
    after: v.optional(seq, 0),
    limit: v.optional(v.pipe(id, v.maxValue(MAX_MEMBERS, `must be 1 to ${MAX_MEMBERS}`)), 100),
  }),
  [Msg.DEVICES]: nothing,
  [Msg.REMOVE_DEVICE]: v.object({ device: seq }),
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
