/** What stores are given and give of users, devices and sessions; the rules stand in `store.ts`. */
import type { Group, Invitation } from "./group_store.ts";

/** A user's number, as the database gave it. */
export type UserId = number;
/** A group's number, as the database gave it. */
export type GroupId = number;
/** A user's own number of a device: 1, 2, 3 …, none of them given twice; 0 is the one of programs that name none, which every user has. */
export type DeviceId = number;
/** What the database says of a user, in the lecture's words. */
export type State = "online" | "offline";
/** Where a message stands: between two, or in a group. */
export type Conversation = { toid: UserId; groupid?: undefined } | { groupid: GroupId; toid?: undefined };

/** What a user says of themselves. */
export interface Profile {
  /** For others; may be empty. */
  about: string;
  /** Others may know up to where the user has read. */
  receipts: boolean;
  /** Where the user's picture is, if there is one: the path of its address. */
  avatar?: string;
}

/** A message that somebody reported, as it was then. */
export type Report = Conversation & {
  /** The report's number. */
  id: number;
  /** Who reported it. */
  reporter: { id: UserId; name: string };
  /** Why. */
  reason: string;
  /** When (ms). */
  at: number;
  /** The message's number. */
  messageid: number;
  /** Who said it. */
  sender: { id: UserId; name: string };
  /** When it was said (ms). */
  ts: number;
  /** What was said. */
  msg: string;
};

/** What a login needs to know of a user. */
export interface Account {
  /** The user's number. */
  id: UserId;
  /** As it was registered. */
  name: string;
  /** PHC string. */
  password: string;
  /** Rises with each new password; a rehash of the same one is none. */
  version: number;
  /** Banned: errno 25, told only after the right password or token. */
  closed: boolean;
}

/** Who owns a token. */
export interface TokenOwner {
  /** Whose it is. */
  account: Account;
  /** The device that it was given to. */
  device: DeviceId;
  /** When it expires (ms). */
  expires: number;
}

/** A user as contact lists show it to somebody. One who blocks that somebody is shown offline since the moment of BLOCK. */
export interface Contact {
  /** The user's number. */
  id: UserId;
  /** As it was registered. */
  name: string;
  /** Whether the user is there, on any device, on any node. */
  state: State;
  /** When the last session ended (ms), null if none has. It never goes back. */
  lastseen: number | null;
}

/** A user as others find them. */
export interface User {
  /** The user's number. */
  id: UserId;
  /** As it was registered. */
  name: string;
  /** What the user says of themselves, if that is anything. */
  about?: string;
  /** Where the user's picture is, if there is one: the path of its address. */
  avatar?: string;
  /** It is a program. */
  bot?: true;
}

/** What every login of a user reads, once it stands in the table: whatever is committed later comes as a push. */
export interface Welcome {
  /** The friends by name. */
  friends: Contact[];
  /** The groups by name. */
  groups: Group[];
  /** Whom the user blocks. */
  blocked: UserId[];
  /** The groups that the user was invited to by name, those that expire first at first; also expired ones that are not swept up yet. */
  invited: Invitation[];
  /** The device's place in the log, and the log's end. */
  inbox: { confirmed: number; last: number };
}

/** A device of a user, as the user sees it. */
export interface Device {
  /** The user's own number of it. */
  id: DeviceId;
  /** As it was named; device 0 has none (""). */
  name: string;
  /** Whether it has a session. */
  state: State;
  /** When its last session began (ms), null if none has. */
  since: number | null;
  /** When its last session ended (ms), null if none has. */
  lastseen: number | null;
  /** Where its last session came from, null if there was none. */
  address: string | null;
}

/** A session as the table and the database both name it. */
export interface SessionKey {
  /** Whose. */
  userId: UserId;
  /** On which device of theirs. */
  device: DeviceId;
  /** Unique for ever (rule 5). */
  session: string;
}

/**
 * A session that is to end, wherever it is: the device's row does not name it any more, and the state follows from that. The caller tells that node, which looks
 * for itself as well ({@linkcode Store.takeKicks}).
 */
export interface Ended extends SessionKey {
  /** The node that holds it. */
  node: string;
}

/** Most tokens of a user's device 0: a new one takes the place of the one that would expire first. */
export const MAX_TOKENS = 1000;

/** A login that was checked, and asks for its place. */
export interface Claiming {
  /** Who. */
  userId: UserId;
  /** A fresh session (rule 5). */
  session: string;
  /** What it is proved by; looked at again in the transaction that decides: the token must still be there, or the password of that version. */
  proof: { token: Uint8Array } | { version: number };
  /** The device: an existing one (0 is made when it is first used), or a new one of this name. */
  device: DeviceId | { name: string };
  /** The session of that device that may be replaced. */
  takeover?: string | undefined;
  /** A token that is given to this session. */
  token?: { hash: Uint8Array; expires: number } | undefined;
  /** Where it comes from. */
  address: string;
  /** When (ms). */
  at: number;
}

/** The outcome of {@linkcode Store.claim}. */
export type Claim =
  /** The device's row names the new session now. `removed`: the device whose place a new one took. */
  | { result: "claimed"; device: { id: DeviceId; name: string }; removed: DeviceId | undefined }
  /** Another session holds the device: its id, and the node that the row names. */
  | { result: "held"; session: string; node: string }
  /** This node's own incarnation or lease is not valid any more: {@linkcode Store.renew} first. */
  | { result: "fenced" }
  /** INVALID: the proof does not hold any more. CLOSED: the account was closed. FULL: every device has a session. */
  | { result: "refused"; errno: "INVALID" | "CLOSED" | "FULL" };

/** A session that ended. */
export interface Release extends SessionKey {
  /** When it ended (ms). */
  lastseen: number;
  /** Confirm the device's place up to this `seq` first. */
  confirmed?: number;
  /** Nobody was told of the device that this session made: it goes, and its tokens. */
  unmade?: boolean;
}

/** Someone online who has `userId` as a friend, and wants to hear of them. */
export interface Watcher {
  /** Whom it is about. */
  userId: UserId;
  /** Who is to hear of it. */
  watcher: UserId;
  /** Where the watcher is online; one on several nodes stands here several times. */
  node: string;
}

/** Where a user is. */
export interface Whereabouts {
  /** The nodes that hold sessions of the user, each once; none: offline. */
  nodes: readonly string[];
  /** When the last session ended (ms), null if none has. */
  lastseen: number | null;
}

/** A user as an operator sees them. */
export interface UserInfo extends Contact {
  /** Banned. */
  closed: boolean;
  /** How many devices have a session. */
  sessions: number;
  /** Where they are online, each node once. */
  nodes: readonly string[];
  /** When their last session began (ms), null if there was none. */
  since: number | null;
}

/** Limits that only the database can check under its locks. */
export interface StoreLimits {
  /** Most members of a group (`--max-group`). */
  maxGroup: number;
  /** Most entries that a log holds for a device that is behind (`--max-inbox`). */
  maxInbox: number;
  /** Most named devices of a user (`--max-devices`). */
  maxDevices: number;
  /** Most groups of a user, most friends, most users that one blocks. */
  maxContacts: number;
}
