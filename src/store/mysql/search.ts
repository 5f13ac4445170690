/**
 * What is found by which word: the table `word`, an entry for each word of a message, in the order of conversations, words and messages, so that the newest
 * messages of a conversation with some word stand beside each other. (FULLTEXT was slower by a hundred times, docs/performance.md.)
 *
 * 1. Entries are written behind the commit of a message, from the mark `search_mark.upto`, whose row is locked meanwhile: one node at a time, and whoever dies has
 *    done nothing.
 * 2. Messages are committed in another order than numbered. So those up to a number that was the newest a while ago are read, by a read that waits for whoever
 *    has not committed yet: what is not there then never comes.
 * 3. Whoever deletes or changes a message locks its row first, looks at the mark then, and changes its entries in the same transaction (`unindex`).
 * 4. `talk` says with whom a user has ever spoken. With that and the groups that the asker is in, the conversations are known in which anything may be found.
 */
import { type Query, tokensOf, VERSION } from "../../search/tokenizer.ts";
import { collect } from "../collect.ts";
import type { GroupId, Search, Store, UserId } from "../store.ts";
import type { Link } from "./link.ts";
import { COLUMNS, type MessageRow, stored } from "./messages.ts";
import type { Pool } from "./pool.ts";
import { insertPieces, literal, marks, numbers, pieces } from "./sql.ts";

/** Most messages of one step, and about how much text (characters). */
const STEP = 100, STEP_SIZE = 32 * 1024;
/** How long a number must have been the newest (ms). */
const SETTLED_MS = 1000;
/** Entries of a former tokenizer that one step removes. */
const REMOVED = 5000;
/** Conversations that one statement looks into. */
const CHUNK = 100;
/** For the beginning of a word alone, the newest messages of a conversation are looked through first: most of what is asked for stands there. */
const NEWEST = 100;
/** Behind all that begins with something: no token has this character. */
const BEHIND = "~";

/** What the index is made of. */
export interface Indexable {
  id: number;
  sender: UserId;
  toid: UserId | null;
  groupid: GroupId | null;
  msg: string;
}

/** The conversation in `word`. */
type Place = [lo: number, hi: number];

function placeOf({ sender, toid, groupid }: Pick<Indexable, "sender" | "toid" | "groupid">): Place {
  return toid === null ? [0, groupid!] : [Math.min(sender, toid), Math.max(sender, toid)];
}

function wordsOf(message: Indexable): string[] {
  return [...tokensOf(message.msg), saidBy(message.sender)];
}

function saidBy(userId: UserId): string {
  return `s_${userId}`;
}

/** Takes a message out of the index, if it is in it; with what its row, which is locked, says. */
export async function unindex(tx: Link, message: Indexable): Promise<void> {
  const rows = await tx.rows("SELECT 1 FROM search_mark WHERE upto >= ?", [message.id]);
  if (rows.length === 0) return;
  for (const piece of pieces(wordsOf(message))) {
    await tx.script([
      `DELETE FROM word WHERE (lo, hi) = (${numbers(placeOf(message))}) AND messageid = ${numbers([message.id])} AND token IN (${list(piece)})`,
    ]);
  }
}

/** Puts a message that was taken out back in, with its new text, if the mark is past it. */
export async function reindexed(tx: Link, message: Indexable): Promise<void> {
  const rows = await tx.rows("SELECT 1 FROM search_mark WHERE upto >= ?", [message.id]);
  if (rows.length > 0) await insert(tx, [message]);
}

async function insert(tx: Link, messages: Indexable[]): Promise<void> {
  const entries = messages.flatMap((message) => wordsOf(message).map((token) => [...placeOf(message), token, message.id] as const));
  entries.sort((a, b) => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : a[2] > b[2] ? 1 : a[3] - b[3]));
  for (const piece of insertPieces(entries)) {
    await tx.change(`INSERT IGNORE INTO word (lo, hi, token, messageid) VALUES ${marks(piece.length, "(?, ?, ?, ?)")}`, piece.flat());
  }
}

