/** The time that what happens together shares. */

let time = 0;

function forget(): void {
  time = 0;
}

/**
 * performance.now() (ms), looked up once for all callbacks that run one after another: with a hundred connections in one turn of the event loop, the look-ups
 * would cost 4 % of a message (docs/performance.md).
 */
export function sharedNow(): number {
  if (time === 0) {
    time = performance.now();
    queueMicrotask(forget);
  }
  return time;
}
