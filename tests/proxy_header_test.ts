// On whose behalf a proxy connects: the PROXY header and X-Forwarded-For, and from whom they are believed.

import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async/deadline";
import net from "node:net";
import { findProxyHeader, type Proxied, readProxyHeader } from "../src/net/proxy_header.ts";
import { Awake } from "./support/awake.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { standStill } from "./support/clock.ts";
import { testDatabase } from "./support/databases.ts";
import { HttpClient } from "./support/http_client.ts";
import { RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer } from "./support/server.ts";
import { connectTls, TlsFiles } from "./support/tls.ts";
import { WsClient } from "./support/ws_client.ts";

/** Who sends none is cut before the time for it is over, which is 3 s (ms). */
const AT_ONCE = 2900;

const bytes = (text: string) => new TextEncoder().encode(text);

/** A header of version 2. */
function binary(command: number, family: number, addresses: readonly number[], length = addresses.length): Uint8Array {
  return new Uint8Array([...bytes("\r\n\r\n\0\r\nQUIT\n"), 0x20 | command, family, length >> 8, length & 255, ...addresses]);
}

const ports = [0xdc, 0x04, 0x01, 0xbb];
const four = [203, 0, 113, 7, 10, 0, 0, 1, ...ports];
const six = (last: number) => [0x20, 0x01, 0x0d, 0xb8, ...Array(11).fill(0), last];
/** What the proxies add: an authority, say. */
const extras = [0x02, 0, 4, 0x61, 0x62, 0x63, 0x64];

/** Headers, and whom they name; undefined: nobody. */
const good: [header: Uint8Array, address: string | undefined][] = [
  [bytes("PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n"), "203.0.113.7"],
  [bytes("PROXY TCP6 2001:DB8::7 ::1 56324 443\r\n"), "2001:db8::7"],
  [bytes("PROXY TCP6 ::ffff:203.0.113.7 ::1 56324 443\r\n"), "203.0.113.7"],
  [bytes("PROXY UNKNOWN\r\n"), undefined],
  [bytes("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"), undefined],
  [bytes(`PROXY UNKNOWN ${"x".repeat(91)}\r\n`), undefined],
  [binary(1, 0x11, four), "203.0.113.7"],
  [binary(1, 0x11, [...four, ...extras]), "203.0.113.7"],
  [binary(1, 0x12, four), "203.0.113.7"],
  [binary(1, 0x21, [...six(7), ...six(1), ...ports]), "2001:db8::7"],
  [binary(1, 0x21, [...Array(10).fill(0), 255, 255, 203, 0, 113, 7, ...six(1), ...ports, ...extras]), "203.0.113.7"],
  [binary(1, 0x31, Array(216).fill(0x61)), undefined],
  [binary(1, 0x00, []), undefined],
  [binary(0, 0x00, []), undefined],
  [binary(0, 0x11, four), undefined],
  [binary(1, 0x11, [...four, ...Array(4096 - 16 - 12).fill(0)]), "203.0.113.7"],
];

const bad: Uint8Array[] = [
  ...[
    "PROXY \r\n",
    "PROXY UNKNOWNS\r\n",
    "PROXY UNKNOWN\n",
    "\n",
    "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "PROXY TCP4 999.999.999.999 1.2.3.4 1 2\r\n",
    "PROXY TCP4 1.2.3.4 999.999.999.999 1 2\r\n",
    "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
    "PROXY TCP4 ::1 ::1 1 2\r\n",
    "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
    "PROXY TCP6 ::: ::1 1 2\r\n",
    "PROXY TCP6 2001:db8:::7 ::1 1 2\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
    "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n",
    " PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
    "PROXY TCP4 host 1.2.3.4 1 2\r\n",
    '{"msgid":13}\n',
    `PROXY UNKNOWN ${"x".repeat(92)}\r\n`,
    "x".repeat(2000),
    "\r\n\r\n\0\r\nQUIT\r\n",
  ].map(bytes),
  binary(2, 0x11, four),
  new Uint8Array([...binary(1, 0x11, four)].with(12, 0x11)),
  binary(1, 0x11, four.slice(0, 11)),
  binary(1, 0x21, six(7)),
  binary(1, 0x11, four, 4096),
  binary(1, 0x11, four, 65_535),
];

