// Ending sessions, confirming, and where everybody is.

import type { DeviceId, Store, UserId, Whereabouts } from "../store.ts";
import type { NodeLife } from "./node.ts";
import type { Pool } from "./pool.ts";
import { marks, padded, pieces } from "./sql.ts";
import type { Users } from "./users.ts";

type Sessions = Pick<Store, "release" | "confirm" | "sessions" | "holder" | "whereabouts">;

export function sessions(db: Pool, users: Users, node: NodeLife): Sessions {
  return {
    async release(released) {
      if (released.length === 0) return [];
      return await users.change(released.map(({ userId }) => userId), (locked, _, held) => {
        for (const { userId, device: number, session, lastseen, confirmed, unmade } of released) {
          const user = locked.get(userId);
          const device = user?.devices.get(number);
          if (!user || !device || device.session !== session) continue;
          if (confirmed !== undefined) user.confirm(device, confirmed);
          if (unmade) user.remove(device, lastseen);
          else user.end(device, lastseen);
          // What a confirmation had to leave there: it may have been the last one.
          user.trim();
        }
        return { result: released.filter(({ userId }) => held.has(userId)) };
      }, { part: true });
    },

    async confirm(rows) {
      if (rows.length === 0) return new Set();
      return await users.change(rows.map(({ userId }) => userId), (locked, _, held) => {
        for (const { userId, device: number, session, seq } of rows) {
          const user = locked.get(userId);
          const device = user?.devices.get(number);
          if (user && device && device.session === session) user.confirm(device, seq);
        }
        return { result: held };
      }, { part: true });
    },

    async sessions(after, limit) {
      if (!node.identity) return [];
      const rows = await db.read<{ userid: UserId; device: DeviceId; session: string; last_seq: number }>(
        "SELECT d.userid, d.device, d.session, u.last_seq FROM device d JOIN user u ON u.id = d.userid " +
          "WHERE d.node = ? AND (d.userid > ? OR (d.userid = ? AND d.device > ?)) ORDER BY d.userid, d.device LIMIT ?",
        [node.identity.name, after.userId, after.userId, after.device, String(limit)],
      );
      return rows.map(({ userid, device, session, last_seq }) => ({ userId: userid, device, session, lastSeq: last_seq }));
    },

    async holder(userId, device) {
      const rows = await db.read<{ session: string; node: string }>(
        "SELECT session, node FROM device WHERE userid = ? AND device = ? AND session IS NOT NULL",
        [userId, device],
      );
      return rows[0];
    },

    async whereabouts(userIds) {
      const found = new Map<UserId, Whereabouts & { nodes: string[] }>();
      for (const piece of pieces(userIds)) {
        const list = padded(piece);
        const rows = await db.read<{ id: number; lastseen: number | null; node: string | null }>(
          `SELECT DISTINCT u.id, u.lastseen, d.node FROM user u LEFT JOIN device d ON d.userid = u.id AND d.session IS NOT NULL WHERE u.deleted = 0 AND u.id IN (${
            marks(list.length)
          })`,
          list,
        );
        for (const { id, lastseen, node } of rows) {
          const whereabouts = found.get(id) ?? { nodes: [], lastseen };
          if (node !== null) whereabouts.nodes.push(node);
          found.set(id, whereabouts);
        }
      }
      return found;
    },
  };
}
