/**
 * The one interface between natter and its database. Two implementations: `sqlite.ts` and `mysql.ts`; `tests/store_test.ts` is their common contract.
 *
 * Rules that hold for every method:
 *
 * 1. A promise that resolves means: committed, on stable storage.
 * 2. When the database cannot be reached, or does not answer in time, a method rejects with {@linkcode StoreUnavailable}. Its effect is then unknown
 *    (it may even be committed later), except where a method says otherwise. Anything else that is thrown is a defect.
 * 3. Deadlocks and lock time-outs are retried inside; callers never see them.
 * 4. All times are milliseconds since the epoch, all sizes bytes.
 * 5. A session id is unique for ever, so that whoever names a session can never hit a later one.
 * 6. The store validates nothing: lengths and characters were checked before (`wire/messages.ts`).
 */

/** A user's number, as the database gave it. */
export type UserId = number;
/** A group's number, as the database gave it. */
export type GroupId = number;
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

/** What a login needs to know of a user. */
export interface Account {
  /** The user's number. */
  id: UserId;
  /** As it was registered. */
  name: string;
  /** PHC string. */
  password: string;
  /** Banned: errno 25, told only after the right password or token. */
  closed: boolean;
}

/** A user as contact lists show it. */
export interface Contact {
  /** The user's number. */
  id: UserId;
  /** As it was registered. */
  name: string;
  /** Whether the user is there, on any node. */
  state: State;
  /** When the last session ended (ms), null if there was none. */
  lastseen: number | null;
}

/** A group as lists show it. */
export interface Group {
  /** The group's number. */
  id: GroupId;
  /** As it was created. */
  groupname: string;
  /** What the group is for; may be empty. */
  groupdesc: string;
  /** Its members, in the order they joined. */
  users: { id: UserId; name: string; state: State; role: Role }[];
}

/** What every login of a user reads. */
export interface Lists {
  /** The friends by name. One who blocks the user is shown offline, `lastseen` null. */
  friends: Contact[];
  /** The groups by name, each with all its members in the order they joined. */
  groups: Group[];
  /** Whom the user blocks. */
  blocked: UserId[];
}

/** A session as the table and the database both name it. */
export interface SessionKey {
  /** Whose. */
  userId: UserId;
  /** Unique for ever (rule 5). */
  session: string;
}

/** The outcome of {@linkcode Store.claim}. */
export type Claim =
  /** The row names the new session now. */
  | { result: "claimed"; lastSeq: number; confirmedSeq: number }
  /** Another session holds the account: its id, and the node that the row names. */
  | { result: "held"; session: string; node: string }
  /** This node's own incarnation or lease is not valid any more: {@linkcode Store.renew} first. */
  | { result: "fenced" };

/** A session that ended. */
export interface Release extends SessionKey {
  /** When it ended (ms). */
  lastseen: number;
  /** Confirm the inbox up to this `seq` first. */
  confirmed?: number;
}

/** One message to be stored. */
export interface Append {
  /** Who sends it. */
  sender: UserId;
  /** Exactly one of the two is set. */
  toid?: UserId;
  /** The group it goes to. */
  groupid?: GroupId;
  /** What is said. */
  msg: string;
  /** Unique per sender, compared byte by byte. */
  mid?: string;
  /** When it was sent (ms). */
  ts: number;
}

/** A stored message's place in one inbox. `node` is where the receiver was online when it was stored, null if nowhere. */
export interface Receiver {
  /** Whose inbox. */
  userId: UserId;
  /** Its number there. */
  seq: number;
  /** Where the receiver was online when it was stored, null if nowhere. */
  node: string | null;
}

/** What became of one {@linkcode Append}. */
export type Appended =
  /** `repeated`: the `mid` was known; the answer of then, nothing stored, no receivers. */
  | { errno: 0; messageid: number; ts: number; repeated: boolean; receivers: Receiver[] }
  /** 16 no such user, 17 no such group, 18 not a member, 23 blocked, 24 inbox full. Nothing stored. */
  | { errno: 16 | 17 | 18 | 23 | 24 };

