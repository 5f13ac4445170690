/**
 * Being told while the page is closed: the browser's push service wakes the service worker (worker/push.ts), which says who wrote.
 *
 * 1. Whether it is on says the server, which has the subscription with this device; the browser's own is what it was made of.
 * 2. A browser whose user has logged out has no subscription, so the next user of it is not told by that.
 */
import type { NatterClient } from "../client/natter_client.ts";
import type { Route } from "./route.ts";
import type { Account } from "./state/account.ts";
import { parseKey } from "./state/model.ts";
import type { Store } from "./state/store.ts";

/** What a device is told while the page is closed: nothing, who wrote, or what they said as well. */
export type Pushed = "off" | "who" | "text";

/** Turns it on and off. */
export class WebPush {
  readonly #account: Account;

  constructor(store: Store, account: Account, route: Route) {
    this.#account = account;
    let screen = store.state.screen;
    /** Something came late, while the page was before its user without a connection: they see it when there is one. */
    let late = false;
    store.subscribe((state) => {
      if (late && state.connection.state === "online") seen();
      if (state.screen === screen) return;
      screen = state.screen;
      if (screen === "login") void unsubscribe();
      else if (screen === "chat") void closeAll();
    });
    const seen = () => {
      late = false;
      if (!document.hidden && screen === "chat") void closeAll();
    };
    navigator.serviceWorker?.addEventListener("message", ({ data }) => {
      // A notification was clicked on, or has come.
      const key = parseKey(String(data?.open));
      if (key) route.seek(key);
      if (!data?.shown) return;
      if (store.state.connection.state === "online") seen();
      else late = true;
    });
    // A phone had stopped the page, and goes on with it.
    document.addEventListener("visibilitychange", seen);
  }

  /** Whether server and browser can do it. */
  get possible(): boolean {
    return (this.#account.client.session?.features.includes("push") ?? false) && isSecureContext && "serviceWorker" in navigator &&
      "PushManager" in globalThis;
  }

  /** What is so now. Rejects as requests do. */
  async state(): Promise<Pushed> {
    const [{ endpoint, text }, subscription] = await Promise.all([this.#client.push(), subscribed()]);
    return endpoint === undefined || endpoint !== subscription?.endpoint ? "off" : text ? "text" : "who";
  }

  /** Changes it: what is so then. Only upon a user's click: the browser asks. Rejects as requests do, and with what the browser says. */
  async turn(pushed: Pushed): Promise<Pushed> {
    if (pushed === "off") {
      await this.#client.push(null);
      await unsubscribe();
    } else if (await Notification.requestPermission() === "granted") {
      const { key } = await this.#client.push();
      const { endpoint, keys } = (await subscribe(key)).toJSON();
      await this.#client.push({ endpoint: endpoint!, keys: { p256dh: keys!["p256dh"]!, auth: keys!["auth"]! }, text: pushed === "text" });
    }
    return await this.state();
  }

  get #client(): NatterClient {
    return this.#account.client;
  }
}

async function subscribed(): Promise<PushSubscription | undefined> {
  const registration = await navigator.serviceWorker?.getRegistration();
  return await registration?.pushManager?.getSubscription() ?? undefined;
}

/** What was pushed is seen now. */
async function closeAll(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  for (const notification of await registration?.getNotifications() ?? []) notification.close();
}

async function unsubscribe(): Promise<void> {
  await (await subscribed())?.unsubscribe();
}

/** A subscription for that key; one for another key (the server's database is another one) makes room. */
async function subscribe(key: string): Promise<PushSubscription> {
  const { pushManager } = await navigator.serviceWorker.ready;
  const options = { userVisibleOnly: true, applicationServerKey: key };
  try {
    return await pushManager.subscribe(options);
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "InvalidStateError")) throw error;
    await unsubscribe();
    return await pushManager.subscribe(options);
  }
}
