import type { Group, GroupId, GroupStore, Invitation, Member, Members, Role, State, StoreLimits, UserId } from "../store.ts";
import { CONTACT, contact, type ContactRow } from "./contact_row.ts";
import type { Database } from "./database.ts";
import { outside } from "./membership.ts";
import type { Node } from "./node.ts";

type Lists = Pick<GroupStore, "membersOf" | "members" | "banned" | "firstMembers">;

type GroupRow = [id: GroupId, groupname: string, groupdesc: string, role: Role, count: number, isPrivate: number];
type MemberRow = [role: Role, ...ContactRow];

function group([id, groupname, groupdesc, role, count, isPrivate]: GroupRow): Group {
  return { id, groupname, groupdesc, role, count, ...isPrivate === 1 ? { private: true } : {} };
}

function member([role, ...row]: MemberRow): Member {
  return { ...contact(row), role };
}

const GROUP =
  "SELECT a.id, a.groupname, a.groupdesc, g.grouprole, a.count, a.private FROM groupuser g JOIN allgroup a ON a.id = g.groupid WHERE g.userid = ?";

/** The groups that the user is in, by name. */
export function groupsOf(db: Database, userId: UserId): Group[] {
  return db.rows<GroupRow>(`${GROUP} ORDER BY ifnull(a.groupkey, lower(a.groupname)), a.id`, userId).map(group);
}

/** The groups that the user is invited to. */
export function invitationsOf(db: Database, userId: UserId): Invitation[] {
  const sql = `SELECT i.groupid, a.groupname, i.inviter, u.name, i.expires FROM invite i JOIN allgroup a ON a.id = i.groupid
    JOIN user u ON u.id = i.inviter WHERE i.userid = ? ORDER BY i.expires, i.groupid`;
  const rows = db.rows<[groupid: GroupId, groupname: string, by: UserId, byname: string, until: number]>(sql, userId);
  return rows.map(([groupid, groupname, by, byname, until]) => ({ groupid, groupname, by, byname, until }));
}

/** A group as its member sees it; undefined: the user is not in it. */
export function groupOf(db: Database, userId: UserId, groupid: GroupId): Group | undefined {
  const row = db.row<GroupRow>(`${GROUP} AND g.groupid = ?`, userId, groupid);
  return row && group(row);
}

/** Whether the user is in as many groups as one may be in. Whose account is gone may be in none. */
export function isInTooMany(db: Database, limits: StoreLimits, userId: UserId): boolean {
  const sql = "SELECT count(*), (SELECT deleted FROM user WHERE id = ?1) FROM groupuser WHERE userid = ?1";
  const [count, gone] = db.row<[number, number]>(sql, userId)!;
  return gone === 1 || count >= limits.maxContacts;
}

/** The part of the store that is groups and their members. */
export function groupStore(db: Database, node: Node): Lists {
  const roleOf = (groupid: GroupId, userId: UserId) =>
    db.row<[Role]>("SELECT grouprole FROM groupuser WHERE groupid = ? AND userid = ?", groupid, userId)?.[0];

  return {
    membersOf(groupid) {
      return db.read(() => {
        const sql = "SELECT u.id, u.state FROM groupuser g JOIN user u ON u.id = g.userid WHERE g.groupid = ?";
        const rows = db.rows<[UserId, State]>(sql, groupid);
        return rows.length > 0 ? rows.map(([userId, state]) => ({ userId, nodes: node.nodesOf(state) })) : undefined;
      });
    },

    members(asker, groupid, after, limit) {
      return db.read(() => {
        if (!roleOf(groupid, asker)) return outside(db, groupid);
        type Row = [groupdesc: string, count: number, isPrivate: number, history: Members["history"], posting: Members["posting"]];
        const [groupdesc, count, isPrivate, history, posting] = db.row<Row>(
          "SELECT groupdesc, count, private, history, posting FROM allgroup WHERE id = ?",
          groupid,
        )!;
        const sql = `SELECT g.grouprole, ${CONTACT} FROM groupuser g JOIN user u ON u.id = g.userid
          WHERE g.groupid = ?2 AND g.userid > ?3 ORDER BY g.userid LIMIT ?4`;
        const members = db.rows<MemberRow>(sql, asker, groupid, after, limit + 1).map(member);
        return { groupdesc, private: isPrivate === 1, history, posting, members: members.slice(0, limit), count, more: members.length > limit };
      });
    },

    banned(asker, groupid, after, limit) {
      return db.read(() => {
        const role = roleOf(groupid, asker);
        if (!role) return outside(db, groupid);
        if (role === "normal") return "NOT_YOURS";
        const sql = "SELECT u.id, u.name FROM ban b JOIN user u ON u.id = b.userid WHERE b.groupid = ? AND b.userid > ? ORDER BY b.userid LIMIT ?";
        return db.rows<[UserId, string]>(sql, groupid, after, limit).map(([id, name]) => ({ id, name }));
      });
    },

    firstMembers(asker, groupids, limit) {
      return db.read(() => {
        const sql = `SELECT g.grouprole, ${CONTACT} FROM groupuser g JOIN user u ON u.id = g.userid WHERE g.groupid = ?2 ORDER BY g.joined LIMIT ?3`;
        const own = groupids.filter((id) => roleOf(id, asker));
        return new Map(own.map((id): [GroupId, Member[]] => [id, db.rows<MemberRow>(sql, asker, id, limit).map(member)]));
      });
    },
  };
}