/** A message as it stands in the store. */
export interface StoredMessage {
  /** Its number; rises within a conversation. */
  messageid: number;
  /** The sender. */
  id: UserId;
  /** The sender's name. */
  name: string;
  /** The receiver. */
  toid?: UserId;
  /** The group it went to. */
  groupid?: GroupId;
  /** What was said. */
  msg: string;
  /** When it was sent (ms). */
  ts: number;
  /** The sender's own name for it. */
  mid?: string;
}

/** A message as it stands in one inbox. */
export interface InboxMessage extends StoredMessage {
  /** Its number in that inbox. */
  seq: number;
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
  /** Where the watcher is online. */
  node: string;
}

/** A user as an operator sees them. */
export interface UserInfo extends Contact {
  /** Banned. */
  closed: boolean;
  /** Where they are online. */
  node: string | null;
  /** When their last session began (ms), null if there was none. */
  since: number | null;
}

/** Limits that only the database can check under its locks. */
export interface StoreLimits {
  /** Most members of a group (`--max-group`). */
  maxGroup: number;
  /** Most unconfirmed messages of an inbox (`--max-inbox`). */
  maxInbox: number;
  /** Most groups of a user, most friends of a user. */
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
   * Takes a new incarnation after a reaping, and claims these sessions anew: a row that is offline or still names the session becomes (or stays) this session's.
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
  /** Finds who owns a token. @returns the account that owns this token, and when it expires; undefined if there is none or it has expired at `now`. */
  findUserByToken(hash: Uint8Array, now: number): Promise<{ account: Account; expires: number } | undefined>;
  /** Replaces the password if it still is `old`. False: it is not. */
  setPassword(userId: UserId, old: string, password: string): Promise<boolean>;
  /** Closes or opens the account (ban). False: no such user. */
  setClosed(userId: UserId, closed: boolean): Promise<boolean>;
  /** Lets this token (its SHA-256) open the account until `expires`. */
  addToken(userId: UserId, hash: Uint8Array, expires: number): Promise<void>;
  /** Sets another end to a token. One that is gone stays so. */
  extendToken(hash: Uint8Array, expires: number): Promise<void>;
  /** Ends a token, if it is there. */
  removeToken(hash: Uint8Array): Promise<void>;
  /** Removes all tokens of the user but `except`. */
  removeTokens(userId: UserId, except?: Uint8Array): Promise<void>;
  /** Removes tokens that expired before `now`. */
  expireTokens(now: number): Promise<void>;

  // ---- Sessions ------------------------------------------------------------------------------------------------------------------------

  /**
   * Makes the user online under a fresh session, in one conditional statement: if the row is offline, or names the session `takeover`, or the lease of the
   * node it names has run out and that node is not this one; and if this node's own incarnation and lease are valid.
   * Claims of one turn may share a commit.
   */
  claim(userId: UserId, session: string, takeover?: string): Promise<Claim>;
  /**
   * Ends up to 500 sessions in one transaction: confirms what each says, then sets those users offline whose row still names that very session.
   * Others are left as they are, silently. May be repeated.
   */
  release(sessions: Release[]): Promise<void>;
  /** Up to `limit` rows that are online on this node (any incarnation), with user ids above `after`, in the order of their ids. */
  sessions(after: UserId, limit: number): Promise<(SessionKey & { lastSeq: number })[]>;
  /** Who holds this account now; undefined: nobody. */
  holder(userId: UserId): Promise<{ session: string; node: string } | undefined>;
  /** The nodes where these users are online; who is not, is absent. */
  nodesOf(userIds: UserId[]): Promise<Map<UserId, string>>;

  // ---- For operators -------------------------------------------------------------------------------------------------------------------

  /** Up to `limit` users with ids above `after`, in the order of their ids. */
  users(after: UserId, limit: number): Promise<UserInfo[]>;
  /** Asks the node that holds the user's session to end it. False: nobody holds the account. */
  kick(userId: UserId): Promise<boolean>;
  /** Takes what was asked of this node: the sessions to end. Requests that were overtaken (the session is another by now) are dropped. */
  takeKicks(): Promise<SessionKey[]>;

