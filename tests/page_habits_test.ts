// The page under the hands of people who are used to good ones: keys, the focus, Back, input methods, what is asked before, and a network that goes.

import { assert, assertEquals } from "@std/assert";
import { partsOf } from "../src/web/links.ts";
import { chromiumTest, pageTest, type Person } from "./support/browser.ts";
import { eventually, makeUsers } from "./support/server.ts";

/** What has the focus: its label, text or name. */
async function focused(person: Person): Promise<string> {
  return await person.page.evaluate<string>(
    "(() => { const e = document.activeElement; return e.ariaLabel ?? (e.name || e.textContent.trim() || e.tagName); })()",
  );
}

async function hasFocus(person: Person, what: string): Promise<void> {
  await eventually(async () => await focused(person) === what, `the focus on ${what}, not ${await focused(person)}`);
}

pageTest("the focus is never nowhere; Back closes a dialog, not the conversation", async (t) => {
  const alice = await t.user("alice");
  const { keyboard } = alice.page;
  await makeUsers(t.db, 2, "bob");
  await alice.begin("A person", "bob1");
  await alice.begin("A person", "bob2");
  await alice.page.getByRole("main", { name: "bob2" }).waitFor();
  await hasFocus(alice, "Message to bob2");
  await keyboard.type("by click");
  await alice.button("Send").click();
  await alice.sees("by click");
  await hasFocus(alice, "Message to bob2");

  // What is typed goes to the field, wherever the focus is, but for the other fields and what a key means there.
  await alice.page.getByRole("log").focus();
  await keyboard.type("a word");
  await hasFocus(alice, "Message to bob2");
  assertEquals(await alice.page.locator(".composer textarea").inputValue(), "a word");
  await alice.page.locator(".composer textarea").fill("");
  await alice.page.getByRole("searchbox", { name: "Search" }).focus();
  await keyboard.type("b");
  assertEquals(await alice.page.getByRole("searchbox", { name: "Search" }).inputValue(), "b");
  await alice.page.getByRole("searchbox", { name: "Search" }).fill("");

  // Back, Esc and the cross close a dialog; the focus returns to what opened it.
  const opener = alice.page.locator(".conversation > header .who");
  const dialog = alice.page.getByRole("dialog");
  for (const close of [() => alice.back(), () => keyboard.press("Escape"), () => alice.button("Close").click()]) {
    await opener.click();
    await dialog.waitFor();
    await close();
    await dialog.waitFor({ state: "detached" });
    await eventually(() => alice.page.evaluate<boolean>("document.activeElement.className === 'who'"), "the focus on what opened it");
    await alice.page.getByRole("main", { name: "bob2" }).waitFor();
  }
  await alice.button("Settings").click();
  await dialog.getByRole("button", { name: "Change password" }).click();
  await hasFocus(alice, "current-password");
  await keyboard.type("a password");
  await dialog.getByLabel("New password").fill("a better password");
  await keyboard.press("Enter");
  await dialog.getByText("The password is changed.").waitFor();
  await hasFocus(alice, "Change password");
  await keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });

  // Esc closes the dialog, Esc again the conversation, however long the browser takes to go back from the dialog.
  await alice.page.evaluate("(() => { const back = history.back; history.back = () => setTimeout(() => back.call(history), 200); })()");
  await opener.click();
  await dialog.waitFor();
  await keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await alice.page.locator(".composer textarea").focus();
  await keyboard.press("Escape");
  await eventually(() => alice.page.evaluate<boolean>("location.hash === '' && history.state === null"), "back at the list");
  await alice.page.getByText("Pick a conversation").waitFor();
  await eventually(() => alice.page.evaluate<boolean>("document.activeElement !== document.body"), "the focus somewhere");
  // Also when both come before the page is told that the dialog is closed, as a browser that is busy does it: keys go before other events.
  await alice.open("bob1");
  await opener.click();
  await dialog.waitFor();
  await alice.page.evaluate(
    `document.querySelector("dialog").close(); document.querySelector(".composer textarea").dispatchEvent(
      new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true }))`,
  );
  await eventually(() => alice.page.evaluate<boolean>("location.hash === '' && history.state === null"), "back at the list");
  await alice.page.getByText("Pick a conversation").waitFor();
  // What is opened while the browser goes back to the list stays open, and the list is one step behind it.
  const item = (name: string) => `[...document.querySelectorAll(".list .item")].find((e) => e.textContent.includes("${name}"))`;
  const escape =
    `document.querySelector(".composer textarea").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true }))`;
  await alice.open("bob1");
  await alice.page.evaluate("(() => { isBack = false; addEventListener('popstate', () => { isBack = true; }, { once: true }); })()");
  await alice.page.evaluate(`${escape}, ${item("bob2")}.click()`);
  await eventually(() => alice.page.evaluate<boolean>("isBack"), "back at the list");
  await alice.page.getByRole("main", { name: "bob2" }).waitFor();
  await alice.back();
  await alice.page.getByText("Pick a conversation").waitFor();
  // Keys mean what is drawn, also before the next frame, for which a busy browser lets one wait.
  const drawn = `new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage(0);
  })`;
  await alice.page.evaluate(`(async () => { ${item("bob1")}.click(); await ${drawn}; ${escape}; })()`);
  await alice.page.getByText("Pick a conversation").waitFor();
  await alice.open("bob1");
  const focus = await alice.page.evaluate<string>(
    `(async () => { document.querySelector("main [aria-label^=Search]").click(); await ${drawn}; return document.activeElement.type; })()`,
  );
  assertEquals(focus, "search");
  await alice.page.locator(".composer textarea").focus();
  await keyboard.press("Escape");
  await alice.page.getByText("Pick a conversation").waitFor();
  // A dialog that is opened while the browser goes back from another one stays, and Back closes it.
  await alice.open("bob1");
  await opener.click();
  await alice.page.evaluate("addEventListener('popstate', () => { isBack = true; }, { once: true })");
  await alice.button("Close").click();
  await alice.button("Settings").click();
  await eventually(() => alice.page.evaluate<boolean>("globalThis.isBack === true"), "back from the first one");
  await alice.page.getByRole("dialog", { name: "Settings" }).waitFor();
  await alice.back();
  await dialog.waitFor({ state: "detached" });
  await alice.page.getByRole("main", { name: "bob1" }).waitFor();
  // Esc that is held down goes no further back than to the list.
  await keyboard.press("Escape");
  await keyboard.press("Escape");
  await alice.page.getByText("Pick a conversation").waitFor();
  await alice.open("bob1");
  await alice.back();
  await alice.page.getByText("Pick a conversation").waitFor();
  await alice.logOut();
  await hasFocus(alice, "current-password");
});

