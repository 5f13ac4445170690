/**
 * Text as what can be found: one tokenizer for both databases, and for the page, which marks what was found.
 *
 * 1. A text is cut into runs, of which spaces, and what is neither letter nor number, are the gaps. A run is of one of three kinds:
 *    - pieces, runs of letters and digits, with up to three ASCII marks between two of them: `v1.2.3`, `prod_db`, `https://example.com/a`. Its tokens are the
 *      pieces, each two neighbours with what is between them (`v1.2`, `2.3`), and a piece with what follows it of `+` and `#` (`c++`);
 *    - characters of scripts that are written without spaces (Chinese, Japanese, Thai …), or whose words are long for their syllables (Korean). Its tokens are
 *      the characters, and each two neighbours;
 *    - a symbol: an emoji with all it is joined from, `€`, `→`.
 * 2. A query is cut the same way. All of its tokens must be in a text: the pairs of a run where it has some, else the piece or the character. The last token,
 *    if it is made of letters and digits, is taken for the beginning of one.
 * 3. Pairs do not say that a run of three is in one place, so `Query.finds` looks at the text itself; a database gives what may be found.
 * 4. Tokens are written in what no database's own rules touch: `t_`, then a to z and 0 to 9 as they are, and any other character as `_` and four digits of
 *    base 36. So none is too short, or on a list of words to leave out, and the beginning of a token is the beginning of what is written.
 * 5. Whoever changes what this file gives, or `fold.ts`, raises `VERSION`: all messages are then indexed anew.
 */
import { fold } from "./fold.ts";

/** Rises when a text's tokens change. */
export const VERSION = 1;

/** The longest token (characters): MySQL's column `word.token` has as many bytes. What is longer counts by its beginning. */
const LONGEST_TOKEN = 80;
/** The longest excerpt (characters). */
const FOUND_EXCERPT = 300;
/** Tokens of one piece of {@linkcode cutting}. */
const TOKENS_AT_ONCE = 250;

/** A run, as rule 1 says. */
interface Run {
  kind: "pieces" | "characters" | "symbol";
  /** Where it stands in the text. */
  start: number;
  end: number;
  /** Folded. Of `pieces`, pieces and marks in turn, of which the last may be a mark; else the characters. */
  parts: string[];
  /** Where each part begins in the text, and the end of the last. Of a run that has another length when it is folded: unknown. */
  at: number[] | undefined;
}

