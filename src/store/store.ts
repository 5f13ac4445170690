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
 * 6. The store validates nothing: lengths and characters were checked before (`wire/requests.ts`).
 * 7. What was looked at before a wait is not known any more: whatever decides is decided in the statement, or under the lock, that changes.
 * 8. Locks are taken in one order everywhere: groups by id, users by id, devices, messages. A device's row is written only with its user's row locked.
 * 9. `user.state` is right in every committed state: online exactly while a device of the user has a session.
 * 10. Why something is not done is told by the protocol's name of the error (`wire/errors.ts`).
 */
import type { ExportStore } from "./export.ts";
import type { FileId, FileStore } from "./files.ts";
import type { GroupStore } from "./group_store.ts";
import type { BotName, HookStore } from "./hooks.ts";
import type { PushStore } from "./push.ts";
import type { QuotaStore } from "./quota.ts";
import type {
  Acted,
  Append,
  Appended,
  Deed,
  Held,
  HistoryPage,
  LogEntry,
  Part,
  PrunePlace,
  Read,
  Search,
  StoredMessage,
  Talk,
  TalkSettings,
  TalksPlace,
} from "./message_records.ts";
import type {
  Account,
  Claim,
  Claiming,
  Contact,
  Conversation,
  Device,
  DeviceId,
  Ended,
  Profile,
  Release,
  Report,
  SessionKey,
  TokenOwner,
  User,
  UserId,
  UserInfo,
  Watcher,
  Welcome,
  Whereabouts,
} from "./records.ts";

export type * from "./group_store.ts";
export type * from "./message_records.ts";
export type * from "./records.ts";

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

/** What natter keeps; the rules stand at the top of this file. */
export interface Store extends ExportStore, FileStore, GroupStore, HookStore, PushStore, QuotaStore {
  /** Most messages in one {@linkcode Store.append}: 100 on SQLite (7 ms a commit), 500 on MySQL. */
  readonly appendLimit: number;
  /**
   * A pause behind a step of {@linkcode Store.index} is to be so many times as long as the step, and at most so long (ms): 20 times on SQLite, whose steps hold up
   * the loop, 10 on MySQL.
   */
  readonly indexPause: { times: number; most: number };

  // ---- This node's life ----------------------------------------------------------------------------------------------------------------

