/**
 * The disk's turns: it does one thing after the other, and what a transaction waits for would stand behind whatever was written of a file.
 *
 * 1. What somebody waits for goes at once, and says so (`waitedFor`).
 * 2. Syncing files goes one at a time (`inTurn`), and begins when nothing that somebody waits for is on its way. It waits for no more than one such: where there is
 *    always one, both go on.
 * 3. While others use the disk (`othersUse`), a file is synced in small steps, and nothing more of it is written meanwhile.
 */
import { Turns } from "./turns.ts";

/** The disk is in use by others for so long after they last waited for it (ms). */
const USE_MS = 100;

const syncs = new Turns<"file">();
/** What is on its way and waited for; and when the last of it had come (performance.now). */
let waited = 0, last = -Infinity;
/** Called when nothing is. */
const calm: (() => void)[] = [];

/** Somebody waits for this to be on the disk. @returns it */
export function waitedFor<T>(work: Promise<T>): Promise<T> {
  waited++;
  const done = () => {
    last = performance.now();
    if (--waited === 0) { for (const resolve of calm.splice(0)) resolve(); }
  };
  work.then(done, done);
  return work;
}

/** Whether others wait for the disk, or did a moment ago. */
export function othersUse(): boolean {
  return waited > 0 || performance.now() - last < USE_MS;
}

/** Does what takes the disk for long. Rejects with what `work` rejects with. */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return syncs.run("file", async () => {
    if (waited > 0) await new Promise<void>((resolve) => calm.push(resolve));
    return await work();
  });
}
