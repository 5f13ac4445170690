/** What the user is told of when looking elsewhere: the count in the title, and the browser's notifications if the user turned them on. */
import { t } from "./i18n.ts";
import type { Route } from "./route.ts";
import { type Conversation, isGroup, type Line } from "./state/model.ts";
import { readPreference, writePreference } from "./state/storage.ts";
import { type Store, unreadOf } from "./state/store.ts";

/** How much of a message a notification shows (UTF-16 units). */
const EXCERPT = 200;

/** `denied`: the browser will not, or the page did not come over HTTPS. */
export type NotifyState = "on" | "off" | "denied";

export class Notify {
  readonly #route: Route;

  constructor(store: Store, route: Route) {
    this.#route = route;
    store.subscribe((state) => {
      const unread = unreadOf(state);
      const title = unread > 0 ? `(${unread}) natter` : "natter";
      if (document.title !== title) document.title = title;
    });
  }

  get state(): NotifyState {
    if (typeof Notification === "undefined" || Notification.permission === "denied" || !isSecureContext) return "denied";
    return Notification.permission === "granted" && readPreference("notify") === "on" ? "on" : "off";
  }

  /** Only upon a user's click: the browser asks. */
  async turnOn(): Promise<void> {
    if (await Notification.requestPermission() === "granted") writePreference("notify", "on");
  }

  turnOff(): void {
    writePreference("notify", undefined);
  }

  /** Shows a message that the user does not see. */
  show({ key, name }: Conversation, line: Line): void {
    if (this.state !== "on") return;
    const body = (isGroup(key) ? `${line.name}: ` : "") + line.msg.slice(0, EXCERPT);
    try {
      const notification = new Notification(name || t.newMessageFrom(line.name), { body, tag: key, icon: "icon.svg" });
      notification.onclick = () => {
        focus();
        this.#route.open(key);
        notification.close();
      };
    } catch {
      // Browsers of phones know them only from service workers.
    }
  }
}
