/** All emoji, to choose one: for what is being written, or to put to a message. */
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type EmojiGroup, findEmoji, loadEmoji } from "../emoji.ts";
import { t } from "../i18n.ts";
import { useParts } from "./context.ts";
import { isComposing } from "./keys.ts";
import { Dialog } from "./dialog.tsx";

/** `chosen` is called when the dialog has been told to close. */
export function EmojiDialog({ title, chosen }: { title: string; chosen(emoji: string): void }): JSX.Element {
  const { store } = useParts();
  const [groups, setGroups] = useState<EmojiGroup[] | "failed">();
  const [search, setSearch] = useState("");
  const grid = useRef<HTMLDivElement>(null);
  const load = () => {
    setGroups(undefined);
    void loadEmoji().then(setGroups, () => setGroups("failed"));
  };
  useEffect(load, []);
  const shown = Array.isArray(groups) ? search.trim() === "" ? groups : findEmoji(groups, search) : [];
  const choose = (emoji: string) => {
    store.update({ dialog: undefined });
    chosen(emoji);
  };
  return (
    <Dialog title={title}>
      <input
        type="search"
        autofocus
        value={search}
        placeholder={t.searchEmoji}
        aria-label={t.searchEmoji}
        onInput={(event) => setSearch(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (isComposing(event)) return;
          if (event.key === "ArrowDown") grid.current?.querySelector("button")?.focus();
          else if (event.key === "Enter" && search.trim() !== "" && shown.length > 0) choose(shown[0].emoji[0][0]);
          else return;
          event.preventDefault();
        }}
      />
      <div ref={grid} class="emoji-grid" onKeyDown={walk}>
        {groups === undefined && <p class="fine">{t.loading}</p>}
        {groups === "failed" && (
          <p class="fine">
            {t.emojiFailed} <button type="button" class="link" onClick={load}>{t.again}</button>
          </p>
        )}
        {Array.isArray(groups) && shown.length === 0 && <p class="fine">{t.noEmoji}</p>}
        {shown.map(({ group, emoji }, i) => (
          <section key={group} aria-label={t.emojiGroups[group]}>
            <h3>{t.emojiGroups[group]}</h3>
            <div>
              {emoji.map(([text, names], j) => (
                <button
                  type="button"
                  key={text}
                  tabIndex={i === 0 && j === 0 ? 0 : -1}
                  aria-label={names.split(";", 1)[0]}
                  title={names.split(";", 1)[0]}
                  onClick={() => choose(text)}
                >
                  {text}
                </button>
              ))}
            </div>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

/** Arrows go through the emoji as they stand. */
function walk(event: TargetedKeyboardEvent<HTMLElement>): void {
  const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>("section button")];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  const steps: Record<string, () => HTMLElement | undefined> = {
    ArrowRight: () => buttons[at + 1],
    ArrowLeft: () => buttons[at - 1],
    ArrowDown: () => nearest(buttons.slice(at + 1), buttons[at], 1),
    ArrowUp: () => nearest(buttons.slice(0, at).reverse(), buttons[at], -1),
    Home: () => buttons[0],
    End: () => buttons.at(-1),
  };
  const next = steps[event.key];
  if (!next) return;
  event.preventDefault();
  next()?.focus();
}

/** The one below (1), or above (-1), in the next row that is long enough. */
function nearest(buttons: HTMLElement[], from: HTMLElement, direction: 1 | -1): HTMLElement | undefined {
  const { left, top } = from.getBoundingClientRect();
  return buttons.find((button) => {
    const there = button.getBoundingClientRect();
    return (there.top - top) * direction > 4 && Math.abs(there.left - left) < there.width / 2;
  });
}
