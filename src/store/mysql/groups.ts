// Groups and their members. Whoever changes a group's members, and with them its `count`, holds the lock of its row.

import { Buffer } from "node:buffer";
import type { Group, GroupId, Member, Role, Store, StoreLimits, UserId } from "../store.ts";
import { BLOCKS, CONTACT } from "./contacts.ts";
import { isDuplicate } from "./errors.ts";
import type { Link } from "./link.ts";
import type { Pool } from "./pool.ts";
import { numbers } from "./sql.ts";
import { lockUsers } from "./users.ts";

type Groups = Pick<Store, "createGroup" | "joinGroup" | "leaveGroup" | "membersOf" | "members" | "firstMembers">;

/** The group `g` as its member `me` sees it. */
export const GROUP = "g.id, g.groupname, g.groupdesc, me.grouprole AS role, g.count";

/** Groups of one round trip of {@linkcode Store.firstMembers}. */
const GROUPS = 64;

/** Undoes the transaction and is its result. */
class Full extends Error {}

export function groups(db: Pool, limits: StoreLimits): Groups {
  async function inTooMany(tx: Link, userId: UserId): Promise<boolean> {
    await lockUsers(tx, [userId]);
    const [{ count }] = await tx.rows<{ count: number }>("SELECT COUNT(*) AS count FROM groupuser WHERE userid = ?", [userId]);
    return count >= limits.maxContacts;
  }

  return {
    async createGroup(creator, groupname, key, groupdesc) {
      try {
        return await db.transaction(async (tx) => {
          // The group first: groups are locked before users.
          const { insertId } = await tx.change(
            "INSERT INTO allgroup (groupname, groupkey, groupdesc, count) VALUES (?, ?, ?, 1)",
            [groupname, Buffer.from(key), groupdesc],
          );
          if (await inTooMany(tx, creator)) throw new Full();
          await tx.change("INSERT INTO groupuser (groupid, userid, grouprole, joined) VALUES (?, ?, 'creator', 1)", [insertId, creator]);
          return { groupid: insertId };
        });
      } catch (error) {
        if (error instanceof Full) return "FULL";
        if (isDuplicate(error)) return "INVALID";
        throw error;
      }
    },

    async joinGroup(userId, wanted) {
      const where = "id" in wanted ? "id = ?" : "groupkey = ?";
      const [found] = await db.read<{ id: number }>(`SELECT id FROM allgroup WHERE ${where}`, ["id" in wanted ? wanted.id : Buffer.from(wanted.key)]);
      if (!found) return "NO_GROUP";
      return await db.transaction(async (tx) => {
        const [group] = await tx.rows<Omit<Group, "role">>("SELECT id, groupname, groupdesc, count FROM allgroup WHERE id = ? FOR UPDATE", [
          found.id,
        ]);
        if (!group) return "NO_GROUP";
        const [known] = await tx.rows<{ role: Role }>("SELECT grouprole AS role FROM groupuser WHERE groupid = ? AND userid = ?", [group.id, userId]);
        if (known) return { ...group, ...known };
        if (group.count >= limits.maxGroup || await inTooMany(tx, userId)) return "FULL";
        await tx.change(
          "INSERT INTO groupuser (groupid, userid, grouprole, joined) " +
            "SELECT ?, ?, 'normal', COALESCE(MAX(joined), 0) + 1 FROM groupuser WHERE groupid = ?",
          [group.id, userId, group.id],
        );
        await tx.change("UPDATE allgroup SET count = count + 1 WHERE id = ?", [group.id]);
        return { ...group, count: group.count + 1, role: "normal" };
      });
    },

    async leaveGroup(userId, groupid) {
      return await db.transaction(async (tx) => {
        const group = await tx.rows("SELECT id FROM allgroup WHERE id = ? FOR UPDATE", [groupid]);
        if (group.length === 0) return "NO_GROUP";
        const [left] = await tx.rows<{ grouprole: Role }>("SELECT grouprole FROM groupuser WHERE groupid = ? AND userid = ?", [groupid, userId]);
        if (!left) return "NOT_MEMBER";
        await tx.change("DELETE FROM groupuser WHERE groupid = ? AND userid = ?", [groupid, userId]);
        const [oldest] = await tx.rows<{ userid: number }>("SELECT userid FROM groupuser WHERE groupid = ? ORDER BY joined LIMIT 1", [groupid]);
        if (!oldest) {
          await tx.change("DELETE FROM allgroup WHERE id = ?", [groupid]);
          return "OK";
        }
        await tx.change("UPDATE allgroup SET count = count - 1 WHERE id = ?", [groupid]);
        if (left.grouprole === "creator") {
          await tx.change("UPDATE groupuser SET grouprole = 'creator' WHERE groupid = ? AND userid = ?", [groupid, oldest.userid]);
        }
        return "OK";
      });
    },

    async membersOf(groupid) {
      const rows = await db.read<{ userId: number | null; node: string | null }>(
        "SELECT DISTINCT gu.userid AS userId, d.node FROM allgroup g LEFT JOIN groupuser gu ON gu.groupid = g.id " +
          "LEFT JOIN device d ON d.userid = gu.userid AND d.session IS NOT NULL WHERE g.id = ?",
        [groupid],
      );
      if (rows.length === 0) return undefined;
      const nodes = new Map<UserId, string[]>();
      for (const { userId, node } of rows) {
        if (userId !== null) nodes.set(userId, [...nodes.get(userId) ?? [], ...node === null ? [] : [node]]);
      }
      return [...nodes].map(([userId, nodes]) => ({ userId, nodes }));
    },

    async members(asker, groupid, after, limit) {
      const group = numbers([groupid]);
      const [[found], members] = await db.readAll([
        "SELECT g.groupdesc, g.count, me.userid IS NOT NULL AS inside FROM allgroup g " +
        `LEFT JOIN groupuser me ON me.groupid = g.id AND me.userid = ${numbers([asker])} WHERE g.id = ${group}`,
        `SELECT ${CONTACT}, gu.grouprole AS role FROM groupuser gu JOIN user f ON f.id = gu.userid ${BLOCKS} ${numbers([asker])} ` +
        `WHERE gu.groupid = ${group} AND gu.userid > ${numbers([after])} ORDER BY gu.userid LIMIT ${numbers([limit + 1])}`,
      ]) as [{ groupdesc: string; count: number; inside: number }[], Member[]];
      if (!found) return "NO_GROUP";
      if (found.inside === 0) return "NOT_MEMBER";
      return { groupdesc: found.groupdesc, members: members.slice(0, limit), count: found.count, more: members.length > limit };
    },

    async firstMembers(asker, groupids, limit) {
      const found = new Map<GroupId, Member[]>();
      for (let i = 0; i < groupids.length; i += GROUPS) {
        const piece = groupids.slice(i, i + GROUPS);
        const results = await db.readAll(
          piece.map((groupid) =>
            `SELECT ${CONTACT}, gu.grouprole AS role FROM groupuser gu STRAIGHT_JOIN user f ON f.id = gu.userid ${BLOCKS} ${numbers([asker])} ` +
            `WHERE gu.groupid = ${numbers([groupid])} ORDER BY gu.joined LIMIT ${numbers([limit])}`
          ),
        ) as Member[][];
        for (const [j, members] of results.entries()) if (members.length > 0) found.set(piece[j], members);
      }
      return found;
    },
  };
}
