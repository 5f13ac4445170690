/** Above the field: which message is answered, or edited. */
import type { JSX } from "preact";
import { gist } from "../format.ts";
import { t } from "../i18n.ts";
import type { Conversation } from "../state/model.ts";
import { Icon } from "./icons.tsx";

/** How much of the message is shown (UTF-16 units). */
const QUOTED_EXCERPT = 160;

export function Writing({ writing: { what, line }, me, stop }: {
  writing: NonNullable<Conversation["writing"]>;
  me: number;
  stop(): void;
}): JSX.Element {
  const title = what === "edit" ? t.editing : line.id === me ? t.replyToSelf : t.replyTo(line.name);
  return (
    <div class="writing">
      <Icon name={what} />
      <span class="quoted">
        <span class="writing-title">{title}</span>
        <span class="excerpt" dir="auto">{gist(line).slice(0, QUOTED_EXCERPT)}</span>
      </span>
      <button type="button" class="round" aria-label={t.cancel} title={t.cancel} onClick={stop}>
        <Icon name="close" />
      </button>
    </div>
  );
}
