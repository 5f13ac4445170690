// Friends, those who watch them, blocks, and finding users.

import { Buffer } from "node:buffer";
import type { Contact, Store, StoreLimits, User, UserId, Watcher } from "../store.ts";
import { avatarOf } from "../files.ts";
import type { Pool } from "./pool.ts";
import { marks, padded, pieces } from "./sql.ts";
import { lockUsers } from "./users.ts";

type Contacts = Pick<Store, "addFriend" | "removeFriend" | "watchers" | "findUsers" | "findByPrefix" | "block" | "unblock" | "blocks">;

/** The user `f` as somebody sees them: offline since the block, if they block that somebody. */
export const CONTACT = "f.id, f.name, IF(b.userid IS NULL, f.state, 'offline') AS state, IF(b.userid IS NULL, f.lastseen, b.lastseen) AS lastseen";
export const BLOCKS = "LEFT JOIN block b ON b.userid = f.id AND b.blocked =";

/** A user as {@linkcode USER} gives them. */
type UserRow = Pick<Required<User>, "id" | "name" | "about"> & { urlkey: string | null; bot: number };

const USER = "id, name, about, (SELECT urlkey FROM file WHERE file.id = user.avatar) AS urlkey, bot";

function user({ id, name, about, urlkey, bot }: UserRow): User {
  return { id, name, ...about === "" ? {} : { about }, ...avatarOf(urlkey), ...bot === 0 ? {} : { bot: true } };
}

export function contacts(db: Pool, limits: StoreLimits): Contacts {
  async function contact(asker: UserId, where: string, value: number | Uint8Array): Promise<Contact | undefined> {
    const [found] = await db.read<Contact>(`SELECT ${CONTACT} FROM user f ${BLOCKS} ? WHERE f.deleted = 0 AND ${where}`, [asker, value]);
    return found;
  }

  return {
    async addFriend(userId, friend) {
      const found = "id" in friend ? await contact(userId, "f.id = ?", friend.id) : await contact(userId, "f.namekey = ?", Buffer.from(friend.key));
      if (!found) return "NO_USER";
      const added = await db.transaction(async (tx) => {
        const there = await lockUsers(tx, [userId, found.id]);
        if (!there.has(found.id) || !there.has(userId)) return undefined;
        const [{ friends, known }] = await tx.rows<{ friends: number; known: number }>(
          "SELECT COUNT(*) AS friends, COUNT(IF(friendid = ?, 1, NULL)) AS known FROM friend WHERE userid = ?",
          [found.id, userId],
        );
        if (known > 0) return true;
        if (friends >= limits.maxContacts) return false;
        await tx.change("INSERT INTO friend (userid, friendid) VALUES (?, ?)", [userId, found.id]);
        return true;
      });
      return added === undefined ? "NO_USER" : added ? found : "FULL";
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
            "SELECT DISTINCT f.friendid AS userId, f.userid AS watcher, w.node FROM friend f " +
              "JOIN device w ON w.userid = f.userid AND w.session IS NOT NULL " +
              "LEFT JOIN block his ON his.userid = f.friendid AND his.blocked = f.userid " +
              "LEFT JOIN block theirs ON theirs.userid = f.userid AND theirs.blocked = f.friendid " +
              `WHERE f.friendid IN (${marks(list.length)}) AND his.userid IS NULL AND theirs.userid IS NULL`,
            list,
          ),
        );
      }
      return found;
    },

    async findUsers(by) {
      const values = "ids" in by ? by.ids : by.keys.map((key) => Buffer.from(key));
      if (values.length === 0) return [];
      const list = padded<number | Uint8Array>(values);
      const rows = await db.read<UserRow>(
        `SELECT ${USER} FROM user WHERE deleted = 0 AND ${"ids" in by ? "id" : "namekey"} IN (${marks(list.length)}) ORDER BY id LIMIT 100`,
        list,
      );
      return rows.map(user);
    },

    async findByPrefix(prefix, limit) {
      // No byte of a name is 0xFF.
      const end = Buffer.concat([Buffer.from(prefix), Buffer.from([0xFF])]);
      const rows = await db.read<UserRow>(
        `SELECT ${USER} FROM user WHERE deleted = 0 AND namekey >= ? AND namekey < ? ORDER BY namekey LIMIT ?`,
        [
          Buffer.from(prefix),
          end,
          String(limit),
        ],
      );
      return rows.map(user);
    },

    async block(userId, other, at) {
      return await db.transaction(async (tx) => {
        const there = await lockUsers(tx, [userId, other]);
        if (!there.has(other) || !there.has(userId)) return "NO_USER";
        const [{ blocks, known }] = await tx.rows<{ blocks: number; known: number }>(
          "SELECT COUNT(*) AS blocks, COUNT(IF(blocked = ?, 1, NULL)) AS known FROM block WHERE userid = ?",
          [other, userId],
        );
        if (known > 0) return "OK";
        if (blocks >= limits.maxContacts) return "FULL";
        await tx.change("INSERT INTO block (userid, blocked, lastseen) VALUES (?, ?, ?)", [userId, other, at]);
        return "OK";
      });
    },

    async unblock(userId, other) {
      const { affectedRows } = await db.write("DELETE FROM block WHERE userid = ? AND blocked = ?", [userId, other]);
      if (affectedRows === 0) return undefined;
      const [seen, sees] = await Promise.all([contact(other, "f.id = ?", userId), contact(userId, "f.id = ?", other)]);
      return seen && sees && { seen, sees };
    },

    async blocks(userId, other) {
      return (await db.read("SELECT 1 FROM block WHERE userid = ? AND blocked = ?", [userId, other])).length > 0;
    },
  };
}
