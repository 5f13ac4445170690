/**
 * Who has been silent for too long. Reads pend for ever on a dead peer, and writes succeed until a buffer is full: only a deadline on what was last heard tells.
 *
 * 1. One timer and one wheel for all connections: each stands in the slot of its next deadline. What is heard meanwhile only writes a number; the deadline moves
 *    when its slot comes up.
 * 2. Modern: silent for one heartbeat, it is sent a PING; for two, it is gone, but never without having had one heartbeat for its answer. Classic: a PING after
 *    five minutes, which it may ignore, so that the kernel finds out.
 * 3. While the outgoing queue is over its limit, no requests are handled, and only one rule applies: who takes nothing for 60 s is gone. What it was asked before
 *    does not count afterwards.
 * 4. While a request of its own is being handled (it waits for the database, for commits), natter may not be reading what a client says: it is not asked, and
 *    never gone. It is asked afterwards.
 * 5. Time in which the process did not run (the wheel turned late) does not count, nor a moment behind it: what they said may wait unread. Behind a long one (a
 *    suspended machine) everyone is granted one more interval; behind each, a machine that stops for a second now and then would miss nobody.
 */
import type { Cause, Connection } from "../net/connection.ts";
import { Msg } from "../wire/msgid.ts";

/** Silence after which a classic client is sent a PING (ms). */
const CLASSIC_PING_MS = 300_000;
/** A reader that takes nothing for this long is gone (ms). */
const READER_STUCK_MS = 60_000;
/** Slots per heartbeat. With 40, silence is seen at most 5 % of a heartbeat late. */
const SLOTS = 40;
/** The coarsest and the finest turn of the wheel (ms). */
const MAX_TICK_MS = 250, MIN_TICK_MS = 10;
/** A turn that comes this much late (ms) means that the process did not run; this much, that it was suspended, and may have been cut off. */
const LATE_MS = 1000, SUSPENDED_MS = 10_000;
/** Within this time behind it (ms) what came meanwhile is read. So many such times are remembered. */
const READ_MS = 250, MOST_STOPS = 100;

const PING = JSON.stringify({ msgid: Msg.PING }) + "\n";

/** Watches all connections. */
export class Heartbeat {
  readonly #interval: number;
  readonly #loginTimeout: number;
  readonly #tick: number;
  readonly #gone: (connection: Connection, cause: Cause) => void;
  readonly #slots = new Map<number, Connection[]>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #slot: number;
  /** No silence counts from before this. */
  #graceFrom = 0;
  /** When the process did not run since then: until when, and how much does not count (ms). The newest is the last. */
  readonly #stops: { until: number; ms: number }[] = [];

  /**
   * The wheel stands still; {@linkcode Heartbeat.start} sets it going.
   *
   * @param interval `--heartbeat` (ms)
   * @param loginTimeout how long a connection may stay without a session (ms)
   * @param gone ends a connection: `silent` (also who never logged in) or `slow`
   */
  constructor(interval: number, loginTimeout: number, gone: (connection: Connection, cause: Cause) => void) {
    this.#interval = interval;
    this.#loginTimeout = loginTimeout;
    this.#gone = gone;
    this.#tick = Math.max(MIN_TICK_MS, Math.min(MAX_TICK_MS, interval / SLOTS));
    this.#slot = this.#slotOf(performance.now());
  }

  /** Starts the wheel. */
  start(): void {
    this.#slot = this.#slotOf(performance.now());
    this.#timer = setInterval(() => this.turn(performance.now()), this.#tick);
  }

  /** Watches a connection until it is gone. */
  add(connection: Connection): void {
    this.#put(connection, performance.now() + Math.min(this.#interval, this.#loginTimeout));
  }

  /** Watches no more. */
  close(): void {
    clearInterval(this.#timer);
    this.#slots.clear();
  }

  /** Turns the wheel up to `now`. The timer calls it; tests may, with a time of their own. */
  turn(now: number): void {
    const slot = this.#slotOf(now);
    const late = (slot - this.#slot) * this.#tick;
    if (late > LATE_MS) this.#stopped(now, late);
    while (this.#slot < slot) {
      const due = this.#slots.get(++this.#slot);
      if (!due) continue;
      this.#slots.delete(this.#slot);
      for (const connection of due) if (!connection.lost) this.#put(connection, this.#check(connection, now));
    }
  }

  #stopped(until: number, ms: number): void {
    if (ms >= SUSPENDED_MS) this.#graceFrom = until;
    else if (this.#stops.push({ until, ms: ms + READ_MS }) > MOST_STOPS) this.#stops.shift();
  }

  /** For how long the process ran since then (ms), as far as that counts. */
  #ran(since: number, now: number): number {
    const from = Math.max(since, this.#graceFrom);
    let ran = now - from;
    for (let i = this.#stops.length - 1; i >= 0 && this.#stops[i]!.until > from; i--) ran -= this.#stops[i]!.ms;
    return ran;
  }

  #slotOf(time: number): number {
    return Math.floor(time / this.#tick);
  }

  #put(connection: Connection, due: number): void {
    // Never into the slot that is being worked off, and never into one that has passed.
    const slot = Math.max(this.#slotOf(due) + 1, this.#slot + 1);
    const there = this.#slots.get(slot);
    if (there) there.push(connection);
    else this.#slots.set(slot, [connection]);
  }

  /** Does what is due for one connection. @returns when to look at it again */
  #check(connection: Connection, now: number): number {
    const later = now + this.#interval;
    if (connection.ending) return later;
    if (connection.writingSince > 0) {
      const left = READER_STUCK_MS - this.#ran(connection.writingSince, now);
      if (left <= 0) return this.#gone(connection, "slow"), later;
      if (connection.congested) {
        connection.pinged = 0;
        return Math.min(later, now + left);
      }
    }
    const { session } = connection;
    if (!session) {
      const left = this.#loginTimeout - this.#ran(connection.anonymousSince, now);
      if (left <= 0) return this.#gone(connection, "silent"), later;
      return Math.min(later, now + left);
    }
    // Nothing precedes LOGIN_ACK.
    if (!session.welcomed) return later;
    if (!session.modern) {
      if (now - Math.max(connection.heard, connection.pinged) >= CLASSIC_PING_MS) {
        connection.pinged = now;
        connection.sendLine(PING);
      }
      return later;
    }
    if (connection.busy) return later;
    const left = this.#interval - this.#ran(connection.heard, now);
    if (left > 0) return now + left;
    if (connection.pinged <= Math.max(connection.heard, this.#graceFrom)) {
      connection.pinged = now;
      connection.sendLine(PING);
      return later;
    }
    const leftToAnswer = this.#interval - this.#ran(connection.pinged, now);
    if (leftToAnswer <= 0) return this.#gone(connection, "silent"), later;
    return now + leftToAnswer;
  }
}
