// Files on the page: attached by the field and by dropping, taken out again, sent, seen with their room reserved, opened, and offered for saving.

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { crc32, deflateSync } from "node:zlib";
import { pageTest } from "./support/browser.ts";
import { eventually, makeUsers } from "./support/server.ts";

/** A black picture that a browser can draw. */
function picture(width: number, height: number): Buffer {
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), data]), frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = 8;
  const data = deflateSync(Buffer.alloc((width + 1) * height));
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

const folder = await Deno.makeTempDir({ prefix: "natter_page_files_" });

pageTest("files: chosen and dropped, one taken out, sent without a text; the other one sees, opens and saves them", async (t) => {
  const [alice, bob] = [await t.user("alice"), await t.user("bob", { viewport: { width: 360, height: 700 } })];
  await alice.begin("A person", "bob");
  const attached = alice.page.getByRole("list", { name: "Attached files" }).getByRole("listitem");
  await alice.page.locator(".composer input[type=file]").setInputFiles([
    { name: "wide.png", mimeType: "image/png", buffer: picture(1600, 800) },
    { name: "wrong.txt", mimeType: "text/plain", buffer: Buffer.from("not this one") },
    { name: "list.txt", mimeType: "text/plain", buffer: Buffer.from("bread\nmilk\n") },
  ]);
  await alice.page.evaluate(
    `{
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob("${picture(40, 20).toString("base64")}"), (c) => c.charCodeAt(0))], "small.png"));
      document.querySelector(".messages").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }`,
  );
  await attached.filter({ hasText: "small.png" }).waitFor();
  assertEquals(await attached.count(), 4);
  await alice.button("Remove wrong.txt").click();
  assertEquals(await attached.locator(".file-name").allTextContents(), ["wide.png", "list.txt", "small.png"]);
  // Playwright waits until it can be pressed: that is when all are up.
  await alice.page.locator(".composer button[type=submit]").click();
  await attached.first().waitFor({ state: "detached" });
  await alice.item("bob").getByText("You: Photo").waitFor();

  await bob.item("alice").getByText("Photo").waitFor();
  await bob.open("alice");
  for (const person of [alice, bob]) {
    const wide = person.button("Open picture wide.png").locator("img");
    await wide.waitFor();
    assertEquals([await wide.getAttribute("width"), await wide.getAttribute("height")], ["320", "160"]);
    const small = person.button("Open picture small.png").locator("img");
    assertEquals(await small.getAttribute("width"), "40");
    await person.page.waitForFunction(`() => [...document.querySelectorAll(".picture img")].every((img) => img.naturalWidth > 0)`);
    const box = await wide.boundingBox();
    assert(box && Math.abs(box.width - 2 * box.height) < 2, JSON.stringify(box));
    assertEquals(await person.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
  }
  assertEquals(await bob.page.locator(".message").getByText("wrong.txt").count(), 0);

  await bob.button("Open picture wide.png").click();
  const dialog = bob.page.getByRole("dialog", { name: "wide.png" });
  await dialog.getByRole("img", { name: "wide.png" }).waitFor();
  await dialog.getByRole("link", { name: "Save wide.png" }).waitFor();
  await bob.page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });

  const saving = bob.page.waitForEvent("download");
  await bob.page.getByRole("link", { name: "Save list.txt" }).click();
  const download = await saving;
  assertEquals([download.suggestedFilename(), await Deno.readTextFile(await download.path())], ["list.txt", "bread\nmilk\n"]);

  await bob.page.reload();
  await bob.button("Open picture wide.png").waitFor();

  // What was said to one is not said to the next one on that page.
  await alice.page.locator(".composer input[type=file]").setInputFiles(
    Array.from({ length: 11 }, (_, i) => ({ name: `${i}.txt`, mimeType: "text/plain", buffer: Buffer.from("bread\n") })),
  );
  await alice.page.locator(".trouble").waitFor();
  await alice.logOut();
  await alice.logIn("alice");
  await alice.online();
  assertEquals(await alice.page.locator(".trouble").count(), 0);

  // The operator has lost the bytes: it is said so, in place of the picture and when a file is to be saved.
  for await (const { name } of Deno.readDir(folder)) await Deno.remove(`${folder}/${name}`, { recursive: true });
  const lost = bob.page.locator(".file", { hasText: "This file is not on the server any more." });
  await bob.page.getByRole("link", { name: "Save list.txt" }).click();
  await lost.filter({ hasText: "list.txt" }).waitFor();
  await bob.page.reload();
  await lost.filter({ hasText: "wide.png" }).waitFor();
  await lost.filter({ hasText: "small.png" }).waitFor();
  assertEquals(await bob.page.getByRole("button", { name: /^Open picture/ }).count(), 0);
  // The browser says so too.
  const refused = /status of 404/;
  assertEquals(bob.complaints.splice(0).filter((complaint) => !refused.test(complaint)), []);
}, ["--files", folder]);

