// HTTP as a transport: kept connections, lengths, half-written answers, floods, and what the page's listeners make of them.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { accepts } from "../src/http/page.ts";
import { buildPage } from "../tools/build_page.ts";
import { clockStopped, standStill } from "./support/clock.ts";
import { StoreWatch } from "./support/around_store.ts";
import { withinAwake } from "./support/awake.ts";
import { upTo } from "./support/chat.ts";
import { testDatabase } from "./support/databases.ts";
import { get, HttpClient, portOf } from "./support/http_client.ts";
import { makeUsers, startServer } from "./support/server.ts";
import { ca, TlsFiles } from "./support/tls.ts";

const settings = { http: "127.0.0.1:0" };

Deno.test("http: many requests on one connection, each answer with its length", async () => {
  await buildPage();
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { ...settings, metrics: "127.0.0.1:0" });
  const app = await Deno.readFile(new URL("../src/web/dist/app.js", import.meta.url));
  await using client = await HttpClient.connect(portOf(server));
  for (const _ of upTo(3)) {
    for (const [path, status, length] of [["/healthz", 200, 6], ["/app.js", 200, app.length], ["/nothing", 404, 10], ["/readyz", 200, 6]] as const) {
      client.write(get(path));
      const answer = await client.answer();
      assertEquals([answer.status, answer.headers["content-length"], answer.body.length], [status, String(length), length], path);
      assertEquals([answer.headers.connection, answer.headers["keep-alive"]], ["keep-alive", "timeout=10"], path);
      client.write(get(path).replace("GET", "HEAD"));
      const head = await client.answer(true);
      assertEquals([head.status, head.headers["content-length"], head.body.length], [status, String(length), 0], path);
    }
  }
  client.write(get("/app.js"));
  const { etag } = (await client.answer()).headers;
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    client.write(get("/app.js", `if-none-match: ${known}`));
    const answer = await client.answer(true);
    assertEquals([answer.status, answer.headers.etag, answer.body.length], [304, etag, 0], known);
  }
  // The whole address, as a proxy may write it.
  for (
    const [target, status] of [["http://x/healthz", 200], ["http://x:1/healthz?a?b", 200], ["http://x/nothing", 404], ["http://x", 200]] as const
  ) {
    client.write(get(target));
    assertEquals((await client.answer()).status, status, target);
  }
  client.write(get("/healthz").replace("GET", "DELETE"));
  const refused = await client.answer();
  assertEquals([refused.status, refused.headers.allow, refused.headers.connection], [405, "GET, HEAD", "keep-alive"]);
  client.write(get("/healthz", "connection: close"));
  assertEquals((await client.answer()).headers.connection, "close");
  await client.ended;

  await using scraper = await HttpClient.connect(server.server.addresses.metrics!.port);
  for (const _ of upTo(3)) {
    scraper.write(get("/metrics"));
    assertStringIncludes(String(await scraper.answer()), "natter_ready 1\n");
    scraper.write(get("/"));
    assertEquals((await scraper.answer()).status, 404);
  }
});

Deno.test("http: who reads slowly, and has asked for the next already, gets both whole", async () => {
  await buildPage();
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, settings);
  const app = await Deno.readFile(new URL("../src/web/dist/app.js", import.meta.url));
  await using witness = await HttpClient.connect(portOf(server));
  for (const _ of upTo(5)) {
    await using client = await HttpClient.connect(portOf(server));
    client.socket.pause();
    client.write(get("/app.js"));
    // The server has answered when others have been.
    witness.write(get("/app.js"));
    assertEquals((await witness.answer()).body.length, app.length);
    client.write(get("/healthz"));
    witness.write(get("/healthz"));
    await witness.answer();
    client.socket.resume();
    assertEquals((await client.answer()).body, app);
    assertEquals(String(await client.answer()), "alive\n");
  }
});

