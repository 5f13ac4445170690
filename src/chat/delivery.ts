/**
 * From inbox to client.
 *
 * 1. A session has a cursor: the last `seq` that went into its outgoing queue. A message whose `seq` is the next one goes straight out of memory; any other means
 *    that the gap is read from the store. So a client sees its inbox in order, without a gap, whatever overtakes whatever inside the server.
 * 2. Nothing is delivered before LOGIN_ACK has gone out (`open`); what comes meanwhile only raises `known`.
 * 3. Into a congested connection nothing more is put: the session falls back to its cursor, and reads on when the queue has drained. A slow reader costs
 *    bounded memory and loses nothing.
 * 4. One reading of an inbox at a time per session (`reading`); a wake-up during it makes it go on.
 */
import { log } from "../ops/log.ts";
import type { Session } from "../presence/session.ts";
import { type Store, StoreUnavailable } from "../store/store.ts";
import { chatHead, chatLine } from "../wire/encode.ts";

/** What is read from an inbox at once: rows, and bytes of text. */
const PAGE_ROWS = 200, PAGE_BYTES = 256 * 1024;
/** Until the next try when the database is away (ms). */
const RETRY_MS = 1000;

/** Sends each session what is in its inbox. */
export class Delivery {
  readonly #store: Store;
  readonly #retries = new Set<ReturnType<typeof setTimeout>>();
  /** Messages put into outgoing queues. */
  delivered = 0;

  /** Joins it to the store, from which gaps are read. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** A message was stored in the inbox of someone who is here. `head`: see {@linkcode chatHead}. */
  push(session: Session, seq: number, head: string): void {
    if (seq > session.known) session.known = seq;
    if (seq - 1 === session.cursor && !session.reading && !session.connection.congested) {
      session.cursor = seq;
      this.#send(session, seq, head);
    } else this.#read(session);
  }

  /** LOGIN_ACK has gone out, and tells the client to expect what comes after `cursor`; `last` is known to be there. */
  open(session: Session, cursor: number, last: number): void {
    session.cursor = cursor;
    this.noticed(session, last);
  }

  /** The inbox holds messages up to `last`. */
  noticed(session: Session, last: number): void {
    if (last > session.known) session.known = last;
    this.#read(session);
  }

  /** Tries no more what the database did not give. */
  close(): void {
    for (const timer of this.#retries) clearTimeout(timer);
  }

  #send(session: Session, seq: number, head: string): void {
    this.delivered++;
    session.connection.sendLine(chatLine(head, seq));
    session.sent?.(seq);
  }

  #read(session: Session): void {
    if (session.cursor === undefined || session.reading || session.cursor >= session.known) return;
    session.reading = true;
    void this.#catchUp(session, session.cursor);
  }

  async #catchUp(session: Session, cursor: number): Promise<void> {
    const { connection, userId } = session;
    try {
      while (cursor < session.known) {
        await connection.drained();
        if (session.departed || connection.ending) return;
        const messages = await this.#store.inbox(userId, cursor, PAGE_ROWS, PAGE_BYTES);
        if (session.departed || connection.ending) return;
        // Confirmed elsewhere, or removed with a group: nothing is there to wait for.
        if (messages.length === 0) cursor = session.known;
        for (const message of messages) {
          cursor = message.seq;
          this.#send(session, cursor, chatHead(message));
        }
        session.cursor = cursor;
      }
    } catch (error) {
      if (error instanceof StoreUnavailable) this.#later(session);
      else log.error("reading an inbox failed", { user: userId, error });
    } finally {
      session.reading = false;
    }
  }

  #later(session: Session): void {
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      if (!session.departed) this.#read(session);
    }, RETRY_MS);
    this.#retries.add(timer);
  }
}
