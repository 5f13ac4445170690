/** The text of a message: links can be followed, and what is very long is folded. It is text and nothing else, whatever it says. */
import type { ComponentChild, JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../i18n.ts";

/** Longer texts are folded (UTF-16 units, lines), to about as much. */
const LONG = 2000, LINES = 40;

const LINK = /\bhttps?:\/\/[^\s<>"'`]+/giu;
/** What follows a link rather than ends it. */
const AFTER_LINK = /[.,;:!?)\]}，。！？；：、）】》」]+$/u;
const EMOJI = /^(?:\p{Extended_Pictographic}[\u{1F3FB}-\u{1F3FF}\uFE0F\u200D]*|\p{Regional_Indicator}{2}|\s)+$/u;

export function Text({ text }: { text: string }): JSX.Element {
  const [unfolded, setUnfolded] = useState(false);
  const short = folded(text);
  if (text.length <= 16 && EMOJI.test(text)) return <span class="text emoji">{text}</span>;
  return (
    <>
      <span class="text" dir="auto">{linked(unfolded || short === undefined ? text : `${short}…`)}</span>
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
  const lines = text.split("\n", LINES + 1);
  const end = lines.length > LINES ? lines.slice(0, LINES).join("\n").length : text.length;
  if (end === text.length && text.length <= LONG * 1.2) return undefined;
  const cut = Math.min(end, LONG);
  // Not through the middle of a character.
  return text.slice(0, /[\uD800-\uDBFF]/.test(text[cut - 1]) ? cut - 1 : cut);
}

function linked(text: string): ComponentChild[] {
  const parts: ComponentChild[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(LINK)) {
    const href = match.replace(AFTER_LINK, "");
    if (!URL.canParse(href)) continue;
    parts.push(text.slice(end, index), <a href={href} target="_blank" rel="noopener noreferrer">{href}</a>);
    end = index + href.length;
  }
  parts.push(text.slice(end));
  return parts;
}
