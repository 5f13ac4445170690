/**
 * Messages, inboxes and histories.
 *
 * 1. Each conversation of two users has its own place in the table `conversation`, so an entry for each message would make each write a page of its own. Hence
 *    the newest messages are not listed there: all up to `listed.upto` are, those after it are not, and who reads a conversation looks through them as well.
 * 2. The append that makes them `UNLISTED` or more lists them all, sorted, in its own transaction: each page is then written once for many messages.
 */
import type { Append, Appended, GroupId, InboxMessage, Store, StoredMessage, StoreLimits, UserId } from "../store.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import { confirm } from "./sessions.ts";

/** From so many messages on they are listed. */
export const UNLISTED = 1000;

/** Rows of inboxes in one statement: a third of what single ones cost. */
const BULK = 20;
const INSERT_ONE = "INSERT INTO inbox (userid, seq, messageid) VALUES (?, ?, ?)";
const INSERT_BULK = INSERT_ONE + ", (?, ?, ?)".repeat(BULK - 1);

/** A receiver as the transaction found them, counted up by its messages. */
interface Inbox {
  userId: UserId;
  lastSeq: number;
  confirmedSeq: number;
  node: string | null;
  /** Whether they block anyone. */
  blocks: boolean;
  changed: boolean;
}

/**
 * One append. An inbox that direct messages touch is read once, and counted up once, at the end; those of a group are counted up in the database, by a handful of
 * statements whatever its size.
 */
class Appending {
  readonly #db: Database;
  readonly #limits: StoreLimits;
  readonly #inboxes = new Map<UserId, Inbox | undefined>();
  /** Rows for the inboxes, their columns one after the other. */
  #rows: number[] = [];
  /** The last message stored. */
  #newest = 0;

  constructor(db: Database, limits: StoreLimits) {
    this.#db = db;
    this.#limits = limits;
  }

  run(batch: Append[]): Appended[] {
    const results = batch.map((append) => append.groupid === undefined ? this.#direct(append, append.toid!) : this.#group(append, append.groupid));
    this.#flush();
    this.#list();
    return results;
  }

  /** Writes what was counted up, and forgets it. */
  #flush(): void {
    for (const inbox of this.#inboxes.values()) {
      if (inbox?.changed) this.#db.run("UPDATE user SET last_seq = ? WHERE id = ?", inbox.lastSeq, inbox.userId);
    }
    this.#inboxes.clear();
    const bulk = this.#rows.length - this.#rows.length % (3 * BULK);
    for (let at = 0; at < bulk; at += 3 * BULK) this.#db.run(INSERT_BULK, ...this.#rows.slice(at, at + 3 * BULK));
    for (let at = bulk; at < this.#rows.length; at += 3) this.#db.run(INSERT_ONE, ...this.#rows.slice(at, at + 3));
    this.#rows = [];
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
    const blocked = inbox.blocks && this.#db.row("SELECT 1 FROM block WHERE userid = ? AND blocked = ?", toid, append.sender) !== undefined;
    if (blocked || this.#full(inbox)) return this.#repeated(append) ?? { errno: blocked ? 23 : 24 };
    const messageid = this.#insert(append);
    if (messageid === undefined) return this.#repeated(append)!;
    const seq = ++inbox.lastSeq;
    inbox.changed = true;
    this.#rows.push(toid, seq, messageid);
    return { errno: 0, messageid, ts: append.ts, repeated: false, receivers: [{ userId: toid, seq, node: inbox.node }] };
  }

  #group(append: Append, groupid: GroupId): Appended {
    const { sender } = append;
    if (!this.#db.row("SELECT 1 FROM groupuser WHERE groupid = ? AND userid = ?", groupid, sender)) {
      // A group without members does not exist.
      if (!this.#db.row("SELECT 1 FROM groupuser WHERE groupid = ? LIMIT 1", groupid)) return { errno: 17 };
      return this.#repeated(append) ?? { errno: 18 };
    }
    const messageid = this.#insert(append);
    if (messageid === undefined) return this.#repeated(append)!;
    this.#flush();
    const takers = "id IN (SELECT userid FROM groupuser WHERE groupid = ?1) AND id <> ?2 AND last_seq - confirmed_seq < ?3";
    const values = [groupid, sender, this.#limits.maxInbox];
    this.#db.run(`INSERT INTO inbox (userid, seq, messageid) SELECT id, last_seq + 1, ?4 FROM user WHERE ${takers}`, ...values, messageid);
    const sql = `UPDATE user SET last_seq = last_seq + 1 WHERE ${takers} RETURNING id, last_seq, node`;
    const receivers = this.#db.rows<[UserId, number, string | null]>(sql, ...values).map(([userId, seq, node]) => ({ userId, seq, node }));
    return { errno: 0, messageid, ts: append.ts, repeated: false, receivers };
  }

  /** @returns undefined if there is a message with this `mid` */
  #insert({ sender, toid, groupid, ts, mid, msg }: Append): number | undefined {
    const sql = `INSERT INTO message (sender, toid, groupid, ts, mid, msg) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (sender, mid) WHERE mid IS NOT NULL DO NOTHING`;
    const messageid = this.#db.insert(sql, sender, toid ?? null, groupid ?? null, ts, mid ?? null, msg);
    if (messageid !== undefined) this.#newest = messageid;
    return messageid;
  }

  /** The answer that this `mid` had before. */
  #repeated({ sender, mid }: Append): Appended | undefined {
    if (mid === undefined) return undefined;
    const row = this.#db.row<[id: number, ts: number]>("SELECT id, ts FROM message WHERE sender = ? AND mid = ?", sender, mid);
    return row && { errno: 0, messageid: row[0], ts: row[1], repeated: true, receivers: [] };
  }

  #full(inbox: Inbox): boolean {
    return inbox.lastSeq - inbox.confirmedSeq >= this.#limits.maxInbox;
  }

