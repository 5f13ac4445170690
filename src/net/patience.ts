/**
 * What becomes of those who stay over the limit.
 *
 * 1. At first each line too many is answered (errno 15): a client may be in a hurry.
 * 2. Then it is read no further for a while with each: what it sends stays with it, and costs nothing.
 * 3. Who goes on like that for a minute is cut. Who has asked for nothing for a while begins anew.
 */
import type { Connection } from "./connection.ts";

/** Lines too many that are just answered. */
const ANSWERED = 100;
/** How long a connection is not read (ms): half of the bucket comes back meanwhile. At most, if it owes more. */
const REST_MS = 1250, MOST_REST_MS = 10_000;
/** After so many rests it is cut. */
const RESTS = 48;

/** Slows those who stay over the limit, then cuts them. */
export class Patience {
  readonly #cut: (connection: Connection) => void;
  readonly #rest: number;

  /** `cut` ends a connection. `rest`: how long one is not read (ms). */
  constructor(cut: (connection: Connection) => void, rest: number = REST_MS) {
    this.#cut = cut;
    this.#rest = rest;
  }

  /** A line was over the limit; the next unit comes in `retry` ms. @returns a promise, if the connection's next line is to wait for it */
  exceeded(connection: Connection, retry: number): void | Promise<void> {
    if (++connection.overLimit <= ANSWERED) return;
    if (connection.overLimit <= ANSWERED + RESTS) return connection.rest(Math.max(this.#rest, Math.min(retry, MOST_REST_MS)));
    this.#cut(connection);
  }
}
