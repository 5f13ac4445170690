/**
 * The focus is always somewhere. What had it may go: a dialog is closed, a form is done, a conversation is left. The browser then leaves it nowhere, and whoever
 * works by keyboard or by ear begins at the top of the page.
 */
import type { Store } from "./state/store.ts";

/** So many places are remembered. */
const REMEMBERED = 10;
/** Where it goes if none of them is left: the first that is there. On a phone not where a keyboard would come up. */
const PLACES = [
  "dialog[open] .dialog button",
  ".composer textarea",
  ".list .item[aria-current]",
  ".list .item[tabindex='0']",
  ".sidebar button",
  "main button",
];

/** Brings the focus back whenever a change of the page has taken it away. */
export function keepFocus(store: Store): void {
  let places: HTMLElement[] = [];
  addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLElement) places = [target, ...places.filter((place) => place !== target && place.isConnected)].slice(0, REMEMBERED);
  });
  const look = () => {
    const had = places[0];
    // Nothing had it, or the user put it nowhere by a click.
    if (document.activeElement !== document.body || !had || here(had)) return;
    const typing = !matchMedia("(pointer: coarse)").matches;
    const fallback = () => PLACES.filter((place) => typing || !place.includes("textarea")).map((place) => document.querySelector<HTMLElement>(place));
    (places.find(here) ?? fallback().find((place) => place && here(place)))?.focus({ preventScroll: true });
  };
  // After it is drawn.
  store.subscribe(() => setTimeout(look));
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}

/** Whether it can have the focus. */
function here(place: HTMLElement): boolean {
  const dialog = document.querySelector("dialog[open]");
  return place.isConnected && !place.matches(":disabled") && place.getClientRects().length > 0 && (!dialog || dialog.contains(place));
}