Deno.test("http: what was asked before a FIN, or before what is no HTTP, is answered whole", async () => {
  await buildPage();
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, settings);
  for (const behind of [undefined, "no HTTP\r\n\r\n", `GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`]) {
    await using client = await HttpClient.connect(portOf(server));
    client.write(get("/app.js") + get("/readyz") + (behind ?? ""));
    if (behind === undefined) client.socket.end();
    assert((await client.answer()).body.length > 50_000);
    assertEquals(String(await client.answer()), "ready\n");
    // What is behind is refused if it comes alone.
    await client.ended;
    assertEquals(client.unread > 0, behind !== undefined && behind.length > 16_384, behind);
  }
  for (const [bytes, status] of [["no HTTP\r\n\r\n", 400], [get("/", `x: ${"y".repeat(20_000)}`), 431], ["GET / HTTP/1.1\r\n\r\n", 400]] as const) {
    await using client = await HttpClient.connect(portOf(server));
    client.write(bytes);
    // node:http itself says the last, without a length.
    const { status: told, headers } = await client.answer(true);
    assertEquals([told, headers.connection], [status, "close"]);
    // It does not hang about, though the client does.
    await withinAwake(client.ended, 3000);
  }
});

Deno.test("http: a FIN ends nothing that is being answered", async () => {
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using server = await startServer(db, settings, { store: watch.wrap });
  const held = Promise.withResolvers<void>();
  watch.around = async (call) => {
    if (call.name === "ping") await held.promise;
    return await call.run();
  };
  await using client = await HttpClient.connect(portOf(server));
  client.write(get("/readyz"));
  client.socket.end();
  // The server has seen the FIN when others have asked, twice, and been answered.
  await using witness = await HttpClient.connect(portOf(server));
  for (const _ of upTo(2)) {
    witness.write(get("/healthz"));
    await witness.answer();
  }
  held.resolve();
  assertEquals(String(await client.answer()), "ready\n");
  await client.ended;
});

Deno.test("http: a body that nobody takes is not waited for, and nobody is told to go on with one", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, settings);
  for (const [path, status] of [["/healthz", 405], ["/nothing", 404]] as const) {
    for (const headers of [["content-length: 1000000", "expect: 100-continue"], ["content-length: 1000000"], ["transfer-encoding: chunked"]]) {
      await using client = await HttpClient.connect(portOf(server));
      client.write(get(path, ...headers).replace("GET", "POST"));
      const answer = await client.answer();
      assertEquals([answer.status, answer.headers.connection], [status, "close"]);
      await withinAwake(client.ended, 3000);
    }
  }
  // An empty one ends nothing.
  await using client = await HttpClient.connect(portOf(server));
  for (const _ of upTo(2)) {
    client.write(get("/healthz", "content-length: 0"));
    assertEquals((await client.answer()).headers.connection, "keep-alive");
  }
});

/** Sends a request with a body of so many bytes, all of it before anything is read. @returns how much could be sent, and what was answered */
async function sendWhole(conn: Deno.Conn, head: string, length: number): Promise<{ sent: number; answer: string }> {
  const piece = new Uint8Array(65_536);
  let sent = 0, answer = "";
  try {
    await conn.write(new TextEncoder().encode(head));
    while (sent < length) sent += await conn.write(piece.subarray(0, length - sent));
    for (let n = await conn.read(piece); n !== null; n = await conn.read(piece)) answer += new TextDecoder().decode(piece.subarray(0, n));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return { sent, answer };
}

Deno.test("http: who sends all of a body that nobody wants, and reads then, is answered; but it is read away for its price, and not for ever", async () => {
  await using db = await testDatabase("sqlite");
  await using files = await TlsFiles.of();
  await using server = await startServer(db, { ...settings, https: "127.0.0.1:0", "trusted-proxy": "127.0.0.1", ...files.flags });
  const { http, https } = server.server.addresses;
  const MIB = 1024 * 1024;
  const post = (length: number, from: string) => get("/files", `content-length: ${length}`, `x-forwarded-for: ${from}`).replace("GET", "POST");
  for (const connect of [() => Deno.connect({ port: http!.port }), () => Deno.connectTls({ port: https!.port, caCerts: ca })]) {
    // Larger than what the system keeps for who does not read.
    using conn = await connect();
    const { sent, answer } = await sendWhole(conn, post(30 * MIB, "192.0.2.1"), 30 * MIB);
    assertEquals([sent, answer.split("\r\n", 1)[0]], [30 * MIB, "HTTP/1.1 401 Unauthorized"]);
    using endless = await connect();
    const most = (await sendWhole(endless, post(1000 * MIB, "192.0.2.2"), 1000 * MIB)).sent;
    assert(most >= 64 * MIB && most < 100 * MIB, `${most} bytes`);
  }
  // Of who has asked for all that an address may, no more than what a request is worth.
  await using client = await HttpClient.connect(portOf(server));
  // What takes a second on a busy machine would pay for all of it.
  using _clock = clockStopped();
  for (let status = 200; status !== 429;) {
    client.write(get("/healthz", "x-forwarded-for: 192.0.2.3").repeat(10));
    for (const _ of upTo(10)) if (status !== 429) ({ status } = await client.answer());
  }
  using conn = await Deno.connect({ port: http!.port });
  const { sent } = await sendWhole(conn, post(64 * MIB, "192.0.2.3"), 64 * MIB);
  assert(sent < 30 * MIB, `${sent} bytes`);
});

Deno.test("http: what comes of a body that nobody wants while the process does not run resets nothing", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, settings);
  const length = 10_000_000, begin = "x".repeat(65_536);
  using conn = await Deno.connect({ port: portOf(server) });
  await conn.write(new TextEncoder().encode(get("/files", `content-length: ${length}`).replace("GET", "POST")));
  // It is refused when others have been answered, twice.
  await using witness = await HttpClient.connect(portOf(server));
  for (const _ of upTo(2)) {
    witness.write(get("/healthz"));
    await witness.answer();
  }
  const rest = sendWhole(conn, begin, length - begin.length);
  standStill(2000);
  const { sent, answer } = await rest;
  assertEquals([sent, answer.split("\r\n", 1)[0]], [length - begin.length, "HTTP/1.1 401 Unauthorized"]);
});

