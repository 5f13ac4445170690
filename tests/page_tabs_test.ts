// Of the tabs of one browser, one has the account: also when several begin at the same moment.

import { assert, assertEquals } from "@std/assert";
import { Tabs } from "../src/web/state/tabs.ts";
import { clockByHand } from "./support/clock.ts";

/** A browser's channel between its tabs: everyone hears what the others say, in order, a moment later. */
class Channel {
  static readonly #all: Channel[] = [];
  /** Questions whether anyone is active. */
  static asked = 0;
  /** What was said and is not heard yet. */
  static underWay = 0;
  onmessage: (event: { data: unknown }) => void = () => {};

  constructor() {
    Channel.#all.push(this);
  }

  postMessage(data: unknown): void {
    if (typeof data === "object" && "anyone" in data!) Channel.asked++;
    for (const other of Channel.#all) {
      if (other === this) continue;
      Channel.underWay++;
      setTimeout(() => {
        Channel.underWay--;
        other.onmessage({ data });
      });
    }
  }
}

/** A browser's locks: one holder each, or nobody. */
class Locks {
  #holder: object | undefined;

  async request(_name: string, { steal = false }: { steal?: boolean }, use: (lock: object | null) => unknown): Promise<void> {
    await Promise.resolve();
    const lock = this.#holder && !steal ? null : {};
    if (lock) this.#holder = lock;
    await use(lock);
    if (this.#holder === lock) this.#holder = undefined;
  }

  query(): Promise<{ held: { name: string }[] }> {
    return Promise.resolve({ held: this.#holder ? [{ name: "natter" }] : [] });
  }
}

const form = () => new Tabs(() => Promise.resolve(), () => {});

/** Opens a page in a tab, as `session.ts` does. @returns the tab, and whether it is the active one. */
async function open(): Promise<Tabs> {
  const tab = form();
  if (!await tab.anyone(true)) tab.active = true;
  return tab;
}

const active = (tabs: readonly Tabs[]) => tabs.filter((tab) => tab.active).length;

/** In such a browser, where no time passes but what is waited for. `locks` undefined: it has none, as over plain HTTP. */
async function inBrowser(locks: Locks | undefined, go: () => Promise<void>): Promise<void> {
  const { BroadcastChannel } = globalThis;
  globalThis.BroadcastChannel = Channel as unknown as typeof BroadcastChannel;
  Object.defineProperty(navigator, "locks", { configurable: true, value: locks });
  using clock = clockByHand();
  try {
    let gone = false;
    const going = go().finally(() => gone = true);
    // What is said last is heard, and answered, too.
    going.catch(() => {});
    while (!gone || Channel.underWay > 0) await clock.pass(100);
    await going;
  } finally {
    globalThis.BroadcastChannel = BroadcastChannel;
    Reflect.deleteProperty(navigator, "locks");
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("page: of tabs that open at the same moment one becomes active, and only that one", () =>
  inBrowser(undefined, async () => {
    const tabs = await Promise.all(Array.from({ length: 5 }, open));
    assertEquals(active(tabs), 1);
    // A login form takes the account from nobody, and keeps nobody from it.
    for (const tab of tabs) tab.active = false;
    const [anyone, later] = await Promise.all([form().anyone(false), open()]);
    assertEquals([anyone, later.active], [false, true]);
  }));

Deno.test("page: where browsers have locks a tab waits for no answer if no other is active, and asks if one may be", () =>
  inBrowser(new Locks(), async () => {
    Channel.asked = 0;
    const first = await open();
    first.active = false;
    await turn();
    assertEquals(await form().anyone(false), false);
    const second = await open();
    assertEquals([second.active, Channel.asked], [true, 0]);
    // One that takes over has the lock from then on.
    const third = form();
    second.active = false;
    third.active = true;
    const others = await Promise.all(Array.from({ length: 5 }, open));
    assertEquals([active(others), await form().anyone(false)], [0, true]);
    assert(Channel.asked > 0);
    third.active = false;
    await turn();
    // The one that gets the lock answers the others.
    assertEquals(active(await Promise.all(Array.from({ length: 5 }, open))), 1);
  }));
