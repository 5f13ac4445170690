// The page for people who do not see it, see it badly, or cannot use a mouse: what axe finds, in each state, light and dark.

import axe from "axe-core";
import { assertEquals } from "@std/assert";
import { pageTest, type Person } from "./support/browser.ts";
import { makeUsers } from "./support/server.ts";

interface Violation {
  id: string;
  nodes: { html: string; failureSummary: string }[];
}

/** Asserts that axe finds nothing, once the page stands still. */
async function clean(person: Person, where: string): Promise<void> {
  if (!await person.page.evaluate<boolean>("'axe' in globalThis")) await person.page.evaluate(axe.source);
  const violations = await person.page.evaluate<Violation[]>(`(async () => {
    await Promise.all(document.getAnimations().map((animation) => animation.effect.getTiming().iterations === Infinity ? undefined : animation.finished));
    const rules = { "label-content-name-mismatch": { enabled: true }, "target-size": { enabled: true } };
    return (await axe.run(document, { rules, resultTypes: ["violations"] })).violations;
  })()`);
  const told = violations.map(({ id, nodes }) =>
    `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} (${failureSummary})`).join("; ")}`
  );
  assertEquals(told, [], where);
}

for (const colorScheme of ["light", "dark"] as const) {
  pageTest(`axe finds nothing, ${colorScheme}`, async (t) => {
    const alice = await t.person({ colorScheme });
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
    await clean(alice, "a group");
    await alice.open("bob");
    await alice.sees("hello https://example.org");
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
}

pageTest("where the user has chosen the colours, what has a shape keeps it", async (t) => {
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
