/**
 * The keyboard, between the terminal and readline, which knows neither of pastes nor of characters that are made of several.
 *
 * Rules:
 *
 * 1. A paste (`CSI 200 ~` … `CSI 201 ~`) is text, whatever is in it: no key and no command. Its lines are joined by {@linkcode LINE_BREAK}, a character that can be
 *    seen; those at its end are left out. Text goes into the line as a whole: character by character, readline takes a second for each thousand and more.
 * 2. Left, right, backspace and delete go by whole characters as people see them: readline, which goes by code points, gets the key as often as that takes.
 * 3. What is not UTF-8 is given on as `�`, and told ({@linkcode Keys.broken}): nobody typed that.
 * 4. Each key is given on by itself: what readline made of the one before decides about the next.
 */
import type { Interface } from "node:readline";
import { Readable } from "node:stream";
import { LINE_ENDS } from "./text.ts";

/** Stands for a line break in the line that is typed. */
export const LINE_BREAK = "␤";

const PASTE = "\x1b[200~", PASTED = "\x1b[201~";
/** Turns the telling of pastes on and off. */
export const PASTES_ON = "\x1b[?2004h", PASTES_OFF = "\x1b[?2004l";

/** How long what follows an Escape may take (ms): nobody types that fast, and lines are faster. */
const ESCAPE = 50;

const LEFT = ["\x1b[D", "\x1bOD", "\x02", "\x7f", "\b"], RIGHT = ["\x1b[C", "\x1bOC", "\x06", "\x1b[3~", "\x04"];
// deno-lint-ignore no-control-regex -- Keys are control characters.
const KEY = /\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z]|[^\x1b])?|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]+/y;

const TEXT = /^\P{Cc}/u;

const characters = new Intl.Segmenter();

/** What readline reads from. */
export class Keys extends Readable {
  /** Something was typed that is not UTF-8, since this was last set to false. */
  broken = false;
  /** The line that is typed, and the place in it. */
  line: Pick<Interface, "line" | "cursor"> | undefined;
  /** Puts text into that line. */
  insert: (text: string) => void = (text) => void this.emit("data", text);
  readonly #setRaw: (raw: boolean) => void;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #rest = new Uint8Array();
  #unfinished = "";
  #alone: ReturnType<typeof setTimeout> | undefined;
  #pasting = false;
  /** Line breaks of a paste that are given on if something follows. */
  #breaks = 0;
  #afterCr = false;

  /** `setRaw` makes the terminal give each key at once, and no line. */
  constructor(setRaw: (raw: boolean) => void) {
    super({ read() {} });
    this.#setRaw = setRaw;
  }

  /** For readline. */
  setRawMode(raw: boolean): void {
    this.#setRaw(raw);
  }

  /** Takes what the terminal gave. */
  feed(bytes: Uint8Array): void {
    clearTimeout(this.#alone);
    let text = this.#unfinished + this.#decode(bytes);
    this.#unfinished = "";
    if (bytes.length === 0) return this.#type(text);
    while (text !== "") {
      const marker = this.#pasting ? PASTED : PASTE;
      const at = text.indexOf(marker);
      const end = at >= 0 ? at : text.length - startOf(marker, text);
      if (this.#pasting) this.#paste(text.slice(0, end));
      else this.#type(text.slice(0, end));
      if (at < 0) {
        this.#unfinished = text.slice(end);
        // A lone Escape is a key as well, if nothing follows.
        if (this.#unfinished === "\x1b" && !this.#pasting) this.#alone = setTimeout(() => this.feed(new Uint8Array()), ESCAPE);
        return;
      }
      this.#pasting = !this.#pasting;
      this.#breaks = 0;
      this.#afterCr = false;
      text = text.slice(at + marker.length);
    }
  }

  #paste(text: string): void {
    // CR and LF may come in two pieces.
    const lines = this.#afterCr && text.startsWith("\n") ? text.slice(1) : text;
    if (text !== "") this.#afterCr = text.endsWith("\r");
    let inserted = "";
    for (const [i, line] of lines.split(LINE_ENDS).entries()) {
      if (i > 0) this.#breaks++;
      // deno-lint-ignore no-control-regex -- Rule 1: what would be a key is none, and what a terminal would obey is not shown to it.
      const harmless = line.replaceAll("\t", "    ").replace(/[\x00-\x1f\x7f-\x9f]/g, "");
      if (harmless === "") continue;
      inserted += LINE_BREAK.repeat(this.#breaks) + harmless;
      this.#breaks = 0;
    }
    if (inserted !== "") this.insert(inserted);
  }

  #type(text: string): void {
    for (const [key] of text.matchAll(new RegExp(KEY, "g"))) {
      if (TEXT.test(key)) this.insert(key);
      else this.emit("data", key.repeat(this.#times(key)));
    }
  }

  /** Rule 2. */
  #times(key: string): number {
    if (!this.line) return 1;
    const { line, cursor } = this.line;
    const segment = LEFT.includes(key)
      ? [...characters.segment(line.slice(0, cursor))].at(-1)?.segment
      : RIGHT.includes(key)
      ? characters.segment(line.slice(cursor))[Symbol.iterator]().next().value?.segment
      : undefined;
    return segment === undefined ? 1 : [...segment].length;
  }

  /** Rule 3. A character may come in two pieces. */
  #decode(bytes: Uint8Array): string {
    const all = new Uint8Array([...this.#rest, ...bytes]);
    const whole = all.length - unfinishedBytes(all);
    this.#rest = all.slice(whole);
    try {
      return this.#decoder.decode(all.subarray(0, whole));
    } catch {
      this.broken = true;
      return new TextDecoder().decode(all.subarray(0, whole));
    }
  }
}

/** How many of a text's last characters may be the beginning of this marker. */
function startOf(marker: string, text: string): number {
  for (let length = Math.min(marker.length - 1, text.length); length > 0; length--) if (text.endsWith(marker.slice(0, length))) return length;
  return 0;
}

/** How many bytes at the end are the beginning of a character that is longer. */
function unfinishedBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte >= 0xc2) return byte < 0xf5 && back < (byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}
