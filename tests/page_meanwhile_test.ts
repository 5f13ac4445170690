// The page while something is under way: what its user does meanwhile stays, and what others do is theirs; in a browser that keeps nothing, too.

import { assertEquals } from "@std/assert";
import { pageTest, type Person } from "./support/browser.ts";
import { startProxy, type Verdict } from "./support/proxy.ts";
import { RawClient } from "./support/raw_client.ts";
import { eventually } from "./support/server.ts";

const field = (person: Person) => person.page.locator(".composer textarea");
const title = (person: Person) => person.page.locator(".composer .writing-title");

/** By the menu of a message. */
async function choose(person: Person, text: string, what: string): Promise<void> {
  await person.message(text).hover();
  await person.message(text).locator(".more").click();
  await person.page.getByRole("menuitem", { name: what, exact: true }).click();
}

/** Puts somebody out of the open group. */
async function putOut(person: Person, name: string): Promise<void> {
  await person.page.locator(".conversation > header .who").click();
  await person.button(`${name}: what to do`).click();
  await person.page.getByRole("menuitem", { name: "Remove", exact: true }).click();
  await person.page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await person.page.locator(".subtitle").getByText("1 member").waitFor();
}

pageTest("in a browser that has no room, or keeps nothing, what is written stays until the page is closed, and so does the account", async (t) => {
  const alice = await t.person();
  await alice.page.addInitScript(`Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } })`);
  await alice.load();
  await alice.register("alice");
  const phone = await t.person();
  await phone.register("bob");
  await phone.logOut();
  await alice.begin("A person", "bob");
  await alice.send("to be forwarded");
  await alice.sees("to be forwarded");
  await field(alice).fill("a draft");
  await alice.begin("A person", "alice");
  await alice.open("bob");
  assertEquals(await field(alice).inputValue(), "a draft");
  await choose(alice, "to be forwarded", "Forward");
  await alice.page.getByRole("dialog").getByRole("button", { name: "Notes to yourself" }).click();
  await alice.page.getByRole("main", { name: "Notes to yourself" }).waitFor();
  assertEquals(await field(alice).inputValue(), "to be forwarded");
  // The account is taken from here, and back.
  await phone.logIn("alice");
  await phone.button("Use it here").click();
  await phone.online();
  await alice.page.getByText("This account is used elsewhere now").first().waitFor();
  await alice.page.locator(".connection").getByRole("button", { name: "Use it here" }).click();
  await alice.online();
}, ["--max-devices", "0"]);
