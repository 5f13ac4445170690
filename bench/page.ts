/**
 * What the page takes of a browser's main thread, in a real Chromium before a real server, with much in it:
 *
 *     deno run -A bench/page.ts [--messages 5000] [--conversations 300] [--steps 100]
 *
 * While keys are pressed, the wheel is turned, and messages come: the CPU time of the main thread for each frame that is drawn, style, layout and painting with
 * it, in ms; as this machine is, and with Chromium's throttling 4×, which stands for a phone. Then, throttled, how long after the click the page can be used: the
 * first time, as if this browser had never seen it, and when it has it.
 */
import { parseArgs } from "node:util";
import { type CDPSession, chromium, type Page } from "playwright-core";
import { NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { parseConfig } from "../src/config/config.ts";
import { openStore } from "../src/store/open.ts";
import { Program } from "../tests/support/program.ts";
import { buildPage } from "../tools/build_page.ts";
import { makeUsers } from "./support.ts";

/** How many times slower a phone's processor is. */
const PHONE = 4;

const { values } = parseArgs({
  args: Deno.args,
  options: {
    messages: { type: "string", default: "5000" },
    conversations: { type: "string", default: "300" },
    steps: { type: "string", default: "100" },
  },
});
const [messages, conversations, steps] = [values.messages, values.conversations, values.steps].map(Number) as [number, number, number];

await buildPage();
await using browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const folder = await Deno.makeTempDir({ prefix: "natter_bench_" });
let cdp: CDPSession;
try {
  const url = `sqlite:${folder}/natter.db`;
  await using server = new Program(["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--limits", "off", "--database", url]);
  const ports = await server.ready();
  const address = `http://127.0.0.1:${ports.http}/`;
  const context = await browser.newContext({ locale: "en-US", viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(600_000);
  const page = await context.newPage();
  await page.goto(address);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.locator("input[name=username]").fill("alice");
  await page.locator("input[type=password]").fill("a password");
  await page.locator("form").getByRole("button", { name: "Create account" }).first().click();
  await page.locator(".connection[data-state=online]").waitFor({ state: "attached" });

  const store = await openStore(parseConfig(["--database", url], () => undefined));
  const users = await makeUsers({ store, url }, conversations);
  await store.close();
  for (const user of users) {
    await using client = new NatterClient({ connect: tcp({ port: ports.tcp }) });
    await client.login(user);
    await client.chat({ name: "alice" }, `hello from ${user.id}`);
  }
  await using bob = new NatterClient({ connect: tcp({ port: ports.tcp }), window: 200 });
  await bob.login(users[0]!);
  const text = (i: number) => `${i} ${"some words of a message ".repeat(1 + i % 7)}${i % 11 === 0 ? "https://example.org/a/page" : ""}`;
  for (let i = 0; i < messages; i += 500) {
    await Promise.all(Array.from({ length: Math.min(500, messages - i) }, (_, j) => bob.chat({ name: "alice" }, text(i + j))));
  }
  await page.reload();
  await page.locator(".list .item .badge", { hasText: "99+" }).click();
  await page.locator(".messages[aria-busy=false]").waitFor();
  await page.getByRole("button", { name: "To the newest message" }).click();
  await page.evaluate(`new Promise((done) => {
    const timer = setInterval(() => {
      document.querySelector(".messages").scrollTop = 0;
      if (![...document.querySelectorAll(".aside")].some((e) => e.textContent.includes("begins"))) return;
      clearInterval(timer);
      done();
    }, 20);
  })`);
  console.log(
    `${await page.locator(".message").count()} messages and ${await page.locator(".list .item").count()} conversations are in the document`,
  );

  cdp = await context.newCDPSession(page);
  await page.evaluate(
    `globalThis.drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done))))`,
  );
  for (const times of [1, PHONE]) {
    await cdp.send("Emulation.setCPUThrottlingRate", { rate: times });
    console.log(times === 1 ? "as this machine is" : `throttled ${times}×`);
    await page.evaluate("document.querySelector('.messages').scrollTop = 200000");
    await measure("scrolling", page, (i) => page.mouse.wheel(0, i % 40 < 20 ? -300 : 300));
    await page.getByRole("button", { name: "To the newest message" }).click();
    await page.locator(".composer textarea").click();
    await measure("typing", page, (i) => page.keyboard.press("abcdefghij klmnop"[i % 17]!));
    await measure("a message here", page, (i) => bob.chat({ name: "alice" }, text(i)));
    await using carol = new NatterClient({ connect: tcp({ port: ports.tcp }) });
    await carol.login(users[5]!);
    await measure("a message elsewhere", page, (i) => carol.chat({ name: "alice" }, text(i)));
  }

  // The page tells itself: what looks into it from here would run before the list is there, and longer than that takes to be drawn.
  await context.addInitScript(`{
    const observer = new MutationObserver(() => {
      if (!document.querySelector(".list .item")) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => console.log("drawn", performance.now())));
    });
    observer.observe(document, { childList: true, subtree: true });
  }`);
  for (const first of [true, false]) {
    const taken: number[] = [];
    for (let i = 0; i < 5; i++) {
      await page.goto("about:blank");
      if (first) {
        await cdp.send("Network.clearBrowserCache");
        await cdp.send("Storage.clearDataForOrigin", { origin: new URL(address).origin, storageTypes: "service_workers,cache_storage" });
      }
      await cdp.send("Emulation.setCPUThrottlingRate", { rate: PHONE });
      const drawn = page.waitForEvent("console", (message) => message.text().startsWith("drawn "));
      await page.goto(address);
      taken.push(Number((await drawn).text().split(" ")[1]));
      if (!first) await page.evaluate("navigator.serviceWorker?.ready");
    }
    console.log(`from the click to the list, throttled ${PHONE}×, ${first ? "the first time" : "again"}: ${spread(taken)}`);
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}

/** Does a step, and again when all that follows from it is on the screen; then tells what each frame took. */
async function measure(what: string, page: Page, step: (i: number) => Promise<unknown>): Promise<void> {
  await page.mouse.move(900, 400);
  await drawn();
  await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline", "devtools.timeline", "toplevel"] });
  for (let i = 0; i < steps; i++) {
    await step(i);
    await drawn();
  }
  const { traceEvents } = JSON.parse(new TextDecoder().decode(await browser.stopTracing())) as { traceEvents: TraceEvent[] };
  const taken = framesOf(traceEvents);
  console.log(`  ${what}: ${spread(taken)} (${taken.length} frames)`);
}

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  ts: number;
  /** CPU time of the thread (us). */
  tdur?: number;
  args: { name?: string };
}

/** What the main thread worked for each frame that was drawn, from the one before to its commit (ms). */
function framesOf(events: readonly TraceEvent[]): number[] {
  // The browser's own process draws as well, and may be the first to.
  const mains = events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const [{ pid, tid }, commits] = mains.map((main) =>
    [main, events.filter((e) => e.name === "Commit" && e.pid === main.pid && e.tid === main.tid)] as const
  )
    .toSorted(([, a], [, b]) => b.length - a.length)[0]!;
  const ends = commits.map(({ ts }) => ts).sort((a, b) => a - b);
  const tasks = events.filter((event) => event.pid === pid && event.tid === tid && event.name === "RunTask" && event.tdur !== undefined)
    .sort((a, b) => a.ts - b.ts);
  const frames = ends.map(() => 0);
  let frame = 0;
  for (const { ts, tdur } of tasks) {
    while (frame < ends.length && ts > ends[frame]!) frame++;
    if (frame < ends.length) frames[frame]! += tdur! / 1000;
  }
  return frames;
}

/** Waits until what has happened is drawn: a frame may have begun before it. Asked for as little as can be: it is the page's thread that answers. */
async function drawn(): Promise<void> {
  await cdp.send("Runtime.evaluate", { expression: "drawn()", awaitPromise: true });
}

function spread(taken: number[]): string {
  const sorted = taken.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!.toFixed(1);
  return `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms`;
}
