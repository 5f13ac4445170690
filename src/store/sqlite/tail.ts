/**
 * The tail: the newest messages of two, which stand in `message` alone.
 *
 * 1. Each log has its own place in the tables `inbox` and `user`, and each conversation in `conversation`, so rows there for each message would make each
 *    write several pages of its own, and have them synced. Hence messages of two are filed together: those up to `filed.upto` have their rows; those after it
 *    have none, and are counted in nobody's `user.filed_seq`.
 * 2. Which they are is known in memory, and follows from the tables: in the order of their ids, each message after `filed.upto` is one more entry after
 *    `user.filed_seq` in the log of its receiver, and of its sender if that one is marked (`many`). Only not of whom `user.filed` names a later message, or that
 *    one: their logs are filed as far as that already. So a process that was killed loses nothing; the next one reads them again.
 * 3. What would not follow is preceded by filing that user's log: an entry of any other kind (a group's message), one that is left out, the mark itself.
 * 4. Nobody but this file and `user_logs.ts`, which stands on it, knows `filed`, `inbox`, `user.filed_seq` or `user.filed`.
 * 5. The append that makes the tail `TAIL` long or longer files the `FILED_AT_ONCE` oldest, in its own transaction: all at once could hold up the event loop. What was
 *    trimmed by then never gets a row in `inbox`.
 * 6. A transaction that is rolled back takes back what was added in it, and another process may write: what is known is then read again.
 */
import type { UserId } from "../store.ts";
import type { Database } from "./database.ts";

/** From so many messages on they are filed, so many at a time. */
export const TAIL = 2000, FILED_AT_ONCE = 750;

/** The ids between ?3 and ?4 of the messages between the users ?1 and ?2, the lower id first. */
export const CONVERSATION = `SELECT id FROM message
  WHERE id > max(?3, (SELECT upto FROM filed)) AND id < ?4 AND toid IS NOT NULL AND min(sender, toid) = ?1 AND max(sender, toid) = ?2
  UNION ALL SELECT messageid FROM conversation WHERE low = ?1 AND high = ?2 AND messageid > ?3 AND messageid < ?4`;

/** The messages that the tail holds of the user ?1's conversations of two: with whom, whether the user sent it, and whether it was deleted. Newest first. */
export const IN_TAIL = `SELECT iif(sender = ?1, toid, sender), id, sender = ?1, deleted FROM message
  WHERE id > (SELECT upto FROM filed) AND toid IS NOT NULL AND (sender = ?1 OR toid = ?1) ORDER BY id DESC`;

/** The end of one log. */
interface End {
  /** The last number that is filed. */
  filed: number;
  /** The messages of the entries after it. */
  ids: number[];
}

/** What is known of it. All of it only in `read` and `write`. */
export class Tail {
  readonly #db: Database;
  #ends = new Map<UserId, End>();
  /** All messages in it, in the order they came. */
  #ids: number[] = [];
  #generation = -1;

  /** Nothing is read yet. */
  constructor(db: Database) {
    this.#db = db;
  }

  /** The number of the newest entry of the user's log, if the tail holds it. */
  lastSeq(userId: UserId): number | undefined {
    const end = this.#current().get(userId);
    return end && end.filed + end.ids.length;
  }

  /** The entries of the user's log after `seq` that the tail holds. */
  *after(userId: UserId, seq: number): Iterable<{ seq: number; messageid: number }> {
    const end = this.#current().get(userId);
    if (!end) return;
    for (let i = Math.max(0, seq - end.filed); i < end.ids.length; i++) yield { seq: end.filed + i + 1, messageid: end.ids[i]! };
  }

  /** A message of two is stored, as the entry after `seq` in this log (and perhaps in another). In `write`, in the order of the ids. */
  add(messageid: number, userId: UserId, seq: number): void {
    this.#current();
    this.#add(messageid, userId, seq);
  }

