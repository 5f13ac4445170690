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
  /** How long that takes (ms). */
  static takes = 0;
  /** Nobody hears anything. */
  static deaf = false;
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
        if (!Channel.deaf) other.onmessage({ data });
      }, Channel.takes);
    }
  }
}

/** A browser's locks: one holder each, or nobody. */
class Locks {
  #holder: object | undefined;
  #waiting: (() => void)[] = [];

  async request(
    _name: string,
    { ifAvailable, steal, signal }: { ifAvailable?: true; steal?: true; signal?: AbortSignal },
    use: (lock: object | null) => unknown,
  ): Promise<void> {
    await Promise.resolve();
    if (this.#holder && ifAvailable) return void await use(null);
    if (this.#holder && !steal) {
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push(resolve);
        signal?.addEventListener("abort", () => {
          this.#waiting = this.#waiting.filter((other) => other !== resolve);
          reject(signal.reason);
        });
      });
    }
    const lock = this.#holder = {};
    await use(lock);
    if (this.#holder !== lock) return;
    this.#holder = undefined;
    this.#waiting.shift()?.();
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
    const some = await Promise.all(Array.from({ length: 5 }, open));
    assertEquals(active(some), 1);

    // One that is busy answers late, and has the account all the same; when it is closed meanwhile, nobody waits for its answer.
    Channel.takes = 500;
    assertEquals((await open()).active, false);
    const begun = performance.now(), next = open();
    await turn();
    for (const tab of some) tab.active = false;
    assertEquals([(await next).active, performance.now() - begun < 250], [true, true]);
    // One that hangs keeps it from nobody.
    Channel.deaf = true;
    assertEquals((await open()).active, true);
    Object.assign(Channel, { takes: 0, deaf: false });
  }));
