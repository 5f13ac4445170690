/** What the client says and hears: the numbers of the protocol (proto 3) and the shape of each message. */

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
  CHANGED: 30,
  MEMBERS: 32,
  DEVICES: 33,
  REMOVE_DEVICE: 34,
  USERS: 42,
  SEARCH: 43,
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
export type Credentials = (Peer & { password: string; device?: string } | { id: number; token: string }) & { takeover?: boolean };

/** A user as lists show it. */
export interface Friend {
  /** The user's number. */
  id: number;
  /** The user's name. */
  name: string;
  /** Whether the user is here, on any device. */
  state: "online" | "offline";
  /** When the user was last here (ms since the epoch), null if never. */
  lastseen: number | null;
}

/** What someone is in a group. */
export type Role = "creator" | "moderator" | "normal";

/** A group as one's lists show it. */
export interface Group {
  /** The group's number. */
  id: number;
  /** The group's name. */
  groupname: string;
  /** What one is in it. */
  role: Role;
  /** How many members it has. */
  count: number;
  /** It does not exist for who is not in it. */
  private?: boolean;
}

/** Someone in a group. */
export interface Member extends Friend {
  /** What they are in it. */
  role: Role;
}

/** A page of a group's members. */
export interface Members {
  /** What the group is for; may be empty. */
  groupdesc: string;
  /** In the order of their numbers. */
  members: Member[];
  /** How many the group has in all. */
  count: number;
  /** There are members with higher numbers. */
  more: boolean;
}

/** A user, as anybody may see them. */
export interface User {
  /** The user's number. */
  id: number;
  /** The user's name. */
  name: string;
}

/** One of one's own devices. */
export interface Device {
  /** Its number: 1, 2, 3 …; 0 is the one of programs that name none. */
  id: number;
  /** As it was named at its login; of device 0 empty. */
  name: string;
  /** Whether it is connected. */
  state: "online" | "offline";
  /** When its last session began (ms since the epoch), null if none has. */
  since: number | null;
  /** When its last session ended (ms since the epoch), null if none has. */
  lastseen: number | null;
  /** Where its last session came from. */
  address?: string;
  /** It is the one that asks. */
  this?: boolean;
}

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
  /** Seconds of silence after which either side asks the other for a word. */
  heartbeat: number;
  /** Longest line that the server takes (`line`) and sends (`answer`), in bytes; most members of a group, most named devices of a user (0: none can be named). */
  limits: { line: number; answer: number; group: number; devices: number };
  /** What the server can do beyond the protocol's core. */
  features: string[];
  /** The server's version. */
  version: string;
  /** The log: what waits has numbers above `confirmed` up to `last`; `epoch` names the database that counts. */
  inbox: { epoch: string; confirmed: number; last: number };
}

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
  /** What was said. */
  msg: string;
  /** When it was sent, `YYYY-MM-DD HH:MM:SS` in UTC, and in ms since the epoch. */
  time: string;
  /** When it was sent (ms since the epoch). */
  ts: number;
  /** The sender's own name for it. */
  mid?: string;
}

/** A message that arrived, from others or from oneself on another device (or on this one): its number in one's own log beside it. */
export interface IncomingMessage extends ChatMessage {
  /** Its number in one's own log: 1, 2, 3 … without a gap. */
  seq: number;
}

/** A friend came or went. */
export interface Presence {
  /** The friend. */
  id: number;
  /** What the friend is now. */
  state: "online" | "offline";
  /** When the friend was last here (ms since the epoch), null if never. */
  lastseen: number | null;
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

/** Something of one's own is another, by another device's doing or an operator's: ask again. What the server may name later is passed on as well. */
export interface Changed {
  /** What: friends, groups, one's devices, whom one blocks. */
  what: "contacts" | "groups" | "devices" | "profile" | "blocked" | "conversations";
}

/**
 * What was remembered does not lead up to what comes now: start from HISTORY.
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

/** The server said no. `errno` is one of the protocol's. */
export class NatterError extends Error {
  /** By which it is told from other errors. */
  override name = "NatterError";
  /** `errno` is the protocol's, `errmsg` its text for people. */
  constructor(readonly errno: number, readonly errmsg: string, /** When to try again (ms). */ readonly retry?: number) {
    super(`${errmsg} (errno ${errno})`);
  }

  /** @internal The error that an answer tells, undefined if it tells none. */
  static of(reply: Reply): NatterError | undefined {
    return reply.errno ? new NatterError(reply.errno, reply.errmsg ?? "", reply.retry) : undefined;
  }
}

/** There was no answer, and the server may have done what was asked, or not: see `reason`. */
export class ConnectionLost extends Error {
  /** By which it is told from other errors. */
  override name = "ConnectionLost";
  /** What ended it, and what the server said. */
  constructor(
    /** `unreachable`: it could not be connected. `lost`: the connection broke. `timeout`: silence. `goodbye`: the server ended it. `closed`: this client did, or is not connected. */
    readonly reason: "unreachable" | "lost" | "timeout" | "goodbye" | "closed",
    options?: ErrorOptions & { goodbye?: Goodbye },
  ) {
    super(
      {
        unreachable: "the server cannot be reached",
        lost: "the connection was lost",
        timeout: "the server did not answer in time",
        goodbye: `the server ended the connection (${options?.goodbye?.reason})`,
        closed: "not connected",
      }[reason],
      options,
    );
    this.goodbye = options?.goodbye;
  }

  /** What the server said, with `goodbye`. */
  readonly goodbye?: Goodbye;
}
