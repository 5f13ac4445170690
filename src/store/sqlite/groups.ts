import type { Group, GroupId, Member, Role, State, Store, StoreLimits, UserId } from "../store.ts";
import { CONTACT, contact, type ContactRow } from "./contact_row.ts";
import type { Database } from "./database.ts";
import type { Node } from "./node.ts";

type GroupStore = Pick<Store, "createGroup" | "joinGroup" | "leaveGroup" | "membersOf" | "members" | "firstMembers">;

type GroupRow = [id: GroupId, groupname: string, groupdesc: string, role: Role, count: number];
type MemberRow = [role: Role, ...ContactRow];

function group([id, groupname, groupdesc, role, count]: GroupRow): Group {
  return { id, groupname, groupdesc, role, count };
}

function member([role, ...row]: MemberRow): Member {
  return { ...contact(row), role };
}

const GROUP = "SELECT a.id, a.groupname, a.groupdesc, g.grouprole, a.count FROM groupuser g JOIN allgroup a ON a.id = g.groupid WHERE g.userid = ?";

/** The groups that the user is in, by name. */
export function groupsOf(db: Database, userId: UserId): Group[] {
  return db.rows<GroupRow>(`${GROUP} ORDER BY a.groupkey`, userId).map(group);
}

/** The part of the store that is groups and their members. */
export function groupStore(db: Database, node: Node, limits: StoreLimits): GroupStore {
  function inTooMany(userId: UserId): boolean {
    return db.row<[number]>("SELECT count(*) FROM groupuser WHERE userid = ?", userId)![0] >= limits.maxContacts;
  }

  function isMember(userId: UserId, groupid: GroupId): boolean {
    return db.row("SELECT 1 FROM groupuser WHERE groupid = ? AND userid = ?", groupid, userId) !== undefined;
  }

  function addMember(groupid: GroupId, userId: UserId, role: Role, joined: number): void {
    db.run("INSERT INTO groupuser (groupid, userid, grouprole, joined) VALUES (?, ?, ?, ?)", groupid, userId, role, joined);
    db.run("UPDATE allgroup SET count = count + 1 WHERE id = ?", groupid);
  }

  return {
    createGroup(creator, groupname, key, groupdesc) {
      return db.write(() => {
        if (db.row("SELECT 1 FROM allgroup WHERE groupkey = ?", key)) return "INVALID";
        if (inTooMany(creator)) return "FULL";
        const groupid = db.insert("INSERT INTO allgroup (groupname, groupkey, groupdesc) VALUES (?, ?, ?)", groupname, key, groupdesc)!;
        addMember(groupid, creator, "creator", 1);
        return { groupid };
      });
    },

    joinGroup(userId, of) {
      return db.write(() => {
        const [where, value] = "id" in of ? ["id", of.id] : ["groupkey", of.key];
        const row = db.row<[GroupId, number]>(`SELECT id, count FROM allgroup WHERE ${where} = ?`, value);
        if (!row) return "NO_GROUP";
        const [groupid, members] = row;
        if (!isMember(userId, groupid)) {
          if (members >= limits.maxGroup || inTooMany(userId)) return "FULL";
          const [newest] = db.row<[number]>("SELECT max(joined) FROM groupuser WHERE groupid = ?", groupid)!;
          addMember(groupid, userId, "normal", newest + 1);
        }
        return group(db.row<GroupRow>(`${GROUP} AND g.groupid = ?`, userId, groupid)!);
      });
    },

    leaveGroup(userId, groupid) {
      return db.write(() => {
        if (!db.row("SELECT 1 FROM allgroup WHERE id = ?", groupid)) return "NO_GROUP";
        if (!isMember(userId, groupid)) return "NOT_MEMBER";
        db.run("DELETE FROM groupuser WHERE groupid = ? AND userid = ?", groupid, userId);
        db.run("UPDATE allgroup SET count = count - 1 WHERE id = ?", groupid);
        const oldest = db.row<[UserId]>("SELECT userid FROM groupuser WHERE groupid = ? ORDER BY joined LIMIT 1", groupid);
        if (!oldest) db.run("DELETE FROM allgroup WHERE id = ?", groupid);
        // The creator is always the oldest member.
        else db.run("UPDATE groupuser SET grouprole = 'creator' WHERE groupid = ? AND userid = ?", groupid, oldest[0]);
        return "OK";
      });
    },

    membersOf(groupid) {
      return db.read(() => {
        const sql = "SELECT u.id, u.state FROM groupuser g JOIN user u ON u.id = g.userid WHERE g.groupid = ?";
        const rows = db.rows<[UserId, State]>(sql, groupid);
        return rows.length > 0 ? rows.map(([userId, state]) => ({ userId, nodes: node.nodesOf(state) })) : undefined;
      });
    },

    members(asker, groupid, after, limit) {
      return db.read(() => {
        const row = db.row<[string, number]>("SELECT groupdesc, count FROM allgroup WHERE id = ?", groupid);
        if (!row) return "NO_GROUP";
        if (!isMember(asker, groupid)) return "NOT_MEMBER";
        const sql = `SELECT g.grouprole, ${CONTACT} FROM groupuser g JOIN user u ON u.id = g.userid
          WHERE g.groupid = ?2 AND g.userid > ?3 ORDER BY g.userid LIMIT ?4`;
        const members = db.rows<MemberRow>(sql, asker, groupid, after, limit + 1).map(member);
        return { groupdesc: row[0], members: members.slice(0, limit), count: row[1], more: members.length > limit };
      });
    },

    firstMembers(asker, groupids, limit) {
      return db.read(() => {
        const sql = `SELECT g.grouprole, ${CONTACT} FROM groupuser g JOIN user u ON u.id = g.userid WHERE g.groupid = ?2 ORDER BY g.joined LIMIT ?3`;
        return new Map(groupids.map((id): [GroupId, Member[]] => [id, db.rows<MemberRow>(sql, asker, id, limit).map(member)]));
      });
    },
  };
}
