/**
 * Searching in the index of words (search_index.ts). What may be seen is decided by what the asker is in when asked: in the words, so that the index need not be read
 * for all, and by the tables once more. It gives what may be found, of which the text is then looked at (`collect`): words of a message are put in and taken out at
 * other times than it is changed.
 */
import { type Query, VERSION } from "../../search/tokenizer.ts";
import { collect } from "../collect.ts";
import type { GroupId, Search, Store, StoredMessage, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";
import { conversationOf, type SearchIndex } from "./search_index.ts";
import { visibleTo } from "./visible.ts";

/** Words that stand for conversations, and from which message on the asker sees them. */
interface Place {
  scope: string;
  sees: number;
}

/** The part of the store that looks for things. */
export function searchStore(db: Database, index: SearchIndex): Pick<Store, "search" | "index" | "reindex"> {
  /** False: it is being emptied. */
  function ready(): boolean {
    return db.row("SELECT 1 FROM search_mark WHERE version >= ?", VERSION) !== undefined;
  }

  /**
   * Where is looked, each by itself: a group whose messages the asker sees from some number on is read down to that number, and not through all that was said before.
   */
  function places({ userId, of }: Search): Place[] {
    if (of && "peer" in of) return [{ scope: conversationOf(userId, of.peer), sees: 0 }];
    const groups = db.rows<[GroupId, number]>("SELECT groupid, sees FROM groupuser WHERE userid = ?", userId).map(([id, sees]) => ({
      id,
      scope: `g_${id}`,
      sees,
    }));
    if (of) return groups.filter(({ id }) => id === of.groupid);
    const whole = groups.filter(({ sees }) => sees === 0).map(({ scope }) => scope);
    return [{ scope: `(${[`u_${userId}`, ...whole].join(" OR ")})`, sees: 0 }, ...groups.filter(({ sees }) => sees > 0)];
  }

  function find({ userId, from, query }: Search, { scope }: Place, least: number, before: number | undefined, limit: number): StoredMessage[] {
    const sql = `SELECT ${MESSAGE_COLUMNS} FROM search CROSS JOIN message m ON m.id = search.rowid CROSS JOIN user s ON s.id = m.sender
      WHERE search MATCH ?1 AND search.rowid < ?2 AND search.rowid >= ?3 AND ${visibleTo("?4")} AND m.deleted = 0
      ORDER BY search.rowid DESC LIMIT ?5`;
    return db.rows<MessageRow>(sql, expression(query, scope, from), before ?? Number.MAX_SAFE_INTEGER, least, userId, limit).map(stored);
  }

  return {
    async search(search, limit) {
      const { query, before } = search;
      if (query.empty) return [];
      let found: StoredMessage[] = [];
      for (const place of await db.read(() => ready() ? places(search) : [])) {
        // Of what is older than a whole page nothing is told.
        const least = Math.max(place.sees, (found[limit - 1]?.messageid ?? 0) + 1);
        const some = await collect((below, count) => db.read(() => ready() ? find(search, place, least, below, count) : []), query, before, limit);
        found = [...found, ...some].sort((a, b) => b.messageid - a.messageid).slice(0, limit);
      }
      return found;
    },
    index: () => index.step(),
    reindex: () => db.write(() => void db.run("UPDATE search_mark SET version = 0")),
  };
}

/** In FTS5's language: all of them. Tokens are words in it. */
function expression({ tokens, beginning }: Query, scope: string, from: UserId | undefined): string {
  return [...tokens, ...beginning === undefined ? [] : [`${beginning}*`], ...from === undefined ? [] : [`s_${from}`], scope].join(" AND ");
}
