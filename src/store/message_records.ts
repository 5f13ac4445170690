/** What stores are given and give of messages and conversations; the rules stand in `store.ts`. */
import type { Query } from "../search/tokenizer.ts";
import type { FileId, FileTold } from "./files.ts";
import type { GroupEvent } from "./group_store.ts";
import type { Conversation, GroupId, UserId } from "./records.ts";

/** One message to be stored. */
export type Append = Conversation & {
  /** Who sends it. */
  sender: UserId;
  /** What is said. */
  msg: string;
  /** Unique per sender, compared byte by byte. */
  mid?: string | undefined;
  /** When it was sent (ms). */
  ts: number;
  /** The message of the same conversation that it answers. */
  reply?: number | undefined;
  /** Nobody is to be disturbed by it. */
  silent?: boolean | undefined;
  /** The sender's files that go with it, in that order; none of them used before. */
  files?: readonly FileId[] | undefined;
  /** The sender has as much here as they may have: it is refused, unless it repeats one that is stored. */
  overQuota?: boolean | undefined;
  /** The sender is the bot of the hook whose key has this hash, and writes as it. */
  hook?: Uint8Array | undefined;
};

/** A stored message's place in one user's log. */
export interface Receiver {
  /** Whose log. */
  userId: UserId;
  /** Its number there. */
  seq: number;
  /** The nodes that held sessions of that user when it was stored, each once. */
  nodes: readonly string[];
}

/** What became of one {@linkcode Append}. */
export type Appended =
  /** `repeated`: the `mid` was known; the answer of then, nothing stored, no receivers. */
  | { errno: "OK"; messageid: number; ts: number; repeated: boolean; receivers: Receiver[]; files?: FileTold[] | undefined }
  /** Nothing stored. BAD_FIELD: the `mid` names another message. NO_MESSAGE: what it answers, or one of its files. FULL: the receiver's log. */
  | { errno: "BAD_FIELD" | "NO_USER" | "NO_GROUP" | "NO_MESSAGE" | "NOT_MEMBER" | "MODERATORS_ONLY" | "BLOCKED" | "FULL" };

/** Nothing stored yet, it is to be tried again: others hold a row that it needs; or (`behind`) one that something needs that its sender says before it. */
export type Held = { errno: "HELD"; behind: boolean };

/** A message as it stands in the store. */
export type StoredMessage = Conversation & {
  /** Nothing happened to it: it is the message itself. */
  what?: undefined;
  /** Its number; rises within a conversation. */
  messageid: number;
  /** The sender. */
  id: UserId;
  /** The sender's name. */
  name: string;
  /** What it says now; nothing, if it was deleted. */
  msg: string;
  /** When it was sent (ms). */
  ts: number;
  /** The sender's own name for it. */
  mid?: string | undefined;
  /** The message that it answers. */
  reply?: number | undefined;
  /** Nobody is to be disturbed by it. */
  silent?: true | undefined;
  /** When its text was changed last (ms); rises with each change. */
  edited?: number | undefined;
  /** Its text is gone, and so are its files. */
  deleted?: true | undefined;
  /** Its files; undefined: it has none. */
  files?: FileTold[] | undefined;
  /** What readers have put to it, in the order in which each came first; only in pages of {@linkcode Store.history}, undefined: nothing. */
  reactions?: Reaction[] | undefined;
};

/** What readers have put to a message. */
export interface Reaction {
  /** One emoji. */
  emoji: string;
  /** By how many. */
  count: number;
  /** The asker is one of them; only where somebody asks. */
  mine?: true | undefined;
}

/** What somebody does to a message. */
export type Deed =
  & {
    /** Who. */
    by: UserId;
    /** To which message. */
    messageid: number;
    /** When (ms). */
    at: number;
  }
  & ({ what: "edit"; msg: string } | { what: "delete" } | { what: "react"; emoji: string; off: boolean });

