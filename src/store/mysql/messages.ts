// Reading what was stored, and removing what is too old.

import { Buffer } from "node:buffer";
import type { Conversation, LogEntry, Store, StoredMessage } from "../store.ts";
import type { Pool } from "./pool.ts";
import type { Link } from "./link.ts";
import { type Indexable, unindex } from "./search.ts";
import { lockOrder, marks, padded } from "./sql.ts";

type Messages = Pick<Store, "log" | "history" | "prune">;

/** Messages that are deleted in one transaction. */
const FORGOTTEN = 50;
/** Rows of the first read: at most 4 MiB with the longest lines. */
const FIRST_READ = 64;

/** Of a message `m` and its sender `u`. */
export const COLUMNS = "m.id, m.sender, u.name, m.toid, m.groupid, m.ts, CONVERT(m.mid USING utf8mb4) AS mid, m.msg";

/** A message as a statement gives it. */
export interface MessageRow {
  id: number;
  sender: number;
  name: string;
  toid: number | null;
  groupid: number | null;
  ts: number;
  mid: string | null;
  msg: string;
}

/** The message of a row. */
export function stored({ id, sender, name, toid, groupid, ts, mid, msg }: MessageRow): StoredMessage {
  const conversation: Conversation = toid !== null ? { toid } : { groupid: groupid! };
  return { messageid: id, id: sender, name, ...conversation, msg, ts, ...mid === null ? {} : { mid } };
}

/**
 * Reads few rows first, then as many as their sizes let expect: at least one, then at most `limit` and about `bytes` bytes of text.
 *
 * @param read gives up to so many rows behind `last`.
 * @returns them, and whether there are more.
 */
async function bySize<Row extends MessageRow>(
  read: (last: Row | undefined, count: number) => Promise<Row[]>,
  limit: number,
  bytes: number,
): Promise<{ rows: Row[]; more: boolean }> {
  const rows: Row[] = [];
  let size = 0;
  for (let wanted = Math.min(limit + 1, FIRST_READ);;) {
    const found = await read(rows.at(-1), wanted);
    for (const row of found) {
      size += Buffer.byteLength(row.msg);
      if (rows.length > 0 && (size > bytes || rows.length === limit)) return { rows, more: true };
      rows.push(row);
    }
    if (found.length < wanted) return { rows, more: false };
    wanted = Math.min(limit + 1 - rows.length, Math.ceil((bytes - size) / (size / rows.length)) + 1, rows.length * 4);
  }
}

export function messages(db: Pool): Messages {
  return {
    async log(userId, after, limit, bytes) {
      const { rows } = await bySize<MessageRow & { seq: number }>(
        (last, count) =>
          db.read(
            `SELECT i.seq, ${COLUMNS} FROM inbox i STRAIGHT_JOIN message m ON m.id = i.messageid STRAIGHT_JOIN user u ON u.id = m.sender ` +
              "WHERE i.userid = ? AND i.seq > ? ORDER BY i.seq LIMIT ?",
            [userId, last?.seq ?? after, String(count)],
          ),
        limit,
        bytes,
      );
      return rows.map((row): LogEntry => ({ ...stored(row), seq: row.seq }));
    },

    async history(of, before, limit, bytes) {
      const [where, ...params] = "groupid" in of
        ? ["m.groupid = ?", of.groupid]
        : ["m.lo = ? AND m.hi = ?", Math.min(of.userId, of.peer), Math.max(of.userId, of.peer)];
      const { rows, more } = await bySize<MessageRow>(
        (last, count) => {
          const below = last?.id ?? before;
          return db.read(
            `SELECT ${COLUMNS} FROM message m JOIN user u ON u.id = m.sender WHERE ${where}${below === undefined ? "" : " AND m.id < ?"} ` +
              "ORDER BY m.id DESC LIMIT ?",
            [...params, ...below === undefined ? [] : [below], String(count)],
          );
        },
        limit,
        bytes,
      );
      return { messages: rows.reverse().map(stored), more };
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
      for (let i = 0; i < old.length; i += FORGOTTEN) await db.transaction((tx) => forget(tx, old.slice(i, i + FORGOTTEN)));
      const last = rows.length === limit ? rows.at(-1) : undefined;
      return { deleted: old.length, next: last && { messageid: last.id, ts: last.ts } };
    },
  };
}

/** Deletes messages, and what the index has of them. */
async function forget(tx: Link, ids: number[]): Promise<void> {
  const list = padded(lockOrder(ids));
  const rows = await tx.rows<Indexable>(`SELECT id, sender, toid, groupid, msg FROM message WHERE id IN (${marks(list.length)}) FOR UPDATE`, list);
  for (const row of rows) await unindex(tx, row);
  await tx.change(`DELETE FROM message WHERE id IN (${marks(list.length)})`, list);
}
