// Being told while the page is closed. The browser's push service is out of reach of tests: what it does (subscribe, wake the worker) is done in its place, by the
// page's own means and by DevTools'; what the server sends, and that a browser can read it, is push_test's.

import { assertEquals } from "@std/assert";
import type { Page, Worker } from "playwright-core";
import { chromiumTest } from "./support/browser.ts";
import { eventually } from "./support/server.ts";

const ENDPOINT = "https://push.example.org/s/1";

/** In the page: a push service that lets everybody subscribe. */
function standIn(endpoint: string): void {
  let there: object | null = null;
  const keys = {
    p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    auth: "BTBZMqHH6r4Tts7J_aSIgg",
  };
  const subscription = { endpoint, toJSON: () => ({ endpoint, keys }), unsubscribe: () => Promise.resolve(there = null) };
  const { prototype } = (globalThis as unknown as { PushManager: { prototype: object } }).PushManager;
  Object.assign(prototype, {
    subscribe: ({ applicationServerKey: key }: { applicationServerKey: string }) =>
      key.length === 87 ? Promise.resolve(there = subscription) : Promise.reject(new DOMException("no key", "InvalidAccessError")),
    getSubscription: () => Promise.resolve(there),
  });
}

/** Wakes the worker of a page as a push service does it. */
async function pusher(page: Page): Promise<(data: object | string) => Promise<unknown>> {
  const devtools = await page.context().newCDPSession(page);
  const registered = new Promise<string>((resolve) =>
    devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations: [first] }) => first && resolve(first.registrationId))
  );
  await devtools.send("ServiceWorker.enable");
  const registrationId = await registered;
  return (data) =>
    devtools.send("ServiceWorker.deliverPushMessage", {
      origin: new URL(page.url()).origin,
      registrationId,
      data: typeof data === "string" ? data : JSON.stringify(data),
    });
}

/** Whether the page is before its user: a browser without a screen says that each is. */
async function inFront(page: Page, front: boolean): Promise<void> {
  await page.evaluate(`Object.defineProperty(document, "hidden", { configurable: true, value: ${!front} })`);
}

/** In the worker: counts what is on the screen for certain. Whoever asks the browser for its notifications before that makes it forget one that is on its way there. */
const COUNTING = `(() => {
  const show = registration.showNotification;
  globalThis.shown = 0;
  let first = true;
  registration.showNotification = async (...said) => {
    // The first one takes its time: what comes behind it waits, or it would be shown last.
    if (first) await new Promise((resolve) => setTimeout(resolve, 300, first = false));
    await show.apply(registration, said);
    globalThis.shown++;
  };
})()`;

/** Pushes until it is shown: a page that comes to the front at this moment, as browsers have it when a tab is closed, takes away what is there; then once more. */
async function pushUntil(shown: () => Promise<boolean>, what: string, push: () => Promise<unknown>): Promise<void> {
  for (let tries = 1;; tries++) {
    await push();
    try {
      return void await eventually(shown, what, 3000);
    } catch (error) {
      if (tries === 4) throw error;
    }
  }
}

/** In the worker: no test can click on what the system shows. What only a real click may do is noted: which page came to the front, which was opened. */
const CLICK = `async (tag) => {
  const did = [];
  WindowClient.prototype.focus = function () {
    did.push("front " + this.url);
    return Promise.reject(new DOMException("not by a click", "InvalidAccessError"));
  };
  Clients.prototype.openWindow = (url) => Promise.resolve(did.push("open " + url));
  const shown = async () => (await registration.getNotifications()).filter((one) => one.tag === tag);
  const event = new NotificationEvent("notificationclick", { notification: (await shown())[0] });
  const waited = [];
  Object.defineProperty(event, "waitUntil", { value: (what) => waited.push(what) });
  dispatchEvent(event);
  await Promise.allSettled(waited);
  return [...did, ...(await shown()).map(() => "it is still shown")];
}`;

