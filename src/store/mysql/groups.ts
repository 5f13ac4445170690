// Groups and their members. Whoever changes a group's members holds the lock of its row.

import { Buffer } from "node:buffer";
import type { Group, GroupId, Role, State, Store, StoreLimits, UserId } from "../store.ts";
import { isDuplicate } from "./errors.ts";
import type { Link } from "./link.ts";
import type { Pool } from "./pool.ts";
import { marks, padded, pieces } from "./sql.ts";
import { lockUsers } from "./users.ts";

type Groups = Pick<Store, "createGroup" | "joinGroup" | "leaveGroup" | "members">;

const MEMBER = "gu.groupid, u.id, u.name, u.state, gu.grouprole";

interface MemberRow {
  groupid: GroupId;
  id: UserId;
  name: string;
  state: State;
  grouprole: Role;
}

interface GroupRow {
  id: GroupId;
  groupname: string;
  groupdesc: string;
}

function assemble(groups: GroupRow[], members: MemberRow[]): Group[] {
  const found = new Map<GroupId, Group>(groups.map((group) => [group.id, { ...group, users: [] }]));
  for (const { groupid, id, name, state, grouprole } of members) found.get(groupid)?.users.push({ id, name, state, role: grouprole });
  return [...found.values()];
}

/** These groups with all their members; what does not exist is absent. */
export async function withMembers(db: Pool, ids: Iterable<GroupId>): Promise<Map<GroupId, Group>> {
  const found = new Map<GroupId, Group>();
  for (const piece of pieces([...ids])) {
    const list = padded(piece);
    const places = marks(list.length);
    const groups = await db.read<GroupRow>(`SELECT id, groupname, groupdesc FROM allgroup WHERE id IN (${places})`, list);
    const members = await db.read<MemberRow>(
      `SELECT ${MEMBER} FROM groupuser gu JOIN user u ON u.id = gu.userid WHERE gu.groupid IN (${places}) ORDER BY gu.groupid, gu.joined`,
      list,
    );
    for (const group of assemble(groups, members)) found.set(group.id, group);
  }
  return found;
}

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
            "INSERT INTO allgroup (groupname, groupkey, groupdesc) VALUES (?, ?, ?)",
            [groupname, Buffer.from(key), groupdesc],
          );
          if (await inTooMany(tx, creator)) throw new Full();
          await tx.change("INSERT INTO groupuser (groupid, userid, grouprole, joined) VALUES (?, ?, 'creator', 1)", [insertId, creator]);
          return { groupid: insertId };
        });
      } catch (error) {
        if (error instanceof Full) return 24;
        if (isDuplicate(error)) return 1;
        throw error;
      }
    },

    async joinGroup(userId, wanted) {
      const where = "id" in wanted ? "id = ?" : "groupkey = ?";
      const [found] = await db.read<{ id: number }>(`SELECT id FROM allgroup WHERE ${where}`, ["id" in wanted ? wanted.id : Buffer.from(wanted.key)]);
      if (!found) return 17;
      return await db.transaction(async (tx) => {
        const [group] = await tx.rows<GroupRow>("SELECT id, groupname, groupdesc FROM allgroup WHERE id = ? FOR UPDATE", [found.id]);
        if (!group) return 17;
        const [{ members, newest, known }] = await tx.rows<{ members: number; newest: number; known: number }>(
          "SELECT COUNT(*) AS members, MAX(joined) AS newest, COUNT(IF(userid = ?, 1, NULL)) AS known FROM groupuser WHERE groupid = ?",
          [userId, group.id],
        );
        if (known === 0) {
          if (members >= limits.maxGroup || await inTooMany(tx, userId)) return 24;
          await tx.change("INSERT INTO groupuser (groupid, userid, grouprole, joined) VALUES (?, ?, 'normal', ?)", [group.id, userId, newest + 1]);
        }
        const users = await tx.rows<MemberRow>(
          `SELECT ${MEMBER} FROM groupuser gu JOIN user u ON u.id = gu.userid WHERE gu.groupid = ? ORDER BY gu.joined`,
          [group.id],
        );
        return assemble([group], users)[0];
      });
    },

    async leaveGroup(userId, groupid) {
      return await db.transaction(async (tx) => {
        const group = await tx.rows("SELECT id FROM allgroup WHERE id = ? FOR UPDATE", [groupid]);
        if (group.length === 0) return 17;
        const [left] = await tx.rows<{ grouprole: Role }>("SELECT grouprole FROM groupuser WHERE groupid = ? AND userid = ?", [groupid, userId]);
        if (!left) return 18;
        await tx.change("DELETE FROM groupuser WHERE groupid = ? AND userid = ?", [groupid, userId]);
        const [oldest] = await tx.rows<{ userid: number }>("SELECT userid FROM groupuser WHERE groupid = ? ORDER BY joined LIMIT 1", [groupid]);
        if (!oldest) await tx.change("DELETE FROM allgroup WHERE id = ?", [groupid]);
        else if (left.grouprole === "creator") {
          await tx.change("UPDATE groupuser SET grouprole = 'creator' WHERE groupid = ? AND userid = ?", [groupid, oldest.userid]);
        }
        return 0;
      });
    },

    async members(groupid) {
      const rows = await db.read<{ userId: number | null; node: string | null }>(
        "SELECT u.id AS userId, IF(u.state = 'online', u.node, NULL) AS node FROM allgroup g " +
          "LEFT JOIN groupuser gu ON gu.groupid = g.id LEFT JOIN user u ON u.id = gu.userid WHERE g.id = ? ORDER BY gu.joined",
        [groupid],
      );
      if (rows.length === 0) return undefined;
      return rows.flatMap(({ userId, node }) => userId === null ? [] : [{ userId, node }]);
    },
  };
}