/**
 * What was done to a message, told as the message is when it is told: whoever applies it later, or twice, ends right. Between two, `toid` is the one who did not
 * do it. If the message has been deleted by then, an edit and a reaction say so, and nothing else.
 */
export type Done =
  & Conversation
  & {
    /** Who did it. */
    id: UserId;
    /** To which message. */
    messageid: number;
  }
  & (
    | { what: "edit"; msg: string; edited: number; deleted?: undefined }
    | { what: "react"; emoji: string; off: boolean; reactions: Reaction[]; deleted?: undefined }
    | { what: "edit" | "react"; deleted: true }
    | { what: "delete"; deleted?: undefined }
  );

/** The outcome of {@linkcode Store.act}. */
export type Acted =
  /**
   * What is so now. No receivers: nothing was changed by it. `unindexed`: words that were taken out of the index, if they were many. `former`: what a message said
   * until it was edited by this.
   */
  | { errno: "OK"; done: Done; receivers: Receiver[]; unindexed?: number; former?: string }
  /** NO_MESSAGE: none that the user may see, or none that this can be done to any more. FULL: too many different reactions. */
  | { errno: "NO_MESSAGE" | "NOT_YOURS" | "MODERATORS_ONLY" | "BLOCKED" | "FULL" };

/** An entry of a user's log. */
export type LogEntry = (StoredMessage | Done | GroupEvent) & {
  /** Its number in that log. */
  seq: number;
};

/** Which part of a conversation: the newest below `before`, the oldest above `after`, or half each (`around` itself among the newer ones); none: the newest. */
export interface Part {
  /** Below this number. */
  before?: number | undefined;
  /** Above this number. */
  after?: number | undefined;
  /** On both sides of this number. */
  around?: number | undefined;
}

/** A part of a conversation. */
export interface HistoryPage {
  /** Oldest first. */
  messages: (StoredMessage | GroupEvent)[];
  /** There are older ones; with `after`: newer ones. */
  more: boolean;
  /** With `around`: there are newer ones. */
  moreafter?: boolean;
}

/** What a user keeps of a conversation, the same on all devices. */
export interface TalkSettings {
  /** No notifications until then (ms; `Number.MAX_SAFE_INTEGER`: for ever); 0: none is left out. */
  muted: number;
  /** It stands above the others. */
  pinned: boolean;
  /** It stands apart from the others. */
  archived: boolean;
}

/** A conversation as the list of one who is in it shows it. */
export type Talk = Conversation & TalkSettings & {
  /** The peer's name, or the group's. */
  name: string;
  /** The newest text that was not deleted; undefined: there is none. */
  last: StoredMessage | undefined;
  /** How many texts of others that were not deleted stand after `read`; counted up to 100. */
  unread: number;
  /** Up to where the user has read: the message marked as read, or the user's own newest. */
  read: number;
  /** The same of the peer, where the user may know it. */
  peerread?: number | undefined;
};

/** Where a list of conversations goes on: below those whose newest text has this number, or, among those without any text, behind this group. */
export type TalksPlace = { messageid: number } | { groupid: GroupId };

/** What {@linkcode Store.read} did. */
export interface Read {
  /** Up to where the user has read now. */
  read: number;
  /** It rose by this. */
  risen: boolean;
  /** Where the user's own sessions are; if it has risen. */
  nodes: readonly string[];
  /** Where the peer is, if it has risen and the peer may know it. */
  peerNodes: readonly string[];
}

/** What somebody looks for, and where. */
export interface Search {
  /** Who asks: only what they may see is found. */
  userId: UserId;
  /** Where; undefined: in all conversations of the asker. */
  of?: { peer: UserId } | { groupid: GroupId } | undefined;
  /** Who said it. */
  from?: UserId | undefined;
  /** What. */
  query: Query;
  /** Only messages with lower numbers. */
  before?: number | undefined;
}

/** A message that {@linkcode Store.prune} has looked at. */
export interface PrunePlace {
  /** When it was sent (ms). */
  ts: number;
  /** Its number. */
  messageid: number;
}
