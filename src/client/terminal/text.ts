import { ConnectionLost, NatterError } from "../errors.ts";

/**
 * Text for a terminal. What others wrote (names, messages, the server's sentences) passes through {@linkcode harmless} before it gets there: a terminal obeys
 * what looks like a command to it.
 */

/** Control characters of both sets, half characters, line separators, and what turns the direction of writing round. */
const UNSAFE_SHOWN = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
/** What some terminal or other takes for the end of a line. */
export const LINE_ENDS = /\r\n|[\n\v\f\r\x85\u2028\u2029]/g;
/** What has a meaning of its own beside a name on a line. */
const AMBIGUOUS = /[:"[\]|*!>\\]|^$/;

/** One line of text that a terminal only shows. What it would obey has become `�`. */
export function harmless(text: string): string {
  return text.replace(/\t/g, "    ").replace(UNSAFE_SHOWN, "�");
}

/** A text of several lines, each harmless. */
export function harmlessLines(text: string): string[] {
  return text.split(LINE_ENDS).map(harmless);
}

/** A name as it stands on a line: in quotes if it could be taken for something else there. */
export function label(name: string): string {
  const safe = harmless(name);
  return AMBIGUOUS.test(safe) ? JSON.stringify(safe) : safe;
}

/** A text as one field of a line with tabs between the fields: `\n`, `\t` and `\\` stand for what would break it. */
export function field(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\t", "\\t").replace(LINE_ENDS, "\\n").replace(UNSAFE_SHOWN, "�");
}

const graphemes = new Intl.Segmenter();

/** How many columns a text takes: rather too many than too few, where terminals differ. */
export function width(text: string): number {
  let columns = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (/[\p{Mn}\p{Me}]/u.test(character)) continue;
    columns += code < 0x1100 || (code >= 0x1e00 && code < 0x20d0) ? 1 : 2;
  }
  return columns;
}

/** Cuts a line, after a blank if there is one, into pieces of at most `first` columns, then `later`. At least one piece; the first may be empty. */
export function wrap(line: string, first: number, later: number): string[] {
  const pieces: string[] = [];
  let piece = "", columns = 0, room = first;
  for (const { segment } of graphemes.segment(line)) {
    const wide = width(segment);
    while (columns + wide > room && (piece !== "" || pieces.length === 0)) {
      const blank = piece.lastIndexOf(" ") + 1 || piece.length;
      pieces.push(piece.slice(0, blank));
      piece = piece.slice(blank);
      columns = width(piece);
      room = later;
    }
    piece += segment;
    columns += wide;
  }
  return [...pieces, piece];
}

/** Why something failed, for a person. */
export function reasonOf(error: unknown): string {
  if (error instanceof NatterError) return error.errno === 2 ? "this account is in use on another connection" : error.errmsg;
  if (error instanceof ConnectionLost && error.reason === "unreachable" && error.cause instanceof Error) {
    return `${error.message}: ${error.cause.message}`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** Wraps text in a colour (SGR numbers), if there are colours. */
export type Paint = (sgr: string, text: string) => string;

/** {@linkcode Paint} for a terminal with colours, or without. */
export function painter(colours: boolean): Paint {
  return colours ? (sgr, text) => `\x1b[${sgr}m${text}\x1b[0m` : (_sgr, text) => text;
}

/** Colours for names, readable on black and on white. */
const NAME_COLOURS = ["36", "35", "32", "33", "34", "31"];

/** The colour of a user's name, always the same one. */
export function nameColour(id: number): string {
  return "1;" + NAME_COLOURS[id % NAME_COLOURS.length];
}

/** `14:05`, or `11-22 14:05` if that was another day, in local time. */
export function shortTime(ts: number, now: number = Date.now()): string {
  const date = new Date(ts);
  const two = (n: number) => String(n).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (date.toDateString() === new Date(now).toDateString()) return time;
  const day = `${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
  return date.getFullYear() === new Date(now).getFullYear() ? day : `${date.getFullYear()}-${day}`;
}

/** `2026-11-23T10:10:19.164Z`, also for what no date can hold. */
export function isoTime(ts: number): string {
  const date = new Date(ts);
  return Number.isNaN(date.getTime()) ? "-" : date.toISOString();
}

/** The beginning of a text that is long. */
export function short(text: string): string {
  return text.length > 200 ? text.slice(0, 200) + "…" : text;
}
