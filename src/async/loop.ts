/**
 * How much is done in one turn of the event loop. There is one loop, and whoever keeps it keeps everybody waiting.
 *
 * 1. Who has much to do asks now and then whether the turn is `spent`, and hands what is left over to a `later` one. The share of a turn counts from the first
 *    who asks: what is small need not ask.
 * 2. Later means: when what has become readable meanwhile was seen to; in the order in which it was handed over; at least one piece in every turn.
 */

/** What may be done in one turn (ms), beside what is small. */
export const SHARE_MS = 4;

const waiting: (() => void)[] = [];
/** When the first one asked in this turn (performance.now); 0: nobody has. */
let begun = 0;
let armed = false;

/** Whether this turn has had its share. */
export function spent(): boolean {
  const now = performance.now();
  if (begun > 0) return now - begun >= SHARE_MS;
  begun = now;
  arm();
  return false;
}

/** Calls this in a later turn. It must not throw. */
export function later(work: () => void): void {
  waiting.push(work);
  arm();
}

/** Resolves in a later turn. */
export function laterTurn(): Promise<void> {
  return new Promise(later);
}

/** Does all pieces of a work, in as many turns as it takes. */
export async function inTurns<T>(work: Iterator<void, T>): Promise<T> {
  for (;;) {
    if (spent()) await laterTurn();
    const { done, value } = work.next();
    if (done) return value;
  }
}

function arm(): void {
  if (armed) return;
  armed = true;
  setImmediate(turn);
}

function turn(): void {
  armed = false;
  begun = 0;
  // What is handed over meanwhile is for the turn after this one.
  let left = waiting.length;
  if (left === 0) return;
  spent();
  do waiting.shift()!(); while (--left > 0 && !spent());
}
