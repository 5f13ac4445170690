// What a deed (EDIT, DELETE, REACT) does to its message: the same on both databases, which find the message, and write what comes of it.

import type { Acted, Deed, Done, GroupId, Reaction, StoredMessage, UserId } from "./store.ts";

/** A message to which more was done than that is not looked through when it is old: what was done to it goes first. */
export const MUCH_DONE = 100;

/** What `message.kind` says of a deed. */
export const KINDS = { edit: 1, delete: 2, react: 3 } as const;
/** Different reactions of a message, at most. */
const MOST_REACTIONS = 20;

/** A message, as far as deeds concern it. */
export interface Target {
  /** Its number. */
  messageid: number;
  /** Who sent it. */
  sender: UserId;
  /** To whom; null: to a group. */
  toid: UserId | null;
  /** To which group; null: to a user. */
  groupid: GroupId | null;
  /** When it was sent (ms). */
  ts: number;
  /** What it says now. */
  msg: string;
  /** When its text was changed last (ms); null: never. */
  edited: number | null;
  /** Its text is gone. */
  deleted: boolean;
  /** What readers have put to it. */
  reactions: Reaction[];
}

/** What the one who does something is to a message. */
export interface Doer {
  /** May see it. */
  visible: boolean;
  /** May delete what others said there: creator or moderator of its group. */
  moderator: boolean;
  /** May not write there: only moderators do. */
  silenced: boolean;
  /** The other one of the two takes nothing from them. */
  blocked: boolean;
  /** Has put to it what the deed is about. */
  reacted: boolean;
}

/** What of a deed is not its target's. */
export type Kind = { what: "edit" } | { what: "delete" } | { what: "react"; emoji: string; off: boolean };

/** What a deed changes about its target. */
type Changes = Partial<Pick<Target, "msg" | "edited" | "deleted" | "reactions">>;

/** The other one of a conversation of two; oneself, if it is a note. */
export function peerOf({ sender, toid }: Pick<Target, "sender" | "toid">, by: UserId): UserId {
  return sender === by ? toid! : sender;
}

/** What was done, as its target says it now. */
export function told(target: Target, by: UserId, deed: Kind): Done {
  const { messageid, toid, groupid, msg, edited, deleted, reactions } = target;
  const place = toid === null ? { groupid: groupid! } : { toid: peerOf(target, by) };
  const done = { id: by, ...place, messageid };
  if (deed.what === "delete") return { ...done, what: "delete" };
  if (deleted) return { ...done, what: deed.what, deleted: true };
  if (deed.what === "edit") return { ...done, what: "edit", msg, edited: edited! };
  return { ...done, what: "react", emoji: deed.emoji, off: deed.off, reactions };
}

/** The message without all that it says. */
export function stoneOf({ edited: _, files: __, ...message }: StoredMessage): StoredMessage {
  return { ...message, msg: "", deleted: true };
}

/** What comes of a deed; undefined: there is no such message. An answer: it changes nothing. */
export function decide(found: { target: Target; doer: Doer } | undefined, deed: Deed): Acted | { changed: Target } {
  if (!found) return { errno: "NO_MESSAGE" };
  const { target, doer } = found;
  const errno = refusal(target, doer, deed);
  if (errno) return { errno };
  const changes = changesOf(target, doer, deed);
  if (changes === "FULL") return { errno: "FULL" };
  if (changes) return { changed: { ...target, ...changes } };
  return { errno: "OK", done: told({ ...target, edited: target.edited ?? target.ts }, deed.by, deed), receivers: [] };
}

/** Why it cannot be done; undefined: it can. */
function refusal(target: Target, doer: Doer, { by, what }: Deed): Exclude<Acted, { errno: "OK" }>["errno"] | undefined {
  const own = target.sender === by;
  if (!doer.visible && !(own && what === "delete")) return "NO_MESSAGE";
  if (what === "edit" && !own) return "NOT_YOURS";
  if (what === "delete") return own || doer.moderator ? undefined : "NOT_YOURS";
  if (target.deleted) return "NO_MESSAGE";
  if (what === "edit" && doer.silenced) return "MODERATORS_ONLY";
  if (doer.blocked) return "BLOCKED";
}

/** What it changes; undefined: nothing. */
function changesOf({ msg, edited, deleted, ts, reactions }: Target, { reacted }: Doer, deed: Deed): Changes | "FULL" | undefined {
  if (deed.what === "edit") return deed.msg === msg ? undefined : { msg: deed.msg, edited: Math.max(deed.at, (edited ?? ts) + 1) };
  if (deed.what === "delete") return deleted ? undefined : { msg: "", edited: null, deleted: true, reactions: [] };
  const { emoji, off } = deed;
  if (reacted !== off) return undefined;
  const known = reactions.find((reaction) => reaction.emoji === emoji);
  if (!known && reactions.length >= MOST_REACTIONS) return "FULL";
  const counted = known
    ? reactions.map((reaction) => reaction === known ? { emoji, count: known.count + (off ? -1 : 1) } : reaction)
    : [...reactions, { emoji, count: 1 }];
  return { reactions: counted.filter(({ count }) => count > 0) };
}

/** What a message's row says of its reactions. */
export function reactionsOf(column: string | null): Reaction[] {
  return column === null ? [] : (JSON.parse(column) as [string, number][]).map(([emoji, count]) => ({ emoji, count }));
}

/** The column of these reactions. */
export function reactionColumn(reactions: readonly Reaction[]): string | null {
  return reactions.length === 0 ? null : JSON.stringify(reactions.map(({ emoji, count }) => [emoji, count]));
}
