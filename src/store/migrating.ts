import { flushLog, log } from "../ops/log.ts";

/**
 * Runs what brings an older database to this version's tables. With millions of messages it takes a while in which nothing answers, and SQLite keeps the event
 * loop for itself: so the log has said what is done, and stderr has it, before it begins.
 */
export async function migrating(from: number, to: number, steps: () => Promise<void>): Promise<void> {
  const begin = performance.now();
  log.warning(
    "the database is brought to this version's tables: nobody is served before that is done, and killed in the middle it goes on or begins anew",
    {
      from,
      to,
    },
  );
  await flushLog();
  await steps();
  log.warning("the database has this version's tables", { from, to, took: Math.round(performance.now() - begin) });
}
