/**
 * The users' logs: what stands in them, and how far it was confirmed.
 *
 * 1. A log is `inbox` and, behind it, what the tail holds (`tail.ts`); its end is told here, and nowhere else.
 * 2. Entries go when every device that counts has confirmed them: `user.trimmed_seq` is the last that is gone. A device counts unless it is more than `maxInbox`
 *    behind; the one furthest ahead always counts. One whose place is gone stands at `user.confirmed_seq`, the highest that any has confirmed; so does who has none.
 * 3. Entries go `STEP` in a transaction at most, lest they hold up the event loop; the rest in transactions of their own behind it.
 */
import type { GroupId, LogEntry, Receiver, SessionKey, State, UserId } from "../store.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";
import type { Node } from "./node.ts";
import { Tail } from "./tail.ts";

/** How many entries one transaction removes. */
const STEP = 1000;

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

  /** Those of these users that exist. */
  of(userIds: readonly UserId[]): Log[] {
    const sql = `SELECT id, filed_seq, confirmed_seq, EXISTS (SELECT 1 FROM block WHERE userid = user.id), state
      FROM user WHERE id IN (SELECT value FROM json_each(?))`;
    const rows = this.#db.rows<[UserId, number, number, number, State]>(sql, JSON.stringify(userIds));
    return rows.map(([userId, filedSeq, confirmedSeq, blocks, state]) => ({
      userId,
      lastSeq: this.end(userId, filedSeq),
      confirmedSeq,
      blocks: blocks === 1,
      nodes: this.#node.nodesOf(state),
    }));
  }

  /** Those of these users who are marked as having more than one device. */
  marked(userIds: readonly UserId[]): Set<UserId> {
    const sql = "SELECT id FROM user WHERE many = 1 AND id IN (SELECT value FROM json_each(?))";
    return new Set(this.#db.rows<[UserId]>(sql, JSON.stringify(userIds)).flat());
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

  /** A message is the next entry of the logs of a group, by a handful of statements whatever its size. What {@linkcode of} told is not true any more. In `write`. */
  addToGroup(groupid: GroupId, sender: UserId, messageid: number): Receiver[] {
    const db = this.#db;
    if (!this.#tail.empty) this.#tail.file(db.rows<[UserId]>("SELECT userid FROM groupuser WHERE groupid = ?", groupid).flat());
    const takers = `id IN (SELECT userid FROM groupuser WHERE groupid = ?1)
      AND filed_seq - confirmed_seq < CASE WHEN id <> ?2 THEN ?3 WHEN many THEN 2 * ?3 ELSE -1 END`;
    const values = [groupid, sender, this.#maxInbox];
    db.run(`INSERT INTO inbox (userid, seq, messageid) SELECT id, filed_seq + 1, ?4 FROM user WHERE ${takers}`, ...values, messageid);
    const sql = `UPDATE user SET filed_seq = filed_seq + 1 WHERE ${takers} RETURNING id, filed_seq, state`;
    return db.rows<[UserId, number, State]>(sql, ...values).map(([userId, seq, state]) => ({ userId, seq, nodes: this.#node.nodesOf(state) }));
  }

  /** Marks the user as having more than one device: from now on their own messages are entries of their log. In `write`. */
  mark(userId: UserId): void {
    const [newest] = this.#db.row<[number]>("SELECT seq FROM sqlite_sequence WHERE name = 'message'") ?? [0];
    this.#tail.close(userId, newest);
    this.#db.run("UPDATE user SET many = 1 WHERE id = ?", userId);
  }

  /** What follows `after`. */
  read(userId: UserId, after: number, limit: number, bytes: number): LogEntry[] {
    const db = this.#db;
    const entries: LogEntry[] = [];
    let size = 0;
    /** Whether there was room for it. */
    const take = ([seq, length, ...row]: [seq: number, length: number, ...MessageRow]) => {
      size += length;
      const fits = entries.length < limit && (entries.length === 0 || size <= bytes);
      if (fits) entries.push({ ...stored(row), seq });
      return fits;
    };
    const from = (place: string) => `SELECT ${place}, octet_length(m.msg), ${MESSAGE_COLUMNS} FROM`;
    const filed = `${from("i.seq")} inbox i JOIN message m ON m.id = i.messageid JOIN user s ON s.id = m.sender
      WHERE i.userid = ? AND i.seq > ? ORDER BY i.seq LIMIT ?`;
    for (const row of db.iterate<[number, number, ...MessageRow]>(filed, userId, after, limit)) if (!take(row)) return entries;
    const [trimmed] = db.row<[number]>("SELECT trimmed_seq FROM user WHERE id = ?", userId) ?? [0];
    const one = `${from("?")} message m JOIN user s ON s.id = m.sender WHERE m.id = ?`;
    for (const { seq, messageid } of this.#tail.after(userId, Math.max(after, trimmed))) {
      if (!take(db.row<[number, number, ...MessageRow]>(one, seq, messageid)!)) break;
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

  #state(userId: UserId): LogState | undefined {
    const sql = "SELECT confirmed_seq, trimmed_seq, filed_seq, many FROM user WHERE id = ?";
    const row = this.#db.row<[number, number, number, number]>(sql, userId);
    return row && { confirmed: row[0], trimmed: row[1], filedSeq: row[2], many: row[3] === 1 };
  }

  #trim(userId: UserId, { confirmed, trimmed, filedSeq, many }: LogState): void {
    const db = this.#db;
    const target = many ? this.#needless(userId, confirmed, trimmed, this.end(userId, filedSeq)) : confirmed;
    const rows = Math.min(target, filedSeq) - trimmed;
    const upto = rows > STEP ? trimmed + STEP : Math.max(target, trimmed);
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

  /** Writes down all of it. In `write`. */
  fileAll(): void {
    this.#tail.fileAll();
  }
}
