/**
 * Who comes into groups, who goes, and what they may do there.
 *
 * 1. A group has exactly one creator, as long as it has members. Who is banned is not in it, and does not come in, by whatever way.
 * 2. To who is not in it a private group does not exist: whatever names it is answered as for a number that was never given.
 * 3. How it is decided on, told and written stands in `group_acts.ts`.
 */
import { Buffer } from "node:buffer";
import { changesOf, RANKS, renames } from "../group_events.ts";
import { type InvitationChanged, MAX_CODES, MAX_INVITATIONS, MAX_INVITED, MAX_USED_UP } from "../group_store.ts";
import type { Group, GroupId, GroupRefusal, GroupSettings, GroupStore, Role, StoreLimits, Told, UserId } from "../store.ts";
import { lookOf } from "../../wire/looks.ts";
import { comparableName } from "../../wire/names.ts";
import { isDuplicate } from "./errors.ts";
import { type Act, act as doAct, done, outside, type Plan, ranked, type Situation } from "./group_acts.ts";
import { lockingRows } from "./held_rows.ts";
import { removingHooks } from "./hooks.ts";
import { freeingLook, takingLook } from "./looks.ts";
import { groupOf, isTaken } from "./groups.ts";
import type { Pool } from "./pool.ts";
import { deleting, literal, numbers, tuple } from "./sql.ts";
import { joining, leaving } from "./talks.ts";

type Membership = Omit<GroupStore, "membersOf" | "members" | "banned" | "firstMembers">;

function settingRole(groupid: GroupId, userId: UserId, role: Role): string {
  return `UPDATE groupuser SET grouprole = ${literal(role)} WHERE (groupid, userid) = (${numbers([groupid, userId])})`;
}

/** The statements that take a member out. */
function removing(groupid: GroupId, userId: UserId): string[] {
  return [
    `DELETE FROM groupuser WHERE groupid = ${numbers([groupid])} AND userid = ${numbers([userId])}`,
    `UPDATE allgroup SET count = count - 1 WHERE id = ${numbers([groupid])}`,
    leaving(userId, groupid),
  ];
}

/** In how many groups the user is; whose account is gone is in too many. */
function countingGroups(userId: UserId): string {
  const user = numbers([userId]);
  return `SELECT IF((SELECT deleted FROM user WHERE id = ${user}), ${Number.MAX_SAFE_INTEGER}, COUNT(*)) AS \`groups\` FROM groupuser WHERE userid = ${user}`;
}

/** The newest text of a group, of those that were deleted or of those that were not; 0: there is none. */
function newestText(group: string, deleted: number): string {
  return `COALESCE((SELECT MAX(id) FROM message WHERE groupid = ${group} AND kind = 0 AND deleted = ${deleted}), 0)`;
}

/** By that key: a small table would be scanned, and others' rows waited for. */
function uninviting(groupid: GroupId, which: string): string {
  return `DELETE invite FROM invite FORCE INDEX (invite_groupid) WHERE groupid = ${numbers([groupid])} AND ${which}`;
}

/** An invitation is taken back, or declined. */
function uninvited(groupid: GroupId, userId: UserId, ...others: string[]): Plan<InvitationChanged> {
  return { tell: [], writing: () => [uninviting(groupid, `userid = ${numbers([userId])}`), ...others], result: () => "INVITATION" };
}

/** The statements that take the group away with all that is its own; what was said stays. */
function removingGroup(groupid: GroupId): string[] {
  return [
    `DELETE ban FROM ban FORCE INDEX (PRIMARY) WHERE groupid = ${numbers([groupid])}`,
    uninviting(groupid, "TRUE"),
    freeingLook("group", groupid),
    ...removingHooks(groupid),
    `DELETE FROM allgroup WHERE id = ${numbers([groupid])}`,
  ];
}

/** A way by which somebody wants to come in. */
type Wanted = { id: GroupId } | { key: string } | { code: Uint8Array };

/** Why somebody does not come in that way; undefined: it is open. */
function shut(now: Situation | undefined, userId: UserId, wanted: Wanted, at: number): "NO_GROUP" | "NOT_INVITED" | "NOT_YOURS" | undefined {
  const me = now?.people.get(userId);
  if (!now || !me) return "code" in wanted ? "NOT_INVITED" : "NO_GROUP";
  if ("code" in wanted) {
    // One that is used up still is one for who came by it, and asks again because the answer was lost.
    const [code] = now.rest[2] as { uses: number }[];
    if (!code || (code.uses <= 0 && me.role === null)) return "NOT_INVITED";
  }
  // It had that name when it was looked for.
  if ("key" in wanted && !(now.group.groupkey && Buffer.from(wanted.key).equals(now.group.groupkey))) return "NO_GROUP";
  if ("id" in wanted && now.group.private === 1 && me.role === null && me.invited <= at) return "NO_GROUP";
  return me.banned === 1 ? "NOT_YOURS" : undefined;
}

