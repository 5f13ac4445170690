// Friends, those who watch them, and blocks.

import type { Contact, Store, StoreLimits, Watcher } from "../store.ts";
import { Buffer } from "node:buffer";
import type { Pool } from "./pool.ts";
import { marks, padded, pieces } from "./sql.ts";
import { lockUsers } from "./users.ts";

type Contacts = Pick<Store, "addFriend" | "removeFriend" | "watchers" | "block" | "unblock">;

/** The friend `f` as a user sees it: offline if blocked by it. */
export const CONTACT = "f.id, f.name, IF(b.userid IS NULL, f.state, 'offline') AS state, IF(b.userid IS NULL, f.lastseen, NULL) AS lastseen";
export const BLOCKS = "LEFT JOIN block b ON b.userid = f.id AND b.blocked =";

export function contacts(db: Pool, limits: StoreLimits): Contacts {
  return {
    async addFriend(userId, friend) {
      const where = "id" in friend ? "f.id = ?" : "f.namekey = ?";
      const [contact] = await db.read<Contact>(
        `SELECT ${CONTACT} FROM user f ${BLOCKS} ? WHERE ${where}`,
        [userId, "id" in friend ? friend.id : Buffer.from(friend.key)],
      );
      if (!contact) return 16;
      const added = await db.transaction(async (tx) => {
        await lockUsers(tx, [userId]);
        const [{ friends, known }] = await tx.rows<{ friends: number; known: number }>(
          "SELECT COUNT(*) AS friends, COUNT(IF(friendid = ?, 1, NULL)) AS known FROM friend WHERE userid = ?",
          [contact.id, userId],
        );
        if (known > 0) return true;
        if (friends >= limits.maxContacts) return false;
        await tx.change("INSERT INTO friend (userid, friendid) VALUES (?, ?)", [userId, contact.id]);
        return true;
      });
      return added ? contact : 24;
    },

    async removeFriend(userId, friendId) {
      await db.write("DELETE FROM friend WHERE userid = ? AND friendid = ?", [userId, friendId]);
    },

    async watchers(userIds) {
      const found: Watcher[] = [];
      for (const piece of pieces(userIds)) {
        const list = padded(piece);
        found.push(
          ...await db.read<Watcher>(
            "SELECT f.friendid AS userId, f.userid AS watcher, w.node FROM friend f JOIN user w ON w.id = f.userid AND w.state = 'online' " +
              "LEFT JOIN block his ON his.userid = f.friendid AND his.blocked = f.userid " +
              "LEFT JOIN block theirs ON theirs.userid = f.userid AND theirs.blocked = f.friendid " +
              `WHERE f.friendid IN (${marks(list.length)}) AND his.userid IS NULL AND theirs.userid IS NULL`,
            list,
          ),
        );
      }
      return found;
    },

    async block(userId, other) {
      const found = await db.read("SELECT 1 FROM user WHERE id = ?", [other]);
      if (found.length === 0) return false;
      await db.write("INSERT INTO block (userid, blocked) VALUES (?, ?) ON DUPLICATE KEY UPDATE blocked = ?", [userId, other, other]);
      return true;
    },

    async unblock(userId, other) {
      await db.write("DELETE FROM block WHERE userid = ? AND blocked = ?", [userId, other]);
    },
  };
}