Deno.test("http: a proxy's connection is kept for longer than proxies keep it, another's is not", async () => {
  await using db = await testDatabase("sqlite");
  for (const trusted of [true, false]) {
    await using server = await startServer(db, { ...settings, "login-timeout": 1, ...(trusted ? { "trusted-proxy": "127.0.0.1" } : {}) });
    await using kept = await HttpClient.connect(portOf(server));
    kept.write(get("/healthz"));
    assertEquals((await kept.answer()).headers["keep-alive"], `timeout=${trusted ? 75 : 1}`);
    // Who says nothing, and came later, shows that the time is over.
    await using silent = await HttpClient.connect(portOf(server));
    await silent.ended;
    if (!trusted) await withinAwake(kept.ended, 1000);
    else {
      kept.write(get("/healthz"));
      assertEquals((await kept.answer()).status, 200);
    }
  }
});

Deno.test("http: requests that wait on one connection are few; who sends more is cut", async () => {
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using server = await startServer(db, settings, { store: watch.wrap });
  await using some = await HttpClient.connect(portOf(server));
  some.write(upTo(16).map((i) => get(i % 2 ? "/healthz" : "/readyz")).join(""));
  for (const i of upTo(16)) assertEquals(String(await some.answer()), i % 2 ? "alive\n" : "ready\n");
  await using many = await HttpClient.connect(portOf(server));
  many.write(get("/healthz").repeat(400));
  await withinAwake(many.ended, 1000);
  some.write(get("/healthz"));
  assertEquals(String(await some.answer()), "alive\n");
});

Deno.test("http: what is being answered when the server stops is answered", async () => {
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using server = await startServer(db, settings, { store: watch.wrap });
  const held = Promise.withResolvers<void>(), asked = Promise.withResolvers<void>();
  watch.around = async (call) => {
    if (call.name === "ping") {
      asked.resolve();
      await held.promise;
    }
    return await call.run();
  };
  await using idle = await HttpClient.connect(portOf(server));
  await using client = await HttpClient.connect(portOf(server));
  client.write(get("/readyz"));
  await asked.promise;
  const closing = server.server.close();
  // HTTP is closed last.
  await idle.ended;
  held.resolve();
  const answer = await client.answer();
  assertEquals([answer.status, String(answer), answer.headers.connection], [200, "ready\n", "close"]);
  await closing;
});

