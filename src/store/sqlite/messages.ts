import type { Append, Appended, GroupId, InboxMessage, Receiver, Store, StoredMessage, StoreLimits, UserId } from "../store.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import { confirm } from "./sessions.ts";

/** A receiver as the transaction found them, counted up by its messages. */
interface Inbox {
  userId: UserId;
  lastSeq: number;
  confirmedSeq: number;
  node: string | null;
  changed: boolean;
}

/** One append: the inboxes and groups it touches are read once, and each inbox is counted up once, at the end. */
class Appending {
  readonly #db: Database;
  readonly #limits: StoreLimits;
  readonly #inboxes = new Map<UserId, Inbox | undefined>();
  readonly #groups = new Map<GroupId, Map<UserId, Inbox> | undefined>();

  constructor(db: Database, limits: StoreLimits) {
    this.#db = db;
    this.#limits = limits;
  }

  run(batch: Append[]): Appended[] {
    const results = batch.map((append) => append.groupid === undefined ? this.#direct(append, append.toid!) : this.#group(append, append.groupid));
    for (const inbox of this.#inboxes.values()) {
      if (inbox?.changed) this.#db.run("UPDATE user SET last_seq = ? WHERE id = ?", inbox.lastSeq, inbox.userId);
    }
    return results;
  }

  #direct(append: Append, toid: UserId): Appended {
    const inbox = this.#inbox(toid);
    if (!inbox) return { errno: 16 };
    const blocked = this.#db.row("SELECT 1 FROM block WHERE userid = ? AND blocked = ?", toid, append.sender) !== undefined;
    if (blocked || this.#full(inbox)) return this.#repeated(append) ?? { errno: blocked ? 23 : 24 };
    return this.#store(append, [inbox]);
  }

  #group(append: Append, groupid: GroupId): Appended {
    const members = this.#members(groupid);
    if (!members) return { errno: 17 };
    if (!members.has(append.sender)) return this.#repeated(append) ?? { errno: 18 };
    const inboxes: Inbox[] = [];
    for (const inbox of members.values()) {
      if (inbox.userId !== append.sender && !this.#full(inbox)) inboxes.push(inbox);
    }
    return this.#store(append, inboxes);
  }

  #store(append: Append, inboxes: Inbox[]): Appended {
    const { sender, toid, groupid, ts, mid, msg } = append;
    const sql = `INSERT INTO message (sender, toid, groupid, ts, mid, msg) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (sender, mid) WHERE mid IS NOT NULL DO NOTHING`;
    const messageid = this.#db.insert(sql, sender, toid ?? null, groupid ?? null, ts, mid ?? null, msg);
    if (messageid === undefined) return this.#repeated(append)!;
    const receivers: Receiver[] = [];
    for (const inbox of inboxes) {
      inbox.lastSeq++;
      inbox.changed = true;
      this.#db.run("INSERT INTO inbox (userid, seq, messageid) VALUES (?, ?, ?)", inbox.userId, inbox.lastSeq, messageid);
      receivers.push({ userId: inbox.userId, seq: inbox.lastSeq, node: inbox.node });
    }
    return { errno: 0, messageid, ts, repeated: false, receivers };
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
    const row = this.#db.row<[number, number, string | null]>("SELECT last_seq, confirmed_seq, node FROM user WHERE id = ?", userId);
    const inbox = row && { userId, lastSeq: row[0], confirmedSeq: row[1], node: row[2], changed: false };
    this.#inboxes.set(userId, inbox);
    return inbox;
  }

  #members(groupid: GroupId): Map<UserId, Inbox> | undefined {
    if (this.#groups.has(groupid)) return this.#groups.get(groupid);
    // A group without members does not exist.
    const rows = this.#db.rows<[UserId]>("SELECT userid FROM groupuser WHERE groupid = ?", groupid);
    const members = rows.length > 0 ? new Map(rows.map(([userId]) => [userId, this.#inbox(userId)!])) : undefined;
    this.#groups.set(groupid, members);
    return members;
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
        const where = "groupid" in of ? "m.groupid = ?1" : "m.toid IS NOT NULL AND min(m.sender, m.toid) = ?1 AND max(m.sender, m.toid) = ?2";
        const sql =
          `SELECT ${MESSAGE_COLUMNS} FROM message m JOIN user s ON s.id = m.sender WHERE ${where} AND m.id < ?3 ORDER BY m.id DESC LIMIT ?4`;
        const [first, second] = "groupid" in of ? [of.groupid, null] : [Math.min(of.userId, of.peer), Math.max(of.userId, of.peer)];
        const rows = db.rows<MessageRow>(sql, first, second, before ?? Number.MAX_SAFE_INTEGER, limit + 1);
        return { messages: rows.slice(0, limit).reverse().map(stored), more: rows.length > limit };
      });
    },

    prune(before, limit) {
      const sql = `DELETE FROM message WHERE id IN (SELECT m.id FROM message m WHERE m.ts < ?
        AND NOT EXISTS (SELECT 1 FROM inbox WHERE messageid = m.id) ORDER BY m.ts LIMIT ?)`;
      return db.write(() => db.run(sql, before, limit), limit);
    },
  };
}
