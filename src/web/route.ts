/**
 * The open conversation in the address (`#u12`), so that the browser's Back leaves it and a reload keeps it. A dialog is a step of its own: Back closes it.
 *
 * Rules:
 *
 * 1. The entries of the history are: the list; above it, a conversation (`in`), unless the page was opened with one; above that, a dialog (`dialog`).
 * 2. Going back takes a moment: what is to be opened meanwhile, or from a dialog, or left behind it (`#next`), waits until the browser is back. Another dialog
 *    may be opened meanwhile: it has its entry then.
 * 3. What one user had open is not opened for another one who logs in next: who logs out leaves nothing in the address.
 */
import { type Key, parseKey } from "./state/model.ts";
import { readAccount } from "./state/storage.ts";
import type { Store } from "./state/store.ts";
import type { Talk } from "./state/talk.ts";

export class Route {
  readonly #store: Store;
  readonly #talk: Talk;
  /** What the address asks for, until it is in the list. */
  #wanted = parseKey(location.hash.slice(1));
  /** What is to be opened as soon as it is in the list. */
  #sought: Key | undefined;
  /** null: the list. */
  #next: Key | null | undefined;
  /** The browser is on its way back. */
  #leaving = false;
  /** Who was here last. */
  #owner = readAccount()?.id;
  /** Whoever was here has logged out. */
  #over = false;

  constructor(store: Store, talk: Talk) {
    this.#store = store;
    this.#talk = talk;
    addEventListener("popstate", () => this.#wentBack());
    // A page that was loaded anew has no dialog.
    if (history.state === "dialog") this.#leave();
    let shown = false;
    store.subscribe(({ screen, notice, me, conversations, open, dialog }) => {
      if (dialog && history.state !== "dialog") history.pushState("dialog", "");
      else if (!dialog && history.state === "dialog") this.#leave();
      // A tab that had given the account away shows what it showed before.
      if (!shown && screen === "chat") {
        const before = this.#owner ?? me.id;
        this.#owner = me.id;
        if (before === me.id) this.#wanted ??= parseKey(location.hash.slice(1));
        else this.#forget();
      }
      this.#over = screen === "login" && notice !== "refused" && (shown || this.#over);
      if (this.#over) this.#forget();
      shown = screen === "chat";
      if (!shown) return;
      if (this.#sought && conversations.has(this.#sought)) return this.open(this.#sought);
      if (this.#wanted && conversations.has(this.#wanted)) {
        const key = this.#wanted;
        this.#wanted = undefined;
        this.#talk.open(key);
      } else if (open === undefined && this.#wanted === undefined && location.hash !== "" && !this.#leaving && history.state !== "dialog") {
        // The conversation is gone: a group was left, another user logged in.
        this.#replace("");
      }
    });
  }

  /** Opens a conversation, and closes the dialog that stands before it. */
  open(key: Key): void {
    this.#wanted = this.#sought = undefined;
    if (history.state === "dialog" || this.#leaving) {
      this.#next = key;
      return this.#leave();
    }
    if (this.#store.state.open === undefined) history.pushState("in", "", `#${key}`);
    else this.#replace(`#${key}`);
    this.#talk.open(key);
  }

  /** Opens a conversation as soon as it is in the list: who wrote may be a stranger, of whom the page does not know yet. */
  seek(key: Key): void {
    if (this.#store.state.conversations.has(key)) this.open(key);
    else this.#sought = key;
  }

  /** Back to the list. */
  close(): void {
    // A dialog may be closed without the page's having been told: keys are handled before that.
    if (history.state === "dialog") {
      this.#next = null;
      return this.#leave();
    }
    if (history.state === "in") return this.#leave();
    this.#replace("");
    this.#talk.open(undefined);
  }

  /** Rule 3. */
  #forget(): void {
    this.#wanted = this.#sought = this.#next = undefined;
    if (parseKey(location.hash.slice(1))) this.#replace("");
  }

  #leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    history.back();
  }

  #wentBack(): void {
    const left = this.#leaving;
    this.#leaving = false;
    if (this.#over) this.#forget();
    const key = parseKey(location.hash.slice(1));
    const { screen, open, dialog } = this.#store.state;
    this.#wanted = screen === "chat" ? undefined : key;
    const next = this.#next;
    this.#next = undefined;
    // What was opened after the dialog that was left stays.
    if (dialog && left && next === undefined && key === open) return history.pushState("dialog", "");
    if (dialog) this.#store.update({ dialog: undefined });
    if (screen === "chat") this.#talk.open(key);
    if (next === null) this.close();
    else if (next) this.open(next);
  }

  #replace(hash: string): void {
    history.replaceState(history.state, "", location.pathname + location.search + hash);
  }
}