  /**
   * Takes the name: no second process of that name (SQLite: on that file) may run. Takes a new incarnation and a lease, and sets the users of
   * former incarnations offline. Called once, before the first connection is accepted; claims are `fenced` before it.
   *
   * MySQL: waits for the name, `wait` ms (default 20,000). Throws {@linkcode StoreRefused} if it is taken.
   *
   * @returns the users of whom a former life had left sessions.
   */
  join(node: string, wait?: number): Promise<UserId[]>;
  /**
   * Renews the lease (10 s by the database's clock). Every 3 s. False: this incarnation was reaped, {@linkcode Store.rejoin} is needed.
   *
   * SQLite: true. Throws {@linkcode StoreRefused} if the file was moved, removed or replaced, and tries to write if that failed before.
   */
  renew(): Promise<boolean>;
  /**
   * Takes a new incarnation after a reaping, and claims these sessions anew: a device's row that still names the session stays this session's, and one that names
   * none becomes so, if the account is open and the proof still holds: nobody could be asked to end a session that no row named. A row that others hold is left
   * to reconciling.
   *
   * @returns the sessions that are lost: their rows name others now. Throws {@linkcode StoreRefused} if another process has the name by now.
   */
  rejoin(sessions: (SessionKey & Pick<Claiming, "proof">)[]): Promise<SessionKey[]>;
  /**
   * Ends the sessions of nodes whose lease ran out, and those that rows of former incarnations left. Only when this node's own database link has been up for a whole lease.
   *
   * @returns the users whose sessions ended, and those of whom the answer was lost. SQLite: always none.
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

  /**
   * Makes a user. `key` is the name's comparable form (`wire/names.ts`), `look` what it looks like (`wire/looks.ts`; by default the same).
   *
   * @returns the new user's id; undefined: another has that key, or that look.
   */
  createUser(name: string, key: string, password: string, look?: string): Promise<UserId | undefined>;
  /**
   * By the operator: from now on this bot comes in by the token of this hash, until `expires` (ms), and by no other; its sessions end, and named devices go. It is
   * made if nobody has the name. INVALID: a user, or a group's bot, has it, or one that looks like it.
   */
  makeBot(bot: BotName, token: Uint8Array, expires: number): Promise<{ id: UserId; ended: Ended[] } | "INVALID">;
  /**
   * The same by an invitation to the server, which is used once more by it. NOT_INVITED: no invitation has that code (its hash), or it is used up, or has expired
   * at `now`. INVALID: another has that key, or that look; the invitation is as it was.
   */
  createInvited(
    invite: Uint8Array,
    now: number,
    user: { name: string; key: string; password: string; look: string },
  ): Promise<UserId | "NOT_INVITED" | "INVALID">;
  /** Whether {@linkcode createInvited} would take that code now. */
  isInvited(invite: Uint8Array, now: number): Promise<boolean>;
  /** Keeps an invitation to the server. FULL: this user is gone, or has `most` already that have not expired at `now`; the operator, who is none, may have any number. */
  addInvite(
    invite: { hash: Uint8Array; inviter: UserId | undefined; uses: number; expires: number },
    now: number,
    most: number,
  ): Promise<"OK" | "FULL">;
  /** Invitations of all kinds that have expired at `now` go, `limit` in a transaction. */
  expireInvites(now: number, limit: number): Promise<void>;
  /** The user of this number, or whose name has this comparable form; undefined: there is none (any more). */
  findUser(by: { id: UserId } | { key: string }): Promise<Account | undefined>;
  /** Whether this is the number of a user, or was, of one whose account is deleted: what was said with them stays. */
  isUser(userId: UserId): Promise<boolean>;
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

  /**
   * Deletes an account, if it still has that version of the password (undefined: whatever it has, for operators). In one transaction its name is free and its
   * devices, sessions and tokens are gone; to others the user is called `deleted` (`wire/looks.ts`), and is not found any more. The rest is for whoever asks
   * {@linkcode Store.leaving}. `messages`: what the user said is to go as well.
   *
   * @returns the sessions that are to end; undefined: the password is another by now, or there is no such user.
   */
  deleteAccount(userId: UserId, version: number | undefined, messages: boolean): Promise<Ended[] | undefined>;
  /** Up to `limit` deleted accounts of which something is still to be taken away. */
  leaving(limit: number): Promise<{ userId: UserId; messages: boolean }[]>;
  /**
   * One step of taking away what hangs on a deleted account that is in no group any more: the log, friends, blocks, invitations and files that
   * are in no message, those of others too that
   * name it, about `limit` of each. May be repeated.
   *
   * @returns whose list of friends had it, whom it had invited into groups, and whether there is more.
   */
  clearAccount(userId: UserId, limit: number): Promise<{ friends: UserId[]; invited: UserId[]; more: boolean }>;
  /**
   * One step through all messages: those among the next `limit` behind `after` that the user said and did not delete, and where to go on; undefined: at the end.
   */
  said(userId: UserId, after: number, limit: number): Promise<{ messageids: number[]; next: number | undefined }>;
  /** Nothing more is to be taken away. False: the user is in a group (again). */
  left(userId: UserId): Promise<boolean>;

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
   *
   * @returns those that are to be tried again: others hold their users' rows. SQLite: none.
   */
  release(sessions: Release[]): Promise<Release[]>;
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

  // ---- Profiles and reports ------------------------------------------------------------------------------------------------------------

