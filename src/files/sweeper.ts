/**
 * Removes what is over: files that nothing has used for a day, the bytes of files whose rows are gone, and what a crash left of uploads.
 * Every node does it, and they do not disturb each other. What cannot be removed (another user's folder, a bad disk) keeps nothing else from going; it is tried again.
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
/** Files that a pass goes past because they cannot be removed: each step is told of them again. */
const MOST_STUCK = 400;

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
    /** What cannot be removed now, and why. */
    const stuck = new Map<string, unknown>();
    while (!pause.stopped && stuck.size <= MOST_STUCK) {
      const places = (await this.#store.gonePlaces(now, SWEEP_STEP + stuck.size)).filter((place) => !stuck.has(place));
      if (places.length === 0) break;
      for (const place of places) await this.#folder.remove(place).catch((error) => stuck.set(place, error));
      await this.#store.forgetPlaces(places.filter((place) => !stuck.has(place)));
    }
    await this.#folder.sweep(now - DAY_MS);
    for (const error of stuck.values()) throw error;
  }
}
