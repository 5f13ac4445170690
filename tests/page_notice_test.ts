// What tells people on the page that there is something: notifications, the title, the line above what is new, the state of the connection.

import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { pageTest, type Person } from "./support/browser.ts";
import { eventually } from "./support/server.ts";

/** Writes down the notifications that the browser shows, and lets them be clicked; and what it is told to write on the icon. */
const OBSERVE = `
  globalThis.badge = undefined;
  globalThis.told = 0;
  const { setAppBadge } = Navigator.prototype;
  Navigator.prototype.setAppBadge = function (count) {
    badge = count;
    told++;
    // Firefox has none.
    return setAppBadge?.call(this, count) ?? Promise.resolve();
  };
  globalThis.shown = [];
  globalThis.takenAway = [];
  globalThis.Notification = class extends Notification {
    constructor(title, options) {
      super(title, options);
      shown.push({ title, body: options.body, tag: options.tag, click: () => this.onclick?.() });
    }
    close() {
      super.close();
      takenAway.push(this.body);
    }
  };`;

/** Title, text and conversation of each. */
async function shown(page: Page): Promise<[string, string, string][]> {
  return await page.evaluate<[string, string, string][]>("shown.map(({ title, body, tag }) => [title, body, tag])");
}

async function turn(person: Person, to: "On" | "Off"): Promise<void> {
  await person.button("Settings").click();
  const choice = person.page.getByRole("group", { name: "Notifications" });
  await choice.getByRole("button", { name: to, exact: true }).click();
  await choice.getByRole("button", { name: to, exact: true, pressed: true }).waitFor();
  await person.page.keyboard.press("Escape");
}

pageTest("notifications and the title tell of what is not seen, and of nothing else", async (t) => {
  const alice = await t.user("alice", { permissions: ["notifications"] });
  await alice.page.addInitScript(OBSERVE);
  await alice.page.reload();
  const bob = await t.user("bob", { permissions: [] });
  await alice.begin("A person", "bob");
  await bob.begin("A person", "alice");
  await alice.begin("A new group", "Hikers");
  await bob.begin("Join a group", "Hikers");
  const title = async (wanted: string) => {
    await eventually(async () => await alice.page.title() === wanted, `the title ${wanted}`);
    assertEquals(await alice.page.evaluate("badge"), Number(wanted.match(/\d+/)?.[0] ?? 0));
  };
  // The icon may still say what it said when the page was closed.
  await title("natter");

  // Off until the user wants them.
  await bob.open("alice");
  await bob.send("one");
  await title("(1) natter");
  assertEquals(await shown(alice.page), []);
  await turn(alice, "On");
  await bob.send("two");
  await title("(2) natter");
  // The one that is open is seen.
  await bob.open("Hikers");
  await bob.send("we go");
  await alice.sees("we go");
  assertEquals(await shown(alice.page), [["bob", "two", "u2"]]);
  await title("(2) natter");

  // A click leads there.
  await alice.page.evaluate("shown[0].click()");
  await alice.page.getByRole("main", { name: "bob" }).waitFor();
  await title("natter");
  await bob.send("x".repeat(500));
  await title("(1) natter");
  assertEquals((await shown(alice.page)).slice(1), [["Hikers", `bob: ${"x".repeat(200)}`, "g1"]]);

  // Nobody sees a page that is behind another one.
  await alice.open("Hikers");
  await title("natter");
  const hidden = async (state: "hidden" | "visible") =>
    await alice.page.evaluate(
      `Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true }), document.dispatchEvent(new Event("visibilitychange"))`,
    );
  await hidden("hidden");
  await bob.send("anyone?");
  await title("(1) natter");
  assertEquals((await shown(alice.page)).slice(2), [["Hikers", "bob: anyone?", "g1"]]);
  await hidden("visible");
  await title("natter");

  // What is seen as it comes is not counted, not for a moment either: that costs more than all else of it.
  const told = await alice.page.evaluate("told");
  await bob.send("seen");
  await alice.sees("seen");
  assertEquals(await alice.page.evaluate("told"), told);

  await turn(alice, "Off");
  await bob.open("alice");
  await bob.send("three");
  await title("(1) natter");
  assertEquals((await shown(alice.page)).length, 3);

  // Where the browser does not allow them there is nothing to turn on. Firefox would ask.
  if (t.browser === "Firefox") return;
  await bob.button("Settings").click();
  await bob.page.getByText("The browser does not allow them for this page.").waitFor();
});

pageTest("a notification of what is deleted goes, whatever else is unread there", async (t) => {
  const alice = await t.user("alice", { permissions: ["notifications"] });
  await alice.page.addInitScript(OBSERVE);
  await alice.page.reload();
  await turn(alice, "On");
  const bob = await t.user("bob");
  await bob.begin("A person", "alice");
  for (const text of ["one", "a secret"]) {
    await bob.send(text);
    await bob.sees(text);
  }
  await eventually(async () => (await shown(alice.page)).length === 2, "both are told");
  await bob.message("a secret").hover();
  await bob.message("a secret").locator(".more").click();
  await bob.page.getByRole("menuitem", { name: "Delete" }).click();
  await bob.page.getByRole("dialog", { name: "Delete the message?" }).getByRole("button", { name: "Delete" }).click();
  await eventually(async () => (await alice.page.evaluate<string[]>("takenAway")).includes("a secret"), "it is gone");
  await eventually(async () => await alice.page.title() === "(1) natter", "the other one is unread");
});

pageTest("in a browser that knows nothing, the line stands above what is new, not above all, and stays there", async (t) => {
  const [alice, bob] = [await t.user("alice"), await t.user("bob")];
  await bob.begin("A person", "alice");
  await bob.send("long ago");
  await alice.open("bob");
  await alice.sees("long ago");
  await alice.send("yes");
  await alice.sees("yes");
  await alice.logOut();
  await bob.send("new");
  await bob.send("newer");
  await bob.sees("newer");

  const fresh = await t.user("alice");
  await fresh.item("bob").locator(".badge", { hasText: "2" }).waitFor();
  await fresh.open("bob");
  await fresh.sees("long ago");
  await fresh.page.locator(".divider").waitFor();
  assertEquals(await fresh.page.locator(".divider + .message .text").allTextContents(), ["new"]);
  assertEquals(await fresh.page.locator(".divider").count(), 1);
  // Who sees a message come needs no line above it.
  await fresh.item("bob").locator(".badge").waitFor({ state: "detached" });
  await bob.send("newest");
  await fresh.sees("newest");
  assertEquals(await fresh.page.locator(".divider + .message .text").allTextContents(), ["new"]);
});

pageTest("on a phone an open conversation says that there is no connection", async (t) => {
  const alice = await t.user("alice", { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
  const bob = await t.user("bob");
  await alice.begin("A person", "bob");
  await alice.send("note");
  await alice.sees("note");
  const above = alice.page.locator(".conversation .above");
  assertEquals(await above.isVisible(), false);
  await alice.page.locator(".conversation > header .who").click();
  const head = alice.page.locator("dialog .head");
  await head.getByText("online", { exact: true }).waitFor();
  for (const person of [alice, bob]) person.expectsRefusals = true;
  await t.server.kill();
  // Nobody knows who is there.
  await head.getByText("not connected", { exact: true }).waitFor();
  await alice.button("Close").click();
  await above.getByRole("status").getByText("No connection.").waitFor();
  await above.getByRole("button", { name: "Try now" }).waitFor();
  await t.server.start();
  await alice.online();
  assertEquals(await above.isVisible(), false);
});
