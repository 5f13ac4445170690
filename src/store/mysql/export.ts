import { type ExportedFile, type ExportedReport, type ExportStore, invitationOf, PART_ROWS, partOf } from "../export.ts";
import type { GroupId, UserId } from "../store.ts";
import { columns, type MessageRow, stored } from "./message_row.ts";
import type { Pool } from "./pool.ts";
import { numbers } from "./sql.ts";

interface InvitationRow {
  groupid: GroupId | null;
  userid: UserId | null;
  inviter: UserId | null;
  uses: number;
  expires: number;
}

export function exporting(db: Pool): ExportStore {
  return {
    async records(userId) {
      const id = numbers([userId]);
      const [invitations, reports, bans] = await db.readAll([
        `SELECT groupid, userid, inviter, uses, expires FROM invite WHERE userid = ${id} ORDER BY id`,
        `SELECT messageid, sender, ts, msg, reason, at FROM report WHERE reporter = ${id} ORDER BY id`,
        `SELECT groupid FROM ban WHERE userid = ${id} ORDER BY groupid`,
      ]) as [InvitationRow[], ExportedReport[], { groupid: GroupId }[]];
      return { invitations: invitations.map(invitationOf), reports: reports.map((row) => ({ ...row })), bans: bans.map(({ groupid }) => groupid) };
    },

    async invitationsBy(userId, after, limit) {
      const rows = await db.read<InvitationRow & { id: number }>(
        "SELECT id, groupid, userid, inviter, uses, expires FROM invite WHERE inviter = ? AND id > ? ORDER BY id LIMIT ?",
        [userId, after, String(limit)],
      );
      return rows.map((row) => ({ id: row.id, ...invitationOf(row) }));
    },

    async filesOf(userId, after, limit) {
      const rows = await db.read<Omit<ExportedFile, "messageid"> & { messageid: number | null }>(
        "SELECT id, name, type, size, width, height, created, messageid FROM file WHERE owner = ? AND id > ? ORDER BY id LIMIT ?",
        [userId, after, String(limit)],
      );
      return rows.map(({ messageid, ...file }) => ({ ...file, ...messageid === null ? {} : { messageid } }));
    },

    async exported(userId, after) {
      const looked = await db.read<{ id: number; bytes: number | null }>(
        "SELECT id, IF((sender = ? OR toid = ?) AND kind = 0 AND NOT deleted, OCTET_LENGTH(msg), NULL) AS bytes " +
          "FROM message FORCE INDEX (PRIMARY) WHERE id > ? ORDER BY id LIMIT ?",
        [userId, userId, after, String(PART_ROWS)],
      );
      const { own, upto, next } = partOf(looked);
      const [reactions, messages = []] = await db.readAll([
        `SELECT r.messageid, CONVERT(r.emoji USING utf8mb4) AS emoji FROM message m FORCE INDEX (PRIMARY) STRAIGHT_JOIN reaction r ` +
        `ON r.messageid = m.id AND r.userid = ${numbers([userId])} WHERE m.id > ${numbers([after])} AND m.id <= ${numbers([upto])}`,
        ...own.length === 0
          ? []
          : [`SELECT ${columns()} FROM message m JOIN user u ON u.id = m.sender WHERE m.id IN (${numbers(own)}) ORDER BY m.id`],
      ]) as [{ messageid: number; emoji: string }[], MessageRow[]?];
      return { messages: messages.map(stored), reactions: reactions.map((row) => ({ ...row })), next };
    },
  };
}
