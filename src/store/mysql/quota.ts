// What texts take. Rows are written in the order of the users.

import { type QuotaStore, ROW_KEPT, type TextKept } from "../quota.ts";
import type { UserId } from "../store.ts";
import type { Pool } from "./pool.ts";
import { deleting, insertPieces, marks, pieces } from "./sql.ts";

interface Counted {
  userid: UserId;
  bytes: number;
  count: number;
  last: number;
}

export function quotas(db: Pool): QuotaStore {
  async function write(kept: readonly TextKept[], change: string): Promise<void> {
    if (kept.length === 0) return;
    const rows = kept.toSorted(([a], [b]) => a - b);
    await db.transaction(async (tx) => {
      for (const piece of insertPieces(rows)) {
        await tx.change(
          `INSERT INTO texts (userid, bytes) VALUES ${marks(piece.length, "(?, ?)")} ON DUPLICATE KEY UPDATE bytes = ${change}`,
          piece.flat(),
        );
      }
    });
  }

  return {
    async textKept(userId) {
      return (await db.read<{ bytes: number }>("SELECT bytes FROM texts WHERE userid = ?", [userId]))[0]?.bytes ?? 0;
    },

    addTextKept: (more) => write(more, "bytes + VALUES(bytes)"),

    async setTextKept(kept) {
      await write(kept.filter(([, bytes]) => bytes > 0), "VALUES(bytes)");
      const none = kept.filter(([, bytes]) => bytes <= 0).map(([userId]) => userId);
      for (const piece of pieces(none)) await db.remove(deleting("texts", ["userid"], piece.map((userId) => [userId])));
    },

    async textKeepers(after, limit) {
      const sql = "SELECT userid FROM texts WHERE userid > ? ORDER BY userid LIMIT ?";
      return (await db.read<{ userid: UserId }>(sql, [after, String(limit)])).map(({ userid }) => userid);
    },

    async countTexts(after, limit) {
      const rows = await db.read<Counted>(
        `SELECT sender AS userid, CAST(SUM(OCTET_LENGTH(msg)) + COUNT(*) * ${ROW_KEPT} AS SIGNED) AS bytes, COUNT(*) AS count, MAX(id) AS last ` +
          "FROM (SELECT id, sender, msg FROM message FORCE INDEX (PRIMARY) WHERE id > ? ORDER BY id LIMIT ?) AS m GROUP BY sender",
        [after, String(limit)],
      );
      const looked = rows.reduce((sum, { count }) => sum + count, 0);
      const next = looked === limit ? Math.max(...rows.map(({ last }) => last)) : undefined;
      return { kept: rows.map(({ userid, bytes }): TextKept => [userid, bytes]), next };
    },
  };
}
