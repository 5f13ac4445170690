/**
 * What is found by which word: the table `word`, an entry for each word of a message, in the order of conversations, words and messages, so that the newest
 * messages of a conversation with some word stand beside each other. (FULLTEXT was slower by ten to seven hundred times, docs/performance.md.)
 *
 * 1. Entries are written behind the commit of a message, from the mark `search_mark.upto`, whose row is locked meanwhile: one node at a time, and whoever dies has
 *    done nothing.
 * 2. Messages are committed in another order than numbered. So those up to a number that was the newest a while ago are read, by a read that waits for whoever
 *    has not committed yet: what is not there then never comes. Where somebody has not for long, the next round asks again: what this one has read is locked
 *    meanwhile, and could not be edited.
 * 3. Whoever deletes or changes a message locks its row first, looks at the mark then, and changes its entries in the same transaction (`unindex`).
 * 4. `talk` says with whom a user has spoken. With that and the groups that the asker is in, the conversations are known in which anything may be found.
 * 5. Who looks everywhere looks into hundreds of conversations. What is common is soon found among the newest messages, which are read themselves; what is not,
 *    among the newest of the index; what is rare costs one look into each conversation for each window, and no more.
 */
import { inTurns } from "../../async/loop.ts";
import { cutting, type Query, VERSION } from "../../search/tokenizer.ts";
import { collect } from "../collect.ts";
import type { GroupId, Search, Store, UserId } from "../store.ts";
import { LockConflict } from "./errors.ts";
import type { Link } from "./link.ts";
import { columns, type MessageRow, stored } from "./message_row.ts";
import type { Pool } from "./pool.ts";
import { insertPieces, literal, marks, numbers, pieces } from "./sql.ts";
import { visibleTo } from "./visible.ts";

/** Most messages of one step, and about how much text (characters). */
const INDEX_STEP = 100, INDEX_STEP_SIZE = 32 * 1024;
/** How long a number must have been the newest (ms). */
const SETTLED_MS = 1000;
/** Entries of a former tokenizer that one step removes. */
const REMOVED = 5000;
/** Conversations that one statement looks into. */
const TALKS_OF_STATEMENT = 100;
/** For the beginning of a word in one conversation, so many of its newest messages are looked through first: most of what is asked for stands there. */
const NEWEST_OF_TALK = 100;
/** Everywhere: what is among so many of the server's newest messages; rule 5. */
const NEWEST_OF_ALL = 2000;
/** Then the index is asked for what is among so many, before it is asked for all. */
const WINDOWS = [30_000, 500_000];
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

/** The conversation in `word`, and from which message on the asker sees it. */
type Place = [lo: number, hi: number, sees: number];

/** Numbers of messages: not below the first, and below the second. */
type Range = [from: number, before: number | undefined];

function placeOf({ sender, toid, groupid }: Pick<Indexable, "sender" | "toid" | "groupid">): [lo: number, hi: number] {
  return toid === null ? [0, groupid!] : [Math.min(sender, toid), Math.max(sender, toid)];
}

async function wordsOf(message: Indexable): Promise<string[]> {
  return [...await inTurns(cutting(message.msg)), saidBy(message.sender)];
}

function saidBy(userId: UserId): string {
  return `s_${userId}`;
}

