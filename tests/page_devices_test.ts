// One user at several browsers: all are in at once, each sees what the others do, once; and what becomes of them when one is signed out, or the database is an older one.

import { assert, assertEquals } from "@std/assert";
import { backupSqlite } from "../src/store/sqlite/backup.ts";
import { pageTest, type Person } from "./support/browser.ts";
import { eventually } from "./support/server.ts";

/** The devices that the settings list: their names, and what stands below. */
async function devices(person: Person): Promise<string[]> {
  await person.page.locator(".devices li").first().waitFor();
  return (await person.page.locator(".devices .device").allInnerTexts()).map((text) => text.replace("\n", ": "));
}

pageTest("two browsers of one user and a third person: everything is in both, at once and once", async (t) => {
  const [desk, phone, bob] = [await t.person(), await t.person(), await t.person()];
  await desk.register("alice");
  await bob.register("bob");
  await phone.logIn("alice");
  await phone.online();
  assertEquals(await desk.page.locator(".connection").getAttribute("data-state"), "online");

  // What one does in one browser, the other shows: a contact, messages of one's own, a group, a block.
  await desk.begin("A person", "bob");
  await phone.item("bob").waitFor();
  await desk.send("from the desk");
  await phone.open("bob");
  await phone.sees("from the desk");
  await bob.open("alice");
  await bob.send("hello");
  for (const person of [desk, phone]) await person.sees("hello");
  await phone.send("from the phone");
  for (const person of [desk, bob]) await person.sees("from the phone");
  const all = ["from the desk", "hello", "from the phone"];
  for (const person of [desk, phone, bob]) assertEquals(await person.texts(), all);
  await phone.page.reload();
  await phone.online();
  await phone.sees("from the phone");
  assertEquals(await phone.texts(), all);

  await phone.begin("A new group", "Hikers");
  await desk.item("Hikers").waitFor();
  await desk.page.locator(".conversation > header").getByRole("button", { name: "Details" }).last().click();
  await desk.button("Block").click();
  await desk.page.getByRole("dialog", { name: "Block: bob" }).getByRole("button", { name: "Block" }).click();
  await phone.open("bob");
  await phone.page.getByText("You blocked bob.").waitFor();
  await phone.button("Unblock").click();
  await desk.page.locator(".composer textarea").waitFor();

  // Written to somebody whom the other browser does not know, who is named all the same.
  const carol = await t.person();
  await carol.register("carol");
  await carol.begin("A person", "alice");
  await carol.send("who are you?");
  await desk.open("carol");
  await desk.send("me");
  await phone.open("carol");
  await phone.sees("me");
  assertEquals(await phone.texts(), ["who are you?", "me"]);
});

pageTest("a group that was left and joined again while a browser was away is in its list; who logs in there next finds nothing of it", async (t) => {
  const [desk, phone, bob] = [await t.person(), await t.person(), await t.person()];
  await desk.register("alice");
  await bob.register("bob");
  await bob.begin("A new group", "Hikers");
  await bob.send("the first");
  await phone.logIn("alice");
  await phone.online();
  await phone.begin("Join a group", "Hikers");
  await desk.open("Hikers");
  await desk.sees("the first");
  await desk.page.goto("about:blank");
  await phone.page.locator(".conversation > header .who").click();
  await phone.button("Leave the group").click();
  await phone.page.getByRole("dialog", { name: "Leave the group: Hikers" }).getByRole("button", { name: "Leave the group" }).click();
  await phone.item("Hikers").waitFor({ state: "detached" });
  await phone.begin("Join a group", "Hikers");
  await desk.load();
  await desk.online();
  // Behind all that waited.
  await bob.begin("A person", "alice");
  await bob.send("between us");
  await desk.open("bob");
  await desk.sees("between us");
  await desk.item("Hikers").filter({ hasText: "the first" }).waitFor();
  await desk.open("Hikers");
  await desk.page.locator(".subtitle").getByText("2 members").waitFor();
  await desk.open("bob");
  await bob.send("and this");
  await desk.sees("and this");
  await eventually(async () => await desk.page.locator("p[aria-live]").textContent() === "bob: and this", "what is read aloud");
  await desk.logOut();
  await desk.logIn("bob");
  await desk.online();
  assertEquals(await desk.page.locator("p[aria-live]").textContent(), "");
});

