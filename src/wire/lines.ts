/**
 * Bytes in, lines out; knows no socket.
 *
 * 1. A line ends with LF, CRLF or NUL. What stands unfinished at the end is discarded.
 * 2. A line over `maxLine` bytes, or bytes that are not UTF-8, are a fault: the lines before it still come out, then `fault` says what it was.
 * 3. Lines that stand whole in a chunk, as nearly all do, are cut out of it when they are asked for: taking a chunk in costs the same however many are in it. A line that comes in pieces is put together by std's `TextLineStream`, fed by
 *    hand; it is made when it is first needed: most connections never need one (docs/performance.md).
 * 4. Lines come out in the order in which they went in: behind one that the stream still puts together, the others wait.
 */
import { TextLineStream } from "@std/streams/text-line-stream";
import { decodeUtf8 } from "./utf8.ts";

const LF = 10, CR = 13;

/** Why no more lines come. */
export type Fault = "too long" | "not UTF-8";

const ignore = () => {};

/** Puts lines together that come in pieces. */
class Joiner {
  readonly #writer: WritableStreamDefaultWriter<string>;
  readonly #reader: ReadableStreamDefaultReader<string>;

  constructor() {
    const stream = new TextLineStream();
    this.#writer = stream.writable.getWriter();
    this.#reader = stream.readable.getReader();
    // Both are rejected when the stream is cancelled; nobody else listens.
    this.#writer.closed.catch(ignore);
    this.#reader.closed.catch(ignore);
  }

  write(piece: string): void {
    this.#writer.write(piece).catch(ignore);
  }

  /** The next line, when its last piece is there. It must be asked for before its first is written: else the stream holds all pieces apart. */
  async read(): Promise<string> {
    return (await this.#reader.read()).value ?? "";
  }

  cancel(): void {
    this.#reader.cancel().catch(ignore);
  }
}

/** Cuts a stream of bytes into lines. */
export class LineDecoder {
  readonly #maxLine: number;
  /**
   * What waits: texts of whole lines, each with its end, and lines that are put together; those before `#taken` are gone: to shift them one by one out of a long
   * list would take seconds.
   */
  #waiting: (string | Promise<string>)[] = [];
  #taken = 0;
  /** Where in the first text the next line begins. */
  #at = 0;
  #joiner: Joiner | undefined;
  /** The line whose beginning the joiner has, and whose end is still to come. */
  #begun: Promise<string> | undefined;
  /** The first bytes of a character whose rest is still to come (at most 3). */
  #held: Uint8Array | undefined;
  /** Bytes since the last line's end, without those held. */
  #unfinished = 0;
  /** The last byte fed was a CR. */
  #afterCr = false;
  #fault: Fault | undefined;

  /** Begins at the start of a line. @param maxLine most bytes of a line, without its end */
  constructor(maxLine: number) {
    this.#maxLine = maxLine;
  }

  /** Set once no more lines can be had because of what was fed. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  /** Takes the next bytes; they may be overwritten, now and afterwards. */
  feed(chunk: Uint8Array): void {
    if (this.#fault || chunk.length === 0) return;
    if (this.#held) chunk = this.#join(this.#held, chunk);
    const end = this.#measure(chunk);
    // A good part that was cut short ends behind a line's end, never inside a character.
    const tail = end < chunk.length ? 0 : incompleteTail(chunk);
    if (tail > 0) {
      this.#held = chunk.slice(end - tail);
      // Counted again when their rest has come.
      this.#unfinished -= tail;
    }
    const good = end - tail < chunk.length ? chunk.subarray(0, end - tail) : chunk;
    const text = decodeUtf8(good);
    if (text === undefined) this.#takeGoodLines(good);
    else this.#take(text);
  }

  /** The next line, without its end: a promise if it came in pieces, undefined if none is there yet. */
  next(): string | Promise<string> | undefined {
    const text = this.#waiting[this.#taken];
    if (typeof text !== "string") {
      if (text !== undefined) this.#taken++;
      else if (this.#taken > 0) this.#forget();
      return text;
    }
    const start = this.#at, at = text.indexOf("\n", start);
    this.#at = at + 1;
    if (this.#at === text.length) {
      this.#taken++;
      this.#at = 0;
    }
    return text.slice(start, at > start && text.charCodeAt(at - 1) === CR ? at - 1 : at);
  }

  /** Lets go of everything: nobody asks for lines any more. */
  cancel(): void {
    this.#forget();
    this.#joiner?.cancel();
  }

  #forget(): void {
    this.#waiting = [];
    this.#taken = this.#at = 0;
  }

  #join(head: Uint8Array, tail: Uint8Array): Uint8Array {
    const both = new Uint8Array(head.length + tail.length);
    both.set(head);
    both.set(tail, head.length);
    this.#held = undefined;
    return both;
  }

  /** Counts the bytes of lines. @returns where the good part of the chunk ends: at its end, or behind the last line before one that is too long */
  #measure(chunk: Uint8Array): number {
    const last = chunk.length - 1;
    let start = 0;
    // Shorter than a line may be: what is in it need not be counted.
    if (this.#unfinished + chunk.length <= this.#maxLine) {
      if (chunk[last] === LF) start = chunk.length;
      else start = Math.max(chunk.lastIndexOf(LF), chunk.lastIndexOf(0)) + 1;
      if (start > 0) this.#unfinished = 0;
    } else {
      replaceNuls(chunk);
      for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, start)) {
        const length = this.#unfinished + at - start;
        // A CR before the end belongs to it; it may have come with the chunk before.
        const cr = at > 0 ? chunk[at - 1] === CR : this.#afterCr;
        if (length > this.#maxLine + (cr ? 1 : 0)) {
          this.#fault = "too long";
          return start;
        }
        this.#unfinished = 0;
        start = at + 1;
      }
    }
    this.#unfinished += chunk.length - start;
    this.#afterCr = chunk[last] === CR;
    if (this.#unfinished > this.#maxLine + 1) {
      this.#fault = "too long";
      return start;
    }
    return chunk.length;
  }

  /** Takes the text's whole lines, and gives the joiner what is none. */
  #take(text: string): void {
    if (text.includes("\0")) text = text.replaceAll("\0", "\n");
    let start = 0;
    const end = text.lastIndexOf("\n") + 1;
    if (this.#begun && end > 0) {
      start = text.indexOf("\n") + 1;
      this.#joiner!.write(text.slice(0, start));
      this.#waiting.push(this.#begun);
      this.#begun = undefined;
    }
    if (end > start) this.#waiting.push(text.slice(start, end));
    if (end === text.length) return;
    this.#joiner ??= new Joiner();
    this.#begun ??= this.#joiner.read();
    this.#joiner.write(text.slice(end));
  }

  /** Somewhere in these bytes is something that is not UTF-8: the lines before it count, the one it stands in is the fault. */
  #takeGoodLines(bytes: Uint8Array): void {
    this.#fault = "not UTF-8";
    replaceNuls(bytes);
    for (let start = 0; start < bytes.length;) {
      const at = bytes.indexOf(LF, start);
      const end = at < 0 ? bytes.length : at + 1;
      const text = decodeUtf8(bytes.subarray(start, end));
      if (text === undefined) return;
      this.#take(text);
      start = end;
    }
  }
}

/** Each becomes the LF that it stands for. */
function replaceNuls(bytes: Uint8Array): void {
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) bytes[at] = LF;
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
