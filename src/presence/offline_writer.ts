/**
 * Ends sessions in the database, for all departures together; the last one of a user sets the user offline.
 *
 * 1. What was handed in is retried until the database has taken it, however long that is away, or `close` has waited long enough.
 * 2. At most 500 sessions go in one transaction, and one is in flight at a time.
 * 3. A release names its session, so a late or repeated one can never end a newer session.
 * 4. Those whose user's row others hold go with the next ones, or after a pause: nobody else waits for them.
 */
import { Pause } from "../async/pause.ts";
import { within } from "../async/within.ts";
import { log } from "../ops/log.ts";
import { type DeviceId, type Release, type Store, StoreUnavailable, type UserId } from "../store/store.ts";
import { deviceKey } from "./device_key.ts";

/** Sessions per transaction. */
const RELEASED_AT_ONCE = 500;
/** Pause before the next try after the first failure, and the longest one (ms): the database is asked often enough that 5 s after its return all is done. */
const PAUSE_MIN = 50, PAUSE_MAX = 1000;
/** The same behind a transaction that others held up altogether: whoever departs meanwhile waits for it, too. */
const HELD_PAUSE_MS = 200;

/** Tells the database who is gone, until it has taken it. */
export class OfflineWriter {
  readonly #store: Store;
  #waiting: Release[] = [];
  #backlog = 0;
  /** Devices with a release that is waiting or in flight, and how many. */
  readonly #devices = new Map<string, number>();
  #running: Promise<void> | undefined;
  /** Resolved, and replaced, whenever the database has taken a batch. */
  #taken = Promise.withResolvers<void>();
  readonly #pause = new Pause();

  /** Nothing waits yet. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** Releases that the database has not taken yet. */
  get backlog(): number {
    return this.#backlog;
  }

  /** Whether something of this device is waiting or in flight. */
  pending(device: { userId: UserId; device: DeviceId }): boolean {
    return this.#devices.has(deviceKey(device));
  }

  /** Hands in one session that ended. */
  release(release: Release): void {
    this.#waiting.push(release);
    this.#backlog++;
    const key = deviceKey(release);
    this.#devices.set(key, (this.#devices.get(key) ?? 0) + 1);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing of this device is waiting or in flight, or after `ms`. */
  async settled(device: { userId: UserId; device: DeviceId }, ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (this.pending(device) && performance.now() < until) await within(this.#taken.promise, until - performance.now());
  }

  /** Resolves to true when nothing is left, to false after `ms`; then it stops trying. */
  async close(ms: number): Promise<boolean> {
    if (this.#running) await within(this.#running, ms);
    const done = this.#devices.size === 0;
    this.#pause.stop();
    return done;
  }

  async #run(): Promise<void> {
    // One turn later: the departures of one moment share the first transaction.
    await new Promise<void>((resolve) => setImmediate(resolve));
    let pause = PAUSE_MIN;
    while (this.#waiting.length > 0 && !this.#pause.stopped) {
      const batch = this.#waiting.splice(0, RELEASED_AT_ONCE);
      try {
        const held = new Set(await this.#store.release(batch));
        for (const release of batch) if (!held.has(release)) this.#done(deviceKey(release));
        this.#waiting.push(...held);
        this.#taken.resolve();
        this.#taken = Promise.withResolvers<void>();
        pause = PAUSE_MIN;
        if (held.size === batch.length) await this.#pause.for(HELD_PAUSE_MS);
      } catch (error) {
        this.#waiting.unshift(...batch);
        if (error instanceof StoreUnavailable) {
          log.warning("the database is away, sessions wait to be ended in it", { backlog: this.#waiting.length });
        } else log.error("ending sessions in the database failed", { error });
        await this.#pause.for(pause);
        pause = Math.min(pause * 2, PAUSE_MAX);
      }
    }
    this.#running = undefined;
  }

  #done(key: string): void {
    this.#backlog--;
    const left = (this.#devices.get(key) ?? 1) - 1;
    if (left > 0) this.#devices.set(key, left);
    else this.#devices.delete(key);
  }
}