  /** What the user says of themselves; undefined: there is no such user (any more). */
  profile(userId: UserId): Promise<Profile | undefined>;
  /**
   * Changes what is given. `avatar`: a picture of the user's own that nothing has used, or the one that it is; null: none. The one of before goes.
   *
   * @returns all of it; undefined: there is no such user (any more). NO_MESSAGE: there is no such picture; then nothing is changed
   */
  setProfile(
    userId: UserId,
    change: { about?: string | undefined; receipts?: boolean | undefined; avatar?: FileId | null | undefined },
  ): Promise<Profile | "NO_MESSAGE" | undefined>;
  /**
   * Keeps a message as it is now for the operator. Twice is once, and the first time counts. NO_MESSAGE: none that the user may see, or it is deleted.
   * FULL: `most` reports of the user are kept already.
   */
  report(reporter: UserId, messageid: number, reason: string, at: number, most: number): Promise<"OK" | "NO_MESSAGE" | "FULL">;
  /** Up to `limit` reports with numbers above `after`, in their order. */
  reports(after: number, limit: number): Promise<Report[]>;
  /** Reports from before that time (ms) go, `limit` in a transaction. */
  expireReports(before: number, limit: number): Promise<void>;

  // ---- Messages ------------------------------------------------------------------------------------------------------------------------

