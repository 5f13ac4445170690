/** Messages to clients that are encoded often. */
import { Msg } from "./msgid.ts";

let second = -1;
let formatted = "";

/** `YYYY-MM-DD HH:MM:SS` in UTC. */
function formatTime(ts: number): string {
  const now = Math.floor(ts / 1000);
  if (now !== second) {
    second = now;
    formatted = new Date(ts).toISOString().slice(0, 19).replace("T", " ");
  }
  return formatted;
}

/** The fields of a CHAT or GROUP_CHAT to a receiver, but for `seq`. */
export interface ChatFields {
  /** Its number; rises within a conversation. */
  messageid: number;
  /** The sender. */
  id: number;
  /** The sender's name. */
  name: string;
  /** The receiver. */
  toid?: number | undefined;
  /** The group it went to. */
  groupid?: number | undefined;
  /** What it says. */
  msg: string;
  /** When it was sent (ms since the epoch). */
  ts: number;
  /** The sender's own name for it. */
  mid?: string | undefined;
  /** The message that it answers. */
  reply?: number | undefined;
  /** Nobody is to be disturbed by it. */
  silent?: boolean | undefined;
  /** When its text was changed last (ms since the epoch). */
  edited?: number | undefined;
  /** Its text is gone. */
  deleted?: true | undefined;
  /** Its files. */
  files?: readonly FileFields[] | undefined;
  /** What readers have put to it. */
  reactions?: readonly ReactionFields[] | undefined;
}

/** A file of a message. */
export interface FileFields {
  /** Its number. */
  id: number;
  /** As it is called. */
  name: string;
  /** What its bytes are, as a media type. */
  type: string;
  /** Bytes. */
  size: number;
  /** Of a picture (pixels). */
  width?: number | undefined;
  /** The same. */
  height?: number | undefined;
  /** The path of its address. */
  url: string;
}

/** A reaction, and by how many. */
export interface ReactionFields {
  /** One emoji. */
  emoji: string;
  /** By how many. */
  count: number;
  /** The asker is one of them. */
  mine?: true | undefined;
}

/** The fields of an EDIT, DELETE or REACT to those who may see its message, but for `seq`. */
export interface DoneFields {
  /** Which of them. */
  what: "edit" | "delete" | "react";
  /** Who did it. */
  id: number;
  /** Between two: the other one. */
  toid?: number | undefined;
  /** The group it stands in. */
  groupid?: number | undefined;
  /** The message that it was done to. */
  messageid: number;
  /** What that says now. */
  msg?: string | undefined;
  /** When its text was changed last (ms since the epoch). */
  edited?: number | undefined;
  /** What was put to it, or taken away. */
  emoji?: string | undefined;
  /** It was taken away. */
  off?: boolean | undefined;
  /** What readers have put to it. */
  reactions?: readonly ReactionFields[] | undefined;
  /** It was deleted by now. */
  deleted?: true | undefined;
}

/** The fields of a GROUP_EVENT to those who may know of it, but for `seq`. */
export interface EventFields {
  /** What happened. */
  what: "joined" | "left" | "kicked" | "role" | "updated" | "invited";
  /** In which group. */
  groupid: number;
  /** What that was called. */
  groupname: string;
  /** Whom it is about. */
  id: number;
  /** That one's name. */
  name: string;
  /** Who did it, if another did. */
  by?: number | undefined;
  /** That one's name. */
  byname?: string | undefined;
  /** What the one it is about is in the group now. */
  role?: string | undefined;
  /** What was updated. */
  group?: object | undefined;
  /** How many members the group had then. */
  count: number;
  /** When (ms since the epoch). */
  ts: number;
  /** Its number, as of a message. */
  messageid: number;
}

/** An entry of a log: a message, what was done to one, or what happened in a group. */
export type EntryFields = ChatFields & { what?: undefined } | DoneFields | EventFields;

const DONE = { edit: Msg.EDIT, delete: Msg.DELETE, react: Msg.REACT } as const;

/** A message as a plain object, in the order of the protocol's table; without `seq` as in HISTORY. */
export function chatMessage(m: ChatFields): Record<string, unknown> {
  const message = m.deleted ? withoutText(m) : plainMessage(m);
  if (m.reply !== undefined) message.reply = m.reply;
  if (m.silent) message.silent = true;
  if (m.files !== undefined) message.files = m.files;
  if (m.edited !== undefined) message.edited = m.edited;
  if (m.deleted) message.deleted = true;
  if (m.reactions !== undefined) message.reactions = m.reactions;
  return message;
}

