/**
 * Bytes in, lines out; knows no socket.
 *
 * 1. A line ends with LF, CRLF or NUL. What stands unfinished at the end is discarded.
 * 2. A line over `maxLine` bytes, or bytes that are not UTF-8, are a fault: the lines before it still come out, then `fault` says what it was.
 * 3. A chunk that is one line and its end, as nearly all are, is that line. Everything else is cut by std's `TextLineStream`, fed by hand: three times cheaper than
 *    a pipe of streams. It is made when it is first needed: most connections never need one (docs/performance.md).
 * 4. Lines come out in the order in which they went in: while the stream holds something, everything goes through it.
 * 5. Reading ahead is bounded: once `READ_AHEAD` chunks wait, `feed` returns a promise that the caller awaits before it reads on.
 */
import { TextLineStream } from "@std/streams/text-line-stream";

const LF = 10, CR = 13;
/** Chunks that may wait for the consumer, so that a reset is noticed while a login is under way. */
const READ_AHEAD = 8;

/** Why no more lines come. */
export type Fault = "too long" | "not UTF-8";

const ignore = () => {};
// Every chunk is decoded by itself. ignoreBOM keeps U+FEFF, which would be lost at the beginning of each.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The two ends of a `TextLineStream`. */
class Cutter {
  readonly writer: WritableStreamDefaultWriter<string>;
  readonly reader: ReadableStreamDefaultReader<string>;

  constructor() {
    const stream = new TextLineStream();
    this.writer = stream.writable.getWriter();
    this.reader = stream.readable.getReader();
    // Both are rejected when the stream is cancelled; nobody else listens.
    this.writer.closed.catch(ignore);
    this.reader.closed.catch(ignore);
  }
}

/** Cuts a stream of bytes into lines. One writer calls `feed` and `end`, one reader calls `read`. */
export class LineDecoder {
  readonly #maxLine: number;
  #cutter: Cutter | undefined;
  /** Lines that came whole, before anything that the cutter holds. */
  #whole: string[] = [];
  /** The first bytes of a character whose rest is still to come (at most 3). */
  #held: Uint8Array | undefined;
  /** Bytes since the last line's end. */
  #unfinished = 0;
  /** The last byte fed was a CR. */
  #afterCr = false;
  /** Lines that went into the cutter, and that came out. */
  #linesFed = 0;
  #linesRead = 0;
  #ended = false;
  #fault: Fault | undefined;
  /** The reader waits. */
  #waiting: ((line: string | undefined | Promise<string | undefined>) => void) | undefined;
  /** The writer waits. */
  #behind: PromiseWithResolvers<void> | undefined;

  /** Begins at the start of a line. @param maxLine most bytes of a line, without its end */
  constructor(maxLine: number) {
    this.#maxLine = maxLine;
  }

