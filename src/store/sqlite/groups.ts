import type { Group, GroupId, Role, State, Store, StoreLimits, UserId } from "../store.ts";
import type { Database } from "./database.ts";

type GroupStore = Pick<Store, "createGroup" | "joinGroup" | "leaveGroup" | "members">;

/** The groups that a query gives the ids of, by name. */
export function groupsIn(db: Database, ids: string, value: number): Group[] {
  const groups = new Map<GroupId, Group>();
  const sql = `SELECT id, groupname, groupdesc FROM allgroup WHERE id IN (${ids}) ORDER BY groupkey`;
  for (const [id, groupname, groupdesc] of db.rows<[GroupId, string, string]>(sql, value)) groups.set(id, { id, groupname, groupdesc, users: [] });
  const members = db.rows<[GroupId, UserId, string, State, Role]>(
    `SELECT g.groupid, u.id, u.name, u.state, g.grouprole FROM groupuser g JOIN user u ON u.id = g.userid WHERE g.groupid IN (${ids})
      ORDER BY g.groupid, g.joined`,
    value,
  );
  for (const [groupid, id, name, state, role] of members) groups.get(groupid)!.users.push({ id, name, state, role });
  return [...groups.values()];
}

/** The part of the store that is groups and their members. */
export function groupStore(db: Database, limits: StoreLimits): GroupStore {
  function inTooMany(userId: UserId): boolean {
    return db.row<[number]>("SELECT count(*) FROM groupuser WHERE userid = ?", userId)![0] >= limits.maxContacts;
  }

  function isMember(userId: UserId, groupid: GroupId): boolean {
    return db.row("SELECT 1 FROM groupuser WHERE groupid = ? AND userid = ?", groupid, userId) !== undefined;
  }

  function addMember(groupid: GroupId, userId: UserId, role: Role, joined: number): void {
    db.run("INSERT INTO groupuser (groupid, userid, grouprole, joined) VALUES (?, ?, ?, ?)", groupid, userId, role, joined);
  }

  return {
    createGroup(creator, groupname, key, groupdesc) {
      return db.write(() => {
        if (db.row("SELECT 1 FROM allgroup WHERE groupkey = ?", key)) return 1;
        if (inTooMany(creator)) return 24;
        const groupid = db.insert("INSERT INTO allgroup (groupname, groupkey, groupdesc) VALUES (?, ?, ?)", groupname, key, groupdesc)!;
        addMember(groupid, creator, "creator", 1);
        return { groupid };
      });
    },

    joinGroup(userId, group) {
      return db.write(() => {
        const [where, value] = "id" in group ? ["id", group.id] : ["groupkey", group.key];
        const row = db.row<[GroupId]>(`SELECT id FROM allgroup WHERE ${where} = ?`, value);
        if (!row) return 17;
        const [groupid] = row;
        if (!isMember(userId, groupid)) {
          const [members, newest] = db.row<[number, number]>("SELECT count(*), max(joined) FROM groupuser WHERE groupid = ?", groupid)!;
          if (members >= limits.maxGroup || inTooMany(userId)) return 24;
          addMember(groupid, userId, "normal", newest + 1);
        }
        return groupsIn(db, "?", groupid)[0];
      });
    },

    leaveGroup(userId, groupid) {
      return db.write(() => {
        if (!db.row("SELECT 1 FROM allgroup WHERE id = ?", groupid)) return 17;
        if (!isMember(userId, groupid)) return 18;
        db.run("DELETE FROM groupuser WHERE groupid = ? AND userid = ?", groupid, userId);
        const oldest = db.row<[UserId]>("SELECT userid FROM groupuser WHERE groupid = ? ORDER BY joined LIMIT 1", groupid);
        if (!oldest) db.run("DELETE FROM allgroup WHERE id = ?", groupid);
        // The creator is always the oldest member.
        else db.run("UPDATE groupuser SET grouprole = 'creator' WHERE groupid = ? AND userid = ?", groupid, oldest[0]);
        return 0;
      });
    },

    members(groupid) {
      return db.read(() => {
        const sql = "SELECT g.userid, u.node FROM groupuser g JOIN user u ON u.id = g.userid WHERE g.groupid = ? ORDER BY g.joined";
        const rows = db.rows<[UserId, string | null]>(sql, groupid);
        return rows.length > 0 ? rows.map(([userId, node]) => ({ userId, node })) : undefined;
      });
    },
  };
}
