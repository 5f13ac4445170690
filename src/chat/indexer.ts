/**
 * Keeps the index behind the messages: one small step after the other, and a pause after each that is so much longer than the step that those who chat do not
 * notice. Each node asks; the store lets one at a time.
 */
import { Pause } from "../async/pause.ts";
import { log } from "../ops/log.ts";
import { type Store, StoreUnavailable } from "../store/store.ts";

/** Between two looks for what is new (ms). */
export const INDEX_MS = 1000;
/** A pause is so many times as long as the step before it, and at least that long (ms). */
const SHARE = 10, LEAST_MS = 5;

/** Writes the index. */
export class Indexer {
  readonly #store: Store;
  readonly #pause = new Pause();
  readonly #running: Promise<void>;
  /** How many messages are not in the index yet, as of the last step. */
  behind = 0;

  /** Looks every `interval` ms. */
  constructor(store: Store, interval: number) {
    this.#store = store;
    this.#running = this.#run(interval);
  }

  /** What is under way is finished. */
  async close(): Promise<void> {
    this.#pause.stop();
    await this.#running;
  }

  async #run(interval: number): Promise<void> {
    while (!this.#pause.stopped) {
      const begun = performance.now();
      const more = await this.#step();
      await this.#pause.for(more ? Math.max(LEAST_MS, SHARE * (performance.now() - begun)) : interval);
    }
  }

  async #step(): Promise<boolean> {
    try {
      const { behind, more } = await this.#store.index();
      this.behind = behind;
      return more;
    } catch (error) {
      // The node's loop says so.
      if (!(error instanceof StoreUnavailable)) log.error("indexing failed", { error });
      return false;
    }
  }
}
