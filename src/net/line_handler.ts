/**
 * From bytes to the handler of lines, for transports that are streams of bytes.
 *
 * 1. One line after the other: while the handler's promise is pending, the next line waits. Where it returns none, nothing is awaited: a chunk's lines are handled
 *    in the turn of the event loop that brought them.
 * 2. Who sends many at once, or without a pause, does not have the event loop for long: when the share is spent (`async/loop.ts`), the rest is handled in later turns,
 *    and the transport reads on in one.
 * 3. While a line is being handled reading goes on, so that a reset is noticed, but not without a bound: once `CHUNKS_AHEAD` chunks have come since the handler was
 *    last idle, `feed` returns a promise that the transport awaits before it reads on.
 * 4. While the connection is congested, no line is handled; once its end has begun, none at all.
 * 5. `fault` or `end` is called once, after the last line, unless the connection is ending by itself.
 */
import { later, laterFirst, spent, worked } from "../async/loop.ts";
import { type Fault, LineDecoder } from "../wire/lines.ts";
import type { Connection } from "./connection.ts";

/** Chunks that may come while the handler is busy. */
const CHUNKS_AHEAD = 8;
/** Who sends less at once (bytes) is not who keeps the server at work: nobody looks at the clock for it, and it is read on at once. */
const MUCH = 1024;
/** After so many lines of a connection, without a pause between them, it is looked whether the turn is spent. */
export const LINES_OF_TURN = 16;

/** What a transport calls with what comes to it; the server implements it. */
export interface LineHandler {
  /** A connection has come; the handler may end it at once. */
  opened(connection: Connection): void;
  /** One line. The next one comes when the promise (if any) has resolved. Never throws. */
  line(connection: Connection, line: string): void | Promise<void>;
  /** The input cannot be read on; "framing": the transport's own rules are broken. The handler ends the connection. */
  fault(connection: Connection, fault: Fault | "framing"): void;
  /** The client's FIN came, and all its lines were handled. The handler ends the connection. */
  end(connection: Connection): Promise<void>;
}

/** What every transport needs to know. */
export interface LineLimits {
  /** Most bytes of a line. */
  maxLine: number;
  /** From how many queued characters on a connection is congested. */
  sendQueue: number;
}

/** What comes from one client. */
export class LineInput {
  readonly #connection: Connection;
  readonly #handler: LineHandler;
  readonly #lines: LineDecoder;
  /** A line is being handled, or put together, or waits for a later turn. */
  #busy = false;
  #handled = 0;
  /** No more bytes will come. */
  #ended = false;
  /** No more lines will be handled. */
  #over = false;
  /** Chunks that came while a line was being handled. */
  #ahead = 0;
  #behind: PromiseWithResolvers<void> | undefined;

  /** Nothing has come yet. @param maxLine most bytes of a line */
  constructor(connection: Connection, handler: LineHandler, maxLine: number) {
    this.#connection = connection;
    this.#handler = handler;
    this.#lines = new LineDecoder(maxLine);
  }

  /**
   * Takes the next bytes, which may be overwritten, and handles the lines that they end, as far as nothing is awaited.
   *
   * @returns a promise to await before feeding more, if the handler is far behind or others are to be seen to; it never rejects
   */
  feed(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#over) return undefined;
    const much = chunk.length >= MUCH, begun = much ? performance.now() : 0;
    this.#lines.feed(chunk);
    this.#handle();
    const spent = much && worked(performance.now() - begun);
    if (this.#busy && ++this.#ahead > CHUNKS_AHEAD) return (this.#behind ??= Promise.withResolvers()).promise;
    return spent ? new Promise(laterFirst) : undefined;
  }

  /** No more bytes will come. What stands unfinished counts for nothing. */
  end(): void {
    this.#ended = true;
    this.#handle();
  }

  /** The connection is gone: what waits is let go of. */
  cancel(): void {
    this.#over = true;
    this.#lines.cancel();
    this.#caughtUp();
  }

  #handle(): void {
    if (this.#busy || this.#over) return;
    const connection = this.#connection;
    for (;;) {
      if (connection.ending) return this.cancel();
      if (this.#handled === LINES_OF_TURN) {
        this.#handled = 0;
        if (spent()) return this.#later();
      }
      const line = this.#lines.next();
      if (line === undefined) break;
      this.#handled++;
      // The fast way is the one without a promise.
      const busy = typeof line === "string" ? this.#line(line) : line.then((line) => this.#line(line));
      if (busy) return this.#wait(busy);
    }
    this.#caughtUp();
    if (this.#lines.fault) {
      this.cancel();
      this.#handler.fault(connection, this.#lines.fault);
    } else if (this.#ended) {
      this.cancel();
      void this.#handler.end(connection);
    }
  }

  #line(line: string): void | Promise<void> {
    const connection = this.#connection;
    if (connection.ending) return;
    if (!connection.congested) return this.#handler.line(connection, line);
    return connection.drained().then(() => connection.ending ? undefined : this.#handler.line(connection, line));
  }

  #wait(busy: Promise<void>): void {
    this.#busy = true;
    void busy.finally(() => this.#goOn());
  }

  #later(): void {
    this.#busy = true;
    later(() => this.#goOn());
  }

  #goOn(): void {
    this.#busy = false;
    this.#handle();
  }

  #caughtUp(): void {
    this.#handled = 0;
    this.#ahead = 0;
    this.#behind?.resolve();
    this.#behind = undefined;
  }
}
