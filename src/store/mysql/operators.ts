// What operators need: who is there, and ending sessions.

import type { State, Store } from "../store.ts";
import type { NodeLife } from "./node.ts";
import type { Pool } from "./pool.ts";

type Operators = Pick<Store, "users" | "kick" | "takeKicks">;

interface Row {
  id: number;
  name: string;
  state: State;
  lastseen: number | null;
  closed: number;
  node: string | null;
  since: number | null;
}

export function operators(db: Pool, node: NodeLife): Operators {
  return {
    async users(after, limit) {
      const sql = "SELECT id, name, state, lastseen, closed, node, since FROM user WHERE id > ? ORDER BY id LIMIT ?";
      const rows = await db.read<Row>(sql, [after, String(limit)]);
      return rows.map((row) => ({ ...row, closed: row.closed === 1 }));
    },

    async kick(userId) {
      const { affectedRows } = await db.write(
        "INSERT INTO kick (userid, session) SELECT id, session FROM user WHERE id = ? AND state = 'online' ON DUPLICATE KEY UPDATE session = VALUES(session)",
        [userId],
      );
      return affectedRows > 0 || (await db.read("SELECT 1 FROM kick WHERE userid = ?", [userId])).length > 0;
    },

    async takeKicks() {
      if (!node.identity || (await db.read("SELECT 1 FROM kick LIMIT 1")).length === 0) return [];
      const rows = await db.read<{ userId: number; session: string }>(
        "SELECT k.userid AS userId, k.session FROM kick k JOIN user u ON u.id = k.userid WHERE u.session = k.session AND u.node = ?",
        [node.identity.name],
      );
      for (const { userId, session } of rows) await db.write("DELETE FROM kick WHERE userid = ? AND session = ?", [userId, session]);
      // Overtaken: that session is over. Its former node need not live, so whoever sees the row removes it.
      await db.write("DELETE k FROM kick k JOIN user u ON u.id = k.userid WHERE u.session IS NULL OR u.session <> k.session", []);
      return rows;
    },
  };
}