Deno.test("http: more requests from an address than may be are refused with 429; loopback's are not", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { ...settings, "trusted-proxy": "127.0.0.1" });
  await using proxy = await HttpClient.connect(portOf(server));
  const ask = async (address: string) => {
    proxy.write(get("/healthz", `x-forwarded-for: ${address}`));
    return await proxy.answer();
  };
  let refused = 0;
  // A busy machine asks no oftener than it may.
  using _clock = clockStopped();
  for (const _ of upTo(2000)) {
    // Two addresses of one IPv6 network.
    const asked = Date.now();
    const answer = await ask(`2001:db8:0:1::${_ % 2}`);
    if (answer.status === 200) continue;
    // Whoever asks again at once has to wait.
    assert(Date.now() - asked >= 990, `${Date.now() - asked} ms`);
    assertEquals([answer.status, answer.headers["retry-after"], answer.headers.connection], [429, "1", "close"]);
    refused++;
    break;
  }
  assertEquals(refused, 1);
  await proxy.ended;
  await using other = await HttpClient.connect(portOf(server));
  other.write(get("/healthz", "x-forwarded-for: 2001:db8:0:2::1"));
  assertEquals((await other.answer()).status, 200);
  for (const _ of upTo(1000)) {
    other.write(get("/healthz", "x-forwarded-for: 127.0.0.1"));
    assertEquals((await other.answer()).status, 200);
  }
});

Deno.test("http: the page's parts come compressed to those who say that they can", async () => {
  await buildPage();
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, settings);
  await using client = await HttpClient.connect(portOf(server));
  const etags = new Set<string>();
  for (const name of ["", "app.js", "styles.css", "chat.css", "icon.svg", "manifest.webmanifest"]) {
    const plain = await Deno.readFile(new URL(`../src/web/dist/${name || "index.html"}`, import.meta.url));
    for (
      const [accepted, coding, unpack] of [
        ["gzip, deflate, br, zstd", "br", brotliDecompressSync],
        ["gzip, deflate", "gzip", gunzipSync],
        ["br;q=0, gzip;q=0.5", "gzip", gunzipSync],
        ["identity", undefined, (bytes: Uint8Array) => bytes],
        [undefined, undefined, (bytes: Uint8Array) => bytes],
      ] as const
    ) {
      client.write(get(`/${name}`, ...(accepted === undefined ? [] : [`accept-encoding: ${accepted}`])));
      const { status, headers, body } = await client.answer();
      assertEquals([status, headers["content-encoding"], headers.vary, headers["content-length"]], [
        200,
        coding,
        "accept-encoding",
        `${body.length}`,
      ]);
      assertEquals(new Uint8Array(unpack(body)), plain, `${name} ${coding}`);
      if (coding) assert(body.length < plain.length, `${name} ${coding}`);
      etags.add(headers.etag!);
      client.write(get(`/${name}`, `accept-encoding: ${accepted ?? ""}`, `if-none-match: ${headers.etag}`));
      const known = await client.answer(true);
      assertEquals([known.status, known.headers.vary, known.headers.etag], [304, "accept-encoding", headers.etag]);
    }
  }
  assertEquals(etags.size, 18, "each form has its own");
  assertEquals([undefined, "", "gzip", "*", "*;q=0", "BR", "br;q=0", "br ; q=0.001", "xbr", "gzip;q=1,br"].map((header) => accepts(header, "br")), [
    false,
    false,
    false,
    true,
    false,
    true,
    false,
    true,
    false,
    true,
  ]);
});

Deno.test("http: a WebSocket cannot be begun in the midst of an answer; what offers another protocol is answered", async () => {
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using server = await startServer(db, settings, { store: watch.wrap });
  const [user] = await makeUsers(db, 1);
  const held = Promise.withResolvers<void>();
  watch.around = async (call) => {
    if (call.name === "ping") await held.promise;
    return await call.run();
  };
  const upgrade = (
    protocol: string,
  ) => ["connection: upgrade", `upgrade: ${protocol}`, "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="];
  await using client = await HttpClient.connect(portOf(server));
  client.write(get("/readyz") + get("/ws", ...upgrade("websocket")));
  await client.ended;
  assertEquals(client.unread, 0);
  held.resolve();
  await using bystander = await server.client(user);
  assertEquals((await bystander.request({ msgid: 13 })).msgid, 14);
  await using other = await HttpClient.connect(portOf(server));
  other.write(get("/healthz", ...upgrade("h2c")));
  // Deno before 2.9 cannot leave it out of account.
  assertEquals((await other.answer()).status, Deno.version.deno.startsWith("2.7") ? 404 : 200);
});