Deno.test("PROXY header: whom it names, in both versions, and what is none", () => {
  for (const [header, address] of good) {
    assertEquals(findProxyHeader(header), { address, length: header.length }, String(header));
    assertEquals(findProxyHeader(new Uint8Array([...header, 0x16, 10, 13])), { address, length: header.length }, "with what comes behind");
    // In pieces it is not there yet.
    for (let length = 0; length < header.length; length++) {
      assertEquals(findProxyHeader(header.subarray(0, length)), undefined, `${length} of ${header}`);
    }
  }
  for (const none of bad) assertEquals(findProxyHeader(none), "none", String(none));
});

Deno.test("PROXY header: reading, in any pieces, and not a byte too many", async () => {
  /** What is read when these pieces come, each in a segment of its own, and then FIN. */
  const read = async (...pieces: Uint8Array[]): Promise<Proxied | undefined> => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const [sender, receiver] = await Promise.all([Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }), listener.accept()]);
    using _sender = sender, _receiver = receiver;
    sender.setNoDelay(true);
    const reading = readProxyHeader(receiver);
    for (const piece of pieces) {
      await sender.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await sender.closeWrite();
    return await deadline(reading, 30_000);
  };
  for (const [header, address] of [good[0], good[7], good.at(-1)!]) {
    const whole = new Uint8Array([...header, ...bytes("rest")]);
    assertEquals(await read(whole), { address, rest: whole.length > 4096 ? new Uint8Array() : bytes("rest") });
    if (header.length < 200) assertEquals((await read(...Array.from(whole, (byte) => new Uint8Array([byte]))))?.address, address);
    assertEquals((await read(whole.subarray(0, header.length - 1), whole.subarray(header.length - 1)))?.address, address);
  }
  for (const none of [new Uint8Array(), bytes("PROXY UNKNOWN"), binary(1, 0x11, four).subarray(0, 20), bad[0], bytes('{"msgid":13}\n')]) {
    assertEquals(await read(none), undefined, String(none));
  }
});

Deno.test("PROXY header: from a trusted proxy it names the client, and what is none closes", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { "trusted-proxy": "127.0.0.1" });
  const [user] = await makeUsers(db, 1);
  await using client = await server.connect();
  const login = JSON.stringify({ msgid: 1, id: user.id, token: user.token, proto: 2 });
  client.sendBytes(`PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n${login}\n`);
  assertEquals((await client.next((m) => m.msgid === 2)).errno, 0);
  await client.close();
  await log.until("departure", 1);
  await using again = await server.connect();
  again.sendBytes(new Uint8Array([...binary(1, 0x21, [...six(7), ...six(1), ...ports, ...extras]), ...bytes(`${login}\n`)]));
  assertEquals((await again.next((m) => m.msgid === 2)).errno, 0);
  await again.close();
  await log.until("departure", 2);
  for (const message of ["login", "departure"]) {
    const addresses = log.records.filter((r) => r.message.join("") === message).map((r) => r.properties.address);
    assertEquals(addresses, ["203.0.113.7", "2001:db8::7"], message);
  }
  for (const garbage of ['{"msgid":13}\n', "x".repeat(108)]) {
    await using bad = await server.connect();
    bad.sendBytes(garbage);
    using took = new Awake();
    await bad.closed;
    assert(took.ms < AT_ONCE, `${took.ms} ms`);
    assertEquals(bad.bytes, 0);
  }
  assertEquals(log.count("a trusted proxy sent no PROXY header"), 2);
});

Deno.test("PROXY header: one that came while the process did not run came in time", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  await using files = await TlsFiles.of();
  await using server = await startServer(db, { "tls-listen": "127.0.0.1:0", "trusted-proxy": "127.0.0.1", ...files.flags });
  const { port } = server.server.addresses.tls!;
  const ping = 'PROXY UNKNOWN\r\n{"msgid":13}\n';
  await using plain = await server.connect();
  await using secure = await RawClient.connect(port);
  // They are there when those who came later have been answered.
  await using other = await server.connect();
  other.sendBytes(ping);
  await other.next((m) => m.msgid === 14);
  const { client } = await connectTls(port);
  await client.request({ msgid: 13 });
  await client.close();
  plain.sendBytes(ping);
  secure.sendBytes("PROXY UNKNOWN\r\n");
  standStill(4000);
  assertEquals((await plain.next()).msgid, 14);
  assertEquals(log.count("a trusted proxy sent neither a PROXY header nor TLS"), 0);
});

