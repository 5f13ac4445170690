/**
 * The focus is always somewhere. What had it may go: a dialog is closed, a form is done, a conversation is left. The browser then leaves it nowhere, and whoever
 * works by keyboard or by ear begins at the top of the page.
 */
import type { Key } from "./state/model.ts";
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
/** Where it goes from a field that was taken away from who may be typing: no key presses anything there. A blank would open another conversation, which got the rest. */
const QUIET = [".composer textarea", ".messages", "main.nothing", ".sidebar"];

/** Brings the focus back whenever a change of the page has taken it away. */
export function keepFocus(store: Store): void {
  let places: HTMLElement[] = [];
  /** What was open when the last of them got it. */
  let within: Key | undefined;
  addEventListener("focusin", ({ target }) => {
    if (!(target instanceof HTMLElement)) return;
    places = [target, ...places.filter((place) => place !== target && place.isConnected)].slice(0, REMEMBERED);
    within = store.state.open;
  });
  /** Whether it was a field that the user did not leave: who was put out of a group, or may not write any more. */
  const isTaken = (had: HTMLElement) => {
    const { open, conversations } = store.state;
    if (within === undefined || !had.matches("input, textarea")) return false;
    return open === within ? had.matches("textarea") : !conversations.has(within);
  };
  const look = () => {
    const had = places[0];
    // Nothing had it, or the user put it nowhere by a click.
    if (document.activeElement !== document.body || !had || here(had)) return;
    const typing = !matchMedia("(pointer: coarse)").matches;
    const first = (selectors: string[]) =>
      selectors.filter((place) => typing || !place.includes("textarea")).map((place) => document.querySelector<HTMLElement>(place))
        .find((place) => place && here(place));
    (isTaken(had) && first(QUIET) || places.find(here) || first(PLACES))?.focus({ preventScroll: true });
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
