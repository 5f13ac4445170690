/** Names of users and groups: which are allowed, and when two are the same. */

/** Most characters (code points) of a name; the course's column is as wide. */
export const MAX_NAME = 50;

// Emoji are written with joiners and selectors that are invisible elsewhere, so they are set aside before looking for such characters.
// Made when first needed: as a literal, this one would cost 12 ms at every start.
let emoji: RegExp | undefined;
// Control, format, private and unassigned characters, line separators, what fonts draw as nothing (Default_Ignorable), and the blank Braille pattern.
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;
const VARIATION_SELECTORS = /[\ufe0e\ufe0f]/g;

/** What is wrong with a name, as a sentence for its owner; undefined if it is fine. */
export function faultOfName(name: string): string | undefined {
  if (name.length === 0) return "is empty";
  // No code point takes more than two units, so the count is needed only in between.
  if (name.length > MAX_NAME * 2 || [...name].length > MAX_NAME) return `has more than ${MAX_NAME} characters`;
  if (name.trim() !== name) return "begins or ends with a space";
  if (!name.isWellFormed() || UNSEEN.test(name.replace(emoji ??= new RegExp("\\p{RGI_Emoji}", "gv"), ""))) {
    return "has control or invisible characters";
  }
  // What is left of some characters (a lone selector, say) after folding may be nothing.
  if (comparableName(name) === "") return "has no visible characters";
  return undefined;
}

/** Two names with the same comparable form are the same name: without regard to case and compatible forms (NFKC). */
export function comparableName(name: string): string {
  // There and back, since some letters have two small forms (σ, ς), and some a capital form of two letters (ß, SS).
  return name.normalize("NFKC").toLowerCase().toUpperCase().toLowerCase().normalize("NFKC").replace(VARIATION_SELECTORS, "");
}
