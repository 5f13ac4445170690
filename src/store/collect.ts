import { inTurns } from "../async/loop.ts";
import type { Query } from "../search/tokenizer.ts";

/** How often a database is asked for one answer: what it gives without what is looked for being there (`search/tokenizer.ts`, rule 3) is rare. */
const ROUNDS = 5;

/**
 * The first `limit` messages that hold what is looked for. `find` gives up to `count` that may, newest first, below a number.
 */
export async function collect<M extends { messageid: number; msg: string }>(
  find: (before: number | undefined, count: number) => Promise<M[]>,
  query: Query,
  before: number | undefined,
  limit: number,
): Promise<M[]> {
  const found: M[] = [];
  for (let round = 0; round < ROUNDS && found.length < limit; round++) {
    const some = await find(before, limit);
    for (const message of some) {
      if (await inTurns(query.finding(message.msg))) found.push(message);
    }
    if (some.length < limit) break;
    before = some.at(-1)!.messageid;
  }
  return found.slice(0, limit);
}