/** The part of the store that is who is in groups. */
export function membership(db: Pool, limits: StoreLimits): Membership {
  const act = <T>(what: Act<T>): Promise<T> => doAct(db, limits.maxInbox, what);

  /** The group that it is about, as far as that can be known before. */
  async function groupidOf(wanted: Wanted): Promise<GroupId | undefined> {
    if ("id" in wanted) return wanted.id;
    const [row] = "key" in wanted
      ? await db.read<{ id: GroupId }>("SELECT id FROM allgroup WHERE groupkey = ?", [Buffer.from(wanted.key)])
      : await db.read<{ id: GroupId }>("SELECT groupid AS id FROM invite WHERE hash = ? AND groupid IS NOT NULL", [Buffer.from(wanted.code)]);
    return row?.id;
  }

  function enterGroup({ group, rest }: Situation, userId: UserId, wanted: Wanted): Plan<{ group: Group; events: Told[] }> {
    const count = group.count + 1;
    const [[{ newest }]] = rest as [{ newest: number }[]];
    return {
      tell: [{ said: { what: "joined", id: userId, role: "normal", count }, to: "all" }],
      writing: ([event]) => [
        "INSERT INTO groupuser (groupid, userid, grouprole, joined, sees) " +
        `SELECT ${numbers([group.id, userId])}, 'normal', COALESCE(MAX(joined), 0) + 1, ${numbers([group.history === "joined" ? event : 0])} ` +
        `FROM groupuser WHERE groupid = ${numbers([group.id])}`,
        `UPDATE allgroup SET count = count + 1 WHERE id = ${numbers([group.id])}`,
        joining(userId, group.id, newest),
        uninviting(group.id, `userid = ${numbers([userId])}`),
        ..."code" in wanted ? [`UPDATE invite SET uses = uses - 1 WHERE hash = ${literal(wanted.code)} AND uses > 0`] : [],
      ],
      result: (events) => ({ group: groupOf({ ...group, role: "normal", count }), events }),
    };
  }

  /** The change of a group's settings; undefined: the name is another by now. */
  function change(
    { group }: Situation,
    by: UserId,
    settings: Partial<GroupSettings>,
    { name, look }: { name: string; look: string },
  ): Plan<Told[] | "INVALID"> | Told[] | undefined {
    const before = { ...group, private: group.private === 1 };
    const changed = changesOf(before, settings);
    if (Object.keys(changed).length === 0) return [];
    const { id, groupname, groupdesc, private: isPrivate, history, posting } = { ...before, ...changed };
    if (groupname !== name) return undefined;
    const key = isPrivate ? null : literal(Buffer.from(comparableName(groupname)));
    const set = `groupname = ${literal(groupname)}, groupkey = ${key ?? "NULL"}, groupdesc = ${literal(groupdesc)}, ` +
      `private = ${isPrivate}, history = ${literal(history)}, posting = ${literal(posting)}`;
    // An old name may look like an older one: that is in nobody's way.
    const looks = renames(changed) ? [freeingLook("group", id), ...key === null ? [] : [takingLook("group", look, numbers([id]))]] : [];
    return {
      naming: { statements: [`UPDATE allgroup SET ${set} WHERE id = ${numbers([id])}`, ...looks], taken: "INVALID" },
      tell: [{ said: { what: "updated", id: by, group: changed, count: group.count }, to: "all" }],
      writing: () => [],
      result: (told) => told,
    };
  }

  return {
    async createGroup(creator, groupname, key, groupdesc, isPrivate = false, look = key) {
      return await db.ownTransaction(async (tx, committing) => {
        const [, , [{ groups }], taken] = await tx.script([
          "START TRANSACTION",
          lockingRows("user", ["id"], [creator]),
          countingGroups(creator),
          ...isPrivate ? [] : [isTaken(key, look)],
        ]) as [unknown, unknown, { groups: number }[], unknown[]?];
        const refused = taken && taken.length > 0 ? "INVALID" : groups >= limits.maxContacts ? "FULL" : undefined;
        try {
          if (refused) {
            await tx.command("ROLLBACK");
            return refused;
          }
          const row = tuple([groupname, isPrivate ? null : Buffer.from(key), groupdesc, 1, isPrivate ? 1 : 0, isPrivate ? "joined" : "all"]);
          const [{ insertId: groupid }] = await tx.script([
            `INSERT INTO allgroup (groupname, groupkey, groupdesc, count, private, history) VALUES ${row}`,
            ...isPrivate ? [] : [takingLook("group", look, "LAST_INSERT_ID()")],
          ]) as { insertId: number }[];
          committing();
          await tx.script([
            `INSERT INTO groupuser (groupid, userid, grouprole, joined) VALUES (${numbers([groupid, creator])}, 'creator', 1)`,
            joining(creator, groupid, 0),
            "COMMIT",
          ]);
          return { groupid };
        } catch (error) {
          if (!isDuplicate(error)) throw error;
          await tx.command("ROLLBACK");
          return "INVALID";
        }
      });
    },

    async joinGroup(userId, wanted, at) {
      const groupid = await groupidOf(wanted);
      if (groupid === undefined) return "code" in wanted ? "NOT_INVITED" : "NO_GROUP";
      const group = numbers([groupid]);
      type Joined = Awaited<ReturnType<Membership["joinGroup"]>>;
      return await act<Joined>({
        groupid,
        by: userId,
        at,
        asking: [
          `SELECT GREATEST(${[0, 1].map((deleted) => newestText(group, deleted))}) AS newest`,
          countingGroups(userId),
          ..."code" in wanted
            ? [`SELECT uses FROM invite WHERE hash = ${literal(wanted.code)} AND groupid = ${group} AND expires > ${numbers([at])}`]
            : [],
        ],
        decide(now) {
          const refused = shut(now, userId, wanted, at);
          if (refused) return refused;
          const { group, people, rest } = now!;
          const { role } = people.get(userId)!;
          if (role) return { group: groupOf({ ...group, role }), events: [] };
          const [, [{ groups }]] = rest as { groups: number }[][];
          if (group.count >= limits.maxGroup || groups >= limits.maxContacts) return "FULL";
          return enterGroup(now!, userId, wanted);
        },
      });
    },

    async leaveGroup(userId, groupid, at) {
      const next = "SELECT m.userid AS id, u.name FROM groupuser m JOIN user u ON u.id = m.userid " +
        `WHERE m.groupid = ${numbers([groupid])} AND m.userid <> ${numbers([userId])} ORDER BY m.grouprole = 'moderator' DESC, m.joined LIMIT 1`;
      // Whom it closes to, if there is nobody else in it.
      const invited = `SELECT i.userid FROM invite i WHERE i.groupid = ${numbers([groupid])} AND i.userid IS NOT NULL ` +
        `AND NOT EXISTS (SELECT 1 FROM groupuser m WHERE m.groupid = i.groupid AND m.userid <> ${numbers([userId])})`;
      type Left = Awaited<ReturnType<Membership["leaveGroup"]>>;
      return await act<Left>({
        groupid,
        by: userId,
        at,
        asking: [next, invited],
        decide(now): Left | Plan<Left> {
          const me = now?.people.get(userId);
          if (now && me && !me.role && me.invited > at) return uninvited(groupid, userId);
          const role = me?.role;
          if (!now || !role) return outside(now);
          const [[heir], closed] = now.rest as [{ id: UserId }[], { userid: UserId }[]];
          const removed = removing(groupid, userId);
          if (!heir) {
            const result = { closed: closed.map(({ userid }) => userid) };
            return { tell: [], writing: () => [...removed, ...removingGroup(groupid)], result: () => result };
          }
          const count = now.group.count - 1;
          const left = { said: { what: "left", id: userId, count }, to: "all" } as const;
          if (role !== "creator") return { tell: [left], writing: () => removed, result: (told) => told };
          return {
            tell: [left, { said: { what: "role", id: heir.id, role: "creator", count }, to: "rest" }],
            writing: () => [...removed, settingRole(groupid, heir.id, "creator")],
            result: (told) => told,
          };
        },
      });
    },

    async updateGroup(by, groupid, settings, at) {
      for (;;) {
        // How the name looks is found out before; should it be another by then, once more.
        const [row] = await db.read<{ groupname: string }>("SELECT groupname FROM allgroup WHERE id = ?", [groupid]);
        const name = settings.groupname ?? row?.groupname ?? "";
        const look = await lookOf(name);
        const told = await act<Told[] | GroupRefusal | "INVALID" | undefined>({
          groupid,
          by,
          at,
          decide: ranked(by, "moderator", (now) => change(now, by, settings, { name, look })),
        });
        if (told) return told;
      }
    },

    async setRole(by, groupid, about, role, at) {
      return await act<Told[] | GroupRefusal | "NO_USER">({
        groupid,
        by,
        about,
        at,
        decide: ranked(by, "creator", ({ group: { count }, people }): Plan<Told[]> | Told[] | "NO_USER" | "NOT_YOURS" => {
          const former = people.get(about)?.role;
          if (!former) return "NO_USER";
          if (former === role) return [];
          if (about === by) return "NOT_YOURS";
          const own = role === "creator" ? [{ said: { what: "role", id: by, role: "moderator", count }, to: "all" } as const] : [];
          return {
            tell: [...own, { said: { what: "role", id: about, role, count }, to: "all" }],
            writing: () => [...own.map(() => settingRole(groupid, by, "moderator")), settingRole(groupid, about, role)],
            result: (told) => told,
          };
        }),
      });
    },

    async kickMember(by, groupid, about, ban, at) {
      type Kicked = Awaited<ReturnType<Membership["kickMember"]>>;
      return await act<Kicked>({
        groupid,
        by,
        about,
        at,
        decide: ranked(by, "moderator", ({ group, people }, rank): Kicked | Plan<Kicked> => {
          const person = people.get(about);
          const isInvited = person !== undefined && !person.role && person.invited > at;
          if (!person || !(person.role || (ban ? person.deleted === 0 : isInvited))) return "NO_USER";
          const { role, banned } = person;
          if (about === by || role && RANKS[role] >= RANKS[rank]) return "NOT_YOURS";
          const banning = ban ? [`INSERT IGNORE INTO ban (groupid, userid) VALUES (${numbers([groupid, about])})`] : [];
          if (isInvited) return uninvited(groupid, about, ...banning);
          if (!role && banned === 1) return [];
          return {
            tell: role ? [{ said: { what: "kicked", id: about, count: group.count - 1 }, to: "all" }] : [],
            writing: () => [...role ? removing(groupid, about) : [], ...banning],
            result: (told) => told,
          };
        }),
      });
    },

    async unban(by, groupid, about) {
      return await act<"OK" | GroupRefusal>({
        groupid,
        by,
        at: 0,
        silent: true,
        decide: ranked(by, "moderator", () => done(`DELETE FROM ban WHERE groupid = ${numbers([groupid])} AND userid = ${numbers([about])}`)),
      });
    },

    async inviteUser(by, groupid, about, expires, at) {
      type Invited = Awaited<ReturnType<Membership["inviteUser"]>>;
      return await act<Invited>({
        groupid,
        by,
        about,
        at,
        silent: true,
        asking: [
          `SELECT 1 FROM block WHERE userid = ${numbers([about])} AND blocked = ${numbers([by])}`,
          `SELECT COUNT(*) AS n FROM invite WHERE userid = ${numbers([about])} AND expires > ${numbers([at])}`,
          `SELECT COUNT(*) AS n FROM invite WHERE groupid = ${numbers([groupid])} AND userid IS NOT NULL`,
        ],
        decide: ranked(by, "moderator", ({ group, people, rest }): Invited | Plan<Invited> => {
          const person = people.get(about);
          if (!person || person.deleted === 1) return "NO_USER";
          if (person.banned === 1) return "NOT_YOURS";
          if (rest[0].length > 0) return "BLOCKED";
          if (person.role) return [];
          const isKnown = person.invited > at;
          const [, [{ n }], [{ n: here }]] = rest as [unknown[], { n: number }[], { n: number }[]];
          if (!isKnown && (n >= MAX_INVITED || here >= MAX_INVITATIONS)) return "FULL";
          return {
            tell: isKnown ? [] : [{ said: { what: "invited", id: about, count: group.count }, to: "one" }],
            writing: () => [
              `INSERT INTO invite (groupid, userid, inviter, uses, expires) VALUES (${numbers([groupid, about, by, 1, expires])}) ` +
              "ON DUPLICATE KEY UPDATE inviter = VALUES(inviter), expires = VALUES(expires)",
            ],
            result: (told) => isKnown ? "INVITATION" : told,
          };
        }),
      });
    },

    async inviteByCode(by, groupid, code, uses, expires, at) {
      const codes = "SELECT COUNT(*) AS n FROM invite WHERE groupid = " +
        `${numbers([groupid])} AND hash IS NOT NULL AND uses > 0 AND expires > ${numbers([at])}`;
      return await act<"OK" | GroupRefusal | "FULL">({
        groupid,
        by,
        at,
        silent: true,
        asking: [
          codes,
          `SELECT id FROM invite WHERE groupid = ${numbers([groupid])} AND hash IS NOT NULL AND uses <= 0 ORDER BY id DESC ` +
          `LIMIT ${MAX_USED_UP} OFFSET ${MAX_USED_UP}`,
        ],
        decide: ranked(by, "moderator", ({ rest }) => {
          const [[{ n }], usedUp] = rest as [{ n: number }[], { id: number }[]];
          if (n >= MAX_CODES) return "FULL";
          const old = usedUp.length === 0 ? [] : [deleting("invite", ["id"], usedUp.map(({ id }) => [id]))];
          return done(...old, `INSERT INTO invite (hash, groupid, inviter, uses, expires) VALUES ${tuple([code, groupid, by, uses, expires])}`);
        }),
      });
    },

    async revokeCodes(by, groupid) {
      return await act<"OK" | GroupRefusal>({
        groupid,
        by,
        at: 0,
        silent: true,
        decide: ranked(by, "moderator", () => done(uninviting(groupid, "hash IS NOT NULL"))),
      });
    },
  };
}
