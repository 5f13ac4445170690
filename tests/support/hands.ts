// Ways to use the page: by keys alone, by touch, and as a screen reader does. What is used is named by its role and name, as a screen reader says them.

import type { Locator, Page } from "playwright-core";

/** So many keys lead from anywhere to anything; more is a dead end. */
const MOST_STEPS = 80;

export interface Hand {
  readonly page: Page;
  press(what: Locator): Promise<void>;
  /** Writes into a field what is to stand there, or behind what stands there (`more`). */
  write(field: Locator, text: string, more?: boolean): Promise<void>;
}

/** Tab and arrows lead there, Enter presses. */
export class Keyboard implements Hand {
  constructor(readonly page: Page) {}

  async press(what: Locator): Promise<void> {
    await this.#reach(what);
    await this.page.keyboard.press("Enter");
  }

  async write(field: Locator, text: string, more = false): Promise<void> {
    await this.#reach(field);
    if (!more) await this.page.keyboard.press("Control+a");
    if (text === "") await this.page.keyboard.press("Delete");
    await this.page.keyboard.type(text);
  }

  async #reach(what: Locator): Promise<void> {
    await what.waitFor();
    // To look for it by its role and its name before each key would take longer than all else.
    let place = await what.elementHandle();
    for (let step = 0; step < MOST_STEPS; step++) {
      const key = await place!.evaluate(towards);
      if (key === "") return;
      if (key === "gone") place = await what.elementHandle();
      else await this.page.keyboard.press(key);
    }
    throw new Error(`no key leads to ${what}`);
  }
}

interface Place {
  tabIndex: number;
  isConnected: boolean;
  getAttribute(name: string): string | null;
  closest(selector: string): Place | null;
  contains(other: Place | null): boolean;
  compareDocumentPosition(other: Place | null): number;
}

/** The key that leads to an element from where the focus is; empty: it is there; "gone": it is not on the page any more. It runs on the page. */
function towards(element: unknown): string {
  const place = element as Place;
  const { activeElement } = (globalThis as unknown as { document: { activeElement: Place | null } }).document;
  if (!place.isConnected) return "gone";
  if (place === activeElement) return "";
  // An option is chosen by arrows, while the focus stays in the field.
  const chosen = place.getAttribute("aria-selected");
  if (chosen !== null) return chosen === "true" ? "" : "ArrowDown";
  const follows = (place.compareDocumentPosition(activeElement) & 2) !== 0;
  // What Tab passes over is reached by arrows, from what stands beside it.
  const beside = place.tabIndex < 0 && place.closest("[role=menu], .list, .messages ol")?.contains(activeElement);
  if (beside) return follows ? "ArrowDown" : "ArrowUp";
  return follows ? "Tab" : "Shift+Tab";
}

/** A finger: whatever is touched is on the screen, and nothing covers it. */
export class Touch implements Hand {
  constructor(readonly page: Page) {}

  async press(what: Locator): Promise<void> {
    await what.tap();
  }

  async write(field: Locator, text: string, more = false): Promise<void> {
    await field.tap();
    if (!more) return await field.fill(text);
    // Where the finger was may be before the end.
    await this.page.keyboard.press("End");
    await this.page.keyboard.type(text);
  }
}

/** What a screen reader does with what it finds: it asks the browser to press it, wherever it stands. */
export class Reader implements Hand {
  constructor(readonly page: Page) {}

  async press(what: Locator): Promise<void> {
    await what.focus();
    await what.dispatchEvent("click");
  }

  async write(field: Locator, text: string, more = false): Promise<void> {
    await field.fill(more ? await field.inputValue() + text : text);
  }
}
