// The page for people who do not see it, see it badly, or cannot use a mouse: what axe finds, in each state, light, dark, and in colours of the user's own.

import axe from "axe-core";
import { assertEquals } from "@std/assert";
import { chromiumTest, pageTest, type Person } from "./support/browser.ts";
import { makeUsers } from "./support/server.ts";

interface Violation {
  id: string;
  nodes: { html: string; failureSummary: string }[];
}

/** In which colours, and what of axe's rules these can break, if not any: the document, its names and its roles are the same in all of them. */
const COLOURS = {
  dark: [{ colorScheme: "dark", forcedColors: "none" }, ["color-contrast", "link-in-text-block"]],
  // Those that the user of the computer has chosen, for all programs. Contrast is the user's; what has borders there only may grow.
  forced: [{ colorScheme: "dark", forcedColors: "active" }, ["scrollable-region-focusable", "target-size"]],
  light: [{ colorScheme: "light", forcedColors: "none" }, undefined],
} as const;

/** Asserts that axe finds nothing, in any colours, once the page stands still. */
async function clean(person: Person, where: string): Promise<void> {
  for (const [colours, [media, rules]] of Object.entries(COLOURS)) {
    await person.page.emulateMedia(media);
    await cleanNow(person, `${where}, ${colours}`, rules);
  }
}

