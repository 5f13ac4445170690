/** Characters as they are compared when something is looked for: case, width, accents and optional signs do not count. */

const ASCII = /^\p{ASCII}*$/u;
/** What is there for looks, or to say how the letters beside it join: soft hyphen, joiners, direction marks, variation selectors, tatweel. */
const SHAPING = /[\u00ad\u0640\u061c\u200b-\u200f\u2060\ufe00-\ufe0f]/g;
/** Accents of Latin, Greek and Cyrillic letters; the signs for vowels that Hebrew and Arabic may leave out, hamza above and below. No letter elsewhere is made of these. */
const ACCENTS =
  /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]/g;
/** Letters with a stroke and the like, which Unicode does not take apart; letters that are typed for each other. */
const LETTERS: Record<string, string> = {
  "ς": "σ",
  "ł": "l",
  "ø": "o",
  "đ": "d",
  "ð": "d",
  "ħ": "h",
  "ŧ": "t",
  "æ": "ae",
  "œ": "oe",
  "þ": "th",
  "ى": "ي",
  "ی": "ي",
  "ک": "ك",
  "ة": "ه",
  "ہ": "ه",
  "’": "'",
  "‘": "'",
  "‐": "-",
};
const LETTER = new RegExp(`[${Object.keys(LETTERS).join("")}]`, "g");
const DIGITS = /(?![0-9])\p{Nd}/gu, DIGIT = /\p{Nd}/u;

/** The same for all ways of writing the same. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  return text.normalize("NFKC").replace(SHAPING, "")
    // There and back: some letters have two small forms, some a capital form of two letters.
    .toUpperCase().toLowerCase()
    .normalize("NFD").replace(ACCENTS, "").normalize("NFC")
    .replace(LETTER, (letter) => LETTERS[letter]!)
    .replace(DIGITS, (char) => digit(char.codePointAt(0)!));
}

/** Digits stand in rows of ten; those that are left by NFKC begin with a code that ends in 0 or 6. */
function digit(code: number): string {
  const row = code - code % 16;
  return String(DIGIT.test(String.fromCodePoint(row)) ? code - row : code - row - 6);
}
