import { DELETED } from "../../wire/looks.ts";
import { type BotName, type HookStore, MAX_HOOKS } from "../hooks.ts";
import type { Append, GroupId, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import { freeLook, isTaken, takeLook } from "./looks.ts";
import { refused } from "./membership.ts";

/** Whether this is said by a hook that is on. In `write`. */
export function isByHook(db: Database, { sender, groupid, hook }: Append): boolean {
  return db.row("SELECT 1 FROM hook WHERE hash = ? AND userid = ? AND groupid = ?", hook!, sender, groupid ?? null) !== undefined;
}

/** Takes a group's hooks away; what their bots were called is free. In `write`. */
export function removeHooks(db: Database, groupid: GroupId): void {
  for (const [bot] of db.rows<[UserId]>("DELETE FROM hook WHERE groupid = ? RETURNING userid", groupid)) {
    // No comparable name has a capital letter.
    db.run("UPDATE user SET name = ?, namekey = 'D' || id WHERE id = ?", DELETED, bot);
    freeLook(db, "user", bot);
  }
}

/** The part of the store that is hooks. */
export function hookStore(db: Database): HookStore {
  /** The bot of a group that has this comparable name. */
  function botOf(groupid: GroupId, key: string): UserId | undefined {
    return db.row<[UserId]>("SELECT h.userid FROM user u JOIN hook h ON h.userid = u.id WHERE u.namekey = ? AND h.groupid = ?", key, groupid)?.[0];
  }

  function makeBot({ name, key, look }: BotName): UserId | undefined {
    if (isTaken(db, "user", look)) return undefined;
    const sql = "INSERT INTO user (name, namekey, password, deleted) VALUES (?, ?, '', 1) ON CONFLICT (namekey) DO NOTHING";
    const bot = db.insert(sql, name, key);
    if (bot !== undefined) takeLook(db, "user", look, bot);
    return bot;
  }

  return {
    makeHook(by, groupid, name, hash) {
      return db.write(() => {
        const refusal = by === undefined
          ? db.row("SELECT 1 FROM allgroup WHERE id = ?", groupid) ? undefined : "NO_GROUP"
          : refused(db, groupid, by, "moderator");
        if (refusal) return refusal;
        const known = botOf(groupid, name.key);
        if (known !== undefined) {
          db.run("UPDATE hook SET hash = ? WHERE userid = ?", hash, known);
          return "OK";
        }
        if (db.row<[number]>("SELECT count(*) FROM hook WHERE groupid = ?", groupid)![0] >= MAX_HOOKS) return "FULL";
        const bot = makeBot(name);
        if (bot === undefined) return "INVALID";
        db.run("INSERT INTO hook (userid, groupid, hash) VALUES (?, ?, ?)", bot, groupid, hash);
        return "OK";
      });
    },

    endHook(by, groupid, key) {
      return db.write(() => {
        const refusal = refused(db, groupid, by, "moderator");
        if (refusal) return refusal;
        const bot = botOf(groupid, key);
        if (bot !== undefined) db.run("UPDATE hook SET hash = NULL WHERE userid = ?", bot);
        return "OK";
      });
    },

    findHook(hash) {
      return db.read(() => {
        const sql = "SELECT h.userid, u.name, h.groupid FROM hook h JOIN user u ON u.id = h.userid WHERE h.hash = ?";
        const [bot, name, groupid] = db.row<[UserId, string, GroupId]>(sql, hash) ?? [];
        return bot === undefined ? undefined : { bot, name: name!, groupid: groupid! };
      });
    },

    findGroup: (key) => db.read(() => db.row<[GroupId]>("SELECT id FROM allgroup WHERE groupkey = ?", key)?.[0]),
  };
}
