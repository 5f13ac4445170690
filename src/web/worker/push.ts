/**
 * Says who wrote while the page was closed.
 *
 * 1. What the server pushes (18.5 of the protocol) is shown whatever is in it: browsers take a subscription away whose pushes show nothing.
 * 2. One notification for each conversation, the newest: each push waits for the one before. A click opens it, in the page that is there or in a new one.
 * 3. A page is told that something is shown: it may have come late, when its user was there already.
 * 4. Browsers refuse to bring a page to the front at times: the conversation is opened in it all the same.
 */
import { keptLanguage } from "../language.ts";
import { worker } from "./scope.ts";

/** What the server says. */
interface Pushed {
  id?: number;
  name?: string;
  groupid?: number;
  groupname?: string;
  msg?: string;
}

/** Shows what is pushed, and opens what is clicked on. */
export function sayWhoWrote(): void {
  let last: Promise<void> = Promise.resolve();
  worker.addEventListener("push", (event) => {
    last = last.catch(() => {}).then(() => say(event.data));
    event.waitUntil(last);
  });
  worker.addEventListener("notificationclick", (event) => {
    event.notification.close();
    event.waitUntil(open(event.notification.tag));
  });
}

async function say(data: PushMessageData | null): Promise<void> {
  let pushed: Pushed = {};
  try {
    pushed = data?.json() ?? {};
  } catch {
    // Then it says that there is something.
  }
  const { id, name = "", groupid, groupname, msg = "" } = pushed;
  const inGroup = groupid !== undefined;
  const something = await keptLanguage() === "zh" ? "新消息" : "New message";
  await worker.registration.showNotification((inGroup ? groupname : name) || something, {
    body: (inGroup && name !== "" ? `${name}: ` : "") + (msg || something),
    icon: "icon-192.png",
    tag: inGroup ? `g${groupid}` : id === undefined ? "" : `u${id}`,
  });
  for (const page of await pages()) page.postMessage({ shown: true });
}

/** The tabs that have the page. */
async function pages(): Promise<WindowClient[]> {
  const { scope } = worker.registration;
  // A page that was loaded past the worker is one as well; a file that is open in a tab of its own is none.
  const tabs = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  return tabs.filter(({ url }) => [scope, `${scope}index.html`].includes(url.split(/[?#]/)[0]!));
}

/** The page, with that conversation. */
async function open(key: string): Promise<void> {
  const { scope } = worker.registration;
  const [page] = await pages();
  if (!page) return void await worker.clients.openWindow(`${scope}${key === "" ? "" : `#${key}`}`);
  page.postMessage({ open: key });
  await page.focus();
}
