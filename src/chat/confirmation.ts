/**
 * From client to inbox: what was handled needs not be kept.
 *
 * 1. A modern client says so (RECEIVED). It is written every 200 ms for all sessions together, on condition that the session still is the row's.
 * 2. A classic client cannot say so: a later line of its own, LOGOUT or a clean close confirms what the kernel took at least 5 s before.
 * 3. A departure confirms what is due before it releases; after it, nothing more is confirmed for that session.
 */
import { log } from "../ops/log.ts";
import type { Session } from "../presence/session.ts";
import { type Store, StoreUnavailable } from "../store/store.ts";

/** Between two writes (ms): what a crash may deliver again. */
const FLUSH_MS = 200;
/** Sessions per transaction. */
const BATCH = 500;
/** For how long something must have been written before a classic client's next line confirms it (ms). */
const CLASSIC_MS = 5000;
/** What was written within this time counts as written at its end (ms), so that a session keeps a handful of marks. */
const MARK_MS = 1000;

/** Writes down what clients have handled. */
export class Confirmation {
  readonly #store: Store;
  readonly #due = new Set<Session>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #closed = false;

  /** Nothing is due yet. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** Whether the client has handled more than it has said before, if it has handled everything up to `seq`. */
  isNews(session: Session, seq: number): boolean {
    return Math.min(seq, session.cursor ?? 0) > session.confirmed;
  }

  /** The client has handled everything up to `seq`. More than it was sent counts as that; less than before is ignored. */
  received(session: Session, seq: number): void {
    if (!this.isNews(session, seq) || session.departed) return;
    session.confirmed = Math.min(seq, session.cursor ?? 0);
    this.#due.add(session);
    this.#schedule();
  }

  /** Follows what the kernel takes of a classic session, from `cursor` on, which its LOGIN_ACK carries. */
  follow(session: Session, cursor: number): void {
    const { connection } = session;
    /** Not yet taken: what must have been written for this `seq` to be out. */
    let queued: { seq: number; end: number }[] = [];
    let marks: { seq: number; begun: number; at: number }[] = [];
    session.sent = (seq) => queued.push({ seq, end: connection.appended });
    connection.onWritten = () => {
      const taken = queued.findLastIndex((q) => q.end <= connection.written);
      if (taken < 0) return;
      const now = performance.now();
      const last = marks.at(-1);
      const { seq } = queued[taken]!;
      // A mark is as old as the last message in it.
      if (last && now - last.begun < MARK_MS) Object.assign(last, { seq, at: now });
      else marks.push({ seq, begun: now, at: now });
      queued = queued.slice(taken + 1);
      const settled = marks.findLastIndex((m) => now - m.at >= CLASSIC_MS);
      if (settled > 0) marks = marks.slice(settled);
    };
    session.acted = () => {
      const settled = marks.findLastIndex((m) => performance.now() - m.at >= CLASSIC_MS);
      if (settled < 0) return;
      this.received(session, marks[settled]!.seq);
      marks = marks.slice(settled + 1);
    };
    session.sent(cursor);
  }

  /** Writes no more; departures confirm what is due. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
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
    for (let i = 0; i < sessions.length; i += BATCH) {
      const batch = sessions.slice(i, i + BATCH).filter((s) => !s.departed);
      const rows = batch.map((s) => ({ userId: s.userId, session: s.id, seq: s.confirmed }));
      try {
        if (rows.length > 0) await this.#store.confirm(rows);
        rows.forEach((row, j) => batch[j]!.confirmedStored = row.seq);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) log.error("confirming failed", { error });
        for (const session of batch) this.#due.add(session);
      }
    }
    this.#running = false;
    if (this.#due.size > 0) this.#schedule();
  }
}