  /** Files what the tail holds of these logs. In `write`. @returns whether it held anything of them */
  file(userIds: readonly UserId[]): boolean {
    const ends = this.#current();
    const held = userIds.filter((userId) => ends.has(userId));
    const rows: number[] = [];
    for (const userId of held) {
      const end = ends.get(userId)!;
      this.#file(userId, end, end.ids.length, rows);
    }
    this.#insert(rows);
    return held.length > 0;
  }

  /** Files the user's log, and says that no message up to this one is an entry of it that does not stand in `inbox`. In `write`. */
  close(userId: UserId, messageid: number): void {
    this.file([userId]);
    this.#db.run("UPDATE user SET filed = ? WHERE id = ?", messageid, userId);
  }

  /** Files the oldest messages, if there are enough of them. In `write`. */
  fileSome(): void {
    this.#current();
    if (this.#ids.length >= TAIL) this.#filePiece(FILED_AT_ONCE);
  }

  /** Files all of them. In `write`. */
  fileAll(): void {
    this.#current();
    if (this.#ids.length > 0) this.#filePiece(this.#ids.length);
  }

  #filePiece(count: number): void {
    const upto = this.#ids.splice(0, count).at(-1)!;
    const rows: number[] = [];
    // In the order of the logs, so that each page is written once.
    for (const userId of [...this.#ends.keys()].sort((a, b) => a - b)) {
      const end = this.#ends.get(userId)!;
      const later = end.ids.findIndex((id) => id > upto);
      if (later !== 0) this.#file(userId, end, later < 0 ? end.ids.length : later, rows);
    }
    this.#insert(rows);
    this.#db.run(
      `INSERT INTO conversation (low, high, messageid) SELECT min(sender, toid), max(sender, toid), id FROM message
        WHERE id > (SELECT upto FROM filed) AND id <= ? AND toid IS NOT NULL ORDER BY 1, 2, 3`,
      upto,
    );
    this.#db.run("UPDATE filed SET upto = ?", upto);
  }

  /** Files the first `count` entries that the tail holds of a log, all but their rows. */
  #file(userId: UserId, { filed, ids }: End, count: number, rows: number[]): void {
    const last = filed + count;
    const sql = "UPDATE user SET filed_seq = ?, filed = ? WHERE id = ? RETURNING trimmed_seq";
    const [trimmed] = this.#db.row<[number]>(sql, last, ids[count - 1]!, userId)!;
    for (let seq = Math.max(filed, trimmed) + 1; seq <= last; seq++) rows.push(userId, seq, ids[seq - filed - 1]!);
    if (count === ids.length) this.#ends.delete(userId);
    else this.#ends.set(userId, { filed: last, ids: ids.slice(count) });
  }

  #insert(rows: number[]): void {
    this.#db.insertAll("inbox", ["userid", "seq", "messageid"], rows);
  }

  #add(messageid: number, userId: UserId, seq: number): void {
    if (this.#ids.at(-1) !== messageid) this.#ids.push(messageid);
    const end = this.#ends.get(userId);
    if (end) end.ids.push(messageid);
    else this.#ends.set(userId, { filed: seq, ids: [messageid] });
  }

  #current(): Map<UserId, End> {
    const { generation } = this.#db;
    if (this.#generation === generation) return this.#ends;
    this.#generation = generation;
    this.#ends = new Map();
    this.#ids = [];
    type Log = [userId: UserId, filedSeq: number, filed: number, takes: number];
    const sql = `SELECT m.id, r.id, r.filed_seq, r.filed, 1, s.id, s.filed_seq, s.filed, s.many AND s.id <> r.id
      FROM message m JOIN user r ON r.id = m.toid JOIN user s ON s.id = m.sender WHERE m.id > (SELECT upto FROM filed) ORDER BY m.id`;
    for (const [messageid, ...logs] of this.#db.rows<[number, ...Log, ...Log]>(sql)) {
      // Nobody's log may hold it any more, but its conversation.
      this.#ids.push(messageid);
      for (const [userId, filedSeq, filed, takes] of [logs.slice(0, 4) as Log, logs.slice(4) as Log]) {
        if (takes && messageid > filed) this.#add(messageid, userId, filedSeq);
      }
    }
    return this.#ends;
  }
}
