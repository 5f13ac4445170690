// How users go: the account at once, what hangs on it in steps.

import { DELETED } from "../../wire/looks.ts";
import type { Store, UserId } from "../store.ts";
import type { FileId } from "../files.ts";
import { removeFiles } from "./files.ts";
import { asking, deletingTokens } from "./locked_user.ts";
import { freeingLook } from "./looks.ts";
import type { Pool } from "./pool.ts";
import { deleting, literal, numbers } from "./sql.ts";
import type { Users } from "./users.ts";

type Leaving = Pick<Store, "isUser" | "deleteAccount" | "leaving" | "clearAccount" | "said" | "left">;

export function leaving(db: Pool, users: Users): Leaving {
  return {
    isUser: async (userId) => (await db.read("SELECT 1 FROM user WHERE id = ?", [userId])).length > 0,

    async deleteAccount(userId, version, messages) {
      return await users.change([userId], (locked) => {
        const user = locked.get(userId);
        if (!user || user.row.deleted || (version !== undefined && user.row.version !== version)) return { result: undefined };
        const at = Date.now();
        const ended = [...user.devices.values()].flatMap((device) => user.remove(device, at));
        user.row.version++;
        user.row.deleted = 1;
        const id = numbers([userId]);
        return {
          result: ended,
          statements: [
            // No comparable name has a capital letter.
            `UPDATE user SET name = ${literal(DELETED)}, namekey = 'D${id}', password = '', about = '', avatar = NULL WHERE id = ${id}`,
            `DELETE FROM device WHERE userid = ${id}`,
            deletingTokens(userId),
            freeingLook("user", userId),
            `INSERT INTO leaving (userid, messages) VALUES (${id}, ${messages ? 1 : 0})`,
            ...asking(ended, at),
          ],
        };
      });
    },

    async leaving(limit) {
      const rows = await db.read<{ userid: UserId; messages: number }>("SELECT userid, messages FROM leaving ORDER BY userid LIMIT ?", [
        String(limit),
      ]);
      return rows.map(({ userid, messages }) => ({ userId: userid, messages: messages === 1 }));
    },

    async clearAccount(userId, limit) {
      const id = numbers([userId]), most = numbers([limit]);
      const files = await db.read<{ id: FileId }>("SELECT id FROM file WHERE owner = ? AND messageid IS NULL LIMIT ?", [userId, String(limit)]);
      if (files.length > 0) await db.transaction((tx) => removeFiles(tx, files.map(({ id }) => id), "AND messageid IS NULL"));
      const reading = [
        `SELECT userid FROM friend WHERE friendid = ${id} LIMIT ${most}`,
        `SELECT userid FROM block WHERE blocked = ${id} LIMIT ${most}`,
        `SELECT COUNT(*) AS n FROM talk WHERE userid = ${id}`,
        `SELECT id, userid FROM invite WHERE inviter = ${id} LIMIT ${most}`,
      ];
      return await users.change([userId], (locked, read) => {
        const [friends, blockers] = (read.slice(0, 2) as { userid: UserId }[][]).map((rows) => rows.map(({ userid }) => userid));
        const [[{ n: talks }], made] = read.slice(2) as [[{ n: number }], { id: number; userid: UserId | null }[]];
        const more = locked.get(userId)!.clear();
        const statements = [
          `DELETE FROM friend WHERE userid = ${id}`,
          `DELETE FROM block WHERE userid = ${id}`,
          `DELETE FROM talk WHERE userid = ${id} LIMIT ${most}`,
          `DELETE invite FROM invite FORCE INDEX (invite_userid) WHERE userid = ${id}`,
        ];
        if (made.length > 0) statements.push(deleting("invite", ["id"], made.map(({ id }) => [id])));
        if (friends.length > 0) statements.push(deleting("friend", ["userid", "friendid"], friends.map((friend) => [friend, userId])));
        if (blockers.length > 0) statements.push(deleting("block", ["userid", "blocked"], blockers.map((blocker) => [blocker, userId])));
        return {
          result: {
            friends,
            invited: made.flatMap(({ userid }) => userid ?? []),
            more: more || talks > limit || [friends, blockers, made, files].some(({ length }) => length === limit),
          },
          statements,
        };
      }, { reading });
    },

    async said(userId, after, limit) {
      const rows = await db.read<{ id: number; own: number }>(
        "SELECT id, sender = ? AND kind = 0 AND NOT deleted AS own FROM message WHERE id > ? ORDER BY id LIMIT ?",
        [userId, after, String(limit)],
      );
      return { messageids: rows.filter(({ own }) => own === 1).map(({ id }) => id), next: rows.length === limit ? rows.at(-1)!.id : undefined };
    },

    async left(userId) {
      const sql = "DELETE FROM leaving WHERE userid = ? AND NOT EXISTS (SELECT 1 FROM groupuser WHERE userid = ?)";
      return (await db.write(sql, [userId, userId])).affectedRows > 0;
    },
  };
}
