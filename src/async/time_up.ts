/** A timer that comes this much late means that the process did not run, and that what came meanwhile is not read yet: that has as long (ms). */
export const STOPPED_MS = 250;

/**
 * Calls `over` after `ms`. If the process did not run just then (the machine was suspended, or had other things to do), what came meanwhile is read before that:
 * by itself a timer would come first.
 *
 * @returns gives it up
 */
export function timeUp(ms: number, over: () => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const wait = (ms: number) => {
    const due = performance.now() + ms;
    timer = setTimeout(() => performance.now() - due < STOPPED_MS ? over() : wait(STOPPED_MS), ms);
  };
  wait(ms);
  return () => clearTimeout(timer);
}
