/**
 * Forgets what need not be kept: tokens that expired, with devices that have none left; invitations; reports; entries of what was done to messages that wait in no log any
 * more; and, with `--keep-days`, messages that are old and wait in no log.
 *
 * 1. In small steps with pauses between them, so that neither the event loop nor the database is kept from its work. A pass walks on: what must stay is looked
 *    at once.
 *    Events of invitations by name, which are in no history, stay without `--keep-days`, as messages do: they are few, and count for who invites (`quota.ts`).
 * 2. Whether something is old is decided by {@linkcode TrustedTime}, not by the clock alone.
 * 3. What one step cannot do now (the next pass tries again) keeps no other from its own.
 */
import { DAY_MS, type Pause } from "../async/pause.ts";
import { Rounds } from "../async/rounds.ts";
import { log } from "../ops/log.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import { type PrunePlace, type Store, StoreUnavailable } from "../store/store.ts";

/** Between two passes (ms). The first one comes after one interval: a start has other things to do. */
export const RETENTION_MS = 3600_000;
/** Messages, or entries, looked at per step, and the pause after each (ms). */
const RETENTION_STEP = 200, RETENTION_PAUSE_MS = 50;
/** How long reports are kept for the operator (ms). */
const REPORTS_MS = 90 * DAY_MS;

/** Removes what has expired and what is old. */
export class Retention {
  readonly #store: Store;
  readonly #tokenLife: number;
  readonly #keepDays: number | undefined;
  readonly #time: TrustedTime;
  readonly #rounds: Rounds;

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
    this.#rounds = new Rounds(interval, (pause) => this.#pass(pause), (error) => {
      if (error instanceof StoreUnavailable) log.warning("the database is away; what is old stays until the next pass", { error });
      else log.error("forgetting what is old failed", { error });
    }, interval);
  }

  /** What is under way is finished. */
  close(): Promise<void> {
    return this.#rounds.close();
  }

  async #pass(pause: Pause): Promise<void> {
    const now = this.#time.now();
    const steps = [
      () => this.#store.expireTokens(now, this.#tokenLife),
      () => this.#store.expireInvites(now, RETENTION_STEP),
      () => this.#store.expireReports(now - REPORTS_MS, RETENTION_STEP),
      () => this.#dropDeeds(pause),
      () => this.#prune(now, pause),
    ];
    const failures: unknown[] = [];
    for (const step of steps) if (!pause.stopped) await step().catch((error) => failures.push(error));
    // One is told of: rather a fault than that the database is away.
    if (failures.length > 0) throw failures.find((error) => !(error instanceof StoreUnavailable)) ?? failures[0];
  }

  async #dropDeeds(pause: Pause): Promise<void> {
    for (let after: number | undefined = 0; after !== undefined && !pause.stopped;) {
      after = (await this.#store.dropDeeds(after, RETENTION_STEP)).next;
      await pause.for(RETENTION_PAUSE_MS);
    }
  }

  async #prune(now: number, pause: Pause): Promise<void> {
    if (this.#keepDays === undefined) return;
    let forgotten = 0;
    let place: PrunePlace | undefined;
    do {
      const { deleted, next } = await this.#store.prune(now - this.#keepDays * DAY_MS, place, RETENTION_STEP);
      forgotten += deleted;
      place = next;
      await pause.for(RETENTION_PAUSE_MS);
    } while (place && !pause.stopped);
    if (forgotten > 0) log.info("old messages are forgotten", { messages: forgotten });
  }
}
