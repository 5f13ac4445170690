// What the page looks like under the hands: long histories, long texts, phones, keyboards, languages.

import { assert, assertEquals } from "@std/assert";
import { NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { pageTest, type Person } from "./support/browser.ts";
import { eventually, makeUsers } from "./support/server.ts";

/** Whether something is wider than its place. */
async function overflows(person: Person): Promise<boolean> {
  return await person.page.evaluate<boolean>(
    "[document.documentElement, ...document.querySelectorAll('.messages, .list, .bubble, dialog[open]')].some((e) => e.scrollWidth > e.clientWidth)",
  );
}

pageTest("a history of 1,000 messages by scrolling up, which keeps its place", async (t) => {
  const COUNT = 1000;
  const alice = await t.user("alice");
  const [user] = await makeUsers(t.db, 1, "bob");
  await using bob = new NatterClient({ connect: tcp({ port: t.server.tcp }), window: 100 });
  await bob.login(user);
  await Promise.all(Array.from({ length: COUNT }, (_, i) => bob.chat({ name: "alice" }, `message ${i} ${"word ".repeat(i % 40)}`)));
  await alice.item("bob1").locator(".badge", { hasText: "99+" }).waitFor();
  await alice.open("bob1");
  // At the first of them, which is new; a button leads to the newest, past what lies between.
  await alice.sees("message 0 ");
  await alice.button("To the newest message").click();
  await alice.page.locator(".message", { hasText: "message 999" }).waitFor();
  await alice.page.locator(".to-newest").waitFor({ state: "detached" });
  assertEquals(await alice.page.locator(".message", { hasText: "message 0 " }).count(), 0);
  assert(await alice.page.locator(".message").count() < 200);

  const numbers = async () => (await alice.texts()).map((text) => Number(text.split(" ")[1]));
  const seen = new Set<number>();
  /** Where the message is that stands on top of the screen. */
  const top = "(() => { const y = document.querySelector('.messages').getBoundingClientRect().top;" +
    "const m = [...document.querySelectorAll('.message')].find((e) => e.getBoundingClientRect().bottom > y + 5);" +
    "return [m.querySelector('.text').textContent.slice(0, 12), Math.round(m.getBoundingClientRect().top)]; })()";
  for (let first = COUNT; first > 0;) {
    const here = await numbers();
    first = here[0]!;
    // Without a gap.
    assertEquals(here, here.map((_, i) => first + i));
    for (const number of here) seen.add(number);
    if (first === 0) break;
    // In one go: nothing is loaded between the scrolling and the look.
    const [text, y] = await alice.page.evaluate<[string, number]>(`document.querySelector('.messages').scrollTop = 200, ${top}`);
    await eventually(async () => (await numbers())[0]! < first, "older messages");
    const there = await alice.page.evaluate<number>(
      `Math.round([...document.querySelectorAll('.message')].find((e) => e.querySelector('.text').textContent.startsWith(${
        JSON.stringify(text)
      })).getBoundingClientRect().top)`,
    );
    assert(Math.abs(there - y) <= 2, `${text} went from ${y} to ${there}`);
  }
  assertEquals(seen.size, COUNT);
  await alice.page.getByText("This is where the conversation begins.").waitFor();

  // What comes in does not move what is read; a button leads down.
  const read = await alice.page.evaluate<[string, number]>(top);
  await bob.chat({ name: "alice" }, "one more");
  await alice.page.locator(".to-newest .badge", { hasText: "1" }).waitFor();
  assertEquals(await alice.page.evaluate<[string, number]>(top), read);
  await alice.button("To the newest message").click();
  await alice.sees("one more");
  await alice.page.locator(".to-newest").waitFor({ state: "detached" });
  await alice.send("read it all");
  await alice.sees("read it all");
});

pageTest("what was said today was said yesterday after midnight, in a page that stays open", async (t) => {
  const alice = await t.user("alice");
  await makeUsers(t.db, 1, "bob");
  await alice.begin("A person", "bob1");
  await alice.send("hello");
  await alice.sees("hello");
  // Of the very day on which it was said, which may have ended meanwhile.
  const [{ ts }] = await t.db.query("select max(ts) as ts from message");
  await alice.page.clock.install({ time: new Date(Number(ts)).setHours(12, 0, 0, 0) });
  await alice.page.reload();
  await alice.online();
  await alice.sees("hello");
  const date = alice.page.locator(".messages .date"), time = alice.item("bob1").locator("time");
  await date.getByText("Today").waitFor();
  const before = await time.textContent();
  await alice.page.clock.fastForward("24:00:00");
  await date.getByText("Yesterday").waitFor();
  assertEquals([await time.textContent() !== before, await time.textContent()], [true, "Yesterday"]);
});

pageTest("what is new is marked; texts of any length, script and direction fit", async (t) => {
  const alice = await t.user("alice", { viewport: { width: 820, height: 900 } });
  const [user] = await makeUsers(t.db, 1, "bob");
  await using bob = new NatterClient({ connect: tcp({ port: t.server.tcp }) });
  await bob.login(user);
  await bob.chat({ name: "alice" }, "seen");
  await alice.open("bob1");
  await alice.sees("seen");
  await alice.page.keyboard.press("Escape");
  await alice.page.getByText("Pick a conversation").waitFor();

  const huge = "x".repeat(60_000);
  const others = ["مرحبا، كيف حالك؟", "👩‍👩‍👧‍👦", "中文".repeat(500), "a\n".repeat(300) + "end", "https://example.org/" + "path/".repeat(200)];
  for (const text of [huge, ...others]) await bob.chat({ name: "alice" }, text);
  // What comes into an open conversation is not new there.
  await alice.item("bob1").locator(".badge", { hasText: "6" }).waitFor();
  await alice.open("bob1");
  await alice.page.locator(".message").nth(6).waitFor();
  assertEquals(await alice.page.locator(".divider + .message .text").textContent(), "x".repeat(2000) + "…");
  assertEquals(await overflows(alice), false);
  await alice.button("Show all 60000 characters").click();
  assertEquals(await alice.page.locator(".divider + .message .text").textContent(), huge);
  assertEquals(await overflows(alice), false);
  const link = alice.page.locator(".message a");
  assertEquals([await link.getAttribute("href"), await link.getAttribute("rel")], [others[4], "noopener noreferrer"]);

  // Longer than the server takes: said while writing, not after.
  await alice.page.locator(".composer textarea").fill("y".repeat(66_000));
  await alice.page.locator(".composer .error", { hasText: "Too long by" }).waitFor();
  await alice.page.locator(".composer textarea").press("Enter");
  assertEquals(await alice.page.locator(".composer textarea").inputValue(), "y".repeat(66_000));
  await alice.send("z".repeat(60_000));
  await alice.page.locator(".message.mine.stored").waitFor();
});

pageTest("names of fifty letters without a blank fit on a narrow screen, wherever they stand", async (t) => {
  const [wide, wider] = ["V".repeat(50), "W".repeat(50)];
  const [alice, bob] = [await t.user(wide, { viewport: { width: 320, height: 480 } }), await t.user(wider)];
  const fits = async (where: string) => assertEquals(await overflows(alice), false, where);
  const dialog = alice.page.getByRole("dialog");
  await alice.page.getByText(`Others find you as ${wide}`).waitFor();
  await fits("nobody in the list");
  await bob.begin("A person", wide);
  await bob.send("hello");
  await alice.open(wider);
  await alice.sees("hello");
  await alice.page.locator(".strip").waitFor();
  await fits("a stranger");
  await alice.button("Block").click();
  await dialog.waitFor();
  await fits("a question");
  await dialog.getByRole("button", { name: "Block", exact: true }).click();
  await alice.page.locator(".blocked").waitFor();
  await fits("who is blocked");
  await alice.button("Back to the list").click();
  await alice.begin("A new group", "G".repeat(50));
  await alice.page.locator(".conversation > header .who").click();
  await alice.button("Leave the group").click();
  await alice.page.getByRole("dialog", { name: /^Leave the group/ }).waitFor();
  await fits("a question about a group");
});

pageTest("by keyboard alone, and what a screen reader is told", async (t) => {
  const alice = await t.user("alice");
  const { keyboard } = alice.page;
  await makeUsers(t.db, 3, "bob");
  for (const name of ["bob1", "bob2", "bob3"]) await alice.begin("A person", name);
  await alice.page.getByRole("main", { name: "bob3" }).waitFor();
  await keyboard.type("to the third");
  await keyboard.press("Enter");
  await alice.sees("to the third");

  // The list: bob3 moved up, the others are by name.
  await alice.item("bob3").focus();
  await keyboard.press("ArrowDown");
  await keyboard.press("ArrowDown");
  await keyboard.press("Enter");
  await alice.page.getByRole("main", { name: "bob2" }).waitFor();
  assertEquals(await alice.page.getByRole("button", { name: "bob2" }).first().getAttribute("aria-current"), "true");
  await keyboard.press("Alt+ArrowUp");
  await alice.page.getByRole("main", { name: "bob1" }).waitFor();
  await keyboard.press("Control+k");
  await keyboard.type("OB3");
  await keyboard.press("Enter");
  await alice.page.getByRole("main", { name: "bob3" }).waitFor();
  await keyboard.press("Escape");
  await alice.page.getByText("Pick a conversation").waitFor();

  await alice.button("New conversation").first().focus();
  await keyboard.press("Enter");
  const dialog = alice.page.getByRole("dialog", { name: "New conversation" });
  await dialog.waitFor();
  await keyboard.type("nobody");
  await keyboard.press("Enter");
  await alice.page.getByRole("alert").getByText("There is nobody of that name or number.").waitFor();
  await keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });

  // Every button, field and picture says what it is.
  await alice.open("bob3");
  const nameless = await alice.page.evaluate<string[]>(
    "[...document.querySelectorAll('button, input, textarea, [role=img]')]" +
      ".filter((e) => !(e.ariaLabel || e.labels?.length || e.textContent.trim())).map((e) => e.outerHTML)",
  );
  assertEquals(nameless, []);
  for (const role of ["navigation", "main", "log"] as const) assertEquals(await alice.page.getByRole(role).count(), 1, role);
  await using bob = new NatterClient({ connect: tcp({ port: t.server.tcp }) });
  const [dora] = await makeUsers(t.db, 1, "dora");
  await bob.login(dora);
  await bob.chat({ name: "alice" }, "hello");
  await alice.open("dora1");
  await bob.chat({ name: "alice" }, "can you hear me?");
  await alice.page.locator("[aria-live=polite]", { hasText: "dora1: can you hear me?" }).waitFor({ state: "attached" });
});