Deno.test("PROXY header: before TLS as well, on both listeners, in any pieces; a proxy that speaks TLS itself needs none", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  await using files = await TlsFiles.of();
  const settings = { limits: "off", "tls-listen": "127.0.0.1:0", https: "127.0.0.1:0", "trusted-proxy": "127.0.0.1", ...files.flags };
  await using server = await startServer(db, settings);
  const { tls, https } = server.server.addresses;
  const [user] = await makeUsers(db, 1);
  const headers = [good[0], good[7], good[13], [new Uint8Array(), undefined] as const];
  for (const [header, address] of headers) {
    for (const apart of [false, true]) {
      await using before = await Prefixed.start(tls!.port, header, apart);
      const { client } = await connectTls(before.port);
      assertEquals((await client.login({ id: user.id, token: user.token, proto: 2 })).errno, 0);
      // More than Deno before 2.9 can carry over anything but its own sockets.
      const msg = "m".repeat(60_000);
      for (let i = 0; i < 4; i++) assertEquals((await client.request({ msgid: 6, toid: user.id, msg })).errno, 0);
      for (let i = 0; i < 4; i++) assertEquals((await client.next((m) => m.msgid === 6)).msg, msg);
      assertEquals(log.records.findLast((r) => r.message.join("") === "login")?.properties.address, address ?? "127.0.0.1");
      client.send({ msgid: 12, seq: 1_000_000 });
      await client.request({ msgid: 13 });
      await client.close();
      await using beforePage = await Prefixed.start(https!.port, header, apart);
      await using page = await WsClient.connect(`wss://localhost:${beforePage.port}/ws`, { ca: files.ca });
      assertEquals((await page.request({ msgid: 1, id: user.id, token: user.token, proto: 2 })).errno, 0);
      assertEquals(log.records.findLast((r) => r.message.join("") === "login")?.properties.address, address ?? "127.0.0.1");
    }
  }
  for (const port of [tls!.port, https!.port]) {
    for (const garbage of ['{"msgid":13}\n', "GET / HTTP/1.1\r\n\r\n", ""]) {
      await using client = await HttpClient.connect(port);
      client.write(garbage);
      if (garbage === "") client.socket.end();
      using took = new Awake();
      await client.ended;
      assert(took.ms < AT_ONCE, `${took.ms} ms`);
      assertEquals(client.unread, 0);
    }
  }
});

Deno.test("PROXY header: what comes with it and is no TLS is the end of that connection, and no error of the server", async () => {
  await using db = await testDatabase("sqlite");
  await using files = await TlsFiles.of();
  await using server = await startServer(db, { "tls-listen": "127.0.0.1:0", https: "127.0.0.1:0", "trusted-proxy": "127.0.0.1", ...files.flags });
  const { tls, https } = server.server.addresses;
  for (const port of [tls!.port, https!.port]) {
    for (const header of ["", "PROXY UNKNOWN\r\n"]) {
      await using client = await HttpClient.connect(port);
      client.write(`${header}\x16\n\rabc`);
      // An error that nobody catches fails the test. It is behind us when somebody else has been served.
      const { client: other } = await connectTls(tls!.port);
      assertEquals((await other.request({ msgid: 13 })).msgid, 14);
      await other.close();
    }
  }
});

/** A balancer that puts a header before what each client says: in one piece with its first words, or each byte apart. */
class Prefixed implements AsyncDisposable {
  readonly #sockets = new Set<net.Socket>();

  private constructor(readonly server: net.Server) {}

