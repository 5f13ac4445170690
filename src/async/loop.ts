/**
 * How much is done in one turn of the event loop. There is one loop, and whoever keeps it keeps everybody waiting.
 *
 * 1. Who has much to do asks now and then whether the turn is `spent`, and hands what is left over to a `later` one. The share of a turn counts from the first
 *    who asks: what is small need not ask.
 * 2. Later means: when what has become readable meanwhile was seen to; in the order in which it was handed over; at least one piece in every turn.
 * 3. A loop that always has something to do looks at its sockets only in every 61st turn (tokio's `event_interval`): with `setImmediate` between the pieces everybody
 *    waited for 61 shares. So between two turns of pieces there is nothing to do for as long as another thread takes to answer: 20 to 60 us.
 */

/** What may be done in one turn (ms), beside what is small. */
export const SHARE_MS = 4;

const NOTHING = new Uint8Array();
const waiting: (() => void)[] = [];
/** When the first one asked in this turn (performance.now); 0: nobody has. */
let begun = 0;
/** A turn of pieces is coming. */
let coming = false;

/** Whether this turn has had its share. */
export function spent(): boolean {
  const now = performance.now();
  if (begun > 0) return now - begun >= SHARE_MS;
  begin(now);
  return false;
}

/** Calls this in a later turn. It must not throw. */
export function later(work: () => void): void {
  waiting.push(work);
  come();
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

/** The share counts from now on, to the end of this turn; if pieces wait, until theirs comes. */
function begin(now: number): void {
  begun = now;
  setImmediate(() => {
    if (!coming) begun = 0;
  });
}

/** The next turn of pieces comes when sockets were looked at. */
function come(): void {
  if (coming) return;
  coming = true;
  // The least that another thread does, without any permission. Then those who wait for the end of a turn have theirs, too.
  void crypto.subtle.digest("SHA-256", NOTHING).then(() => setImmediate(turn));
}

function turn(): void {
  coming = false;
  begin(performance.now());
  // What is handed over meanwhile is for the turn after this one.
  let left = waiting.length;
  do waiting.shift()!(); while (--left > 0 && performance.now() - begun < SHARE_MS);
  if (waiting.length > 0) come();
}
