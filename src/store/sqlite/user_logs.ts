/**
 * The users' logs: what stands in them, and how far it was confirmed.
 *
 * 1. A log is `inbox` and, behind it, what the tail holds (`tail.ts`); its end is told here, and nowhere else.
 * 2. Entries go when every device that counts has confirmed them: `user.trimmed_seq` is the last that is gone. A device counts unless it is more than `maxInbox`
 *    behind; the one furthest ahead always counts. One whose place is gone stands at `user.confirmed_seq`, the highest that any has confirmed; so does who has none.
 * 3. Entries go `ENTRIES_AT_ONCE` in a transaction at most, lest they hold up the event loop; the rest in transactions of their own behind it.
 */
import { EVENT } from "../group_events.ts";
import type { Done, GroupEvent, GroupId, LogEntry, Receiver, SessionKey, State, StoredMessage, UserId } from "../store.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import { sizeOf } from "../files.ts";
import { doneOf, shown } from "./deeds.ts";
import { eventOf } from "./group_events.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";
import type { Node } from "./node.ts";
import { Tail } from "./tail.ts";

/** How many entries one transaction removes. */
const ENTRIES_AT_ONCE = 1000;
/** Of how many users it is remembered that nothing is to be said of them. */
const MOST_PLAIN = 100_000;

/** A user whom messages go to or come from, as the transaction found them, counted up by its messages. */
export interface Log {
  /** Whose. */
  userId: UserId;
  /** Its end. */
  lastSeq: number;
  /** The highest place that any device has confirmed. */
  confirmedSeq: number;
  /** The user blocks someone. */
  blocks: boolean;
  /** Where the user is. */
  nodes: readonly string[];
}

/** The members of the group ?1. */
const MEMBERS_SQL = "SELECT userid FROM groupuser WHERE groupid = ?1";

/** An entry as a statement gives it. */
type EntryRow = [seq: number, kind: number, ...MessageRow];

function entryOf(db: Database, reader: UserId, kind: number, row: MessageRow): StoredMessage | Done | GroupEvent {
  if (kind === 0) return shown(db, reader, stored(row));
  const [messageid, by, , , , ts, , msg] = row;
  return kind === EVENT ? eventOf(db, messageid, by, ts, msg) : doneOf(db, reader, messageid, kind, by);
}

/** What a user's row says of the log. */
interface LogState {
  confirmed: number;
  trimmed: number;
  filedSeq: number;
  many: boolean;
}

/** All of it only in `read` and `write`. */
export class Logs {
  readonly #db: Database;
  readonly #node: Node;
  readonly #tail: Tail;
  readonly #maxInbox: number;
  /** Who is neither marked nor deleted, by one `generation` of the database: who writes pays nothing for it. Their logs are closed before they become so. */
  readonly #plain = new Set<UserId>();
  #generation = -1;

  /** `maxInbox`: most entries that wait in a log. */
  constructor(db: Database, node: Node, maxInbox: number) {
    this.#db = db;
    this.#node = node;
    this.#tail = new Tail(db);
    this.#maxInbox = maxInbox;
  }

  /** The log's end, `filedSeq` being what the user's row says of it. */
  end(userId: UserId, filedSeq: number): number {
    return this.#tail.lastSeq(userId) ?? filedSeq;
  }

  /** Those of these users that exist; each is to be named once. */
  of(userIds: readonly UserId[]): Log[] {
    // From the list to the users: to look for it in the list takes half as long again.
    const sql = `SELECT u.id, u.filed_seq, u.confirmed_seq, EXISTS (SELECT 1 FROM block WHERE userid = u.id), u.state
      FROM json_each(?) AS j CROSS JOIN user u ON u.id = j.value WHERE u.deleted = 0`;
    const rows = this.#db.rows<[UserId, number, number, number, State]>(sql, JSON.stringify(userIds));
    return rows.map(([userId, filedSeq, confirmedSeq, blocks, state]) => ({
      userId,
      lastSeq: this.end(userId, filedSeq),
      confirmedSeq,
      blocks: blocks === 1,
      nodes: this.#node.nodesOf(state),
    }));
  }