// Made when first needed: classes of Unicode cost several ms, which no start should pay.
let units: RegExp | undefined;
const unitsOf = (): RegExp => {
  if (units) return units;
  const scripts = ["Han", "Hiragana", "Katakana", "Bopomofo", "Hangul", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan"];
  // The long vowel mark, the marks of voiced kana, and repetition marks belong to no script, or to two.
  const dense = `[[${
    scripts.map((script) => `\\p{Script=${script}}`).join("")
  }\\u3005-\\u3007\\u3099\\u309a\\u30fc\\uff70\\uff9e\\uff9f]--[\\p{Nd}\\p{P}\\p{S}]]`;
  const letter = `[[\\p{L}\\p{M}\\p{N}]--${dense}]`;
  return units = new RegExp(
    `(?<piece>${letter}+(?:[\\u00ad\\u200c\\u200d\\u2060]+${letter}+)*)|(?<characters>${dense}+)` +
      `|(?<mark>[\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e\\u2018\\u2019\\u2010\\u2011\\uff01-\\uff0f\\uff1a-\\uff20\\uff3b-\\uff40\\uff5b-\\uff5e]{1,3})` +
      `|(?<symbol>\\p{RGI_Emoji}\\ufe0f?|[[\\p{Extended_Pictographic}\\p{Sc}\\p{Sm}\\p{So}]--\\p{ASCII}][\\ufe0e\\ufe0f]?)`,
    "gv",
  );
};
/** What they are in a text that is ASCII, which most are. */
const ASCII_UNITS = /(?<piece>[A-Za-z0-9]+)|(?<mark>[!-/:-@[-`{-~]{1,3})/g;
const ASCII = /^\p{ASCII}*$/u;
/** Skin tones; the presentation selectors are folded away. */
const TONES = /[\u{1f3fb}-\u{1f3ff}]/gu;

function* runsOf(text: string): Generator<Run> {
  let pieces: Run | undefined;
  let end = 0;
  for (const { 0: unit, index, groups } of text.matchAll(ASCII.test(text) ? ASCII_UNITS : unitsOf())) {
    const { symbol, characters, piece, mark } = groups!;
    const start = index;
    if (pieces && start > end) {
      yield pieces;
      pieces = undefined;
    }
    end = start + unit.length;
    const folded = fold(unit);
    // Nothing but accents, which stand on nothing.
    if (folded === "") continue;
    if (pieces && (piece !== undefined) === (pieces.parts.length % 2 === 0) && (piece ?? mark) !== undefined) {
      pieces.parts.push(folded);
      pieces.at!.push(start);
      pieces.end = end;
      continue;
    }
    if (pieces) yield pieces;
    pieces = undefined;
    if (piece !== undefined) pieces = { kind: "pieces", start, end, parts: [folded], at: [start] };
    else if (characters !== undefined) {
      const parts = [...folded];
      const originals = [...unit];
      let at: number[] | undefined;
      if (originals.length === parts.length) {
        at = [];
        let place = start;
        for (const original of originals) {
          at.push(place);
          place += original.length;
        }
      }
      yield { kind: "characters", start, end, parts, at };
    } else if (symbol !== undefined) {
      const plain = folded.replace(TONES, "");
      if (plain !== "") yield { kind: "symbol", start, end, parts: [plain], at: undefined };
    }
  }
  if (pieces) yield pieces;
}

const PLAIN = /^[a-z0-9]*$/;
/** How characters are written in tokens. */
const codes = new Map<string, string>();

function codeOf(char: string): string {
  let code = codes.get(char);
  if (code === undefined) {
    code = PLAIN.test(char) ? char : "_" + char.codePointAt(0)!.toString(36).padStart(4, "0");
    codes.set(char, code);
  }
  return code;
}

/** A token as databases have it. */
function encoded(token: string): string {
  if (token.length === 1) return "t_" + codeOf(token);
  if (PLAIN.test(token)) return ("t_" + token).slice(0, LONGEST_TOKEN);
  let text = "t_";
  for (const char of token) {
    const code = codeOf(char);
    if (text.length + code.length > LONGEST_TOKEN) break;
    text += code;
  }
  return text;
}

/** A run's tokens, and where in the text each stands: from part, to part (exclusive). */
function* tokensOfRun({ kind, parts }: Run): Generator<{ token: string; from: number; to: number; single: boolean }> {
  if (kind !== "pieces") {
    for (let i = 0; i < parts.length; i++) {
      yield { token: parts[i]!, from: i, to: i + 1, single: true };
      if (i + 1 < parts.length) yield { token: parts[i]! + parts[i + 1]!, from: i, to: i + 2, single: false };
    }
    return;
  }
  for (let i = 0; i < parts.length; i += 2) {
    yield { token: parts[i]!, from: i, to: i + 1, single: true };
    const mark = parts[i + 1];
    if (mark === undefined) return;
    const suffix = /^[+#]+/.exec(mark)?.[0];
    if (suffix) yield { token: parts[i]! + suffix, from: i, to: i + 2, single: false };
    if (i + 2 < parts.length) yield { token: parts[i]! + mark + parts[i + 2]!, from: i, to: i + 3, single: false };
  }
}

/** The tokens of a run as databases have them. */
function* written(run: Run): Generator<string> {
  if (run.kind === "pieces") {
    for (const { token } of tokensOfRun(run)) yield encoded(token);
    return;
  }
  // As `tokensOfRun`, for runs of many thousand characters.
  let before: string | undefined;
  for (const part of run.parts) {
    const token = encoded(part);
    yield token;
    if (before !== undefined) yield before + token.slice(2);
    before = token;
  }
}

/** The tokens of a text, each once. */
export function tokensOf(text: string): string[] {
  return atOnce(cutting(text));
}

/** {@linkcode tokensOf} in pieces of some tenths of a millisecond: a line of 64 KB takes 20 ms. */
export function* cutting(text: string): Generator<void, string[]> {
  const tokens = new Set<string>();
  let count = 0;
  for (const run of runsOf(text)) {
    for (const token of written(run)) {
      tokens.add(token);
      if (++count % TOKENS_AT_ONCE === 0) yield;
    }
  }
  return [...tokens];
}

function atOnce<T>(work: Generator<void, T>): T {
  let result = work.next();
  while (!result.done) result = work.next();
  return result.value;
}

/** What is looked for. */
export class Query {
  /** Tokens that a text must have; none, and no `beginning`: nothing can be found. */
  readonly tokens: readonly string[];
  /** What a token of the text must begin with. */
  readonly beginning: string | undefined;
  /** What must stand in one run of the text; rule 3. */
  readonly #together: string[] = [];

  /** Any text; nothing in it is syntax. */
  constructor(text: string) {
    const tokens = new Set<string>();
    let last: { token: string; open: boolean } | undefined;
    for (const run of runsOf(text)) {
      const all = [...tokensOfRun(run)];
      const pairs = all.filter(({ single }) => !single);
      // `a+b` is the pair, and need not be the piece with its mark as well.
      const whole = pairs.filter(({ from, to }) => run.kind !== "pieces" || to - from === 3 || to === run.parts.length);
      const wanted = whole.length > 0 ? whole : all;
      for (const { token } of wanted) tokens.add(encoded(token));
      if (whole.length > 1) this.#together.push(run.parts.slice(0, wanted.at(-1)!.to).join(""));
      const { token, to } = wanted.at(-1)!;
      last = { token: encoded(token), open: run.kind === "pieces" && to % 2 === 1 };
    }
    if (last?.open) {
      tokens.delete(last.token);
      this.beginning = last.token;
    }
    this.tokens = [...tokens];
  }

  /** Whether nothing can be found by it. */
  get empty(): boolean {
    return this.tokens.length === 0 && this.beginning === undefined;
  }

  /** Whether it is in a text. */
  finds(text: string): boolean {
    return atOnce(this.finding(text));
  }

  /** {@linkcode Query.finds} in pieces, as {@linkcode cutting}. */
  *finding(text: string): Generator<void, boolean> {
    if (this.empty) return false;
    const { beginning } = this;
    const tokens = new Set(this.tokens), together = new Set(this.#together);
    let begins = beginning === undefined;
    let count = 0;
    for (const run of runsOf(text)) {
      for (const token of written(run)) {
        tokens.delete(token);
        begins ||= token.startsWith(beginning!);
        if (++count % TOKENS_AT_ONCE === 0) yield;
      }
      if (together.size > 0) {
        const joined = run.parts.join("");
        for (const wanted of together) if (joined.includes(wanted)) together.delete(wanted);
      }
      if (begins && tokens.size === 0 && together.size === 0) return true;
    }
    return false;
  }

  /** Where in a text what is looked for stands: pairs of start and end, in order, none overlapping. */
  marks(text: string): [start: number, end: number][] {
    const wanted = new Set(this.tokens);
    const marks: [number, number][] = [];
    for (const run of runsOf(text)) {
      for (const { token, from, to } of tokensOfRun(run)) {
        const written = encoded(token);
        if (!wanted.has(written) && !(this.beginning !== undefined && written.startsWith(this.beginning))) continue;
        const start = run.at?.[from] ?? run.start;
        const end = run.at === undefined ? run.end : run.at[to] ?? run.end;
        const before = marks.at(-1);
        if (before && start <= before[1]) before[1] = Math.max(before[1], end);
        else marks.push([start, end]);
      }
    }
    return marks;
  }

  /** At most 300 characters of the text, around what was found; `…` where it is cut. */
  excerpt(text: string): string {
    if (text.length <= FOUND_EXCERPT) return text;
    const found = this.marks(text)[0]?.[0] ?? 0;
    const chars = [...text];
    if (chars.length <= FOUND_EXCERPT) return text;
    const place = [...text.slice(0, found)].length;
    const start = Math.max(0, Math.min(place - FOUND_EXCERPT / 3, chars.length - FOUND_EXCERPT + 1));
    const head = start > 0 ? "…" : "";
    const rest = chars.slice(start, start + FOUND_EXCERPT - head.length);
    const cut = start + rest.length < chars.length;
    if (cut) rest.splice(FOUND_EXCERPT - head.length - 1);
    return head + rest.join("") + (cut ? "…" : "");
  }
}
