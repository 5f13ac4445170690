// Files: up and down over HTTP, who may, how much, and what goes again.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Folder } from "../src/files/folder.ts";
import { rangeOf } from "../src/http/files.ts";
import { Msg } from "../src/wire/msgid.ts";
import { StoreWatch } from "./support/around_store.ts";
import { withinAwake } from "./support/awake.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { upTo } from "./support/chat.ts";
import { databaseTest, testDatabase } from "./support/databases.ts";
import { FileServer, type FileTold } from "./support/files.ts";
import { HttpClient } from "./support/http_client.ts";
import { eventually, makeUsers, type TestUser } from "./support/server.ts";

const HOUR_MS = 3600_000, DAY_MS = 24 * HOUR_MS;
const bytes = (length: number) => crypto.getRandomValues(new Uint8Array(Math.min(length, 65_536)));
const png = (width: number, height: number) => {
  const head = new Uint8Array(33);
  head.set([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
  new DataView(head.buffer).setUint32(16, width);
  new DataView(head.buffer).setUint32(20, height);
  return head;
};

databaseTest("files: what was uploaded comes back, whole or a part of it, to whoever has the address", async (db) => {
  await using files = await FileServer.start(db);
  const body = bytes(50_000);
  const file = await files.upload(body, "a b.bin");
  assertEquals({ ...file, id: 1, url: "" }, { id: 1, name: "a b.bin", type: "application/octet-stream", size: 50_000, url: "" });
  assertMatch(file.url, /^\/files\/[\w-]{22}$/);
  const whole = await files.fetch(file.url);
  assertEquals([whole.status, whole.headers.get("content-length"), new Uint8Array(await whole.arrayBuffer())], [200, "50000", body]);
  assertEquals(whole.headers.get("content-disposition"), `attachment; filename="a b.bin"; filename*=UTF-8''a%20b.bin`);
  // Where a query has begun a question mark is one like any other (RFC 3986, 3.4).
  const asked = await files.fetch("/files?name=why?.txt", {
    method: "POST",
    body: "?",
    headers: { authorization: `Bearer ${files.users[0]!.token}` },
  });
  assertEquals((await asked.json()).name, "why?.txt");
  const etag = whole.headers.get("etag")!;
  const head = await files.fetch(file.url, { method: "HEAD" });
  assertEquals([head.status, head.headers.get("content-length"), head.headers.get("etag"), await head.text()], [200, "50000", etag, ""]);
  const ranged = await files.fetch(file.url, { method: "HEAD", headers: { range: "bytes=0-9" } });
  assertEquals([ranged.status, ranged.headers.get("content-length"), await ranged.text()], [200, "50000", ""], "a range is one of a GET");
  assertEquals((await files.fetch(file.url, { headers: { "if-none-match": etag } })).status, 304);
  for (
    const [range, from, to] of [["bytes=0-0", 0, 1], ["bytes=100-199", 100, 200], ["bytes=49999-", 49_999, 50_000], ["bytes=-10", 49_990, 50_000], [
      "bytes=49990-60000",
      49_990,
      50_000,
    ]] as const
  ) {
    const part = await files.fetch(file.url, { headers: { range } });
    assertEquals([part.status, part.headers.get("content-range")], [206, `bytes ${from}-${to - 1}/50000`], range);
    assertEquals(new Uint8Array(await part.arrayBuffer()), body.subarray(from, to));
  }
  const beyond = await files.fetch(file.url, { headers: { range: "bytes=50000-" } });
  assertEquals([beyond.status, beyond.headers.get("content-range")], [416, "bytes */50000"]);
  await beyond.body?.cancel();
  for (const [range, known] of [["bytes=0-1,3-4", etag], ["lines=1-2", etag], ["bytes=0-1", '"another"']] as const) {
    const all = await files.fetch(file.url, { headers: { range, "if-range": known } });
    assertEquals([all.status, (await all.arrayBuffer()).byteLength], [200, 50_000]);
  }
  for (const path of ["/files/", "/files/x", `${file.url}x`, "/files/..%2f..%2fetc%2fpasswd", "/files"]) {
    const none = await files.fetch(path);
    assertEquals(none.status, path === "/files" ? 405 : 404, path);
    await none.body?.cancel();
  }
  // What is told of a picture is what is in it, not what it is called.
  assertEquals({ ...await files.upload(png(640, 480), "x.html"), id: 0, url: "" }, {
    id: 0,
    name: "x.html",
    type: "image/png",
    size: 33,
    width: 640,
    height: 480,
    url: "",
  });
  const empty = await files.upload("", "");
  assertEquals([empty.name, empty.size, await (await files.fetch(empty.url)).text()], ["file", 0, ""]);
});

Deno.test("files: what a Range asks for", () => {
  assertEquals(rangeOf(undefined, 10), undefined);
  assertEquals(rangeOf("bytes=0-", 0), "none");
  assertEquals(rangeOf("bytes=-5", 3), { from: 0, length: 3 });
  assertEquals(rangeOf("bytes=-0", 3), "none");
  assertEquals(rangeOf("bytes=-", 3), undefined);
  assertEquals(rangeOf("bytes=5-2", 10), undefined);
});

databaseTest("files: who may not, and what is too much, is told before the body, and nothing is left of it", async (db) => {
  const full = Folder.prototype.free;
  await using files = await FileServer.start(db, { "max-file": 1000, "user-quota": 20_000 });
  const [ann, bob] = files.users as [TestUser, TestUser];
  const refused = async (response: Response) => {
    await response.body?.cancel();
    return response.status;
  };
  for (const token of ["", "x", "A".repeat(43), ann.token.slice(1) + "A"]) {
    const response = await files.post("a", "a", token);
    assertEquals([response.headers.get("www-authenticate"), await refused(response)], ["Bearer", 401]);
  }
  // Neither is waited for.
  for (const [length, status] of [["content-length: 1001", 413], ["transfer-encoding: chunked", 411]] as const) {
    await using client = await HttpClient.connect(files.port);
    client.write(`POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ann.token}\r\n${length}\r\n\r\n`);
    const answer = await client.answer();
    assertEquals([answer.status, answer.headers.connection], [status, "close"]);
    await withinAwake(client.ended, 3000);
  }
  // Who asks first is told to go on, or not.
  for (const [length, first] of [[3, "HTTP/1.1 100 Continue"], [1001, "HTTP/1.1 413 Payload Too Large"]] as const) {
    await using client = await HttpClient.connect(files.port);
    client.write(
      `POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ann.token}\r\ncontent-length: ${length}\r\nexpect: 100-continue\r\n\r\n`,
    );
    const said = await new Promise<string>((resolve) => client.socket.once("data", (chunk) => resolve(String(chunk))));
    assertEquals(said.split("\r\n", 1)[0], first);
  }
  try {
    // What has been begun above may still count.
    Folder.prototype.free = () => Promise.resolve(1024 ** 3 + 5);
    assertEquals(await refused(await files.post("abcdef")), 507);
    assertEquals(await refused(await files.post("ab")), 201);
  } finally {
    Folder.prototype.free = full;
  }
  // Each counts as a block at least; all at once do not get past it either.
  const many = await Promise.all(upTo(4).map((i) => files.post(`${i}`, "x", bob.token)));
  assertEquals(await Promise.all(many.map(refused)), [201, 201, 201, 201]);
  assertEquals(await refused(await files.post("4", "x", bob.token)), 507);
  assertEquals(await refused(await files.post("five", "x", ann.token)), 201);
  await (await db.open()).setClosed(ann.id, true);
  assertEquals(await refused(await files.post("a")), 401);
  await eventually(async () => (await files.stored()).length === 6, "only what was taken stands there");
});

Deno.test("files: a disk that is full in the midst of a file, and a client that goes", async () => {
  await using db = await testDatabase("sqlite");
  await using files = await FileServer.start(db);
  const write = Deno.FsFile.prototype.write;
  try {
    Deno.FsFile.prototype.write = () => Promise.reject(Object.assign(new Error("No space left on device"), { code: "ENOSPC" }));
    const response = await files.post(bytes(50_000));
    assertEquals([response.status, await response.text()], [507, "the disk is full\n"]);
  } finally {
    Deno.FsFile.prototype.write = write;
  }
  assertEquals(await files.stored(), []);
  for (const end of ["destroy", "end"] as const) {
    await using client = await HttpClient.connect(files.port);
    client.write(
      `POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${files.users[0]!.token}\r\ncontent-length: 900000\r\n\r\n${"a".repeat(200_000)}`,
    );
    await eventually(async () => (await files.stored()).length === 1, "it has begun");
    client.socket[end]();
    await eventually(async () => (await files.stored()).length === 0, `nothing is left: ${end}`);
  }
});

databaseTest("files: the same bytes stand there once, until the last row that names them is gone", async (db) => {
  await using files = await FileServer.start(db, {}, { times: { sweep: 20 } });
  const one = await files.upload("the same", "one"), two = await files.upload("the same", "two", files.users[1]);
  assert(one.url !== two.url);
  await eventually(async () => (await files.stored()).length === 1, "what came second is not kept");
  const kept = async () => (await db.query("select sum(bytes) as n from kept"))[0]!.n;
  assertEquals(Number(await kept()), 8192);
  const age = (id: number) => db.query(`update file set created = ${Date.now() - 2 * DAY_MS} where id = ${id}`);
  await age(one.id);
  await eventually(async () => (await files.fetch(one.url, { method: "HEAD" })).status === 404, "what was not used is gone after a day");
  assertEquals(await (await files.fetch(two.url)).text(), "the same");
  await age(two.id);
  await eventually(async () => (await files.stored()).length === 0, "and its bytes");
  assertEquals(Number(await kept()), 0);
  await eventually(async () => (await db.query("select place from gone")).length === 0, "and what is known of them");
});

databaseTest(
  "files: what a crash left goes, what is used or fresh stays; bytes that were lost are told as such, and come back with the next upload",
  async (db) => {
    const watch = new StoreWatch();
    await using files = await FileServer.start(db, {}, { times: { sweep: 20 }, store: watch.wrap });
    const kept = await files.upload("kept");
    // The process ends behind each step: nothing that follows is done.
    for (const step of ["reservePlace", "addFile"]) {
      const reached = Promise.withResolvers<void>(), never = Promise.withResolvers<never>();
      never.promise.catch(() => {});
      watch.around = (call) => {
        if (call.name !== step) return call.run();
        reached.resolve();
        return step === "addFile" ? never.promise : call.run().then(() => never.promise);
      };
      void files.post(`left at ${step}`).then((r) => r.body?.cancel(), () => {});
      await reached.promise;
      watch.around = (call) => call.run();
      never.reject(new Error("the process is gone"));
    }
    await files.upload("fresh");
    await eventually(async () => (await db.query("select place from gone")).length === 2, "both are known");
    await db.query(`update gone set at = ${Date.now() - HOUR_MS}`);
    const old = `${files.folder}/incoming/old`;
    await Deno.writeTextFile(old, "x");
    await Deno.utime(old, new Date(0), new Date(Date.now() - 2 * DAY_MS));
    await eventually(async () => (await files.stored()).length === 2, "only kept and fresh stay");
    assertEquals(await (await files.fetch(kept.url)).text(), "kept");

    const [{ place }] = await db.query(`select place from file where id = ${kept.id}`) as [{ place: string }];
    await Deno.remove(`${files.folder}/${place}`);
    const lost = await files.fetch(kept.url);
    assertEquals([lost.status, await lost.text()], [404, "the file is lost\n"]);
    await files.upload("kept");
    assertEquals(await (await files.fetch(kept.url)).text(), "kept");
  },
);

databaseTest("files: what cannot be removed keeps nothing else from going, and goes when it can be", async (db) => {
  await using log = await CapturedLog.start();
  await using files = await FileServer.start(db, {}, { times: { sweep: 20 } });
  const made = [await files.upload("one"), await files.upload("two"), await files.upload("three")];
  const [{ place }] = await db.query(`select place from file where id = ${made[0]!.id}`) as [{ place: string }];
  // Folders that are not empty.
  const stuck = `${files.folder}/${place}`, incoming = `${files.folder}/incoming/stuck`;
  await Deno.remove(stuck);
  for (const folder of [stuck, incoming]) {
    await Deno.mkdir(`${folder}/x`, { recursive: true });
    await Deno.utime(folder, new Date(0), new Date(0));
  }
  await db.query(`update file set created = ${Date.now() - 2 * DAY_MS}`);
  await log.until("removing files failed", 2);
  await eventually(async () => (await db.query("select place from gone")).length === 1, "the others are gone");
  assertEquals((await db.query("select place from gone"))[0], { place });
  for (const folder of [stuck, incoming]) await Deno.remove(`${folder}/x`);
  await Deno.utime(incoming, new Date(0), new Date(0));
  await eventually(async () => (await db.query("select place from gone")).length === 0, "and then this one");
  await eventually(() => Deno.stat(incoming).then(() => false, () => true), "and what was in incoming/");
});

Deno.test("files: slow uploads keep nobody out, and there are only so many of one user and of all", async () => {
  await using db = await testDatabase("sqlite");
  // 16 visitors: 8 of them may be busy with long bodies.
  await using files = await FileServer.start(db, { "max-connections": 64 });
  const slow = async (token: string) => {
    const client = await HttpClient.connect(files.port);
    client.write(`POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-length: 2000000\r\n\r\nabc`);
    return client;
  };
  const [ann, bob] = files.users as [TestUser, TestUser];
  const clients = await Promise.all([ann, ann, ann, ann, bob, bob, bob, bob].map(({ token }) => slow(token)));
  await eventually(async () => (await files.stored()).length === 8, "all have begun");
  const more = await files.post("x");
  assertEquals([more.status, await more.text()], [429, "you are uploading as many files as you may at once\n"]);
  // A client's session is no visitor, and those who ask for little are served.
  await using client = await files.server.client(ann);
  assertEquals((await client.request({ msgid: Msg.CONTACTS })).errno, 0);
  for (const _ of upTo(20)) assertEquals(await (await files.fetch("/healthz")).text(), "alive\n");
  for (const client of clients.splice(0, 4)) await client[Symbol.asyncDispose]();
  await eventually(async () => (await files.stored()).length === 4, "they are gone");
  const now: FileTold = await (await files.post("x")).json();
  assertEquals(now.size, 1);
  for (const client of clients) await client[Symbol.asyncDispose]();
});

Deno.test("files: beside a hundred slow uploads at once, others upload, load, ask and chat", async () => {
  await using db = await testDatabase("sqlite");
  await using files = await FileServer.start(db, { limits: "off" });
  const [ann, bob] = files.users as [TestUser, TestUser];
  await using open = new AsyncDisposableStack();
  await Promise.all((await makeUsers(db, 100, "slow")).map(async ({ token }) => {
    const client = open.use(await HttpClient.connect(files.port));
    client.write(`POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-length: 2000000\r\n\r\nabc`);
  }));
  await eventually(async () => (await files.stored()).length === 100, "all have begun");
  const body = bytes(50_000);
  const long = new Uint8Array(3_000_000).fill(7);
  for (const [sent, user] of [[body, ann], [long, bob]] as const) {
    const { url } = await files.upload(sent, "x", user);
    assertEquals(new Uint8Array(await (await files.fetch(url)).arrayBuffer()), sent);
  }
  assertEquals(await (await files.fetch("/healthz")).text(), "alive\n");
  await using sender = await files.server.client(ann);
  assertEquals((await sender.request({ msgid: Msg.CHAT, toid: bob.id, msg: "still here" })).errno, 0);
  assertEquals((await files.stored()).length, 102, "none of them was cut for it");
});

Deno.test("files: LOGIN_ACK tells whether there are any, and how large", async () => {
  for (const [settings, there] of [[{ http: "off" }, false], [{ files: "off" }, false], [{ "max-file": 5 }, true]] as const) {
    await using db = await testDatabase("sqlite");
    await using files = await FileServer.start(db, settings);
    await using client = await files.server.connect();
    const { id, token } = files.users[0]!;
    const ack = await client.login({ id, token, proto: 3 });
    assertEquals([(ack.features as string[]).includes("files"), (ack.limits as { file?: number }).file], there ? [true, 5] : [false, undefined]);
    if ("files" in settings) {
      const response = await files.post("x");
      assertEquals([response.status, await response.text()], [404, "this server takes no files\n"]);
    }
  }
});