  /**
   * Stores up to {@linkcode Store.appendLimit} messages in one transaction, each once, with one log entry per receiver. The results are in the order of the batch.
   *
   * `seq` rises by one per log without a gap, `messageid` rises within a conversation, in the order of the batch and of the commits, on any number of nodes.
   * Checked in this order: NO_USER (the sender's account is deleted), NO_GROUP (there is no such `hook` of the sender in that group, or it is off), `mid` (of the same sender; also within the batch; the same conversation and, unless it was
   * edited or deleted since, the same text give the answer of then, others BAD_FIELD), then NO_USER, NO_GROUP or NO_MESSAGE (`reply`, `files`), NOT_MEMBER, MODERATORS_ONLY,
   * BLOCKED, FULL. A group goes to every member; the sender's own log has it if the sender is marked as having more than one
   * device (a note to oneself is one entry in any case). A log is full when it holds `maxInbox` entries above the user's `confirmed_seq`: a message to one
   * receiver is refused then; a group's leaves that member out, and a sender's own log takes it up to twice that, then is left out.
   * If the outcome of the COMMIT is unknown, it is looked up before this resolves; only if that fails as well, {@linkcode StoreUnavailable}.
   * HELD (MySQL): others hold a row that it needs for more than a moment; those that do not need it are stored.
   * A message that the database itself refuses makes the whole batch reject (not with StoreUnavailable), with nothing stored: the caller then tries each alone.
   */
  append(batch: Append[]): Promise<(Appended | Held)[]>;
  /**
   * What stands in the log after `after`, in the order of `seq`: at least one if there is any, then at most `limit` entries and about `bytes` bytes of text.
   * The first one is not `after + 1` if that is gone from the log: trimmed, since this device was too far behind.
   */
  log(userId: UserId, after: number, limit: number, bytes: number): Promise<LogEntry[]>;
  /**
   * Confirms: a device's place rises to `seq` (never falls, never above the log's end) where its row still names that session; the user's `confirmed_seq` with it,
   * if it is the highest. What every device that counts has confirmed goes from the log: a device counts unless it is more than `maxInbox` behind the log's end;
   * the one furthest ahead always counts. Up to 500, in one transaction.
   *
   * @returns the users whose rows others hold: what is theirs is to be tried again. SQLite: none.
   */
  confirm(rows: (SessionKey & { seq: number })[]): Promise<ReadonlySet<UserId>>;
  /**
   * A part of a conversation as the asker may see it: at most `limit` messages and about `bytes` bytes of text (but one at least), deleted ones and
   * what happened in the group only with `stones`.
   */
  history(
    asker: UserId,
    of: Conversation,
    part: Part,
    limit: number,
    bytes: number,
    stones: boolean,
  ): Promise<HistoryPage | "NO_USER" | "NO_GROUP" | "NOT_MEMBER">;
  /**
   * Does something to a message, in one transaction with an entry in the log of everybody who may see the message; one's own log as with {@linkcode append}.
   * A log takes it up to twice `maxInbox` entries, then is left out. What changes nothing is no entry.
   *
   * Checked in this order: NO_MESSAGE (the user may not see it; but one's own may always be deleted), NOT_YOURS (edited by another; deleted by another who is
   * not the group's creator or moderator), NO_MESSAGE (it is deleted), MODERATORS_ONLY (edited where only they write), BLOCKED (edited or reacted to, where the peer takes nothing from the user), FULL (20 different
   * reactions). An edit is later than the last one. A deletion takes text, reactions and what the index has of it out in the same transaction.
   */
  act(deed: Deed): Promise<Acted>;
  /**
   * Removes those entries of deeds among the next `limit` behind `after` that no log names any more. @returns how many, and where to go on; undefined: at the end.
   */
  dropDeeds(after: number, limit: number): Promise<{ dropped: number; next: number | undefined }>;
  /** Marks a conversation as read up to `messageid`, at most to its newest message. It never goes back. */
  read(userId: UserId, of: Conversation, messageid: number): Promise<Read | "NO_USER" | "NO_GROUP" | "NOT_MEMBER">;
  /**
   * The user's conversations, those with the newest texts first; behind them the groups without any, by number. `next`: where to go on, also if what
   * stood there was left meanwhile; undefined: there are no more. `count`: how many were looked at for that.
   */
  talks(userId: UserId, limit: number, after?: TalksPlace): Promise<{ talks: Talk[]; next: TalksPlace | undefined; count: number }>;
  /** Changes what the user keeps of a conversation. */
  keep(userId: UserId, of: Conversation, settings: Partial<TalkSettings>): Promise<"OK" | "NO_USER" | "NO_GROUP" | "NOT_MEMBER">;
  /**
   * One step through the messages older than `before`, by when they were sent or in the order in which they came: looks at the next `limit` of them at most after the
   * place where the last step ended (undefined: at the first), and deletes those that wait in no log.
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

  // ---- Friends, blocks; groups stand in `group_store.ts` ---------------------------------------------------------------------------------------------------------

  /** What a login of this device reads, in a constant number of statements. */
  welcome(userId: UserId, device: DeviceId): Promise<Welcome>;
  /** The user's lists without the log: what CONTACTS tells. */
  lists(userId: UserId): Promise<Omit<Welcome, "inbox">>;
  /** Puts someone on the list of friends. @returns the friend. Twice is once. FULL: the user's list is full. */
  addFriend(userId: UserId, friend: { id: UserId } | { key: string }): Promise<Contact | "NO_USER" | "FULL">;
  /** Takes someone off the list of friends. */
  removeFriend(userId: UserId, friendId: UserId): Promise<void>;
  /** Those online who have one of these as a friend, with no block between the two in either direction. MySQL: one statement per 512 ids. */
  watchers(userIds: UserId[]): Promise<Watcher[]>;
  /** Those of these users that exist, at most 100, by id. */
  findUsers(by: { ids: UserId[] } | { keys: string[] }): Promise<User[]>;
  /** At most `limit` users whose comparable name begins so, by name. */
  findByPrefix(prefix: string, limit: number): Promise<User[]>;

  /** From `at` (ms) on the user takes nothing from `other`. Twice is once, and the first time counts. FULL: the user blocks too many. */
  block(userId: UserId, other: UserId, at: number): Promise<"OK" | "NO_USER" | "FULL">;
  /** Lifts a block, if there is one. @returns how `other` may see the user now, and the user `other`; undefined: nothing changed. */
  unblock(userId: UserId, other: UserId): Promise<{ seen: Contact; sees: Contact } | undefined>;
  /** Whether the user takes nothing from `other`. */
  blocks(userId: UserId, other: UserId): Promise<boolean>;
}