chromiumTest(
  "what goes on in a service worker",
  "a click on what was pushed opens the conversation: in the page that is there, also if it knows nothing of it yet, or in a new one",
  async (t) => {
    const alice = await t.user("alice", { serviceWorkers: "allow", permissions: ["notifications"] });
    const bob = await t.user("bob");
    await bob.begin("A person", "alice");
    await bob.send("hello");
    await alice.item("bob").waitFor();
    await alice.page.evaluate("navigator.serviceWorker.ready");
    const [worker] = alice.context.serviceWorkers() as [Worker];
    const push = await pusher(alice.page);
    const shown = () => worker.evaluate<string[]>("registration.getNotifications().then((all) => all.map(({ title, tag }) => `${tag} ${title}`))");
    const saying = (data: object | string, what: string) =>
      pushUntil(async () => (await shown()).includes(what), `a notification "${what}"`, () => push(data));
    const pushed = (id: number, name: string) => saying({ to: 1, id, name, messageid: 5, ts: 1 }, `u${id} ${name}`);
    const click = (tag: string) => worker.evaluate<string[]>(`(${CLICK})("${tag}")`);
    const { url } = t.server;
    await inFront(alice.page, false);

    // A file in a tab of its own, in front of the page, which is none; and browsers may refuse to bring the page to the front.
    const file = await alice.context.newPage();
    await file.goto(`${url}icon-192.png`);
    await file.bringToFront();
    await pushed(2, "bob");
    assertEquals(await click("u2"), [`front ${url}`]);
    await alice.page.getByRole("main", { name: "bob" }).waitFor();
    await file.close();

    // The page slept while a stranger wrote.
    const carol = await t.user("carol");
    await carol.begin("A person", "alice");
    await pushed(3, "carol");
    assertEquals(await click("u3"), [`front ${url}`]);
    await carol.send("do you know me?");
    await alice.page.getByRole("main", { name: "carol" }).waitFor();
    assertEquals(new URL(alice.page.url()).hash, "#u3");

    // Whoever comes to the page by another way has seen what was pushed.
    await pushed(2, "bob");
    await inFront(alice.page, true);
    await alice.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await eventually(async () => (await shown()).length === 0, "it is gone");

    // Also what comes late, when they are there already; without a connection they have not seen it.
    await worker.evaluate(COUNTING);
    let count = 0;
    const late = async () => {
      await push({ to: 1, id: 2, name: "bob", messageid: 5, ts: 1 });
      count++;
      await eventually(async () => await worker.evaluate<number>("globalThis.shown") === count, "it was shown");
    };
    // By the page: the browser does it, too, after a while.
    await alice.page.evaluate(`{
      globalThis.takenAway = 0;
      const { close } = Notification.prototype;
      Notification.prototype.close = function () {
        takenAway++;
        close.call(this);
      };
    }`);
    const closed = async (times: number) => await eventually(() => alice.page.evaluate<boolean>(`takenAway === ${times}`), "it is taken away");
    await late();
    await closed(1);
    alice.expectsRefusals = bob.expectsRefusals = carol.expectsRefusals = true;
    await t.server.kill();
    await alice.offline();
    await late();
    assertEquals([await shown(), await alice.page.evaluate("takenAway")], [["u2 bob"], 1]);
    await t.server.start();
    await alice.online();
    await closed(2);
    await inFront(alice.page, false);

    // In the language that was chosen in the page.
    await alice.button("Settings").click();
    await alice.page.getByRole("group", { name: "Language" }).getByRole("button", { name: "中文" }).click();
    const kept = () => alice.page.evaluate<string>("caches.match('language').then((kept) => kept?.text())");
    await eventually(async () => await kept() === "zh", "the choice is where the worker finds it");
    await saying("what nobody can read", " 新消息");

    await pushed(2, "bob");
    await alice.page.close();
    await eventually(() => worker.evaluate<boolean>("clients.matchAll({ includeUncontrolled: true }).then((all) => all.length === 0)"), "no page");
    assertEquals(await click("u2"), [`open ${url}#u2`]);
    const opened = await alice.context.newPage();
    await opened.goto(`${url}#u2`);
    await opened.getByRole("main", { name: "bob" }).waitFor();
  },
);

chromiumTest("what goes on in a service worker", "who closes the page may be told of messages, with or without what is said", async (t) => {
  const rows = () => t.db.query("select endpoint, text from push");
  const alice = await t.user("alice", { serviceWorkers: "allow", permissions: ["notifications"] });
  await alice.page.addInitScript(standIn, ENDPOINT);
  await alice.page.reload();
  await t.user("bob");
  await alice.begin("A person", "bob");
  await alice.send("hello");

  await alice.page.evaluate("navigator.serviceWorker.ready");
  await alice.page.getByRole("button", { name: "Settings" }).click();
  const choice = alice.page.getByRole("group", { name: "While the page is closed" });
  await choice.getByRole("button", { name: "Nothing", pressed: true }).waitFor();
  await choice.getByRole("button", { name: "Who wrote" }).click();
  await choice.getByRole("button", { name: "Who wrote", pressed: true }).waitFor();
  assertEquals(await rows(), [{ endpoint: ENDPOINT, text: 0 }]);
  await choice.getByRole("button", { name: "And what" }).click();
  await choice.getByRole("button", { name: "And what", pressed: true }).waitFor();
  assertEquals(await rows(), [{ endpoint: ENDPOINT, text: 1 }]);
  await choice.getByRole("button", { name: "Nothing" }).click();
  await choice.getByRole("button", { name: "Nothing", pressed: true }).waitFor();
  assertEquals(await rows(), []);
  await choice.getByRole("button", { name: "Who wrote" }).click();
  await choice.getByRole("button", { name: "Who wrote", pressed: true }).waitFor();
  await alice.page.keyboard.press("Escape");

  const push = await pusher(alice.page);
  await inFront(alice.page, false);
  const shown = () =>
    alice.page.evaluate<unknown>(
      "navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((all) => all.map(({ title, body, tag }) => [tag, title, body]).sort())",
    );
  const [worker] = alice.context.serviceWorkers() as [Worker];
  await worker.evaluate(COUNTING);
  let pushed = 0;
  await pushUntil(async () => (await shown() as unknown[]).length === 3, "three notifications", async () => {
    await push({ to: 1, id: 2, name: "bob", messageid: 5, ts: 1 });
    await push({ to: 1, id: 2, name: "bob", messageid: 6, ts: 2, msg: "are you there?" });
    await push({ to: 1, id: 2, name: "bob", groupid: 7, groupname: "hikers", messageid: 8, ts: 3, msg: "Saturday?" });
    await push("what nobody can read");
    pushed += 4;
    await eventually(async () => await worker.evaluate<number>("shown") === pushed, "all are shown");
  });
  assertEquals(await shown(), [
    ["", "New message", "New message"],
    ["g7", "hikers", "bob: Saturday?"],
    ["u2", "bob", "are you there?"],
  ]);

  // Whoever opens the page sees it there; whoever logs out is told no more.
  await alice.page.reload();
  await eventually(async () => (await shown() as unknown[]).length === 0, "they are gone");
  await alice.logOut();
  await eventually(async () => (await rows()).length === 0, "no subscription");
});
