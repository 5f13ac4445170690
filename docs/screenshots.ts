/**
 * Takes the README's pictures of the page, in Chromium, with people who have something to say: `deno run -A docs/screenshots.ts`.
 * A server of its own on a file of its own; what it leaves is page.png beside this file, and the same narrower (`-tablet`, `-phone`), dark (`-dark`) and in
 * Chinese (`-zh`).
 */
import { DatabaseSync } from "node:sqlite";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { NatterClient, type Target } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { buildPage } from "../tools/build_page.ts";
import { Program } from "../tests/support/program.ts";

const PEOPLE = ["Mara Lindqvist", "Tom Okafor", "陈晓雨", "Priya Raman", "Jonas Weber", "Elif Demir", "Sam Whitlock"] as const;
type Name = (typeof PEOPLE)[number];
export const PASSWORD = "correct horse";
const HIKERS = "Saturday hikers", FLAT = "Flat 4B";

/** Who said what to whom (`me` is Mara), and how long ago (minutes). */
const SAID: [ago: number, from: Name | "me", to: Name | "me" | typeof HIKERS | typeof FLAT, text: string][] = [
  [8640, "Sam Whitlock", "me", "Thanks again for the bike pump!"],
  [2890, "Elif Demir", FLAT, "The plumber comes on Monday between 9 and 11"],
  [2885, "me", FLAT, "I can be here"],
  [1600, "me", "Priya Raman", "Did the printer behave today?"],
  [1590, "Priya Raman", "me", "It printed one page and then asked for cyan. For a black and white page."],
  [1520, "Jonas Weber", HIKERS, "Who is in for Saturday? The forecast says sun until four ☀️"],
  [1515, "Priya Raman", HIKERS, "Me! I will bring the stove"],
  [1490, "me", HIKERS, "In. Same place as last time?"],
  [125, "Jonas Weber", HIKERS, "Car park at the lake, 8:30.\nThe loop over the ridge is 14 km, about five hours with breaks."],
  [124, "Jonas Weber", HIKERS, "Map: https://example.org/trails/ridge-loop"],
  [96, "陈晓雨", "me", "周末的照片我整理好了，晚上发给你"],
  [58, "Tom Okafor", HIKERS, "Five hours at Jonas's pace or at a human pace?"],
  [57, "Tom Okafor", HIKERS, "Asking for my knees"],
  [55, "me", HIKERS, "Human. I will walk at the back and complain with you"],
  [54, "Jonas Weber", HIKERS, "😂"],
  [31, "Priya Raman", HIKERS, "I have two spare seats from the station, leaving at 7:50"],
  [29, "me", HIKERS, "Taking one of them, thank you!"],
  [12, "Tom Okafor", "me", "Can you bring the blue tarp?"],
  [11, "me", "Tom Okafor", "It is in the car already"],
];
/** What Mara has not seen yet. */
const UNSEEN: typeof SAID = [
  [6, "Elif Demir", FLAT, "There is a parcel for you, I put it behind the door"],
  [3, "Tom Okafor", "me", "You are the best"],
  [2, "Tom Okafor", "me", "Also: coffee before or after the ridge?"],
  [1, "Priya Raman", HIKERS, "Then I will pick you up at the north exit. Bring the good biscuits 🍪"],
];

/** A server where all of them have accounts and have talked; those who are still there can be told to do more. */
export class World implements AsyncDisposable {
  readonly friends = new Map<Name, NatterClient>();
  readonly groups = new Map<string, number>();
  #ports: Record<string, number> = {};
  #browser: Browser | undefined;

  private constructor(readonly folder: string, public server: Program) {}

