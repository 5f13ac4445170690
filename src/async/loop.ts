/**
 * How much is done before everybody else is looked at. There is one event loop, and whoever keeps it keeps everybody waiting.
 *
 * 1. Who has much to do asks now and then whether the share is `spent`, and hands what is left over to a `later` turn. What is small need not ask.
 * 2. Later means: when the sockets were looked at (`doorbell.ts`), and what has become readable meanwhile was seen to; in the order in which it was handed over; at
 *    least one piece in every turn.
 * 3. A share is what was done since the last look, in however many turns: from the first who asks in a turn to its end, and what `worked` says.
 * 4. Who only writes or reads on (`laterFirst`) does not wait for those who compute.
 */
import { lookAtSockets } from "./doorbell.ts";

/** What may be done between two looks at the sockets (ms), beside what is small. */
export const SHARE_MS = 4;

/** Pieces of work; and what takes no time of its own, and goes before them. */
const waiting: (() => void)[] = [], first: (() => void)[] = [];
/** What was done of the share in former turns (ms). */
let used = 0;
/** When the first one asked in this turn (performance.now); 0: nobody has. */
let begun = 0;
/** A turn of pieces is coming. */
let coming = false;

/** Whether the share is spent. */
export function spent(): boolean {
  if (used >= SHARE_MS) return true;
  const now = performance.now();
  if (begun === 0) begin(now);
  return used + now - begun >= SHARE_MS;
}

/** Something took so long (ms). @returns whether the share is spent: who could go on at once is to wait for a later turn */
export function worked(ms: number): boolean {
  // Else it counts as part of this turn.
  if (begun === 0) used += ms;
  return used >= SHARE_MS;
}

/** Calls this in a later turn. It must not throw. */
export function later(work: () => void): void {
  waiting.push(work);
  come();
}

/** Calls this in a later turn, before all that is work: who only writes or reads on does not wait for those who compute. It must not throw. */
export function laterFirst(go: () => void): void {
  first.push(go);
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

/** Resolves when no turn is on its way, for who ends: nothing of theirs comes later. */
export async function quiet(): Promise<void> {
  // Others may go on for ever.
  for (let turns = 0; turns < 100 && (coming || begun !== 0); turns++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** This turn counts, from now to its end. */
function begin(now: number): void {
  begun = now;
  setImmediate(() => {
    used += performance.now() - begun;
    begun = 0;
  });
}

/** The next turn of pieces comes. */
function come(): void {
  if (coming) return;
  coming = true;
  void lookAtSockets().then(turn);
}

function turn(): void {
  coming = false;
  used = 0;
  const now = performance.now();
  if (begun === 0) begin(now);
  else begun = now;
  // What is handed over meanwhile is for the turn after this one.
  for (const go of first.splice(0)) go();
  let left = waiting.length;
  while (left-- > 0) {
    waiting.shift()!();
    if (spent()) break;
  }
  if (waiting.length > 0) come();
}
