/**
 * The one interface between natter and its database. Two implementations: `sqlite.ts` and `mysql.ts`; `tests/store_*_test.ts` are their common contract.
 *
 * Rules that hold for every method:
 *
 * 1. A promise that resolves means: committed. On stable storage as well, but for what only says who is online here (claims, releases without a
 *    confirmation): that ends with the machine anyway.
 * 2. When the database cannot be reached, or does not answer in time, a method rejects with {@linkcode StoreUnavailable}. Its effect is then unknown
 *    (it may even be committed later), except where a method says otherwise. Anything else that is thrown is a defect.
 * 3. Deadlocks and lock time-outs are retried inside; callers never see them.
 * 4. All times are milliseconds since the epoch, all sizes bytes.
 * 5. A session id is unique for ever, so that whoever names a session can never hit a later one.
 * 6. The store validates nothing: lengths and characters were checked before (`wire/messages.ts`).
 * 7. What was looked at before a wait is not known any more: whatever decides is decided in the statement, or under the lock, that changes.
 * 8. Locks are taken in one order everywhere: groups by id, users by id, devices, messages. A device's row is written only with its user's row locked.
 * 9. `user.state` is right in every committed state: online exactly while a device of the user has a session.
 * 10. Why something is not done is told by the protocol's name of the error (`wire/errors.ts`).
 */
import type { Query } from "../search/tokenizer.ts";

/** A user's number, as the database gave it. */
export type UserId = number;
/** A group's number, as the database gave it. */
export type GroupId = number;
/** A user's own number of a device: 1, 2, 3 …, none of them given twice; 0 is the one of programs that name none, which every user has. */
export type DeviceId = number;
/** What the database says of a user, in the lecture's words. */
export type State = "online" | "offline";
/** What a member is in a group, in the lecture's words. */
export type Role = "creator" | "normal";

/** The database is away, too slow, or refuses connections. The caller answers errno 19 or tries again. */
export class StoreUnavailable extends Error {
  /** By which it is told from other errors. */
  override name = "StoreUnavailable";
}

/** This database cannot be used, for a reason that waiting does not mend: foreign tables, a newer schema, no rights, a name or file in use. One clear line. */
export class StoreRefused extends Error {
  /** By which it is told from other errors. */
  override name = "StoreRefused";
}

/** Where a message stands: between two, or in a group. */
export type Conversation = { toid: UserId; groupid?: undefined } | { groupid: GroupId; toid?: undefined };

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

/** A group as the lists of a member show it. */
export interface Group {
  /** The group's number. */
  id: GroupId;
  /** As it was created. */
  groupname: string;
  /** What the group is for; may be empty. */
  groupdesc: string;
  /** What the member is in it. */
  role: Role;
  /** How many members it has. */
  count: number;
}

/** A member as others of the group see it. */
export interface Member extends Contact {
  /** What the member is in the group. */
  role: Role;
}

/** A page of a group's members. */
export interface Members {
  /** What the group is for; may be empty. */
  groupdesc: string;
  /** In the order of their ids. */
  members: Member[];
  /** How many the group has in all. */
  count: number;
  /** There are members with higher ids. */
  more: boolean;
}

/** What every login of a user reads, once it stands in the table: whatever is committed later comes as a push. */
export interface Welcome {
  /** The friends by name. */
  friends: Contact[];
  /** The groups by name. */
  groups: Group[];
  /** Whom the user blocks. */
  blocked: UserId[];
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
  | { errno: "OK"; messageid: number; ts: number; repeated: boolean; receivers: Receiver[] }
  /** Nothing stored. BAD_FIELD: the `mid` names another message. FULL: the receiver's log. */
  | { errno: "BAD_FIELD" | "NO_USER" | "NO_GROUP" | "NOT_MEMBER" | "BLOCKED" | "FULL" };

/** A message as it stands in the store. */
export type StoredMessage = Conversation & {
  /** Its number; rises within a conversation. */
  messageid: number;
  /** The sender. */
  id: UserId;
  /** The sender's name. */
  name: string;
  /** What was said. */
  msg: string;
  /** When it was sent (ms). */
  ts: number;
  /** The sender's own name for it. */
  mid?: string | undefined;
};

/** An entry of a user's log. */
export type LogEntry = StoredMessage & {
  /** Its number in that log. */
  seq: number;
};

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

/** What natter keeps; the rules stand at the top of this file. */
export interface Store {
  /** Most messages in one {@linkcode Store.append}: 100 on SQLite (7 ms a commit), 500 on MySQL. */
  readonly appendLimit: number;

