/** The message that another one answers, in short. */
import type { JSX } from "preact";
import { gist } from "../format.ts";
import { t } from "../i18n.ts";
import type { Line } from "../state/model.ts";

/** How much of it is shown (UTF-16 units). */
const QUOTED_EXCERPT = 160;

/** `line`: undefined: it is on its way; null: it cannot be had. */
export function Quote({ line, me }: { line: Line | null | undefined; me: number }): JSX.Element {
  return (
    <span class="quoted">
      {line && <bdi class={`sender colour-${(line.id * 7) % 10}`}>{line.id === me ? t.you : line.name}</bdi>}
      <span class="excerpt" dir="auto">{excerpt(line)}</span>
    </span>
  );
}

function excerpt(line: Line | null | undefined): string {
  if (line === undefined) return t.loading;
  if (line === null) return t.lostMessage;
  return line.deleted ? t.deletedMessage : gist(line).slice(0, QUOTED_EXCERPT);
}
