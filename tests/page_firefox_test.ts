// The page in Firefox: what a user does every day. All else is tested in Chromium, unless Firefox is chosen (CONTRIBUTING.md).

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { pageTest } from "./support/browser.ts";
import { eventually, makeUsers } from "./support/server.ts";

/** How long is waited for what must happen (ms): Firefox is started beside much else. */
const PATIENCE = 30_000;
/** 2 × 1 pixels. */
const PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAADUlEQVR4nGP4zwAE/wEHAAH/4iOeWQAAAABJRU5ErkJggg==";

pageTest(
  "in Firefox: talking, a picture, a reload; without a server it opens, and what is written then arrives once",
  async (t) => {
    const alice = await t.person({ serviceWorkers: "allow" });
    await alice.register("alice");
    const [user] = await makeUsers(t.db, 1, "bob");
    await using bob = new NatterClient({ connect: tcp({ port: t.server.tcp }) });
    const heard: string[] = [];
    bob.on("message", ({ msg }) => void heard.push(msg));
    bob.on("edit", ({ msg }) => void heard.push(`edited: ${msg}`));
    bob.on("react", ({ emoji }) => void heard.push(`reaction: ${emoji}`));
    await bob.login(user);

    // By keys: Firefox without a screen has no pointer.
    const field = alice.page.locator(".composer textarea");
    await alice.begin("A person", "bob1");
    await field.pressSequentially("Hi");
    await field.press("Shift+Enter");
    await field.pressSequentially("Bob 你好");
    await field.press("Enter");
    await alice.sees("Hi\nBob 你好");
    await field.press("ArrowUp");
    await field.fill("Hello");
    await field.press("Enter");
    await alice.sees("Hello");
    await bob.chat({ name: "alice" }, "Hello alice!");
    await alice.sees("Hello alice!");
    await alice.message("Hello alice!").locator(".more").click();
    await alice.page.getByRole("menuitemcheckbox", { name: "React with 👍" }).click();
    await alice.message("Hello alice!").getByText("👍").waitFor();
    await eventually(() => heard.length === 3, "what alice did", PATIENCE);
    assertEquals(heard, ["Hi\nBob 你好", "edited: Hello", "reaction: 👍"]);

    await alice.page.locator("input[type=file]").first().setInputFiles({
      name: "p.png",
      mimeType: "image/png",
      buffer: Buffer.from(PICTURE, "base64"),
    });
    await alice.page.locator(".composer button[type=submit]").click();
    const picture = alice.button("Open picture p.png").locator("img");
    await eventually(() => picture.evaluate((image: { naturalWidth: number }) => image.naturalWidth === 2), "the picture", PATIENCE);

    await alice.page.reload();
    await alice.online();
    await alice.sees("Hello");
    const kept = "caches.open('natter').then((cache) => cache.match('./')).then((page) => page !== undefined)";
    await eventually(() => alice.page.evaluate<boolean>(kept), "the page kept by the worker", PATIENCE);

    alice.expectsRefusals = true;
    await t.server.kill();
    await alice.page.reload();
    await alice.page.getByText("There is no connection. These messages are kept here").waitFor();
    await alice.sees("Hello alice!");
    await alice.send("written without a server");
    await alice.message("written without a server").getByRole("img", { name: "Sending" }).waitFor();
    await t.server.start();
    await alice.sees("written without a server");
    await eventually(() => heard.includes("written without a server"), "what was written without a server", PATIENCE);
    assertEquals(heard.filter((text) => text === "written without a server").length, 1);

    await alice.logOut();
    assertEquals(await alice.page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })"), "{}");
  },
  [],
  "Firefox",
);