  /** Those of these users who are marked as having more than one device, and those whose accounts are deleted. */
  marks(userIds: readonly UserId[]): { many: Set<UserId>; deleted: Set<UserId> } {
    const { generation } = this.#db;
    if (generation !== this.#generation || this.#plain.size >= MOST_PLAIN) this.#plain.clear();
    this.#generation = generation;
    const unknown = userIds.filter((userId) => !this.#plain.has(userId));
    const sql = "SELECT u.id, u.many, u.deleted FROM json_each(?) AS j CROSS JOIN user u ON u.id = j.value WHERE u.many = 1 OR u.deleted = 1";
    const many = new Set<UserId>(), deleted = new Set<UserId>();
    for (const [userId, isMany, isDeleted] of unknown.length > 0 ? this.#db.rows<[UserId, number, number]>(sql, JSON.stringify(unknown)) : []) {
      if (isMany) many.add(userId);
      if (isDeleted) deleted.add(userId);
    }
    for (const userId of unknown) if (!many.has(userId) && !deleted.has(userId)) this.#plain.add(userId);
    return { many, deleted };
  }

  /** Whether the log takes no message from others. */
  isFull({ lastSeq, confirmedSeq }: Log): boolean {
    return lastSeq - confirmedSeq >= this.#maxInbox;
  }

  /** A message of two is the next entry of this log. In `write`. */
  add(log: Log, messageid: number): Receiver {
    this.#tail.add(messageid, log.userId, log.lastSeq);
    return { userId: log.userId, seq: ++log.lastSeq, nodes: log.nodes };
  }

  /** A message of two is also the next entry of its sender's log, unless that is too full even for what is one's own. In `write`. */
  addOwn(log: Log, messageid: number): Receiver | undefined {
    if (log.lastSeq - log.confirmedSeq < 2 * this.#maxInbox) return this.add(log, messageid);
    this.#tail.close(log.userId, messageid);
    return undefined;
  }

  /** A message is the next entry of the logs of a group's members, but for those that are too full. What {@linkcode of} told is not true any more. In `write`. */
  addToGroup(groupid: GroupId, sender: UserId, messageid: number): Receiver[] {
    const sql = `SELECT u.id, u.filed_seq, u.confirmed_seq, u.many, u.state FROM groupuser g CROSS JOIN user u ON u.id = g.userid
      WHERE g.groupid = ? AND u.deleted = 0 ORDER BY u.id`;
    const receivers: Receiver[] = [], full: UserId[] = [];
    for (const [userId, filedSeq, confirmedSeq, many, state] of this.#db.rows<[UserId, number, number, number, State]>(sql, groupid)) {
      const own = userId === sender;
      if (own && many === 0) continue;
      const seq = this.end(userId, filedSeq) + 1;
      if (seq - confirmedSeq > (own ? 2 : 1) * this.#maxInbox) full.push(userId);
      else {
        this.#tail.add(messageid, userId, seq - 1);
        receivers.push({ userId, seq, nodes: this.#node.nodesOf(state) });
      }
    }
    for (const userId of full) this.#tail.close(userId, messageid);
    return receivers;
  }

  /** Something done to a message of a group is the next entry of the logs of those members who see it. In `write`. */
  addDeedToGroup(groupid: GroupId, by: UserId, messageid: number, target: number): Receiver[] {
    return this.#addToAll(`${MEMBERS_SQL} AND sees <= ?6`, groupid, by, messageid, 2 * this.#maxInbox, target);
  }

  /** Something done between these two, or in a note to oneself, is the next entry of their logs. In `write`. */
  addDeed(between: readonly [UserId, UserId], by: UserId, messageid: number): Receiver[] {
    const own = between[0] === between[1] ? 0 : by;
    return this.#addToAll("SELECT value FROM json_each(?1)", JSON.stringify(between), own, messageid, 2 * this.#maxInbox);
  }

  /** What happened in a group is the next entry of the logs of all members. In `write`. */
  addEventToGroup(groupid: GroupId, messageid: number): Receiver[] {
    return this.#addToAll(MEMBERS_SQL, groupid, 0, messageid, 2 * this.#maxInbox);
  }

  /** What one user alone is told is the next entry of that log. In `write`. */
  addEvent(userId: UserId, messageid: number): Receiver[] {
    return this.#addToAll("SELECT ?1", userId, 0, messageid, 2 * this.#maxInbox);
  }

  /** The next entry of the logs of those whom a SELECT with the value ?1 names, but for `own`, if that one has one device; of others that hold less than `most`. */
  #addToAll(users: string, value: string | number, own: UserId, messageid: number, most: number, ...more: number[]): Receiver[] {
    const db = this.#db;
    const values = [value, own, most, 2 * this.#maxInbox, messageid, ...more];
    const takers =
      `id IN (${users}) AND deleted = 0 AND filed_seq - confirmed_seq < CASE WHEN id <> ?2 THEN ?3 WHEN many THEN ?4 ELSE -1 END AND ?5 > 0`;
    // As rows of their own: what RETURNING gives is put aside first, and takes longer than the change.
    const find = () => db.rows<[UserId, number, State]>(`SELECT id, filed_seq + 1, state FROM user WHERE ${takers}`, ...values);
    let found = find();
    if (this.#tail.file(found.map(([userId]) => userId))) found = find();
    db.run(`INSERT INTO inbox (userid, seq, messageid) SELECT id, filed_seq + 1, ?5 FROM user WHERE ${takers}`, ...values);
    db.run(`UPDATE user SET filed_seq = filed_seq + 1 WHERE ${takers}`, ...values);
    this.#tail.passOver(messageid);
    return found.map(([userId, seq, state]) => ({ userId, seq, nodes: this.#node.nodesOf(state) }));
  }

  /** What was said until now is, or is not, in the user's log whatever becomes of them: which groups they are in, for one. In `write`. */
  close(userId: UserId): void {
    this.#plain.delete(userId);
    this.#tail.close(userId, this.newest());
  }

  /** The newest message. */
  newest(): number {
    return this.#db.row<[number]>("SELECT seq FROM sqlite_sequence WHERE name = 'message'")?.[0] ?? 0;
  }

  /** Marks the user as having more than one device: from now on their own messages are entries of their log. In `write`. */
  mark(userId: UserId): void {
    this.close(userId);
    this.#db.run("UPDATE user SET many = 1 WHERE id = ?", userId);
  }

  /** What follows `after`. */
  read(userId: UserId, after: number, limit: number, bytes: number): LogEntry[] {
    const db = this.#db;
    const entries: LogEntry[] = [];
    let size = 0;
    /** Whether there was room for it. */
    const take = ([seq, kind, ...row]: EntryRow) => {
      const entry = entryOf(db, userId, kind, row);
      size += "msg" in entry ? sizeOf(entry) : 0;
      const fits = entries.length < limit && (entries.length === 0 || size <= bytes);
      if (fits) entries.push({ ...entry, seq });
      return fits;
    };
    const from = (place: string) => `SELECT ${place}, m.kind, ${MESSAGE_COLUMNS} FROM`;
    const filed = `${from("i.seq")} inbox i JOIN message m ON m.id = i.messageid JOIN user s ON s.id = m.sender
      WHERE i.userid = ? AND i.seq > ? ORDER BY i.seq LIMIT ?`;
    for (const row of db.iterate<EntryRow>(filed, userId, after, limit)) if (!take(row)) return entries;
    const [trimmed] = db.row<[number]>("SELECT trimmed_seq FROM user WHERE id = ?", userId) ?? [0];
    const one = `${from("?")} message m JOIN user s ON s.id = m.sender WHERE m.id = ?`;
    for (const { seq, messageid } of this.#tail.after(userId, Math.max(after, trimmed))) {
      if (!take(db.row<EntryRow>(one, seq, messageid)!)) break;
    }
    return entries;
  }

  /** Confirms a device's place up to `seq`, if its row still names the session. In `write`. */
  confirm({ userId, device, session, seq }: SessionKey & { seq: number }): void {
    const state = this.#state(userId);
    if (!state) return;
    const place = Math.min(seq, this.end(userId, state.filedSeq));
    const sql = "UPDATE device SET confirmed_seq = ?1 WHERE userid = ?2 AND device = ?3 AND session = ?4 AND confirmed_seq < ?1";
    if (this.#db.run(sql, place, userId, device, session) === 0) return;
    this.#trim(userId, { ...state, confirmed: Math.max(state.confirmed, place) });
  }

  /** Takes out what no device needs any more, when one has gone. In `write`. */
  trim(userId: UserId): void {
    this.#trim(userId, this.#state(userId)!);
  }

  /** Everything in the log of a user without devices goes, {@link ENTRIES_AT_ONCE} entries at a time. @returns whether there is something left. In `write`. */
  clear(userId: UserId): boolean {
    const state = this.#state(userId)!;
    const end = this.end(userId, state.filedSeq);
    this.#trim(userId, { ...state, confirmed: end });
    return this.#state(userId)!.trimmed < end;
  }

  #state(userId: UserId): LogState | undefined {
    const sql = "SELECT confirmed_seq, trimmed_seq, filed_seq, many FROM user WHERE id = ?";
    const row = this.#db.row<[number, number, number, number]>(sql, userId);
    return row && { confirmed: row[0], trimmed: row[1], filedSeq: row[2], many: row[3] === 1 };
  }

  #trim(userId: UserId, { confirmed, trimmed, filedSeq, many }: LogState): void {
    const db = this.#db;
    const target = many ? this.#needless(userId, confirmed, trimmed, this.end(userId, filedSeq)) : confirmed;
    const rows = Math.min(target, filedSeq) - trimmed;
    const upto = rows > ENTRIES_AT_ONCE ? trimmed + ENTRIES_AT_ONCE : Math.max(target, trimmed);
    db.run("UPDATE user SET confirmed_seq = ?, trimmed_seq = ? WHERE id = ?", confirmed, upto, userId);
    if (rows > 0) db.run("DELETE FROM inbox WHERE userid = ? AND seq <= ?", userId, upto);
    // What a crash leaves of it, the next confirmation takes.
    if (upto < target) queueMicrotask(() => db.write(() => this.trim(userId), COMMIT_COST, true).catch(() => {}));
  }

  /** Up to where every device that counts has confirmed. */
  #needless(userId: UserId, confirmed: number, trimmed: number, last: number): number {
    const sql = "SELECT iif(confirmed_seq < ?, ?, confirmed_seq) FROM device WHERE userid = ?";
    const places = this.#db.rows<[number]>(sql, trimmed, confirmed, userId).flat();
    const ahead = Math.max(...places);
    const counting = places.filter((place) => place === ahead || last - place <= this.#maxInbox);
    return counting.length > 0 ? Math.min(...counting) : confirmed;
  }

  /** Writes down some of what was put off, if there is enough of it. In `write`, when all messages have their rows. */
  fileSome(): void {
    this.#tail.fileSome();
  }

  /** Writes down a piece of what was put off, if that is true of a message up to this one. In `write`. @returns whether it still is */
  filePiece(messageid: number): boolean {
    return this.#tail.filePiece(messageid);
  }
}
