// What becomes of messages, on the page: its menu, edits, deletions, reactions, answers; all of it in two browsers of one user, and at the other one's.

import { assertEquals, assertMatch } from "@std/assert";
import { NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { pageTest, type Person } from "./support/browser.ts";
import { eventually, makeUsers } from "./support/server.ts";

/** Opens the menu of a message as whoever points does. */
async function menu(person: Person, text: string) {
  await person.message(text).hover();
  await person.message(text).locator(".more").click();
  return person.page.getByRole("menu");
}

/** Chooses something in the menu of a message. */
async function choose(person: Person, text: string, what: string): Promise<void> {
  const items = await menu(person, text);
  await items.getByRole("menuitem", { name: what, exact: true }).click();
}

/** What stands under a message: each reaction, and whether it is one's own. */
async function reactions(person: Person, text: string): Promise<string[]> {
  return await person.message(text).locator(".reactions button").evaluateAll((all: { ariaPressed: string; textContent: string }[]) =>
    all.map((e) => e.textContent + (e.ariaPressed === "true" ? " mine" : ""))
  );
}

async function react(person: Person, text: string, expected: string[]): Promise<void> {
  await eventually(
    async () => JSON.stringify(await reactions(person, text)) === JSON.stringify(expected),
    `${expected}, not ${await reactions(person, text)}`,
  );
}

pageTest("edited, deleted, reacted to, answered: the same in two browsers of one user, at the other one's, and after a reload", async (t) => {
  const [desk, phone, bob] = [await t.user("alice"), await t.user("alice"), await t.user("bob")];
  await desk.begin("A person", "bob");
  for (const text of ["Meet at five?", "Bring the map", "A secret"]) {
    await desk.send(text);
    await desk.sees(text);
  }
  await bob.open("alice");
  await bob.sees("A secret");
  await phone.open("bob");
  await phone.sees("A secret");
  const all = [desk, phone, bob];

  // By arrow up the last one, by the menu any; Esc leaves what was written as it was.
  const field = desk.page.locator(".composer textarea");
  await field.press("ArrowUp");
  assertEquals(await field.inputValue(), "A secret");
  await field.press("Escape");
  assertEquals(await field.inputValue(), "");
  assertEquals(await desk.page.getByRole("main", { name: "bob" }).count(), 1);

  // Deleted: asked before, a stone after; the list shows what was said before it.
  await choose(desk, "A secret", "Delete");
  const dialog = desk.page.getByRole("dialog", { name: "Delete the message?" });
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await desk.sees("A secret");
  await choose(desk, "A secret", "Delete");
  await dialog.getByRole("button", { name: "Delete" }).click();
  for (const person of all) {
    await person.page.locator(".stone", { hasText: "This message was deleted." }).waitFor();
    assertEquals(await person.texts(), ["Meet at five?", "Bring the map"]);
    await person.page.locator(".item-last", { hasText: "Bring the map" }).waitFor();
    await eventually(async () => !(await person.page.evaluate<string>("JSON.stringify(localStorage)")).includes("secret"), "gone from the browser");
  }

  // After the list was looked at, where somebody who writes is told of for a while.
  await field.fill("half a sen");
  await choose(desk, "Meet at five?", "Edit");
  assertEquals(await field.inputValue(), "Meet at five?");
  await field.fill("Meet at six?");
  await field.press("Enter");
  for (const person of all) {
    await person.sees("Meet at six?");
    assertMatch(await person.message("Meet at six?").locator(".meta").innerText(), /^edited/);
    assertEquals(await person.texts(), ["Meet at six?", "Bring the map"]);
  }
  // What was being written before is there again, when the answer has come.
  await eventually(async () => await field.inputValue() === "half a sen", "what was being written before");
  await field.fill("");

  // Nobody deletes or edits what another has said to them.
  const items = await menu(bob, "Meet at six?");
  assertEquals(await items.getByRole("menuitem").allInnerTexts(), ["", "Reply", "Copy text", "Forward", "Report"]);
  await bob.page.keyboard.press("Escape");
  await items.waitFor({ state: "detached" });
  assertEquals(await bob.page.getByRole("main", { name: "alice" }).count(), 1);

  // A row of common ones; a click on what is there adds to it, and takes one's own away.
  await (await menu(bob, "Meet at six?")).getByRole("menuitemcheckbox", { name: "React with 👍" }).click();
  await react(bob, "Meet at six?", ["👍 1 mine"]);
  for (const person of [desk, phone]) await react(person, "Meet at six?", ["👍 1"]);
  await phone.message("Meet at six?").locator(".reactions button").click();
  for (const person of [desk, phone]) await react(person, "Meet at six?", ["👍 2 mine"]);
  await react(bob, "Meet at six?", ["👍 2 mine"]);
  await bob.message("Meet at six?").locator(".reactions button").click();
  for (const person of [desk, phone]) await react(person, "Meet at six?", ["👍 1 mine"]);
  await react(bob, "Meet at six?", ["👍 1"]);

  // Answered, with what is answered above; what that says now is shown there.
  await choose(bob, "Meet at six?", "Reply");
  await bob.page.locator(".writing", { hasText: "Reply to alice" }).waitFor();
  await bob.page.keyboard.type("Fine");
  await bob.page.keyboard.press("Enter");
  await bob.page.locator(".writing").waitFor({ state: "detached" });
  for (const person of all) await person.message("Fine").locator(".answered", { hasText: "Meet at six?" }).waitFor();
  await choose(phone, "Meet at six?", "Edit");
  await phone.page.locator(".composer textarea").fill("Meet at seven?");
  await phone.button("Save").click();
  for (const person of all) await person.message("Fine").locator(".answered", { hasText: "Meet at seven?" }).waitFor();

  for (const person of all) {
    await person.page.reload();
    await person.online();
    await person.message("Fine").locator(".answered", { hasText: "Meet at seven?" }).waitFor();
    assertEquals(await person.texts(), ["Meet at seven?", "Bring the map", "Fine"]);
    await react(person, "Meet at seven?", [person === bob ? "👍 1" : "👍 1 mine"]);
    assertEquals(await person.page.locator(".stone").count(), 1);
  }

  // Without a connection nothing is done, and that is said; what was shown at once is taken back.
  for (const person of all) person.expectsRefusals = true;
  await t.server.kill();
  await desk.offline();
  await desk.message("Meet at seven?").locator(".reactions button").click();
  await desk.page.locator(".trouble", { hasText: "The server cannot be reached." }).waitFor();
  await react(desk, "Meet at seven?", ["👍 1 mine"]);
  await choose(desk, "Bring the map", "Edit");
  await field.fill("Bring both maps");
  await field.press("Enter");
  await desk.page.locator(".composer .error", { hasText: "The server cannot be reached." }).waitFor();
  await t.server.start();
  await desk.online();
  await field.press("Enter");
  for (const person of all) await person.sees("Bring both maps");
});

pageTest(
  "by keyboard: the menu, all emoji by name, a quotation that leads far up, and back to the newest; copying; a moderator's deleting",
  async (t) => {
    const alice = await t.user("alice", { permissions: ["clipboard-read", "clipboard-write"] });
    const { keyboard } = alice.page;
    const [user] = await makeUsers(t.db, 1, "bob");
    await using bob = new NatterClient({ connect: tcp({ port: t.server.tcp }) });
    await bob.login(user);
    await alice.begin("A new group", "Hikers");
    const [{ id: groupid }] = await t.db.query("select id from allgroup where groupname = 'Hikers'");
    await bob.joinGroup({ id: Number(groupid) });
    const first = await bob.chat({ groupid: Number(groupid) }, "Where do we start?");
    await alice.sees("Where do we start?");
    await alice.send("At the mill");
    await alice.sees("At the mill");
    for (let i = 0; i < 130; i++) await bob.chat({ groupid: Number(groupid) }, `step ${i}`);
    await bob.chat({ groupid: Number(groupid) }, "At the lake", { reply: first.messageid });
    await alice.sees("At the lake");
    await alice.page.reload();
    await alice.online();
    await alice.message("At the lake").waitFor();
    // What is answered is not among the messages that are here, and is shown all the same.
    await alice.message("At the lake").locator(".answered", { hasText: "Where do we start?" }).waitFor();
    assertEquals(await alice.message("Where do we start?").count(), 0);

    // From the field, one step back to the newest message's menu, and through it by arrows.
    await alice.page.locator(".composer textarea").focus();
    await keyboard.press("Shift+Tab");
    assertEquals(await alice.page.evaluate<string>("document.activeElement.closest('.message').querySelector('.text').textContent"), "At the lake");
    await keyboard.press("ArrowUp");
    await keyboard.press("ArrowDown");
    await keyboard.press("Enter");
    const menu = alice.page.getByRole("menu", { name: "What to do" });
    await menu.waitFor();
    for (let i = 0; i < 6; i++) await keyboard.press("ArrowRight");
    assertEquals(await alice.page.evaluate<string>("document.activeElement.ariaLabel"), "More emoji");
    await keyboard.press("Enter");
    const dialog = alice.page.getByRole("dialog");
    await dialog.getByRole("button", { name: "grinning face", exact: true }).waitFor();
    await keyboard.type("hiking boot");
    assertEquals(await dialog.locator("section button").allTextContents(), ["🥾"]);
    await keyboard.press("ArrowDown");
    await keyboard.press("Enter");
    await react(alice, "At the lake", ["🥾 1 mine"]);
    await dialog.waitFor({ state: "detached" });

    // One in the middle of what is being written, and on with writing.
    const field = alice.page.locator(".composer textarea");
    await field.fill("Off we go!");
    await keyboard.press("ArrowLeft");
    await keyboard.press("Tab");
    assertEquals(await alice.page.evaluate<string>("document.activeElement.ariaLabel"), "Emoji");
    await keyboard.press("Enter");
    await alice.page.getByRole("dialog", { name: "Emoji" }).getByRole("button", { name: "grinning face", exact: true }).waitFor();
    await keyboard.type("hiking boot");
    await keyboard.press("Enter");
    await alice.page.getByRole("dialog").waitFor({ state: "detached" });
    await alice.page.waitForFunction("() => document.activeElement.matches('.composer textarea')");
    await keyboard.type(" now");
    assertEquals(await field.inputValue(), "Off we go🥾 now!");
    await field.fill("");

    await alice.message("At the lake").hover();
    await alice.message("At the lake").locator(".bubble").click({ button: "right" });
    await menu.getByRole("menuitem", { name: "Copy text" }).click();
    await eventually(async () => await alice.page.evaluate<string>("navigator.clipboard.readText()") === "At the lake", "the copy");

    // To what is answered, and back.
    await alice.message("At the lake").locator(".answered").click();
    await alice.message("Where do we start?").waitFor();
    await eventually(async () => {
      const box = await alice.page.locator(".messages").boundingBox(), row = await alice.message("Where do we start?").boundingBox();
      return box !== null && row !== null && row.y >= box.y && row.y + row.height <= box.y + box.height;
    }, "it on the screen");
    assertEquals(await alice.message("At the lake").count(), 0);
    // Of those of her own that are shown none is her last for sure.
    await alice.page.locator(".composer textarea").press("ArrowUp");
    await bob.chat({ groupid: Number(groupid) }, "meanwhile");
    await alice.page.locator(".to-newest .badge", { hasText: "1" }).waitFor();
    assertEquals(await alice.page.locator(".composer textarea").inputValue(), "");
    assertEquals(await alice.message("meanwhile").count(), 0);
    await alice.button("To the newest message").click();
    await alice.message("meanwhile").waitFor();
    await alice.page.locator(".to-newest").waitFor({ state: "detached" });
    // From there on by scrolling, without a gap.
    await alice.message("At the lake").locator(".answered").click();
    await alice.message("Where do we start?").waitFor();
    await eventually(async () => {
      await alice.page.evaluate("document.querySelector('.messages').scrollTop += 2000");
      return await alice.message("meanwhile").count() === 1;
    }, "the newest by scrolling");
    assertEquals((await alice.texts()).filter((text) => text.startsWith("step")).length, 130);

    // Whose group it is may delete what others have said.
    await alice.message("meanwhile").hover();
    await alice.message("meanwhile").locator(".more").click();
    await menu.getByRole("menuitem", { name: "Delete" }).click();
    await alice.page.getByText("bob1 wrote it. It goes for everybody, and cannot be brought back.").waitFor();
    await alice.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await alice.page.locator(".stone").waitFor();

    // What cannot be done says so: the message is gone meanwhile.
    await alice.send("mine");
    await alice.sees("mine");
    await alice.page.locator(".composer textarea").press("ArrowUp");
    await t.db.query("update message set deleted = 1 where msg = 'mine'");
    await alice.page.locator(".composer textarea").fill("mine, changed");
    await alice.page.locator(".composer textarea").press("Enter");
    await alice.page.locator(".composer .error", { hasText: "That message is not there any more." }).waitFor();
    assertEquals(await alice.page.locator(".composer textarea").inputValue(), "mine, changed");
  },
);