  // ---- This node's life ----------------------------------------------------------------------------------------------------------------

  /**
   * Takes the name: no second process of that name (SQLite: on that file) may run. Takes a new incarnation and a lease, and sets the users of
   * former incarnations offline. Called once, before the first connection is accepted; claims are `fenced` before it.
   *
   * MySQL: waits for the name, `wait` ms (default 20,000). Throws {@linkcode StoreRefused} if it is taken.
   *
   * @returns how many users a former life had left online.
   */
  join(node: string, wait?: number): Promise<number>;
  /**
   * Renews the lease (10 s by the database's clock). Every 3 s. False: this incarnation was reaped, {@linkcode Store.rejoin} is needed.
   *
   * SQLite: true. Throws {@linkcode StoreRefused} if the file was moved, removed or replaced, and tries to write if that failed before.
   */
  renew(): Promise<boolean>;
  /**
   * Takes a new incarnation after a reaping, and claims these sessions anew: a device's row that names none or still names the session becomes (or stays)
   * this session's.
   *
   * @returns the sessions that are lost: their rows name others now. Throws {@linkcode StoreRefused} if another process has the name by now.
   */
  rejoin(sessions: SessionKey[]): Promise<SessionKey[]>;
  /**
   * Sets the users of nodes whose lease ran out offline, and those that rows of former incarnations left. Only when this node's own database link has been up for a whole lease.
   *
   * @returns the users set offline. SQLite: always none.
   */
  sweep(): Promise<UserId[]>;
  /** Whether a process holds the name of that node now. Unlike the lease, the name is free as soon as the process has ended, however it did. SQLite: always true. */
  isNamed(node: string): Promise<boolean>;
  /** Gives up lease and name. The last call before {@linkcode Store.close}. */
  leave(): Promise<void>;
  /** Ends all connections to the database; what is under way may be rejected. */
  close(): Promise<void>;
  /** Resolves when the database answers. SQLite: and could be written to when that was last tried. */
  ping(): Promise<void>;

  // ---- Accounts ------------------------------------------------------------------------------------------------------------------------

  /** Makes a user. @returns the new user's id; undefined: a user with that key exists. `key` is the name's comparable form (`wire/names.ts`). */
  createUser(name: string, key: string, password: string): Promise<UserId | undefined>;
  /** The user of this number, or whose name has this comparable form; undefined: there is none. */
  findUser(by: { id: UserId } | { key: string }): Promise<Account | undefined>;
  /** Who owns a token; undefined if there is none or it has expired at `now`. */
  findUserByToken(hash: Uint8Array, now: number): Promise<TokenOwner | undefined>;
  /** Stores another hash of the same password, if the account still has that version of it. Nothing else changes. */
  rehash(userId: UserId, version: number, password: string): Promise<void>;
  /**
   * A new password, if the account still has that version of it (undefined: whatever it has, for operators), in one transaction with what follows from it:
   * all named devices but `keep.device` go, with their tokens; so do all tokens of device 0 but `keep.token`, and its session unless it is `keep.device`'s.
   *
   * @returns the sessions that are to end; undefined: the password is another by now, or there is no such user.
   */
  setPassword(
    userId: UserId,
    version: number | undefined,
    password: string,
    keep?: { device: DeviceId; token: Uint8Array | undefined },
  ): Promise<Ended[] | undefined>;
  /** Closes or opens the account (ban). @returns the sessions that are to end, none when it is opened; undefined: no such user. */
  setClosed(userId: UserId, closed: boolean): Promise<Ended[] | undefined>;
  /** Sets another end to a token. One that is gone stays so. */
  extendToken(hash: Uint8Array, expires: number): Promise<void>;
  /** Ends a token, if it is there. */
  removeToken(hash: Uint8Array): Promise<void>;
  /**
   * Extends the tokens of named devices that have a session to `now + life` where they have lost a day, then removes those that expired before `now`, and named
   * devices that have neither session nor token left. (Of device 0's tokens nobody knows which one is in use; each lives from its last login on.)
   */
  expireTokens(now: number, life: number): Promise<void>;

  // ---- Devices and sessions ------------------------------------------------------------------------------------------------------------

