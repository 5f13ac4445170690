/**
 * What a request costs, in units of the bucket of whoever sends it (limits.ts: 20 units a second, 50 at once). A unit stands for some tenths of a millisecond of
 * the event loop, and as much as ordinary requests need.
 *
 * 1. What the request itself says is known before: it is asked for that much. What becomes of it (how many receivers, how long an answer) is known after: it is
 *    charged then, and may be owed.
 * 2. Whoever owes waits: errno 15 until there is a unit again.
 */

/** Text that is stored costs a unit more for so many characters; an answer likewise. */
const TEXT_UNIT = 4096, ANSWER_UNIT = 16_384;
/**
 * What goes to many costs a unit more for so many receivers, and for so many characters to all of them together. A MB takes four milliseconds of the kernel, and a
 * unit comes back in 50: so whoever sends all that they may takes less than a hundredth of the time (docs/performance.md).
 */
const RECEIVERS = 100, SENT = 131_072;
/** A file costs a unit more for so many bytes. */
const UPLOADED = 1_048_576;

/** Words that are taken out of the index cost a unit more for so many: they are taken out of the file, 0.1 ms each. */
const UNINDEXED = 25;

/** A list of conversations costs a unit more for so many that there are, the newest text of each is looked up; and for so many unread texts, each is looked at. */
const LISTED = 200, UNREAD = 200;

/** A search: an index is read, and texts are looked through. */
export const SEARCH_COST = 5;

/** A request with text that is stored (characters). */
export function textCost(length: number): number {
  return 1 + Math.floor(length / TEXT_UNIT);
}

/** What an answer of so many characters costs beside its request. */
export function answerCost(length: number): number {
  return Math.floor(length / ANSWER_UNIT);
}

/** What it costs to pass so many characters on to so many, beside the request. One receiver is nothing. */
export function fanOutCost(receivers: number, length: number): number {
  return receivers <= 1 ? 0 : receivers / RECEIVERS + receivers * length / SENT;
}

/** A list of up to so many conversations: whom each is with is looked up, and what was said last. */
export function conversationsCost(limit: number): number {
  return 5 + limit / 10;
}

/** What it costs to find the newest of so many conversations, and to count what is unread in those that are told, beside the request. */
export function listCost(count: number, unread: number): number {
  return Math.floor(count / LISTED + unread / UNREAD);
}

/** What it costs to take so many words out of the index. */
export function unindexCost(words: number): number {
  return Math.floor(words / UNINDEXED);
}

/** What it costs to take in a file of so many bytes. */
export function uploadCost(size: number): number {
  return 1 + Math.floor(size / UPLOADED);
}

/** What it costs to read so many entries of a log, of so many characters: a bucket of its own (limits.ts). */
export function catchUpCost(entries: number, length: number): number {
  return entries + length / 1024;
}
