/**
 * What cannot be stored yet, because it needs rows that others hold for long.
 *
 * 1. It is put off, with all that its author says behind it, and tried again until {@linkcode HELD_MS} have passed. Everybody else's goes on.
 * 2. What is said into a group whose message is put off, and has not been tried, is put off, too.
 * 3. A server that ends refuses it.
 */
import { type GroupId, StoreUnavailable, type UserId } from "../store/store.ts";
import type { Entry } from "./appender.ts";

/** Between two tries, and for how long there are any (ms). */
const HELD_AGAIN_MS = 100, HELD_MS = 10_000;

/** Messages that are tried again. */
export class RetryQueue {
  /** In the order in which they were put off. */
  entries: Entry[] = [];
  /** When they are tried again (performance.now). */
  againAt = 0;
  readonly #authors = new Set<UserId>();
  /** Those that are held. */
  readonly #groups = new Set<GroupId>();
  #closing = false;

  /**
   * When it is time, what was put off waits again, where it stood. Until then it grows by what is behind it. Nothing may come between this and taking a batch.
   *
   * @returns what is to be tried now
   */
  ready(waiting: Entry[]): Entry[] {
    const now = performance.now();
    if (now < this.againAt) {
      const free: Entry[] = [];
      for (const entry of waiting) {
        if (this.#isBehind(entry)) this.#put(entry, now);
        else free.push(entry);
      }
      return free;
    }
    // What is behind a group's message may have been put off before what its author had said before it was found held.
    const all = this.entries.concat(waiting).sort((a, b) => a.order - b.order);
    this.entries = [];
    this.#authors.clear();
    this.#groups.clear();
    return all;
  }

  #isBehind({ author, append }: Entry): boolean {
    return this.#authors.has(author.userId) || (append?.groupid !== undefined && this.#groups.has(append.groupid));
  }

  /** Behind the commit of its batch. @returns whether it is to be tried again; else it has an outcome */
  takes(entry: Entry, now: number): boolean {
    const { author, append } = entry;
    if (!this.#authors.has(author.userId)) {
      if (entry.outcome !== undefined) return false;
      if (this.#closing || entry.isHeld && now - (entry.heldSince ?? now) >= HELD_MS) {
        entry.outcome = new StoreUnavailable("the database is overloaded: others hold what a message needs");
        return false;
      }
    }
    if (entry.isHeld && append?.groupid !== undefined) this.#groups.add(append.groupid);
    this.#put(entry, now);
    return true;
  }

  #put(entry: Entry, now: number): void {
    entry.heldSince ??= now;
    if (this.entries.length === 0) this.againAt = now + HELD_AGAIN_MS;
    this.entries.push(entry);
    this.#authors.add(entry.author.userId);
  }

  /** From now on what would be put off is refused, and what has been is tried for the last time. */
  close(): void {
    this.#closing = true;
    this.againAt = 0;
  }
}
