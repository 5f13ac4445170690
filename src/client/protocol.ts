/** What a client and the server say to each other: the numbers of the protocol (proto 3), requests and answers, a login, and what the server says of itself. */
import type { Friend, Group, Invitation } from "./people.ts";

/** The numbers of the messages. */
export const Msg = {
  LOGIN: 1,
  LOGIN_ACK: 2,
  LOGOUT: 3,
  REGISTER: 4,
  REGISTER_ACK: 5,
  CHAT: 6,
  ADD_FRIEND: 7,
  CREATE_GROUP: 8,
  JOIN_GROUP: 9,
  GROUP_CHAT: 10,
  REPLY: 11,
  RECEIVED: 12,
  PING: 13,
  PONG: 14,
  PRESENCE: 15,
  HISTORY: 16,
  CONTACTS: 17,
  REMOVE_FRIEND: 18,
  LEAVE_GROUP: 19,
  GOODBYE: 20,
  SIGNAL: 21,
  CHANGE_PASSWORD: 22,
  BLOCK: 23,
  UNBLOCK: 24,
  EDIT: 25,
  DELETE: 26,
  REACT: 27,
  GROUP_EVENT: 28,
  READ: 29,
  CHANGED: 30,
  CONVERSATIONS: 31,
  MEMBERS: 32,
  DEVICES: 33,
  REMOVE_DEVICE: 34,
  UPDATE_GROUP: 35,
  SET_ROLE: 36,
  KICK: 37,
  UNBAN: 38,
  INVITE: 39,
  REVOKE: 40,
  PROFILE: 41,
  USERS: 42,
  SEARCH: 43,
  DELETE_ACCOUNT: 44,
  MUTE: 45,
  REPORT: 46,
  HOOK: 47,
  PUSH: 48,
} as const;

/** A message to the server: `msgid` and the fields of its row in the protocol. */
export interface Request {
  /** One of {@linkcode Msg}. */
  msgid: number;
  /** The fields of its row. */
  [field: string]: unknown;
}

/** An answer: LOGIN_ACK, REGISTER_ACK, REPLY or PONG. */
export interface Reply {
  /** One of {@linkcode Msg}. */
  msgid: number;
  /** Which request it answers. */
  ref: number;
  /** 0: done. Anything else: why not. PONG has none. */
  errno?: number;
  /** Says it to people. */
  errmsg?: string;
  /** When to try again (ms). */
  retry?: number;
  /** The fields of the request's row. */
  [field: string]: unknown;
}

/** A user, by number or by name. */
export type Peer = { id: number } | { name: string };

/** Where a message goes: to a user, or to a group. */
export type Target = Peer | { groupid: number };

/**
 * Who logs in: with the password, or with the token of an earlier LOGIN_ACK.
 *
 * `device` names a new device, for people ("Firefox on Linux"), which the token then stands for. Without it this is device 0, which all programs share that
 * name none: one session at a time. `takeover`: the session that is on this device now, if there is one, makes room unasked.
 */
export type Credentials = Peer & ({ password: string; device?: string } | { token: string }) & { takeover?: boolean };

/** The answer to a login that succeeded. */
export interface LoginAck {
  /** One's own number. */
  id: number;
  /** One's own name. */
  name: string;
  /** The device that this session is on. */
  device: { id: number; name: string };
  /** Lets this client come back without the password, as this device: `login({ id, token })`. */
  token: string;
  /** One's contact list. */
  friends: Friend[];
  /** The groups one is in. */
  groups: Group[];
  /** Whom one blocks. */
  blocked: number[];
  /** The groups one was invited to by name: `joinGroup({ id: groupid })` takes an invitation, `leaveGroup(groupid)` declines it. */
  invited: Invitation[];
  /** Seconds of silence after which either side asks the other for a word. */
  heartbeat: number;
  /** Longest line that the server takes (`line`) and sends (`answer`), in bytes; most members of a group, most named devices of a user (0: none can be named). */
  limits: { line: number; answer: number; group: number; devices: number; file?: number };
  /** Where files go to, if there are any: the server's HTTP port, such as `https://chat.example.org`. */
  url?: string;
  /** What the server can do beyond the protocol's core. */
  features: string[];
  /** The server's version. */
  version: string;
  /** The log: what waits has numbers above `confirmed` up to `last`; `epoch` names the database that counts. */
  inbox: { epoch: string; confirmed: number; last: number };
}

/** Something of one's own is another, by another device's doing or an operator's: ask again. What the server may name later is passed on as well. */
export interface Changed {
  /** What: friends, groups, one's devices, whom one blocks, what one keeps of conversations. */
  what: "contacts" | "groups" | "devices" | "profile" | "blocked" | "conversations" | "invited";
}

/**
 * What was remembered does not lead up to what comes now: start from CONVERSATIONS and HISTORY.
 *
 * `missed`: there are gaps, for entries of the log went by, or went. `restored`: the database is another one, or an older one; what was remembered may not be in
 * it, and the numbers of messages may mean others.
 */
export interface Anew {
  /** Which of the two. */
  why: "missed" | "restored";
}

/** Why the server ends the connection, and when to come back (ms); without `retry`: not by itself. */
export interface Goodbye {
  /** Why. */
  reason: "stopping" | "replaced" | "kicked" | "slow" | "silent" | "full" | "badinput" | "limits";
  /** When to come back (ms); without it: not by itself. */
  retry?: number;
}