  static async start(target: number, header: Uint8Array, apart: boolean): Promise<Prefixed> {
    const server = net.createServer(async (client) => {
      const upstream = net.connect({ port: target, host: "127.0.0.1", noDelay: true } as net.NetConnectOpts);
      for (const socket of [client, upstream]) {
        prefixed.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => [client, upstream].forEach((each) => each.destroy()));
      }
      upstream.pipe(client);
      if (apart) {
        for (const byte of header) {
          upstream.write(new Uint8Array([byte]));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        client.pipe(upstream);
      } else {client.once("data", (first: Uint8Array) => {
          upstream.write(new Uint8Array([...header, ...first]));
          client.pipe(upstream);
        });}
    });
    const prefixed = new Prefixed(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return prefixed;
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

Deno.test("PROXY header: from anybody else it is a line like another", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { "trusted-proxy": "203.0.113.9" });
  await using client = await server.connect();
  client.sendBytes("PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n");
  assertEquals((await client.next(() => true)).errno, 10);
});

Deno.test("X-Forwarded-For: believed only from a trusted proxy, only as far as trust goes, and only if it is an address", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  const [{ id, token }] = await makeUsers(db, 1);
  const address = async (trusted: string, forwarded: string) => {
    await using server = await startServer(db, { http: "127.0.0.1:0", ...(trusted ? { "trusted-proxy": trusted } : {}) });
    const headers = { "x-forwarded-for": forwarded };
    await using client = await WsClient.connect(`ws://127.0.0.1:${server.server.addresses.http!.port}/ws`, { headers });
    assertEquals((await client.request({ msgid: 1, id, token, proto: 2 })).errno, 0);
    return log.records.findLast((r) => r.message.join("") === "login")?.properties.address;
  };
  assertEquals(await address("", "203.0.113.7"), "127.0.0.1");
  assertEquals(await address("203.0.113.9", "203.0.113.7"), "127.0.0.1");
  assertEquals(await address("127.0.0.1", "203.0.113.7"), "203.0.113.7");
  assertEquals(await address("127.0.0.1", "127.0.0.1, 203.0.113.7"), "203.0.113.7", "the client cannot put one before");
  assertEquals(await address("127.0.0.1,203.0.113.9", "203.0.113.7, 203.0.113.9"), "203.0.113.7");
  assertEquals(await address("127.0.0.1,::ffff:203.0.113.9", "127.0.0.2, 203.0.113.9"), "127.0.0.2");
  assertEquals(await address("127.0.0.1", "::FFFF:203.0.113.7"), "203.0.113.7");
  assertEquals(await address("127.0.0.1", "203.0.113.7:5000"), "203.0.113.7", "some write the port");
  assertEquals(await address("127.0.0.1", "[2001:DB8::7]:5000"), "2001:db8::7");
  assertEquals(await address("127.0.0.1", "[2001:DB8::7]"), "2001:db8::7");
  // What is none is not believed, nor what stands before it.
  for (const none of ["127.evil.example", "unknown", "_hidden", "999.999.999.999", "203.0.113.7, x", ","]) {
    assertEquals(await address("127.0.0.1", none), "127.0.0.1");
  }
});

Deno.test("metrics on the page's listener are for this machine, not for what a proxy on it brings", async () => {
  await using db = await testDatabase("sqlite");
  const status = async (trusted: string, headers: Record<string, string>) => {
    await using server = await startServer(db, { http: "127.0.0.1:0", metrics: "127.0.0.1:0", ...(trusted ? { "trusted-proxy": trusted } : {}) });
    const { http, metrics } = server.server.addresses;
    const [page, own] = await Promise.all([http, metrics].map(async (at) => {
      const response = await fetch(`http://127.0.0.1:${at!.port}/metrics`, { headers });
      await response.body?.cancel();
      return response.status;
    }));
    assertEquals(own, 200);
    return page;
  };
  assertEquals(await status("", {}), 200);
  assertEquals(await status("203.0.113.9", {}), 200);
  assertEquals(await status("127.0.0.1", {}), 404, "a proxy that says nothing of for whom it comes");
  for (const address of ["203.0.113.7", "127.0.0.1", "127.evil.example"]) {
    for (const trusted of ["", "127.0.0.1"]) assertEquals(await status(trusted, { "x-forwarded-for": address }), 404, `${trusted} ${address}`);
  }
  assertEquals(await status("", { forwarded: "for=127.0.0.1" }), 404);
  assertEquals(await status("", { via: "1.1 proxy" }), 404);
});