chromiumTest("a machine that can only be touched", "on a phone: Enter begins a line, Send keeps the keyboard", async (t) => {
  const li = await t.user("li", { viewport: { width: 360, height: 700 }, hasTouch: true, isMobile: true });
  await li.begin("A person", "li");
  const field = li.page.locator(".composer textarea");
  await field.tap();
  await field.pressSequentially("one");
  await field.press("Enter");
  await field.pressSequentially("two");
  await li.button("Send").tap();
  await li.sees("one\ntwo");
  await hasFocus(li, "Message to Notes to yourself");
  // A draft is there when the page comes back in another tab.
  await field.fill("half");
  await li.page.close();
  const tab = await li.tab();
  await tab.online();
  await tab.item("Notes to yourself").tap();
  await eventually(async () => await tab.page.locator(".composer textarea").inputValue() === "half", "the draft");
});

pageTest("an input method's keys, a name that only the server knows, texts that show nothing, emoji, files, and what is asked before", async (t) => {
  const alice = await t.user("alice");
  await makeUsers(t.db, 1, "dora");
  await alice.begin("A person", "alice");
  await alice.begin("A new group", "Hikers");
  const search = alice.page.getByRole("searchbox");
  await search.fill("Hik");
  for (const init of ["{ isComposing: true }", "{ keyCode: 229 }"]) {
    for (const key of ["Enter", "ArrowDown"]) {
      await search.evaluate(`(e) => e.dispatchEvent(new KeyboardEvent("keydown", { key: "${key}", bubbles: true, cancelable: true, ...${init} }))`);
    }
  }
  assertEquals(await search.inputValue(), "Hik");
  assert(await alice.page.evaluate<boolean>("document.activeElement.type === 'search'"));
  await search.fill("nobody");
  await alice.button("Add “nobody” to your contacts").click();
  await alice.page.getByText("There is nobody of that name or number.").waitFor();
  await search.fill("dora1");
  await alice.button("Add “dora1” to your contacts").click();
  await alice.page.getByText("Say hello to dora1!").waitFor();
  assertEquals(await search.inputValue(), "");

  for (const text of ["\u200b\u2060", " \u00ad\n", "\u2800\u3164"]) {
    await alice.page.locator(".composer textarea").fill(text);
    assert(await alice.button("Send").isDisabled(), JSON.stringify(text));
  }
  for (const [text, large] of [["👍🏽", true], ["❤️ 👨‍👩‍👧", true], ["🏴󠁧󠁢󠁷󠁬󠁳󠁿", true], ["©", false], ["1", false], ["👍".repeat(7), false]] as const) {
    await alice.send(text);
    await alice.page.locator(".message .text").last().getByText(text, { exact: true }).waitFor();
    assertEquals(
      await alice.page.locator(".message .text").last().evaluate((e: { className: string }) => e.className.includes("emoji")),
      large,
      text,
    );
  }
  const prevented = await alice.page.evaluate<boolean[]>(
    "['dragover', 'drop'].map((name) => !document.body.dispatchEvent(new DragEvent(name, { bubbles: true, cancelable: true })))",
  );
  assertEquals(prevented, [true, true]);

  // The creator of a group, its last member, is told what leaving means; and may think again.
  await alice.open("Hikers");
  await alice.page.locator(".conversation > header .who").click();
  await alice.button("Leave the group").click();
  await alice.page.getByText("You are the last one: the group ends, and its name is free.").waitFor();
  await alice.button("Cancel").click();
  await alice.open("dora1");
  await alice.page.locator(".conversation > header .who").click();
  await alice.button("Remove from contacts").click();
  await alice.page.getByText("dora1 goes from your contacts.").waitFor();
  await alice.page.getByRole("dialog").getByRole("button", { name: "Remove from contacts" }).click();
  await alice.page.getByText("dora1 is not among your contacts.").waitFor();

  // An error of the login is not one of registering; a new password has a length.
  await alice.logOut();
  await alice.logIn("alice", "wrong");
  await alice.page.getByText("The name or the password is wrong.").waitFor();
  await alice.button("Create account").click();
  await alice.page.getByText("The name or the password is wrong.").waitFor({ state: "detached" });
  await alice.logIn("carol", "1", "Create account");
  await alice.page.locator(".error", { hasText: "At least 8 characters." }).waitFor();
});