  static async make(): Promise<World> {
    await buildPage();
    const folder = await Deno.makeTempDir({ prefix: "natter_pictures_" });
    const flags = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--database", `sqlite:${folder}/natter.db`, "--node", "pictures"];
    const world = new World(folder, new Program([...flags, "--limits", "off"]));
    try {
      world.#ports = await world.server.ready();
      await world.#talk();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.#ports.http}/`;
  }

  /** Mara, logged in, in a browser window of her own. */
  async mara(options: BrowserContextOptions): Promise<Page> {
    this.#browser ??= await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
    const context = await this.#browser.newContext({ locale: "en-GB", ...options });
    const page = await context.newPage();
    await page.goto(this.url);
    await page.locator("input[name=username]").fill("Mara Lindqvist");
    await page.locator("input[type=password]").fill(PASSWORD);
    await page.locator("button[type=submit]").click();
    await page.locator(".connection[data-state=online]").waitFor({ state: "attached" });
    await page.locator(".badge").nth(2).waitFor();
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser?.close();
    for (const client of this.friends.values()) await client.close();
    await this.server[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }

  async #talk(): Promise<void> {
    for (const name of PEOPLE) {
      const client = new NatterClient({ connect: tcp({ port: this.#ports.tcp! }) });
      this.friends.set(name, client);
      await client.register(name, PASSWORD);
      await client.login({ name, password: PASSWORD });
      client.on("message", () => {});
    }
    const mara = this.friends.get("Mara Lindqvist")!;
    for (const name of PEOPLE) if (name !== "Mara Lindqvist") await mara.addFriend({ name });
    for (const [group, about] of [[HIKERS, "One walk a month, whatever the weather"], [FLAT, "Rent, rubbish, plants"]] as const) {
      this.groups.set(group, (await mara.createGroup(group, about)).groupid);
    }
    for (const name of PEOPLE.slice(1, 6)) await this.friends.get(name)!.joinGroup({ name: HIKERS });
    await this.friends.get("Elif Demir")!.joinGroup({ name: FLAT });
    await this.#say(SAID);
    const { conversations } = await mara.conversations();
    for (const { toid, groupid, last } of conversations) {
      if (last) await mara.read(groupid === undefined ? { id: toid! } : { groupid }, last.messageid);
    }
    await mara.close();
    await this.#say(UNSEEN);
    for (const name of ["Sam Whitlock", "Elif Demir"] as const) await this.friends.get(name)!.close();
  }

  /** Messages get the time they were said at. */
  async #say(said: typeof SAID): Promise<void> {
    using db = new DatabaseSync(`${this.folder}/natter.db`);
    db.exec("PRAGMA busy_timeout = 5000");
    const person = (name: Name | "me") => name === "me" ? "Mara Lindqvist" : name;
    for (const [ago, from, to, text] of said) {
      const groupid = this.groups.get(to);
      const target: Target = groupid === undefined ? { name: person(to as Name) } : { groupid };
      const { messageid } = await this.friends.get(person(from))!.chat(target, text);
      db.prepare("UPDATE message SET ts = ? WHERE id = ?").run(Date.now() - ago * 60_000, messageid);
    }
  }
}

/** Opens a conversation, and waits for a message in it. */
export async function open(page: Page, name: string, message: string): Promise<void> {
  await page.locator(".item-name").getByText(name, { exact: true }).click();
  await page.locator(".message", { hasText: message }).waitFor();
}

/** One picture, of a world of its own: what one browser has shown is not new to the next. */
async function take(file: string, options: BrowserContextOptions, prepare: (page: Page, world: World) => Promise<void>): Promise<void> {
  await using world = await World.make();
  const page = await world.mara(options);
  await prepare(page, world);
  await page.screenshot({ path: new URL(file, import.meta.url).pathname });
}

const WIDTHS: [name: string, options: BrowserContextOptions][] = [
  ["", { viewport: { width: 1400, height: 860 } }],
  ["-tablet", { viewport: { width: 820, height: 860 } }],
  ["-phone", { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true }],
];

if (import.meta.main) {
  for (const [width, options] of WIDTHS) {
    for (const colorScheme of ["light", "dark"] as const) {
      for (const locale of ["en-GB", "zh-CN"]) {
        const file = `page${width}${colorScheme === "dark" ? "-dark" : ""}${locale === "zh-CN" ? "-zh" : ""}.png`;
        await take(file, { ...options, colorScheme, locale }, async (page, { friends, groups }) => {
          await open(page, HIKERS, "biscuits");
          if (width === "-phone") return;
          friends.get("Tom Okafor")!.signal({ groupid: groups.get(HIKERS)! }, "typing");
          await page.locator(".subtitle.typing").waitFor();
        });
      }
    }
  }
}
