// What is being read stays where it is, and at the bottom what comes is followed, whatever changes its size: the field, the window, a text that unfolds, the network.

import { assert, assertEquals } from "@std/assert";
import { NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { pageTest, type Person } from "./support/browser.ts";
import { eventually, makeUsers } from "./support/server.ts";

/** The first message that is wholly on the screen, and how far below the upper edge of the box it stands (px). */
const TOP = `(() => {
  const box = document.querySelector(".messages"), y = box.getBoundingClientRect().top;
  const m = [...box.querySelectorAll(".message")].find((e) => e.getBoundingClientRect().top >= y);
  return [m.querySelector(".text").textContent.slice(0, 12), Math.round(m.getBoundingClientRect().top - y)];
})()`;

/** How far the end of what was said is below the lower edge of the box (px). */
const BELOW = `(() => { const b = document.querySelector(".messages"); return Math.round(b.scrollHeight - b.scrollTop - b.clientHeight); })()`;

async function topOf(person: Person): Promise<[string, number]> {
  return await person.page.evaluate<[string, number]>(TOP);
}

/** Waits until the newest message is wholly on the screen. */
async function atBottom(person: Person): Promise<void> {
  await eventually(async () => await person.page.evaluate<number>(BELOW) <= 1, "at the bottom");
}

/** alice at the page, and bob1, who has written `count` messages to her. */
async function withHistory(t: Parameters<Parameters<typeof pageTest>[1]>[0], count: number) {
  const alice = await t.person();
  await alice.register("alice");
  const [user] = await makeUsers(t.db, 1, "bob");
  const bob = new NatterClient({ connect: tcp({ port: t.server.tcp }), window: 100 });
  await bob.login(user);
  await Promise.all(Array.from({ length: count }, (_, i) => bob.chat({ name: "alice" }, `message ${i} ${"word ".repeat(i % 40)}`)));
  await alice.item("bob1").locator(".badge", { hasText: `${count}` }).waitFor();
  await alice.open("bob1");
  await alice.page.locator(".messages[aria-busy=false]").waitFor();
  return { alice, bob };
}

pageTest("at the bottom: a draft that grows, a window that changes, and messages that come; then what is read stays", async (t) => {
  const { alice, bob } = await withHistory(t, 60);
  await using _ = bob;
  const field = alice.page.locator(".composer textarea");
  await atBottom(alice);
  for (let line = 1; line <= 7; line++) {
    await field.pressSequentially(`${line}`);
    await field.press("Shift+Enter");
    await atBottom(alice);
  }
  await bob.chat({ name: "alice" }, "while you type");
  await alice.sees("while you type");
  await atBottom(alice);
  // A draft of several lines is there when the conversation is opened.
  await alice.page.reload();
  await alice.online();
  await alice.sees("while you type");
  await atBottom(alice);
  await bob.chat({ name: "alice" }, "and now");
  await alice.sees("and now");
  await atBottom(alice);
  for (const size of [{ width: 700, height: 500 }, { width: 380, height: 700 }, { width: 1280, height: 800 }]) {
    await alice.page.setViewportSize(size);
    await atBottom(alice);
  }

  // In the middle: the message that is read keeps its place. (In the frame of a new size nobody scrolls: the page takes that for the browser's doing.)
  await alice.page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))");
  await alice.page.evaluate("document.querySelector('.messages').scrollTop -= 900");
  await alice.page.locator(".to-newest").waitFor();
  const [text, y] = await topOf(alice);
  const stays = () =>
    eventually(async () => {
      const [now, there] = await topOf(alice);
      return now === text && Math.abs(there - y) <= 2;
    }, `${text} at ${y}`);
  await field.fill("");
  await stays();
  await bob.chat({ name: "alice" }, "below");
  await alice.page.locator(".to-newest .badge").waitFor();
  await stays();
  await alice.page.setViewportSize({ width: 900, height: 600 });
  await stays();
  await alice.page.setViewportSize({ width: 1280, height: 800 });
  await stays();
});

pageTest("a long text that is the last one is read from where it begins when it unfolds", async (t) => {
  const { alice, bob } = await withHistory(t, 3);
  await using _ = bob;
  await bob.chat({ name: "alice" }, "long ".repeat(2000));
  const show = alice.page.getByRole("button", { name: /^Show all/ });
  await show.waitFor();
  await atBottom(alice);
  const top = () => alice.page.evaluate<number>("Math.round([...document.querySelectorAll('.message')].at(-1).getBoundingClientRect().top)");
  const before = await top();
  await show.click();
  await alice.page.getByRole("button", { name: "Show less" }).waitFor();
  await alice.page.locator(".to-newest").waitFor();
  assertEquals(await top(), before);
});

pageTest("at the top without a connection: it says so, and does not ask a hundred times a second", async (t) => {
  const { alice, bob } = await withHistory(t, 130);
  await bob.close();
  alice.expectsRefusals = true;
  await t.server.kill();
  await alice.offline();
  await alice.page.evaluate(`
    globalThis.changes = 0;
    new MutationObserver((list) => changes += list.length).observe(document.querySelector(".messages"), { childList: true });
    document.querySelector(".messages").scrollTop = 0;
  `);
  await alice.page.getByText("The messages cannot be loaded now.").waitFor();
  const loaded = await alice.page.locator(".message").count();
  await alice.page.waitForTimeout(1000);
  assert(await alice.page.evaluate<number>("changes") < 10, "it was tried again and again");
  await t.server.start();
  await alice.online();
  // By itself, when the connection is back.
  await eventually(async () => await alice.page.locator(".message").count() > loaded, "older messages");
});