  /**
   * Gives a device's row a fresh session, and sets its user online, in one transaction: if the row has none, or names the session `takeover`, or the lease of the
   * node it names has run out and that node is not this one; if this node's own incarnation and lease are valid; if the account is open and the proof holds.
   * A new device beyond `maxDevices` takes the place of the one without a session that was away longest. The second device of a user sets the user's mark for
   * more than one. A new device, device 0 at its first use, and one whose place is gone from the log stand at the user's `confirmed_seq`.
   * Claims of one turn may share a commit.
   */
  claim(claiming: Claiming): Promise<Claim>;
  /**
   * Ends up to 500 sessions in one transaction: confirms what each says, then takes the session out of those devices whose row still names that very one; a
   * user whose last one it was is offline then, `lastseen` never going back. Others are left as they are, silently. May be repeated.
   */
  release(sessions: Release[]): Promise<void>;
  /** Up to `limit` devices that have a session on this node (any incarnation), behind `after`, in the order of users and devices; with the end of the user's log. */
  sessions(after: { userId: UserId; device: DeviceId }, limit: number): Promise<(SessionKey & { lastSeq: number })[]>;
  /** Who holds this device now; undefined: nobody, or there is no such device. */
  holder(userId: UserId, device: DeviceId): Promise<{ session: string; node: string } | undefined>;
  /** Where these users are, and when they were last there; who does not exist is absent. */
  whereabouts(userIds: UserId[]): Promise<Map<UserId, Whereabouts>>;
  /** The user's devices by number, device 0 always among them. At most `maxDevices` + 1. */
  devices(userId: UserId): Promise<Device[]>;
  /** Ends a device with its session and tokens; of device 0 the row stays. @returns the sessions that are to end; undefined: no such device. */
  removeDevice(userId: UserId, device: DeviceId): Promise<Ended[] | undefined>;

  // ---- For operators -------------------------------------------------------------------------------------------------------------------

  /** Up to `limit` users with ids above `after`, in the order of their ids. */
  users(after: UserId, limit: number): Promise<UserInfo[]>;
  /** Asks the nodes that hold sessions of the user (of that device only, if it is given) to end them. False: there is none. */
  kick(userId: UserId, device?: DeviceId): Promise<boolean>;
  /** Takes what was asked of this node: the sessions to end. Every method that returns {@linkcode Ended} has asked the nodes in its transaction. */
  takeKicks(): Promise<SessionKey[]>;
  /** A random word that names this database's past: clients that remember another one start anew. */
  epoch(): Promise<string>;
  /** Gives the database a fresh epoch: it was put back from a copy. */
  renewEpoch(): Promise<void>;

  // ---- Messages ------------------------------------------------------------------------------------------------------------------------

  /**
   * Stores up to {@linkcode Store.appendLimit} messages in one transaction, each once, with one log entry per receiver. The results are in the order of the batch.
   *
   * `seq` rises by one per log without a gap, `messageid` rises within a conversation, in the order of the batch and of the commits, on any number of nodes.
   * Checked in this order: `mid` (of the same sender; also within the batch; the same conversation and text give the answer of then, others BAD_FIELD), then
   * NO_USER or NO_GROUP, NOT_MEMBER, BLOCKED, FULL. A group goes to every member; the sender's own log has it if the sender is marked as having more than one
   * device (a note to oneself is one entry in any case). A log is full when it holds `maxInbox` entries above the user's `confirmed_seq`: a message to one
   * receiver is refused then; a group's leaves that member out, and a sender's own log takes it up to twice that, then is left out.
   * If the outcome of the COMMIT is unknown, it is looked up before this resolves; only if that fails as well, {@linkcode StoreUnavailable}.
   * A message that the database itself refuses makes the whole batch reject (not with StoreUnavailable), with nothing stored: the caller then tries each alone.
   */
  append(batch: Append[]): Promise<Appended[]>;
  /**
   * What stands in the log after `after`, in the order of `seq`: at least one if there is any, then at most `limit` entries and about `bytes` bytes of text.
   * The first one is not `after + 1` if that is gone from the log: trimmed, since this device was too far behind.
   */
  log(userId: UserId, after: number, limit: number, bytes: number): Promise<LogEntry[]>;
  /**
   * Confirms: a device's place rises to `seq` (never falls, never above the log's end) where its row still names that session; the user's `confirmed_seq` with it,
   * if it is the highest. What every device that counts has confirmed goes from the log: a device counts unless it is more than `maxInbox` behind the log's end;
   * the one furthest ahead always counts. Up to 500, in one transaction.
   */
  confirm(rows: (SessionKey & { seq: number })[]): Promise<void>;
  /**
   * The newest messages below `before` of the conversation of two users (both directions) or of a group, oldest first, at most `limit` and about `bytes` bytes of
   * text (but one at least), and whether there are older ones.
   */
  history(
    of: { userId: UserId; peer: UserId } | { groupid: GroupId },
    before: number | undefined,
    limit: number,
    bytes: number,
  ): Promise<{ messages: StoredMessage[]; more: boolean }>;
  /**
   * One step through the messages older than `before`, oldest first: looks at the next `limit` of them after the place where the last step ended (undefined: at
   * the oldest), and deletes those that wait in no log.
   *
   * @returns how many it deleted, and where it ended; undefined: there are no more.
   */
  prune(before: number, after: PrunePlace | undefined, limit: number): Promise<{ deleted: number; next: PrunePlace | undefined }>;