/** The same as clients of 0.1 are told it: their text says where its files are. @param server how it is reached over HTTP, such as `https://chat.example.org` */
export function oldChatMessage(m: ChatFields, server: string): Record<string, unknown> {
  return m.files === undefined ? plainMessage(m) : plainMessage({ ...m, msg: [m.msg, ...m.files.map(({ url }) => server + url)].join("\n").trim() });
}

function plainMessage({ id, name, toid, groupid, msg, ts, messageid, mid }: ChatFields): Record<string, unknown> {
  // What is undefined is left out of the JSON.
  return { msgid: groupid === undefined ? Msg.CHAT : Msg.GROUP_CHAT, id, name, toid, groupid, msg, time: formatTime(ts), ts, messageid, mid };
}

function withoutText(m: ChatFields): Record<string, unknown> {
  const { msg: _, ...message } = plainMessage(m);
  return message;
}

/** What was done to a message, as a plain object, in the order of the protocol's table. */
function doneMessage(
  { what, id, toid, groupid, messageid, msg, edited, emoji, off, reactions, deleted }: DoneFields,
): Record<string, unknown> {
  const about = { msgid: DONE[what], id, ...(groupid === undefined ? { toid } : { groupid }), messageid };
  if (what === "delete") return about;
  if (deleted) return { ...about, deleted };
  return what === "edit" ? { ...about, msg, edited } : { ...about, emoji, ...(off ? { off } : {}), reactions };
}

/** What happened in a group, as a plain object, in the order of the protocol's table; without `seq` as in HISTORY. */
export function groupEvent(e: EventFields): Record<string, unknown> {
  const { groupid, groupname, what, id, name, by, byname, role, group, count, ts, messageid } = e;
  return { msgid: Msg.GROUP_EVENT, groupid, groupname, what, id, name, by, byname, role, group, count, ts, messageid };
}

/**
 * A line for a receiver up to its `seq`, behind which {@linkcode entryEnd} comes: a group's message is encoded once for all its members. `old`: what clients of 0.1 are
 * sent instead, if it is something else; null: nothing.
 */
export interface EntryHead {
  /** The line, up to its `seq`. */
  head: string;
  /** The same for clients of 0.1. */
  old?: string | null | undefined;
}

/** An entry of a log as a line, up to its `seq`. @param server as in {@linkcode oldChatMessage} */
export function entryHead(entry: EntryFields, server: string): EntryHead {
  if (entry.what !== undefined) return doneHead(entry);
  const { reply, silent, edited, deleted, files } = entry;
  const head = headOf(chatMessage(entry));
  if (deleted) return { head, old: null };
  const same = reply === undefined && !silent && edited === undefined && files === undefined;
  return same ? { head } : { head, old: headOf(oldChatMessage(entry, server)) };
}

/** What was done to a message, or happened in a group, as a line, up to its `seq`. */
export function doneHead(done: DoneFields | EventFields): EntryHead {
  return { head: headOf(isEvent(done) ? groupEvent(done) : doneMessage(done)), old: null };
}

function isEvent(entry: DoneFields | EventFields): entry is EventFields {
  return !(entry.what in DONE);
}

function headOf(message: Record<string, unknown>): string {
  return JSON.stringify(message).slice(0, -1) + ',"seq":';
}

/** What ends the line for the receiver with this `seq`, with its LF. */
export function entryEnd(seq: number): string {
  return seq + "}\n";
}

/** What a SIGNAL carries, and to whom. */
export interface SignalFields {
  /** The receiver. */
  toid?: number | undefined;
  /** The group it goes to. */
  groupid?: number | undefined;
  /** What was said. */
  msg?: string | undefined;
}

/**
 * A SIGNAL as a line without its LF.
 *
 * @param plain `msg` came in JSON without a backslash: then nothing in it needs one, and quoting it is all there is to do, which is half of the work
 */
export function signalLine(from: number, { toid, groupid, msg }: SignalFields, plain: boolean): string {
  const to = groupid === undefined ? ',"toid":' + toid : ',"groupid":' + groupid;
  const said = msg === undefined ? "}" : plain ? ',"msg":"' + msg + '"}' : ',"msg":' + JSON.stringify(msg) + "}";
  return SIGNAL + from + to + said;
}
const SIGNAL = `{"msgid":${Msg.SIGNAL},"id":`;
