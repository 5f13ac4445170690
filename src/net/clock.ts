/** The time that what happens together shares. */

let time = 0;

function forget(): void {
  time = 0;
}

/**
 * performance.now() (ms), looked up once for all callbacks that run one after another: with a hundred connections in one turn of the event loop, looking
 * up for each would cost more than what the time is for.
 */
export function sharedNow(): number {
  if (time === 0) {
    time = performance.now();
    queueMicrotask(forget);
  }
  return time;
}
