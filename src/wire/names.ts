/** Names of users and groups: which are allowed, and when two are the same. */

/** Most characters (code points) of a name; the course's column is as wide. */
export const MAX_NAME = 50;

// Emoji are written with joiners and selectors that are invisible elsewhere, so they are set aside before looking for such characters.
// Made when first needed: as a literal, this one would cost 12 ms at every start.
let emoji: RegExp | undefined;
// Control, format, private and unassigned characters, line separators, what fonts draw as nothing (Default_Ignorable), and the blank Braille pattern.
const NEVER_SEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;
const VARIATION_SELECTORS = /[\ufe0e\ufe0f]/g;
// The joiners, where they show (UAX 31, "Layout and Format Control Characters"): ZWNJ between letters that would join or behind a virama, ZWJ beside a virama.
// Made when first needed, too.
let joiners: RegExp | undefined;
const ZWNJ = "\u200c", ZWJ = "\u200d";
const JOINING = "[\\p{Script=Arabic}\\p{Script=Syriac}]";
const INDIC = "[" + ["Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala"]
  .map((script) => `\\p{Script=${script}}`).join("") +
  "]";
const VIRAMA = "[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca]";

/** What is wrong with a name, as a sentence for its owner; undefined if it is fine. */
export function faultOfName(name: string): string | undefined {
  if (name.length === 0) return "is empty";
  // No code point takes more than two units, so the count is needed only in between.
  if (name.length > MAX_NAME * 2 || [...name].length > MAX_NAME) return `has more than ${MAX_NAME} characters`;
  if (name.trim() !== name) return "begins or ends with a space";
  // A letter in an emoji's place, so that what stood on its two sides does not meet.
  if (!name.isWellFormed() || NEVER_SEEN.test(withoutJoiners(name.replace(emoji ??= new RegExp("\\p{RGI_Emoji}", "gv"), "x")))) {
    return "has control or invisible characters";
  }
  // What is left of some characters (a lone selector, say) after folding may be nothing.
  if (comparableName(name) === "") return "has no visible characters";
  return undefined;
}

/** Without the joiners that a script needs where they stand: they change how letters look, not which they are. */
function withoutJoiners(name: string): string {
  if (!name.includes(ZWNJ) && !name.includes(ZWJ)) return name;
  joiners ??= new RegExp(
    `(?<=${JOINING}\\p{M}*)${ZWNJ}(?=${JOINING})|(?<=${VIRAMA})${ZWNJ}(?=${INDIC})|(?<=${VIRAMA})${ZWJ}|(?<=${INDIC})${ZWJ}(?=${VIRAMA})`,
    "gu",
  );
  return name.replace(joiners, "");
}

/** Two names with the same comparable form are the same name: without regard to case, compatible forms (NFKC) and joiners between letters. */
export function comparableName(name: string): string {
  // There and back, since some letters have two small forms (σ, ς), and some a capital form of two letters (ß, SS).
  return withoutJoiners(name.normalize("NFKC").toLowerCase().toUpperCase().toLowerCase().normalize("NFKC").replace(VARIATION_SELECTORS, ""));
}
