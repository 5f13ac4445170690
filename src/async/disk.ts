/**
 * The disk's turns: it does one thing after the other, and what a transaction waits for would stand behind whatever was written of a file.
 *
 * 1. What somebody waits for goes at once, and says so (`waitedFor`).
 * 2. Syncing files goes one at a time (`inTurn`), and begins when what somebody waits for is there. It waits for what is on its way when its turn comes, not for what
 *    begins later: where there is always some, one begun before the other has ended, both go on.
 * 3. While others use the disk (`othersUse`), a file is synced in small steps, and nothing more of it is written meanwhile.
 */
import { Turns } from "./turns.ts";

/** The disk is in use by others for so long after they last waited for it (ms). */
const USE_MS = 100;

const syncs = new Turns<"file">();
/** What is on its way and waited for; and when the last of it had come (performance.now). */
const waited = new Set<Promise<unknown>>();
let last = -Infinity;

/** Somebody waits for this to be on the disk. @returns it */
export function waitedFor<T>(work: Promise<T>): Promise<T> {
  waited.add(work);
  const done = () => {
    last = performance.now();
    waited.delete(work);
  };
  work.then(done, done);
  return work;
}

/** Whether others wait for the disk, or did a moment ago. */
export function othersUse(): boolean {
  return waited.size > 0 || performance.now() - last < USE_MS;
}

/** Does what takes the disk for long. Rejects with what `work` rejects with. */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return syncs.run("file", async () => {
    await Promise.allSettled(waited);
    return await work();
  });
}
