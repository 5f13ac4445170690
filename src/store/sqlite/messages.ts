import type { GroupId, PrunePlace, Store, StoredMessage, UserId } from "../store.ts";
import { Appending } from "./append.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import type { Logs } from "./logs.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";
import { unindex } from "./search.ts";
import { CONVERSATION } from "./tail.ts";

/** So much text, and one message, goes in one step of pruning: each of its pages and words is touched. */
const PRUNE_BYTES = 64 * 1024;

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

    prune(before, after, limit) {
      type Row = [messageid: number, ts: number, sender: UserId, toid: UserId | null, groupid: GroupId | null, waits: number];
      const sql = `SELECT id, ts, sender, toid, groupid, EXISTS (SELECT 1 FROM inbox WHERE messageid = message.id)
        FROM message WHERE ts < ?1 AND (ts, id) > (?2, ?3) ORDER BY ts, id LIMIT ?4`;
      const unlist = "DELETE FROM conversation WHERE low = ? AND high = ? AND messageid = ?";
      return db.write(() => {
        logs.fileAll();
        const end: PrunePlace = { ...(after ?? { ts: -1, messageid: 0 }) };
        let looked = 0, deleted = 0, bytes = 0;
        for (const [messageid, ts, sender, toid, groupid, waits] of db.rows<Row>(sql, before, end.ts, end.messageid, limit)) {
          looked++;
          Object.assign(end, { ts, messageid });
          if (waits !== 0) continue;
          const [msg] = db.row<[string]>("SELECT msg FROM message WHERE id = ?", messageid)!;
          unindex(db, { messageid, sender, toid, groupid, msg });
          db.run("DELETE FROM message WHERE id = ?", messageid);
          if (toid !== null) db.run(unlist, Math.min(sender, toid), Math.max(sender, toid), messageid);
          deleted++;
          if ((bytes += msg.length) > PRUNE_BYTES) break;
        }
        return { deleted, next: looked === limit || bytes > PRUNE_BYTES ? end : undefined };
      }, limit);
    },
  };
}