/** The part of the store that looks for things. */
export function searching(db: Pool): Pick<Store, "search" | "index" | "reindex"> {
  /** The newest number that was known a while ago, and one that is known now. */
  let settled = 0, newest = { id: 0, since: 0 };

  async function frontier(): Promise<number> {
    const [{ id }] = await db.read<{ id: number }>("SELECT COALESCE(MAX(id), 0) AS id FROM message");
    const now = performance.now();
    if (now - newest.since >= SETTLED_MS) {
      settled = newest.id;
      newest = { id, since: now };
    }
    return id;
  }

  async function step(tx: Link, upto: number): Promise<{ upto: number; full: boolean }> {
    const rows = await tx.rows<Indexable>(
      "SELECT id, sender, toid, groupid, msg FROM message WHERE id > ? AND id <= ? ORDER BY id LIMIT ? LOCK IN SHARE MODE",
      [upto, settled, String(STEP)],
    );
    let size = 0;
    const messages = rows.filter(({ msg }, i) => (size += msg.length) <= STEP_SIZE || i === 0);
    await insert(tx, messages);
    const talks = new Map<string, [UserId, UserId]>();
    for (const { sender, toid } of messages) {
      if (toid !== null) { for (const talk of [[sender, toid], [toid, sender]] as [UserId, UserId][]) talks.set(talk.join(), talk); }
    }
    for (const piece of insertPieces([...talks.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]))) {
      await tx.change(`INSERT IGNORE INTO talk (userid, peer) VALUES ${marks(piece.length, "(?, ?)")}`, piece.flat());
    }
    const full = rows.length === STEP || messages.length < rows.length;
    return { upto: full ? messages.at(-1)!.id : Math.max(upto, settled), full };
  }

  async function places({ userId, of }: Search): Promise<Place[]> {
    if (of) return ["peer" in of ? placeOf({ sender: userId, toid: of.peer, groupid: null }) : [0, of.groupid]];
    const groups = await db.read<{ groupid: GroupId }>("SELECT groupid FROM groupuser WHERE userid = ?", [userId]);
    const peers = await db.read<{ peer: UserId }>("SELECT peer FROM talk WHERE userid = ?", [userId]);
    return [...groups.map(({ groupid }): Place => [0, groupid]), ...peers.map(({ peer }) => placeOf({ sender: userId, toid: peer, groupid: null }))];
  }

  async function find(search: Search, where: Place[], before: number | undefined, limit: number): Promise<(MessageRow & { messageid: number })[]> {
    const ids: number[] = [];
    for (let i = 0; i < where.length; i += CHUNK) {
      const selects = where.slice(i, i + CHUNK).map((place) => select(search, place, before, limit));
      const [rows] = await db.readAll([`${selects.join(" UNION ALL ")} ORDER BY messageid DESC LIMIT ${numbers([limit])}`]) as {
        messageid: number;
      }[][];
      ids.push(...rows.map(({ messageid }) => messageid));
    }
    const found = ids.sort((a, b) => b - a).slice(0, limit);
    if (found.length === 0) return [];
    return await rowsOf(search.userId, `m.id IN (${numbers(found)})`);
  }

  /** Those that the asker may see, newest first. */
  async function rowsOf(userId: UserId, condition: string): Promise<(MessageRow & { messageid: number })[]> {
    const me = numbers([userId]);
    const [rows] = await db.readAll([
      `SELECT m.id AS messageid, ${COLUMNS} FROM message m JOIN user u ON u.id = m.sender WHERE ${condition} AND (m.toid = ${me} ` +
      `OR m.toid IS NOT NULL AND m.sender = ${me} OR EXISTS (SELECT 1 FROM groupuser g WHERE g.groupid = m.groupid AND g.userid = ${me})) ORDER BY m.id DESC`,
    ]) as (MessageRow & { messageid: number })[][];
    return rows;
  }

  /** Of the newest messages of a conversation those that hold the beginning of a word; undefined: there are more than these, and not enough of them do. */
  async function amongNewest({ userId, query, from, before }: Search, [lo, hi]: Place, limit: number): Promise<MessageRow[] | undefined> {
    const place = lo === 0 ? `groupid = ${numbers([hi])}` : `lo = ${numbers([lo])} AND hi = ${numbers([hi])}`;
    const below = before === undefined ? "" : `AND id < ${numbers([before])}`;
    const newest = `SELECT id FROM message WHERE ${place} ${below} ORDER BY id DESC LIMIT ${NEWEST}`;
    const rows = await rowsOf(userId, `m.id IN (SELECT id FROM (${newest}) AS n)`);
    const found = rows.filter((row) => (from === undefined || row.sender === from) && query.finds(row.msg)).slice(0, limit);
    return found.length === limit || rows.length < NEWEST ? found : undefined;
  }

  return {
    async search(search, limit) {
      const { query, before } = search;
      if (query.empty) return [];
      const where = await places(search);
      if (where.length === 1 && query.tokens.length === 0) {
        const found = await amongNewest(search, where[0], limit);
        if (found) return found.map(stored);
      }
      const found = await collect((below, count) => find(search, where, below, count), query, before, limit);
      return found.map(stored);
    },

    async index() {
      const id = await frontier();
      return await db.transaction(async (tx) => {
        const [{ upto, version }] = await tx.rows<{ upto: number; version: number }>("SELECT upto, version FROM search_mark FOR UPDATE");
        // Of a newer natter, which will go on with it.
        if (version > VERSION) return { behind: 0, more: false };
        if (version < VERSION) {
          const { affectedRows } = await tx.change("DELETE FROM word LIMIT ?", [String(REMOVED)]);
          if (affectedRows < REMOVED) await tx.change("UPDATE search_mark SET upto = 0, version = ?", [VERSION]);
          else if (upto > 0) await tx.change("UPDATE search_mark SET upto = 0");
          return { behind: id, more: true };
        }
        if (settled <= upto) return { behind: Math.max(0, id - upto), more: false };
        const done = await step(tx, upto);
        await tx.change("UPDATE search_mark SET upto = ?", [done.upto]);
        return { behind: Math.max(0, id - done.upto), more: done.full };
      });
    },

    async reindex() {
      await db.write("UPDATE search_mark SET version = 0");
    },
  };
}

