// Members of a group that are spoken to by name: completed where one writes, marked in what was said, told of where the group is muted, and in the list.

import { assertEquals } from "@std/assert";
import { begunMention, isMentioned, mentionPattern } from "../src/search/mentions.ts";
import { NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { complete } from "../src/client/terminal/commands.ts";
import { pageTest, type Person } from "./support/browser.ts";
import { eventually } from "./support/server.ts";

Deno.test("mentions: a name behind an @, by itself, in letters of any size; no address, no code, no longer word", () => {
  const table: [name: string, text: string, is: boolean][] = [
    ["alice", "@alice", true],
    ["alice", "so, @Alice: come!", true],
    ["alice", "(@alice)", true],
    ["alice", "@alices", false],
    ["alice", "@alice-marie", false],
    ["alice", "@alice.", true],
    ["alice", "bob@alice.example", false],
    ["alice", "https://example.org/@alice", false],
    ["alice", "`@alice`", false],
    ["alice", "```\n@alice\n```", false],
    ["alice", "alice", false],
    ["alice", "你好@alice在吗", true],
    ["小明", "你好@小明在吗", true],
    ["小明", "@小", false],
    ["Ann Lee", "@ann lee, hello", true],
    ["Ann Lee", "@ann, hello", false],
    ["a.b*c(", "@a.b*c( yes", true],
    ["Ольга", "@ольга?", true],
    ["👩‍🚀", "@👩‍🚀!", true],
  ];
  for (const [name, text, is] of table) assertEquals(isMentioned(name, text), is, `${name}: ${text}`);
  // The longest of several names counts.
  const found = (names: string[], text: string) => [...text.matchAll(mentionPattern(names))].map(([match]) => match);
  assertEquals(found(["Ann", "Ann Lee", "bob"], "@ann lee and @Ann and @bob, not @carol"), ["@ann lee", "@Ann", "@bob"]);
  assertEquals(begunMention("hello @bo"), { at: 6, begun: "bo" });
  assertEquals(begunMention("hello @"), { at: 6, begun: "" });
  assertEquals(begunMention("你好@小"), { at: 2, begun: "小" });
  for (const none of ["hello", "bob@ex", "@ one", "@a\nb"]) assertEquals(begunMention(none), undefined, none);
  // At a terminal Tab does it.
  assertEquals(complete("are you there, @bo", { people: ["alice", "bob", "bonnie"], groups: [] }), [["bob", "bonnie"], "bo"]);
});

/** Writes down the notifications that the browser shows. */
const OBSERVE = `
  globalThis.shown = [];
  globalThis.Notification = class extends Notification {
    constructor(title, options) {
      super(title, options);
      shown.push(options.body);
    }
  };`;

async function choose(person: Person, name: string, what: string): Promise<void> {
  await person.item(name).click({ button: "right" });
  await person.page.getByRole("menuitem", { name: what, exact: true }).click();
}

pageTest(
  "mentions: by key and by touch; one's own stands out, is told of where the group is muted, and marks the list until it is read",
  async (t) => {
    const alice = await t.user("alice", { permissions: ["notifications"] });
    await alice.page.addInitScript(OBSERVE);
    await alice.page.reload();
    await alice.begin("A new group", "Hikers");
    const bob = await t.user("bob the builder", { viewport: { width: 360, height: 700 }, hasTouch: true, isMobile: true });
    await bob.begin("Join a group", "Hikers");
    const carol = await t.user("bonnie");
    await carol.begin("Join a group", "Hikers");
    await carol.send("here I am");
    await alice.sees("here I am");

    // By key: who spoke last comes first; arrows choose, Esc closes and does not leave.
    const field = alice.page.locator(".composer textarea"), options = alice.page.getByRole("option");
    await field.pressSequentially("well, @b");
    await options.first().waitFor();
    assertEquals(await options.allTextContents(), ["bonnie", "bob the builder"]);
    const active = async () =>
      await alice.page.evaluate<string>(`document.getElementById(document.activeElement.getAttribute("aria-activedescendant"))?.textContent`);
    assertEquals(await active(), "bonnie");
    await alice.page.keyboard.press("ArrowDown");
    await eventually(async () => await active() === "bob the builder", "the second");
    await alice.page.keyboard.press("Escape");
    await options.first().waitFor({ state: "detached" });
    await alice.page.getByRole("main", { name: "Hikers" }).waitFor();
    await field.pressSequentially("o");
    assertEquals(await options.count(), 0);
    await field.fill("");
    await field.pressSequentially("well, @bo");
    await options.first().waitFor();
    await alice.page.keyboard.press("ArrowUp");
    await alice.page.keyboard.press("Enter");
    assertEquals(await field.inputValue(), "well, @bob the builder ");
    await field.pressSequentially("and @bonn");
    await options.first().waitFor();
    await alice.page.keyboard.press("Tab");
    assertEquals(await field.inputValue(), "well, @bob the builder and @bonnie ");
    await alice.page.keyboard.press("Enter");
    await alice.sees("well, @bob the builder and @bonnie");
    assertEquals(await alice.page.locator(".mention").allTextContents(), ["@bob the builder", "@bonnie"]);

    // By touch; in the text of who is meant one's own stands out.
    await bob.sees("well, @bob the builder and @bonnie");
    assertEquals(await bob.page.locator(".text mark").allTextContents(), ["@bob the builder"]);
    assertEquals(await bob.page.locator(".text .mention").allTextContents(), ["@bonnie"]);

    // Alice does not look, and has muted the group: of two messages she is told of one.
    await alice.button("Settings").click();
    await alice.page.getByRole("group", { name: "Notifications" }).getByRole("button", { name: "On", exact: true }).click();
    await alice.page.getByRole("group", { name: "Notifications" }).getByRole("button", { name: "On", exact: true, pressed: true }).waitFor();
    await alice.page.keyboard.press("Escape");
    await choose(alice, "Hikers", "Mute");
    await alice.item("Hikers").getByTitle("muted").waitFor();
    await alice.begin("A person", "alice");
    await bob.send("nobody in particular");
    await bob.page.locator(".composer textarea").tap();
    await bob.page.keyboard.type("are you there, @al");
    await bob.page.getByRole("option", { name: "alice" }).tap();
    assertEquals(await bob.page.locator(".composer textarea").inputValue(), "are you there, @alice ");
    assertEquals(await bob.page.evaluate("document.activeElement.tagName"), "TEXTAREA");
    await bob.button("Send").tap();
    const mark = (person: Person) => person.item("Hikers").getByTitle("mentions you");
    await mark(alice).waitFor();
    assertEquals(await alice.page.evaluate<string[]>("shown"), ["bob the builder: are you there, @alice"]);
    await eventually(async () => await alice.page.title() === "(1) natter", "the title counts what speaks to her");
    await eventually(async () => (await alice.item("Hikers").locator(".badge").allTextContents()).includes("2"), "both are unread");

    // One that did not speak to her speaks to her by an edit: she is told once, however often it is edited.
    const edit = async (before: string, after: string) => {
      await bob.message(before).locator(".more").tap();
      await bob.page.getByRole("menuitem", { name: "Edit" }).tap();
      await bob.page.locator(".composer textarea").fill(after);
      await bob.button("Save").tap();
      await bob.sees(after);
    };
    await edit("nobody in particular", "@alice in particular");
    await eventually(async () => await alice.page.title() === "(2) natter", "the title counts that as well");
    await edit("@alice in particular", "@alice above all");
    assertEquals((await alice.page.evaluate<string[]>("shown")).slice(1), ["bob the builder: @alice in particular"]);

    // Another browser, which was told of nothing, knows it too, as soon as it can be found.
    {
      await using client = new NatterClient({ connect: tcp({ port: t.server.tcp }) });
      await client.login({ name: "alice", password: "a password" });
      await eventually(async () => (await client.search("alice")).messages.length === 2, "the index");
    }
    const fresh = await t.user("alice");
    await mark(fresh).waitFor();
    await fresh.open("Hikers");
    await fresh.sees("are you there, @alice");
    assertEquals(await fresh.page.locator(".text mark").allTextContents(), ["@alice", "@alice"]);
    await mark(fresh).waitFor({ state: "detached" });
    await mark(alice).waitFor({ state: "detached" });
    await eventually(async () => await alice.page.title() === "natter", "it is read");

    // Archived, it disturbs nobody; whom one blocks one does not hear; what is taken back speaks to nobody.
    await choose(alice, "Hikers", "Archive");
    await alice.item("Hikers").waitFor({ state: "detached" });
    await fresh.page.keyboard.press("Escape");
    await fresh.page.getByRole("heading", { name: "Pick a conversation" }).waitFor();
    await bob.send("@alice again");
    await bob.sees("@alice again");
    await alice.page.getByRole("button", { name: "Archived" }).click();
    await mark(alice).waitFor();
    assertEquals((await alice.page.evaluate<string[]>("shown")).length, 2);
    assertEquals(await alice.page.title(), "natter");
    await bob.message("@alice again").locator(".more").tap();
    await bob.page.getByRole("menuitem", { name: "Delete" }).tap();
    await bob.page.getByRole("dialog").getByRole("button", { name: "Delete" }).tap();
    await mark(alice).waitFor({ state: "detached" });
  },
);
