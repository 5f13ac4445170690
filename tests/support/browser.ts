// The web page in a real Chromium, and in a real Firefox: people, each in a browser of their own, who do what people do.

import { assertEquals } from "@std/assert";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";
import { buildPage } from "../../tools/build_page.ts";
import { type TestDatabase, testDatabase } from "./databases.ts";
import { doubleClick, launchFirefox, withTouch } from "./firefox.ts";
import { cheapServer, Program } from "./program.ts";
import { RawClient } from "./raw_client.ts";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  // Fewer processes, each of which costs a third of a second to start: there is one site, and nothing to draw on.
  "--disable-site-isolation-trials",
  "--in-process-gpu",
  // One for each person, not another one for each page of theirs.
  "--renderer-process-limit=1",
  // Two of these lists are the last one, so Playwright's own stands here again. Behind it: what an address bar would show, a process for each person.
  "--disable-features=AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,LensOverlay," +
  "MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,OptimizationHints,NetworkTimeServiceQuerying,AimEnabled," +
  "PreconnectToSearch,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
];
/** How long a test waits for what must happen on the page (ms). Machines that test are busy. */
const PATIENCE = 30_000;
const PASSWORD = "a password";

const required = Deno.env.get("NATTER_TEST_REQUIRE") === "all";

/** The first of these programs that there is. */
async function find(...names: string[]): Promise<string | undefined> {
  const folders = ["/usr/bin", ...(Deno.env.get("PATH") ?? "").split(":")];
  for (const path of names.flatMap((name) => folders.map((folder) => `${folder}/${name}`))) {
    try {
      if ((await Deno.stat(path)).isFile) return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

const BROWSERS = {
  Chromium: {
    path: await find("chromium"),
    launch: (executablePath: string) => chromium.launch({ executablePath, args: FLAGS, timeout: 2 * PATIENCE }),
  },
  Firefox: { path: await find("firefox-esr", "firefox"), launch: (path: string) => launchFirefox(path, 2 * PATIENCE) },
};
export type BrowserName = keyof typeof BROWSERS;
/** What tests run in that do not say. */
const CHOSEN: BrowserName = Deno.env.get("NATTER_TEST_BROWSER") === "firefox" ? "Firefox" : "Chromium";

function isFirefox(context: BrowserContext): boolean {
  return context.browser()?.browserType().name() === "firefox";
}

/** What the page keeps of who is logged in (`src/web/state/storage.ts`). */
interface Account {
  id: number;
  name: string;
  token: string;
}

/** A port below those that the system gives to who asks for any: while a server is away, one of another test would get its own, and it could not come back. */
function somePort(): number {
  return 20_000 + Math.floor(Math.random() * 12_000);
}

/** A server as a process, which can be killed and started again on its ports. */
class PageServer {
  #program: Program | undefined;
  #ports: Record<string, number> | undefined;

  constructor(readonly db: TestDatabase, readonly flags: string[]) {}

  get tcp(): number {
    return this.#ports!.tcp;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#ports!.http}/`;
  }

  async start(): Promise<void> {
    const first = this.#ports === undefined;
    const { tcp, http } = this.#ports ?? { tcp: somePort(), http: somePort() };
    const where = ["--listen", `127.0.0.1:${tcp}`, "--http", `127.0.0.1:${http}`, "--database", this.db.url, "--node", "test", "--limits", "off"];
    this.#program = new Program([...where, ...this.flags], { program: cheapServer });
    try {
      this.#ports = await this.#program.ready();
    } catch (error) {
      await this.kill();
      if (!first || !String(error).includes("another program listens there already")) throw error;
      await this.start();
    }
  }

  /** A new device of the user with this name, who is registered if there is none. */
  async account(name: string): Promise<Account> {
    await using client = await RawClient.connect(this.tcp);
    await client.register(name, PASSWORD);
    const { id, token } = await client.login({ name, password: PASSWORD, proto: 3, device: "browser" });
    return { id: id!, name, token: token! };
  }

  /** SIGSTOP: connections stand, and nothing is said on them, as when the network is gone. */
  freeze(): void {
    this.#program?.kill("SIGSTOP");
  }

  /** It goes on. */
  thaw(): void {
    this.#program?.kill("SIGCONT");
  }

  /** SIGKILL: the process is gone without a word. */
  async kill(): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
  }
}

/** In the browser, before the page's own script: it was left logged in. Firefox calls it on the empty page as well, which may keep nothing. */
function remember(account: string): void {
  try {
    localStorage.setItem("natter.account", account);
  } catch {
    // There.
  }
}

/** What a test of the page works with. */
export interface PageTest {
  /** Where it runs. */
  browser: BrowserName;
  server: PageServer;
  db: TestDatabase;
  /**
   * Someone opens the page, in a browser that knows nothing yet. `url`: where the page is, if it is not the server's. Without a service worker, unless `options`
   * say so: to start one costs more than most tests.
   */
  person(options?: BrowserContextOptions, url?: string): Promise<Person>;
  /** A user at a device of their own that has logged in already: to fill in the form takes as long as all else that opens the page. Registers whom there is not. */
  user(name: string, options?: BrowserContextOptions): Promise<Person>;
}

/** Of this file's tests: to start one costs more than many a test. Each person has a context of their own in it, which shares nothing with others. */
const browsers = new Map<BrowserName, Browser>();
const registered = new Set<BrowserName>();

/** The browser is there before the first test of the page in this file, and ends after the last one. */
function register(name: BrowserName): void {
  if (registered.has(name)) return;
  registered.add(name);
  const { path, launch } = BROWSERS[name];
  if (path === undefined) {
    if (!required) console.error(`Tests of the web page in ${name} are left out: there is none.`);
    return;
  }
  Deno.test.beforeAll(async () => void browsers.set(name, await launch(path)));
  Deno.test.afterAll(async () => await browsers.get(name)?.close());
}

/** Registers a test of the page, on a server with SQLite. It fails if a page reports an error, breaks the policy, or asks another host. `flags`: of the server. */
export function pageTest(name: string, fn: (t: PageTest) => Promise<void>, flags: string[] = [], where: BrowserName = CHOSEN): void {
  const leftOut = where === "Chromium" && CHOSEN === "Firefox";
  if (!leftOut) register(where);
  Deno.test({
    name: `page: ${name}`,
    ignore: leftOut || BROWSERS[where].path === undefined && !required,
    fn: async () => {
      const open = browsers.get(where);
      if (open === undefined) throw new Error(`there is no ${where}`);
      await buildPage();
      await using db = await testDatabase("sqlite");
      const server = new PageServer(db, flags);
      const people: Person[] = [];
      try {
        await server.start();
        const arrive = async (url: string, options?: BrowserContextOptions, account?: Account) => {
          const context = await open.newContext({ locale: "en-US", viewport: { width: 1280, height: 800 }, serviceWorkers: "block", ...options });
          context.setDefaultTimeout(PATIENCE);
          const person = new Person(context, await context.newPage(), url);
          if (isFirefox(context) && options?.hasTouch) withTouch(person.page);
          people.push(person);
          await using _once = account && await person.page.addInitScript(remember, JSON.stringify(account));
          await person.load();
          return person;
        };
        await fn({
          browser: where,
          server,
          db,
          person: (options, url = server.url) => arrive(url, options),
          user: async (name, options) => {
            const person = await arrive(server.url, options, await server.account(name));
            await person.online();
            return person;
          },
        });
        for (const person of people) assertEquals(person.complaints, []);
      } finally {
        await Promise.all(people.map(({ context }) => context.close()));
        await server.kill();
      }
    },
  });
}

/** A test of what Firefox, or Playwright with it, has not; `lacking` says what. Where Firefox is chosen it is left out. */
export function chromiumTest(lacking: string, name: string, fn: (t: PageTest) => Promise<void>, flags: string[] = []): void {
  pageTest(CHOSEN === "Firefox" ? `${name} (not in Firefox: ${lacking})` : name, fn, flags, "Chromium");
}

/** Someone in front of the page. Names of things are those a screen reader says. */
export class Person {
  /** What should not have been: errors of the console, exceptions, requests to other hosts. */
  readonly complaints: string[] = [];
  /** While the server is down the browser complains that it cannot connect. */
  expectsRefusals = false;

  constructor(readonly context: BrowserContext, public page: Page, readonly url: string) {
    this.#watch(page);
  }

  #watch(page: Page): void {
    page.on("console", (message) => {
      // The last one: the service worker's, which the browser looks for anew some time after a page was loaded.
      const refusal = this.expectsRefusals &&
        /WebSocket connection .* failed|Failed to load resource|error occurred when fetching the script/.test(message.text());
      const blocked = message.text() === "Service Worker registration blocked by Playwright";
      if (["error", "warning"].includes(message.type()) && !refusal && !blocked) this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => {
      // What Chromium says in the console.
      const refusal = this.expectsRefusals &&
        /^Firefox can’t establish a connection|was interrupted while the page was loading/.test(`${error.stack}`);
      if (!refusal) this.complaints.push(`${error.stack}`);
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(this.url)) this.complaints.push(`request to ${request.url()}`);
    });
    page.on("websocket", (socket) => {
      if (socket.url() !== `${this.url.replace("http", "ws")}ws`) this.complaints.push(`WebSocket to ${socket.url()}`);
    });
  }

  async load(): Promise<void> {
    await this.page.goto(this.url);
  }

  /** Another tab of the same browser. */
  async tab(): Promise<Person> {
    const other = new Person(this.context, await this.context.newPage(), this.url);
    await other.load();
    return other;
  }

  async register(name: string, password = PASSWORD): Promise<void> {
    await this.button("Create account").click();
    await this.logIn(name, password, "Create account");
    await this.online();
  }

  async logIn(name: string, password = PASSWORD, button = "Log in"): Promise<void> {
    await this.page.locator("input[name=username]").fill(name);
    await this.page.locator("input[type=password]").fill(password);
    await this.page.locator("form").getByRole("button", { name: button, exact: true }).first().click();
  }

  async logOut(): Promise<void> {
    await this.settings();
    await this.confirmLogOut();
  }

  /** Opens the settings, with all that is asked for them. */
  async settings(): Promise<void> {
    await this.button("Settings").click();
    const dialog = this.page.getByRole("dialog");
    await dialog.waitFor();
    // The devices come above the buttons: where one is pressed it would not be let go.
    await dialog.getByText("Loading…").waitFor({ state: "detached" });
  }

  /** From the settings. */
  async confirmLogOut(): Promise<void> {
    await this.button("Log out").click();
    await this.page.getByRole("dialog", { name: "Log out?" }).getByRole("button", { name: "Log out" }).click();
    await this.page.locator("input[name=username]").waitFor();
  }

  /** Waits until the connection stands. */
  async online(): Promise<void> {
    await this.page.locator(".connection[data-state=online]").waitFor({ state: "attached" });
  }

  /** Waits until the connection is known to be lost. */
  async offline(): Promise<void> {
    await this.page.locator(".connection:not([data-state=online])").waitFor();
  }

  button(name: string): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  /** By the browser's button. */
  async back(): Promise<void> {
    // Playwright would wait for news of it, which Firefox does not give of a step within the page.
    await (isFirefox(this.context) ? this.page.evaluate("history.back()") : this.page.goBack());
  }

  async doubleClick(what: Locator): Promise<void> {
    await (isFirefox(this.context) ? doubleClick(what) : what.dblclick());
  }

  /** Adds a person, makes a group, or joins one. */
  async begin(kind: "A person" | "A new group" | "Join a group", name: string): Promise<void> {
    await this.page.locator(".sidebar > header").getByRole("button", { name: "New conversation" }).click();
    const dialog = this.page.getByRole("dialog");
    await dialog.getByRole("button", { name: kind }).click();
    await dialog.locator("input").first().fill(name);
    await dialog.locator("input").first().press("Enter");
    await dialog.waitFor({ state: "detached" });
  }

  /** A conversation in the list. */
  item(name: string): Locator {
    return this.page.locator(".list .item").filter({ has: this.page.locator(".item-name").getByText(name, { exact: true }) });
  }

  async open(name: string): Promise<void> {
    await this.item(name).click();
    await this.page.getByRole("main", { name }).waitFor();
  }

  async send(text: string): Promise<void> {
    await this.page.locator(".composer textarea").fill(text);
    await this.page.locator(".composer button[type=submit]").click();
  }

  /** A message of the open conversation with exactly this text. */
  message(text: string): Locator {
    return this.page.locator(".message").filter({ has: this.page.locator(".text").getByText(text, { exact: true }) });
  }

  /** Waits for a message, and for its being stored if it is one's own. */
  async sees(text: string): Promise<void> {
    await this.message(text).locator("visible=true").first().waitFor();
    if (await this.message(text).first().evaluate((element: { className: string }) => element.className.includes("mine"))) {
      await this.message(text).getByRole("img", { name: /^(Sent|Read)$/ }).first().waitFor();
    }
  }

  /** The texts of the open conversation, from above to below, once its history is there: what arrives may be shown before that. */
  async texts(): Promise<string[]> {
    await this.page.locator(".messages[aria-busy=false]").waitFor();
    return await this.page.locator(".message .text").allTextContents();
  }
}
