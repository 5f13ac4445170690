// What people come to do, each task to its end: by keys alone, by touch on a screen of 360 px, and by role and name as a screen reader has them.
// Everything is found by its role and its name; the page never lets go of the focus.

import { assert, assertEquals } from "@std/assert";
import type { BrowserContextOptions, Locator, Page } from "playwright-core";
import { NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { type PageTest, pageTest } from "./support/browser.ts";
import { type Hand, Keyboard, Reader, Touch } from "./support/hands.ts";
import { makeUsers } from "./support/server.ts";

type Role = Parameters<Page["getByRole"]>[0];

/** Somebody with a hand, and who they talk with. */
class Someone {
  constructor(readonly hand: Hand, readonly name: string, readonly bob: NatterClient, readonly carol: NatterClient) {}

  /** In the dialog that is open, if one is. */
  async see(role: Role, name: string | RegExp): Promise<Locator> {
    const { page } = this.hand;
    const found = page.getByRole(role, { name, exact: typeof name === "string" }).first();
    await found.waitFor();
    return found;
  }

  async press(role: Role, name: string | RegExp): Promise<void> {
    await this.hand.press(await this.see(role, name));
    assert(await this.hand.page.evaluate<boolean>("document.hasFocus()"));
  }

  /** In a dialog. */
  async answer(name: string): Promise<void> {
    await this.hand.press(this.hand.page.getByRole("dialog").getByRole("button", { name, exact: true }).last());
  }

  async write(role: Role, name: string | RegExp, text: string, more?: boolean): Promise<void> {
    await this.hand.write(await this.see(role, name), text, more);
  }

  /** To the list: on a phone a conversation covers it. */
  async list(): Promise<void> {
    const back = this.hand.page.getByRole("button", { name: "Back to the list" });
    if (await back.isVisible()) await this.hand.press(back);
  }

  async open(name: string): Promise<void> {
    await this.list();
    await this.hand.press(this.hand.page.getByLabel("Conversations").getByRole("button", { name: new RegExp(`^${name}\\b`) }).first());
    await this.see("main", name);
  }

  async send(text: string): Promise<void> {
    await this.write("textbox", /^Message to /, text);
    await this.press("button", "Send");
    await this.said(text);
  }

  /** Waits until one's newest message, which is drawn before, is stored. */
  async stored(): Promise<void> {
    await this.hand.page.locator(".message.mine").last().getByRole("img", { name: /^(Sent|Read)$/ }).waitFor();
  }

  /** Waits for a message. */
  async said(text: string | RegExp): Promise<void> {
    await this.hand.page.getByRole("log", { name: "Messages" }).getByText(text, { exact: typeof text === "string" }).last().waitFor();
  }

  /** Does something with the newest message. */
  async act(whose: "mine" | "theirs", role: "menuitem" | "menuitemcheckbox", what: string): Promise<void> {
    // Until one's newest is stored it has no menu, and the one before it would be taken for it. By Tab the newest with a menu is reached: that it is another all at
    // once, while keys are pressed, is nothing that a person would be stopped by.
    await this.stored();
    const menus = this.hand.page.getByRole("button", { name: whose === "mine" ? /^Your message, .*what to do$/ : /^Message of .*what to do$/ });
    await this.hand.press(menus.last());
    await this.press(role, what);
  }
}

const TASKS: Record<string, (p: Someone) => Promise<void>> = {
  "make an account": async (p) => {
    await p.press("button", "Create account");
    await p.write("textbox", "Name", p.name);
    await p.write("textbox", /^Password/, "a password");
    await p.press("button", "Create account");
    await p.see("heading", /^Nobody here yet|^Welcome/);
  },
  "write to somebody": async (p) => {
    await p.press("button", "New conversation");
    await p.write("textbox", /^Name, or number/, "bob1");
    await p.answer("Add");
    await p.see("main", "bob1");
    await p.send("hello bob");
    await p.stored();
    const { conversations } = await p.bob.conversations();
    assertEquals(conversations.find(({ name }) => name === p.name)?.last?.msg, "hello bob");
  },
  "see what came while you were elsewhere": async (p) => {
    await p.list();
    const { messageid } = await p.bob.chat({ name: p.name }, "the key is under the pot");
    assert(messageid > 0);
    for (let i = 0; i < 60; i++) void p.bob.chat({ name: p.name }, `line ${i}`);
    await p.bob.chat({ name: p.name }, "the end");
    await p.open("bob1");
    await p.said("the end");
  },
  "answer a message": async (p) => {
    await p.act("theirs", "menuitem", "Reply");
    await p.send("an answer");
    await p.see("button", /the end/);
  },
  "react to a message": async (p) => {
    await p.act("theirs", "menuitemcheckbox", "React with 👍");
    await p.see("button", "👍 1");
  },
  "edit your last message": async (p) => {
    await p.act("mine", "menuitem", "Edit");
    await p.write("textbox", "Edit the message", ", mended", true);
    await p.press("button", "Save");
    await p.said("an answer, mended");
  },
  "delete a message": async (p) => {
    await p.send("a slip");
    await p.act("mine", "menuitem", "Delete");
    await p.answer("Delete");
    await p.said("This message was deleted.");
  },
  "find what somebody sent last week": async (p) => {
    await p.list();
    await p.write("searchbox", "Search", "key pot");
    await p.press("button", /the key is under the pot/);
    await p.said("the key is under the pot");
    assert(await p.hand.page.getByText("the key is under the pot", { exact: true }).last().isVisible());
  },
  "search in one conversation": async (p) => {
    await p.press("button", "Search in this conversation");
    await p.write("searchbox", "Search", "end");
    await p.press("button", /^bob1 .*the end/);
    await p.said("the end");
    await p.list();
    await p.write("searchbox", "Search", "");
  },
  "make a group": async (p) => {
    await p.list();
    await p.press("button", "New conversation");
    await p.press("button", "A new group");
    await p.write("textbox", "Name of the group", `Trip of ${p.name}`);
    await p.answer("Create");
    await p.see("main", `Trip of ${p.name}`);
    await p.send("who comes?");
  },
  "invite by a link": async (p) => {
    await p.press("button", "Details");
    await p.press("button", "Invite people");
    await p.press("button", "Make a link");
    const link = await (await p.see("textbox", /^Link to the group/)).inputValue();
    await p.answer("Close");
    await p.bob.joinGroup({ code: link.split("join=")[1]! });
    await p.said(/^bob1 joined/);
  },
  "mention somebody": async (p) => {
    await p.write("textbox", /^Message to /, "and you, ");
    await p.hand.page.keyboard.type("@bo");
    await p.press("option", "bob1");
    await p.press("button", "Send");
    await p.said("and you, @bob1");
  },
  "forward a message": async (p) => {
    await p.act("mine", "menuitem", "Forward");
    await p.write("searchbox", "To whom?", "bob");
    await p.answer("bob1");
    await p.see("main", "bob1");
    await p.press("button", "Send");
    await p.said("and you, @bob1");
  },
  "archive a conversation, and take it out": async (p) => {
    await p.press("button", "Details");
    await p.press("button", "Archive");
    await p.see("button", "Take out of the archive");
    await p.answer("Close");
    await p.open(`Trip of ${p.name}`);
    await p.list();
    await p.press("button", /^Archived/);
    await p.open("bob1");
    await p.press("button", "Details");
    await p.press("button", "Take out of the archive");
    await p.see("button", "Archive");
    await p.answer("Close");
    await p.open(`Trip of ${p.name}`);
  },
  "send without a sound": async (p) => {
    await p.write("textbox", /^Message to /, "it is late");
    await p.press("button", "Other ways to send");
    await p.press("menuitem", "Send without sound");
    await p.said("it is late");
    await p.see("img", "Sent without sound");
  },
  "mute a group": async (p) => {
    await p.press("button", "Details");
    await p.press("button", "For ever");
    await p.hand.page.getByText("Muted: nothing tells you of what comes.").waitFor();
    await p.press("button", "Pin to the top");
    await p.see("button", "Unpin");
    await p.answer("Close");
  },
  "leave a group you created": async (p) => {
    await p.press("button", "Details");
    await p.press("button", "Leave the group");
    await p.hand.page.getByText("bob1 takes your place as creator.").waitFor();
    await p.answer("Leave the group");
    await p.hand.page.getByRole("main", { name: `Trip of ${p.name}` }).waitFor({ state: "detached" });
  },
  "see why a message did not go": async (p) => {
    await p.list();
    const [me] = await p.carol.users({ names: [p.name] });
    await p.carol.block(me!.id);
    await p.press("button", "New conversation");
    await p.write("textbox", /^Name, or number/, "carol1");
    await p.answer("Add");
    await p.see("main", "carol1");
    await p.send("are you there?");
    await p.hand.page.getByRole("alert").getByText("Not sent. They do not take messages from you.").waitFor();
    await p.press("button", "Discard");
    await p.hand.page.getByText("are you there?", { exact: true }).last().waitFor({ state: "detached" });
  },
  "block somebody, and take it back": async (p) => {
    await p.press("button", "Details");
    await p.press("button", "Block");
    await p.answer("Block");
    await p.hand.page.getByText("You blocked carol1.").waitFor();
    await p.press("button", "Unblock");
    await p.see("textbox", /^Message to carol1/);
  },
  "be disturbed less": async (p) => {
    await p.list();
    await p.press("button", "Settings");
    await p.hand.press(p.hand.page.getByRole("group", { name: "Sound" }).getByRole("button", { name: "Off" }));
    await p.hand.page.getByRole("group", { name: "Sound" }).getByRole("button", { name: "Off", pressed: true }).waitFor();
  },
  "change the password": async (p) => {
    await p.press("button", "Change password");
    await p.write("textbox", /^Present password/, "a password");
    await p.write("textbox", /^New password/, "another password");
    await p.press("button", "Change password");
    await p.hand.page.getByText("The password is changed.").waitFor();
  },
  "remove a device": async (p) => {
    await p.answer("Close");
    await p.press("button", "Settings");
    await p.press("button", /^Sign out old phone/);
    await p.hand.page.getByRole("button", { name: /^Sign out old phone/ }).waitFor({ state: "detached" });
  },
  "log out": async (p) => {
    await p.press("button", "Log out");
    await p.answer("Log out");
    await p.see("button", "Create account");
  },
};

const WAYS: [name: string, hand: (page: Page) => Hand, options: BrowserContextOptions][] = [
  ["keys", (page) => new Keyboard(page), {}],
  ["touch", (page) => new Touch(page), { viewport: { width: 360, height: 700 }, hasTouch: true, isMobile: true }],
  ["reader", (page) => new Reader(page), {}],
];

async function client({ server }: PageTest, who: { id: number; token: string }): Promise<NatterClient> {
  const client = new NatterClient({ connect: tcp({ port: server.tcp }), window: 100 });
  await client.login(who);
  return client;
}

pageTest("what people come to do is done by keys alone, by touch, and by role and name", async (t) => {
  const [bob] = await makeUsers(t.db, 1, "bob"), [carol] = await makeUsers(t.db, 1, "carol");
  await using asBob = await client(t, bob!);
  await using asCarol = await client(t, carol!);
  const go = async ([name, hand, options]: typeof WAYS[number]) => {
    const { page } = await t.person(options);
    const someone = new Someone(hand(page), name, asBob, asCarol);
    for (const [task, act] of Object.entries(TASKS)) {
      try {
        // After the password is changed, which ends the others.
        if (task === "remove a device") {
          await using phone = new NatterClient({ connect: tcp({ port: t.server.tcp }) });
          await phone.login({ name, password: "another password", device: "old phone" });
        }
        await act(someone);
      } catch (error) {
        throw new Error(`${name}: ${task}`, { cause: error });
      }
      assert(await page.evaluate<boolean>("document.activeElement !== document.body || document.querySelector('dialog[open]') === null"), task);
    }
  };
  // At once: each waits for the page most of the time. In Firefox one window has the focus.
  if (t.browser === "Chromium") await Promise.all(WAYS.map(go));
  else for (const way of WAYS) await go(way);
});
