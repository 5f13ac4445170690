import { type ExportedInvitation, type ExportStore, invitationOf, PART_ROWS, partOf } from "../export.ts";
import type { FileId } from "../files.ts";
import type { GroupId, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";

type InvitationRow = [groupid: GroupId | null, userid: UserId | null, inviter: UserId | null, uses: number, expires: number];
const INVITATION = "groupid, userid, inviter, uses, expires";
type ReportRow = [messageid: number, sender: UserId, ts: number, msg: string, reason: string, at: number];
type FileRow = [
  id: FileId,
  name: string,
  type: string,
  size: number,
  width: number | null,
  height: number | null,
  created: number,
  messageid: number | null,
];

function invitation([groupid, userid, inviter, uses, expires]: InvitationRow): ExportedInvitation {
  return invitationOf({ groupid, userid, inviter, uses, expires });
}

/** The part of the store that is what is kept of a user. */
export function exportStore(db: Database): ExportStore {
  return {
    records(userId) {
      return db.read(() => ({
        invitations: db.rows<InvitationRow>(`SELECT ${INVITATION} FROM invite WHERE userid = ? ORDER BY id`, userId).map(invitation),
        reports: db.rows<ReportRow>("SELECT messageid, sender, ts, msg, reason, at FROM report WHERE reporter = ? ORDER BY id", userId)
          .map(([messageid, sender, ts, msg, reason, at]) => ({ messageid, sender, ts, msg, reason, at })),
        bans: db.rows<[GroupId]>("SELECT groupid FROM ban WHERE userid = ? ORDER BY groupid", userId).flat(),
      }));
    },

    invitationsBy(userId, after, limit) {
      const sql = `SELECT id, ${INVITATION} FROM invite WHERE inviter = ? AND id > ? ORDER BY id LIMIT ?`;
      return db.read(() => db.rows<[number, ...InvitationRow]>(sql, userId, after, limit).map(([id, ...row]) => ({ id, ...invitation(row) })));
    },

    filesOf(userId, after, limit) {
      const sql = "SELECT id, name, type, size, width, height, created, messageid FROM file WHERE owner = ? AND id > ? ORDER BY id LIMIT ?";
      return db.read(() =>
        db.rows<FileRow>(sql, userId, after, limit).map(([id, name, type, size, width, height, created, messageid]) => (
          { id, name, type, size, width, height, created, ...messageid === null ? {} : { messageid } }
        ))
      );
    },

    exported(userId, after) {
      return db.read(() => {
        const looked = db.rows<[id: number, bytes: number | null]>(
          `SELECT id, iif((sender = ?1 OR toid = ?1) AND kind = 0 AND deleted = 0, octet_length(msg), NULL)
            FROM message WHERE id > ?2 ORDER BY id LIMIT ?3`,
          userId,
          after,
          PART_ROWS,
        );
        const { own, upto, next } = partOf(looked.map(([id, bytes]) => ({ id, bytes })));
        const messages = db.rows<MessageRow>(
          `SELECT ${MESSAGE_COLUMNS} FROM json_each(?) j CROSS JOIN message m ON m.id = j.value JOIN user s ON s.id = m.sender ORDER BY m.id`,
          JSON.stringify(own),
        );
        const reactions = db.rows<[number, string]>(
          "SELECT r.messageid, r.emoji FROM message m CROSS JOIN reaction r ON r.messageid = m.id AND r.userid = ? WHERE m.id > ? AND m.id <= ?",
          userId,
          after,
          upto,
        );
        return { messages: messages.map(stored), reactions: reactions.map(([messageid, emoji]) => ({ messageid, emoji })), next };
      });
    },
  };
}