  #inbox(userId: UserId): Inbox | undefined {
    if (this.#inboxes.has(userId)) return this.#inboxes.get(userId);
    const sql = "SELECT last_seq, confirmed_seq, node, EXISTS (SELECT 1 FROM block WHERE userid = user.id) FROM user WHERE id = ?";
    const row = this.#db.row<[number, number, string | null, number]>(sql, userId);
    const inbox = row && { userId, lastSeq: row[0], confirmedSeq: row[1], node: row[2], blocks: row[3] === 1, changed: false };
    this.#inboxes.set(userId, inbox);
    return inbox;
  }
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
const MESSAGE_COLUMNS = "m.id, m.sender, s.name, m.toid, m.groupid, m.ts, m.mid, m.msg";

function stored([messageid, id, name, toid, groupid, ts, mid, msg]: MessageRow): StoredMessage {
  const message: StoredMessage = { messageid, id, name, msg, ts };
  if (toid !== null) message.toid = toid;
  if (groupid !== null) message.groupid = groupid;
  if (mid !== null) message.mid = mid;
  return message;
}

/** The part of the store that is messages and inboxes. */
export function messageStore(db: Database, limits: StoreLimits): Pick<Store, "appendLimit" | "append" | "inbox" | "confirm" | "history" | "prune"> {
  return {
    appendLimit: COMMIT_COST,

    append: (batch) => db.write(() => new Appending(db, limits).run(batch), batch.length),

    inbox(userId, after, limit, bytes) {
      return db.read(() => {
        const sql =
          `SELECT i.seq, octet_length(m.msg), ${MESSAGE_COLUMNS} FROM inbox i JOIN message m ON m.id = i.messageid JOIN user s ON s.id = m.sender
          WHERE i.userid = ? AND i.seq > ? ORDER BY i.seq LIMIT ?`;
        const messages: InboxMessage[] = [];
        let size = 0;
        for (const [seq, length, ...row] of db.iterate<[seq: number, length: number, ...MessageRow]>(sql, userId, after, limit)) {
          size += length;
          if (messages.length > 0 && size > bytes) break;
          messages.push({ ...stored(row), seq });
        }
        return messages;
      });
    },

    confirm: (rows) => db.write(() => rows.forEach((row) => confirm(db, row)), rows.length),

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

    prune(before, limit) {
      const sql = `DELETE FROM message WHERE id IN (SELECT m.id FROM message m WHERE m.ts < ?
        AND NOT EXISTS (SELECT 1 FROM inbox WHERE messageid = m.id) ORDER BY m.ts LIMIT ?) RETURNING id, min(sender, toid), max(sender, toid)`;
      const unlist = "DELETE FROM conversation WHERE low = ? AND high = ? AND messageid = ?";
      return db.write(() => {
        const pruned = db.rows<[number, UserId | null, UserId | null]>(sql, before, limit);
        for (const [id, low, high] of pruned) db.run(unlist, low, high, id);
        return pruned.length;
      }, limit);
    },
  };
}
