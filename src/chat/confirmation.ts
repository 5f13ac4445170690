/**
 * From client to log: what a device has handled need not be kept for it.
 *
 * 1. A modern client says so (RECEIVED). It is written every 200 ms for all sessions together, on condition that the session still is its device's.
 * 2. A classic client cannot say so: a later line of its own, LOGOUT or a clean close confirms what the kernel took at least 5 s before.
 * 3. A departure confirms what is due before it releases; after it, nothing more a client says confirms anything for that session.
 * 4. What a session is not sent is confirmed with what came before, at once if nothing waits before it.
 */
import type { Session } from "../net/session.ts";
import { log } from "../ops/log.ts";
import { type Store, StoreUnavailable } from "../store/store.ts";

/** Between two writes (ms): what a crash may deliver again. */
const FLUSH_MS = 200;
/** Sessions per transaction. */
const CONFIRMED_AT_ONCE = 500;
/** For how long something must have been written before a classic client's next line confirms it (ms). */
const CLASSIC_CONFIRM_MS = 5000;
/** What was written within this time counts as written at its end (ms), so that a session keeps a handful of marks. */
const MARK_MS = 1000;
/** How many stretches of what was not sent are remembered; those forgotten are confirmed by what comes behind them. */
const MAX_SKIPPED = 1000;

/** How far a session's client is. */
interface Progress {
  /** The last `seq` that went into the outgoing queue, or counts as if it had. */
  sent: number;
  /** Confirmed by the client. */
  confirmed: number;
  /** Confirmed in the database, as far as known. */
  stored: number;
  /** Stretches that were not sent, first and last `seq`, behind what is confirmed. */
  skipped: [number, number][];
  /** Of a classic session: what the kernel has taken. */
  taken: Taken | undefined;
}

/** Writes down what clients have handled. */
export class Confirmation {
  readonly #store: Store;
  readonly #progress = new WeakMap<Session, Progress>();
  readonly #due = new Set<Session>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #closed = false;

  /** Nothing is due yet. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** Follows a session whose device stands at `confirmed`. LOGIN_ACK carries what comes up to `cursor`. */
  follow(session: Session, confirmed: number, cursor = confirmed): void {
    const taken = session.modern ? undefined : new Taken(session);
    this.#progress.set(session, { sent: confirmed, confirmed, stored: confirmed, skipped: [], taken });
    if (cursor > confirmed) this.sent(session, cursor);
  }

  /** Everything up to `seq` stands in the outgoing queue, or was skipped. */
  sent(session: Session, seq: number): void {
    const progress = this.#progress.get(session);
    if (!progress) return;
    progress.sent = seq;
    progress.taken?.sent(seq);
  }

  /** The next one, `seq`, is not sent to this session. */
  skipped(session: Session, seq: number): void {
    const progress = this.#progress.get(session);
    if (!progress) return;
    progress.sent = seq;
    const last = progress.skipped.at(-1);
    if (last && last[1] === seq - 1) last[1] = seq;
    else if (progress.skipped.push([seq, seq]) > MAX_SKIPPED) progress.skipped.shift();
    if (progress.confirmed === seq - 1) this.#confirm(session, progress, seq);
  }

  /** Whether the client has handled more than it has said before, if it has handled everything up to `seq`. */
  isNews(session: Session, seq: number): boolean {
    const progress = this.#progress.get(session);
    return progress !== undefined && Math.min(seq, progress.sent) > progress.confirmed;
  }

  /** The client has handled everything up to `seq`. More than it was sent counts as that; less than before is ignored. */
  received(session: Session, seq: number): void {
    const progress = this.#progress.get(session);
    if (!progress || session.departed) return;
    const handled = Math.min(seq, progress.sent);
    if (handled > progress.confirmed) this.#confirm(session, progress, handled);
  }

  /** A classic client did something of its own: a line, LOGOUT, a clean close. */
  acted(session: Session): void {
    const settled = this.#progress.get(session)?.taken?.settled();
    if (settled !== undefined) this.received(session, settled);
  }

  /** What is confirmed, if the database was not told yet. */
  unconfirmed(session: Session): number | undefined {
    const progress = this.#progress.get(session);
    return progress && progress.confirmed > progress.stored ? progress.confirmed : undefined;
  }

  /** Writes no more; departures confirm what is due. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #confirm(session: Session, progress: Progress, seq: number): void {
    const passed = progress.skipped.findLastIndex(([first]) => first <= seq + 1);
    if (passed >= 0) {
      seq = Math.max(seq, progress.skipped[passed]![1]);
      progress.skipped.splice(0, passed + 1);
    }
    progress.confirmed = seq;
    this.#due.add(session);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#running || this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#flush();
    }, FLUSH_MS);
  }

  async #flush(): Promise<void> {
    this.#running = true;
    const sessions = [...this.#due];
    this.#due.clear();
    for (let i = 0; i < sessions.length; i += CONFIRMED_AT_ONCE) {
      const batch = sessions.slice(i, i + CONFIRMED_AT_ONCE).filter((session) => !session.departed);
      const rows = batch.map((session) => ({ ...session.key, seq: this.#progress.get(session)!.confirmed }));
      try {
        const held = rows.length > 0 ? await this.#store.confirm(rows) : undefined;
        for (const [j, { userId, seq }] of rows.entries()) {
          if (held?.has(userId)) this.#due.add(batch[j]!);
          else this.#progress.get(batch[j]!)!.stored = seq;
        }
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) log.error("confirming failed", { error });
        for (const session of batch) this.#due.add(session);
      }
    }
    this.#running = false;
    if (this.#due.size > 0) this.#schedule();
  }
}

/** What the kernel has taken of a classic session's entries, and when. */
class Taken {
  /** Not yet taken: what must have been written for this `seq` to be out. */
  #queued: { seq: number; end: number }[] = [];
  #marks: { seq: number; begun: number; at: number }[] = [];
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
    session.connection.onWritten = () => this.#written();
  }

  /** The entry `seq` stands in the outgoing queue. */
  sent(seq: number): void {
    this.#queued.push({ seq, end: this.#session.connection.appended });
  }

  /** What was taken long enough ago; undefined: nothing new. */
  settled(): number | undefined {
    const settled = this.#lastBefore(performance.now());
    if (settled < 0) return undefined;
    const { seq } = this.#marks[settled]!;
    this.#marks = this.#marks.slice(settled + 1);
    return seq;
  }

  #written(): void {
    const taken = this.#queued.findLastIndex((q) => q.end <= this.#session.connection.written);
    if (taken < 0) return;
    const now = performance.now();
    const last = this.#marks.at(-1);
    const { seq } = this.#queued[taken]!;
    // A mark is as old as the last entry in it.
    if (last && now - last.begun < MARK_MS) Object.assign(last, { seq, at: now });
    else this.#marks.push({ seq, begun: now, at: now });
    this.#queued = this.#queued.slice(taken + 1);
    const settled = this.#lastBefore(now);
    if (settled > 0) this.#marks = this.#marks.slice(settled);
  }

  #lastBefore(now: number): number {
    return this.#marks.findLastIndex((mark) => now - mark.at >= CLASSIC_CONFIRM_MS);
  }
}