  // ---- Search --------------------------------------------------------------------------------------------------------------------------

  /** The newest messages that hold what is looked for, at most `limit`, newest first; as far as the index is. */
  search(search: Search, limit: number): Promise<StoredMessage[]>;
  /**
   * One small step of the index behind the messages, which begins anew when the tokenizer's version has risen. One process at a time does it, whoever asks.
   *
   * @returns how many messages (by their numbers) are not in it yet, and whether there is more to do at once.
   */
  index(): Promise<{ behind: number; more: boolean }>;
  /** From now on the index is built anew, by the next steps. */
  reindex(): Promise<void>;

  // ---- Friends, blocks, groups ---------------------------------------------------------------------------------------------------------

  /** What a login of this device reads, in a constant number of statements. */
  welcome(userId: UserId, device: DeviceId): Promise<Welcome>;
  /** The user's lists without the log: what CONTACTS tells. */
  lists(userId: UserId): Promise<Omit<Welcome, "inbox">>;
  /** Puts someone on the list of friends. @returns the friend. Twice is once. FULL: the user's list is full. */
  addFriend(userId: UserId, friend: { id: UserId } | { key: string }): Promise<Contact | "NO_USER" | "FULL">;
  /** Takes someone off the list of friends. */
  removeFriend(userId: UserId, friendId: UserId): Promise<void>;
  /** Those online who have one of these as a friend, with no block between the two in either direction. One statement per 500 ids. */
  watchers(userIds: UserId[]): Promise<Watcher[]>;
  /** Those of these users that exist, at most 100, by id. */
  findUsers(by: { ids: UserId[] } | { keys: string[] }): Promise<{ id: UserId; name: string }[]>;
  /** At most `limit` users whose comparable name begins so, by name. */
  findByPrefix(prefix: string, limit: number): Promise<{ id: UserId; name: string }[]>;

  /** From `at` (ms) on the user takes nothing from `other`. Twice is once, and the first time counts. FULL: the user blocks too many. */
  block(userId: UserId, other: UserId, at: number): Promise<"OK" | "NO_USER" | "FULL">;
  /** Lifts a block, if there is one. @returns how `other` may see the user now; undefined: nothing changed. */
  unblock(userId: UserId, other: UserId): Promise<Contact | undefined>;

  /** The new group's id, its creator the first member. INVALID: a group with that key exists. FULL: the user is in too many. */
  createGroup(creator: UserId, groupname: string, key: string, groupdesc: string): Promise<{ groupid: GroupId } | "INVALID" | "FULL">;
  /** The group, which the user is a member of now. FULL: it is full, or the user is in too many. Twice is once. */
  joinGroup(userId: UserId, group: { id: GroupId } | { key: string }): Promise<Group | "NO_GROUP" | "FULL">;
  /** When the creator leaves, the oldest member becomes creator; the last one out removes the group (its name is free again). */
  leaveGroup(userId: UserId, groupid: GroupId): Promise<"OK" | "NO_GROUP" | "NOT_MEMBER">;
  /** Who is in the group, and where; undefined: no such group. */
  membersOf(groupid: GroupId): Promise<{ userId: UserId; nodes: readonly string[] }[] | undefined>;
  /** Members with ids above `after`, as the asker, who must be one of them, may see them. */
  members(asker: UserId, groupid: GroupId, after: UserId, limit: number): Promise<Members | "NO_GROUP" | "NOT_MEMBER">;
  /** For clients of 0.1: the first `limit` members of each of these groups in the order they joined, as the asker may see them. */
  firstMembers(asker: UserId, groupids: GroupId[], limit: number): Promise<Map<GroupId, Member[]>>;
}
