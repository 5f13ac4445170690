// Parts of conversations.

import { reactionsOf } from "../deeds.ts";
import { EVENT } from "../group_events.ts";
import type { Conversation, HistoryPage, Part, Store, StoredMessage, UserId } from "../store.ts";
import { sizeOf } from "../files.ts";
import type { Database } from "./database.ts";
import { eventOf } from "./group_events.ts";
import { outside } from "./membership.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";
import { CONVERSATION } from "./tail.ts";

/** Rows that are read at once; and how many may be left out of a page, before it ends short. */
const ROWS_AT_ONCE = 100, LEFT_OUT = 2000;

/** From which number to which, both left out. */
interface Range {
  above: number;
  below: number;
}

/** One direction of a part. */
interface Piece {
  messages: HistoryPage["messages"];
  /** There are more in that direction. */
  more: boolean;
}

/** What a part is read with. */
interface Reading {
  /** The statement that gives the numbers between ?3 and ?4 of the conversation ?1, or ?1 and ?2. */
  ids: string;
  first: number;
  second: number | null;
  limit: number;
  bytes: number;
  stones: boolean;
  /** From which number on the asker sees it. */
  sees: number;
}

/** Why the asker may not read the conversation; undefined: they may. */
export function closed(db: Database, asker: UserId, of: Conversation): "NO_USER" | "NO_GROUP" | "NOT_MEMBER" | undefined {
  if (of.toid !== undefined) return db.row("SELECT 1 FROM user WHERE id = ?", of.toid) ? undefined : "NO_USER";
  if (db.row("SELECT 1 FROM groupuser WHERE groupid = ? AND userid = ?", of.groupid, asker)) return undefined;
  return outside(db, of.groupid);
}

/** From which number on somebody who may read a conversation sees it. */
function seesFrom(db: Database, asker: UserId, of: Conversation): number {
  if (of.groupid === undefined) return 0;
  return db.row<[number]>("SELECT sees FROM groupuser WHERE groupid = ? AND userid = ?", of.groupid, asker)![0];
}

/** The part of the store that is what was said. */
export function historyStore(db: Database): Pick<Store, "history"> {
  function read({ ids, first, second, limit, bytes, stones, sees }: Reading, { above, below }: Range, descending: boolean): Piece {
    const order = descending ? "DESC" : "ASC";
    above = Math.max(above, sees - 1);
    const sql = `SELECT m.kind, m.reactions, ${MESSAGE_COLUMNS} FROM (${ids} ORDER BY 1 ${order} LIMIT ${ROWS_AT_ONCE + 1}) AS c
      JOIN message m ON m.id = c.id JOIN user s ON s.id = m.sender ORDER BY m.id ${order}`;
    const messages: HistoryPage["messages"] = [];
    let size = 0;
    for (let leftOut = 0; leftOut < LEFT_OUT;) {
      let rows = 0;
      for (const [kind, reactions, ...row] of db.iterate<[number, string | null, ...MessageRow]>(sql, first, second, above, below)) {
        rows++;
        const message = kind === EVENT ? eventOf(db, row[0], row[1], row[5], row[7]) : stored(row);
        if (descending) below = message.messageid;
        else above = message.messageid;
        if (!stones && (message.what !== undefined || message.deleted)) {
          leftOut++;
          continue;
        }
        size += message.what === undefined ? sizeOf(message) : row[7].length;
        if (messages.length === limit || (messages.length > 0 && size > bytes)) return { messages, more: true };
        if (reactions !== null && message.what === undefined) message.reactions = reactionsOf(reactions);
        messages.push(message);
      }
      if (rows <= ROWS_AT_ONCE) return { messages, more: false };
    }
    return { messages, more: true };
  }

  /** Marks those reactions that are the asker's. */
  function markOwn(asker: UserId, page: HistoryPage["messages"]): void {
    const messages = page.filter((message): message is StoredMessage => message.what === undefined && message.reactions !== undefined);
    const ids = messages.map(({ messageid }) => messageid);
    if (ids.length === 0) return;
    const sql = "SELECT messageid, emoji FROM json_each(?) j JOIN reaction r ON r.messageid = j.value AND r.userid = ?";
    const own = new Set(db.rows<[number, string]>(sql, JSON.stringify(ids), asker).map(([id, emoji]) => `${id} ${emoji}`));
    for (const { messageid, reactions } of messages) {
      for (const reaction of reactions ?? []) if (own.has(`${messageid} ${reaction.emoji}`)) reaction.mine = true;
    }
  }

  function page(reading: Reading, { before, after, around }: Part): HistoryPage {
    const all: Range = { above: 0, below: Number.MAX_SAFE_INTEGER };
    if (after !== undefined) return read(reading, { ...all, above: after }, false);
    if (around === undefined) {
      const { messages, more } = read(reading, { ...all, below: before ?? all.below }, true);
      return { messages: messages.reverse(), more };
    }
    const half = { ...reading, limit: Math.ceil(reading.limit / 2), bytes: reading.bytes / 2 };
    const newer = read(half, { ...all, above: around - 1 }, false);
    const older = read({ ...half, limit: Math.max(1, reading.limit - half.limit) }, { ...all, below: around }, true);
    return { messages: [...older.messages.reverse(), ...newer.messages], more: older.more, moreafter: newer.more };
  }

  return {
    history(asker, of, part, limit, bytes, stones) {
      return db.read(() => {
        const refused = closed(db, asker, of);
        if (refused) return refused;
        const [ids, first, second] = placeOf(asker, of);
        const found = page({ ids, first, second, limit, bytes, stones, sees: seesFrom(db, asker, of) }, part);
        markOwn(asker, found.messages);
        return found;
      });
    },
  };
}

/** The statement for the numbers between ?3 and ?4 of a conversation, and its values ?1 and ?2. */
export function placeOf(userId: UserId, of: Conversation): [ids: string, first: number, second: number | null] {
  if (of.toid !== undefined) return [CONVERSATION, Math.min(userId, of.toid), Math.max(userId, of.toid)];
  return ["SELECT id FROM message WHERE groupid = ?1 AND ?2 IS NULL AND id > ?3 AND id < ?4", of.groupid, null];
}

/** The statement for the newest of these numbers ({@linkcode placeOf}); 0: there is none. The order is what keeps it from reading all of them. */
export function newestOf(ids: string): string {
  return `SELECT ifnull(max(id), 0) FROM (${ids} ORDER BY 1 DESC LIMIT 1)`;
}
