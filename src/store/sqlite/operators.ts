import type { DeviceId, State, Store, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import type { Node } from "./node.ts";

/** The part of the store that operators need. */
export function operatorStore(db: Database, node: Node): Pick<Store, "users" | "kick" | "takeKicks" | "epoch" | "renewEpoch"> {
  type Row = [
    id: UserId,
    name: string,
    state: State,
    lastseen: number | null,
    closed: number,
    sessions: number,
    since: number | null,
  ];
  return {
    users(after, limit) {
      return db.read(() => {
        const sql = `SELECT id, name, state, lastseen, closed, (SELECT count(session) FROM device WHERE userid = user.id),
          (SELECT max(since) FROM device WHERE userid = user.id) FROM user WHERE id > ? AND deleted = 0 ORDER BY id LIMIT ?`;
        return db.rows<Row>(sql, after, limit).map(([id, name, state, lastseen, closed, sessions, since]) => (
          { id, name, state, lastseen, closed: closed !== 0, sessions, nodes: node.nodesOf(state), since }
        ));
      });
    },

    kick(userId, device) {
      const sql = `INSERT OR REPLACE INTO kick (session, userid, device, node, at)
        SELECT session, userid, device, node, ? FROM device WHERE userid = ? AND session IS NOT NULL AND device = ifnull(?, device)`;
      return db.write(() => db.run(sql, Date.now(), userId, device ?? null) > 0);
    },

    async takeKicks() {
      const name = node.joined?.name;
      if (name === undefined || !await db.read(() => db.row("SELECT 1 FROM kick LIMIT 1"))) return [];
      return await db.write(() => {
        const rows = db.rows<[UserId, DeviceId, string]>("DELETE FROM kick WHERE node = ? RETURNING userid, device, session", name);
        return rows.map(([userId, device, session]) => ({ userId, device, session }));
      });
    },

    epoch: () => db.read(() => db.row<[string]>("SELECT word FROM epoch")![0]),
    renewEpoch: () => db.write(() => void db.run(RENEW_EPOCH)),
  };
}

/** Gives the file a fresh epoch. */
export const RENEW_EPOCH = "UPDATE epoch SET word = lower(hex(randomblob(8)))";
