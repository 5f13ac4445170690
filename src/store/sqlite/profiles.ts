import type { Profile, Report, Store, UserId } from "../store.ts";
import { avatarOf } from "../files.ts";
import type { Database } from "./database.ts";
import { setAvatar } from "./files.ts";
import { conversation } from "./message_row.ts";
import { visibleTo } from "./visible.ts";

type ProfileStore = Pick<Store, "profile" | "setProfile" | "report" | "reports" | "expireReports">;

/** The part of the store that is what users say of themselves, and what they report. */
export function profileStore(db: Database): ProfileStore {
  function profile(userId: UserId): Profile | undefined {
    const sql = "SELECT u.about, u.receipts, f.urlkey FROM user u LEFT JOIN file f ON f.id = u.avatar WHERE u.id = ? AND u.deleted = 0";
    const row = db.row<[string, number, string | null]>(sql, userId);
    return row && { about: row[0], receipts: row[1] === 1, ...avatarOf(row[2]) };
  }

  return {
    profile: (userId) => db.read(() => profile(userId)),

    setProfile(userId, { about, receipts, avatar }) {
      return db.write(() => {
        if (avatar !== undefined && !setAvatar(db, userId, avatar)) return "NO_MESSAGE";
        const sql = "UPDATE user SET about = ifnull(?, about), receipts = ifnull(?, receipts) WHERE id = ? AND deleted = 0";
        db.run(sql, about ?? null, receipts === undefined ? null : Number(receipts), userId);
        return profile(userId);
      });
    },

    report(reporter, messageid, reason, at, most) {
      return db.write(() => {
        const visible = `FROM message m WHERE m.id = ?2 AND m.deleted = 0 AND ${visibleTo("?1")}`;
        if (!db.row(`SELECT 1 ${visible}`, reporter, messageid)) return "NO_MESSAGE";
        if (db.row("SELECT 1 FROM report WHERE reporter = ? AND messageid = ?", reporter, messageid)) return "OK";
        if (db.row<[number]>("SELECT count(*) FROM report WHERE reporter = ?", reporter)![0] >= most) return "FULL";
        const columns = "reporter, reason, at, messageid, sender, toid, groupid, ts, msg";
        db.run(
          `INSERT INTO report (${columns}) SELECT ?1, ?3, ?4, m.id, m.sender, m.toid, m.groupid, m.ts, m.msg ${visible}`,
          reporter,
          messageid,
          reason,
          at,
        );
        return "OK";
      });
    },

    reports(after, limit) {
      type Row = [number, UserId, string, string, number, number, UserId, string, number | null, number | null, number, string];
      return db.read(() => {
        const sql = `SELECT r.id, r.reporter, u.name, r.reason, r.at, r.messageid, r.sender, s.name, r.toid, r.groupid, r.ts, r.msg
          FROM report r JOIN user u ON u.id = r.reporter JOIN user s ON s.id = r.sender WHERE r.id > ? ORDER BY r.id LIMIT ?`;
        return db.rows<Row>(sql, after, limit).map(([id, reporter, by, reason, at, messageid, sender, name, toid, groupid, ts, msg]): Report => (
          { id, reporter: { id: reporter, name: by }, reason, at, messageid, sender: { id: sender, name }, ...conversation(toid, groupid), ts, msg }
        ));
      });
    },

    async expireReports(before, limit) {
      const expired = "DELETE FROM report WHERE id IN (SELECT id FROM report WHERE at < ? LIMIT ?)";
      while (await db.write(() => db.run(expired, before, limit)) === limit);
    },
  };
}
