/** Messages to clients that are encoded often. */
import { Msg } from "./msgid.ts";

let second = -1;
let formatted = "";

/** `YYYY-MM-DD HH:MM:SS` in UTC. */
export function formatTime(ts: number): string {
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
  /** What was said. */
  msg: string;
  /** When it was sent (ms since the epoch). */
  ts: number;
  /** The sender's own name for it. */
  mid?: string | undefined;
}

/** The same as a plain object, in the order of the protocol's table; without `seq` as in HISTORY. */
export function chatMessage(m: ChatFields): Record<string, unknown> {
  return {
    msgid: m.groupid === undefined ? Msg.CHAT : Msg.GROUP_CHAT,
    id: m.id,
    name: m.name,
    ...(m.groupid === undefined ? { toid: m.toid } : { groupid: m.groupid }),
    msg: m.msg,
    time: formatTime(m.ts),
    ts: m.ts,
    messageid: m.messageid,
    ...(m.mid === undefined ? {} : { mid: m.mid }),
  };
}

/** A line for a receiver up to its `seq`, which {@linkcode chatLine} adds: a group's message is encoded once for all its members. */
export function chatHead(m: ChatFields): string {
  return JSON.stringify(chatMessage(m)).slice(0, -1) + ',"seq":';
}

/** The line for the receiver with this `seq`, with its LF. */
export function chatLine(head: string, seq: number): string {
  return head + seq + "}\n";
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
