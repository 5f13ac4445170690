// Parts of conversations.

import { reactionsOf } from "../deeds.ts";
import { EVENT } from "../group_events.ts";
import type { Conversation, HistoryPage, Store, StoredMessage, UserId } from "../store.ts";
import { sizeOf } from "../files.ts";
import type { Database } from "./database.ts";
import { eventOf } from "./group_events.ts";
import { outside } from "./membership.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";
import { CONVERSATION } from "./tail.ts";

/** Rows that are looked at in one turn, if its share is spent by then; and how many may be left out before a page ends. */
const ROWS_AT_ONCE = 100, LEFT_OUT = 2000;

/** From which number to which, both left out. */
interface Range {
  above: number;
  below: number;
}

/** One direction of a part, those next to the place first. */
interface Piece {
  messages: HistoryPage["messages"];
  /** There are more in that direction. */
  more: boolean;
}

/** What a part is read with. */
interface Reading {
  asker: UserId;
  of: Conversation;
  limit: number;
  bytes: number;
  stones: boolean;
}

type Closed = "NO_USER" | "NO_GROUP" | "NOT_MEMBER";

/** Why the asker may not read the conversation; undefined: they may. */
export function closed(db: Database, asker: UserId, of: Conversation): Closed | undefined {
  if (of.toid !== undefined) return db.row("SELECT 1 FROM user WHERE id = ?", of.toid) ? undefined : "NO_USER";
  if (db.row("SELECT 1 FROM groupuser WHERE groupid = ? AND userid = ?", of.groupid, asker)) return undefined;
  return outside(db, of.groupid);
}

/** From which number on somebody who may read a conversation sees it; who may not sees nothing of it. */
export function seesFrom(db: Database, asker: UserId, of: Conversation): number {
  if (of.groupid === undefined) return 0;
  const [sees] = db.row<[number]>("SELECT sees FROM groupuser WHERE groupid = ? AND userid = ?", of.groupid, asker) ?? [];
  return sees ?? Number.MAX_SAFE_INTEGER;
}

/** The part of the store that is what was said. */
export function historyStore(db: Database): Pick<Store, "history"> {
  /** One direction of a part. What is left out is walked through in as many turns as it takes, each of which asks anew what the asker may see. */
  async function read(reading: Reading, { above, below }: Range, descending: boolean): Promise<Piece | Closed> {
    const { asker, of, limit, bytes, stones } = reading;
    const [all, first, second] = placeOf(asker, of);
    // In groups there is an index for it: the rest need not be walked through.
    const ids = stones || of.toid !== undefined ? all : `${all} AND kind = 0 AND deleted = 0`;
    const order = descending ? "DESC" : "ASC";
    // By `m.id` SQLite would put all texts in order before it gives the first.
    const sql = `SELECT m.kind, m.reactions, ${MESSAGE_COLUMNS} FROM (${ids} ORDER BY 1 ${order} LIMIT ${ROWS_AT_ONCE + 1}) AS c
      CROSS JOIN message m ON m.id = c.id CROSS JOIN user s ON s.id = m.sender ORDER BY c.id ${order}`;
    const messages: Piece["messages"] = [];
    let size = 0, leftOut = 0;
    /** Takes the next ones. @returns whether there are more, if that is all that is wanted */
    const take = (): { more: boolean } | Closed | undefined => {
      const refused = closed(db, asker, of);
      if (refused) return refused;
      const from = Math.max(above, seesFrom(db, asker, of) - 1);
      let rows = 0;
      for (const [kind, reactions, ...row] of db.iterate<[number, string | null, ...MessageRow]>(sql, first, second, from, below)) {
        rows++;
        const [messageid, by, , , , ts, , msg, , , , deleted] = row;
        if (!stones && (kind === EVENT || deleted !== 0)) leftOut++;
        else {
          const message = kind === EVENT ? eventOf(db, messageid, by, ts, msg) : stored(row);
          size += message.what === undefined ? sizeOf(message) : msg.length;
          if (messages.length === limit || (messages.length > 0 && size > bytes)) return { more: true };
          if (reactions !== null && message.what === undefined) message.reactions = reactionsOf(reactions);
          messages.push(message);
        }
        if (descending) below = messageid;
        else above = messageid;
      }
      if (rows <= ROWS_AT_ONCE) return { more: false };
      // From an empty page nobody could ask on.
      return leftOut >= LEFT_OUT && messages.length > 0 ? { more: true } : undefined;
    };
    for (;;) {
      const taken = messages.length;
      const end = await db.read(() => {
        const end = take();
        markOwn(asker, messages.slice(taken));
        return end;
      });
      if (typeof end === "string") return end;
      if (end) return { messages, ...end };
    }
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

  return {
    async history(asker, of, { before, after, around }, limit, bytes, stones) {
      const all: Range = { above: 0, below: Number.MAX_SAFE_INTEGER };
      const whole: Reading = { asker, of, limit, bytes, stones };
      if (after !== undefined) return await read(whole, { ...all, above: after }, false);
      if (around === undefined) {
        const page = await read(whole, { ...all, below: before ?? all.below }, true);
        return typeof page === "string" ? page : { ...page, messages: page.messages.reverse() };
      }
      const half = { ...whole, limit: Math.ceil(limit / 2), bytes: bytes / 2 };
      const newer = await read(half, { ...all, above: around - 1 }, false);
      if (typeof newer === "string") return newer;
      const older = await read({ ...half, limit: Math.max(1, limit - half.limit) }, { ...all, below: around }, true);
      if (typeof older === "string") return older;
      return { messages: [...older.messages.reverse(), ...newer.messages], more: older.more, moreafter: newer.more };
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
