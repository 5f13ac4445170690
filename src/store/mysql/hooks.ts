import { Buffer } from "node:buffer";
import { DELETED } from "../../wire/looks.ts";
import { type BotName, type Hook, type HookStore, MAX_HOOKS } from "../hooks.ts";
import type { Append, GroupId, GroupRefusal, StoreLimits, UserId } from "../store.ts";
import { act, done, type Plan, ranked, type Situation } from "./group_acts.ts";
import { takingLook } from "./looks.ts";
import type { Pool } from "./pool.ts";
import { literal, numbers } from "./sql.ts";

/** The statement that tells which of these are said by hooks that are on; none, if no one is said to be. */
export function findingHooks(batch: Append[]): string[] {
  const selects = batch.flatMap(({ sender, groupid, hook }, n) =>
    hook && groupid !== undefined
      ? [`SELECT ${n} AS n FROM hook WHERE hash = ${literal(hook)} AND userid = ${numbers([sender])} AND groupid = ${numbers([groupid])}`]
      : []
  );
  return selects.length === 0 ? [] : [selects.join(" UNION ALL ")];
}

/** The statements that take a group's hooks away; what their bots were called is free. */
export function removingHooks(groupid: GroupId): string[] {
  const hooks = "hook FORCE INDEX (hook_groupid)", those = `WHERE hook.groupid = ${numbers([groupid])}`;
  return [
    `DELETE look FROM ${hooks} STRAIGHT_JOIN look FORCE INDEX (look_id) ON look.kind = 'user' AND look.id = hook.userid ${those}`,
    // No comparable name has a capital letter.
    `UPDATE ${hooks} STRAIGHT_JOIN user FORCE INDEX (PRIMARY) ON user.id = hook.userid ` +
    `SET user.name = ${literal(DELETED)}, user.namekey = CONCAT('D', user.id) ${those}`,
    `DELETE hook FROM ${hooks} ${those}`,
  ];
}

interface Bot {
  userid: UserId;
  namekey: Uint8Array;
}

/** The part of the store that is hooks. */
export function hookStore(db: Pool, { maxInbox }: StoreLimits): HookStore {
  const asking = (groupid: GroupId) => [
    `SELECT h.userid, u.namekey FROM hook h FORCE INDEX (hook_groupid) STRAIGHT_JOIN user u ON u.id = h.userid WHERE h.groupid = ${
      numbers([groupid])
    }`,
  ];

  function botOf({ rest: [bots] }: Situation, key: string): UserId | undefined {
    return (bots as Bot[]).find(({ namekey }) => Buffer.from(key).equals(namekey))?.userid;
  }

  function made(now: Situation, { name, key, look }: BotName, hash: Uint8Array): Plan<"OK" | "INVALID"> | "FULL" {
    const known = botOf(now, key);
    if (known !== undefined) return done(`UPDATE hook SET hash = ${literal(hash)} WHERE userid = ${numbers([known])}`);
    if (now.rest[0]!.length >= MAX_HOOKS) return "FULL";
    const statements = [
      `INSERT INTO user (name, namekey, password, deleted) VALUES (${literal(name)}, ${literal(Buffer.from(key))}, '', TRUE)`,
      takingLook("user", look, "LAST_INSERT_ID()"),
      `INSERT INTO hook (userid, groupid, hash) VALUES (LAST_INSERT_ID(), ${numbers([now.group.id])}, ${literal(hash)})`,
    ];
    return { naming: { statements, taken: "INVALID" }, tell: [], writing: () => [], result: () => "OK" };
  }

  return {
    async makeHook(by, groupid, name, hash) {
      type Made = "OK" | GroupRefusal | "INVALID" | "FULL";
      const make = (now: Situation) => made(now, name, hash);
      return await act<Made>(db, maxInbox, {
        groupid,
        by: by ?? 0,
        at: 0,
        silent: true,
        asking: asking(groupid),
        decide: by === undefined ? (now) => now ? make(now) : "NO_GROUP" : ranked<Made | Plan<Made>>(by, "moderator", make),
      });
    },

    async endHook(by, groupid, key) {
      return await act<"OK" | GroupRefusal>(db, maxInbox, {
        groupid,
        by,
        at: 0,
        silent: true,
        asking: asking(groupid),
        decide: ranked<"OK" | GroupRefusal | Plan<"OK" | GroupRefusal>>(by, "moderator", (now) => {
          const bot = botOf(now, key);
          return bot === undefined ? "OK" : done(`UPDATE hook SET hash = NULL WHERE userid = ${numbers([bot])}`);
        }),
      });
    },

    async findHook(hash) {
      const sql = "SELECT h.userid AS bot, u.name, h.groupid FROM hook h JOIN user u ON u.id = h.userid WHERE h.hash = ?";
      return (await db.read<Hook>(sql, [Buffer.from(hash)]))[0];
    },

    async findGroup(key) {
      return (await db.read<{ id: GroupId }>("SELECT id FROM allgroup WHERE groupkey = ?", [Buffer.from(key)]))[0]?.id;
    },
  };
}