pageTest("in Chinese, on a phone, in the dark", async (t) => {
  const li = await t.person({ locale: "zh-CN", viewport: { width: 390, height: 780 }, colorScheme: "dark", hasTouch: true, isMobile: true });
  assertEquals(await li.page.locator("html").getAttribute("lang"), "zh-CN");
  const ground = () => li.page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
  const dark = await ground();
  // Firefox cannot be told to be dark.
  const isLight = async () => t.browser === "Firefox" || await ground() !== dark;
  await li.button("注册").click();
  await li.page.locator("input[name=username]").fill("李雷");
  await li.page.locator("input[type=password]").fill("安静的密码");
  await li.page.locator("button[type=submit]").click();
  await li.online();
  await makeUsers(t.db, 1, "韩梅梅");
  await li.page.locator(".sidebar > header").getByRole("button", { name: "新会话" }).click();
  await li.page.getByRole("dialog").locator("input").fill("韩梅梅1");
  await li.page.getByRole("dialog").getByRole("button", { name: "添加" }).click();

  // Two screens: the conversation, and, a step back, the list.
  await li.page.getByText("和 韩梅梅1 打个招呼吧！").waitFor();
  assertEquals(await li.page.locator(".sidebar").isVisible(), false);
  await li.page.locator(".composer textarea").fill("你好！");
  await li.button("发送").click();
  await li.message("你好！").getByRole("img", { name: "已发送" }).waitFor();
  assertEquals(await overflows(li), false);
  await li.button("返回列表").click();
  await li.item("韩梅梅1").waitFor();
  assertEquals(await li.page.locator(".conversation").isVisible(), false);
  await li.item("韩梅梅1").click();
  await li.message("你好！").waitFor();
  await li.back();
  await li.item("韩梅梅1").waitFor();

  await li.button("设置").click();
  await li.button("浅色").click();
  assert(await isLight());
  await li.button("English").click();
  await li.page.getByRole("dialog", { name: "Settings" }).waitFor();
  await li.page.reload();
  await li.online();
  assertEquals(await li.page.locator("html").getAttribute("lang"), "en");
  assert(await isLight());
});
