// Groups with doors, by the page: who comes in, what creator and moderators do, and what all see of it.

import { assertEquals, assertMatch } from "@std/assert";
import { pageTest, type Person } from "./support/browser.ts";
import { eventually } from "./support/server.ts";

/** Opens the details of the open group. */
async function details(person: Person) {
  await person.page.locator(".conversation > header .who").click();
  const dialog = person.page.getByRole("dialog", { name: "Details" });
  await dialog.waitFor();
  return dialog;
}

/** Chooses what to do with a member, in the details. */
async function member(person: Person, name: string, what: string): Promise<void> {
  await person.button(`${name}: what to do`).click();
  await person.page.getByRole("menuitem", { name: what, exact: true }).click();
}

/** What happened, as the open conversation shows it, from above to below. */
async function happened(person: Person, last: string): Promise<string[]> {
  await person.page.locator(".happened").getByText(last).last().waitFor();
  const texts: string[] = await person.page.locator(".happened").allInnerTexts();
  return texts.map((text) => text.replace(/ \d+:\d+.*$/, ""));
}

const subtitle = (person: Person, text: string) => person.page.locator(".subtitle").getByText(text, { exact: true }).waitFor();

pageTest("a private group: by link and by name; roles, settings, removal, ban", async (t) => {
  const alice = await t.user("alice");
  await alice.page.locator(".sidebar > header").getByRole("button", { name: "New conversation" }).click();
  const fresh = alice.page.getByRole("dialog");
  await fresh.getByRole("button", { name: "A new group" }).click();
  await fresh.getByLabel("Name of the group").fill("Garden");
  await fresh.getByRole("button", { name: "Private" }).click();
  await fresh.getByRole("button", { name: "Create", exact: true }).click();
  await subtitle(alice, "1 member · private");
  await alice.page.getByText("Nobody else is in this group yet.").getByRole("button", { name: "Invite people" }).click();
  await alice.page.getByRole("dialog", { name: "Invite people" }).waitFor();
  await alice.button("Close").click();
  await alice.send("before bob");
  await alice.sees("before bob");

  // A link, for someone who has no account yet.
  await details(alice);
  await alice.button("Invite people").click();
  await alice.button("Make a link").click();
  const link = await alice.page.getByLabel("Link to the group").inputValue();
  // Another choice is of the next link.
  await alice.button("10").click();
  await alice.page.getByText("Whoever has it can join: one person, within 7 days.").waitFor();
  assertMatch(link, /^http:.*#join=[A-Za-z0-9_-]{22}$/);
  await alice.button("Close").click();
  const bob = await t.person();
  await bob.page.goto("about:blank");
  await bob.page.goto(link);
  await bob.page.getByRole("status").getByText("You opened a link to a group").waitFor();
  await bob.register("bob");
  assertEquals(await bob.page.evaluate("location.hash"), "");
  const asked = bob.page.getByRole("dialog", { name: "Join the group?" });
  await asked.getByRole("button", { name: "Join" }).click();
  await bob.page.getByRole("main", { name: "Garden" }).waitFor();
  assertEquals(await happened(bob, "You joined"), ["You joined"]);
  assertEquals(await happened(alice, "bob joined"), ["bob joined"]);
  await subtitle(alice, "2 members · private");
  assertEquals(await bob.texts(), []);

  // It was for one.
  const carol = await t.user("carol");
  await carol.page.locator(".sidebar > header").getByRole("button", { name: "New conversation" }).click();
  await carol.button("Join a group").click();
  await carol.page.getByLabel("Name of the group, or a link").fill(link);
  await carol.button("Join").click();
  await carol.page.getByRole("alert").getByText("This link is not valid").waitFor();
  await carol.button("Close").click();
  // The same in the address of the open page, when the browser is back from the dialog.
  await eventually(async () => await carol.page.evaluate("history.state") !== "dialog", "the end of the dialog");
  await carol.page.evaluate(`location.hash = "${new URL(link).hash}"`);
  await carol.page.getByRole("dialog", { name: "Join the group?" }).getByRole("button", { name: "Join" }).click();
  await carol.page.getByRole("alert").getByText("This link is not valid").waitFor();
  assertEquals(await carol.page.evaluate("location.hash"), "");
  await carol.button("Close").click();

  // By name: told in the list, and taken there.
  await details(alice);
  await alice.button("Invite people").click();
  await alice.page.getByLabel("Name, or number such as #12").fill("carol");
  await alice.button("Invite").click();
  await alice.page.getByText("carol is invited.").waitFor();
  // All links end, if that is meant: neither Enter once more nor a double click ends them.
  await alice.button("Make a link").click();
  const shown = alice.page.getByLabel("Link to the group");
  await shown.waitFor();
  const question = alice.page.getByRole("alert").getByText("No link that was made for this group");
  // In Firefox a key presses nothing behind another window.
  await alice.page.bringToFront();
  await alice.button("End all links").press("Enter");
  await question.waitFor();
  await alice.page.keyboard.press("Enter");
  await question.waitFor({ state: "detached" });
  await alice.doubleClick(alice.button("End all links"));
  await question.waitFor();
  assertEquals(await shown.count(), 1);
  await alice.button("End all links").click();
  await alice.page.getByText("No link to this group works any more.").waitFor();
  assertEquals(await shown.count(), 0);
  await alice.button("Close").click();
  await carol.page.getByText("alice invites you to “Garden”.").waitFor();
  await carol.page.reload();
  await carol.online();
  await carol.page.locator(".door-notes").getByRole("button", { name: "Join" }).click();
  await carol.page.getByRole("main", { name: "Garden" }).waitFor();
  await subtitle(bob, "3 members · private");

  // Only moderators write: bob becomes one, carol is told.
  await details(alice);
  await member(alice, "bob", "Make moderator");
  await alice.page.getByRole("dialog").getByText("moderator", { exact: true }).waitFor();
  await alice.button("Group settings").click();
  await alice.page.getByRole("group", { name: "Who writes" }).getByRole("button", { name: "Moderators" }).click();
  await alice.page.getByLabel("Name of the group").fill("Orchard");
  // Closed before the answer has come, which opens nothing then.
  t.server.freeze();
  await alice.button("Save").click();
  await alice.button("Close").click();
  t.server.thaw();
  await carol.page.getByText("Only moderators write here.").waitFor();
  await bob.page.getByRole("main", { name: "Orchard" }).waitFor();
  await bob.send("from a moderator");
  await carol.sees("from a moderator");
  const updated = "alice named the group “Orchard”, let only moderators write";
  assertEquals(await happened(bob, updated), ["You joined", "carol joined", "alice made you a moderator", updated]);

  await happened(alice, "let only moderators write");
  assertEquals(await alice.page.getByRole("dialog").count(), 0);

  // A moderator removes, and bans; the one removed is told, and what was open of the group is closed.
  await details(carol);
  await details(bob);
  assertEquals(await bob.button("alice: what to do").count(), 0);
  await member(bob, "carol", "Remove and ban");
  await bob.page.getByRole("dialog", { name: "Remove and ban: carol" }).getByRole("button", { name: "Remove and ban" }).click();
  await carol.page.getByText("bob removed you from “Orchard”.").waitFor();
  assertEquals(await carol.item("Orchard").count(), 0);
  assertEquals(await carol.page.locator(".composer").count(), 0);
  // The dialog has left the browser's history: it would come up in the next conversation.
  await eventually(async () => await carol.page.evaluate("history.state") !== "dialog", "the end of the dialog");
  await carol.button("Understood").click();
  await subtitle(alice, "2 members · private");
  assertEquals((await happened(alice, "bob removed carol")).at(-1), "bob removed carol");
  await bob.button("Show who is banned").click();
  await bob.button("Lift the ban: carol").click();
  await bob.page.getByText("Nobody is banned.").waitFor();
  await bob.button("Close").click();

  // What goes wrong is said where it was asked for: what is behind a dialog nobody sees.
  await details(alice);
  for (const person of [alice, bob, carol]) person.expectsRefusals = true;
  await t.server.kill();
  await alice.offline();
  await member(alice, "bob", "Make ordinary member");
  await alice.page.getByRole("dialog").getByRole("alert").getByText("The server cannot be reached.").waitFor();
  await t.server.start();
  for (const person of [alice, bob]) await person.online();
  await alice.button("Close").click();

  // Another creator, who leaves.
  await details(alice);
  await member(alice, "bob", "Make creator");
  await alice.page.getByRole("dialog", { name: "Make creator: bob" }).getByRole("button", { name: "Make creator" }).click();
  await alice.page.getByRole("dialog").getByText("creator", { exact: true }).waitFor();
  await alice.button("bob: what to do").waitFor({ state: "detached" });
  await alice.button("Close").click();
  await happened(bob, "alice made you creator");
  await details(bob);
  await bob.button("Leave the group").click();
  await bob.page.getByText("alice takes your place as creator.").waitFor();
  await bob.page.getByRole("dialog").getByRole("button", { name: "Leave the group" }).click();
  await bob.item("Orchard").waitFor({ state: "detached" });
  await subtitle(alice, "1 member · private");
  const told = await happened(alice, "bob made you creator");
  await alice.page.reload();
  await alice.online();
  assertEquals(await happened(alice, "bob made you creator"), told);
});
