// Of the tabs of one browser, one has the account: also when several begin at the same moment.

import { assertEquals } from "@std/assert";
import { Tabs } from "../src/web/state/tabs.ts";

/** A browser's channel between its tabs: everyone hears what the others say, in order, a moment later. */
class Channel {
  static readonly #all: Channel[] = [];
  onmessage: (event: { data: unknown }) => void = () => {};

  constructor() {
    Channel.#all.push(this);
  }

  postMessage(data: unknown): void {
    for (const other of Channel.#all) if (other !== this) setTimeout(() => other.onmessage({ data }));
  }
}

/** Opens a page in a tab, as `session.ts` does. @returns the tab, and whether it is the active one. */
async function open(): Promise<Tabs> {
  const tab = new Tabs(() => Promise.resolve(), () => {});
  if (!await tab.anyone(true)) tab.active = true;
  return tab;
}

const active = (tabs: readonly Tabs[]) => tabs.filter((tab) => tab.active).length;

Deno.test("page: of tabs that open at the same moment one becomes active, and only that one", async () => {
  const { BroadcastChannel } = globalThis;
  globalThis.BroadcastChannel = Channel as unknown as typeof BroadcastChannel;
  try {
    const tabs = await Promise.all(Array.from({ length: 5 }, open));
    assertEquals(active(tabs), 1);
    // A login form takes the account from nobody, and keeps nobody from it.
    for (const tab of tabs) tab.active = false;
    const form = new Tabs(() => Promise.resolve(), () => {});
    const [anyone, later] = await Promise.all([form.anyone(false), open()]);
    assertEquals([anyone, later.active], [false, true]);
    // What is said last is heard, too.
    await new Promise((resolve) => setTimeout(resolve));
  } finally {
    globalThis.BroadcastChannel = BroadcastChannel;
  }
});
