/**
 * Forgets what need not be kept: tokens that expired, with devices that have none left, and, with `--keep-days`, messages that are old and wait in no log.
 *
 * 1. In small steps with pauses between them, so that neither the event loop nor the database is kept from its work. A pass walks on: what must stay is looked
 *    at once.
 * 2. Whether something is old is decided by {@linkcode TrustedTime}, not by the clock alone.
 */
import { Pause } from "../async/pause.ts";
import { log } from "../ops/log.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import { type PrunePlace, type Store, StoreUnavailable } from "../store/store.ts";

/** Between two passes (ms). The first one comes after one interval: a start has other things to do. */
export const RETENTION_MS = 3600_000;
/** Messages looked at per step, and the pause after each (ms). */
const STEP = 200, PAUSE_MS = 50;
const DAY_MS = 24 * 3600_000;

/** Removes what has expired and what is old. */
export class Retention {
  readonly #store: Store;
  readonly #tokenLife: number;
  readonly #keepDays: number | undefined;
  readonly #time: TrustedTime;
  readonly #pause = new Pause();
  readonly #running: Promise<void>;

  /**
   * Looks every `interval` ms.
   *
   * @param tokenLife how long a token lives after its last use (ms)
   * @param keepDays undefined: messages are kept for ever
   */
  constructor(
    store: Store,
    time: TrustedTime,
    { tokenLife, keepDays, interval }: { tokenLife: number; keepDays: number | undefined; interval: number },
  ) {
    this.#store = store;
    this.#time = time;
    this.#tokenLife = tokenLife;
    this.#keepDays = keepDays;
    this.#running = this.#run(interval);
  }

  /** What is under way is finished. */
  async close(): Promise<void> {
    this.#pause.stop();
    await this.#running;
  }

  async #run(interval: number): Promise<void> {
    for (;;) {
      await this.#pause.for(interval);
      if (this.#pause.stopped) return;
      try {
        await this.#pass();
      } catch (error) {
        if (error instanceof StoreUnavailable) log.warning("the database is away; what is old stays until the next pass", { error });
        else log.error("forgetting what is old failed", { error });
      }
    }
  }

  async #pass(): Promise<void> {
    const now = this.#time.now();
    await this.#store.expireTokens(now, this.#tokenLife);
    if (this.#keepDays === undefined) return;
    let forgotten = 0;
    let place: PrunePlace | undefined;
    do {
      const { deleted, next } = await this.#store.prune(now - this.#keepDays * DAY_MS, place, STEP);
      forgotten += deleted;
      place = next;
      await this.#pause.for(PAUSE_MS);
    } while (place && !this.#pause.stopped);
    if (forgotten > 0) log.info("old messages are forgotten", { messages: forgotten });
  }
}
