/** The text of a message: links can be followed, and what is very long is folded. It is text and nothing else, whatever it says. */
import type { ComponentChild, JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../i18n.ts";
import { partsOf } from "../links.ts";

/** Longer texts are folded (UTF-16 units, lines), to about as much. */
const LONG = 2000, LINES = 40;

/** So many emoji by themselves are drawn large. */
const LARGE = 6;
const EMOJI = emojiPattern();

export function Text({ text }: { text: string }): JSX.Element {
  const [unfolded, setUnfolded] = useState(false);
  const short = folded(text);
  if (isEmoji(text)) return <span class="text emoji">{text}</span>;
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
  return partsOf(text).map(({ text, href }, i) =>
    href === undefined ? text : <a key={i} href={href} target="_blank" rel="noopener noreferrer">{text}</a>
  );
}

/** Whether a text is emoji alone, and few of them. */
function isEmoji(text: string): boolean {
  return text.length <= 100 && EMOJI.test(text) && Array.from(new Intl.Segmenter().segment(text.replace(/\s/g, ""))).length <= LARGE;
}

/** Those that Unicode recommends, flags of three countries that have no letters among them; a browser that does not know the set guesses. */
function emojiPattern(): RegExp {
  try {
    return new RegExp(String.raw`^(?:\p{RGI_Emoji}|\s)+$`, "v");
  } catch {
    return /^(?:(?=\p{Emoji_Presentation}|\p{Extended_Pictographic}\uFE0F)\p{Extended_Pictographic}[\u{1F3FB}-\u{1F3FF}\uFE0F\u200D\p{Extended_Pictographic}]*|\p{Regional_Indicator}{2}|\s)+$/u;
  }
}
