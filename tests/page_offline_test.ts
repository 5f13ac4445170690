// The page without a network: it opens, shows what it has, and sends later; a new version of it is taken at the next load; it can be installed.

import { assert, assertEquals } from "@std/assert";
import { chromiumTest, pageTest, type Person } from "./support/browser.ts";
import { eventually } from "./support/server.ts";

const WITH_WORKER = { serviceWorkers: "allow" } as const;

/** Waits until the page is kept by the worker, whole. */
async function isKept(person: Person): Promise<void> {
  await person.page.evaluate("navigator.serviceWorker.ready");
  await eventually(
    () => person.page.evaluate<boolean>("caches.open('natter').then((c) => c.match('./')).then((page) => page !== undefined)"),
    "kept",
  );
}

pageTest(
  "a new version of the page is taken at the next load, whole; without a server, or with a proxy before none, the last one opens",
  async (t) => {
    let version = 1;
    let state: "there" | "away" | "502" = "there";
    const asked: string[] = [];
    // As a server that is updated: the title and the script are others.
    const front = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
      const { pathname, search } = new URL(request.url);
      asked.push(pathname);
      if (state === "502") return new Response("no server", { status: 502 });
      const answer = await fetch(`${t.server.url.slice(0, -1)}${pathname}${version === 1 ? search : ""}`);
      const headers = new Headers(answer.headers);
      for (const name of ["content-encoding", "content-length", "etag", "connection", "keep-alive", "vary"]) headers.delete(name);
      if (version === 1 || (pathname !== "/" && pathname !== "/app.js")) return new Response(answer.body, { headers });
      const text = await answer.text();
      if (pathname === "/app.js") {
        headers.set("cache-control", "public, max-age=31536000, immutable");
        return new Response(`globalThis.version = ${version};${text}`, { headers });
      }
      return new Response(text.replace('name="description"', `name="version-${version}"`).replace(/app\.js\?v=[^"]+/, `app.js?v=${version}`), {
        headers,
      });
    });
    const url = `http://127.0.0.1:${front.addr.port}/`;
    const alice = await t.person(WITH_WORKER, url);
    const form = alice.page.locator("input[name=username]");
    const shown = () => alice.page.evaluate<number | undefined>("globalThis.version");
    try {
      await form.waitFor();
      await isKept(alice);
      for (version = 2; version <= 3; version++) {
        await alice.page.reload();
        await form.waitFor();
        assertEquals([await shown(), await alice.page.locator(`meta[name=version-${version}]`).count()], [version, 1], "at the very next load");
        const names = () => alice.page.evaluate<string[]>("caches.open('natter').then((c) => c.keys()).then((all) => all.map(({ url }) => url))");
        await eventually(async () => (await names()).includes(`${url}app.js?v=${version}`), "the new script kept");
        await eventually(async () => (await names()).filter((name) => name.includes("app.js")).length === 1, "the old one gone");
      }
      version = 3;
      asked.length = 0;
      await alice.page.reload();
      await form.waitFor();
      assert(asked.includes("/") && !asked.includes("/app.js") && !asked.includes("/styles.css"), `asked for again: ${asked}`);
      alice.expectsRefusals = true;
      state = "502";
      await alice.page.reload();
      await form.waitFor();
      assertEquals(await shown(), 3);
    } finally {
      await front.shutdown();
    }
    await alice.page.reload();
    await form.waitFor();
    assertEquals(await shown(), 3);
    // No session, no server: that is said.
    await alice.logIn("alice");
    await alice.page.getByRole("alert").getByText("The server cannot be reached").waitFor();
  },
);

