/** What a conversation is on the page, and how messages come into it. Plain values and pure functions: whoever changes one makes a new one. */
import type { ChatMessage, FileTold, GroupEvent, Reaction, Target } from "../../client/natter_client.ts";

/** A conversation: with the user, or of the group, of that number. */
export type Key = `u${number}` | `g${number}`;

/** A message as it is shown, or something that happened in a group. */
export interface Line {
  /** Its place in the conversation. 0: it has none yet, for it is on its way. */
  messageid: number;
  mid?: string | undefined;
  /** The sender. */
  id: number;
  name: string;
  msg: string;
  /** One's own have no `url` before the server has told it. */
  files?: readonly FileTold[] | undefined;
  /** Milliseconds since the epoch. */
  ts: number;
  state: "stored" | "sending" | "failed";
  /** Why it failed. */
  errno?: number;
  /** The message that it answers. */
  reply?: number | undefined;
  /** Nobody was notified of it. */
  silent?: boolean | undefined;
  /** When its text was changed last (ms since the epoch). */
  edited?: number | undefined;
  /** Its text is gone. */
  deleted?: true | undefined;
  /** What readers have put to it. */
  reactions?: readonly Reaction[] | undefined;
  /** It is no message: this happened. */
  event?: GroupEvent | undefined;
  /** When `reactions` changed last, as {@linkcode moment} counts: a page that was asked for before does not know of it. */
  touched?: number;
}

/** What the list shows of a conversation's newest message. */
export interface Last {
  messageid: number;
  id: number;
  name: string;
  /** Its beginning. */
  msg: string;
  files?: readonly Pick<FileTold, "type">[] | undefined;
  ts: number;
  edited?: number | undefined;
}

export interface Conversation {
  key: Key;
  /** Of the other one, or of the group. */
  name: string;
  last?: Last | undefined;
  /** How many texts of others stand behind `read`; the server counts up to {@linkcode MOST_UNREAD}. */
  unread: number;
  /** Unread messages of a group that speak to the user (messageid). */
  mentions: readonly number[];
  /** Up to where the user has read, on whatever device (messageid). */
  read: number;
  /** Up to which message `unread` counts. */
  counted: number;
  /** Up to where the other one has read, if the user may know. */
  peerread: number;
  /** No notifications until then (ms since the epoch). */
  muted: number;
  /** It stands above the others. */
  pinned: boolean;
  /** It stands apart from the others, and disturbs nobody. */
  archived: boolean;
  /** Messages above this were new when the user came to look: a line is drawn there. */
  divider?: number | undefined;
  /** An unbroken run of stored messages, up to the newest unless `moreafter`. */
  lines: readonly Line[];
  /** Messages of one's own that are not stored, in their order. */
  own: readonly Line[];
  /** `lines` are of before: there may be gaps, and some may be gone since. What the server says takes their place. */
  kept: boolean;
  /** Whether messages are here. */
  history: "unknown" | "loading" | "loaded" | "failed";
  /** Whether there are older messages than `lines`, and newer ones. */
  more: boolean;
  moreafter: boolean;
  /** Whether they are being fetched, or could not be. */
  older: Fetching;
  newer: Fetching;
  /** Messages that are answered here and are not among `lines`; null: they cannot be had. */
  quoted: ReadonlyMap<number, Line | null>;
  /** A message that is to be brought to the screen, as often as this is another object. */
  target?: { messageid: number } | undefined;
  /** What is being written: an answer to a message, or another text for it. */
  writing?: { what: "reply" | "edit"; line: Line } | undefined;
}

type Fetching = "idle" | "loading" | "failed";

/** So far the server counts unread messages. */
export const MOST_UNREAD = 100;
/** Messages of one sender that follow each other within this time (ms) stand together. */
const TOGETHER_MS = 5 * 60_000;

export function newConversation(key: Key, name: string): Conversation {
  const marks = { unread: 0, mentions: [], read: 0, counted: 0, peerread: 0, muted: 0, pinned: false, archived: false };
  return { key, name, ...marks, ...NO_LINES, own: [], quoted: new Map() };
}

/** A conversation of which no messages are here. */
export const NO_LINES = { lines: [], kept: false, history: "unknown", more: false, moreafter: false, older: "idle", newer: "idle" } as const;

let moments = 0;

/** Counts what happens to messages. */
export function moment(): number {
  return ++moments;
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

/** The conversation that a message, what is done to one, or a read mark belongs to, for the user `me`. */
export function keyOf({ id, toid, groupid }: Pick<ChatMessage, "id" | "toid" | "groupid">, me: number): Key {
  if (groupid !== undefined) return `g${groupid}`;
  return `u${id === me ? toid! : id}`;
}

export function lineOf({ messageid, mid, id, name, msg, files, ts, reply, silent, edited, deleted, reactions }: ChatMessage): Line {
  return { messageid, mid, id, name, msg, files, ts, reply, silent, edited, deleted, reactions, state: "stored" };
}

/** What happened in a group, in its place. */
export function lineOfEvent(event: GroupEvent): Line {
  const { messageid, id, name, ts } = event;
  return { messageid, id, name, ts, msg: "", state: "stored", event };
}

/** Whether there is something to read in it. */
export function hasText({ deleted, event }: Line): boolean {
  return !deleted && !event;
}

/** Whether nobody is to be told of what comes here. */
export function isMuted({ muted, archived }: Conversation): boolean {
  return archived || muted > Date.now();
}

/** What the list shows: the newest message, on its way or stored. */
export function newestOf({ own, last }: Conversation): Last | undefined {
  const mine = own.at(-1);
  return mine && mine.ts >= (last?.ts ?? 0) ? mine : last;
}

/** What stands in the conversation, from above to below. `id` is its own, and stays. */
export type Row =
  | { kind: "date"; id: string; ts: number }
  | { kind: "divider"; id: string }
  | { kind: "event"; id: string; event: GroupEvent }
  /** `first` and `last` of those that stand together. */
  | { kind: "message"; id: string; line: Line; first: boolean; last: boolean };

/** Messages with what stands between them: dates, and the line above what is new. */
export function rowsOf({ lines, own, divider, more, moreafter }: Conversation): Row[] {
  const rows: Row[] = [];
  let before: Line | undefined;
  let open: Extract<Row, { kind: "message" }> | undefined;
  // What is on its way comes behind the newest, which may not be here.
  for (const line of moreafter ? lines : [...lines, ...own]) {
    const newDay = before === undefined || !sameDay(before.ts, line.ts);
    const newHere = divider !== undefined && line.messageid > divider && (before === undefined ? !more : before.messageid <= divider);
    const first = newDay || newHere || before?.id !== line.id || before.event !== undefined || line.ts - before.ts > TOGETHER_MS;
    if (open && !first) open.last = false;
    if (newDay) rows.push({ kind: "date", id: `d${line.mid ?? line.messageid}`, ts: line.ts });
    if (newHere) rows.push({ kind: "divider", id: "divider" });
    before = line;
    if (line.event) {
      rows.push({ kind: "event", id: `${line.messageid}`, event: line.event });
      open = undefined;
      continue;
    }
    // By mid, so that a message on its way is the same row when it is stored.
    open = { kind: "message", id: line.mid ? `${line.id} ${line.mid}` : `${line.messageid}`, line, first, last: true };
    rows.push(open);
  }
  return rows;
}

function sameDay(a: number, b: number): boolean {
  return Math.abs(a - b) < 86_400_000 && new Date(a).getDate() === new Date(b).getDate();
}
