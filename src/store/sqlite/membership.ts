/**
 * Who comes into groups, who goes, and what they may do there.
 *
 * 1. A group has exactly one creator, as long as it has members.
 * 2. Who is banned is not in it, and does not come in, by whatever way.
 * 3. To who is not in it a private group does not exist: whatever names it is answered as for a number that was never given.
 */
import type { Group, GroupId, GroupRefusal, GroupSettings, GroupStore, Role, StoreLimits, Told, UserId } from "../store.ts";
import { changesOf, RANKS, renames } from "../group_events.ts";
import { MAX_CODES, MAX_INVITATIONS, MAX_INVITED, MAX_USED_UP } from "../group_store.ts";
import type { Database } from "./database.ts";
import { tell } from "./group_events.ts";
import { groupOf, isInTooMany } from "./groups.ts";
import { removeHooks } from "./hooks.ts";
import type { Logs } from "./user_logs.ts";
import { freeLook, takeLook } from "./looks.ts";
import { joined, left } from "./talks.ts";
import { lookOf } from "../../wire/looks.ts";
import { comparableName } from "../../wire/names.ts";

type Membership = Omit<GroupStore, "membersOf" | "members" | "banned" | "firstMembers">;

type Wanted = { id: GroupId } | { key: string } | { code: Uint8Array };

/** What somebody is in a group. */
function roleOf(db: Database, groupid: GroupId, userId: UserId): Role | undefined {
  return db.row<[Role]>("SELECT grouprole FROM groupuser WHERE groupid = ? AND userid = ?", groupid, userId)?.[0];
}

/** Whether there is such a user, whose account is not deleted. */
function isUser(db: Database, userId: UserId): boolean {
  return db.row("SELECT 1 FROM user WHERE id = ? AND deleted = 0", userId) !== undefined;
}

/** What the asker, who is not in it, is told of a group. */
export function outside(db: Database, groupid: GroupId): "NO_GROUP" | "NOT_MEMBER" {
  return db.row("SELECT 1 FROM allgroup WHERE id = ? AND private = 0", groupid) ? "NOT_MEMBER" : "NO_GROUP";
}

/** Why somebody has no say in a group that asks for that rank at least; undefined: they have. */
export function refused(db: Database, groupid: GroupId, by: UserId, rank: Role): GroupRefusal | undefined {
  const role = roleOf(db, groupid, by);
  if (!role) return outside(db, groupid);
  return RANKS[role] >= RANKS[rank] ? undefined : "NOT_YOURS";
}

function setRole(db: Database, groupid: GroupId, userId: UserId, role: Role): void {
  db.run("UPDATE groupuser SET grouprole = ? WHERE groupid = ? AND userid = ?", role, groupid, userId);
}

/** Takes a member out, when it has been told. */
function remove(db: Database, logs: Logs, groupid: GroupId, userId: UserId): void {
  logs.close(userId);
  db.run("DELETE FROM groupuser WHERE groupid = ? AND userid = ?", groupid, userId);
  db.run("UPDATE allgroup SET count = count - 1 WHERE id = ?", groupid);
  left(db, userId, groupid);
}

function countOf(db: Database, groupid: GroupId): number {
  return db.row<[number]>("SELECT count FROM allgroup WHERE id = ?", groupid)![0];
}

/** Takes the group away with all that is its own; what was said stays. */
function removeGroup(db: Database, groupid: GroupId): void {
  removeHooks(db, groupid);
  for (const table of ["ban", "invite"]) db.run(`DELETE FROM ${table} WHERE groupid = ?`, groupid);
  freeLook(db, "group", groupid);
  db.run("DELETE FROM allgroup WHERE id = ?", groupid);
}

/** Takes an invitation back, or declines it. False: there was none that held. */
function uninvite(db: Database, groupid: GroupId, userId: UserId, at: number): boolean {
  const [expires] = db.row<[number]>("DELETE FROM invite WHERE groupid = ? AND userid = ? RETURNING expires", groupid, userId) ?? [];
  return expires !== undefined && expires > at;
}

