/** What the user is told of when looking elsewhere: the count in the title and on the installed page's icon, notifications if the user turned them on, a sound unless it is turned off. */
import { gist } from "./format.ts";
import { t } from "./i18n.ts";
import type { Route } from "./route.ts";
import { currentLine } from "./state/lines.ts";
import { type Conversation, isGroup, isMuted, type Key, type Line } from "./state/model.ts";
import { Sound } from "./sound.ts";
import { readPreference, writePreference } from "./state/storage.ts";
import { type Store, unreadOf } from "./state/store.ts";

/** How much of a message a notification shows (UTF-16 units). */
const NOTIFIED_EXCERPT = 200;

/** `denied`: the browser will not, or the page did not come over HTTPS. */
type NotifyState = "on" | "off" | "denied";

export class Notify {
  readonly sound = new Sound();
  readonly #store: Store;
  readonly #route: Route;
  /** Those that are shown, and of what. */
  readonly #shown = new Map<Key, { notification: Notification; line: Line }>();
  /** What title and icon say; undefined: the icon may still say what it said when the page was closed. */
  #unread: number | undefined;
  /** The count is about to be looked at. */
  #counting = false;

  constructor(store: Store, route: Route) {
    this.#store = store;
    this.#route = route;
    store.subscribe(() => {
      // Once in a turn: what comes to the open conversation is unread for a moment, and each telling of the title and the icon costs more than all else of a message.
      if (!this.#counting) queueMicrotask(() => this.#look());
      this.#counting = true;
    });
  }

  get state(): NotifyState {
    if (typeof Notification === "undefined" || Notification.permission === "denied" || !isSecureContext) return "denied";
    return Notification.permission === "granted" && this.#wanted ? "on" : "off";
  }

  get #wanted(): boolean {
    return readPreference("notify") === "on";
  }

  /** Only upon a user's click: the browser asks. */
  async turnOn(): Promise<void> {
    if (await Notification.requestPermission() === "granted") writePreference("notify", "on");
  }

  turnOff(): void {
    writePreference("notify", undefined);
  }

  /**
   * Tells of a message: by a notification unless the user sees it (`seen`), by a sound if the page is not in front. `speaks`: to the user, by name, which is
   * heard where the group is muted, too. Whom one blocks, one does not hear.
   */
  tell(conversation: Conversation, line: Line, { seen, speaks }: { seen: boolean; speaks: boolean }): void {
    const { key, name, archived } = conversation;
    if (this.#store.state.blocked.has(line.id) || isMuted(conversation) && (archived || !speaks)) return;
    const rang = !document.hasFocus() && this.sound.ring();
    // What the user wants is known here; to ask what the browser allows takes milliseconds.
    if (seen || !this.#wanted || this.state !== "on") return;
    const body = (isGroup(key) ? `${line.name}: ` : "") + gist(line).slice(0, NOTIFIED_EXCERPT);
    try {
      const notification = new Notification(name || t.newMessageFrom(line.name), {
        body,
        tag: key,
        icon: "icon.svg",
        silent: rang || !this.sound.on,
      });
      this.#shown.set(key, { notification, line });
      notification.onclick = () => {
        focus();
        this.#route.open(key);
        this.#close(key);
      };
    } catch {
      // Browsers of phones know them only from service workers.
    }
  }

  #look(): void {
    this.#counting = false;
    const { state } = this.#store;
    const unread = unreadOf(state);
    if (unread !== this.#unread) this.#count(unread);
    // Read, here or on another device; or deleted.
    for (const [key, { line }] of this.#shown) {
      const c = state.conversations.get(key);
      if (!c?.unread || currentLine(c, line).deleted) this.#close(key);
    }
  }

  #count(unread: number): void {
    this.#unread = unread;
    document.title = unread > 0 ? `(${unread}) natter` : "natter";
    // Not every browser has it, and some refuse; the title says the same.
    if ("setAppBadge" in navigator) void navigator.setAppBadge(unread).catch(() => {});
  }

  #close(key: Key): void {
    this.#shown.get(key)?.notification.close();
    this.#shown.delete(key);
  }
}
