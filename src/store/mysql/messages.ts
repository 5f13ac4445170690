// Reading what was stored, and removing what is too old.

import { Buffer } from "node:buffer";
import type { InboxMessage, Store, StoredMessage } from "../store.ts";
import type { Pool } from "./pool.ts";
import { marks, padded, pieces, type Value } from "./sql.ts";

type Messages = Pick<Store, "inbox" | "history" | "prune">;

/** Rows of the first read of an inbox: at most 4 MiB with the longest lines. */
const FIRST_READ = 64;

const COLUMNS = "m.id, m.sender, u.name, m.toid, m.groupid, m.ts, CONVERT(m.mid USING utf8mb4) AS mid, m.msg";

interface MessageRow {
  id: number;
  sender: number;
  name: string;
  toid: number | null;
  groupid: number | null;
  ts: number;
  mid: string | null;
  msg: string;
}

function stored(row: MessageRow): StoredMessage {
  const message: StoredMessage = { messageid: row.id, id: row.sender, name: row.name, msg: row.msg, ts: row.ts };
  if (row.toid !== null) message.toid = row.toid;
  if (row.groupid !== null) message.groupid = row.groupid;
  if (row.mid !== null) message.mid = row.mid;
  return message;
}

export function messages(db: Pool): Messages {
  return {
    async inbox(userId, after, limit, bytes) {
      const found: InboxMessage[] = [];
      let size = 0;
      for (let wanted = Math.min(limit, FIRST_READ); wanted > 0;) {
        const rows = await db.read<MessageRow & { seq: number }>(
          `SELECT i.seq, ${COLUMNS} FROM inbox i STRAIGHT_JOIN message m ON m.id = i.messageid STRAIGHT_JOIN user u ON u.id = m.sender ` +
            "WHERE i.userid = ? AND i.seq > ? ORDER BY i.seq LIMIT ?",
          [userId, found.at(-1)?.seq ?? after, String(wanted)],
        );
        for (const row of rows) {
          size += Buffer.byteLength(row.msg);
          if (found.length > 0 && size > bytes) return found;
          found.push({ ...stored(row), seq: row.seq });
        }
        if (rows.length < wanted) break;
        wanted = Math.min(limit - found.length, Math.ceil((bytes - size) / (size / found.length)), found.length * 4);
      }
      return found;
    },

    async history(of, before, limit) {
      const where: string[] = [];
      const params: Value[] = [];
      if ("groupid" in of) {
        where.push("m.groupid = ?");
        params.push(of.groupid);
      } else {
        where.push("m.lo = ?", "m.hi = ?");
        params.push(Math.min(of.userId, of.peer), Math.max(of.userId, of.peer));
      }
      if (before !== undefined) {
        where.push("m.id < ?");
        params.push(before);
      }
      const rows = await db.read<MessageRow>(
        `SELECT ${COLUMNS} FROM message m JOIN user u ON u.id = m.sender WHERE ${where.join(" AND ")} ORDER BY m.id DESC LIMIT ?`,
        [...params, String(limit + 1)],
      );
      return { messages: rows.slice(0, limit).reverse().map(stored), more: rows.length > limit };
    },

    async prune(before, after, limit) {
      // Two ranges of the key message_ts, whose entries end with the id.
      const from = after ? "(ts = ? AND id > ? OR ts > ?) AND ts < ?" : "ts < ?";
      const rows = await db.read<{ id: number; ts: number; waits: number }>(
        "SELECT id, ts, EXISTS (SELECT 1 FROM inbox WHERE messageid = message.id) AS waits FROM message FORCE INDEX (message_ts) " +
          `WHERE ${from} ORDER BY ts, id LIMIT ?`,
        [...(after ? [after.ts, after.messageid, after.ts] : []), before, String(limit)],
      );
      // A message without inbox rows never gets one again, so there is nothing to check a second time.
      const old = rows.filter((row) => row.waits === 0).map((row) => row.id);
      for (const piece of pieces(old)) {
        const list = padded(piece);
        await db.write(`DELETE FROM message WHERE id IN (${marks(list.length)})`, list);
      }
      const last = rows.length === limit ? rows.at(-1) : undefined;
      return { deleted: old.length, next: last && { messageid: last.id, ts: last.ts } };
    },
  };
}
