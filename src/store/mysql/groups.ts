// Groups and their members, as those see them who are in.

import { Buffer } from "node:buffer";
import type { Group, GroupId, GroupStore, Member, Members, Role, UserId } from "../store.ts";
import { BLOCKS, CONTACT } from "./contacts.ts";
import type { Pool } from "./pool.ts";
import { literal, numbers } from "./sql.ts";

type Lists = Pick<GroupStore, "membersOf" | "members" | "banned" | "firstMembers">;

/** A group as a statement gives it. */
export type GroupRow = Omit<Group, "private"> & { private: number };

/** The columns of a {@linkcode GroupRow}, of the group `g` and its member `me`. */
export const GROUP = "g.id, g.groupname, g.groupdesc, me.grouprole AS role, g.count, g.private";

/** Groups of one round trip of {@linkcode GroupStore.firstMembers}. */
const GROUPS = 64;

/** The group of a row. */
export function groupOf({ id, groupname, groupdesc, role, count, private: isPrivate }: GroupRow): Group {
  return { id, groupname, groupdesc, role, count, ...isPrivate === 1 ? { private: true } : {} };
}

/** The statement that gives a row if a public group has that name, or one that looks the same. */
export function isTaken(key: string, look: string): string {
  return `SELECT 1 FROM allgroup WHERE groupkey = ${literal(Buffer.from(key))} ` +
    `UNION ALL SELECT 1 FROM look WHERE kind = 'group' AND look = ${literal(Buffer.from(look))}`;
}

/** The part of the store that is groups and their members. */
export function groups(db: Pool): Lists {
  return {
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
      const group = numbers([groupid]), me = numbers([asker]);
      const [[found], members] = await db.readAll([
        "SELECT g.groupdesc, g.count, g.private, g.history, g.posting, me.userid IS NOT NULL AS inside FROM allgroup g " +
        `LEFT JOIN groupuser me ON me.groupid = g.id AND me.userid = ${me} WHERE g.id = ${group}`,
        `SELECT ${CONTACT}, gu.grouprole AS role FROM groupuser gu JOIN user f ON f.id = gu.userid ${BLOCKS} ${me} ` +
        `WHERE gu.groupid = ${group} AND gu.userid > ${numbers([after])} AND ${isIn(me, "gu.groupid")} ORDER BY gu.userid LIMIT ${
          numbers([limit + 1])
        }`,
      ]) as [(Omit<Members, "private" | "members" | "more"> & { private: number; inside: number })[], Member[]];
      if (!found || found.private === 1 && found.inside === 0) return "NO_GROUP";
      if (found.inside === 0) return "NOT_MEMBER";
      const { groupdesc, private: isPrivate, history, posting, count } = found;
      return { groupdesc, private: isPrivate === 1, history, posting, members: members.slice(0, limit), count, more: members.length > limit };
    },

    async banned(asker, groupid, after, limit) {
      const group = numbers([groupid]);
      const [[found], users] = await db.readAll([
        `SELECT g.private, me.grouprole AS role FROM allgroup g LEFT JOIN groupuser me ON me.groupid = g.id AND me.userid = ${numbers([asker])} ` +
        `WHERE g.id = ${group}`,
        "SELECT u.id, u.name FROM ban b JOIN user u ON u.id = b.userid " +
        `WHERE b.groupid = ${group} AND b.userid > ${numbers([after])} ORDER BY b.userid LIMIT ${numbers([limit])}`,
      ]) as [{ private: number; role: Role | null }[], { id: UserId; name: string }[]];
      if (!found?.role) return found?.private === 0 ? "NOT_MEMBER" : "NO_GROUP";
      return found.role === "normal" ? "NOT_YOURS" : users;
    },

    async firstMembers(asker, groupids, limit) {
      const found = new Map<GroupId, Member[]>();
      for (let i = 0; i < groupids.length; i += GROUPS) {
        const piece = groupids.slice(i, i + GROUPS);
        const results = await db.readAll(
          piece.map((groupid) =>
            `SELECT ${CONTACT}, gu.grouprole AS role FROM groupuser gu STRAIGHT_JOIN user f ON f.id = gu.userid ${BLOCKS} ${numbers([asker])} ` +
            `WHERE gu.groupid = ${numbers([groupid])} AND ${isIn(numbers([asker]), "gu.groupid")} ORDER BY gu.joined LIMIT ${numbers([limit])}`
          ),
        ) as Member[][];
        for (const [j, members] of results.entries()) if (members.length > 0) found.set(piece[j], members);
      }
      return found;
    },
  };
}

/** That the user is a member of the group; both are SQL. */
function isIn(userId: string, groupid: string): string {
  return `EXISTS (SELECT 1 FROM groupuser i WHERE i.groupid = ${groupid} AND i.userid = ${userId})`;
}