/** Takes a member out of a group, as they want it. In `write`. */
function leave(db: Database, logs: Logs, userId: UserId, groupid: GroupId, at: number): Told[] | { closed: UserId[] } {
  const role = roleOf(db, groupid, userId);
  const count = countOf(db, groupid) - 1;
  const told = count > 0 ? [tell(db, logs, groupid, userId, at, { what: "left", id: userId, count })] : [];
  remove(db, logs, groupid, userId);
  if (count === 0) {
    const closed = db.rows<[UserId]>("SELECT userid FROM invite WHERE groupid = ? AND userid IS NOT NULL", groupid).flat();
    removeGroup(db, groupid);
    return { closed };
  }
  if (role === "creator") {
    const sql = "SELECT userid FROM groupuser WHERE groupid = ? ORDER BY grouprole = 'moderator' DESC, joined LIMIT 1";
    const [next] = db.row<[UserId]>(sql, groupid)!;
    setRole(db, groupid, next, "creator");
    told.push(tell(db, logs, groupid, userId, at, { what: "role", id: next, role: "creator" }));
  }
  return told;
}

/** The way by which somebody comes in; a refusal: there is none. Nothing is changed yet. */
function wayIn(db: Database, userId: UserId, wanted: Wanted, at: number): { groupid: GroupId } | "NO_GROUP" | "NOT_INVITED" | "NOT_YOURS" {
  const isOpen = "code" in wanted ? openedBy(db, userId, wanted.code, at) : openTo(db, userId, wanted, at);
  if (isOpen === undefined) return "code" in wanted ? "NOT_INVITED" : "NO_GROUP";
  if (db.row("SELECT 1 FROM ban WHERE groupid = ? AND userid = ?", isOpen, userId)) return "NOT_YOURS";
  return { groupid: isOpen };
}

/** A code that is used up still is one for who came by it, and asks again because the answer was lost. */
function openedBy(db: Database, userId: UserId, code: Uint8Array, at: number): GroupId | undefined {
  const sql = "SELECT groupid, uses FROM invite WHERE hash = ? AND groupid IS NOT NULL AND expires > ?";
  const [groupid, uses] = db.row<[GroupId, number]>(sql, code, at) ?? [];
  return groupid !== undefined && (uses! > 0 || roleOf(db, groupid, userId)) ? groupid : undefined;
}

function openTo(db: Database, userId: UserId, wanted: { id: GroupId } | { key: string }, at: number): GroupId | undefined {
  if ("key" in wanted) return db.row<[GroupId]>("SELECT id FROM allgroup WHERE groupkey = ?", wanted.key)?.[0];
  const sql = `SELECT id FROM allgroup a WHERE id = ?1 AND (private = 0 OR EXISTS (SELECT 1 FROM groupuser WHERE groupid = ?1 AND userid = ?2)
    OR EXISTS (SELECT 1 FROM invite WHERE groupid = ?1 AND userid = ?2 AND expires > ?3))`;
  return db.row<[GroupId]>(sql, wanted.id, userId, at)?.[0];
}

function settingsOf(db: Database, groupid: GroupId): GroupSettings | undefined {
  type Row = [groupname: string, groupdesc: string, isPrivate: number, history: "all" | "joined", posting: "all" | "moderators"];
  const sql = "SELECT groupname, groupdesc, private, history, posting FROM allgroup WHERE id = ?";
  const row = db.row<Row>(sql, groupid);
  if (!row) return undefined;
  const [groupname, groupdesc, isPrivate, history, posting] = row;
  return { groupname, groupdesc, private: isPrivate === 1, history, posting };
}

/** Whether another public group has that name, or one that looks like it. */
function isNamed(db: Database, key: string, look: string, groupid: GroupId = 0): boolean {
  return db.row("SELECT 1 FROM allgroup WHERE groupkey = ? AND id <> ?", key, groupid) !== undefined ||
    db.row("SELECT 1 FROM look WHERE kind = 'group' AND look = ? AND id <> ?", look, groupid) !== undefined;
}