pageTest("files: go along when their message is forwarded, and are kept when that is deleted; of one that is gone it is said so", async (t) => {
  const [alice, bob] = [await t.user("alice"), await t.user("bob")];
  await alice.begin("A person", "bob");
  for (const text of ["", "again"]) {
    await alice.page.locator(".composer input[type=file]").setInputFiles({
      name: "list.txt",
      mimeType: "text/plain",
      buffer: Buffer.from("bread\n"),
    });
    await alice.send(text);
    await alice.page.getByRole("list", { name: "Attached files" }).waitFor({ state: "detached" });
  }
  await bob.begin("A new group", "club");
  await bob.open("alice");
  const forward = async (nth: number) => {
    await bob.page.locator(".message.theirs").nth(nth).hover();
    await bob.page.locator(".message.theirs").nth(nth).locator("button.more").click();
    await bob.page.getByRole("menuitem", { name: "Forward" }).click();
  };
  const chosen = bob.page.getByRole("dialog", { name: "Forward" });
  const attached = bob.page.getByRole("list", { name: "Attached files" }).getByRole("listitem");
  await bob.page.locator(".message.theirs .file").nth(1).waitFor();
  await forward(0);
  await chosen.getByRole("button", { name: "club" }).click();
  await attached.filter({ hasText: "list.txt" }).waitFor();
  await bob.page.locator(".composer button[type=submit]").click();
  const notes = bob.page.locator(".message.mine .file", { hasText: "list.txt" });
  await notes.waitFor();
  // Dropped as soon as a conversation is drawn, before the next frame; and no news of it comes for a while.
  const held = Promise.withResolvers<void>();
  await bob.page.route(/\/files\?/, async (route) => {
    await held.promise;
    await route.continue();
  });
  await bob.page.evaluate(`(async () => {
    [...document.querySelectorAll(".list .item")].find((e) => e.textContent.includes("alice")).click();
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = resolve;
      port2.postMessage(0);
    });
    const data = new DataTransfer();
    data.items.add(new File(["milk"], "at once.txt"));
    document.querySelector(".messages").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  })()`);
  await attached.filter({ hasText: "at once.txt" }).waitFor();
  await bob.button("Remove at once.txt").click();
  held.resolve();
  // Gone between the choice and the answer, as when its writer deletes it meanwhile.
  await bob.open("alice");
  await forward(1);
  await t.db.query("delete from file where owner = 1");
  bob.expectsRefusals = true;
  // A double click chooses once, however long the browser takes to go back from the dialog.
  await bob.page.evaluate("{ const back = history.back; history.back = () => setTimeout(() => back.call(history), 200); }");
  await bob.doubleClick(chosen.getByRole("button", { name: "club" }));
  await attached.getByText("This file is not on the server any more.").waitFor();
  assertEquals(await bob.page.locator(".composer textarea").inputValue(), "again");
  const saving = bob.page.waitForEvent("download");
  await notes.getByRole("link", { name: "Save list.txt" }).click();
  assertEquals(await Deno.readTextFile(await (await saving).path()), "bread\n");
}, ["--files", folder]);

