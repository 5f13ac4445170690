// Parts of conversations.

import { Buffer } from "node:buffer";
import { reactionsOf } from "../deeds.ts";
import type { Conversation, HistoryPage, Part, Store, StoredMessage, UserId } from "../store.ts";
import { eventsOf } from "./group_events.ts";
import { columns, type MessageRow, stored, within } from "./message_row.ts";
import type { Pool } from "./pool.ts";
import { numbers } from "./sql.ts";
import { shownTo, visibleTo } from "./visible.ts";

/** Rows of the first read: at most 4 MiB with lines of 64 KiB (`--max-line`). */
const FIRST_READ = 64;

/** A message with what readers have put to it. */
type ShownRow = MessageRow & { kind: number; reactions: string | null };

/** What a part is read with. */
interface Reading {
  /** By which key. */
  hint: string;
  /** Of the table `message m`. */
  where: string;
  limit: number;
  bytes: number;
}

/**
 * Reads few rows first, then as many as their sizes let expect: at least one, then at most `limit` and about `bytes` bytes of text.
 *
 * @param read gives up to so many rows behind `last`.
 * @returns them, and whether there are more.
 */
export async function bySize<Row extends { msg: string; files: string | null }>(
  read: (last: Row | undefined, count: number) => Promise<Row[]>,
  limit: number,
  bytes: number,
): Promise<{ rows: Row[]; more: boolean }> {
  const rows: Row[] = [];
  let size = 0;
  for (let wanted = Math.min(limit + 1, FIRST_READ);;) {
    const found = await read(rows.at(-1), wanted);
    for (const row of found) {
      size += Buffer.byteLength(row.msg) + (row.files?.length ?? 0);
      if (rows.length > 0 && (size > bytes || rows.length === limit)) return { rows, more: true };
      rows.push(row);
    }
    if (found.length < wanted) return { rows, more: false };
    wanted = Math.min(limit + 1 - rows.length, Math.ceil((bytes - size) / (size / rows.length)) + 1, rows.length * 4);
  }
}

/** The statement whose row says whether the user may read the conversation: see {@linkcode closed}. */
export function asking(asker: UserId, of: Conversation): string {
  return of.toid === undefined
    ? `SELECT me.userid IS NOT NULL AS inside, g.private, me.sees FROM allgroup g LEFT JOIN groupuser me ON me.groupid = g.id AND me.userid = ${
      numbers([asker])
    } ` +
      `WHERE g.id = ${numbers([of.groupid])}`
    : `SELECT 1 AS inside FROM user WHERE id = ${numbers([of.toid])}`;
}

/** Why the user may not read it; undefined: they may. */
export function closed(rows: unknown, of: Conversation): "NO_USER" | "NO_GROUP" | "NOT_MEMBER" | undefined {
  const [row] = rows as { inside: number; private?: number }[];
  if (!row) return of.toid === undefined ? "NO_GROUP" : "NO_USER";
  if (row.inside === 1) return undefined;
  return row.private === 1 ? "NO_GROUP" : "NOT_MEMBER";
}

/** The part of the store that is what was said. */
export function histories(db: Pool): Pick<Store, "history"> {
  /** One direction of a part, those next to the place first. */
  async function read({ hint, where, limit, bytes }: Reading, place: string, order: "ASC" | "DESC"): Promise<{ rows: ShownRow[]; more: boolean }> {
    return await bySize<ShownRow>(
      async (last, count) => {
        const from = last ? `m.id ${order === "ASC" ? ">" : "<"} ${numbers([last.id])}` : place;
        const [rows] = await db.readAll([
          `SELECT m.kind, ${columns()}, m.reactions FROM message m ${hint} JOIN user u ON u.id = m.sender WHERE ${where} AND ${from} ` +
          `ORDER BY m.id ${order} LIMIT ${numbers([count])}`,
        ]);
        return rows as ShownRow[];
      },
      limit,
      bytes,
    );
  }

  async function part(reading: Reading, { before, after, around }: Part): Promise<{ rows: ShownRow[]; more: boolean; moreafter?: boolean }> {
    if (after !== undefined) return await read(reading, `m.id > ${numbers([after])}`, "ASC");
    if (around === undefined) {
      const { rows, more } = await read(reading, before === undefined ? "TRUE" : `m.id < ${numbers([before])}`, "DESC");
      return { rows: rows.reverse(), more };
    }
    const half = { ...reading, limit: Math.ceil(reading.limit / 2), bytes: reading.bytes / 2 };
    const newer = await read(half, `m.id >= ${numbers([around])}`, "ASC");
    const older = await read({ ...half, limit: Math.max(1, reading.limit - half.limit) }, `m.id < ${numbers([around])}`, "DESC");
    return { rows: [...older.rows.reverse(), ...newer.rows], more: older.more, moreafter: newer.more };
  }

  /** Which reactions to these messages are the asker's: message and emoji. */
  async function own(asker: UserId, rows: ShownRow[]): Promise<Set<string>> {
    const ids = rows.flatMap(({ id, reactions }) => reactions === null ? [] : id);
    if (ids.length === 0) return new Set();
    const [found] = await db.readAll([
      `SELECT messageid, CONVERT(emoji USING utf8mb4) AS emoji FROM reaction WHERE userid = ${numbers([asker])} AND messageid IN (${numbers(ids)})`,
    ]) as { messageid: number; emoji: string }[][];
    return new Set(found.map(({ messageid, emoji }) => `${messageid} ${emoji}`));
  }

  return {
    async history(asker, of, wanted, limit, bytes, stones): Promise<HistoryPage | "NO_USER" | "NO_GROUP" | "NOT_MEMBER"> {
      const [asked] = await db.readAll([asking(asker, of)]);
      const refused = closed(asked, of);
      if (refused) return refused;
      // What is older is not looked through. Seen is what is visible when it is read, whatever was so before.
      const [{ sees }] = asked as { sees?: number }[];
      const from = sees === undefined ? "" : `m.id >= ${numbers([sees])} AND `;
      const where = `${within(asker, of)} AND ${from}${stones ? shownTo(asker) : `${visibleTo(asker)} AND m.deleted = 0`}`;
      // There may be much that is left out.
      const hint = stones || of.toid !== undefined ? "" : "FORCE INDEX (message_text)";
      const { rows, ...ends } = await part({ hint, where, limit, bytes }, wanted);
      const mine = await own(asker, rows);
      const events = await eventsOf(db, rows);
      return { messages: rows.map((row) => events.get(row.id) ?? shown(row, mine)), ...ends };
    },
  };
}

/** A message as one sees it whose reactions are `mine`. */
function shown({ kind: _, reactions, ...row }: ShownRow, mine: Set<string>): StoredMessage {
  if (reactions === null) return stored(row);
  return {
    ...stored(row),
    reactions: reactionsOf(reactions).map((reaction) => mine.has(`${row.id} ${reaction.emoji}`) ? { ...reaction, mine: true } : reaction),
  };
}
