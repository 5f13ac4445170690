/** What keys do, wherever the focus is. */
import { useLayoutEffect } from "preact/hooks";
import type { Key } from "../state/model.ts";
import { useParts } from "./context.ts";

/** Whether a key belongs to an input method. (Safari says so by 229 alone.) */
export function isComposing(event: { isComposing: boolean; keyCode: number }): boolean {
  return event.isComposing || event.keyCode === 229;
}

/** Alt and arrows go through the conversations, Ctrl+K searches, Esc leaves the conversation; what is typed goes to the field for messages, wherever the focus is. */
export function useShortcuts(field: { current: HTMLInputElement | null }, keys: Key[], open: Key | undefined): void {
  const { route } = useParts();
  // With what is drawn: a key that comes before the next frame is meant for that.
  useLayoutEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (document.querySelector("dialog[open]") || isComposing(event)) return;
      if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
        const at = open === undefined ? -1 : keys.indexOf(open);
        const next = keys[Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1))];
        if (next) route.open(next);
      } else if ((event.ctrlKey || event.metaKey) && event.key === "k") {
        field.current?.focus();
      } else if (event.key === "Escape" && event.target === field.current) {
        field.current?.blur();
        return;
      } else if (event.key === "Escape" && open !== undefined) {
        route.close();
      } else if (isWriting(event)) {
        // Then the key is the field's.
        document.querySelector<HTMLElement>(".composer textarea:enabled")?.focus();
        return;
      } else {
        return;
      }
      event.preventDefault();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  });
}

/** A letter, or whatever else stands for itself, where it would mean nothing. A blank presses buttons, and scrolls. */
function isWriting({ key, ctrlKey, altKey, metaKey, target }: KeyboardEvent): boolean {
  if ([...key].length !== 1 || key === " " || ctrlKey || altKey || metaKey) return false;
  return target instanceof Element && !target.closest("input, textarea, select, [role=menu]");
}
