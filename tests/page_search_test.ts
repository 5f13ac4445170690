// What was said is found again, and stands in its place.

import { assert, assertEquals } from "@std/assert";
import { NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { pageTest } from "./support/browser.ts";
import { eventually, makeUsers } from "./support/server.ts";

pageTest("a message is found by its words, marked, and leads to its place; in all conversations or in one, by mouse and by keyboard", async (t) => {
  const COUNT = 120;
  const alice = await t.user("alice");
  const [bobUser, cyUser] = await makeUsers(t.db, 2, "peer");
  await using bob = new NatterClient({ connect: tcp({ port: t.server.tcp }), window: 100 });
  await bob.login(bobUser!);
  await using cy = new NatterClient({ connect: tcp({ port: t.server.tcp }) });
  await cy.login(cyUser!);
  const to = { name: "alice" };
  await bob.chat(to, "The Crème brûlée recipe, as promised");
  await Promise.all(Array.from({ length: COUNT }, (_, i) => bob.chat(to, `number ${i}`)));
  const { messageid } = await cy.chat(to, "no recipe of mine, only a cake");
  await eventually(async () => (await bob.search("number")).messages.length > 0 && (await cy.search("cake")).messages.length > 0, "the index");

  await alice.item("peer1").waitFor();
  const field = alice.page.getByRole("searchbox");
  const found = alice.page.locator(".found");
  await field.fill("BRULEE creme");
  await found.locator("mark", { hasText: "Crème" }).waitFor();
  assertEquals(await found.locator("mark").allTextContents(), ["Crème", "brûlée"]);
  await found.click();
  await alice.page.getByRole("main", { name: "peer1" }).waitFor();
  const target = alice.message("The Crème brûlée recipe, as promised");
  await target.waitFor();
  await eventually(
    async () => await target.evaluate((e: { getBoundingClientRect(): { top: number; bottom: number } }) => e.getBoundingClientRect().top > 0),
    "the message on the screen",
  );
  assert(await alice.page.locator(".message").count() < COUNT, "all messages were loaded");

  // In all conversations, then in the open one alone.
  await field.fill("recipe");
  await eventually(async () => await found.count() === 2, "both messages");
  await alice.button("Only in peer1").click();
  await eventually(async () => await found.count() === 1, "one message");
  await alice.button("Only in peer1").click();
  await eventually(async () => await found.count() === 2, "both messages again");

  // What was found says what its message says now, and goes with it.
  await cy.edit(messageid, "a recipe for a pie");
  await found.getByText("a recipe for a pie").waitFor();
  const other = await cy.chat(to, "a pie to forget");
  await eventually(async () => (await cy.search("forget")).messages.length > 0, "the index");
  await field.fill("pie to forget");
  await found.getByText("a pie to forget").waitFor();
  await cy.delete(other.messageid);
  await eventually(async () => await found.count() === 0, "what was deleted is not found any more");
  await field.fill("recipe");
  await eventually(async () => await found.count() === 2, "both messages once more");

  // By the keyboard: down from the field, over what is there, and in.
  await field.focus();
  await alice.page.keyboard.press("ArrowDown");
  assertEquals(await alice.page.evaluate("document.activeElement.className.includes('found')"), true);
  await alice.page.keyboard.press("Enter");
  await alice.page.getByRole("main", { name: "peer2" }).waitFor();

  // What was asked for before does not come among what is looked for now.
  await field.fill("number");
  await eventually(async () => await found.count() === 20, "a page");
  t.server.freeze();
  await alice.button("More").click();
  await field.fill("?!");
  await eventually(async () => await found.count() === 0, "nothing");
  t.server.thaw();
  await cy.chat(to, "behind that");
  await alice.item("peer2").filter({ hasText: "behind that" }).or(alice.page.locator(".message", { hasText: "behind that" })).first().waitFor();
  assertEquals(await found.count(), 0);

  await field.fill("nothing like it");
  await alice.page.getByText("No message has these words.").waitFor();
});