/** Takes a message out of the index, if it is in it; with what its row, which is locked, says. */
export async function unindex(tx: Link, message: Indexable): Promise<void> {
  const rows = await tx.rows("SELECT 1 FROM search_mark WHERE upto >= ?", [message.id]);
  if (rows.length === 0) return;
  for (const piece of pieces(await wordsOf(message))) {
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
  const entries: (readonly [lo: number, hi: number, token: string, messageid: number])[] = [];
  for (const message of messages) entries.push(...(await wordsOf(message)).map((token) => [...placeOf(message), token, message.id] as const));
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
    const id = await newestOfAll();
    const now = performance.now();
    if (now - newest.since >= SETTLED_MS) {
      settled = newest.id;
      newest = { id, since: now };
    }
    return id;
  }

  async function step(tx: Link, upto: number): Promise<{ upto: number; full: boolean }> {
    const rows = await tx.rows<Indexable>(
      "SELECT id, sender, toid, groupid, msg FROM message WHERE id > ? AND id <= ? AND kind = 0 AND deleted = 0 ORDER BY id LIMIT ? LOCK IN SHARE MODE",
      [upto, settled, String(INDEX_STEP)],
    );
    let size = 0;
    const messages = rows.filter(({ msg }, i) => (size += msg.length) <= INDEX_STEP_SIZE || i === 0);
    await insert(tx, messages);
    const full = rows.length === INDEX_STEP || messages.length < rows.length;
    return { upto: full ? messages.at(-1)!.id : Math.max(upto, settled), full };
  }

  async function places({ userId, of }: Search): Promise<Place[]> {
    const between = (peer: UserId): Place => [...placeOf({ sender: userId, toid: peer, groupid: null }), 0];
    if (of && "peer" in of) return [between(of.peer)];
    const member = await db.read<{ groupid: GroupId; sees: number }>("SELECT groupid, sees FROM groupuser WHERE userid = ?", [userId]);
    const groups = member.filter(({ groupid }) => !of || groupid === of.groupid).map(({ groupid, sees }): Place => [0, groupid, sees]);
    if (of) return groups;
    const peers = await db.read<{ toid: UserId }>("SELECT toid FROM talk WHERE userid = ? AND toid > 0", [userId]);
    return [...groups, ...peers.map(({ toid }) => between(toid))];
  }

  /** The newest messages, below a number and not below another, that the index has for what is looked for. */
  async function find(search: Search, where: Place[], [from, before]: Range, limit: number): Promise<(MessageRow & { messageid: number })[]> {
    const found = (await idsOf(where.map((place) => select(search, place, [from, before], limit)), limit)).slice(0, limit);
    if (found.length === 0) return [];
    return await rowsOf(search.userId, `m.id IN (${numbers(found)})`);
  }

  /** What these statements find, each of one conversation: of a hundred at a time the newest `limit`; all together the newest first. */
  async function idsOf(selects: string[], limit: number): Promise<number[]> {
    const ids: number[] = [];
    for (let i = 0; i < selects.length; i += TALKS_OF_STATEMENT) {
      const [rows] = await db.readAll([
        `${selects.slice(i, i + TALKS_OF_STATEMENT).join(" UNION ALL ")} ORDER BY messageid DESC LIMIT ${numbers([limit])}`,
      ]) as {
        messageid: number;
      }[][];
      ids.push(...rows.map(({ messageid }) => messageid));
    }
    return ids.sort((a, b) => b - a);
  }

  /** Those that the asker may see, newest first. */
  async function rowsOf(userId: UserId, condition: string): Promise<(MessageRow & { messageid: number })[]> {
    const [rows] = await db.readAll([
      `SELECT m.id AS messageid, ${columns()} FROM message m JOIN user u ON u.id = m.sender ` +
      `WHERE ${condition} AND m.deleted = 0 AND ${visibleTo(userId)} ORDER BY m.id DESC`,
    ]) as (MessageRow & { messageid: number })[][];
    return rows;
  }

  /** Of the newest messages those that hold what is looked for; undefined: there are more than these, and not enough of them do. */
  async function amongNewest({ userId, query, from, before }: Search, where: Place[], limit: number): Promise<MessageRow[] | undefined> {
    const one = where.length === 1;
    const floor = one ? 0 : (before ?? await newestOfAll() + 1) - NEWEST_OF_ALL;
    const ids = await idsOf(
      where.map((place) => newestIn(place, [floor, before], one ? NEWEST_OF_TALK : NEWEST_OF_ALL)),
      one ? NEWEST_OF_TALK : NEWEST_OF_ALL,
    );
    const found: MessageRow[] = [];
    for (const piece of pieces(ids)) {
      for (const row of await rowsOf(userId, `m.id IN (${numbers(piece)})`)) {
        if ((from === undefined || row.sender === from) && await inTurns(query.finding(row.msg))) found.push(row);
      }
      if (found.length >= limit) return found.slice(0, limit);
    }
    return one ? ids.length < NEWEST_OF_TALK ? found : undefined : floor <= 0 ? found : undefined;
  }

  async function newestOfAll(): Promise<number> {
    const [{ id }] = await db.read<{ id: number }>("SELECT COALESCE(MAX(id), 0) AS id FROM message");
    return id;
  }

  return {
    async search(search, limit) {
      const { query, before } = search;
      if (query.empty) return [];
      const where = await places(search);
      if (where.length > 1 || where.length === 1 && query.tokens.length === 0) {
        const found = await amongNewest(search, where, limit);
        if (found) return found.map(stored);
      }
      const windows = where.length > 1 ? WINDOWS : [];
      const top = windows.length > 0 ? before ?? await newestOfAll() + 1 : 0;
      let found: MessageRow[] = [];
      for (const size of [...windows, Infinity]) {
        const from = Math.max(0, top - size);
        found = await collect((below, count) => find(search, where, [from, below], count), query, before, limit);
        if (found.length === limit || from === 0) break;
      }
      return found.map(stored);
    },

    async index() {
      const id = await frontier();
      const round = db.transaction(async (tx) => {
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
      }, false);
      return await round.catch(async (error) => {
        if (!(error instanceof LockConflict)) throw error;
        const [{ upto }] = await db.read<{ upto: number }>("SELECT upto FROM search_mark");
        return { behind: Math.max(0, id - upto), more: false };
      });
    },

    async reindex() {
      await db.write("UPDATE search_mark SET version = 0");
    },
  };
}

/** The statement that tells the newest messages of one conversation. */
function newestIn([lo, hi, sees]: Place, [from, before]: Range, limit: number): string {
  const place = lo === 0 ? `groupid = ${numbers([hi])}` : `lo = ${numbers([lo])} AND hi = ${numbers([hi])}`;
  const below = before === undefined ? "" : ` AND id < ${numbers([before])}`;
  return `(SELECT id AS messageid FROM message WHERE ${place} AND id >= ${numbers([Math.max(from, sees)])}${below} ORDER BY id DESC LIMIT ${
    numbers([limit])
  })`;
}

/** The statement that tells the newest messages of one conversation that have the words. */
function select({ query, from }: Search, [lo, hi, sees]: Place, [least, before]: Range, limit: number): string {
  const tokens = wanted(query, from);
  const within = (alias: string) => `${alias}.lo = ${numbers([lo])} AND ${alias}.hi = ${numbers([hi])}`;
  const below = before === undefined ? "" : ` AND a.messageid < ${numbers([before])}`;
  const end = `${below} AND a.messageid >= ${numbers([Math.max(least, sees)])} ORDER BY a.messageid DESC LIMIT ${numbers([limit])}`;
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
