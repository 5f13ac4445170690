// Being told while the page is closed. The browser's push service is out of reach of tests: what it does (subscribe, wake the worker) is done in its place, by the
// page's own means and by DevTools'; what the server sends, and that a browser can read it, is push_test's.

import { assertEquals } from "@std/assert";
import { pageTest } from "./support/browser.ts";
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

pageTest("who closes the page may be told of messages, with or without what is said", async (t) => {
  const rows = () => t.db.query("select endpoint, text from push");
  const alice = await t.person({ serviceWorkers: "allow", permissions: ["notifications"] });
  await alice.page.addInitScript(standIn, ENDPOINT);
  await alice.page.reload();
  await alice.register("alice");
  const bob = await t.person();
  await bob.register("bob");
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

  // The worker is woken as a push service does it.
  const devtools = await alice.context.newCDPSession(alice.page);
  const registered = new Promise<string>((resolve) =>
    devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations: [first] }) => first && resolve(first.registrationId))
  );
  await devtools.send("ServiceWorker.enable");
  const registrationId = await registered;
  const push = (data: object | string) =>
    devtools.send("ServiceWorker.deliverPushMessage", {
      origin: new URL(t.server.url).origin,
      registrationId,
      data: typeof data === "string" ? data : JSON.stringify(data),
    });
  const shown = () =>
    alice.page.evaluate<unknown>(
      "navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((all) => all.map(({ title, body, tag }) => [tag, title, body]).sort())",
    );
  await push({ to: 1, id: 2, name: "bob", messageid: 5, ts: 1 });
  await push({ to: 1, id: 2, name: "bob", messageid: 6, ts: 2, msg: "are you there?" });
  await push({ to: 1, id: 2, name: "bob", groupid: 7, groupname: "hikers", messageid: 8, ts: 3, msg: "Saturday?" });
  await push("what nobody can read");
  await eventually(async () => (await shown() as unknown[]).length === 3, "three notifications");
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
