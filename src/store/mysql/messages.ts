// Reading the logs, and removing what is too old.

import { KINDS, reactionsOf, stoneOf, told } from "../deeds.ts";
import { EVENT } from "../group_events.ts";
import type { Done, Store, StoredMessage, UserId } from "../store.ts";
import { dropping, freeOf, WAITS } from "./deeds.ts";
import { lockingRows } from "./held_rows.ts";
import { removeFilesOf } from "./files.ts";
import { eventsOf } from "./group_events.ts";
import { bySize } from "./history.ts";
import type { Link } from "./link.ts";
import { columns, type MessageRow, stored } from "./message_row.ts";
import type { Pool } from "./pool.ts";
import { type Indexable, unindex } from "./search.ts";
import { deleting, lockOrder, LONGEST_LIST, numbers } from "./sql.ts";
import { visibleToColumn } from "./visible.ts";

/** Messages that are deleted in one transaction. */
const FORGOTTEN = 50;

/** An entry of a log: a message, what was done to it, or what happened in a group. */
interface EntryRow extends MessageRow {
  seq: number;
  kind: number;
  /** Who did it. */
  doer: UserId;
  emoji: string | null;
  off: number;
  reactions: string | null;
  /** It says what was not said before the reader left the group: nothing of it is told. */
  shut: number;
}

/** The reader, who has left the group or come anew, may not see the message any more. */
const UNSEEN = `m.groupid IS NOT NULL AND ${visibleToColumn("i.userid")} IS NOT TRUE`;
/**
 * It got its text after that: of the EDITs before the last one stands in the reader's log, and says when it was. (Nobody but its author edits a text.) Of REACT
 * nobody knows; what is put to it then is not told either.
 */
const SHUT = `IF(e.kind = ${KINDS.react}, ${UNSEEN}, e.kind IN (0, ${KINDS.edit}) AND m.edited IS NOT NULL AND m.sender <> i.userid AND ${UNSEEN} ` +
  // By when it was: much may be done to one message.
  "AND NOT EXISTS (SELECT 1 FROM message edit FORCE INDEX (message_ts) STRAIGHT_JOIN deed past ON past.id = edit.id " +
  "STRAIGHT_JOIN inbox own ON own.messageid = past.id " +
  `WHERE edit.ts = m.edited AND edit.kind = ${KINDS.edit} AND past.target = m.id AND own.userid = i.userid))`;

/** A deed's message is its target, as it is now; of its text only an edit needs anything. */
const ENTRY =
  `i.seq, e.kind, e.sender AS doer, CONVERT(d.emoji USING utf8mb4) AS emoji, d.off, IF(e.kind = ${KINDS.react}, m.reactions, NULL) AS reactions, ` +
  `${SHUT} AS shut, ${
    columns(`IF(e.kind IN (${KINDS.delete}, ${KINDS.react}), '', m.msg)`)
  } FROM inbox i STRAIGHT_JOIN message e ON e.id = i.messageid ` +
  `LEFT JOIN deed d ON d.id = IF(e.kind IN (0, ${EVENT}), NULL, e.id) STRAIGHT_JOIN message m ON m.id = COALESCE(d.target, e.id) ` +
  "STRAIGHT_JOIN user u ON u.id = m.sender";

function entryOf({ kind, doer, emoji, off, reactions, shut, ...row }: Omit<EntryRow, "seq">): StoredMessage | Done {
  if (kind === 0) return shut === 1 ? stoneOf(stored(row)) : stored(row);
  const target = { ...row, messageid: row.id, deleted: row.deleted === 1 || shut === 1, reactions: reactionsOf(reactions) };
  if (kind === KINDS.react) return told(target, doer, { what: "react", emoji: emoji ?? "", off: off === 1 });
  return told(target, doer, { what: kind === KINDS.edit ? "edit" : "delete" });
}

/** The part of the store that is logs, and the end of what is old. */
export function messages(db: Pool): Pick<Store, "log" | "prune"> {
  return {
    async log(userId, after, limit, bytes) {
      const { rows } = await bySize<EntryRow>(
        (last, count) =>
          db.read(`SELECT ${ENTRY} WHERE i.userid = ? AND i.seq > ? ORDER BY i.seq LIMIT ?`, [userId, last?.seq ?? after, String(count)]),
        limit,
        bytes,
      );
      const events = await eventsOf(db, rows);
      return rows.map(({ seq, ...row }) => ({ ...events.get(row.id) ?? entryOf(row), seq }));
    },

    async prune(before, after, limit) {
      // Two ranges of the key message_ts, whose entries end with the id.
      const from = after ? "(ts = ? AND id > ? OR ts > ?) AND ts < ?" : "ts < ?";
      const rows = await db.read<{ id: number; ts: number; waits: number }>(
        `SELECT id, ts, ${WAITS} AS waits FROM message FORCE INDEX (message_ts) WHERE ${from} ORDER BY ts, id LIMIT ?`,
        [...(after ? [after.ts, after.messageid, after.ts] : []), before, String(limit)],
      );
      const old = rows.filter((row) => row.waits === 0).map((row) => row.id);
      let deleted = 0;
      for (let i = 0; i < old.length; i += FORGOTTEN) deleted += await db.transaction((tx) => forget(tx, old.slice(i, i + FORGOTTEN)));
      const last = rows.length === limit ? rows.at(-1) : undefined;
      return { deleted, next: last && { messageid: last.id, ts: last.ts } };
    },
  };
}

/**
 * Deletes messages, and what stands beside them. @returns how many: something may be done to one until its row is locked, and those that others hold for long
 * stay. What else was done to one, and stands in no log, is left without its target to {@linkcode Store.dropDeeds}.
 */
async function forget(tx: Link, ids: number[]): Promise<number> {
  const [done] = await tx.script([`SELECT id, target FROM deed WHERE target IN (${numbers(ids)}) LIMIT ${LONGEST_LIST - FORGOTTEN}`]) as {
    id: number;
    target: number;
  }[][];
  const all = lockOrder([...ids, ...done.map(({ id }) => id)]);
  const free = tx.held?.wary ? new Set(await freeOf(tx, tx.held, all)) : undefined;
  const found = await tx.script([
    ...free ? [] : [lockingRows("message", ["id"], all)],
    `SELECT id, sender, toid, groupid, msg FROM message WHERE id IN (${numbers(ids)}) AND NOT ${WAITS}`,
  ]);
  const isFree = ({ id }: { id: number }) => free?.has(id) ?? true;
  const rows = (found.at(-1) as Indexable[]).filter(isFree);
  if (rows.length === 0) return 0;
  for (const row of rows) if (row.toid !== null || row.groupid !== null) await unindex(tx, row);
  const gone = new Set(rows.map(({ id }) => id));
  await removeFilesOf(tx, [...gone]);
  const beside = done.filter((deed) => gone.has(deed.target) && isFree(deed)).map(({ id }) => id);
  await tx.script([deleting("reaction", ["messageid"], [...gone].map((id) => [id])), ...dropping([...gone, ...beside])]);
  return rows.length;
}
