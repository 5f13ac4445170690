/**
 * Forgets what need not be kept: tokens that expired, with devices that have none left, and, with `--keep-days`, messages that are old and wait in no log.
 *
 * In small steps with pauses between them, so that neither the event loop nor the database is kept from its work.
 */
import { Pause } from "../async/pause.ts";
import { log } from "../ops/log.ts";
import { type Store, StoreUnavailable } from "../store/store.ts";

/** Between two passes (ms). The first one comes after one interval: a start has other things to do. */
export const RETENTION_MS = 3600_000;
/** Messages per step, and the pause after each (ms). */
const STEP = 200, PAUSE_MS = 50;
const DAY_MS = 24 * 3600_000;

/** Deletes messages that are old and confirmed. */
export class Retention {
  readonly #store: Store;
  readonly #tokenLife: number;
  readonly #keepDays: number | undefined;
  readonly #pause = new Pause();
  readonly #running: Promise<void>;

  /**
   * Looks every `interval` ms.
   *
   * @param tokenLife how long a token lives after its last use (ms)
   * @param keepDays undefined: messages are kept for ever
   */
  constructor(store: Store, { tokenLife, keepDays, interval }: { tokenLife: number; keepDays: number | undefined; interval: number }) {
    this.#store = store;
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
    await this.#store.expireTokens(Date.now(), this.#tokenLife);
    if (this.#keepDays === undefined) return;
    const before = Date.now() - this.#keepDays * DAY_MS;
    let pruned = 0;
    for (let count = STEP; count === STEP && !this.#pause.stopped;) {
      pruned += count = await this.#store.prune(before, STEP);
      await this.#pause.for(PAUSE_MS);
    }
    if (pruned > 0) log.info("old messages are forgotten", { messages: pruned });
  }
}
