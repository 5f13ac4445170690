import { type QuotaStore, ROW_KEPT, type TextKept } from "../quota.ts";
import type { UserId } from "../store.ts";
import type { Database } from "./database.ts";

/** The part of the store that is what texts take. */
export function quotaStore(db: Database): QuotaStore {
  return {
    textKept: (userId) => db.read(() => db.row<[number]>("SELECT bytes FROM texts WHERE userid = ?", userId)?.[0] ?? 0),

    addTextKept(more) {
      const sql = "INSERT INTO texts (userid, bytes) VALUES (?, ?) ON CONFLICT (userid) DO UPDATE SET bytes = bytes + excluded.bytes";
      return db.write(() => more.forEach(([userId, bytes]) => db.run(sql, userId, bytes)), more.length);
    },

    setTextKept(kept) {
      const sql = "INSERT INTO texts (userid, bytes) VALUES (?, ?) ON CONFLICT (userid) DO UPDATE SET bytes = excluded.bytes";
      return db.write(() => {
        for (const [userId, bytes] of kept) {
          if (bytes > 0) db.run(sql, userId, bytes);
          else db.run("DELETE FROM texts WHERE userid = ?", userId);
        }
      }, kept.length);
    },

    textKeepers: (after, limit) =>
      db.read(() => db.rows<[UserId]>("SELECT userid FROM texts WHERE userid > ? ORDER BY userid LIMIT ?", after, limit).flat()),

    countTexts(after, limit) {
      return db.read(() => {
        // How long a text is stands before it: what is long is not read.
        const rows = db.rows<[UserId, bytes: number, count: number, last: number]>(
          `SELECT sender, sum(octet_length(msg)) + count(*) * ${ROW_KEPT}, count(*), max(id)
            FROM (SELECT id, sender, msg FROM message WHERE id > ? ORDER BY id LIMIT ?) GROUP BY sender`,
          after,
          limit,
        );
        const looked = rows.reduce((sum, [, , count]) => sum + count, 0);
        const next = looked === limit ? Math.max(...rows.map(([, , , last]) => last)) : undefined;
        return { kept: rows.map(([userId, bytes]): TextKept => [userId, bytes]), next };
      });
    },
  };
}
