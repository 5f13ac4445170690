/**
 * What a request costs, in units of the bucket of whoever sends it (limits.ts: 20 units a second, 50 at once). A unit stands for some tenths of a millisecond of
 * the event loop, and as much as ordinary requests need.
 *
 * 1. What the request itself says is known before: it is asked for that much. What becomes of it (how many receivers, how long an answer) is known after: it is
 *    charged then, and may be owed.
 * 2. Whoever owes waits: errno 15 until there is a unit again.
 */

/** Text that is stored costs a unit more for so many characters; an answer likewise. */
const TEXT = 4096, ANSWER = 16_384;
/** What goes to many costs a unit more for so many receivers, and for so many characters to all of them together. */
const RECEIVERS = 100, SENT = 1_048_576;

/** A search: an index is read, and texts are looked through. */
export const SEARCH_COST = 5;

/** A request with text that is stored (characters). */
export function textCost(length: number): number {
  return 1 + Math.floor(length / TEXT);
}

/** What an answer of so many characters costs beside its request. */
export function answerCost(length: number): number {
  return Math.floor(length / ANSWER);
}

/** What it costs to pass so many characters on to so many, beside the request. One receiver is nothing. */
export function fanOutCost(receivers: number, length: number): number {
  return receivers <= 1 ? 0 : receivers / RECEIVERS + receivers * length / SENT;
}