/** The part of the store that is who is in groups. */
export function membershipStore(db: Database, logs: Logs, limits: StoreLimits): Membership {
  function addMember(groupid: GroupId, userId: UserId, role: Role, place: number): void {
    logs.close(userId);
    db.run("INSERT INTO groupuser (groupid, userid, grouprole, joined) VALUES (?, ?, ?, ?)", groupid, userId, role, place);
    db.run("UPDATE allgroup SET count = count + 1 WHERE id = ?", groupid);
    joined(db, userId, groupid);
  }

  /** Comes in. */
  function enter(groupid: GroupId, userId: UserId, at: number): { group: Group; events: Told[] } {
    const [newest] = db.row<[number]>("SELECT max(joined) FROM groupuser WHERE groupid = ?", groupid)!;
    addMember(groupid, userId, "normal", newest + 1);
    uninvite(db, groupid, userId, at);
    const told = tell(db, logs, groupid, userId, at, { what: "joined", id: userId, role: "normal" });
    const sql = "UPDATE groupuser SET sees = ?1 WHERE groupid = ?2 AND userid = ?3 AND (SELECT history FROM allgroup WHERE id = ?2) = 'joined'";
    db.run(sql, told.event.messageid, groupid, userId);
    return { group: groupOf(db, userId, groupid)!, events: [told] };
  }

  /** Undefined: the name is another by now. */
  function update(
    groupid: GroupId,
    by: UserId,
    settings: Partial<GroupSettings>,
    { name, look }: { name: string; look: string },
    at: number,
  ): Told[] | "INVALID" | undefined {
    const now = settingsOf(db, groupid)!;
    const group = changesOf(now, settings);
    if (Object.keys(group).length === 0) return [];
    const { groupname, groupdesc, private: isPrivate, history, posting } = { ...now, ...group };
    if (groupname !== name) return undefined;
    const key = isPrivate ? null : comparableName(groupname);
    // An old name may look like an older one: that is in nobody's way.
    if (renames(group)) {
      if (key !== null && isNamed(db, key, look, groupid)) return "INVALID";
      freeLook(db, "group", groupid);
      if (key !== null) takeLook(db, "group", look, groupid);
    }
    const sql = "UPDATE allgroup SET groupname = ?, groupkey = ?, groupdesc = ?, private = ?, history = ?, posting = ? WHERE id = ?";
    db.run(sql, groupname, key, groupdesc, isPrivate ? 1 : 0, history, posting, groupid);
    return [tell(db, logs, groupid, by, at, { what: "updated", id: by, group })];
  }

  /** What is done by somebody of that rank. */
  const by = <T>(userId: UserId, groupid: GroupId, rank: Role, change: () => T): Promise<T | GroupRefusal> =>
    db.write(() => refused(db, groupid, userId, rank) ?? change());

  return {
    createGroup(creator, groupname, key, groupdesc, isPrivate = false, look = key) {
      return db.write(() => {
        if (!isPrivate && isNamed(db, key, look)) return "INVALID";
        if (isInTooMany(db, limits, creator)) return "FULL";
        const sql = "INSERT INTO allgroup (groupname, groupkey, groupdesc, private, history) VALUES (?, ?, ?, ?, ?)";
        const groupid = db.insert(sql, groupname, isPrivate ? null : key, groupdesc, isPrivate ? 1 : 0, isPrivate ? "joined" : "all")!;
        if (!isPrivate) takeLook(db, "group", look, groupid);
        addMember(groupid, creator, "creator", 1);
        return { groupid };
      });
    },

    joinGroup(userId, wanted, at) {
      return db.write(() => {
        const way = wayIn(db, userId, wanted, at);
        if (typeof way === "string") return way;
        const { groupid } = way;
        const known = groupOf(db, userId, groupid);
        if (known) return { group: known, events: [] };
        if (countOf(db, groupid) >= limits.maxGroup || isInTooMany(db, limits, userId)) return "FULL";
        if ("code" in wanted) db.run("UPDATE invite SET uses = uses - 1 WHERE hash = ?", wanted.code);
        return enter(groupid, userId, at);
      });
    },

    leaveGroup: (userId, groupid, at) =>
      db.write(() => {
        if (roleOf(db, groupid, userId)) return leave(db, logs, userId, groupid, at);
        return uninvite(db, groupid, userId, at) ? "INVITATION" : outside(db, groupid);
      }),

    async updateGroup(userId, groupid, settings, at) {
      for (;;) {
        // How the name looks is found out before; should it be another by then, once more.
        const name = settings.groupname ?? (await db.read(() => settingsOf(db, groupid)))?.groupname ?? "";
        const look = await lookOf(name);
        const updated = await by(userId, groupid, "moderator", () => update(groupid, userId, settings, { name, look }, at));
        if (updated !== undefined) return updated;
      }
    },

    setRole: (userId, groupid, member, role, at) =>
      by(userId, groupid, "creator", () => {
        const former = roleOf(db, groupid, member);
        if (!former) return "NO_USER";
        if (former === role) return [];
        if (member === userId) return "NOT_YOURS";
        const told: Told[] = [];
        if (role === "creator") {
          setRole(db, groupid, userId, "moderator");
          told.push(tell(db, logs, groupid, userId, at, { what: "role", id: userId, role: "moderator" }));
        }
        setRole(db, groupid, member, role);
        return [...told, tell(db, logs, groupid, userId, at, { what: "role", id: member, role })];
      }),

    kickMember: (userId, groupid, member, ban, at) =>
      by(userId, groupid, "moderator", () => {
        const role = roleOf(db, groupid, member);
        if (!role && ban && !isUser(db, member)) return "NO_USER";
        if (member === userId || (role && RANKS[role] >= RANKS[roleOf(db, groupid, userId)!])) return "NOT_YOURS";
        if (ban) db.run("INSERT OR IGNORE INTO ban (groupid, userid) VALUES (?, ?)", groupid, member);
        if (!role && uninvite(db, groupid, member, at)) return "INVITATION";
        if (!role) return ban ? [] : "NO_USER";
        const told = tell(db, logs, groupid, userId, at, { what: "kicked", id: member, count: countOf(db, groupid) - 1 });
        remove(db, logs, groupid, member);
        return [told];
      }),

    unban: (userId, groupid, other) =>
      by(userId, groupid, "moderator", () => {
        db.run("DELETE FROM ban WHERE groupid = ? AND userid = ?", groupid, other);
        return "OK" as const;
      }),

    inviteUser: (userId, groupid, other, expires, at) =>
      by(userId, groupid, "moderator", () => {
        if (!isUser(db, other)) return "NO_USER";
        if (db.row("SELECT 1 FROM ban WHERE groupid = ? AND userid = ?", groupid, other)) return "NOT_YOURS";
        if (db.row("SELECT 1 FROM block WHERE userid = ? AND blocked = ?", other, userId)) return "BLOCKED";
        if (roleOf(db, groupid, other)) return [];
        const known = db.row("SELECT 1 FROM invite WHERE groupid = ? AND userid = ? AND expires > ?", groupid, other, at) !== undefined;
        const all = "SELECT count(*) FROM invite WHERE userid = ? AND expires > ?";
        if (!known && db.row<[number]>(all, other, at)![0] >= MAX_INVITED) return "FULL";
        const here = "SELECT count(*) FROM invite WHERE groupid = ? AND userid IS NOT NULL";
        if (!known && db.row<[number]>(here, groupid)![0] >= MAX_INVITATIONS) return "FULL";
        const sql = `INSERT INTO invite (groupid, userid, inviter, uses, expires) VALUES (?1, ?2, ?3, 1, ?4)
          ON CONFLICT (userid, groupid) DO UPDATE SET inviter = ?3, expires = ?4`;
        db.run(sql, groupid, other, userId, expires);
        return known ? "INVITATION" : [tell(db, logs, groupid, userId, at, { what: "invited", id: other })];
      }),

    inviteByCode: (userId, groupid, code, uses, expires, at) =>
      by(userId, groupid, "moderator", () => {
        const sql = "SELECT count(*) FROM invite WHERE groupid = ? AND hash IS NOT NULL AND uses > 0 AND expires > ?";
        if (db.row<[number]>(sql, groupid, at)![0] >= MAX_CODES) return "FULL";
        const usedUp = "SELECT id FROM invite WHERE groupid = ? AND hash IS NOT NULL AND uses <= 0 ORDER BY id DESC LIMIT ? OFFSET ?";
        db.run(`DELETE FROM invite WHERE id IN (${usedUp})`, groupid, MAX_USED_UP, MAX_USED_UP);
        db.run("INSERT INTO invite (hash, groupid, inviter, uses, expires) VALUES (?, ?, ?, ?, ?)", code, groupid, userId, uses, expires);
        return "OK" as const;
      }),

    revokeCodes: (userId, groupid) =>
      by(userId, groupid, "moderator", () => {
        db.run("DELETE FROM invite WHERE groupid = ? AND hash IS NOT NULL", groupid);
        return "OK" as const;
      }),
  };
}