async function cleanNow(person: Person, where: string, only?: readonly string[]): Promise<void> {
  if (!await person.page.evaluate<boolean>("'axe' in globalThis")) await person.page.evaluate(axe.source);
  const rules = { "label-content-name-mismatch": { enabled: true }, "target-size": { enabled: true } };
  const options = { resultTypes: ["violations"], ...only ? { runOnly: only } : { rules } };
  const violations = await person.page.evaluate<Violation[]>(`(async () => {
    const moving = () => document.getAnimations().filter(({ effect, playState }) => effect.getTiming().iterations !== Infinity && playState !== "finished");
    // One that is given up, since what moved is gone, leads to others.
    while (moving().length > 0) await Promise.allSettled(moving().map(({ finished }) => finished));
    return (await axe.run(document, ${JSON.stringify(options)})).violations;
  })()`);
  const told = violations.map(({ id, nodes }) =>
    `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} (${failureSummary})`).join("; ")}`
  );
  assertEquals(told, [], where);
}

pageTest("axe finds nothing, in light, dark and chosen colours", async (t) => {
  const alice = await t.person();
  await alice.page.locator("input[name=username]").waitFor();
  await clean(alice, "login");
  await alice.register("alice");
  await clean(alice, "nobody yet");
  await makeUsers(t.db, 1, "dora");
  await alice.begin("A person", "dora1");
  const dora = await t.person();
  await dora.register("bob");
  await dora.begin("A person", "alice");
  await dora.send("hello https://example.org");
  await alice.send("to dora");
  await alice.sees("to dora");
  await alice.begin("A new group", "Hikers");
  await alice.send("anyone?");
  await alice.sees("anyone?");
  await dora.begin("Join a group", "Hikers");
  await alice.page.locator(".happened").waitFor();
  await clean(alice, "a group");
  await dora.send("@alice: here");
  await alice.page.locator(".text mark").waitFor();
  await alice.page.locator(".composer textarea").pressSequentially("hello @b");
  await alice.page.getByRole("option", { name: "bob" }).waitFor();
  await clean(alice, "whom to mention");
  await alice.page.keyboard.press("Enter");
  await alice.button("Other ways to send").click();
  await clean(alice, "how to send");
  await alice.page.getByRole("menuitem", { name: "Send without sound" }).click();
  await alice.sees("hello @bob");
  await alice.open("bob");
  await dora.send("@alice!");
  await alice.item("Hikers").getByTitle("mentions you").waitFor();
  await clean(alice, "mentioned, and not read");
  await dora.open("alice");
  await alice.sees("hello https://example.org");
  // What becomes of messages, and what can be done with them.
  for (const text of ["first", "to be edited", "to be deleted"]) {
    await alice.send(text);
    await alice.sees(text);
  }
  const choose = async (text: string, what: string, role: "menuitem" | "menuitemcheckbox" = "menuitem") => {
    await alice.message(text).hover();
    await alice.message(text).locator(".more").click();
    await clean(alice, `the menu of ${text}`);
    await alice.page.getByRole(role, { name: what, exact: true }).click();
  };
  await choose("to be deleted", "Delete");
  await clean(alice, "a question about a message");
  await alice.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await alice.page.locator(".stone").waitFor();
  await choose("to be edited", "React with 🎉", "menuitemcheckbox");
  await choose("hello https://example.org", "React with 🎉", "menuitemcheckbox");
  await choose("to be edited", "Edit");
  await clean(alice, "editing");
  await alice.page.locator(".composer textarea").fill("was edited");
  await alice.page.keyboard.press("Enter");
  await alice.sees("was edited");
  await choose("hello https://example.org", "Reply");
  await clean(alice, "answering");
  await alice.send("an answer");
  await alice.message("an answer").locator(".answered").waitFor();
  await choose("an answer", "More emoji");
  await alice.page.locator(".emoji-grid section").first().waitFor();
  await clean(alice, "all emoji");
  await alice.page.keyboard.press("Escape");
  await clean(alice, "messages of which something became");
  for (const [name, what] of [["Hikers", "Archive"], ["dora1", "Mute"], ["dora1", "Pin to the top"]]) {
    await alice.item(name).click({ button: "right" });
    if (what === "Mute") await clean(alice, "the menu of a conversation");
    await alice.page.getByRole("menuitem", { name: what }).click();
  }
  await alice.item("dora1").getByTitle("pinned").waitFor();
  await alice.page.getByRole("button", { name: "Archived" }).click();
  await clean(alice, "muted, pinned, archived");
  await dora.page.locator(".composer textarea").pressSequentially("typing");
  await alice.page.locator(".subtitle.typing").waitFor();
  await clean(alice, "a stranger, who is typing");

  await alice.page.locator(".sidebar > header .profile").click();
  await alice.page.locator(".devices li").first().waitFor();
  await clean(alice, "settings");
  await alice.page.keyboard.press("Escape");
  await alice.open("Hikers");
  await alice.page.locator(".conversation > header .who").click();
  await alice.page.locator(".members li").first().waitFor();
  await clean(alice, "members");
  await alice.button("bob: what to do").click();
  await clean(alice, "the menu of a member");
  await alice.page.keyboard.press("Escape");
  // It closes the menu, not what the menu stands in.
  await alice.button("Show who is banned").click();
  await alice.button("Invite people").click();
  await alice.button("Make a link").click();
  await alice.page.getByLabel("Link to the group").waitFor();
  await clean(alice, "inviting");
  await alice.button("Close").click();
  await alice.page.locator(".conversation > header .who").click();
  await alice.button("Group settings").click();
  await clean(alice, "a group's settings");
  await alice.button("Cancel").click();
  await alice.button("Leave the group").click();
  await clean(alice, "a question");
  await alice.page.keyboard.press("Escape");
  await alice.page.locator(".sidebar > header").getByRole("button", { name: "New conversation" }).click();
  await clean(alice, "a new conversation");
  await alice.page.keyboard.press("Escape");

  // On a phone: the list, then a conversation.
  await alice.page.setViewportSize({ width: 360, height: 700 });
  await clean(alice, "a conversation on a phone");
  await alice.page.locator(".back").click();
  await alice.item("Hikers").waitFor();
  await clean(alice, "the list on a phone");
});

chromiumTest("colours of the user's own", "where the user has chosen the colours, what has a shape keeps it", async (t) => {
  const alice = await t.person({ forcedColors: "active" });
  await alice.register("alice");
  await alice.begin("A person", "alice");
  await alice.send("note");
  await alice.sees("note");
  for (const what of [".bubble", ".avatar", ".primary", ".round"]) {
    const border = await alice.page.locator(what).first().evaluate((e) => (globalThis as unknown as Page).getComputedStyle(e).borderTopWidth);
    assertEquals(border, "1px", what);
  }
});

interface Page {
  getComputedStyle(element: unknown): { borderTopWidth: string };
}