chromiumTest("CDP", "the page can be installed: icons as Chromium wants them", async (t) => {
  const alice = await t.person(WITH_WORKER);
  const cdp = await alice.context.newCDPSession(alice.page);
  await isKept(alice);
  const { errors, data = "" } = await cdp.send("Page.getAppManifest");
  assertEquals(errors, []);
  for (const { src, sizes, type } of JSON.parse(data).icons) {
    if (type !== "image/png") continue;
    const [width, height] = await alice.page.evaluate<[number, number]>(
      `(async () => { const image = new Image(); image.src = ${
        JSON.stringify(src)
      }; await image.decode(); return [image.naturalWidth, image.naturalHeight]; })()`,
    );
    assertEquals(`${width}x${height}`, sizes);
  }
  const { installabilityErrors } = await cdp.send("Page.getInstallabilityErrors");
  assertEquals(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"), []);
});

/** What is kept can be had 1.5 s after it is asked for. */
const SLOW = `
  const { open } = IDBFactory.prototype;
  IDBFactory.prototype.open = function (...what) {
    const request = open.apply(this, what);
    Object.defineProperty(request, "onsuccess", { set: (then) => request.addEventListener("success", () => setTimeout(then, 1500)) });
    return request;
  };`;

/** The texts that the browser keeps of what was said. */
async function keptTexts(person: Person): Promise<string[]> {
  return await person.page.evaluate<string[]>(`new Promise((resolve) => {
    indexedDB.open("natter").onsuccess = ({ target: { result: database } }) => {
      database.transaction("kept").objectStore("kept").getAll().onsuccess = ({ target: { result } }) => {
        database.close();
        resolve(result.flatMap(({ lines = [] }) => lines.map(({ msg }) => msg)));
      };
    };
  })`);
}

/** A page that was open before, and has these texts. */
async function keeps(person: Person, ...texts: string[]): Promise<void> {
  await eventually(async () => {
    const kept = await keptTexts(person);
    return texts.every((text) => kept.includes(text));
  }, `kept: ${texts}`);
}

pageTest("without a server the page shows what it has; what is written waits, over the end of the tab, and arrives once", async (t) => {
  const alice = await t.person(WITH_WORKER);
  const bob = await t.person(WITH_WORKER);
  await alice.register("alice");
  await bob.register("bob");
  await alice.begin("A person", "bob");
  for (const text of ["said 20", "said 40", "said 60"]) await alice.send(text);
  await alice.sees("said 60");
  await bob.open("alice");
  await bob.send("answered");
  await alice.sees("answered");
  await bob.begin("A new group", "Hikers");
  await bob.send("not for alice yet");
  await alice.begin("Join a group", "Hikers");
  await bob.send("to a group that is not open");
  await alice.sees("to a group that is not open");
  await isKept(alice);
  await alice.page.reload();
  await alice.online();
  await alice.open("bob");
  await bob.send("to a group that was not opened since");
  await keeps(alice, "answered", "to a group that was not opened since");

  alice.expectsRefusals = bob.expectsRefusals = true;
  t.server.freeze();
  await alice.page.reload();
  // Opened while a connection is tried: it is waited for until that fails.
  await alice.open("Hikers");
  await alice.page.locator(".messages[aria-busy=true]").waitFor();
  await t.server.kill();
  await alice.texts();
  await alice.open("bob");
  await alice.page.getByText("No connection.").locator("visible=true").first().waitFor();
  assertEquals(await alice.texts(), ["said 20", "said 40", "said 60", "answered"]);
  await alice.page.getByText("There is no connection. These messages are kept here").waitFor();
  await alice.open("Hikers");
  assertEquals((await alice.texts()).slice(-2), ["to a group that is not open", "to a group that was not opened since"]);
  await alice.open("bob");
  await alice.send("written without a server");
  await alice.message("written without a server").getByRole("img", { name: "Sending" }).waitFor();
  await alice.page.close();

  // In a browser that takes its time to give what it has.
  await alice.context.addInitScript(SLOW);
  const tab = await alice.tab();
  tab.expectsRefusals = true;
  await tab.open("bob");
  await tab.message("written without a server").getByRole("img", { name: "Sending" }).waitFor();
  await tab.message("answered").waitFor();
  await tab.send("in another tab");
  await t.server.start();
  await tab.sees("written without a server");
  await tab.sees("in another tab");
  await bob.online();
  await bob.open("alice");
  await bob.sees("in another tab");
  const all = ["said 20", "said 40", "said 60", "answered", "written without a server", "in another tab"];
  assertEquals(await bob.texts(), all);
  assertEquals(await tab.texts(), all);
  assertEquals(await tab.page.getByText("These messages are kept here").count(), 0);
});

pageTest("what was deleted and left meanwhile does not come back from what the browser keeps, and nothing stays after logging out", async (t) => {
  const alice = await t.person(WITH_WORKER);
  const bob = await t.person(WITH_WORKER);
  await alice.register("alice");
  await bob.register("bob");
  await bob.begin("A person", "alice");
  for (const text of ["stays", "goes"]) {
    await bob.send(text);
    await bob.sees(text);
  }
  await alice.begin("A new group", "Hikers");
  await alice.send("of a group");
  await alice.sees("of a group");
  await alice.begin("A person", "alice");
  await alice.send("a note");
  await isKept(alice);
  await keeps(alice, "stays", "goes", "of a group", "a note");
  await alice.page.close();

  // Meanwhile, while this browser is closed: another one of alice's, and bob.
  const elsewhere = await t.person(WITH_WORKER);
  await elsewhere.logIn("alice");
  await elsewhere.online();
  await elsewhere.open("Hikers");
  await elsewhere.page.locator(".conversation > header .who").click();
  await elsewhere.button("Leave the group").click();
  await elsewhere.page.getByRole("dialog").getByRole("button", { name: "Leave" }).last().click();
  await elsewhere.item("Hikers").waitFor({ state: "detached" });
  await bob.message("goes").hover();
  await bob.message("goes").locator(".more").click();
  await bob.page.getByRole("menuitem", { name: "Delete" }).click();
  await bob.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await bob.page.locator(".stone").waitFor();

  // It comes back, and looks at neither of the two.
  const tab = await alice.tab();
  await tab.online();
  await tab.item("Hikers").waitFor({ state: "detached" });
  await eventually(async () => {
    const kept = await keptTexts(tab);
    return kept.includes("stays") && !kept.includes("goes") && !kept.includes("of a group");
  }, "what is gone is not kept");
  for (const person of [tab, bob, elsewhere]) person.expectsRefusals = true;
  await t.server.kill();
  await tab.page.reload();
  await tab.open("bob");
  assertEquals(await tab.texts(), ["stays"]);
  assertEquals(await tab.item("Hikers").count(), 0);

  // Another browser removes this one, which is told when it comes back; then the other one logs out without a server.
  await t.server.start();
  await tab.online();
  await elsewhere.online();
  await elsewhere.open("bob");
  await keeps(elsewhere, "stays");
  await elsewhere.button("Settings").click();
  await elsewhere.page.locator(".devices li").getByRole("button").first().click();
  await tab.page.getByText("This browser was signed out").first().waitFor();
  const isEmpty = async (person: Person) =>
    (await keptTexts(person)).length === 0 && !await person.page.evaluate("JSON.stringify(localStorage).includes('stays')");
  await eventually(() => isEmpty(tab), "nothing is kept of a device that was removed");
  await tab.page.locator(".connection").getByRole("button", { name: "Connect again" }).click();
  await tab.page.getByText("Your session has ended.").waitFor();
  assert(await isEmpty(tab));
  await elsewhere.page.keyboard.press("Escape");
  await t.server.kill();
  await elsewhere.logOut();
  await eventually(() => isEmpty(elsewhere), "nothing is kept of who logged out");
});

pageTest("what was written for a group that one was put out of meanwhile is not sent, and that is said", async (t) => {
  const [alice, bob] = [await t.person(), await t.person()];
  await alice.register("alice");
  await bob.register("bob");
  await bob.begin("A new group", "Hikers");
  await alice.begin("Join a group", "Hikers");
  for (const person of [alice, bob]) person.expectsRefusals = true;
  await t.server.kill();
  await alice.offline();
  for (const text of ["who has the map?", "and the tent?"]) {
    await alice.send(text);
    await alice.message(text).getByRole("img", { name: "Sending" }).waitFor();
  }
  await alice.page.goto("about:blank");
  await t.server.start();
  await bob.online();
  await bob.page.locator(".conversation > header .who").click();
  await bob.button("alice: what to do").click();
  await bob.page.getByRole("menuitem", { name: "Remove", exact: true }).click();
  await bob.page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await bob.page.locator(".subtitle").getByText("1 member").waitFor();
  await alice.load();
  // Each of them: they are nowhere else.
  const lost = (text: string) => `Not sent: “${text}” You are not a member of this group.`;
  await alice.page.getByRole("alert").getByText(`${lost("who has the map?")}\n${lost("and the tent?")}`, { exact: true }).waitFor();
  await alice.page.getByText("bob removed you from “Hikers”.").waitFor();
  assertEquals(await alice.item("Hikers").count(), 0);
});

pageTest("what could not be sent into a group is told of when one is put out of it, while the page is open or was closed", async (t) => {
  const [alice, bob] = [await t.user("alice"), await t.user("bob")];
  for (const name of ["Hikers", "Cooks"]) {
    await bob.begin("A new group", name);
    await alice.begin("Join a group", name);
  }
  for (const person of [alice, bob]) person.expectsRefusals = true;
  const details = () => bob.page.locator(".conversation > header .who").click();
  const putOut = async (name: string) => {
    await bob.open(name);
    await details();
    await bob.button("alice: what to do").click();
    await bob.page.getByRole("menuitem", { name: "Remove", exact: true }).click();
    await bob.page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
    await bob.page.locator(".subtitle").getByText("1 member").waitFor();
    await bob.page.keyboard.press("Escape");
  };
  await t.server.kill();
  await alice.offline();
  for (const name of ["Hikers", "Cooks"]) {
    await alice.open(name);
    await alice.send(`to the ${name}`);
    await alice.message(`to the ${name}`).getByRole("img", { name: "Sending" }).waitFor();
  }
  await alice.page.goto("about:blank");
  await t.server.start();
  await bob.online();
  for (const name of ["Hikers", "Cooks"]) {
    await bob.open(name);
    await details();
    await bob.button("Group settings").click();
    await bob.page.getByRole("dialog").getByRole("button", { name: "Moderators", exact: true }).click();
    await bob.page.getByRole("dialog").getByRole("button", { name: "Save", exact: true }).click();
    await bob.button("Leave the group").waitFor();
    await bob.page.keyboard.press("Escape");
  }
  await alice.load();
  for (const name of ["Hikers", "Cooks"]) {
    await alice.open(name);
    await alice.page.getByText("Not sent. Only moderators write here.").waitFor();
  }
  const lost = (name: string) => alice.page.getByRole("alert").getByText(`Not sent: “to the ${name}” You are not a member of this group.`);
  await putOut("Cooks");
  await lost("Cooks").waitFor();
  await alice.page.goto("about:blank");
  await putOut("Hikers");
  await alice.load();
  await lost("Hikers").waitFor();
});

pageTest("what waits to be sent is kept by a browser that has no room any more: the list makes it", async (t) => {
  const [alice, bob] = [await t.person(), await t.person()];
  await alice.register("alice");
  await bob.register("bob");
  await alice.begin("A person", "bob");
  await alice.send("a long story. ".repeat(40));
  const list = () => alice.page.evaluate<string>("localStorage.getItem('natter.conversations.1') ?? ''");
  await eventually(async () => (await list()).includes("a long story"), "the list is kept");
  for (const person of [alice, bob]) person.expectsRefusals = true;
  await t.server.kill();
  await alice.offline();
  await alice.page.evaluate(`(() => {
    for (let size = 4_194_304, text = ""; size >= 1; size /= 2) {
      try {
        localStorage.setItem("other", text + " ".repeat(size));
        text += " ".repeat(size);
      } catch {}
    }
  })()`);
  await alice.send("and so on");
  await alice.message("and so on").getByRole("img", { name: "Sending" }).waitFor();
  await alice.page.goto("about:blank");
  await t.server.start();
  await alice.load();
  await bob.online();
  await bob.open("alice");
  await bob.sees("and so on");
});
