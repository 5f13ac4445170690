/**
 * Keeps the index behind the messages: one small step after the other, and a pause after each that is so much longer than the step that those who chat do not
 * notice. Each node asks; the store lets one at a time.
 */
import { Rounds } from "../async/rounds.ts";
import { log } from "../ops/log.ts";
import { type Store, StoreUnavailable } from "../store/store.ts";

/** Between two looks for what is new (ms). */
export const INDEX_MS = 1000;
/** A pause behind a step is at least that long (ms). */
const INDEX_PAUSE_MS = 5;

/** Writes the index. */
export class Indexer {
  readonly #store: Store;
  readonly #rounds: Rounds;
  /** How many messages are not in the index yet, as of the last step. */
  behind = 0;

  /** Looks every `interval` ms. */
  constructor(store: Store, interval: number) {
    this.#store = store;
    this.#rounds = new Rounds(interval, () => this.#step(), (error) => {
      // The node's loop says so.
      if (!(error instanceof StoreUnavailable)) log.error("indexing failed", { error });
    });
  }

  /** What is under way is finished. */
  close(): Promise<void> {
    return this.#rounds.close();
  }

  /** @returns how long until the next one (ms), if it is to come soon */
  async #step(): Promise<number | undefined> {
    const begun = performance.now();
    const { behind, more } = await this.#store.index();
    this.behind = behind;
    const { times, most } = this.#store.indexPause;
    return more ? Math.max(INDEX_PAUSE_MS, Math.min(most, times * (performance.now() - begun))) : undefined;
  }
}
