/**
 * What is found by which word: an inverted index (FTS5) that keeps no text.
 *
 * 1. Rows are written behind the commit of a message, in `passing` transactions, from the mark `search_mark.upto`: a power loss takes mark and rows alike.
 * 2. A row's words are the tokens of the text, and where it stands: `c_5_9` and `u_5 u_9` between two, `g_3` in a group, `s_5` who said it.
 * 3. A row is removed by the words that it was made of. So whoever deletes or changes a message whose number is not above the mark takes its row out first, in
 *    the same transaction (`unindex`), and puts the new one in (`reindexed`). `secure-delete` takes the words out of the file.
 * 4. What may be seen is decided by what the asker is in when asked: in the words, so that the index need not be read for all, and by the tables once more.
 */
import { type Query, tokensOf, VERSION } from "../../search/tokenizer.ts";
import { collect } from "../collect.ts";
import type { GroupId, Search, Store, UserId } from "../store.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";

/** Most messages of one step, and about how much text (bytes): some milliseconds. */
const STEP = 50, STEP_BYTES = 16 * 1024;

/** What the index is made of. */
export interface Indexable {
  messageid: number;
  sender: UserId;
  toid: UserId | null;
  groupid: GroupId | null;
  msg: string;
}

function wordsOf({ sender, toid, groupid, msg }: Indexable): string {
  const place = toid === null ? [`g_${groupid}`] : [conversationOf(sender, toid), `u_${sender}`, ...sender === toid ? [] : [`u_${toid}`]];
  return [...place, `s_${sender}`, ...tokensOf(msg)].join(" ");
}

function conversationOf(a: UserId, b: UserId): string {
  return `c_${Math.min(a, b)}_${Math.max(a, b)}`;
}

/** Takes a message out of the index, if it is in it; with what its row says. In `write`. */
export function unindex(db: Database, message: Indexable): void {
  if (isIndexed(db, message)) db.run("INSERT INTO search (search, rowid, words) VALUES ('delete', ?, ?)", message.messageid, wordsOf(message));
}

/** Puts a message that was taken out back in, with its new text, if the mark is past it. In `write`. */
export function reindexed(db: Database, message: Indexable): void {
  if (isIndexed(db, message)) insert(db, message);
}

function isIndexed(db: Database, { messageid }: Indexable): boolean {
  return db.row("SELECT 1 FROM search_mark WHERE upto >= ? AND version = ?", messageid, VERSION) !== undefined;
}

function insert(db: Database, message: Indexable): void {
  db.run("INSERT INTO search (rowid, words) VALUES (?, ?)", message.messageid, wordsOf(message));
}

function step(db: Database): { behind: number; more: boolean } {
  let [upto, version] = db.row<[number, number]>("SELECT upto, version FROM search_mark")!;
  // Of a newer natter, which will go on with it.
  if (version > VERSION) return { behind: 0, more: false };
  if (version < VERSION) {
    db.run("INSERT INTO search (search) VALUES ('delete-all')");
    upto = 0;
  }
  type Row = [messageid: number, sender: UserId, toid: UserId | null, groupid: GroupId | null, msg: string];
  const sql = "SELECT id, sender, toid, groupid, msg FROM message WHERE id > ? ORDER BY id LIMIT ?";
  const messages: Indexable[] = [];
  let size = 0;
  for (const [messageid, sender, toid, groupid, msg] of db.iterate<Row>(sql, upto, STEP)) {
    size += msg.length;
    if (messages.length > 0 && size > STEP_BYTES) break;
    messages.push({ messageid, sender, toid, groupid, msg });
  }
  for (const message of messages) insert(db, message);
  upto = messages.at(-1)?.messageid ?? upto;
  db.run("UPDATE search_mark SET upto = ?, version = ?", upto, VERSION);
  const [newest] = db.row<[number]>("SELECT ifnull(max(id), 0) FROM message")!;
  const behind = Math.max(0, newest - upto);
  return { behind, more: behind > 0 };
}

/** The part of the store that looks for things. */
export function searchStore(db: Database): Pick<Store, "search" | "index" | "reindex"> {
  function find(search: Search, before: number | undefined, limit: number) {
    const { userId, of, from, query } = search;
    const scope = of === undefined
      ? `(${[`u_${userId}`, ...db.rows<[GroupId]>("SELECT groupid FROM groupuser WHERE userid = ?", userId).map(([id]) => `g_${id}`)].join(" OR ")})`
      : "peer" in of
      ? conversationOf(userId, of.peer)
      : `g_${of.groupid}`;
    const sql = `SELECT ${MESSAGE_COLUMNS} FROM search CROSS JOIN message m ON m.id = search.rowid CROSS JOIN user s ON s.id = m.sender
      WHERE search MATCH ?1 AND search.rowid < ?2 AND (m.sender = ?3 AND m.toid IS NOT NULL OR m.toid = ?3
        OR EXISTS (SELECT 1 FROM groupuser WHERE groupid = m.groupid AND userid = ?3))
      ORDER BY search.rowid DESC LIMIT ?4`;
    return db.rows<MessageRow>(sql, expression(query, scope, from), before ?? Number.MAX_SAFE_INTEGER, userId, limit).map(stored);
  }

  return {
    async search(search, limit) {
      if (search.query.empty) return [];
      return await collect((before, count) => db.read(() => find(search, before, count)), search.query, search.before, limit);
    },
    async index() {
      const [upto, version] = await db.read(() => db.row<[number, number]>("SELECT upto, version FROM search_mark")!);
      const due = await db.read(() => db.row("SELECT 1 FROM message WHERE id > ? LIMIT 1", upto)) !== undefined;
      return due || version < VERSION ? await db.write(() => step(db), COMMIT_COST, true) : { behind: 0, more: false };
    },
    reindex: () => db.write(() => void db.run("UPDATE search_mark SET version = 0")),
  };
}

/** In FTS5's language: all of them. Tokens are words in it. */
function expression({ tokens, beginning }: Query, scope: string, from: UserId | undefined): string {
  return [...tokens, ...beginning === undefined ? [] : [`${beginning}*`], ...from === undefined ? [] : [`s_${from}`], scope].join(" AND ");
}
