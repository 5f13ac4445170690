// The web page as people use it: they talk, and servers, browsers and tabs come and go under them.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { pageTest } from "./support/browser.ts";
import { eventually } from "./support/server.ts";

pageTest("two people register, find each other, talk, and see each other come, type and go", async (t) => {
  const alice = await t.person();
  const bob = await t.person();
  await alice.register("alice");
  await bob.register("Bob Dubois");
  await bob.logOut();
  await alice.begin("A person", "bob dubois");
  await alice.page.getByText("Say hello to Bob Dubois!").waitFor();
  await alice.page.locator(".subtitle", { hasText: "last seen" }).waitFor();
  await bob.logIn("Bob Dubois");
  await alice.page.locator(".subtitle", { hasText: "online" }).waitFor();

  await alice.send("Hello Bob!");
  await alice.sees("Hello Bob!");
  await bob.item("alice").locator(".badge", { hasText: "1" }).waitFor();
  assertEquals(await bob.page.title(), "(1) natter");
  await bob.open("alice");
  await bob.sees("Hello Bob!");
  await bob.item("alice").locator(".badge").waitFor({ state: "detached" });
  assertEquals(await bob.page.title(), "natter");

  await bob.page.locator(".composer textarea").pressSequentially("Hi");
  await alice.page.locator(".subtitle", { hasText: "typing…" }).waitFor();
  await bob.page.locator(".composer textarea").press("Shift+Enter");
  await bob.page.locator(".composer textarea").pressSequentially("Alice 👋 你好");
  await bob.page.locator(".composer textarea").press("Enter");
  await alice.sees("Hi\nAlice 👋 你好");
  await alice.page.locator(".subtitle", { hasText: "typing…" }).waitFor({ state: "detached" });

  // What looks like HTML is text.
  const nasty = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script><b>bold</b> &amp;`;
  await bob.send(nasty);
  await alice.sees(nasty);
  assertEquals(await alice.page.locator(".messages img, .messages script, .messages b").count(), 0);
  const refused = await alice.page.evaluate<string>("try { document.body.innerHTML = 'x'; 'taken' } catch (error) { error.name }");
  assertEquals(refused, "TypeError", "the browser was to make HTML out of a string");
  assertEquals(await alice.page.title(), "natter");

  await bob.context.close();
  await alice.page.locator(".subtitle", { hasText: "last seen just now" }).waitFor();
  await alice.item("Bob Dubois").locator(".presence").waitFor({ state: "detached" });
  assertEquals(await alice.texts(), ["Hello Bob!", "Hi\nAlice 👋 你好", nasty]);
  // Which Firefox says a while later.
  alice.complaints.splice(0, alice.complaints.length, ...alice.complaints.filter((text) => !/TrustedHTML|trusted-types/.test(text)));
});

pageTest("a reload in mid-conversation loses nothing and doubles nothing", async (t) => {
  const alice = await t.user("alice");
  const bob = await t.user("bob");
  await alice.begin("A person", "bob");
  for (const text of ["one", "two"]) await alice.send(text);
  await bob.open("alice");
  await bob.sees("two");
  await bob.send("three");
  await alice.sees("three");
  await alice.page.locator(".composer textarea").fill("half a sen");

  for (const text of ["four", "five"]) await bob.send(text);
  await bob.sees("five");
  await alice.page.reload();
  await bob.send("six");
  await alice.online();
  await alice.sees("six");
  assertEquals(await alice.page.locator(".composer textarea").inputValue(), "half a sen");
  const all = ["one", "two", "three", "four", "five", "six"];
  assertEquals(await alice.texts(), all);
  await alice.page.locator(".composer textarea").press("Enter");
  await bob.sees("half a sen");
  assertEquals(await bob.texts(), [...all, "half a sen"]);
  // What came is confirmed.
  await eventually(async () => {
    const [row] = await t.db.query("select confirmed_seq from user where name = 'alice'");
    return row.confirmed_seq === 4;
  }, "confirmed");
});

pageTest("the server is killed and comes back under an open page: what was written meanwhile arrives once", async (t) => {
  const alice = await t.user("alice");
  const bob = await t.user("bob");
  await alice.begin("A person", "bob");
  await alice.send("before");
  await bob.open("alice");
  await bob.sees("before");

  for (const person of [alice, bob]) person.expectsRefusals = true;
  await t.server.kill();
  await alice.offline();
  await alice.page.locator(".connection").getByText("No connection.").waitFor();
  await alice.send("meanwhile 1");
  await alice.send("meanwhile 2");
  await alice.message("meanwhile 2").getByRole("img", { name: "Sending" }).waitFor();
  await bob.offline();
  await bob.send("meanwhile, too");
  await t.server.start();
  await alice.online();
  await bob.online();
  await alice.sees("meanwhile 2");
  await alice.sees("meanwhile, too");
  await bob.sees("meanwhile 2");
  for (const person of [alice, bob]) {
    assertEquals((await person.texts()).sort(), ["before", "meanwhile 1", "meanwhile 2", "meanwhile, too"]);
    assert((await person.texts()).indexOf("meanwhile 1") < (await person.texts()).indexOf("meanwhile 2"));
  }

  // A page that is closed while the server is away leaves its messages to the next one.
  await t.server.kill();
  await alice.offline();
  await alice.send("from the grave");
  await alice.page.close();
  await t.server.start();
  const again = await alice.tab();
  await again.online();
  await again.open("bob");
  await again.sees("from the grave");
  await bob.sees("from the grave");
  assertEquals((await bob.texts()).filter((text) => text === "from the grave").length, 1);
  const [{ n }] = await t.db.query("select count(*) as n from message");
  assertEquals(Number(n), 5);
});

pageTest("a group: made, joined, talked in, left", async (t) => {
  const [alice, bob] = [await t.user("alice"), await t.user("bob")];
  await alice.begin("A new group", "Hikers");
  await bob.begin("Join a group", "hikers");
  await bob.page.locator(".subtitle", { hasText: "2 members" }).waitFor();
  await bob.page.locator(".composer textarea").pressSequentially("w");
  await alice.page.locator(".subtitle", { hasText: "is typing…" }).waitFor();
  await bob.send("who comes?");
  await alice.sees("who comes?");
  assertEquals(await alice.message("who comes?").locator(".sender").textContent(), "bob");
  await alice.send("me");
  await bob.sees("me");

  await alice.page.locator(".conversation > header").getByRole("button", { name: "Details" }).last().click();
  const dialog = alice.page.getByRole("dialog");
  await dialog.locator(".members li", { hasText: "bob" }).waitFor();
  assertMatch(await dialog.locator(".members li", { hasText: "alice" }).textContent() ?? "", /creator/);
  // From there to a word in private.
  await dialog.locator(".members li", { hasText: "bob" }).locator(".item").click();
  await alice.page.getByText("Say hello to bob!").waitFor();
  await alice.send("just us");
  await bob.item("alice").locator(".badge", { hasText: "1" }).waitFor();

  await bob.page.locator(".conversation > header").getByRole("button", { name: "Details" }).last().click();
  await bob.button("Leave the group").click();
  const leaving = bob.page.getByRole("dialog", { name: "Leave the group: Hikers" });
  await leaving.getByText("You will get no more messages of Hikers").waitFor();
  await leaving.getByRole("button", { name: "Leave the group" }).click();
  await bob.item("Hikers").waitFor({ state: "detached" });
  await alice.open("Hikers");
  await alice.send("where are you?");
  await alice.sees("where are you?");
  await bob.open("alice");
  assertEquals(await bob.texts(), ["just us"]);
});

pageTest("a block: the message fails, says why, and goes out when tried again later", async (t) => {
  const [alice, bob] = [await t.user("alice"), await t.user("bob")];
  await alice.begin("A person", "bob");
  await alice.send("first");
  await bob.open("alice");
  await bob.page.getByText("alice is not among your contacts.").waitFor();
  await bob.button("Block").click();
  await bob.page.getByRole("dialog", { name: "Block: alice" }).getByRole("button", { name: "Block" }).click();
  await bob.page.getByText("You blocked alice.").waitFor();
  await alice.send("second");
  await alice.page.getByText("They do not take messages from you.").waitFor();
  await alice.item("bob").getByText("Not sent: You: second").waitFor();
  // It stays failed over a reload, and can be tried again.
  await alice.page.reload();
  await alice.online();
  await alice.page.getByText("They do not take messages from you.").waitFor();
  await bob.button("Unblock").click();
  await bob.page.locator(".composer textarea").waitFor();
  await alice.button("Send again").click();
  await bob.sees("second");
  assertEquals(await alice.texts(), ["first", "second"]);
  assertEquals(await bob.texts(), ["first", "second"]);
});

pageTest("one tab at a time; one that paused goes on where it was when the other is closed", async (t) => {
  const alice = await t.user("alice");
  await alice.begin("A person", "alice");
  await alice.send("note");
  await alice.sees("note");

  const second = await alice.tab();
  await second.page.getByText("natter is open in another tab").waitFor();
  assertEquals(await alice.page.locator(".connection").getAttribute("data-state"), "online");
  await second.button("Use it here").click();
  await second.online();
  await alice.page.getByText("natter is open in another tab").waitFor();
  await second.open("Notes to yourself");
  await second.sees("note");
  await second.page.close({ runBeforeUnload: true });
  // The conversation that was open, without a click.
  await alice.online();
  await alice.sees("note");
  assertEquals(await alice.page.getByRole("main", { name: "Notes to yourself" }).count(), 1);

  const third = await alice.tab();
  await third.button("Use it here").click();
  await third.online();
  await third.logOut();
  await alice.page.locator("input[name=username]").waitFor();
  // Nothing of it stays in the browser that logged out.
  assertEquals(await third.page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })"), "{}");
  assertEquals([...second.complaints, ...third.complaints], []);
});

pageTest("the password is changed; a token that ended leads to the login", async (t) => {
  const alice = await t.user("alice");
  await alice.button("Settings").click();
  const dialog = alice.page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Change password" }).click();
  await dialog.getByLabel("Present password").fill("wrong");
  await dialog.getByLabel("New password").fill("another one");
  await dialog.getByRole("button", { name: "Change password" }).click();
  await dialog.getByText("The present password is wrong.").waitFor();
  await dialog.getByLabel("Present password").fill("a password");
  await dialog.getByRole("button", { name: "Change password" }).click();
  await dialog.getByText("The password is changed.").waitFor();

  await t.db.query("delete from token");
  await alice.page.reload();
  await alice.page.getByText("Your session has ended.").waitFor();
  assertEquals(await alice.page.locator("input[name=username]").inputValue(), "alice");
  await alice.logIn("alice", "a password");
  await alice.page.getByText("The name or the password is wrong.").waitFor();
  await alice.logIn("alice", "another one");
  await alice.online();
});
