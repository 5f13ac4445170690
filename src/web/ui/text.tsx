/** The text of a message: links can be followed, who is spoken to is marked, code is set apart, and what is very long is folded. It is text and nothing else, whatever it says. */
import { type ComponentChild, Fragment, type JSX } from "preact";
import { useState } from "preact/hooks";
import { copyText } from "../clipboard.ts";
import { t } from "../i18n.ts";
import type { Part } from "../links.ts";
import { type Piece, piecesOf } from "../markup.ts";
import { useParts } from "./context.ts";
import type { Named } from "./mentioning.tsx";

/** Longer texts are folded (UTF-16 units, lines), to about as much. */
const FOLDED_LENGTH = 2000, FOLDED_LINES = 40;

/** So many emoji by themselves are drawn large. */
const LARGE_EMOJI = 6;
/** What every emoji is made of, and little else: to ask for the emoji themselves takes a browser longer, the first time, than all else on the page. */
const LIKE_EMOJI = /^[\p{Emoji}\p{Emoji_Component}\s]+$/u;
let pattern: RegExp | undefined;

export function Text({ text, mentions }: { text: string; mentions?: Named | undefined }): JSX.Element {
  const [unfolded, setUnfolded] = useState(false);
  const short = folded(text);
  if (isEmoji(text)) return <span class="text emoji">{text}</span>;
  return (
    <>
      <span class="text" dir="auto">
        {piecesOf(unfolded || short === undefined ? text : `${short}…`).map((piece, i) => shown(piece, i, mentions))}
      </span>
      {short !== undefined && (
        <button type="button" class="link" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
          {unfolded ? t.showLess : t.showAll(text.length)}
        </button>
      )}
    </>
  );
}

/** The beginning of a text that is too long to stand as it is; undefined: it may. */
function folded(text: string): string | undefined {
  const lines = text.split("\n", FOLDED_LINES + 1);
  const end = lines.length > FOLDED_LINES ? lines.slice(0, FOLDED_LINES).join("\n").length : text.length;
  if (end === text.length && text.length <= FOLDED_LENGTH * 1.2) return undefined;
  const cut = Math.min(end, FOLDED_LENGTH);
  // Not through the middle of a character.
  return text.slice(0, /[\uD800-\uDBFF]/.test(text[cut - 1]) ? cut - 1 : cut);
}

function shown(piece: Piece, i: number, mentions: Named | undefined): ComponentChild {
  switch (piece.kind) {
    case "block":
      return <Code key={i} text={piece.text} />;
    case "code":
      return <code key={i}>{piece.text}</code>;
    case "bold":
      return <strong key={i}>{piece.pieces.map((piece, i) => shown(piece, i, mentions))}</strong>;
    case "plain":
      return <Fragment key={i}>{linked(piece.parts, mentions)}</Fragment>;
  }
}

function linked(parts: Part[], mentions: Named | undefined): ComponentChild[] {
  return parts.map(({ text, href }, i) => {
    if (href !== undefined) return <a key={i} href={href} target="_blank" rel="noopener noreferrer">{text}</a>;
    return mentions && text.includes("@") ? <Fragment key={i}>{marked(text, mentions)}</Fragment> : text;
  });
}

/** With who is spoken to. One's own name stands out. */
function marked(text: string, { pattern, me }: Named): ComponentChild[] {
  const parts: ComponentChild[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    const mine = match.slice(1).toLowerCase() === me;
    parts.push(text.slice(end, index), mine ? <mark key={index}>{match}</mark> : <span key={index} class="mention">{match}</span>);
    end = index + match.length;
  }
  return [...parts, text.slice(end)];
}

/** Lines of code, which can be copied at once. */
function Code({ text }: { text: string }): JSX.Element {
  const { store } = useParts();
  const [copied, setCopied] = useState(false);
  const copy = () => void copyText(text).then(() => setCopied(true), () => store.complain(t.copyFailed));
  return (
    <span class="code">
      {/* Who cannot scroll by hand scrolls by key. */}
      <code dir="ltr" tabIndex={0}>{text}</code>
      <button type="button" class="link" onClick={copy} onBlur={() => setCopied(false)}>{copied ? t.copied : t.copyCode}</button>
    </span>
  );
}

/** Whether a text is emoji alone, and few of them. */
function isEmoji(text: string): boolean {
  if (text.length > 100 || !LIKE_EMOJI.test(text)) return false;
  // Those that Unicode recommends, flags of three countries that have no letters among them.
  pattern ??= new RegExp(String.raw`^\s*(?:\p{RGI_Emoji}\s*){1,${LARGE_EMOJI}}$`, "v");
  return pattern.test(text);
}
