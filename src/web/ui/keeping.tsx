/** What the user keeps of a conversation, on all devices: muted, pinned, archived. */
import type { JSX } from "preact";
import { shortTime } from "../format.ts";
import { t } from "../i18n.ts";
import { type Conversation, isGroup } from "../state/model.ts";
import { useParts } from "./context.ts";
import { Choice } from "./dialog.tsx";
import type { MenuItem } from "./menu.tsx";
import { useRequest } from "./use_request.ts";

const HOUR = 3600_000;
/** The server's word for it. */
const MUTED_FOR_EVER = Number.MAX_SAFE_INTEGER;

/** In a conversation's details. */
export function Keeping({ conversation: { key, muted, pinned, archived } }: { conversation: Conversation }): JSX.Element {
  const { talk } = useParts();
  const { busy, error, run } = useRequest();
  const now = Date.now();
  const keep = (what: Parameters<typeof talk.overview.keep>[1]) => void run(() => talk.overview.keep(key, what));
  const until = { no: 0, hour: now + HOUR, day: now + 24 * HOUR, ever: MUTED_FOR_EVER };
  const value = muted <= now ? "no" : muted === MUTED_FOR_EVER ? "ever" : "until";
  return (
    <section class="keeping">
      <h3>{t.notifications}</h3>
      <Choice<keyof typeof until | "until">
        label={t.notifications}
        value={value}
        options={[["no", t.muteChoices.no], ["hour", t.muteChoices.hour], ["day", t.muteChoices.day], ["ever", t.muteChoices.ever]]}
        choose={(choice) => choice !== "until" && keep({ muted: until[choice] })}
      />
      {value !== "no" && (
        <p class="fine">{value === "ever" ? t.muteHint : t.mutedUntil(shortTime(muted))} {isGroup(key) && !archived && t.muteMentions}</p>
      )}
      {error && <p class="error" role="alert">{error}</p>}
      <div class="keeping-buttons">
        <button type="button" class="quiet" disabled={busy} onClick={() => keep({ pinned: !pinned })}>{pinned ? t.unpin : t.pin}</button>
        <button type="button" class="quiet" disabled={busy} onClick={() => keep({ archived: !archived })}>
          {archived ? t.unarchive : t.archive}
        </button>
      </div>
    </section>
  );
}

/** In the menu of a conversation in the list. */
export function keepingItems({ muted, pinned, archived }: Conversation, keep: (what: Partial<Conversation>) => void): MenuItem[] {
  const isMuted = muted > Date.now();
  return [
    { text: pinned ? t.unpin : t.pin, icon: "pin", act: () => keep({ pinned: !pinned }) },
    { text: isMuted ? t.unmute : t.mute, icon: isMuted ? "bell" : "muted", act: () => keep({ muted: isMuted ? 0 : MUTED_FOR_EVER }) },
    { text: archived ? t.unarchive : t.archive, icon: "archive", act: () => keep({ archived: !archived }) },
  ];
}
