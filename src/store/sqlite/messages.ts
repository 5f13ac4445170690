import type { GroupId, PrunePlace, Store, UserId } from "../store.ts";
import { Appending } from "./append.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import type { Logs } from "./user_logs.ts";
import { dropBeside, WAITS } from "./deeds.ts";
import { ROW_TOKENS, type SearchIndex } from "./search_index.ts";
import { Pairs } from "./talks.ts";

/**
 * So many words are taken out of the index, and so much text (UTF-16 units) goes, with one message more, in one step of pruning: each page is overwritten. A row beside
 * a message counts as much text as so much.
 */
const PRUNE_WORDS = 50, PRUNE_SIZE = 64 * 1024, BESIDE = 32;
/** Among how many messages at once what is old is looked for: 3 ms, where each is of 4 KB. */
const LOOKED = 1200;

/** The place behind the last message of a step, and one before which it ended, as it must be taken out of the index first. */
interface Pruned {
  deleted: number;
  next: PrunePlace | undefined;
  large?: number;
}

/** The part of the store that is messages and logs. */
export function messageStore(db: Database, logs: Logs, index: SearchIndex): Pick<Store, "appendLimit" | "append" | "log" | "confirm" | "prune"> {
  const pairs = new Pairs(db);

  /**
   * Of messages up to `filed`: they are filed. In the order in which they came, for an index of times would cost each of them something; so where nothing is old
   * among many, that is the end. What came when the clock had been set back is forgotten so much later.
   */
  function prune(before: number, after: PrunePlace | undefined, limit: number, filed: number): Pruned {
    type Row = [messageid: number, ts: number, sender: UserId, toid: UserId | null, groupid: GroupId | null, waits: number | null];
    const sql = `SELECT id, ts, sender, toid, groupid, CASE WHEN ts < ?1 THEN ${WAITS} END FROM message
      WHERE id > ?2 AND id <= ?3 ORDER BY id LIMIT ${LOOKED}`;
    const rows: Row[] = [];
    let end = after ?? { ts: -1, messageid: 0 }, last = end, looked = 0;
    for (const row of db.iterate<Row>(sql, before, end.messageid, filed)) {
      if (rows.length === limit) break;
      looked++;
      last = { ts: row[1], messageid: row[0] };
      if (row[5] !== null) rows.push(row);
    }
    const unlist = "DELETE FROM conversation WHERE low = ? AND high = ? AND messageid = ?";
    let deleted = 0, words = 0, size = 0;
    for (const [messageid, ts, sender, toid, groupid, waits] of rows) {
      if (words > PRUNE_WORDS || size > PRUNE_SIZE) return { deleted, next: end };
      const [msg, text] = waits === 0 && db.row<[string, number]>("SELECT msg, kind = 0 AND deleted = 0 FROM message WHERE id = ?", messageid) || [];
      // What happened in a group, and stones, are not in the index: FTS5 would not survive their being taken out.
      const indexed = msg === undefined || text === 0 ? undefined : { messageid, sender, toid, groupid, msg };
      if (indexed) {
        const left = index.wordsOf(indexed);
        if (left > ROW_TOKENS) return { deleted, next: end, large: messageid };
        index.unindex(indexed);
        words += left;
      }
      end = { ts, messageid };
      // It waits, or went with its target.
      if (msg === undefined) continue;
      size += BESIDE * dropBeside(db, messageid);
      db.run("DELETE FROM message WHERE id = ?", messageid);
      if (toid !== null) db.run(unlist, Math.min(sender, toid), Math.max(sender, toid), messageid);
      deleted++;
      size += msg.length;
    }
    const isOver = rows.length === 0 || rows.length < limit && looked < LOOKED;
    return { deleted, next: isOver ? undefined : last };
  }

  return {
    appendLimit: COMMIT_COST,

    append: (batch) => db.write(() => new Appending(db, logs, pairs).run(batch), batch.length),

    log: (userId, after, limit, bytes) => db.read(() => logs.read(userId, after, limit, bytes)),

    async confirm(rows) {
      await db.write(() => rows.forEach((row) => logs.confirm(row)), rows.length);
      return new Set();
    },

    async prune(before, after, limit) {
      const filed = await db.read(() => logs.newest());
      while (await db.write(() => logs.filePiece(filed), limit));
      const step = (after: PrunePlace | undefined) => db.write(() => prune(before, after, limit, filed), limit);
      const { deleted, next, large } = await step(after);
      if (large === undefined) return { deleted, next };
      const { result } = await index.changing(large, () => step(next));
      return { deleted: deleted + result.deleted, next: result.next };
    },
  };
}
