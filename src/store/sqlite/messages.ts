/**
 * Messages, inboxes and histories.
 *
 * 1. Each conversation of two users has its own place in the table `conversation`, so an entry for each message would make each write a page of its own. Hence
 *    the newest messages are not listed there: all up to `listed.upto` are, those after it are not, and who reads a conversation looks through them as well.
 * 2. The append that makes them `UNLISTED` or more lists them all, sorted, in its own transaction: each page is then written once for many messages.
 */
import type { SQLInputValue } from "node:sqlite";
import type { Append, Appended, GroupId, InboxMessage, PrunePlace, Store, StoredMessage, StoreLimits, UserId } from "../store.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import { confirm } from "./sessions.ts";
import type { Unfiled } from "./unfiled.ts";

/** So much text, and one message, goes in one step of pruning: each of its pages is touched. */
const PRUNE_BYTES = 1024 * 1024;
/** From so many messages on they are listed. */
export const UNLISTED = 1000;

/** A receiver as the transaction found them, counted up by its messages. */
interface Inbox {
  lastSeq: number;
  confirmedSeq: number;
  node: string | null;
  /** Whether they block anyone. */
  blocks: boolean;
}

/** The columns of a message's row. */
const MESSAGE = ["id", "sender", "toid", "groupid", "ts", "mid", "msg"];

/**
 * One append: each message is decided on, in the order of the batch; then the rows of all are inserted together. An inbox that direct messages touch is read
 * once; those of a group are filled in the database, by a handful of statements whatever its size.
 */
class Appending {
  readonly #db: Database;
  readonly #limits: StoreLimits;
  readonly #unfiled: Unfiled;
  readonly #inboxes = new Map<UserId, Inbox | undefined>();
  /** What is inserted at the end, the columns of one row after those of the other. */
  readonly #rows: SQLInputValue[] = [];
  /** Of what is to be inserted, by sender and `mid`. */
  readonly #mids = new Map<string, Appended>();
  /** The last message's number. */
  #newest: number;

  constructor(db: Database, limits: StoreLimits, unfiled: Unfiled) {
    this.#db = db;
    this.#limits = limits;
    this.#unfiled = unfiled;
    this.#newest = db.row<[number]>("SELECT seq FROM sqlite_sequence WHERE name = 'message'")?.[0] ?? 0;
  }

