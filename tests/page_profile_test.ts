// What users say of themselves: a picture, a line, and whether they are programs at all, seen by others.

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { pageTest, type Person } from "./support/browser.ts";
import { eventually } from "./support/server.ts";
import { run } from "./support/program.ts";

/** One red pixel. */
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==", "base64");

const settings = (person: Person) => person.page.locator(".sidebar > header .profile").click();

pageTest("profile: one's picture and line are seen by others, and taken away again; a program is called one", async (t) => {
  const [alice, bob, desk] = [await t.user("alice"), await t.user("bob"), await t.user("alice")];
  await bob.begin("A person", "alice");
  await bob.send("hello");
  await settings(alice);
  const field = alice.page.locator("dialog input[type=file]");
  await field.setInputFiles({ name: "x.txt", mimeType: "text/plain", buffer: Buffer.from("no picture") });
  await alice.page.getByRole("alert").getByText("This browser cannot read that as a picture.").waitFor();
  await field.setInputFiles({ name: "me.png", mimeType: "image/png", buffer: PNG });
  await alice.page.locator("dialog .avatar img").waitFor();
  await desk.page.locator(".profile .avatar img").waitFor();
  await alice.page.getByLabel("What others read beside your name").fill("I like tea");
  const save = alice.page.locator("dialog form").getByRole("button", { name: "Save" });
  await save.click();
  // It goes when the server has it.
  await save.waitFor({ state: "detached" });

  // Others ask once in a session.
  await bob.page.reload();
  await bob.online();
  const picture = bob.item("alice").locator(".avatar img");
  await picture.waitFor();
  await eventually(async () => await bob.page.evaluate<number>("document.querySelector('.list .avatar img').naturalWidth") === 256, "it is there");
  await bob.open("alice");
  await bob.button("Details").click();
  await bob.page.locator("dialog .about").getByText("I like tea").waitFor();

  await alice.button("Remove").click();
  await alice.page.locator("dialog .avatar img").waitFor({ state: "detached" });
  const gone = await fetch(String(await picture.getAttribute("src")));
  await gone.body?.cancel();
  assertEquals(gone.status, 404);

  const { code } = await run(["bot", "helper", "--database", t.db.url]);
  assertEquals(code, 0);
  await bob.page.keyboard.press("Escape");
  await bob.begin("A person", "helper");
  await bob.button("Details").click();
  await bob.page.locator("dialog").getByText("A program, not a person").waitFor();
});

pageTest("profile: what is being typed stays when something else is answered, and is not saved by that", async (t) => {
  const alice = await t.user("alice");
  await settings(alice);
  const line = alice.page.getByLabel("What others read beside your name");
  await line.fill("I like tea");
  const receipts = alice.page.getByRole("group", { name: "Read marks" });
  await receipts.getByRole("button", { name: "Off" }).click();
  await receipts.getByRole("button", { name: "Off", pressed: true }).waitFor();
  assertEquals(await line.inputValue(), "I like tea");
  t.server.freeze();
  await line.press("Enter");
  await line.press("End");
  await line.pressSequentially(", and coffee");
  t.server.thaw();
  const profile = () => t.db.query("select about from user");
  await eventually(async () => (await profile()).some(({ about }) => about === "I like tea"), "it is saved");
  await alice.page.locator("dialog form").getByRole("button", { name: "Save", disabled: false }).click();
  await eventually(async () => (await profile()).some(({ about }) => about === "I like tea, and coffee"), "all of it is");
});
