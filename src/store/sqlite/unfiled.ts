/**
 * The newest messages of one user to another, which stand in `message` alone.
 *
 * 1. Each inbox has its own place in the tables `inbox` and `user`, so a row there for each message would make each write two pages of its own, and have them
 *    synced. Hence direct messages are filed together: those up to `listed.filed` have their rows in `inbox` and are counted in `user.last_seq`; those after it
 *    have and are not.
 * 2. Which they are is known in memory, and follows from the tables: the messages to one user after `listed.filed`, in the order of their ids, have the numbers
 *    after that user's `last_seq`. So a process that was killed loses nothing; the next one reads them again.
 * 3. Whoever reads `inbox` or `last_seq` asks here as well. What reads or writes them by a statement for many users (a group's message) files first.
 * 4. The append that makes them `UNFILED` or more files the `PIECE` oldest, in its own transaction: all at once could hold up the event loop. What was
 *    confirmed by then never gets a row.
 * 5. A transaction that is rolled back takes back what was added in it, and another process may write: what is known is then read again.
 */
import type { UserId } from "../store.ts";
import type { Database } from "./database.ts";

/** From so many messages on they are filed, so many at a time. */
export const UNFILED = 2000, PIECE = 500;

/** The end of one inbox. */
interface Tail {
  /** The last number that is filed. */
  filed: number;
  /** The messages after it. */
  ids: number[];
}

/** What is known of them. All of it only in `read` and `write`. */
export class Unfiled {
  readonly #db: Database;
  #tails = new Map<UserId, Tail>();
  /** The messages of all tails, in the order they came. */
  #ids: number[] = [];
  #generation = -1;

  /** Nothing is read yet. */
  constructor(db: Database) {
    this.#db = db;
  }

  /** The number of the user's newest message, if it is not filed. */
  lastSeq(userId: UserId): number | undefined {
    const tail = this.#current().get(userId);
    return tail && tail.filed + tail.ids.length;
  }

  /** The messages of the user's inbox after `seq` that are not filed, with their numbers. */
  *after(userId: UserId, seq: number): Iterable<{ seq: number; messageid: number }> {
    const tail = this.#current().get(userId);
    if (!tail) return;
    for (let i = Math.max(0, seq - tail.filed); i < tail.ids.length; i++) yield { seq: tail.filed + i + 1, messageid: tail.ids[i]! };
  }

  /** A message was stored, as the one after `seq` in the user's inbox. In `write`. */
  add(userId: UserId, seq: number, messageid: number): void {
    const tails = this.#current();
    const tail = tails.get(userId);
    if (tail) tail.ids.push(messageid);
    else tails.set(userId, { filed: seq, ids: [messageid] });
    this.#ids.push(messageid);
  }

  /** Files the oldest, if there are enough of them. In `write`. @returns whether it did */
  fileSome(): boolean {
    this.#current();
    const enough = this.#ids.length >= UNFILED;
    if (enough) this.#file(PIECE);
    return enough;
  }

  /** Files all of them. In `write`. */
  fileAll(): void {
    this.#current();
    if (this.#ids.length > 0) this.#file(this.#ids.length);
  }

  #file(count: number): void {
    const upto = this.#ids.splice(0, count).at(-1)!;
    const rows: number[] = [];
    // In the order of the inboxes, so that each page is written once.
    for (const userId of [...this.#tails.keys()].sort((a, b) => a - b)) {
      const tail = this.#tails.get(userId)!;
      const later = tail.ids.findIndex((id) => id > upto);
      const ids = later < 0 ? tail.ids : tail.ids.slice(0, later);
      if (ids.length === 0) continue;
      const last = tail.filed + ids.length;
      const [confirmed] = this.#db.row<[number]>("UPDATE user SET last_seq = ? WHERE id = ? RETURNING confirmed_seq", last, userId)!;
      for (let seq = Math.max(tail.filed, confirmed) + 1; seq <= last; seq++) rows.push(userId, seq, ids[seq - tail.filed - 1]!);
      if (later < 0) this.#tails.delete(userId);
      else this.#tails.set(userId, { filed: last, ids: tail.ids.slice(later) });
    }
    this.#db.insertAll("inbox", ["userid", "seq", "messageid"], rows);
    this.#db.run("UPDATE listed SET filed = ?", upto);
  }

  #current(): Map<UserId, Tail> {
    const { generation } = this.#db;
    if (this.#generation === generation) return this.#tails;
    this.#generation = generation;
    this.#tails = new Map();
    this.#ids = [];
    const sql = `SELECT m.toid, u.last_seq, m.id FROM message m JOIN user u ON u.id = m.toid
      WHERE m.id > (SELECT filed FROM listed) AND m.toid IS NOT NULL ORDER BY m.id`;
    for (const [userId, seq, messageid] of this.#db.rows<[UserId, number, number]>(sql)) this.add(userId, seq, messageid);
    return this.#tails;
  }
}
