/**
 * Removes what is over: files that nothing has used for a day, the bytes of files whose rows are gone, and what a crash left of uploads.
 * Every node does it, and they do not disturb each other.
 */
import { DAY_MS, type Pause } from "../async/pause.ts";
import { Rounds } from "../async/rounds.ts";
import { log } from "../ops/log.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import type { FileStore } from "../store/files.ts";
import { StoreUnavailable } from "../store/store.ts";
import type { Folder } from "./folder.ts";

/** Between two passes (ms). */
export const SWEEP_MS = 20_000;
/** Files in one step. */
const SWEEP_STEP = 100;

/** Sweeps until it is closed. */
export class Sweeper {
  readonly #store: FileStore;
  readonly #folder: Folder;
  readonly #time: TrustedTime;
  readonly #rounds: Rounds;

  /** Sweeps every `interval` ms. */
  constructor(store: FileStore, folder: Folder, time: TrustedTime, interval: number) {
    this.#store = store;
    this.#folder = folder;
    this.#time = time;
    this.#rounds = new Rounds(interval, (pause) => this.#pass(pause), (error) => {
      if (error instanceof StoreUnavailable) log.warning("the database is away; files that are over stay until the next pass", { error });
      else log.error("removing files failed", { error });
    }, interval);
  }

  /** What is under way is finished. */
  close(): Promise<void> {
    return this.#rounds.close();
  }

  async #pass(pause: Pause): Promise<void> {
    const now = this.#time.now();
    while (!pause.stopped && await this.#store.expireFiles(now - DAY_MS, SWEEP_STEP) > 0);
    for (let places; !pause.stopped && (places = await this.#store.gonePlaces(now, SWEEP_STEP)).length > 0;) {
      for (const place of places) await this.#folder.remove(place);
      await this.#store.forgetPlaces(places);
    }
    await this.#folder.sweep(now - DAY_MS);
  }
}
