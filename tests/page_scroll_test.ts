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
  const alice = await t.user("alice");
  const [user] = await makeUsers(t.db, 1, "bob");
  const bob = new NatterClient({ connect: tcp({ port: t.server.tcp }), window: 100 });
  await bob.login(user);
  await Promise.all(Array.from({ length: count }, (_, i) => bob.chat({ name: "alice" }, `message ${i} ${"word ".repeat(i % 40)}`)));
  await alice.item("bob1").locator(".badge", { hasText: count > 99 ? "99+" : `${count}` }).waitFor();
  await alice.open("bob1");
  await alice.page.locator(".messages[aria-busy=false]").waitFor();
  // It opened at the first of them.
  if (count > 20) await alice.button("To the newest message").click();
  await alice.page.locator(".message", { hasText: `message ${count - 1} ` }).waitFor();
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

  // In the middle: the message that is read keeps its place.
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

pageTest("who scrolls in the very frame in which sizes change is where they wanted to be, and who does not stays where they were", async (t) => {
  const { alice, bob } = await withHistory(t, 60);
  await using _ = bob;
  await atBottom(alice);
  /** In one frame the box loses or gains so much room (px), and somebody scrolls, or nobody does; resolves to where the box stands then. */
  const both = (room: number, scrolled = "") =>
    alice.page.evaluate<number>(`new Promise((done) => requestAnimationFrame(() => {
      const box = document.querySelector(".messages");
      document.querySelector(".composer").style.paddingTop = "${room}px";
      ${scrolled}
      requestAnimationFrame(() => requestAnimationFrame(() => done(Math.round(box.scrollTop))));
    }))`);
  await both(80);
  await atBottom(alice);
  assertEquals(await both(20, "box.scrollTop = 700;"), 700);
  assertEquals(await both(120, "box.scrollTop = 900;"), 900);
  await both(0, "box.scrollTop = box.scrollHeight;");
  await atBottom(alice);
  // What is below grows while it is read, and somebody goes to another place.
  assertEquals(await both(0, "box.scrollTop = 800; document.querySelector('.messages').lastElementChild.style.paddingBottom = '50px';"), 800);
  // Who is near enough to the end to follow what comes is not taken there by anything else: not by a row that goes above, nor by the field.
  const below = () => alice.page.evaluate<number>(BELOW);
  await both(0, "box.scrollTop = box.scrollHeight - box.clientHeight - 40;");
  assertEquals(await below(), 40);
  await both(0, "document.querySelector('.message').style.paddingBottom = '50px';");
  assertEquals(await below(), 40);
  await both(30);
  assertEquals(await below(), 40);
  await bob.chat({ name: "alice" }, "what comes");
  await alice.sees("what comes");
  await atBottom(alice);
});

pageTest("of a long conversation only what is near is in the document, and all of it is found, in both directions, without a jump", async (t) => {
  const { alice, bob } = await withHistory(t, 600);
  await using _ = bob;
  // Never more than this, whatever is done: seen from now on, at every change.
  await alice.page.evaluate(`
    globalThis.most = 0;
    new MutationObserver(() => most = Math.max(most, document.querySelectorAll(".message").length)).observe(document.body, { childList: true, subtree: true });
    globalThis.seen = new Set();
    globalThis.see = () => {
      for (const e of document.querySelectorAll(".message .text")) seen.add(Number(e.textContent.split(" ")[1]));
    };
  `);
  /** Goes on by half a screen, until that text is on the screen; a message that is here before and after has not jumped. */
  const go = (by: number, until: string) =>
    alice.page.evaluate<string[]>(`(async () => {
      const box = document.querySelector(".messages"), jumps = [];
      const frame = () => new Promise(requestAnimationFrame);
      const there = () => [...document.querySelectorAll(".message")].find((e) => e.textContent.includes(${JSON.stringify(until)}));
      for (let i = 0; i < 3000 && !there(); i++) {
        see();
        const middle = [...box.querySelectorAll(".message")].find((e) => e.getBoundingClientRect().bottom > box.clientHeight / 2);
        const before = middle.getBoundingClientRect().top, from = box.scrollTop;
        box.scrollTop += ${by};
        // As far as there is room.
        const by = box.scrollTop - from;
        await frame();
        await frame();
        const moved = before - middle.getBoundingClientRect().top;
        // A little less, if what was below has become shorter in that frame. A message that is no longer the first of its sender loses 7 px above it.
        // Who has come to the very end follows what comes.
        const followed = by < ${by} && moved > 0 && box.scrollHeight - box.scrollTop - box.clientHeight <= 1;
        if (middle.isConnected && !followed && (moved < Math.min(by, 0) - 8 || moved > Math.max(by, 0) + 8)) jumps.push(middle.textContent.slice(0, 20) + " moved by " + moved + ", not " + by);
      }
      see();
      return jumps;
    })()`);
  assertEquals(await go(-300, "message 0 "), []);
  assertEquals(await alice.page.evaluate<number>("seen.size"), 600);
  // What comes meanwhile is counted, and not put into what is read.
  await bob.chat({ name: "alice" }, "message 600 new");
  await alice.page.locator(".to-newest .badge", { hasText: "1" }).waitFor();
  await alice.page.evaluate("seen.clear()");
  assertEquals(await go(300, "message 600 "), []);
  assertEquals(await alice.page.evaluate<number>("seen.size"), 601);
  // Who was at the very end when it came has been taken along, and needs no button: it is there for who goes back.
  await alice.page.evaluate(`document.querySelector(".messages").scrollTop -= 1000`);
  await alice.button("To the newest message").click();
  await atBottom(alice);
  // Who stays at the bottom does not gather all that comes.
  await Promise.all(Array.from({ length: 400 }, (_, i) => bob.chat({ name: "alice" }, `message ${601 + i} more`)));
  await alice.sees("message 1000 more");
  await atBottom(alice);
  const most = await alice.page.evaluate<number>("most");
  assert(most >= 150 && most <= 210, `${most} messages were in the document`);
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
