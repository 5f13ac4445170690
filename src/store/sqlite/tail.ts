/**
 * The tail: the newest messages, which stand in `message` alone.
 *
 * 1. Each log has its own place in the tables `inbox` and `user`, and each conversation of two in `conversation`, so rows there for each message would make each
 *    write several pages of its own, one for each member of a group, and have them synced. Hence texts are filed together: those up to `filed.upto` have their
 *    rows; those after it have none, and are counted in nobody's `user.filed_seq`.
 * 2. Which they are is known in memory, and follows from the tables: in the order of their ids, each text after `filed.upto` is one more entry after
 *    `user.filed_seq` in the log of its receiver, or of the group's members, and in its sender's if that one is marked (`many`). Only not of whom `user.filed`
 *    names a later message, or that one: their logs are filed as far as that already. So a process that was killed loses nothing; the next one reads them again.
 * 3. What would not follow is preceded by filing that user's log: an entry of any other kind (something done to a message, what happened in a group), one that is
 *    left out, the mark itself, coming into a group and going from it, the end of the account.
 * 4. Nobody but this file and `user_logs.ts`, which stands on it, knows `filed`, `inbox`, `user.filed_seq` or `user.filed`.
 * 5. The append that makes the tail `TAIL` long or longer begins a pass; those after it file as large a part of it as they add to the tail, in their own
 *    transactions: all at once would hold up the event loop. First come the logs, in the order of the users, so that each page is written once for all that
 *    came; when each is filed up to the end that the tail had, the conversations, in the order of the messages. What was trimmed by then never gets a row in
 *    `inbox`.
 * 6. A transaction that is rolled back takes back what was added in it, and another process may write: what is known is then read again. A pass goes on with what
 *    is left of it, else one would never end where another process writes between any two pieces.
 */
import type { UserId } from "../store.ts";
import type { Database } from "./database.ts";

/** How long the tail is when a pass begins: an entry of a log is one, and a message, which whoever looks for one reads over, as much as so many entries. */
export const TAIL = 12_000, MESSAGE = 10;
/** A piece has so many rows at least: each of its pages is written, whatever the number of rows in it. */
const PIECE = 750;
/** The pieces of a pass, where nothing is added that would say how large they are. */
const PIECES = 16;

/** The ids between ?3 and ?4 of the messages between the users ?1 and ?2, the lower id first. */
export const CONVERSATION = `SELECT id FROM message
  WHERE id > max(?3, (SELECT upto FROM filed)) AND id < ?4 AND toid IS NOT NULL AND min(sender, toid) = ?1 AND max(sender, toid) = ?2
  UNION ALL SELECT messageid FROM conversation WHERE low = ?1 AND high = ?2 AND messageid > ?3 AND messageid < ?4`;

/** The messages that the tail holds of the user ?1's conversations of two: with whom, whether the user sent it, and whether it was deleted. Newest first. */
export const IN_TAIL = `SELECT iif(sender = ?1, toid, sender), id, sender = ?1, deleted FROM message
  WHERE id > (SELECT upto FROM filed) AND toid IS NOT NULL AND (sender = ?1 OR toid = ?1) ORDER BY id DESC`;

/** The entries that follow from the tables, in their order: the message, whose log, and the last number in it that is filed. */
const UNFILED = `SELECT m.id, u.id, u.filed_seq FROM message m JOIN user u ON u.id = m.toid
    WHERE m.id > (SELECT upto FROM filed) AND m.toid IS NOT NULL AND m.id > u.filed
  UNION ALL SELECT m.id, u.id, u.filed_seq FROM message m JOIN user u ON u.id = m.sender
    WHERE m.id > (SELECT upto FROM filed) AND m.toid IS NOT NULL AND m.toid <> u.id AND u.many AND m.id > u.filed
  UNION ALL SELECT m.id, u.id, u.filed_seq FROM message m CROSS JOIN groupuser g ON g.groupid = m.groupid CROSS JOIN user u ON u.id = g.userid
    WHERE m.id > (SELECT upto FROM filed) AND m.groupid IS NOT NULL AND m.kind = 0 AND (u.id <> m.sender OR u.many) AND u.deleted = 0 AND m.id > u.filed
  ORDER BY 1`;

/** The end of one log. */
interface End {
  /** The last number that is filed. */
  filed: number;
  /** The messages of the entries after it. */
  ids: number[];
}

/** What is being filed. */
interface Pass {
  /** The users whose logs had something in the tail when it began, in their order, and how many of these have been seen to. */
  users: UserId[];
  done: number;
  /** How many entries that was. */
  entries: number;
  /** The last message that was filed when it began, and the last one that is when it ends. */
  from: number;
  upto: number;
}

/** What is known of it. All of it only in `read` and `write`. */
export class Tail {
  readonly #db: Database;
  #ends = new Map<UserId, End>();
  /** How many entries it holds. */
  #entries = 0;
  /** `filed.upto`, and the last message that is known. */
  #upto = 0;
  #newest = 0;
  /** What was added since something was filed. */
  #added = 0;
  #pass: Pass | undefined;
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

  /** A text is stored, as the entry after `seq` in this log (and perhaps in others). In `write`, in the order of the ids. */
  add(messageid: number, userId: UserId, seq: number): void {
    this.#current();
    this.#add(messageid, userId, seq);
  }

  /** Something else than a text is stored, which whoever looks for texts reads over as well. In `write`, when all messages have their rows. */
  passOver(messageid: number): void {
    this.#current();
    this.#reach(messageid);
    this.fileSome();
  }

