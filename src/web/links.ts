/** Addresses in a text: of the web, with or without their scheme, and of mail. */

/** A part of a text; with `href` it is an address. */
export interface Part {
  text: string;
  href?: string;
}

/** Chinese, Japanese and Korean are written without blanks: what follows an address in them is not part of it. */
const CJK = String.raw`\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Bopomofo}`;
/** What stands in no address: blanks, quotes, what is drawn across a whole square (such as ，。！「」), and invisible characters. */
const NOT_IN_ADDRESSES = String.raw`\s<>"“”‘’«»\x60\p{C}\u3000-\u303F\uFF00-\uFFEF…`;
/** A host begins in the script that all of it is in. */
const HOST = String.raw`(?:\[[0-9a-f:.]+\]|[${CJK}][^${NOT_IN_ADDRESSES}/?#:]*|[^${NOT_IN_ADDRESSES}${CJK}/?#:]+)`;
const BEHIND_HOST = String.raw`(?::\d{1,5})?(?:[/?#][^${NOT_IN_ADDRESSES}${CJK}]*)?`;
const ADDRESS = new RegExp(
  String
    .raw`\bhttps?://(?:[^${NOT_IN_ADDRESSES}/?#@]+@)?${HOST}${BEHIND_HOST}|(?<![\p{L}\p{N}.@/-])www\.${HOST}${BEHIND_HOST}|(?<![\p{L}\p{N}._%+/-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`,
  "giu",
);
const AFTER = /[.,;:!?*_~'|]$/;
const BRACKETS: Record<string, string> = { ")": "(", "]": "[", "}": "{" };

/** A text in parts, in order; joined they are the text again. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(ADDRESS)) {
    const address = trimmed(match);
    const href = hrefOf(address);
    if (href === undefined) continue;
    if (index > end) parts.push({ text: text.slice(end, index) });
    parts.push({ text: address, href });
    end = index + address.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}

/** Without what follows an address rather than ends it: punctuation, and a closing bracket that was opened before it. */
function trimmed(address: string): string {
  for (;;) {
    const last = address.at(-1)!, opening = BRACKETS[last];
    if (opening === undefined ? !AFTER.test(address) : address.split(opening).length >= address.split(last).length) return address;
    address = address.slice(0, -1);
  }
}

/** Where an address leads; undefined: it is none, or one that says something else than where it leads (`https://bank.example@elsewhere.example/`). */
function hrefOf(address: string): string | undefined {
  const mail = !address.includes("/") && address.includes("@");
  const href = mail ? `mailto:${address}` : /^www\./i.test(address) ? `https://${address}` : address;
  try {
    // URL.canParse() would ask the same, but is too young.
    const { username, password, hostname } = new URL(href);
    const named = /^www\./i.test(address) ? /[^.]\.[^.]/.test(hostname.slice(4)) : true;
    return mail || username === "" && password === "" && named ? href : undefined;
  } catch {
    return undefined;
  }
}
