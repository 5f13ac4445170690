/** Conversations and their messages, as the server tells of them, and what is done to messages. */
import type { GroupEvent } from "./people.ts";

/** A conversation, by number. */
export type Place = { id: number } | { groupid: number };

/** A message as HISTORY shows it. Exactly one of `toid` and `groupid` is set. */
export interface ChatMessage {
  /** Its number; rises within a conversation. */
  messageid: number;
  /** The sender. */
  id: number;
  /** The sender's name. */
  name: string;
  /** The receiver. */
  toid?: number;
  /** The group it went to. */
  groupid?: number;
  /** What it says; empty if it was deleted. */
  msg: string;
  /** When it was sent, `YYYY-MM-DD HH:MM:SS` in UTC, and in ms since the epoch. */
  time: string;
  /** When it was sent (ms since the epoch). */
  ts: number;
  /** The sender's own name for it. */
  mid?: string;
  /** The message of the same conversation that it answers. */
  reply?: number;
  /** Nobody is to be disturbed by it. */
  silent?: true;
  /** Its files. */
  files?: FileTold[];
  /** When its text was changed last (ms since the epoch). */
  edited?: number;
  /** Its text is gone; it keeps its place. */
  deleted?: true;
  /** What readers have put to it, in the order in which each came first; only in pages of HISTORY. Absent: nothing. */
  reactions?: Reaction[];
}

/** A message that arrived, from others or from oneself on another device (or on this one): its number in one's own log beside it. */
export interface IncomingMessage extends ChatMessage {
  /** Its number in one's own log: 1, 2, 3 … without a gap. */
  seq: number;
}

/** A file of a message. */
export interface FileTold {
  /** Its number. */
  id: number;
  /** As it is called. */
  name: string;
  /** What its bytes are, as a media type. */
  type: string;
  /** Bytes. */
  size: number;
  /** Of a picture (pixels), if it is known. */
  width?: number;
  /** The same. */
  height?: number;
  /** Where it is: a path on the server's HTTP port. */
  url: string;
}

/** What readers have put to a message. */
export interface Reaction {
  /** One emoji. */
  emoji: string;
  /** By how many. */
  count: number;
  /** One is oneself; only in HISTORY. */
  mine?: true;
}

/** Something that was done to a message, by others or by oneself on another device (or on this one). Whoever does not know the message ignores it. */
export interface Deed {
  /** Its number in one's own log. */
  seq: number;
  /** Who did it. */
  id: number;
  /** Between two: the one who did not do it. */
  toid?: number;
  /** The group it stands in. */
  groupid?: number;
  /** To which message. */
  messageid: number;
}

/** A message's text is another. If the message was deleted meanwhile this says so (`deleted`), and has no text. */
export interface Edited extends Deed {
  /** What it says now. */
  msg: string;
  /** When (ms since the epoch); the highest one counts. */
  edited?: number;
  /** It was deleted by now. */
  deleted?: true;
}

/** Somebody put something to a message, or took it away. If the message was deleted meanwhile this says so (`deleted`), and nothing else. */
export interface Reacted extends Deed {
  /** What. */
  emoji?: string;
  /** It was taken away. */
  off?: true;
  /** What there is now. */
  reactions?: Reaction[];
  /** It was deleted by now. */
  deleted?: true;
}

/** Somebody has read up to there: oneself on another device, or the other one of a conversation of two. One that is lower than the last is late: ignore it. */
export interface ReadMark {
  /** Who has read: oneself, or the other one. */
  id: number;
  /** Between two: the one who is not `id`. */
  toid?: number;
  /** In which group; only of oneself. */
  groupid?: number;
  /** Up to which message. */
  messageid: number;
}

/** A conversation as one's own list shows it. Exactly one of `toid` and `groupid` is set. */
export interface Conversation {
  /** With whom. */
  toid?: number;
  /** In which group. */
  groupid?: number;
  /** The other one's name, or the group's. */
  name: string;
  /** The newest message that was not deleted, cut to 300 characters; null: there is none. */
  last: ChatMessage | null;
  /** How many messages of others stand behind `read`; counted up to 100. */
  unread: number;
  /** Up to where one has read. */
  read: number;
  /** Up to where the other one has, if one may know. */
  peerread?: number;
  /** No notifications until then (ms since the epoch; `Number.MAX_SAFE_INTEGER`: for ever). */
  muted?: number;
  /** It stands above the others. */
  pinned?: true;
  /** It stands apart from the others. */
  archived?: true;
}

/** A part of a conversation, oldest first. */
export interface History {
  /** The messages. */
  messages: ChatMessage[];
  /** What happened in the group among them, by `messageid`; also oldest first. */
  events: GroupEvent[];
  /** There are older ones; with `after`: newer ones. */
  more: boolean;
  /** With `around`: there are newer ones. */
  moreafter?: boolean;
}

/** Something that is worth nothing later, such as that `id` is typing. */
export interface Signal {
  /** Who sends it. */
  id: number;
  /** To whom: oneself. */
  toid?: number;
  /** To which group. */
  groupid?: number;
  /** What; `typing`, say. */
  msg?: string;
}
