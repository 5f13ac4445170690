/** The open conversation in the address (`#u12`), so that the browser's Back leaves it and a reload keeps it. */
import { type Key, parseKey } from "./state/model.ts";
import type { Store } from "./state/store.ts";
import type { Talk } from "./state/talk.ts";

export class Route {
  readonly #store: Store;
  readonly #talk: Talk;
  /** What the address asks for, until it is in the list. */
  #wanted = parseKey(location.hash.slice(1));

  constructor(store: Store, talk: Talk) {
    this.#store = store;
    this.#talk = talk;
    addEventListener("popstate", () => {
      this.#wanted = undefined;
      this.#talk.open(parseKey(location.hash.slice(1)));
    });
    let shown = false;
    store.subscribe(({ screen, conversations, open }) => {
      // A tab that had given the account away shows what it showed before.
      if (!shown && screen === "chat") this.#wanted ??= parseKey(location.hash.slice(1));
      shown = screen === "chat";
      if (!shown) return;
      if (this.#wanted && conversations.has(this.#wanted)) {
        const key = this.#wanted;
        this.#wanted = undefined;
        this.#talk.open(key);
      } else if (open === undefined && this.#wanted === undefined && location.hash !== "") {
        // The conversation is gone: a group was left, another user logged in.
        this.#replace("");
      }
    });
  }

  /** Opens a conversation. */
  open(key: Key): void {
    this.#wanted = undefined;
    if (this.#store.state.open === undefined) history.pushState("in", "", `#${key}`);
    else this.#replace(`#${key}`);
    this.#talk.open(key);
  }

  /** Back to the list. */
  close(): void {
    if (history.state === "in") return history.back();
    this.#replace("");
    this.#talk.open(undefined);
  }

  #replace(hash: string): void {
    history.replaceState(history.state, "", location.pathname + location.search + hash);
  }
}
