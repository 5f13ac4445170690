import { ConnectionLost, type NatterError } from "./errors.ts";

/** When to come back after a connection ended, and when not to. */

/** Bounds of the waiting time (ms): the first is chosen from 0 to `min`, then from twice as much, up to `max`. */
export interface Backoff {
  /** The first waiting time is at most this (ms). */
  min: number;
  /** No waiting time is more (ms). */
  max: number;
}

/** A session that lasted this long (ms) was a good one, and the waiting times start anew. */
const GOOD = 10_000;

/**
 * How long (ms) to wait when the account is in use by another connection: that may be one's own former one, which the server has to find dead first. With the
 * node it was on, that takes up to 15 s.
 */
const IN_USE_DELAYS = [250, 500, 1000, 2000, 4000, 4000, 4000];

/** The decisions of one login, from its first attempt to its last. */
export class ReconnectPolicy {
  readonly #backoff: Backoff;
  #failures = 0;
  #inUse = 0;

  /** Begins with no failure. */
  constructor(backoff: Backoff) {
    this.#backoff = backoff;
  }

  /**
   * Decides what follows the end of a connection.
   *
   * @param error How it ended: the server's refusal, or the loss of the connection.
   * @param online How long the session lasted (ms), 0 if there was none.
   * @returns the time to wait (ms); undefined: do not come back.
   */
  delay(error: NatterError | ConnectionLost, online: number): number | undefined {
    if (online >= GOOD) this.#failures = 0;
    if (online > 0) this.#inUse = 0;
    if (error instanceof ConnectionLost) {
      return error.reason === "goodbye" ? error.goodbye?.retry : this.#jitter();
    }
    switch (error.errno) {
      case 2:
        return IN_USE_DELAYS[this.#inUse++];
      case 15:
      case 19:
        return error.retry ?? this.#jitter();
      case 20:
        return this.#jitter();
      default:
        return undefined;
    }
  }

  /** Full jitter, so that the clients of a server that was restarted do not all come at the same moment. */
  #jitter(): number {
    const { min, max } = this.#backoff;
    return Math.random() * Math.min(max, min * 2 ** this.#failures++);
  }
}
