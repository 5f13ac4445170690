/** A round with the user's picture, or with initials in a colour of their own. */
import type { JSX } from "preact";
import { addressOf } from "../format.ts";
import { t } from "../i18n.ts";
import { useProfile } from "./use_profile.ts";

/** Colours in the style sheet. */
const COLOURS = 10;

/** A group's is square-ish. `presence` puts a dot on it. */
export function Avatar({ id, name, group, presence, size }: {
  id: number;
  name: string;
  group?: boolean | undefined;
  presence?: "online" | "offline" | undefined;
  size?: "small" | "large" | undefined;
}): JSX.Element {
  const picture = useProfile(group ? undefined : id)?.avatar;
  const colour = (id * 7 + (group ? 3 : 0)) % COLOURS;
  return (
    // The initials are a picture: as text they would count as what a button says.
    <span class={`avatar colour-${colour} ${group ? "group" : ""} ${size ?? ""}`} aria-hidden="true" data-initials={initials(name)}>
      {picture !== undefined && <img src={addressOf(picture)} alt="" loading="lazy" draggable={false} />}
      {presence === "online" && <span class="presence" title={t.online} />}
    </span>
  );
}

/** The first letters of the first and the last word; of Chinese names, the last character of two or three, as is usual there. */
function initials(name: string): string {
  const words = name.match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu) ?? [...name.trim()].slice(0, 1);
  const first = [...words[0] ?? "?"];
  if (/^\p{Script=Han}/u.test(name)) return first.length <= 3 ? first.at(-1)! : first[0];
  const letters = words.length > 1 ? [first[0], [...words.at(-1)!][0]] : [first[0]];
  return letters.join("").toUpperCase();
}