pageTest("a dead network is noticed in seconds when the browser has a reason to doubt it, and left when it is back", async (t) => {
  const alice = await t.user("alice");
  alice.expectsRefusals = true;
  const word = (name: string) => alice.page.evaluate(`dispatchEvent(new Event("${name}"))`);
  t.server.freeze();
  let began = performance.now();
  await word("offline");
  await alice.offline();
  assert(performance.now() - began < 8000, `noticed after ${performance.now() - began} ms`);
  // The next attempt is swallowed: the user can ask for another one.
  await alice.page.locator(".connection").getByRole("button", { name: "Try now" }).waitFor();
  t.server.thaw();
  began = performance.now();
  await word("online");
  await alice.online();
  assert(performance.now() - began < 5000, `back after ${performance.now() - began} ms`);
});

Deno.test("page: addresses in a text: where they end, and which are none", () => {
  const found = (text: string) => partsOf(text).flatMap(({ text, href }) => href === undefined ? [] : [href === text ? text : `${text} -> ${href}`]);
  for (
    const [text, ...expected] of [
      ["see https://en.wikipedia.org/wiki/Foo_(bar), or (https://a.example/b)", "https://en.wikipedia.org/wiki/Foo_(bar)", "https://a.example/b"],
      [
        "看https://example.com/a，然后https://example.com/b然后看「https://example.com/」。",
        ...["a", "b", ""].map((path) => `https://example.com/${path}`),
      ],
      ["https://例子.中国/路", "https://例子.中国/"],
      ["www.example.org/x. mail me@example.org!", "www.example.org/x -> https://www.example.org/x", "me@example.org -> mailto:me@example.org"],
      ["https://paypal.com@evil.example/ https://a:b@c.example/ www.x javascript:alert(1) x@y https://"],
      ["http://localhost:6080/?q=[1]#end; http://[::1]:80/", "http://localhost:6080/?q=[1]#end", "http://[::1]:80/"],
      ["“https://a.example/?x=1&y=%20” <https://b.example>", "https://a.example/?x=1&y=%20", "https://b.example"],
    ]
  ) {
    assertEquals(found(text), expected, text);
    assertEquals(partsOf(text).map((part) => part.text).join(""), text);
  }
});
