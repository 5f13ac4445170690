// Coming in where an invitation is wanted, by the page.

import { assertEquals, assertMatch } from "@std/assert";
import { pageTest } from "./support/browser.ts";
import { run } from "./support/program.ts";
import { startProxy } from "./support/proxy.ts";

pageTest("an invitation: a link of another's, once; without one, a field for the code", async (t) => {
  const { stdout } = await run(["invite", "--database", t.db.url]);
  const alice = await t.person();
  await alice.button("Create account").click();
  // What the server says of itself has come.
  const field = alice.page.locator("input[name=invitation]");
  await field.fill("nonsense");
  await alice.logIn("alice", "a password", "Create account");
  await alice.page.getByRole("alert").getByText("This invitation is not valid, or not any more.").waitFor();
  await field.fill(stdout.trim());
  await alice.logIn("alice", "a password", "Create account");
  await alice.online();

  await alice.page.locator(".sidebar > header .profile").click();
  await alice.button("Make a link").click();
  const link = await alice.page.getByLabel("Invite somebody").inputValue();
  assertMatch(link, /^http:.*#invite=[A-Za-z0-9_-]{22}$/);

  const bob = await t.person();
  await bob.page.goto("about:blank");
  await bob.page.goto(link);
  // The code goes from the address.
  await bob.page.locator("input[name=invitation]").waitFor();
  assertEquals(await bob.page.evaluate("location.hash"), "");
  await bob.logIn("bob", "a password", "Create account");
  await bob.online();
}, ["--registration", "invite", "--invites", "members"]);

pageTest("an account whose making was not answered is there when one tries again, also where invitations are used once", async (t) => {
  const { stdout } = await run(["invite", "--database", t.db.url]);
  await using proxy = await startProxy({ hostname: "127.0.0.1", port: Number(new URL(t.server.url).port) });
  const alice = await t.person({}, `http://127.0.0.1:${proxy.port}/`);
  alice.expectsRefusals = true;
  await alice.button("Create account").click();
  await alice.page.locator("input[name=invitation]").fill(stdout.trim());
  const made = () => t.db.query("select id from user where name = 'alice'");
  proxy.inspect = async ({ direction, data }) => direction === "down" && data.length > 0 && (await made()).length > 0 ? "cut" : "pass";
  await alice.logIn("alice", "a password", "Create account");
  await alice.page.getByRole("alert").getByText("The server cannot be reached.").waitFor();
  assertEquals((await made()).length, 1);
  proxy.inspect = undefined;
  // Nobody else's is taken for it.
  await alice.logIn("alice", "another password", "Create account");
  await alice.page.getByRole("alert").getByText("This invitation is not valid, or not any more.").waitFor();
  await alice.logIn("alice", "a password", "Create account");
  await alice.online();
}, ["--registration", "invite"]);

pageTest("where nobody may register, nobody is asked to", async (t) => {
  const alice = await t.person();
  await alice.page.getByText("New accounts are made by whoever runs this server.").waitFor();
  assertEquals(await alice.button("Create account").count(), 0);
}, ["--registration", "closed"]);

pageTest("an account is deleted for good, and its name is free", async (t) => {
  const alice = await t.person();
  await alice.register("alice");
  await alice.button("Settings").click();
  await alice.button("Delete account").click();
  await alice.page.locator("form input[type=password]").fill("not this one");
  await alice.button("Delete for good").click();
  await alice.page.getByRole("alert").getByText("wrong").waitFor();
  await alice.page.locator("form input[type=password]").fill("a password");
  await alice.button("Delete for good").click();
  await alice.page.getByRole("status").getByText("Your account is deleted.").waitFor();
  assertEquals(await alice.page.locator("input[name=username]:not(.hidden)").inputValue(), "");
  await alice.logIn("alice");
  await alice.page.getByRole("alert").waitFor();
  await alice.register("alice");
});

pageTest("what one says of oneself is kept, and what others say can be reported", async (t) => {
  const [alice, bob] = [await t.person(), await t.person()];
  await alice.register("alice");
  await bob.register("bob");
  await alice.button("Settings").click();
  const about = alice.page.getByLabel("What others read beside your name");
  await about.fill("I paint roses");
  // The choice is not lost while the line is on its way.
  t.server.freeze();
  await alice.button("Save").click();
  await alice.page.getByRole("group", { name: "Read marks" }).getByRole("button", { name: "Off" }).click();
  t.server.thaw();
  await alice.page.getByRole("group", { name: "Read marks" }).locator("[aria-pressed=true]").getByText("Off").waitFor();
  assertEquals(await t.db.query("select about, receipts from user where name = 'alice'"), [{ about: "I paint roses", receipts: 0 }]);
  await alice.page.keyboard.press("Escape");
  await bob.begin("A person", "alice");
  await bob.send("buy roses, cheap");
  await alice.open("bob");
  await alice.sees("buy roses, cheap");
  await alice.message("buy roses, cheap").hover();
  await alice.message("buy roses, cheap").locator(".more").click();
  await alice.page.getByRole("menuitem", { name: "Report" }).click();
  const dialog = alice.page.getByRole("dialog");
  await dialog.getByLabel("What is wrong with it?").fill("advertising");
  await dialog.getByRole("button", { name: "Report" }).click();
  await dialog.waitFor({ state: "detached" });
  assertEquals(await t.db.query("select reason, msg from report"), [{ reason: "advertising", msg: "buy roses, cheap" }]);
});

pageTest("what the server keeps of oneself is saved, three times in an hour", async (t) => {
  const alice = await t.person();
  await alice.register("alice");
  await alice.page.locator(".sidebar > header .profile").click();
  for (let i = 0; i < 3; i++) {
    const [saving] = await Promise.all([alice.page.waitForEvent("download"), alice.button("Export my data").click()]);
    assertMatch(saving.suggestedFilename(), /^natter-export(\(\d\))?\.jsonl$/);
    const lines = (await Deno.readTextFile(await saving.path())).trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals([lines[0].what, lines[0].name, lines.at(-1).what], ["user", "alice", "end"]);
    await alice.page.getByText("Saved.").waitFor();
  }
  await alice.button("Export my data").click();
  await alice.page.getByText("You may export your data three times in an hour.").waitFor();
  // Chromium says so, too.
  assertEquals(alice.complaints.splice(0).filter((complaint) => !/status of 429/.test(complaint)), []);

  // Opened where the server cannot be spoken to.
  await alice.page.routeWebSocket(/./, (socket) => void socket.close());
  await alice.page.reload();
  await alice.offline();
  await alice.page.locator(".sidebar > header .profile").click();
  await alice.button("Export my data").click();
  await alice.page.locator("p.error:has(+ button:text('Export my data'))", { hasText: "The server cannot be reached." }).waitFor();
}, ["--limits", "on"]);
