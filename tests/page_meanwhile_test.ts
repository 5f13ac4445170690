// The page while something is under way: what its user does meanwhile stays, and what others do is theirs; in a browser that keeps nothing, too.

import { assertEquals } from "@std/assert";
import { chromiumTest, pageTest, type Person } from "./support/browser.ts";
import { startProxy, type Verdict } from "./support/proxy.ts";
import { RawClient } from "./support/raw_client.ts";
import { eventually } from "./support/server.ts";

const field = (person: Person) => person.page.locator(".composer textarea");
const title = (person: Person) => person.page.locator(".composer .writing-title");

/** By the menu of a message. */
async function choose(person: Person, text: string, what: string): Promise<void> {
  await person.message(text).hover();
  await person.message(text).locator(".more").click();
  await person.page.getByRole("menuitem", { name: what, exact: true }).click();
}

/** Puts somebody out of the open group. */
async function putOut(person: Person, name: string): Promise<void> {
  await person.page.locator(".conversation > header .who").click();
  await person.button(`${name}: what to do`).click();
  await person.page.getByRole("menuitem", { name: "Remove", exact: true }).click();
  await person.page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await person.page.locator(".subtitle").getByText("1 member").waitFor();
}

/** Who may write in the open group. */
async function setPosting(person: Person, who: string): Promise<void> {
  await person.page.locator(".conversation > header .who").click();
  await person.button("Group settings").click();
  const dialog = person.page.getByRole("dialog");
  await dialog.getByRole("button", { name: who, exact: true }).click();
  await dialog.getByRole("button", { name: "Save", exact: true }).click();
  await person.button("Leave the group").waitFor();
  await person.page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
}

pageTest("a message is edited, and the answer comes when its writer is at something else: that stays as it is, and is sent", async (t) => {
  const [alice, bob] = [await t.user("alice"), await t.user("bob")];
  await bob.begin("A person", "alice");
  await bob.send("question");
  await bob.sees("question");
  await alice.open("bob");
  for (const text of ["one", "two"]) {
    await alice.send(text);
    await alice.sees(text);
  }
  /** The last message gets this text, as soon as the server goes on. */
  const edit = async (text: string) => {
    t.server.freeze();
    await field(alice).press("ArrowUp");
    await field(alice).fill(text);
    await field(alice).press("Enter");
  };
  const goOn = async (text: string) => {
    t.server.thaw();
    await alice.sees(text);
  };

  await edit("two, changed");
  await field(alice).press("Escape");
  await choose(alice, "question", "Reply");
  await field(alice).fill("answer");
  assertEquals(await alice.page.locator(".composer button[type=submit]").isEnabled(), true);
  await goOn("two, changed");
  await field(alice).press("Enter");
  await alice.sees("answer");
  assertEquals(await alice.message("answer").locator(".answered").count(), 1);

  await edit("answer, changed");
  await field(alice).press("Escape");
  await choose(alice, "one", "Edit");
  await field(alice).fill("one, at length");
  await goOn("answer, changed");
  assertEquals([await title(alice).textContent(), await field(alice).inputValue()], ["Edit the message", "one, at length"]);
  await field(alice).press("Enter");
  await alice.sees("one, at length");
  await title(alice).waitFor({ state: "detached" });

  await edit("answer, again");
  await field(alice).press("End");
  await field(alice).pressSequentially(" and again");
  await goOn("answer, again");
  assertEquals([await title(alice).count(), await field(alice).inputValue()], [1, "answer, again and again"]);
  await field(alice).press("Enter");
  await alice.sees("answer, again and again");
  await title(alice).waitFor({ state: "detached" });
  assertEquals(await field(alice).inputValue(), "");
  await bob.sees("answer, again and again");
});

pageTest("in a browser that has no room, or keeps nothing, what is written stays until the page is closed, and so does the account", async (t) => {
  const alice = await t.person();
  await alice.page.addInitScript(`Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } })`);
  await alice.load();
  await alice.register("alice");
  const phone = await t.person();
  await phone.register("bob");
  await phone.logOut();
  await alice.begin("A person", "bob");
  await alice.send("to be forwarded");
  await alice.sees("to be forwarded");
  await field(alice).fill("a draft");
  await alice.begin("A person", "alice");
  await alice.open("bob");
  assertEquals(await field(alice).inputValue(), "a draft");
  await choose(alice, "to be forwarded", "Forward");
  await alice.page.getByRole("dialog").getByRole("button", { name: "Notes to yourself" }).click();
  await alice.page.getByRole("main", { name: "Notes to yourself" }).waitFor();
  assertEquals(await field(alice).inputValue(), "to be forwarded");
  // The account is taken from here, and back.
  await phone.logIn("alice");
  await phone.button("Use it here").click();
  await phone.online();
  await alice.page.getByText("This account is used elsewhere now").first().waitFor();
  await alice.page.locator(".connection").getByRole("button", { name: "Use it here" }).click();
  await alice.online();
}, ["--max-devices", "0"]);

