/**
 * Whom a text speaks to by name: `@` and the name, as it is written, in small letters or capitals. It is text and nothing else: who reads it finds it again.
 *
 * A name may have blanks, and another name may begin like it: the longest counts. Mail addresses have an `@` as well, and code is not speech.
 */

/** Chinese, Japanese and Korean stand beside a name without a blank. */
const CJK = String.raw`\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Bopomofo}`;
/** A letter that would make another word of what it stands beside. */
const WORD_LETTER = String.raw`(?![${CJK}])[\p{L}\p{N}\p{M}_]`;
/** What stands before an `@` that begins nothing. */
const BEFORE = String.raw`(?<!${WORD_LETTER}|[.%+/@-])`;
const CODE = /```[\s\S]*?```|`[^`\n]+`/g;

/** Finds where any of these names is spoken to: the whole match, `@` and name. `names`: at least one, none of them empty. */
export function mentionPattern(names: Iterable<string>): RegExp {
  const longest = [...new Set(names)].sort((a, b) => b.length - a.length);
  return new RegExp(`${BEFORE}@(?:${longest.map(escaped).join("|")})(?![-.]*${WORD_LETTER})`, "giu");
}

/** Whether a text speaks to the user of this name. */
export function isMentioned(name: string, text: string): boolean {
  return text.includes("@") && mentionPattern([name]).test(text.replace(CODE, " "));
}

/** What may become a mention where somebody writes: where its `@` stands in the text before the caret, and what stands behind that; undefined: nothing. */
export function begunMention(before: string): { at: number; begun: string } | undefined {
  const at = before.lastIndexOf("@");
  if (at < 0 || !new RegExp(`${BEFORE}@$`, "u").test(before.slice(0, at + 1))) return undefined;
  const begun = before.slice(at + 1);
  return /^\s|\n/.test(begun) ? undefined : { at, begun };
}

function escaped(name: string): string {
  return name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