  /** Set once nothing more can be read because of what was fed. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  /**
   * Takes the next bytes; they may be overwritten afterwards, and NULs among them become LFs.
   *
   * @returns a promise to await before feeding more, if the reader is far behind; it never rejects
   */
  feed(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#ended) return undefined;
    if (this.#unfinished === 0 && !this.#held && this.#linesRead === this.#linesFed) {
      const line = this.#wholeLine(chunk);
      if (line !== undefined) return this.#take(line);
    }
    if (this.#held) chunk = this.#join(this.#held, chunk);
    for (let at = chunk.indexOf(0); at >= 0; at = chunk.indexOf(0, at + 1)) chunk[at] = LF;
    const end = this.#measure(chunk);
    // A good part that was cut short ends behind an LF, never inside a character.
    const tail = end < chunk.length ? 0 : incompleteTail(chunk);
    if (tail > 0) {
      this.#held = chunk.slice(end - tail);
      // Counted again when their rest has come.
      this.#unfinished -= tail;
    }
    this.#write(chunk.subarray(0, end - tail));
    if (this.#fault) this.end();
    else this.#wake();
    const writer = this.#cutter?.writer;
    // Rejected when it is cancelled; then more may be fed, for nothing.
    return !this.#fault && writer && (writer.desiredSize ?? 0) < -READ_AHEAD ? writer.ready.catch(ignore) : undefined;
  }

  /** No more bytes will come. What stands unfinished counts for nothing. */
  end(): void {
    this.#ended = true;
    // Whoever waits for the rest of a line waits in vain.
    if (this.#linesRead === this.#linesFed) this.#cutter?.reader.cancel().catch(ignore);
    this.#wake();
  }

  /** The next line, without its end; undefined when there are no more. A line that is there comes without a promise. */
  read(): string | Promise<string | undefined> {
    const line = this.#whole.shift();
    if (line === undefined) return new Promise((resolve) => (this.#waiting = resolve, this.#wake()));
    if (this.#whole.length === 0) this.#caughtUp();
    return line;
  }

  /** Nobody will read on: lets go of everything that waits. */
  cancel(): void {
    this.#ended = true;
    this.#whole = [];
    this.#linesRead = this.#linesFed;
    this.#caughtUp();
    this.#cutter?.reader.cancel().catch(ignore);
    this.#wake();
  }

  /** The text of a chunk that is one line and its end, and nothing that must be looked at more closely. */
  #wholeLine(chunk: Uint8Array): string | undefined {
    const last = chunk.length - 1;
    if (last < 0 || chunk.indexOf(LF) !== last || chunk.includes(0)) return undefined;
    const end = chunk[last - 1] === CR ? last - 1 : last;
    if (end > this.#maxLine) return undefined;
    try {
      return decoder.decode(chunk.subarray(0, end));
    } catch {
      return undefined;
    }
  }

  #take(line: string): Promise<void> | undefined {
    this.#afterCr = false;
    if (this.#waiting) {
      this.#waiting(line);
      this.#waiting = undefined;
    } else if (this.#whole.push(line) > READ_AHEAD) return (this.#behind ??= Promise.withResolvers()).promise;
    return undefined;
  }

  #caughtUp(): void {
    this.#behind?.resolve();
    this.#behind = undefined;
  }

  /** Gives the waiting reader what the cutter holds, or the end. */
  #wake(): void {
    if (!this.#waiting) return;
    // While a line is unfinished somebody must pull, else the stream takes no more.
    if (this.#linesRead < this.#linesFed || (this.#unfinished > 0 && !this.#ended)) this.#waiting(this.#cut());
    else if (this.#ended) this.#waiting(undefined);
    else return;
    this.#waiting = undefined;
  }

  async #cut(): Promise<string | undefined> {
    const { value } = await this.#cutter!.reader.read();
    if (value !== undefined) this.#linesRead++;
    return value;
  }

  #join(head: Uint8Array, tail: Uint8Array): Uint8Array {
    const both = new Uint8Array(head.length + tail.length);
    both.set(head);
    both.set(tail, head.length);
    this.#held = undefined;
    return both;
  }

  /** Counts lines and their bytes. @returns where the good part of the chunk ends: at its end, or behind the last line before one that is too long */
  #measure(chunk: Uint8Array): number {
    let start = 0;
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, start)) {
      const length = this.#unfinished + at - start;
      // A CR before the LF belongs to the line's end; it may have come with the chunk before.
      const cr = at > 0 ? chunk[at - 1] === CR : this.#afterCr;
      if (length > this.#maxLine + (cr ? 1 : 0)) {
        this.#fault = "too long";
        return start;
      }
      this.#linesFed++;
      this.#unfinished = 0;
      start = at + 1;
    }
    this.#unfinished += chunk.length - start;
    this.#afterCr = chunk[chunk.length - 1] === CR;
    if (this.#unfinished > this.#maxLine + 1) {
      this.#fault = "too long";
      return start;
    }
    return chunk.length;
  }

  #write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    try {
      this.#push(decoder.decode(bytes));
    } catch {
      this.#writeGoodLines(bytes);
    }
  }

  /** Somewhere in these bytes is something that is not UTF-8: the lines before it count, the one it stands in is the fault. */
  #writeGoodLines(bytes: Uint8Array): void {
    this.#fault = "not UTF-8";
    for (let start = 0; start < bytes.length;) {
      const at = bytes.indexOf(LF, start);
      const end = at < 0 ? bytes.length : at + 1;
      try {
        this.#push(decoder.decode(bytes.subarray(start, end)));
      } catch {
        this.#linesFed -= linesIn(bytes, start);
        return;
      }
      start = end;
    }
  }

  #push(text: string): void {
    (this.#cutter ??= new Cutter()).writer.write(text).catch(ignore);
  }
}

/** How many line ends stand in these bytes from `from` on. */
function linesIn(bytes: Uint8Array, from: number): number {
  let count = 0;
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) count++;
  return count;
}

/** How many bytes at the end (0 to 3) begin a UTF-8 character that needs more bytes than are there. */
function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0;
  }
  return 0;
}
