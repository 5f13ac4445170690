import type { Store, StoredMessage, UserId } from "../store.ts";
import { Appending } from "./append.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import type { Logs } from "./logs.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";
import { CONVERSATION } from "./tail.ts";

/** The part of the store that is messages and logs. */
export function messageStore(db: Database, logs: Logs): Pick<Store, "appendLimit" | "append" | "log" | "confirm" | "history" | "prune"> {
  return {
    appendLimit: COMMIT_COST,

    append: (batch) => db.write(() => new Appending(db, logs).run(batch), batch.length),

    log: (userId, after, limit, bytes) => db.read(() => logs.read(userId, after, limit, bytes)),

    confirm: (rows) => db.write(() => rows.forEach((row) => logs.confirm(row)), rows.length),

    history(of, before, limit, bytes) {
      return db.read(() => {
        const ids = "groupid" in of ? "SELECT id FROM message WHERE groupid = ?1 AND id < ?3" : CONVERSATION;
        const sql = `SELECT octet_length(m.msg), ${MESSAGE_COLUMNS} FROM (${ids} ORDER BY 1 DESC LIMIT ?4) AS c
          JOIN message m ON m.id = c.id JOIN user s ON s.id = m.sender ORDER BY m.id DESC`;
        const [first, second] = "groupid" in of ? [of.groupid, null] : [Math.min(of.userId, of.peer), Math.max(of.userId, of.peer)];
        const messages: StoredMessage[] = [];
        let size = 0;
        let more = false;
        for (
          const [length, ...row] of db.iterate<[number, ...MessageRow]>(sql, first, second, before ?? Number.MAX_SAFE_INTEGER, limit + 1)
        ) {
          size += length;
          more = messages.length === limit || (messages.length > 0 && size > bytes);
          if (more) break;
          messages.push(stored(row));
        }
        return { messages: messages.reverse(), more };
      });
    },

    prune(before, limit) {
      const sql = `DELETE FROM message WHERE id IN (SELECT m.id FROM message m WHERE m.ts < ?
        AND NOT EXISTS (SELECT 1 FROM inbox WHERE messageid = m.id) ORDER BY m.ts LIMIT ?) RETURNING id, min(sender, toid), max(sender, toid)`;
      const unlist = "DELETE FROM conversation WHERE low = ? AND high = ? AND messageid = ?";
      return db.write(() => {
        logs.fileAll();
        const pruned = db.rows<[number, UserId | null, UserId | null]>(sql, before, limit);
        for (const [id, low, high] of pruned) db.run(unlist, low, high, id);
        return pruned.length;
      }, limit);
    },
  };
}
