// What users say of themselves, and what they report.

import type { Conversation, Profile, Report, Store, UserId } from "../store.ts";
import { avatarOf } from "../files.ts";
import { setAvatar } from "./files.ts";
import type { Pool } from "./pool.ts";
import { lockUsers } from "./users.ts";
import { visibleTo } from "./visible.ts";

type Profiles = Pick<Store, "profile" | "setProfile" | "report" | "reports" | "expireReports">;

interface ReportRow {
  id: number;
  reporter: UserId;
  byname: string;
  reason: string;
  at: number;
  messageid: number;
  sender: UserId;
  name: string;
  toid: number | null;
  groupid: number | null;
  ts: number;
  msg: string;
}

export function profiles(db: Pool): Profiles {
  async function profile(userId: UserId): Promise<Profile | undefined> {
    const sql = "SELECT u.about, u.receipts, f.urlkey FROM user u LEFT JOIN file f ON f.id = u.avatar WHERE u.id = ? AND u.deleted = 0";
    const [row] = await db.read<{ about: string; receipts: number; urlkey: string | null }>(sql, [userId]);
    return row && { about: row.about, receipts: row.receipts === 1, ...avatarOf(row.urlkey) };
  }

  return {
    profile,

    async setProfile(userId, { about, receipts, avatar }) {
      if (avatar !== undefined && !await db.transaction((tx) => setAvatar(tx, userId, avatar))) return "NO_MESSAGE";
      const sql = "UPDATE user SET about = COALESCE(?, about), receipts = COALESCE(?, receipts) WHERE id = ? AND deleted = 0";
      await db.write(sql, [about ?? null, receipts ?? null, userId]);
      return await profile(userId);
    },

    async report(reporter, messageid, reason, at, most) {
      const visible = `FROM message m WHERE m.id = ? AND NOT m.deleted AND ${visibleTo(reporter)}`;
      return await db.transaction(async (tx) => {
        // Two reports at once are counted one after the other.
        const there = await lockUsers(tx, [reporter]);
        if (!there.has(reporter) || (await tx.rows(`SELECT 1 ${visible}`, [messageid])).length === 0) return "NO_MESSAGE";
        const counting = "SELECT COUNT(*) AS n, COUNT(IF(messageid = ?, 1, NULL)) AS known FROM report WHERE reporter = ?";
        const [{ n, known }] = await tx.rows<{ n: number; known: number }>(counting, [messageid, reporter]);
        if (known > 0) return "OK";
        if (n >= most) return "FULL";
        const { affectedRows } = await tx.change(
          "INSERT INTO report (reporter, reason, at, messageid, sender, toid, groupid, ts, msg) " +
            `SELECT ?, ?, ?, m.id, m.sender, m.toid, m.groupid, m.ts, m.msg ${visible}`,
          [reporter, reason, at, messageid],
        );
        return affectedRows > 0 ? "OK" : "NO_MESSAGE";
      });
    },

    async reports(after, limit) {
      const rows = await db.read<ReportRow>(
        "SELECT r.id, r.reporter, u.name AS byname, r.reason, r.at, r.messageid, r.sender, s.name, r.toid, r.groupid, r.ts, r.msg " +
          "FROM report r JOIN user u ON u.id = r.reporter JOIN user s ON s.id = r.sender WHERE r.id > ? ORDER BY r.id LIMIT ?",
        [after, String(limit)],
      );
      return rows.map(({ reporter, byname, sender, name, toid, groupid, ...row }): Report => {
        const where: Conversation = toid === null ? { groupid: groupid! } : { toid };
        return { ...row, ...where, reporter: { id: reporter, name: byname }, sender: { id: sender, name } };
      });
    },

    async expireReports(before, limit) {
      const expired = () => db.write("DELETE FROM report WHERE at < ? LIMIT ?", [before, String(limit)]);
      while ((await expired()).affectedRows === limit);
    },
  };
}