  // ---- Messages ------------------------------------------------------------------------------------------------------------------------

  /**
   * Stores up to {@linkcode Store.appendLimit} messages in one transaction, each once, with one inbox row per receiver. The results are in the order of the batch.
   *
   * `seq` rises by one per inbox without a gap, `messageid` rises within a conversation, in the order of the batch and of the commits, on any number of nodes.
   * Checked in this order: 16/17, then `mid` (of the same sender; also within the batch), then 18, 23, 24. A group goes to every member but the sender; a member whose inbox is full is left out.
   * If the outcome of the COMMIT is unknown, it is looked up before this resolves; only if that fails as well, {@linkcode StoreUnavailable}.
   * A message that the database itself refuses makes the whole batch reject (not with StoreUnavailable), with nothing stored: the caller then tries each alone.
   */
  append(batch: Append[]): Promise<Appended[]>;
  /** What stands in the inbox after `after`, in the order of `seq`: at least one if there is any, then at most `limit` rows and about `bytes` bytes of text. */
  inbox(userId: UserId, after: number, limit: number, bytes: number): Promise<InboxMessage[]>;
  /**
   * Confirms: `confirmed_seq` rises to `seq` (never falls, never above `last_seq`), and those inbox rows go, where the user's row still names that session. Up to 500, in one transaction.
   */
  confirm(rows: (SessionKey & { seq: number })[]): Promise<void>;
  /** The newest `limit` messages below `before` of the conversation of two users (both directions), oldest first, and whether there are older ones. */
  history(
    of: { userId: UserId; peer: UserId } | { groupid: GroupId },
    before: number | undefined,
    limit: number,
  ): Promise<{ messages: StoredMessage[]; more: boolean }>;
  /**
   * One step through the messages older than `before`, oldest first: looks at the next `limit` of them after the place where the last step ended (undefined: at
   * the oldest), and deletes those that wait in no inbox.
   *
   * @returns how many it deleted, and where it ended; undefined: there are no more.
   */
  prune(before: number, after: PrunePlace | undefined, limit: number): Promise<{ deleted: number; next: PrunePlace | undefined }>;

  // ---- Friends, blocks, groups ---------------------------------------------------------------------------------------------------------

  /** The user's lists, in a constant number of statements. */
  lists(userId: UserId): Promise<Lists>;
  /** Puts someone on the list of friends. @returns the friend; 16: no such user; 24: the user's list is full. Twice is once. A friend who blocks the user is shown offline. */
  addFriend(userId: UserId, friend: { id: UserId } | { key: string }): Promise<Contact | 16 | 24>;
  /** Takes a friend off the list, if it is there. */
  removeFriend(userId: UserId, friendId: UserId): Promise<void>;
  /** Those online who have one of these as a friend, with no block between the two in either direction. One statement per 500 ids. */
  watchers(userIds: UserId[]): Promise<Watcher[]>;

  /** From now on the user takes nothing from `other`. @returns false: no such user. Twice is once. */
  block(userId: UserId, other: UserId): Promise<boolean>;
  /** Lifts a block, if there is one. */
  unblock(userId: UserId, other: UserId): Promise<void>;

  /** The new group's id, its creator the first member; 1: a group with that key exists; 24: the user is in too many. */
  createGroup(creator: UserId, groupname: string, key: string, groupdesc: string): Promise<{ groupid: GroupId } | 1 | 24>;
  /** The group, which the user is a member of now; 17: no such group; 24: it is full, or the user is in too many. Twice is once. */
  joinGroup(userId: UserId, group: { id: GroupId } | { key: string }): Promise<Group | 17 | 24>;
  /** 0: left. When the creator leaves, the oldest member becomes creator; the last one out removes the group (its name is free again). 17, 18 as in the protocol. */
  leaveGroup(userId: UserId, groupid: GroupId): Promise<0 | 17 | 18>;
  /** The group's members, and where they are online; undefined: no such group. */
  members(groupid: GroupId): Promise<{ userId: UserId; node: string | null }[] | undefined>;
}