  run(batch: Append[]): Appended[] {
    const results = batch.map((append) => {
      const result = append.groupid === undefined ? this.#direct(append, append.toid!) : this.#group(append, append.groupid);
      if (append.mid !== undefined && result.errno === 0) this.#mids.set(keyOf(append), result);
      return result;
    });
    if (this.#rows.length === 0) return results;
    this.#db.insertAll("message", MESSAGE, this.#rows);
    // Not both in one transaction: either takes some ms.
    if (!this.#unfiled.fileSome()) this.#list();
    return results;
  }

  /** Lists the newest messages if there are enough of them. */
  #list(): void {
    const [upto] = this.#db.row<[number]>("SELECT upto FROM listed")!;
    if (this.#newest < upto + UNLISTED) return;
    this.#db.run(
      `INSERT INTO conversation (low, high, messageid)
        SELECT min(sender, toid), max(sender, toid), id FROM message WHERE id > ? AND toid IS NOT NULL ORDER BY 1, 2, 3`,
      upto,
    );
    this.#db.run("UPDATE listed SET upto = ?", this.#newest);
  }

  #direct(append: Append, toid: UserId): Appended {
    const inbox = this.#inbox(toid);
    if (!inbox) return { errno: 16 };
    const repeated = this.#repeated(append);
    if (repeated) return repeated;
    if (inbox.blocks && this.#db.row("SELECT 1 FROM block WHERE userid = ? AND blocked = ?", toid, append.sender)) return { errno: 23 };
    if (inbox.lastSeq - inbox.confirmedSeq >= this.#limits.maxInbox) return { errno: 24 };
    const messageid = this.#insert(append);
    this.#unfiled.add(toid, inbox.lastSeq, messageid);
    const seq = ++inbox.lastSeq;
    return { errno: 0, messageid, ts: append.ts, repeated: false, receivers: [{ userId: toid, seq, node: inbox.node }] };
  }

  #group(append: Append, groupid: GroupId): Appended {
    const { sender } = append;
    const isMember = this.#db.row("SELECT 1 FROM groupuser WHERE groupid = ? AND userid = ?", groupid, sender);
    // A group without members does not exist.
    if (!isMember && !this.#db.row("SELECT 1 FROM groupuser WHERE groupid = ? LIMIT 1", groupid)) return { errno: 17 };
    const repeated = this.#repeated(append);
    if (repeated) return repeated;
    if (!isMember) return { errno: 18 };
    const messageid = this.#insert(append);
    this.#unfiled.fileAll();
    this.#inboxes.clear();
    const takers = "id IN (SELECT userid FROM groupuser WHERE groupid = ?1) AND id <> ?2 AND last_seq - confirmed_seq < ?3";
    const values = [groupid, sender, this.#limits.maxInbox];
    this.#db.run(`INSERT INTO inbox (userid, seq, messageid) SELECT id, last_seq + 1, ?4 FROM user WHERE ${takers}`, ...values, messageid);
    const sql = `UPDATE user SET last_seq = last_seq + 1 WHERE ${takers} RETURNING id, last_seq, node`;
    const receivers = this.#db.rows<[UserId, number, string | null]>(sql, ...values).map(([userId, seq, node]) => ({ userId, seq, node }));
    return { errno: 0, messageid, ts: append.ts, repeated: false, receivers };
  }

  /** @returns the number that the message gets */
  #insert({ sender, toid, groupid, ts, mid, msg }: Append): number {
    this.#rows.push(++this.#newest, sender, toid ?? null, groupid ?? null, ts, mid ?? null, msg);
    return this.#newest;
  }

  /** The answer that this `mid` had before. */
  #repeated(append: Append): Appended | undefined {
    const { sender, mid } = append;
    if (mid === undefined) return undefined;
    const now = this.#mids.get(keyOf(append));
    if (now) return { ...now, repeated: true, receivers: [] } as Appended;
    const row = this.#db.row<[id: number, ts: number]>("SELECT id, ts FROM message WHERE sender = ? AND mid = ?", sender, mid);
    return row && { errno: 0, messageid: row[0], ts: row[1], repeated: true, receivers: [] };
  }

  #inbox(userId: UserId): Inbox | undefined {
    if (this.#inboxes.has(userId)) return this.#inboxes.get(userId);
    const sql = "SELECT last_seq, confirmed_seq, node, EXISTS (SELECT 1 FROM block WHERE userid = user.id) FROM user WHERE id = ?";
    const row = this.#db.row<[number, number, string | null, number]>(sql, userId);
    const inbox = row && { lastSeq: this.#unfiled.lastSeq(userId) ?? row[0], confirmedSeq: row[1], node: row[2], blocks: row[3] === 1 };
    this.#inboxes.set(userId, inbox);
    return inbox;
  }
}

function keyOf({ sender, mid }: Append): string {
  return `${sender} ${mid}`;
}

type MessageRow = [
  messageid: number,
  id: UserId,
  name: string,
  toid: UserId | null,
  groupid: GroupId | null,
  ts: number,
  mid: string | null,
  msg: string,
];
type InboxRow = [seq: number, length: number, ...MessageRow];
const MESSAGE_COLUMNS = "m.id, m.sender, s.name, m.toid, m.groupid, m.ts, m.mid, m.msg";

function stored([messageid, id, name, toid, groupid, ts, mid, msg]: MessageRow): StoredMessage {
  const message: StoredMessage = { messageid, id, name, msg, ts };
  if (toid !== null) message.toid = toid;
  if (groupid !== null) message.groupid = groupid;
  if (mid !== null) message.mid = mid;
  return message;
}

/** The part of the store that is messages and inboxes. */
export function messageStore(
  db: Database,
  limits: StoreLimits,
  unfiled: Unfiled,
): Pick<Store, "appendLimit" | "append" | "inbox" | "confirm" | "history" | "prune"> {
  return {
    appendLimit: COMMIT_COST,

    append: (batch) => db.write(() => new Appending(db, limits, unfiled).run(batch), batch.length),

    inbox(userId, after, limit, bytes) {
      return db.read(() => {
        const messages: InboxMessage[] = [];
        let size = 0;
        /** Whether there was room for it. */
        const take = ([seq, length, ...row]: InboxRow) => {
          size += length;
          const fits = messages.length < limit && (messages.length === 0 || size <= bytes);
          if (fits) messages.push({ ...stored(row), seq });
          return fits;
        };
        const from = (place: string) => `SELECT ${place}, octet_length(m.msg), ${MESSAGE_COLUMNS} FROM`;
        const filed = `${from("i.seq")} inbox i JOIN message m ON m.id = i.messageid JOIN user s ON s.id = m.sender
          WHERE i.userid = ? AND i.seq > ? ORDER BY i.seq LIMIT ?`;
        for (const row of db.iterate<InboxRow>(filed, userId, after, limit)) if (!take(row)) return messages;
        const [confirmed] = db.row<[number]>("SELECT confirmed_seq FROM user WHERE id = ?", userId) ?? [0];
        const one = `${from("?")} message m JOIN user s ON s.id = m.sender WHERE m.id = ?`;
        for (const { seq, messageid } of unfiled.after(userId, Math.max(after, confirmed))) {
          if (!take(db.row<InboxRow>(one, seq, messageid)!)) break;
        }
        return messages;
      });
    },

    confirm: (rows) => db.write(() => rows.forEach((row) => confirm(db, unfiled, row)), rows.length),

    history(of, before, limit) {
      return db.read(() => {
        const ids = "groupid" in of ? "SELECT id FROM message WHERE groupid = ?1 AND id < ?3" : `SELECT id FROM message
          WHERE id > (SELECT upto FROM listed) AND id < ?3 AND toid IS NOT NULL AND min(sender, toid) = ?1 AND max(sender, toid) = ?2
          UNION ALL SELECT messageid FROM conversation WHERE low = ?1 AND high = ?2 AND messageid < ?3`;
        const sql = `SELECT ${MESSAGE_COLUMNS} FROM (${ids} ORDER BY 1 DESC LIMIT ?4) AS c
          JOIN message m ON m.id = c.id JOIN user s ON s.id = m.sender ORDER BY m.id DESC`;
        const [first, second] = "groupid" in of ? [of.groupid, null] : [Math.min(of.userId, of.peer), Math.max(of.userId, of.peer)];
        const rows = db.rows<MessageRow>(sql, first, second, before ?? Number.MAX_SAFE_INTEGER, limit + 1);
        return { messages: rows.slice(0, limit).reverse().map(stored), more: rows.length > limit };
      });
    },

    prune(before, after, limit) {
      type Row = [messageid: number, ts: number, size: number, low: UserId | null, high: UserId | null, waits: number];
      const sql = `SELECT id, ts, octet_length(msg), min(sender, toid), max(sender, toid), EXISTS (SELECT 1 FROM inbox WHERE messageid = message.id)
        FROM message WHERE ts < ?1 AND (ts, id) > (?2, ?3) ORDER BY ts, id LIMIT ?4`;
      const unlist = "DELETE FROM conversation WHERE low = ? AND high = ? AND messageid = ?";
      return db.write(() => {
        unfiled.fileAll();
        const end: PrunePlace = { ...(after ?? { ts: -1, messageid: 0 }) };
        let looked = 0, deleted = 0, bytes = 0;
        for (const [messageid, ts, size, low, high, waits] of db.rows<Row>(sql, before, end.ts, end.messageid, limit)) {
          looked++;
          Object.assign(end, { ts, messageid });
          if (waits !== 0) continue;
          db.run("DELETE FROM message WHERE id = ?", messageid);
          if (low !== null) db.run(unlist, low, high, messageid);
          deleted++;
          if ((bytes += size) > PRUNE_BYTES) break;
        }
        return { deleted, next: looked === limit || bytes > PRUNE_BYTES ? end : undefined };
      }, limit);
    },
  };
}
