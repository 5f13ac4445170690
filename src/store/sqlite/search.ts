/**
 * Searching in the index of words (search_index.ts). What may be seen is decided by what the asker is in when asked: in the words, so that the index need not be read
 * for all, and by the tables once more. It gives what may be found, of which the text is then looked at (`collect`): words of a message are put in and taken out at
 * other times than it is changed.
 */
import { type Query, VERSION } from "../../search/tokenizer.ts";
import { collect } from "../collect.ts";
import type { GroupId, Search, Store, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";
import { conversationOf, type SearchIndex } from "./search_index.ts";
import { visibleTo } from "./visible.ts";

/** The part of the store that looks for things. */
export function searchStore(db: Database, index: SearchIndex): Pick<Store, "search" | "index" | "reindex"> {
  function find(search: Search, before: number | undefined, limit: number) {
    const { userId, of, from, query } = search;
    // It is being emptied.
    if (db.row("SELECT 1 FROM search_mark WHERE version >= ?", VERSION) === undefined) return [];
    const scope = of === undefined
      ? `(${[`u_${userId}`, ...db.rows<[GroupId]>("SELECT groupid FROM groupuser WHERE userid = ?", userId).map(([id]) => `g_${id}`)].join(" OR ")})`
      : "peer" in of
      ? conversationOf(userId, of.peer)
      : `g_${of.groupid}`;
    const sql = `SELECT ${MESSAGE_COLUMNS} FROM search CROSS JOIN message m ON m.id = search.rowid CROSS JOIN user s ON s.id = m.sender
      WHERE search MATCH ?1 AND search.rowid < ?2 AND ${visibleTo("?3")} AND m.deleted = 0
      ORDER BY search.rowid DESC LIMIT ?4`;
    return db.rows<MessageRow>(sql, expression(query, scope, from), before ?? Number.MAX_SAFE_INTEGER, userId, limit).map(stored);
  }

  return {
    async search(search, limit) {
      if (search.query.empty) return [];
      return await collect((before, count) => db.read(() => find(search, before, count)), search.query, search.before, limit);
    },
    index: () => index.step(),
    reindex: () => db.write(() => void db.run("UPDATE search_mark SET version = 0")),
  };
}

/** In FTS5's language: all of them. Tokens are words in it. */
function expression({ tokens, beginning }: Query, scope: string, from: UserId | undefined): string {
  return [...tokens, ...beginning === undefined ? [] : [`${beginning}*`], ...from === undefined ? [] : [`s_${from}`], scope].join(" AND ");
}
