/** What a text asks for in its own signs: **bold**, `code`, and blocks of code between lines of ```. Whatever is not closed is text. */
import { type Part, partsOf } from "./links.ts";

/** A piece of a text, as it is shown. */
export type Piece =
  /** Lines of code. */
  | { kind: "block"; text: string }
  /** A few words of code. */
  | { kind: "code"; text: string }
  | { kind: "bold"; pieces: Piece[] }
  /** Text, with its addresses. */
  | { kind: "plain"; parts: Part[] };

/** A block stands on lines of its own; behind its opening may stand the name of a language. */
const BLOCK = /(?:^|\n)```[\w+#.-]*\n([\s\S]*?)\n?```(?=\n|$)/g;
/** Bold begins and ends at something that can be seen. */
const INLINE = /`([^`\n]+)`|\*\*(?=\S)([^*\n]*[^*\s])\*\*/g;

/** A text in pieces, in order. */
export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const { 0: match, 1: code, index } of text.matchAll(BLOCK)) {
    pieces.push(...inline(text.slice(end, index)));
    pieces.push({ kind: "block", text: code! });
    end = index + match.length;
    // The line break behind a block ends its last line.
    if (text[end] === "\n") end++;
  }
  return [...pieces, ...inline(text.slice(end))];
}

function inline(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  const plain = (upto: number) => {
    if (upto > end) pieces.push({ kind: "plain", parts: partsOf(text.slice(end, upto)) });
  };
  for (const { 0: match, 1: code, 2: bold, index } of text.matchAll(INLINE)) {
    plain(index);
    pieces.push(code !== undefined ? { kind: "code", text: code } : { kind: "bold", pieces: inline(bold!) });
    end = index + match.length;
  }
  plain(text.length);
  return pieces;
}
