/**
 * From a user's log to the clients of their devices.
 *
 * 1. A session has a cursor into its user's log: the last `seq` that went into its outgoing queue. An entry whose `seq` is the next one goes straight out of memory;
 *    any other means that the gap is read from the store. So a client sees the log in order, without a gap, whatever overtakes whatever inside the server.
 * 2. Nothing is delivered before LOGIN_ACK has gone out (`open`); what comes meanwhile only raises `known`.
 * 3. Into a congested connection nothing more is put: the session falls back to its cursor, and reads on when the queue has drained. A slow reader costs
 *    bounded memory and loses nothing; the user's other devices do not notice it.
 * 4. One reading of the log at a time per session (`reading`); a wake-up during it makes it go on. A user's devices share how much is read in a while: who logs in over
 *    and over with the same entries waiting is read to more slowly, and what is new goes out of memory to those that are not behind.
 * 5. What is gone from the log before a session has got to it was trimmed away, since its device was too far behind: the session ends with GOODBYE `slow`, and
 *    sees at its next login where it stands.
 * 6. Clients of 0.1 are not sent their user's own messages, nor what was done to messages, and no message that was deleted. What a session is not sent counts as sent,
 *    and is confirmed with what came before.
 * 7. What was done to a message is told as the message is at the moment of telling, out of memory as it was at the commit: so an edit may be told that is undone behind it.
 */
import type { NodeMessage } from "../cluster/bus.ts";
import type { Session } from "../net/session.ts";
import { catchUpCost } from "../ops/costs.ts";
import type { Limits } from "../ops/limits.ts";
import { log } from "../ops/log.ts";
import type { ConnectionTable } from "../presence/connection_table.ts";
import { type Store, StoreUnavailable } from "../store/store.ts";
import { entryEnd, type EntryHead, entryHead } from "../wire/encode.ts";
import type { Confirmation } from "./confirmation.ts";
import type { Terms } from "./terms.ts";

/** What is read from a log at once: entries, and bytes of text. */
const PAGE_ROWS = 200, PAGE_BYTES = 256 * 1024;
/** Until the next try when the log could not be read (ms). */
const READ_AGAIN_MS = 1000;

/** Where a session stands in the log of its user. */
interface Place {
  /** The last `seq` that went into the outgoing queue; undefined until LOGIN_ACK has gone there. */
  cursor: number | undefined;
  /** The highest `seq` known to stand in the log. */
  known: number;
  /** The log is being read. */
  reading: boolean;
}

/** Sends each session what is in the log of its user. */
export class Delivery {
  readonly #store: Store;
  readonly #table: ConnectionTable;
  readonly #confirmation: Confirmation;
  readonly #terms: Pick<Terms, "url">;
  readonly #limits: Limits;
  readonly #tooSlow: (session: Session) => void;
  readonly #places = new WeakMap<Session, Place>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #closed = false;
  /** Messages put into outgoing queues. */
  delivered = 0;

  /** `terms.url` is how this server is reached over HTTP; `tooSlow` ends a session whose place was trimmed away. */
  constructor(
    parts: {
      store: Store;
      table: ConnectionTable;
      confirmation: Confirmation;
      terms: Pick<Terms, "url">;
      limits: Limits;
      tooSlow: (session: Session) => void;
    },
  ) {
    this.#store = parts.store;
    this.#table = parts.table;
    this.#confirmation = parts.confirmation;
    this.#terms = parts.terms;
    this.#limits = parts.limits;
    this.#tooSlow = parts.tooSlow;
  }

  /** An entry was stored in the logs of users who are here. */
  stored(entry: NodeMessage & { type: "deliver" }): void {
    for (const [userId, seq] of entry.receivers) {
      for (const session of this.#table.of(userId)) this.#push(session, seq, entry, entry.own === userId);
    }
  }

  /** LOGIN_ACK has gone out, and tells the client to expect what comes after `cursor`; `last` is known to be there. */
  open(session: Session, cursor: number, last: number): void {
    this.#placeOf(session).cursor = cursor;
    this.noticed(session, last);
  }

  /** The log holds entries up to `last`. */
  noticed(session: Session, last: number): void {
    const place = this.#placeOf(session);
    if (last > place.known) place.known = last;
    this.#read(session, place);
  }

  /** Tries no more what could not be read. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #placeOf(session: Session): Place {
    const known = this.#places.get(session);
    if (known) return known;
    const place: Place = { cursor: undefined, known: 0, reading: false };
    this.#places.set(session, place);
    return place;
  }

  #push(session: Session, seq: number, entry: EntryHead, own: boolean): void {
    const place = this.#placeOf(session);
    if (seq > place.known) place.known = seq;
    if (seq - 1 === place.cursor && !place.reading && !session.connection.congested) {
      place.cursor = seq;
      this.#send(session, seq, entry, own);
    } else this.#read(session, place);
  }

  #send(session: Session, seq: number, { head, old }: EntryHead, own: boolean): void {
    if (session.dialect !== 3) {
      if (own || old === null) return this.#confirmation.skipped(session, seq);
      head = old ?? head;
    }
    this.delivered++;
    session.connection.sendJoined(head, entryEnd(seq));
    this.#confirmation.sent(session, seq);
  }

  #read(session: Session, place: Place): void {
    if (place.cursor === undefined || place.reading || place.cursor >= place.known) return;
    place.reading = true;
    void this.#catchUp(session, place, place.cursor);
  }

  async #catchUp(session: Session, place: Place, cursor: number): Promise<void> {
    const { connection, userId } = session;
    const limits = this.#limits;
    try {
      while (cursor < place.known) {
        await connection.drained();
        for (let wait = limits.catchUp(userId); wait > 0; wait = limits.catchUp(userId)) await this.#pause(wait);
        if (session.departed || connection.ending) return;
        const entries = await this.#store.log(userId, cursor, PAGE_ROWS, PAGE_BYTES);
        if (session.departed || connection.ending) return;
        if (entries[0]?.seq !== cursor + 1) return this.#tooSlow(session);
        const before = connection.appended;
        for (const entry of entries) {
          this.#send(session, entry.seq, entryHead(entry, this.#terms.url), entry.id === userId && entry.toid !== userId);
          place.cursor = cursor = entry.seq;
        }
        limits.caughtUp(userId, catchUpCost(entries.length, connection.appended - before));
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) log.error("reading a log failed", { user: userId, error });
      if (!session.departed) void this.#pause(READ_AGAIN_MS).then(() => session.departed || this.#read(session, place));
    } finally {
      place.reading = false;
    }
  }

  /** Resolves after `ms`; once this is closed, never. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed) return;
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        resolve();
      }, ms);
      this.#timers.add(timer);
    });
  }
}
