/** What a conversation is on the page, and how messages come into it. Plain values and pure functions: whoever changes one makes a new one. */
import type { ChatMessage, Target } from "../../client/natter_client.ts";

/** A conversation: with the user, or of the group, of that number. */
export type Key = `u${number}` | `g${number}`;

/** A message as it is shown. */
export interface Line {
  /** Its place in the conversation. 0: it has none yet, for it is on its way. */
  messageid: number;
  mid?: string | undefined;
  /** The sender. */
  id: number;
  name: string;
  msg: string;
  /** Milliseconds since the epoch. */
  ts: number;
  state: "stored" | "sending" | "failed";
  /** Why it failed. */
  errno?: number;
}

/** What the list shows of a conversation's newest message. */
export interface Last {
  messageid: number;
  id: number;
  name: string;
  /** Its beginning. */
  msg: string;
  ts: number;
}

export interface Conversation {
  key: Key;
  /** Of the other one, or of the group. */
  name: string;
  last?: Last | undefined;
  /** How many messages have come since the user looked. */
  unread: number;
  /** The last message that the user saw (messageid). */
  read: number;
  /** The last message that came in (messageid), seen or not. */
  heard: number;
  /** Messages above this were new when the user came to look: a line is drawn there. */
  divider?: number | undefined;
  /** An unbroken run of stored messages up to the newest, unless `history` is `unknown`. */
  lines: readonly Line[];
  /** Messages of one's own that are not stored, in their order. */
  own: readonly Line[];
  /** Whether the newest messages are here. */
  history: "unknown" | "loading" | "loaded" | "failed";
  /** Whether there are older messages than `lines`. */
  more: boolean;
  /** Whether they are being fetched, or could not be. */
  older: "idle" | "loading" | "failed";
}

/** How much of a message the list keeps (UTF-16 units). */
const PREVIEW = 160;
/** Messages of one sender that follow each other within this time (ms) stand together. */
const TOGETHER = 5 * 60_000;

export function newConversation(key: Key, name: string): Conversation {
  return { key, name, unread: 0, read: 0, heard: 0, lines: [], own: [], history: "unknown", more: false, older: "idle" };
}

export function isGroup(key: Key): boolean {
  return key[0] === "g";
}

/** The number of the user or group. */
export function numberOf(key: Key): number {
  return Number(key.slice(1));
}

/** Undefined: that is no key. */
export function parseKey(text: string): Key | undefined {
  return /^[ug][1-9]\d{0,15}$/.test(text) ? text as Key : undefined;
}

/** Where messages of this conversation go. */
export function targetOf(key: Key): { id: number } | { groupid: number } {
  return isGroup(key) ? { groupid: numberOf(key) } : { id: numberOf(key) };
}

/** The conversation a message is sent into; undefined: its receiver is known by name only. */
export function keyOfTarget(to: Target): Key | undefined {
  if ("groupid" in to) return `g${to.groupid}`;
  return "id" in to ? `u${to.id}` : undefined;
}

/** The conversation a message belongs to, for the user `me`. */
export function keyOf(message: ChatMessage, me: number): Key {
  if (message.groupid !== undefined) return `g${message.groupid}`;
  return `u${message.id === me ? message.toid! : message.id}`;
}

export function lineOf({ messageid, mid, id, name, msg, ts }: ChatMessage): Line {
  return { messageid, mid, id, name, msg, ts, state: "stored" };
}

/** What the list shows: the newest message, on its way or stored. */
export function newestOf({ own, last }: Conversation): Last | undefined {
  const mine = own.at(-1);
  return mine && mine.ts >= (last?.ts ?? 0) ? mine : last;
}

/** A stored message has come, by whatever way. It may be here already. */
export function withStored(c: Conversation, line: Line): Conversation {
  return {
    ...c,
    lines: c.history === "unknown" ? c.lines : merge(c.lines, [line]),
    own: withoutMids(c.own, [line]),
    last: later(c.last, line),
  };
}

/** A message of someone else's has come, which the user sees (`seen`) or not. */
export function withHeard(c: Conversation, { messageid }: Line, seen: boolean, open: boolean): Conversation {
  const heard = { ...c, heard: messageid };
  if (seen) return { ...heard, read: messageid };
  // The line goes above the first message that was not seen.
  const read = c.unread === 0 ? messageid - 1 : c.read;
  return { ...heard, read, unread: c.unread + 1, divider: open && c.unread === 0 ? read : c.divider };
}

/** The user wrote here on another device, and has read what came before. */
export function withWritten(c: Conversation, { messageid }: Line): Conversation {
  return { ...c, unread: 0, read: Math.max(c.read, messageid), divider: undefined };
}

