/**
 * Whether users may keep more text: `--user-quota`, of which their files take a part.
 *
 * 1. What is sent is added in memory, and written down every few seconds for all together: CHAT does not wait for it. A crash forgets what was not written.
 * 2. Once a day, and some time after a start, all messages are counted anew, in small steps with rests. So what was deleted, edited or forgotten meanwhile, what a
 *    crash forgot and what 0.1 left behind is right again; what is sent while it counts may be missing, or be there twice, until the next time.
 * 3. Of a user of whom nothing is known the database is asked, and what comes before its answer goes by. Every node does so for itself, and asks again now and then.
 */
import type { Pause } from "../async/pause.ts";
import { Rounds } from "../async/rounds.ts";
import { sharedNow } from "../net/clock.ts";
import { log } from "../ops/log.ts";
import { ROW_KEPT, type TextKept } from "../store/quota.ts";
import { type Store, StoreUnavailable, type UserId } from "../store/store.ts";

/** Between two writes, and between two counts (ms). */
export const QUOTA_FLUSH_MS = 5000, QUOTA_COUNT_MS = 24 * 3600_000;
/** How long after a start the first count is (ms). */
const FIRST_COUNT_MS = 600_000;
/** For how long what the database said is taken for true (ms): of those who may go on, and of those who may not. */
const KNOWN_MS = 600_000, FULL_MS = 5000;
/** Of so many users it is remembered. */
const MAX_KNOWN = 10_000;
/** Users of one write, and messages of one step; a rest is so many times as long as the step before it, and at least that long (ms). */
const COUNT_WRITE = 500, COUNT_STEP = 1000, COUNT_REST = 10, COUNT_PAUSE_MS = 5;

/** What is known of a user. */
interface Known {
  /** What texts and files take (bytes). */
  bytes: number;
  /** When the database was asked (performance.now). */
  at: number;
}

/** How often it writes and counts (ms). */
export interface QuotaTimes {
  /** Writes. */
  quotaFlush: number;
  /** Counts all anew. */
  quotaCount: number;
}

/** What users' texts take, as far as this node knows. */
export class Quota {
  readonly #store: Store;
  readonly #most: number;
  readonly #known = new Map<UserId, Known>();
  /** What was sent and is not written yet (bytes). */
  #fresh = new Map<UserId, number>();
  #flushing: Rounds | undefined;
  #counting: Rounds | undefined;

  /** Nothing is known yet. @param most `--user-quota` (bytes) */
  constructor(store: Store, most: number) {
    this.#store = store;
    this.#most = most;
  }

  /** Begins to write and to count. */
  start({ quotaFlush, quotaCount }: QuotaTimes): void {
    this.#flushing = new Rounds(quotaFlush, () => this.#flush(), (error) => this.#failed("written", error), quotaFlush);
    this.#counting = new Rounds(
      quotaCount,
      (pause) => this.#count(pause),
      (error) => this.#failed("counted", error),
      Math.min(quotaCount, FIRST_COUNT_MS),
    );
  }

  /** Writes what is not written yet, and ends. */
  async close(): Promise<void> {
    await Promise.all([this.#flushing?.close(), this.#counting?.close()]);
    await this.#flush().catch((error) => this.#failed("written", error));
  }

  /** Whether this text would be too much. */
  isOver(userId: UserId, msg: string): boolean {
    return this.#look(userId).bytes + sizeOf(msg) > this.#most;
  }

  /** This text of the user's is stored. */
  add(userId: UserId, msg: string): void {
    const bytes = sizeOf(msg);
    this.#fresh.set(userId, (this.#fresh.get(userId) ?? 0) + bytes);
    const known = this.#known.get(userId);
    if (known) known.bytes += bytes;
  }

  #look(userId: UserId): Known {
    let known = this.#known.get(userId);
    const now = sharedNow();
    if (!known) {
      if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
      this.#known.set(userId, known = { bytes: 0, at: -Infinity });
    }
    if (now - known.at > (known.bytes >= this.#most - ROW_KEPT ? FULL_MS : KNOWN_MS)) {
      known.at = now;
      void this.#ask(userId, known);
    }
    return known;
  }

  async #ask(userId: UserId, known: Known): Promise<void> {
    try {
      const [files, texts] = await Promise.all([this.#store.kept(userId), this.#store.textKept(userId)]);
      known.bytes = files + texts + (this.#fresh.get(userId) ?? 0);
    } catch (error) {
      known.at = -Infinity;
      this.#failed("read", error);
    }
  }

  async #flush(): Promise<void> {
    const waiting = [...this.#fresh];
    this.#fresh = new Map();
    while (waiting.length > 0) {
      const some = waiting.splice(0, COUNT_WRITE);
      try {
        await this.#store.addTextKept(some);
      } catch (error) {
        for (const [userId, bytes] of [...some, ...waiting]) this.#fresh.set(userId, (this.#fresh.get(userId) ?? 0) + bytes);
        throw error;
      }
    }
  }

  async #count(pause: Pause): Promise<void> {
    const sums = new Map<UserId, number>();
    for (let after: number | undefined = 0; after !== undefined && !pause.stopped;) {
      const begun = performance.now();
      const { kept, next }: { kept: TextKept[]; next: number | undefined } = await this.#store.countTexts(after, COUNT_STEP);
      for (const [userId, bytes] of kept) sums.set(userId, (sums.get(userId) ?? 0) + bytes);
      after = next;
      await pause.for(Math.max(COUNT_PAUSE_MS, COUNT_REST * (performance.now() - begun)));
    }
    for (let after: UserId | undefined = 0; after !== undefined && !pause.stopped;) {
      const keepers: UserId[] = await this.#store.textKeepers(after, COUNT_WRITE);
      await this.#store.setTextKept(keepers.filter((userId) => !sums.has(userId)).map((userId) => [userId, 0]));
      after = keepers.length === COUNT_WRITE ? keepers.at(-1) : undefined;
      await pause.for(COUNT_PAUSE_MS);
    }
    const all = [...sums];
    while (all.length > 0 && !pause.stopped) {
      await this.#store.setTextKept(all.splice(0, COUNT_WRITE));
      await pause.for(COUNT_PAUSE_MS);
    }
    for (const known of this.#known.values()) known.at = -Infinity;
  }

  #failed(what: string, error: unknown): void {
    // The node's loop says so.
    if (!(error instanceof StoreUnavailable)) log.error(`what texts take could not be ${what}`, { error });
  }
}

/** What a text takes (bytes): about that, as long as nobody has to count. */
function sizeOf(msg: string): number {
  return ROW_KEPT + msg.length;
}