pageTest("files: one that stands still on its way is given up, and said to be; then it goes again", async (t) => {
  const alice = await t.user("alice");
  await makeUsers(t.db, 1, "bob");
  await alice.page.clock.install();
  await alice.page.reload();
  await alice.online();
  await alice.begin("A person", "bob1");
  // A network that swallows it.
  const begun = Promise.withResolvers<void>();
  /** Of the page, whose clock does not stand still: it began between the two. */
  const now = () => alice.page.evaluate<number>("Date.now()");
  const before = await now();
  await alice.page.route(/\/files\?/, () => begun.resolve());
  await alice.page.locator(".composer input[type=file]").setInputFiles({ name: "list.txt", mimeType: "text/plain", buffer: Buffer.from("bread\n") });
  await begun.promise;
  const attached = alice.page.getByRole("list", { name: "Attached files" }).getByRole("listitem");
  const after = await now();
  await alice.page.clock.pauseAt(before + 59_000);
  assertEquals(await attached.getByRole("alert").count(), 0);
  await alice.page.clock.runFor(after - before + 1000);
  await alice.page.clock.resume();
  await attached.getByRole("alert").getByText("The server cannot be reached.").waitFor();
  await alice.page.unroute(/\/files\?/);
  await alice.button("Try again").click();
  await alice.page.locator(".composer button[type=submit]").click();
  await alice.page.getByRole("link", { name: "Save list.txt" }).waitFor();

  // One that is not there any more.
  await Deno.writeTextFile(`${folder}/gone.txt`, "bread\n");
  await alice.page.route(/\/files\?/, (route) => route.abort());
  await alice.page.locator(".composer input[type=file]").setInputFiles(`${folder}/gone.txt`);
  await attached.getByRole("alert").getByText("The server cannot be reached.").waitFor();
  await alice.page.unroute(/\/files\?/);
  await Deno.remove(`${folder}/gone.txt`);
  await alice.button("Try again").click();
  await attached.getByRole("alert").getByText("This file cannot be read.").waitFor();
  await alice.button("Remove gone.txt").click();
  // Chromium says that it was cut off.
  assertEquals(alice.complaints.splice(0).filter((complaint) => !complaint.includes("ERR_FAILED")), []);

  const picking = Promise.withResolvers<void>();
  await alice.page.route(/\/files\?/, () => picking.resolve());
  await alice.page.locator(".sidebar > header .profile").click();
  await alice.page.locator("dialog input[type=file]").setInputFiles({ name: "me.png", mimeType: "image/png", buffer: picture(40, 20) });
  await picking.promise;
  await alice.page.clock.fastForward("01:01");
  await alice.page.getByRole("dialog").getByRole("alert").getByText("The server cannot be reached.").waitFor();
}, ["--files", folder]);

pageTest(
  "files: of many a few go at once, as many as the server takes; the others wait as long as it may be, unless they are given up",
  async (t) => {
    const alice = await t.user("alice");
    await alice.page.clock.install();
    await alice.page.reload();
    await alice.online();
    await alice.begin("A person", "alice");
    const under: { name: string; go(): Promise<void> }[] = [];
    await alice.page.route(/\/files\?/, (route) => {
      under.push({ name: new URL(route.request().url()).searchParams.get("name")!, go: () => route.continue() });
    });
    const names = Array.from({ length: 10 }, (_, i) => `file ${i}`);
    await alice.page.locator(".composer input[type=file]").setInputFiles(
      names.map((name) => ({ name, mimeType: "text/plain", buffer: Buffer.from(name) })),
    );
    const attached = alice.page.getByRole("list", { name: "Attached files" });
    await attached.getByText("file 9").waitFor();
    await alice.button("Remove file 4").click();
    const gone: string[] = [];
    for (let left = 9; left > 0; left -= 3) {
      await eventually(() => under.length === 3, "three are under way");
      gone.push(...under.map(({ name }) => name));
      // Who waits stands still for longer than one may that is under way.
      await alice.page.clock.fastForward(50_000);
      assertEquals(under.length, 3);
      for (const { go } of under.splice(0)) await go();
      await eventually(async () => await attached.getByRole("progressbar").count() === left - 3, "they are up");
    }
    assertEquals(gone.sort(), names.filter((name) => name !== "file 4"));
    assertEquals(await attached.getByRole("alert").count(), 0);
    await alice.page.locator(".composer button[type=submit]").click();
    await alice.page.getByRole("link", { name: "Save file 9" }).waitFor();
    assertEquals(await alice.page.locator(".message .file-name").allTextContents(), names.filter((name) => name !== "file 4"));
  },
  ["--files", folder],
);

pageTest("files: what waited to be sent for longer than its files is said to, and its text can be sent", async (t) => {
  const [alice, bob] = [await t.user("alice"), await t.user("bob")];
  alice.expectsRefusals = bob.expectsRefusals = true;
  const file = { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") };
  const submit = alice.page.locator(".composer button[type=submit]:enabled");
  for (const name of ["alice", "bob"]) {
    await alice.begin("A person", name);
    await alice.page.locator(".composer input[type=file]").setInputFiles(file);
    await submit.waitFor();
  }
  await t.server.kill();
  await alice.offline();
  await alice.page.locator(".composer textarea").fill("the list");
  await submit.click();
  await alice.message("the list").waitFor();
  await alice.open("Notes to yourself");
  await submit.click();
  // A day later.
  await t.db.query("delete from file");
  await t.server.start();
  const failed = alice.page.locator(".failure").getByText("Not sent. Its files are not on the server any more: they waited for too long.");
  await failed.waitFor();
  assertEquals(await alice.page.locator(".failure button").allTextContents(), ["Discard"]);
  await alice.open("bob");
  await failed.waitFor();
  await alice.button("Send without files").click();
  await alice.sees("the list");
  await bob.open("alice");
  await bob.sees("the list");
  assertEquals(await alice.page.locator(".message .file").count(), 0);
}, ["--files", folder]);

Deno.test("page: the files' folder goes", () => Deno.remove(folder, { recursive: true }));