/** A message of one's own is on its way, or has failed. */
export function withOwn(c: Conversation, line: Line): Conversation {
  const here = c.own.some((other) => other.mid === line.mid);
  return { ...c, own: here ? c.own.map((other) => other.mid === line.mid ? { ...line, ts: other.ts } : other) : [...c.own, line] };
}

/** A message of one's own that is not stored is given up. */
export function withoutOwn(c: Conversation, mid: string): Conversation {
  return { ...c, own: c.own.filter((line) => line.mid !== mid) };
}

/** The newest page of the history has come. */
export function withNewest(c: Conversation, page: readonly Line[], more: boolean): Conversation {
  const first = page[0]?.messageid ?? 0;
  // What was here before a long absence may not reach up to the page: then it goes.
  const touches = !more || c.lines.some((line) => line.messageid <= first);
  const kept = touches ? c.lines : c.lines.filter((line) => line.messageid > first);
  const older = touches && c.lines.length > 0 && c.lines[0].messageid < first;
  const newest = page.at(-1);
  return {
    ...c,
    lines: merge(kept, page),
    own: withoutMids(c.own, page),
    more: older ? c.more : more,
    history: "loaded",
    last: newest ? later(c.last, newest) : c.last,
  };
}

/** The page before the first line has come. */
export function withOlder(c: Conversation, page: readonly Line[], more: boolean): Conversation {
  return { ...c, lines: merge(page, c.lines), more, older: "idle" };
}

/** Lets go of all that came from the server: its numbers may mean other messages now. What is not stored stays. */
export function withoutPast({ key, name, own }: Conversation): Conversation {
  return { ...newConversation(key, name), own };
}

/** Lets go of the messages, keeping what the list shows. */
export function withoutLines(c: Conversation): Conversation {
  return { ...c, lines: [], history: "unknown", more: false, older: "idle" };
}

/** Both in the order of messageid, each once. */
function merge(a: readonly Line[], b: readonly Line[]): readonly Line[] {
  if (b.length === 0) return a;
  if (a.length === 0 || a.at(-1)!.messageid < b[0].messageid) return [...a, ...b];
  const all = new Map<number, Line>();
  // The first to come stays, so that what is shown need not be drawn again.
  for (const line of [...a, ...b]) if (!all.has(line.messageid)) all.set(line.messageid, line);
  return [...all.values()].sort((x, y) => x.messageid - y.messageid);
}

function withoutMids(own: readonly Line[], stored: readonly Line[]): readonly Line[] {
  if (own.length === 0) return own;
  const mids = new Set(stored.filter((line) => line.id === own[0].id).map((line) => line.mid));
  return own.filter((line) => !mids.has(line.mid));
}

function later(last: Last | undefined, { messageid, id, name, msg, ts }: Line): Last {
  if (last && last.messageid >= messageid) return last;
  return { messageid, id, name, msg: msg.slice(0, PREVIEW), ts };
}

/** What stands in the conversation, from above to below. `id` is its own, and stays. */
export type Row =
  | { kind: "date"; id: string; ts: number }
  | { kind: "divider"; id: string }
  /** `first` and `last` of those that stand together. */
  | { kind: "message"; id: string; line: Line; first: boolean; last: boolean };

/** Messages with what stands between them: dates, and the line above what is new. */
export function rowsOf({ lines, own, divider, more }: Conversation): Row[] {
  const rows: Row[] = [];
  let before: Line | undefined;
  let open: Extract<Row, { kind: "message" }> | undefined;
  for (const line of [...lines, ...own]) {
    const newDay = before === undefined || !sameDay(before.ts, line.ts);
    const newHere = divider !== undefined && line.messageid > divider && (before === undefined ? !more : before.messageid <= divider);
    const first = newDay || newHere || before?.id !== line.id || line.ts - before.ts > TOGETHER;
    if (open && !first) open.last = false;
    if (newDay) rows.push({ kind: "date", id: `d${line.mid ?? line.messageid}`, ts: line.ts });
    if (newHere) rows.push({ kind: "divider", id: "divider" });
    // By mid, so that a message on its way is the same row when it is stored.
    open = { kind: "message", id: line.mid ? `${line.id} ${line.mid}` : `${line.messageid}`, line, first, last: true };
    rows.push(open);
    before = line;
  }
  return rows;
}

function sameDay(a: number, b: number): boolean {
  return Math.abs(a - b) < 86_400_000 && new Date(a).getDate() === new Date(b).getDate();
}