pageTest("the settings list the devices; one is signed out, and says so", async (t) => {
  const desk = await t.person();
  const phone = await t.person({ userAgent: "Mozilla/5.0 (Android 14; Mobile; rv:131.0) Gecko/131.0 Firefox/131.0" });
  await desk.register("alice");
  await phone.logIn("alice");
  await phone.online();
  await desk.button("Settings").click();
  await desk.page.locator(".devices", { hasText: "Firefox on Android" }).waitFor();
  const listed = await devices(desk);
  assertEquals(listed.length, 2, `${listed}`);
  const here = t.browser === "Firefox" ? "Firefox" : "Chrome";
  assertEquals(listed[0], `${here} on Linux: this browser, 127.0.0.1`);
  assert(/^Firefox on Android: online, /.test(listed[1]), listed[1]);
  // Another that comes appears by itself.
  const third = await t.person({ locale: "zh-CN" });
  await third.page.locator("input[name=username]").fill("alice");
  await third.page.locator("input[type=password]").fill("a password");
  await third.page.locator("button[type=submit]").click();
  await desk.page.locator(".devices", { hasText: `Linux 上的 ${here}` }).waitFor();

  await desk.button("Sign out Firefox on Android").click();
  await phone.page.getByText("This browser was signed out").first().waitFor();
  await desk.page.locator(".devices", { hasText: "Firefox on Android" }).waitFor({ state: "detached" });
  await phone.page.locator(".connection").getByRole("button", { name: "Connect again" }).click();
  await phone.page.getByText("Your session has ended.").waitFor();
  await phone.logIn("alice");
  await phone.online();
  await desk.page.locator(".devices", { hasText: "Firefox on Android" }).waitFor();
  // Logging out takes the device from the list.
  await phone.logOut();
  await desk.page.locator(".devices", { hasText: "Firefox on Android" }).waitFor({ state: "detached" });
});

pageTest("a server that lets one in at a time: the account is taken from the other browser by a click, and given back", async (t) => {
  const [desk, phone] = [await t.person(), await t.person()];
  await desk.register("alice");
  await phone.logIn("alice");
  await phone.page.getByText("This account is open in another browser or program").waitFor();
  await phone.button("Use it here").click();
  await phone.online();
  await desk.page.getByText("This account is used elsewhere now").first().waitFor();
  await desk.page.locator(".connection").getByRole("button", { name: "Use it here" }).click();
  await desk.online();
  await phone.page.getByText("This account is used elsewhere now").first().waitFor();
}, ["--max-devices", "0"]);

pageTest("a backup is put back under open pages: what it has is shown, once, and what comes is new", async (t) => {
  const [alice, bob] = [await t.person(), await t.person()];
  await alice.register("alice");
  await bob.register("bob");
  await alice.begin("A person", "bob");
  await bob.begin("A person", "alice");
  await alice.send("kept 1");
  await bob.sees("kept 1");
  await bob.send("kept 2");
  for (const person of [alice, bob]) for (const text of ["kept 1", "kept 2"]) await person.sees(text);
  const file = t.db.url.slice("sqlite:".length), copy = `${file}.copy`;
  await backupSqlite(file, copy);
  for (const text of ["gone 1", "gone 2", "gone 3"]) await alice.send(text);
  // Nothing of it waits for an answer, or it would be said again.
  for (const person of [alice, bob]) await person.sees("gone 3");

  for (const person of [alice, bob]) person.expectsRefusals = true;
  await t.server.kill();
  await alice.offline();
  await alice.send("written meanwhile");
  for (const end of ["-wal", "-shm"]) await Deno.remove(file + end).catch(() => {});
  await Deno.rename(copy, file);
  await t.server.start();
  for (const person of [alice, bob]) await person.online();
  // The same numbers as those that are gone, and other messages.
  await bob.send("after 1");
  await alice.send("after 2");
  for (const person of [alice, bob]) {
    for (const text of ["written meanwhile", "after 1", "after 2"]) await person.sees(text);
    assertEquals((await person.texts()).slice(0, 2), ["kept 1", "kept 2"]);
    await eventually(async () => (await person.texts()).length === 5, "what there is, once");
    assertEquals((await person.texts()).slice(2).sort(), ["after 1", "after 2", "written meanwhile"]);
    await person.page.reload();
    await person.online();
    await eventually(async () => (await person.texts()).length === 5, "the same after a reload");
  }
});