chromiumTest("news of a connection's end", "who logs out on a slow line is told no more of what comes", async (t) => {
  const bob = await t.user("bob");
  await using proxy = await startProxy({ hostname: "127.0.0.1", port: Number(new URL(t.server.url).port) });
  const alice = await t.person({}, `http://127.0.0.1:${proxy.port}/`);
  const closed = new Promise<void>((resolve) => alice.page.once("websocket", (socket) => socket.on("close", () => resolve())));
  await alice.register("alice");
  await bob.begin("A person", "alice");
  // From here on nothing is asked but to log out: were an answer held up that logging out waits for, the server would take alice for gone before.
  await alice.settings();
  const told = Promise.withResolvers<void>(), gone = Promise.withResolvers<void>(), came = Promise.withResolvers<void>();
  proxy.inspect = async ({ direction, data }): Promise<Verdict> => {
    if (direction === "up" && data.length > 0) {
      gone.resolve();
      await told.promise;
    } else if (new TextDecoder().decode(data).includes("are you there?")) {
      came.resolve();
    }
    return "pass";
  };
  await alice.confirmLogOut();
  await gone.promise;
  await bob.send("are you there?");
  await came.promise;
  // The page has heard of the message when it closes.
  told.resolve();
  await closed;
  assertEquals(await alice.page.title(), "natter");
  await alice.logIn("alice");
  await alice.online();
  await alice.open("bob");
  await alice.sees("are you there?");
});

chromiumTest("news of a connection's end", "what is answered when its user has logged out is not shown to who logs in next", async (t) => {
  // Two devices, one of which is not this browser.
  await t.server.account("alice");
  await t.user("bob");
  await using proxy = await startProxy({ hostname: "127.0.0.1", port: Number(new URL(t.server.url).port) });
  const person = await t.person({}, `http://127.0.0.1:${proxy.port}/`);
  const closed = new Promise<void>((resolve) => person.page.once("websocket", (socket) => socket.on("close", () => resolve())));
  await person.logIn("alice");
  await person.online();
  const settings = person.page.getByRole("dialog", { name: "Settings" });
  /** Opens the settings on a line that holds what goes up. */
  const open = async () => {
    const told = Promise.withResolvers<void>(), held = Promise.withResolvers<void>();
    proxy.inspect = async ({ direction, data }): Promise<Verdict> => {
      if (direction === "down" || data.length === 0) return "pass";
      held.resolve();
      await told.promise;
      return "pass";
    };
    await person.button("Settings").click();
    await settings.getByText("Loading…").waitFor();
    await held.promise;
    return told;
  };
  const told = await open();
  await person.button("Log out").click();
  await person.page.getByRole("dialog", { name: "Log out?" }).getByRole("button", { name: "Log out" }).click();
  await person.page.locator("input[name=username]").waitFor();
  told.resolve();
  await closed;
  await person.logIn("bob");
  await person.online();
  const bobs = await open();
  assertEquals(await settings.getByText("browser", { exact: true }).count(), 0);
  bobs.resolve();
  await settings.getByText("this browser").waitFor();
});

pageTest("of two choices that are made before the server has answered the last one counts", async (t) => {
  const alice = await t.user("alice");
  await t.user("bob");
  await alice.begin("A person", "bob");
  await alice.page.locator(".conversation > header .who").click();
  const choice = alice.page.getByRole("dialog").getByRole("group", { name: "Notifications" });
  await choice.getByRole("button", { name: "Not muted", pressed: true }).waitFor();
  t.server.freeze();
  await choice.getByRole("button", { name: "1 hour" }).click();
  await choice.getByRole("button", { name: "For ever" }).click();
  t.server.thaw();
  await choice.getByRole("button", { name: "For ever", pressed: true }).waitFor();
});

pageTest("what was found in a group that one is put out of is seen no more", async (t) => {
  const [alice, bob] = [await t.user("alice"), await t.user("bob")];
  await bob.begin("A new group", "Hikers");
  await alice.begin("Join a group", "Hikers");
  await bob.send("the map is here");
  await alice.sees("the map is here");
  await alice.button("Search in this conversation").click();
  const found = alice.page.locator(".found");
  await eventually(async () => {
    await alice.page.locator("input[type=search]").fill("");
    await alice.button("Search in this conversation").click();
    await alice.page.locator("input[type=search]").fill("map");
    return await found.first().waitFor({ timeout: 1000 }).then(() => true, () => false);
  }, "it is found");
  await putOut(bob, "alice");
  await alice.page.getByText("bob removed you from “Hikers”.").waitFor();
  await found.waitFor({ state: "detached" });
  assertEquals(await alice.page.locator("input[type=search]").getAttribute("placeholder"), "Search");
});

