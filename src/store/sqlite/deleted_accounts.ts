import { DELETED } from "../../wire/looks.ts";
import type { DeviceId, Store, UserId } from "../store.ts";
import type { FileId } from "../files.ts";
import type { Database } from "./database.ts";
import { endSessions, removeDevices } from "./devices.ts";
import { removeFiles } from "./files.ts";
import type { Logs } from "./user_logs.ts";
import { freeLook } from "./looks.ts";

type LeavingStore = Pick<Store, "isUser" | "deleteAccount" | "leaving" | "clearAccount" | "said" | "left">;

/** The part of the store that is how users go. */
export function leavingStore(db: Database, logs: Logs): LeavingStore {
  return {
    isUser: (userId) => db.read(() => db.row("SELECT 1 FROM user WHERE id = ?", userId) !== undefined),

    deleteAccount(userId, version, messages) {
      return db.write(() => {
        // While it is not deleted yet: what groups were told before would not be found.
        logs.close(userId);
        // No comparable name has a capital letter.
        const sql = `UPDATE user SET name = ?1, namekey = 'D' || id, password = '', version = version + 1, deleted = 1, about = '', avatar = NULL
          WHERE id = ?2 AND deleted = 0 AND version = ifnull(?3, version)`;
        if (db.run(sql, DELETED, userId, version ?? null) === 0) return undefined;
        freeLook(db, "user", userId);
        const devices = db.rows<[DeviceId]>("SELECT device FROM device WHERE userid = ?", userId).flat();
        const ended = endSessions(db, userId, devices);
        removeDevices(db, logs, userId, devices);
        db.run("DELETE FROM token WHERE userid = ?", userId);
        db.run("INSERT INTO leaving (userid, messages) VALUES (?, ?)", userId, messages ? 1 : 0);
        return ended;
      });
    },

    leaving(limit) {
      return db.read(() => {
        const rows = db.rows<[UserId, number]>("SELECT userid, messages FROM leaving ORDER BY userid LIMIT ?", limit);
        return rows.map(([userId, messages]) => ({ userId, messages: messages === 1 }));
      });
    },

    clearAccount(userId, limit) {
      return db.write(() => {
        const friends = db.rows<[UserId]>(
          "DELETE FROM friend WHERE (userid, friendid) IN " +
            "(SELECT userid, friendid FROM friend WHERE friendid = ? LIMIT ?) RETURNING userid",
          userId,
          limit,
        ).flat();
        const blockers = db.run(
          "DELETE FROM block WHERE (userid, blocked) IN (SELECT userid, blocked FROM block WHERE blocked = ? LIMIT ?)",
          userId,
          limit,
        );
        db.run("DELETE FROM friend WHERE userid = ?", userId);
        db.run("DELETE FROM block WHERE userid = ?", userId);
        const talks = db.run(
          "DELETE FROM talk WHERE userid = ?1 AND (toid, groupid) IN (SELECT toid, groupid FROM talk WHERE userid = ?1 LIMIT ?2)",
          userId,
          limit,
        );
        db.run("DELETE FROM invite WHERE userid = ?", userId);
        const made = db.rows<[UserId | null]>(
          "DELETE FROM invite WHERE id IN (SELECT id FROM invite WHERE inviter = ? LIMIT ?) RETURNING userid",
          userId,
          limit,
        ).flat();
        const files = db.rows<[FileId]>("SELECT id FROM file WHERE owner = ? AND messageid IS NULL LIMIT ?", userId, limit).flat();
        removeFiles(db, files);
        const more = logs.clear(userId);
        const all = more || [friends.length, blockers, talks, made.length, files.length].includes(limit);
        return { friends, invited: made.filter((id) => id !== null), more: all };
      }, limit);
    },

    said(userId, after, limit) {
      return db.read(() => {
        const rows = db.rows<[number, number]>(
          "SELECT id, sender = ? AND kind = 0 AND deleted = 0 FROM message WHERE id > ? ORDER BY id LIMIT ?",
          userId,
          after,
          limit,
        );
        return { messageids: rows.filter(([, own]) => own === 1).map(([id]) => id), next: rows.length === limit ? rows.at(-1)![0] : undefined };
      });
    },

    left: (userId) =>
      db.write(() => db.run("DELETE FROM leaving WHERE userid = ?1 AND NOT EXISTS (SELECT 1 FROM groupuser WHERE userid = ?1)", userId) > 0),
  };
}
