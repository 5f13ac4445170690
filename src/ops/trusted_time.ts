import { DAY_MS } from "../async/pause.ts";

/** Readings that differ by less are one. */
const GRAIN_MS = 1000;

/**
 * The time by which things end for good: tokens, and with `--keep-days` messages.
 *
 * A clock may be wrong for a while, and what was deleted by it does not come back when it is right again. So a clock that was set forward is believed after a
 * day, one that was set back at once: the time is the earliest that any reading of the last day gives, carried on by the time that has passed since. What
 * ends may last a day longer than it should (after the machine slept, say), and never ends early but by a clock that was wrong for a day, or since the start.
 */
export class TrustedTime {
  /** How far the clock is ahead of `performance.now`, by readings of the last day; a reading goes when a later one is no further ahead. */
  readonly #readings: { at: number; ahead: number }[] = [];

  /** Takes the first reading. */
  constructor() {
    this.now();
  }

  /** Whole milliseconds since the epoch, as the database keeps them. To be asked at least once a day. */
  now(): number {
    const at = performance.now();
    const ahead = Math.floor((Date.now() - at) / GRAIN_MS) * GRAIN_MS;
    const readings = this.#readings;
    while (readings.length > 0 && readings[0]!.at < at - DAY_MS) readings.shift();
    while (readings.length > 0 && readings.at(-1)!.ahead >= ahead) readings.pop();
    readings.push({ at, ahead });
    return Math.floor(at + readings[0]!.ahead);
  }
}
