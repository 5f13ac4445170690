/**
 * Bytes in, lines out; knows no socket.
 *
 * 1. A line ends with LF, CRLF or NUL. What stands unfinished at the end is discarded.
 * 2. A line over `maxLine` bytes, or bytes that are not UTF-8, are a fault: the lines before it still come out, then `fault` says what it was.
 * 3. The cutting is done by std's `TextLineStream`, fed by hand: three times cheaper than a pipe of streams (docs/performance.md).
 * 4. Reading ahead is bounded: once `READ_AHEAD` chunks wait, `feed` returns a promise that the caller awaits before it reads on.
 */
import { TextLineStream } from "@std/streams/text-line-stream";

const LF = 10, CR = 13;
/** Chunks that may wait for the consumer, so that a reset is noticed while a login is under way. */
const READ_AHEAD = 8;

/** Why no more lines come. */
export type Fault = "too long" | "not UTF-8";

const ignore = () => {};

/** Cuts a stream of bytes into lines. One writer calls `feed` and `end`, one reader calls `read`. */
export class LineDecoder {
  readonly #maxLine: number;
  readonly #writer: WritableStreamDefaultWriter<string>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  // ignoreBOM keeps U+FEFF: every chunk is decoded by itself, and would lose one at its beginning.
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** The first bytes of a character whose rest is still to come (at most 3). */
  #held: Uint8Array | undefined;
  /** Bytes since the last line's end. */
  #unfinished = 0;
  /** The last byte fed was a CR. */
  #afterCr = false;
  #linesFed = 0;
  #linesRead = 0;
  #fault: Fault | undefined;

  /** @param maxLine most bytes of a line, without its end */
  constructor(maxLine: number) {
    this.#maxLine = maxLine;
    const stream = new TextLineStream();
    this.#writer = stream.writable.getWriter();
    this.#reader = stream.readable.getReader();
    // Both are rejected when the stream is cancelled; nobody else listens.
    this.#writer.closed.catch(ignore);
    this.#reader.closed.catch(ignore);
  }

  /** Set once nothing more can be read because of what was fed. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  /**
   * Takes the next bytes; they may be overwritten afterwards, and NULs among them become LFs.
   *
   * @returns a promise to await before feeding more, if the reader is far behind
   */
  feed(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#fault) return undefined;
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
    else if ((this.#writer.desiredSize ?? 0) < -READ_AHEAD) return this.#writer.ready;
    return undefined;
  }

  /** No more bytes will come. */
  end(): void {
    this.#writer.close().catch(ignore);
  }

  /** The next line, without its end; undefined when there are no more. */
  async read(): Promise<string | undefined> {
    const { value, done } = await this.#reader.read();
    // Closing the stream also yields what stood unfinished; only lines that were ended count.
    return done || this.#linesRead++ >= this.#linesFed ? undefined : value;
  }

  /** Nobody will read on: lets go of everything that waits. */
  cancel(): void {
    this.#reader.cancel().catch(ignore);
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
      this.#push(this.#decoder.decode(bytes));
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
        this.#push(this.#decoder.decode(bytes.subarray(start, end)));
      } catch {
        this.#linesFed -= linesIn(bytes, start);
        return;
      }
      start = end;
    }
  }

  #push(text: string): void {
    this.#writer.write(text).catch(ignore);
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