pageTest("who is put out of a group while typing says the rest to nobody; also who may not write there any more", async (t) => {
  const [alice, bob] = [await t.user("alice"), await t.user("bob")];
  const { keyboard } = alice.page;
  await t.user("carol");
  await bob.begin("A new group", "Hikers");
  await alice.begin("A person", "carol");
  await alice.begin("Join a group", "Hikers");
  await bob.page.locator(".subtitle").getByText("2 members").waitFor();
  // By clicks: what had the focus before is the button that opens the other conversation.
  await alice.open("carol");
  await alice.open("Hikers");
  await field(alice).focus();
  await keyboard.type("between us: I");
  await setPosting(bob, "Moderators");
  await alice.page.getByText("Only moderators write here.").waitFor();
  await keyboard.type(" do not like carol");
  await keyboard.press("Enter");
  await alice.page.getByRole("main", { name: "Hikers" }).waitFor();
  await setPosting(bob, "Everybody");
  await field(alice).focus();
  assertEquals(await field(alice).inputValue(), "between us: I");
  await putOut(bob, "alice");
  await alice.page.getByText("bob removed you from “Hikers”.").waitFor();
  await keyboard.type(" do not like carol");
  await keyboard.press("Enter");
  await alice.page.getByText("Pick a conversation").waitFor();
  // The next Tab goes on from there, and whoever leaves by a key is at the list.
  await keyboard.press("Shift+Tab");
  assertEquals(await alice.page.evaluate("document.activeElement.classList.contains('item')"), true);
  await keyboard.press("Enter");
  await alice.page.getByRole("main", { name: "carol" }).waitFor();
  assertEquals(await alice.texts(), []);
});

pageTest("another text that is being written stands in the field when all is drawn anew, not what was to be sent", async (t) => {
  const alice = await t.user("alice");
  await alice.begin("A person", "alice");
  await alice.send("to be edited");
  await alice.sees("to be edited");
  await field(alice).fill("a draft");
  await choose(alice, "to be edited", "Edit");
  await alice.button("Settings").click();
  await alice.page.getByRole("group", { name: "Language" }).getByRole("button", { name: "中文" }).click();
  await alice.page.keyboard.press("Escape");
  await alice.page.getByRole("dialog").waitFor({ state: "detached" });
  assertEquals(await title(alice).textContent(), "编辑消息");
  assertEquals(await field(alice).inputValue(), "to be edited");
  await field(alice).press("Escape");
  assertEquals(await field(alice).inputValue(), "a draft");
});

pageTest("a message that is deleted is so where it stands, also if the answer is lost", async (t) => {
  await using proxy = await startProxy({ hostname: "127.0.0.1", port: Number(new URL(t.server.url).port) });
  const alice = await t.person({}, `http://127.0.0.1:${proxy.port}/`);
  alice.expectsRefusals = true;
  await alice.register("alice");
  const { id } = await t.server.account("bob");
  await alice.begin("A person", "bob");
  for (const text of ["first", "second"]) {
    await alice.send(text);
    await alice.sees(text);
  }
  await using bob = await RawClient.connect(t.server.tcp);
  await bob.login({ name: "bob", password: "a password", proto: 3, device: "another" });
  // More than is asked for when the connection is back.
  for (let n = 1; n <= 60; n++) await bob.request({ msgid: 6, toid: id - 1, msg: `text ${n}` });
  await alice.sees("text 60");
  await alice.page.locator(".messages").evaluate((box: { scrollTop: number }) => box.scrollTop = 0);
  await choose(alice, "first", "Delete");
  let lost = false;
  proxy.inspect = ({ direction, data }) => {
    if (lost || direction === "up" || !new TextDecoder().decode(data).includes('"re":26')) return "pass";
    lost = true;
    return "cut";
  };
  const dialog = alice.page.getByRole("dialog", { name: "Delete the message?" });
  await dialog.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await alice.message("first").waitFor({ state: "detached" });
  await alice.page.locator(".stone").waitFor();
  assertEquals(await alice.message("second").count(), 1);
});

pageTest("what one had open is not opened for who logs in there next, and would have read it", async (t) => {
  const [alice, bob, carol] = [await t.user("alice"), await t.user("bob"), await t.user("carol")];
  for (const name of ["alice", "bob"]) {
    await carol.begin("A person", name);
    await carol.send(`for ${name}`);
    await carol.sees(`for ${name}`);
  }
  await alice.open("carol");
  await alice.sees("for alice");
  const { url } = t.server;
  await alice.logOut();
  await alice.page.waitForURL(url);
  await alice.logIn("bob");
  await alice.item("carol").getByText("for bob").waitFor();
  assertEquals([alice.page.url(), await alice.page.getByRole("main", { name: "carol" }).count()], [url, 0]);
  // Whose next list shows that nothing was read.
  await bob.page.reload();
  await bob.item("carol").locator(".badge").waitFor();
  // A token that ended leads to the login as well: who comes back is where they were, and another one is not.
  for (const name of ["bob", "alice"]) {
    await alice.open("carol");
    await t.db.query("delete from token");
    await alice.page.reload();
    await alice.page.locator("input[name=username]").waitFor();
    await alice.logIn(name);
    await alice.online();
    await alice.item("carol").waitFor();
    if (name === "bob") await alice.page.getByRole("main", { name: "carol" }).waitFor();
  }
  assertEquals(await alice.page.getByRole("main", { name: "carol" }).count(), 0);
});