/** The newest messages of one conversation that have the words. */
function select({ query, from }: Search, [lo, hi]: Place, before: number | undefined, limit: number): string {
  const tokens = wanted(query, from);
  const within = (alias: string) => `${alias}.lo = ${numbers([lo])} AND ${alias}.hi = ${numbers([hi])}`;
  const below = before === undefined ? "" : ` AND a.messageid < ${numbers([before])}`;
  const end = `${below} ORDER BY a.messageid DESC LIMIT ${numbers([limit])}`;
  const begins = (alias: string) => `${alias}.token >= ${bytes(query.beginning!)} AND ${alias}.token < ${bytes(query.beginning! + BEHIND)}`;
  if (tokens.length === 0) return `(SELECT DISTINCT a.messageid FROM word a WHERE ${within("a")} AND ${begins("a")}${end})`;
  const joins = tokens.slice(1).map((token, i) =>
    `JOIN word b${i} ON ${within(`b${i}`)} AND b${i}.token = ${bytes(token)} AND b${i}.messageid = a.messageid`
  );
  const beginning = query.beginning === undefined
    ? ""
    : ` AND a.messageid IN (SELECT p.messageid FROM word p WHERE ${within("p")} AND ${begins("p")})`;
  return `(SELECT a.messageid FROM word a ${joins.join(" ")} WHERE ${within("a")} AND a.token = ${bytes(tokens[0])}${beginning}${end})`;
}

function wanted({ tokens }: Query, from: UserId | undefined): string[] {
  return [...tokens, ...from === undefined ? [] : [saidBy(from)]];
}

function bytes(token: string): string {
  return literal(new TextEncoder().encode(token));
}

function list(tokens: string[]): string {
  return tokens.map(bytes).join();
}