  /** Files what the tail holds of these logs. In `write`. @returns whether it held anything of them */
  file(userIds: readonly UserId[]): boolean {
    const ends = this.#current();
    const held = userIds.filter((userId) => ends.has(userId));
    this.#file(held, Number.MAX_SAFE_INTEGER);
    return held.length > 0;
  }

  /** Files the user's log, and says that no message up to this one is an entry of it that does not stand in `inbox`. In `write`. */
  close(userId: UserId, messageid: number): void {
    this.file([userId]);
    this.#db.run("UPDATE user SET filed = ? WHERE id = ?", messageid, userId);
  }

  /** Files some, if there is enough to be filed. In `write`. */
  fileSome(): void {
    this.#current();
    const pass = this.#pass;
    if (pass) {
      // The logs take one half of the time until as much has come again, the conversations the other.
      const part = Math.min(1, 2 * this.#added / TAIL);
      const rows = pass.done < pass.users.length ? pass.entries : pass.upto - pass.from;
      if (part === 1 || part * rows >= PIECE) this.#goOn(pass, part);
    } else if (MESSAGE * (this.#newest - this.#upto) + this.#entries >= TAIL) this.#begin();
  }

  /** Files a piece, if a message up to this one is to be filed. In `write`. @returns whether one still is */
  filePiece(messageid: number): boolean {
    this.#current();
    this.#newest = Math.max(this.#newest, messageid);
    if (this.#upto < messageid) this.#goOn(this.#pass ?? this.#begin(), 1 / PIECES);
    return this.#upto < messageid;
  }

  #begin(): Pass {
    this.#added = 0;
    return this.#pass = { users: this.#waiting(this.#newest), done: 0, entries: this.#entries, from: this.#upto, upto: this.#newest };
  }

  /** What is left of a pass, behind what was taken back of it and what others have done. Its pieces stay as large. */
  #left(pass: Pass): Pass | undefined {
    if (pass.upto <= this.#upto) return undefined;
    return { ...pass, users: [...pass.users.slice(0, pass.done), ...this.#waiting(pass.upto)] };
  }

  /** The users whose logs have something in the tail up to this message. */
  #waiting(upto: number): UserId[] {
    return [...this.#ends].filter(([, { ids }]) => ids[0]! <= upto).map(([userId]) => userId).sort((a, b) => a - b);
  }

  /** Does that part of what is to be done, of the logs or, when these are filed, of the conversations. */
  #goOn(pass: Pass, part: number): void {
    const { users, from, upto } = pass;
    this.#added = 0;
    if (pass.done < users.length) return this.#file(users.slice(pass.done, pass.done += Math.ceil(part * users.length)), upto);
    this.#list(Math.min(upto, this.#upto + Math.ceil(part * (upto - from))));
    if (this.#upto === upto) this.#pass = undefined;
  }

  /** Files what these logs hold of messages up to `upto`. */
  #file(userIds: readonly UserId[], upto: number): void {
    const rows: number[] = [];
    for (const userId of userIds) {
      const end = this.#ends.get(userId);
      const later = end?.ids.findIndex((id) => id > upto);
      if (end && later !== 0) this.#fileOne(userId, end, later === -1 ? end.ids.length : later!, rows);
    }
    this.#db.insertAll("inbox", ["userid", "seq", "messageid"], rows);
  }

  /** Files the first `count` entries that the tail holds of a log, all but their rows. */
  #fileOne(userId: UserId, { filed, ids }: End, count: number, rows: number[]): void {
    const last = filed + count;
    const sql = "UPDATE user SET filed_seq = ?, filed = ? WHERE id = ? RETURNING trimmed_seq";
    const [trimmed] = this.#db.row<[number]>(sql, last, ids[count - 1]!, userId)!;
    for (let seq = Math.max(filed, trimmed) + 1; seq <= last; seq++) rows.push(userId, seq, ids[seq - filed - 1]!);
    this.#entries -= count;
    if (count === ids.length) this.#ends.delete(userId);
    else this.#ends.set(userId, { filed: last, ids: ids.slice(count) });
  }

  /** Lists the messages of two up to `upto` in their conversations. All logs are filed up to there. */
  #list(upto: number): void {
    this.#db.run(
      `INSERT INTO conversation (low, high, messageid) SELECT min(sender, toid), max(sender, toid), id FROM message
        WHERE id > (SELECT upto FROM filed) AND id <= ? AND toid IS NOT NULL ORDER BY 1, 2, 3`,
      upto,
    );
    this.#db.run("UPDATE filed SET upto = ?", upto);
    this.#upto = upto;
  }

  #add(messageid: number, userId: UserId, seq: number): void {
    this.#reach(messageid);
    this.#entries++;
    this.#added++;
    const end = this.#ends.get(userId);
    if (end) end.ids.push(messageid);
    else this.#ends.set(userId, { filed: seq, ids: [messageid] });
  }

  #reach(messageid: number): void {
    this.#added += MESSAGE * (messageid - this.#newest);
    this.#newest = messageid;
  }

  #current(): Map<UserId, End> {
    const { generation } = this.#db;
    if (this.#generation === generation) return this.#ends;
    const added = this.#added;
    this.#generation = generation;
    this.#ends = new Map();
    this.#entries = 0;
    [this.#upto] = this.#db.row<[number]>("SELECT upto FROM filed")!;
    this.#newest = this.#upto;
    for (const [messageid, userId, filedSeq] of this.#db.rows<[number, UserId, number]>(UNFILED)) this.#add(messageid, userId, filedSeq);
    // What is no text stands there, too.
    [this.#newest] = this.#db.row<[number]>("SELECT max(ifnull(max(id), 0), ?) FROM message", this.#newest)!;
    this.#added = added;
    this.#pass &&= this.#left(this.#pass);
    return this.#ends;
  }
}
