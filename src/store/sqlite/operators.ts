import type { SessionKey, State, Store, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import type { Node } from "./node.ts";

/** The part of the store that operators need. */
export function operatorStore(db: Database, node: Node): Pick<Store, "users" | "kick" | "takeKicks"> {
  type Row = [id: UserId, name: string, state: State, lastseen: number | null, closed: number, node: string | null, since: number | null];
  const asked = `FROM kick k JOIN user u ON u.id = k.userid WHERE u.session = k.session AND u.node = ?`;
  return {
    users(after, limit) {
      return db.read(() => {
        const rows = db.rows<Row>("SELECT id, name, state, lastseen, closed, node, since FROM user WHERE id > ? ORDER BY id LIMIT ?", after, limit);
        return rows.map(([id, name, state, lastseen, closed, node, since]) => ({ id, name, state, lastseen, closed: closed !== 0, node, since }));
      });
    },

    kick(userId) {
      const sql = "INSERT OR REPLACE INTO kick (userid, session) SELECT id, session FROM user WHERE id = ? AND state = 'online'";
      return db.write(() => db.run(sql, userId) > 0);
    },

    async takeKicks() {
      const some = await db.read(() => db.row("SELECT 1 FROM kick LIMIT 1"));
      if (!some) return [];
      return await db.write(() => {
        const rows = db.rows<[UserId, string]>(`SELECT k.userid, k.session ${asked}`, node.joined?.name ?? null);
        db.run("DELETE FROM kick");
        return rows.map(([userId, session]): SessionKey => ({ userId, session }));
      });
    },
  };
}
