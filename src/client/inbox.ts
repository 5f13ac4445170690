/**
 * What arrives by the log: in order, once, and confirmed when it has been handled.
 *
 * Rules:
 *
 * 1. Entries are handed over in the order of `seq`, one at a time: the next when all listeners of the one before have returned, their promises included.
 *    As long as nobody listens for messages all wait.
 * 2. Handled means that; only what is handled is confirmed, at most every 200 ms or each 64 messages.
 * 3. The server sends what is unconfirmed again on every new connection. What has been here (`received`) is dropped, whether it is handled or waits.
 * 4. Numbers are good within one `epoch`, the server's name for its database. A session that begins above what was handled here, or in another epoch, starts
 *    anew: what was here is let go, and messages come from where the server says. Whoever remembers nothing takes over what there is.
 * 5. A listener that throws has not handled the entry. What waits is dropped, and `failed` ends the connection, so that the server sends it again.
 */
import { type Anew, type LoginAck, Msg } from "./protocol.ts";
import type { Link } from "./link.ts";

/** How long a confirmation waits for company (ms), and how much of it. */
const CONFIRM_AFTER = 200;
const CONFIRM_EACH = 64;

/** Something that came by the log. */
export interface Entry {
  /** What it is. */
  msgid: number;
  /** Its number. */
  seq: number;
}

/** What an inbox needs, and whom it tells. */
export interface InboxParts {
  /** Somebody listens for messages. */
  heard(): boolean;
  /** Tells who listens for this. @returns what they return */
  handOver(entry: Entry): unknown[];
  /** A listener has thrown this. */
  failed(error: unknown): void;
}

/** The order and the confirmation of what comes by the log. */
export class Inbox {
  readonly #parts: InboxParts;
  #queue: Entry[] = [];
  /** The run of hand-overs under way; a new one starts when another user logs in, or after a failure. */
  #run: symbol | undefined;
  #received = 0;
  #handled = 0;
  /** Of the database that these numbers are of; undefined: nothing is remembered, or it was before there were epochs. */
  #epoch: string | undefined;
  /** Nothing is remembered. */
  #blank = true;

  // Of the present connection: the highest number it brought, and what was confirmed on it.
  #link: Link | undefined;
  #seen = 0;
  #confirmed = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Nothing has been handled yet. */
  constructor(parts: InboxParts) {
    this.#parts = parts;
  }

  /** The number of the last entry that was handled. */
  get handled(): number {
    return this.#handled;
  }

  /** The database that the numbers are of; undefined before the first session. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Becomes someone who has handled everything up to `handled` of that epoch; without an argument, someone who remembers nothing. */
  reset(handled?: number, epoch?: string): void {
    this.#queue = [];
    this.#run = undefined;
    this.#received = this.#handled = handled ?? 0;
    this.#blank = handled === undefined;
    this.#epoch = epoch;
  }

  /** A session stands. @returns why this starts anew (rule 4), if it does. */
  attach(link: Link, { epoch, confirmed, last }: LoginAck["inbox"]): Anew["why"] | undefined {
    // A database that was put back by hand may have kept its epoch: its numbers fell.
    const restored = this.#epoch !== undefined && this.#epoch !== epoch || last < this.#received;
    const anew = this.#blank ? undefined : restored ? "restored" : confirmed > this.#handled ? "missed" : undefined;
    if (this.#blank || anew) this.reset(confirmed, epoch);
    this.#epoch = epoch;
    this.#link = link;
    this.#seen = this.#confirmed = confirmed;
    return anew;
  }

  /** The session is over. */
  detach(): void {
    this.#link = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Takes an entry from the connection. */
  receive(entry: Entry): void {
    this.#seen = entry.seq;
    if (entry.seq > this.#received) {
      this.#received = entry.seq;
      this.#queue.push(entry);
      this.handOver();
    } else {
      this.#due();
    }
  }

  /** Hands over what waits, if there is a listener and nothing is being handled. Never rejects. */
  async handOver(): Promise<void> {
    if (this.#run !== undefined) return;
    const run = this.#run = Symbol();
    while (this.#queue.length > 0 && this.#parts.heard()) {
      const entry = this.#queue[0];
      try {
        const promises = this.#parts.handOver(entry).filter((result) => result instanceof Promise);
        // Most listeners return nothing; then whole batches go without leaving the turn.
        if (promises.length > 0) await Promise.all(promises);
      } catch (error) {
        if (this.#run !== run) return;
        this.reset(this.#handled, this.#epoch);
        return this.#parts.failed(error);
      }
      if (this.#run !== run) return;
      this.#queue.shift();
      this.#handled = Math.max(this.#handled, entry.seq);
      this.#due();
    }
    this.#run = undefined;
  }

  /** Confirms at once what has been handled. */
  confirm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const seq = Math.min(this.#handled, this.#seen);
    if (this.#link === undefined || seq <= this.#confirmed) return;
    this.#confirmed = seq;
    this.#link.send({ msgid: Msg.RECEIVED, seq });
  }

  /** Something may have become due for confirmation. */
  #due(): void {
    // The server counts no higher than what it sent on this connection.
    const due = Math.min(this.#handled, this.#seen) - this.#confirmed;
    if (this.#link === undefined || due <= 0) return;
    if (due >= CONFIRM_EACH) this.confirm();
    else this.#timer ??= setTimeout(() => this.confirm(), CONFIRM_AFTER);
  }
}
