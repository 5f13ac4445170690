// The sound of what comes while the page is not in front, and messages that are sent without one.

import { assertEquals } from "@std/assert";
import { chromiumTest, type Person } from "./support/browser.ts";
import { eventually } from "./support/server.ts";

/** Counts the sounds (of two notes each), lets the page be put behind another one, and forgets when it sounded last. */
const OBSERVE = `
  globalThis.rung = 0;
  globalThis.inFront = true;
  Document.prototype.hasFocus = () => inFront;
  const { start } = OscillatorNode.prototype;
  OscillatorNode.prototype.start = function (...args) {
    rung += 0.5;
    return start.apply(this, args);
  };
  const { now } = Performance.prototype;
  globalThis.later = 0;
  Performance.prototype.now = function () {
    return now.call(this) + later;
  };`;

async function rung(person: Person): Promise<number> {
  // What comes together sounds once.
  await person.page.evaluate("later += 10000");
  return await person.page.evaluate<number>("rung");
}

const rings = (person: Person, times: number) => eventually(async () => await rung(person) === times, `sound number ${times}`);

chromiumTest(
  "sound on a machine that has none",
  "a sound for what comes while the page is not in front; none for what is muted, silent, or from somebody blocked",
  async (t) => {
    const alice = await t.user("alice", { permissions: [] });
    await alice.page.addInitScript(OBSERVE);
    await alice.page.reload();
    await alice.begin("A new group", "Hikers");
    const bob = await t.user("bob");
    await bob.begin("Join a group", "Hikers");
    await bob.begin("A person", "alice");
    await bob.page.getByRole("main", { name: "alice" }).waitFor();
    const say = async (text: string) => {
      await bob.send(text);
      await bob.sees(text);
      await eventually(async () => (await alice.item("bob").locator(".item-last").allTextContents()).includes(text), `${text} in alice's list`);
    };
    await say("in front");
    assertEquals(await rung(alice), 0);
    await alice.page.evaluate("inFront = false");
    await say("behind");
    await rings(alice, 1);
    await alice.open("bob");
    await say("open, and behind");
    await rings(alice, 2);

    // Without a sound: by key, from the button beside the one for sending; both sides see that it was.
    await bob.page.locator(".composer textarea").fill("psst");
    for (let i = 0; i < 4; i++) await bob.page.keyboard.press("Tab");
    await bob.page.keyboard.press("Enter");
    await bob.page.getByRole("menuitem", { name: "Send without sound" }).waitFor();
    await bob.page.keyboard.press("Enter");
    await bob.sees("psst");
    assertEquals(await bob.page.evaluate("document.activeElement.tagName"), "TEXTAREA");
    await alice.sees("psst");
    for (const person of [alice, bob]) await person.message("psst").getByRole("img", { name: "Sent without sound" }).waitFor();
    assertEquals(await rung(alice), 2);
    // And by the pointer, in the menu of the button itself.
    await bob.page.locator(".composer textarea").fill("psst again");
    await bob.button("Send").click({ button: "right" });
    await bob.page.getByRole("menuitem", { name: "Send without sound" }).click();
    await alice.message("psst again").getByRole("img", { name: "Sent without sound" }).waitFor();
    assertEquals(await rung(alice), 2);

    // Muted: only who speaks to her is heard.
    await alice.item("Hikers").click({ button: "right" });
    await alice.page.getByRole("menuitem", { name: "Mute" }).click();
    await alice.item("Hikers").getByTitle("muted").waitFor();
    await bob.open("Hikers");
    await bob.send("anyone?");
    await alice.item("Hikers").getByText("bob: anyone?").waitFor();
    assertEquals(await rung(alice), 2);
    await bob.send("@alice?");
    await alice.item("Hikers").getByText("bob: @alice?").waitFor();
    await rings(alice, 3);

    // Blocked.
    await alice.button("Block").click();
    await alice.page.getByRole("dialog").getByRole("button", { name: "Block" }).click();
    await alice.page.getByText("You blocked bob.").waitFor();
    await bob.send("@alice!");
    await alice.item("Hikers").getByText("bob: @alice!").waitFor();
    assertEquals(await rung(alice), 3);

    // Switched off; the switch says how it sounds.
    await alice.button("Unblock").click();
    await alice.page.locator(".composer textarea").waitFor();
    await alice.button("Settings").click();
    const choice = alice.page.getByRole("group", { name: "Sound" });
    await choice.getByRole("button", { name: "Off" }).click();
    await alice.page.keyboard.press("Escape");
    await bob.send("@alice, please");
    await alice.item("Hikers").getByText("bob: @alice, please").waitFor();
    assertEquals(await rung(alice), 3);
    await alice.button("Settings").click();
    await choice.getByRole("button", { name: "On" }).click();
    await rings(alice, 4);
  },
);
