/**
 * What names look like: which ones a person could take for one another.
 *
 * Unicode's table of confusable characters (UTS #39) is large, so it is loaded when the first name is looked at, and the expressions are made when they are
 * first needed.
 */
import { comparableName } from "./names.ts";

/** Longest look that is kept (UTF-16 units): the database's column is so wide. No name that somebody would read has one. */
const LONGEST_LOOK = 500;

/**
 * Two names with the same look cannot be told apart at a glance. ASCII letters and digits stand for themselves, so `m` is not `rn` and `l` is not `1`: names of
 * those alone differ if they are different names (`names.ts`).
 */
export async function lookOf(name: string): Promise<string> {
  const folded = name.normalize("NFKC").normalize("NFD");
  if (/^[A-Za-z0-9]*$/.test(folded)) return comparableName(folded);
  const { default: skeleton } = await import("unhomoglyph");
  return comparableName(folded.replace(/[^A-Za-z0-9]+/g, skeleton).normalize("NFC")).slice(0, LONGEST_LOOK);
}

/** What the users whose accounts were deleted are called; nobody else is. */
export const DELETED = "deleted";

/** Whether a name with this look is not to be given to anybody. */
export function isReserved(look: string): boolean {
  return look === DELETED;
}

/** The scripts in everyday use (UAX #31, "Recommended Scripts"). */
const SCRIPTS = [
  ...["Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Thai", "Hangul", "Armenian", "Bengali", "Ethiopic", "Georgian", "Gujarati"],
  ...["Gurmukhi", "Kannada", "Khmer", "Lao", "Malayalam", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu", "Thaana", "Tibetan"],
];
/** Those that are written together, Latin letters among them: Japanese, Chinese with its phonetic letters, Korean. */
const SCRIPTS_TOGETHER = [["Latin", "Han", "Hiragana", "Katakana"], ["Latin", "Han", "Bopomofo"], ["Latin", "Han", "Hangul"]];
const sets = [...SCRIPTS.map((script) => [script]), ...SCRIPTS_TOGETHER];
const whole = new Map<string[], RegExp>();
let recommended: RegExp | undefined;

/**
 * Whether a name has letters of scripts that do not go together (UTS #39, "Highly Restrictive"), so that one could stand for another that looks the same. What
 * all scripts share (digits, signs, emoji) does not count.
 */
export function mixesScripts(name: string): boolean {
  if (/^[ -~]*$/.test(name)) return false;
  const folded = name.normalize("NFKC");
  if (sets.some((set) => wholeOf(set).test(folded))) return false;
  // A script that is written by few by itself.
  recommended ??= new RegExp(classOf([...SCRIPTS, "Han", "Hiragana", "Katakana", "Bopomofo"]), "u");
  return recommended.test(folded.replace(/[\p{scx=Zyyy}\p{scx=Zinh}]/gu, ""));
}

/** Nothing but letters of these scripts, and what all share. */
function wholeOf(scripts: string[]): RegExp {
  let expression = whole.get(scripts);
  if (!expression) whole.set(scripts, expression = new RegExp(`^${classOf(["Zyyy", "Zinh", ...scripts])}*$`, "u"));
  return expression;
}

function classOf(scripts: string[]): string {
  return `[${scripts.map((script) => `\\p{scx=${script}}`).join("")}]`;
}
