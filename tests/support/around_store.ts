import { setImmediate } from "node:timers";
import type { Store } from "../../src/store/store.ts";

/** One call of a method of the store, not made yet. */
export interface StoreCall {
  name: keyof Store;
  args: unknown[];
  /** Makes the call. */
  run(): Promise<unknown>;
}

/** A store whose every call is handed to `around`, which makes it, holds it, doubles it or fails it; the caller gets what `around` gives. */
function aroundStore(store: Store, around: (call: StoreCall) => Promise<unknown>): Store {
  return new Proxy(store, {
    get(target, name: keyof Store) {
      const method = target[name];
      if (typeof method !== "function") return method;
      return (...args: unknown[]) => around({ name, args, run: () => Reflect.apply(method, target, args) });
    },
  });
}

/** What is made beside: the index, what deleted accounts leave, what texts take, who has subscriptions to pushes. */
const BESIDE = new Set<keyof Store>([
  ...["index", "leaving", "kept", "textKept", "addTextKept", "setTextKept", "textKeepers", "countTexts", "pushKey", "pushed"] as const,
]);

/** What a node asks by the clock, whatever its clients do: for its lease, for kicks, for dead nodes, to reconcile. */
const BY_CLOCK = new Set<keyof Store>(["renew", "takeKicks", "sweep", "sessions"]);

/** Follows which calls are under way. */
export class StoreWatch {
  /** Calls that were made, since the last {@linkcode StoreWatch.forget}; but for those that are made by the clock, or now and then, whatever else there is. */
  made: (keyof Store)[] = [];
  /** What happens around each call; by default it is just made. */
  around: (call: StoreCall) => Promise<unknown> = (call) => call.run();
  #underWay = 0;

  /** For `Overrides.store`. */
  readonly wrap = (store: Store): Store =>
    aroundStore(store, async (call) => {
      if (!BESIDE.has(call.name)) this.made.push(call.name);
      this.#underWay++;
      try {
        return await this.around(call);
      } finally {
        this.#underWay--;
      }
    });

  /** Those of them that clients led to. To keep a node from asking for its lease instead would have it lose it, on a machine that is slow. */
  get asked(): (keyof Store)[] {
    return this.made.filter((name) => !BY_CLOCK.has(name));
  }

  forget(): void {
    this.made = [];
  }

  /** Resolves when no call is under way and none follows: what a call led to has been done. */
  async quiet(): Promise<void> {
    for (let calm = 0; calm < 10; calm++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#underWay > 0) calm = 0;
    }
  }
}
