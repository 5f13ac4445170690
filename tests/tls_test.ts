// TLS: both listeners, a certificate that is renewed while people talk, one that cannot be used, and peers that speak no TLS.

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import net from "node:net";
import tls from "node:tls";
import { ConfigError } from "../src/config/config.ts";
import { readCertificate } from "../src/net/certificate.ts";
import { CertificateWatch } from "../src/net/certificate_watch.ts";
import { tryHandshake } from "../src/net/try_handshake.ts";
import { Awake } from "./support/awake.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { standStill } from "./support/clock.ts";
import { testDatabase, waitingTests } from "./support/databases.ts";
import { Program, run } from "./support/program.ts";
import type { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf } from "./support/server.ts";
import { ca, connectTls, ended, first, second, short, TlsFiles } from "./support/tls.ts";
import { WsClient } from "./support/ws_client.ts";

/** Files that cannot be used, and what is said of them. */
const bad = [
  [{ cert: first.cert, key: second.key }, /^--tls-key: \S+\/key\.pem is not the key of the first certificate in \S+\/cert\.pem$/],
  [{ cert: second.cert, key: first.key }, /is not the key/],
  [{ cert: second.cert + first.cert, key: first.key }, /is not the key/],
  [{ cert: "no certificate", key: first.key }, /^--tls-cert: \S+\/cert\.pem holds no certificate chain in PEM$/],
  [{ cert: "", key: first.key }, /holds no certificate/],
  [{ cert: first.key, key: first.key }, /holds no certificate/],
  [{ cert: first.cert.slice(0, -40), key: first.key }, /holds no certificate/],
  [{ cert: first.cert + second.cert.slice(0, 500), key: first.key }, /holds no certificate/],
  [{ cert: first.cert.replace("MII", "AAA"), key: first.key }, /holds no certificate/],
  [{ cert: first.cert, key: "no key" }, /^--tls-key: \S+\/key\.pem holds no private key in PEM, or one with a password$/],
  [{ cert: first.cert, key: first.cert }, /holds no private key/],
  [short, /^--tls-key: \S+\/key\.pem has 1024 bits, and clients want 2048 of an RSA key$/],
  // The key fits; what is called a certificate behind the first is none that a handshake works with.
  [{ cert: second.cert + second.cert.replace("MII", "AAA"), key: second.key }, /holds no certificate/],
] as const;

/** The name in the certificate that a listener shows now. */
async function shown(port: number): Promise<string> {
  const { client, name } = await connectTls(port);
  await client.close();
  return name;
}

/** A TCP connection that sends this, and nothing more. */
function silent(port: number, bytes: string): Promise<{ closed: Promise<void> } & Disposable> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1" }, () => {
      if (bytes) socket.write(bytes);
      resolve({ closed, [Symbol.dispose]: () => socket.destroy() });
    });
    const closed = new Promise<void>((done) => socket.once("close", () => done()));
    socket.on("error", reject);
    socket.resume();
  });
}

const both = { "tls-listen": "127.0.0.1:0", https: "127.0.0.1:0" };
/** The beginning of a TLS handshake. */
const BEGUN = "\x16\x03\x01\x02";

waitingTests("tls", {
  "SIGHUP reads the certificate again": async () => {
    await using files = await TlsFiles.of(first);
    const flags = Object.entries({ listen: "127.0.0.1:0", http: "off", "tls-listen": "127.0.0.1:0", log: "json", ...files.flags });
    await using server = new Program(flags.flatMap(([name, value]) => [`--${name}`, value]), { cwd: files.folder, shell: "exec 2>log" });
    const ports = await server.ready();
    await using client = (await connectTls(ports.tls)).client;
    await files.write(second);
    server.kill("SIGHUP");
    await eventually(async () => await shown(ports.tls) === second.name, "the second certificate is shown");
    await files.write(bad[0][0]);
    server.kill("SIGHUP");
    await eventually(async () => (await Deno.readTextFile(`${files.folder}/log`)).includes("the certificate stays as it was"), "it is logged");
    assertEquals(await shown(ports.tls), second.name);
    assertEquals((await client.request({ msgid: 13 })).msgid, 14);
    server.kill("SIGTERM");
    assertEquals((await server.ended()).code, 0);
    const lines = (await Deno.readTextFile(`${files.folder}/log`)).trimEnd().split("\n").map((line) => JSON.parse(line));
    const said = lines.filter((line) => line.message.startsWith("the certificate"));
    assertEquals(said.map(({ level, message }) => [level, message]), [["info", "the certificate was read again"], [
      "error",
      "the certificate stays as it was",
    ]]);
    assertMatch(said[1].error.split("\n")[0].replace("ConfigError: ", ""), bad[0][1]);
  },

  "the same protocol; FIN, reset and the server's end as over TCP": async () => {
    await using db = await testDatabase("sqlite");
    await using files = await TlsFiles.of(first);
    await using server = await startServer(db, { ...both, ...files.flags });
    const [alice, bob] = await makeUsers(db, 2);
    const { port } = server.server.addresses.tls!;
    const login = async ({ id, token }: { id: number; token: string }) => {
      const { client } = await connectTls(port);
      assertEquals((await client.login({ id, token, proto: 2 })).errno, 0);
      return client;
    };
    const a = await login(alice), b = await login(bob);
    const long = "长".repeat(20_000);
    assertEquals((await a.request({ msgid: 6, toid: bob.id, msg: long })).errno, 0);
    assertEquals((await b.next((m) => m.msgid === 6)).msg, long);

    a.send({ msgid: 13, ref: "last" });
    a.fin();
    await a.next((m) => m.ref === "last");
    assertEquals(await a.closed, "fin");
    await eventually(async () => await stateOf(db, alice.id) === "offline", "offline after FIN");
    await b.rst();
    await eventually(async () => await stateOf(db, bob.id) === "offline", "offline after a reset");

    await using last = await login(bob);
    await server.server.close();
    assertEquals((await last.next((m) => m.msgid === 20)).reason, "stopping");
    assertEquals(await last.closed, "fin");
  },

  "a renewed certificate is shown from then on, and cuts nobody; one that cannot be used changes nothing": async () => {
    await using db = await testDatabase("sqlite");
    await using files = await TlsFiles.of(first);
    await using server = await startServer(db, { ...both, ...files.flags });
    const ports = [server.server.addresses.tls!.port, server.server.addresses.https!.port];
    await using overTls = (await connectTls(ports[0])).client;
    await using overHttps = await WsClient.connect(`wss://localhost:${ports[1]}/ws`, { ca });
    const expect = async (name: string) => {
      for (const port of ports) assertEquals(await shown(port), name);
      for (const client of [overTls, overHttps]) assertEquals((await client.request({ msgid: 13 })).msgid, 14);
    };
    await expect(first.name);
    await files.write(second);
    await expect(first.name);
    await server.server.renewCertificate();
    await expect(second.name);
    for (const [pair, words] of bad) {
      await files.write(pair);
      const error = await assertRejects(() => server.server.renewCertificate(), ConfigError);
      assertMatch((error as ConfigError).message, words);
    }
    await expect(second.name);
    await files.write({ ...first, cert: "A text before it is allowed\n" + first.cert + second.cert });
    await server.server.renewCertificate();
    await expect(first.name);
  },

  "files that cannot be used are a bad setting: one line, exit code 2, nothing begun": async () => {
    await using files = await TlsFiles.of(first);
    const { folder } = files;
    await Deno.mkdir(`${folder}/empty`);
    const refused = async (flags: Record<string, string>) => {
      const args = Object.entries({ listen: "127.0.0.1:0", http: "off", "tls-listen": "127.0.0.1:0", ...flags });
      const { code, stdout, stderr } = await run(args.flatMap(([name, value]) => [`--${name}`, value]), { cwd: `${folder}/empty` });
      assertEquals([code, stdout], [2, ""], stderr);
      assertMatch(stderr, /^natter: [^\n]+\n$/);
      return stderr.slice("natter: ".length, -1);
    };
    assertStringIncludes(
      await refused({ ...files.flags, "tls-key": `${folder}/none.pem` }),
      `--tls-key: cannot read ${folder}/none.pem: No such file`,
    );
    assertStringIncludes(await refused({ ...files.flags, "tls-cert": folder }), `--tls-cert: cannot read ${folder}: `);
    await files.write(bad[0][0]);
    assertMatch(await refused(files.flags), bad[0][1]);
    assertEquals([...Deno.readDirSync(`${folder}/empty`)], []);
  },

  "every pair that cannot be used is told apart from those that can": async () => {
    await using files = await TlsFiles.of(first);
    const { "tls-cert": tlsCert, "tls-key": tlsKey } = files.flags;
    const mark = "\ufeff";
    for (
      const pair of [
        first,
        second,
        { cert: first.cert.replaceAll("\n", "\r\n"), key: first.key },
        // Byte order marks, as editors and `cat` leave them.
        { cert: mark + first.cert, key: mark + first.key },
        { cert: mark + second.cert + mark + first.cert, key: second.key },
      ]
    ) {
      await files.write(pair);
      const { cert, key, begins, ends } = await readCertificate({ tlsCert, tlsKey }) ?? {};
      assertEquals([cert, key], [pair.cert.replaceAll(mark, ""), pair.key.replaceAll(mark, "")]);
      assertEquals([new Date(begins!).getFullYear(), new Date(ends!).getFullYear()], [2026, 2126]);
    }
    for (const [pair, words] of bad) {
      await files.write(pair);
      assertMatch((await assertRejects(() => readCertificate({ tlsCert, tlsKey }), ConfigError) as ConfigError).message, words);
    }
    assertEquals(await readCertificate({ tlsCert: undefined, tlsKey: undefined }), undefined);
  },

  "what no handshake works with is refused in one line, whatever it is": async () => {
    for (const pair of [{ cert: "\ufeff" + first.cert, key: first.key }, { cert: "", key: first.key }]) {
      const error = await assertRejects(() => tryHandshake(pair), Error);
      assert(error.message !== "it never ends", error.message);
    }
    await tryHandshake(first);
  },

  "a handshake takes the place of one who has not logged in": async () => {
    await using db = await testDatabase("sqlite");
    await using files = await TlsFiles.of(first);
    await using server = await startServer(db, { "tls-listen": "127.0.0.1:0", ...files.flags, "max-connections": 8 });
    const { port } = server.server.addresses.tls!;
    using one = await silent(port, BEGUN);
    using two = await silent(port, "");
    // Who comes later makes room of them, the oldest first, long before their time is over.
    const isThere = async (client: RawClient) => assertEquals((await client.request({ msgid: 13 })).msgid, 14);
    await using third = await server.connect();
    await isThere(third);
    await one.closed;
    await using fourth = (await connectTls(port)).client;
    await isThere(fourth);
    await two.closed;
    await isThere(third);
    await using fifth = (await connectTls(port)).client;
    await isThere(fifth);
    assertEquals((await third.next((m) => m.msgid === 20)).reason, "full");
    await isThere(fourth);
  },
});

Deno.test("tls: a certificate that has ended is served, for there is no other, and the log says so; it does not take the place of one that holds", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  await using files = await TlsFiles.of(ended);
  await using server = await startServer(db, { ...both, http: "127.0.0.1:0", ...files.flags });
  const said = () => log.records.filter((r) => r.message.join("").includes("certificate")).map((r) => [r.level, r.message.join(""), r.properties]);
  assertEquals(said(), [["error", "the certificate has ended: clients refuse it", { until: "2025-01-01T00:00:00.000Z" }]]);
  const told = async () => {
    const body = await (await fetch(`http://127.0.0.1:${server.server.addresses.http!.port}/metrics`)).text();
    return Number(/^natter_certificate_end_time_seconds (\d+)$/m.exec(body)?.[1]) * 1000;
  };
  assertEquals(await told(), Date.UTC(2025, 0));
  await files.write(second);
  await server.server.renewCertificate();
  assertEquals(await shown(server.server.addresses.tls!.port), second.name);
  await eventually(async () => new Date(await told()).getFullYear() === 2126, "the metric is of the new one");
  await files.write(ended);
  const error = await assertRejects(() => server.server.renewCertificate(), ConfigError);
  assertMatch((error as ConfigError).message, /^--tls-cert: \S+\/cert\.pem has ended, at 2025-01-01T00:00:00.000Z$/);
  assertEquals(await shown(server.server.addresses.tls!.port), second.name);
  assertEquals(said().length, 1);
});

Deno.test("tls: from 14 days before the certificate's end on the log says how many are left; and that it is not valid yet", async () => {
  await using log = await CapturedLog.start();
  const day = 24 * 3600_000, ends = Date.UTC(2030, 0), begins = Date.UTC(2029, 0);
  let now = 0;
  const watch = new CertificateWatch({ ...first, begins, ends }, () => now);
  for (now of [begins, ends - 15 * day, ends - 14 * day + 1, ends - day - 1, ends - 1, ends]) watch.look();
  const until = new Date(ends).toISOString();
  assertEquals(log.records.map(({ level, message, properties }) => [level, message.join(""), properties]), [
    ["warning", "the certificate is not valid yet: clients refuse it", { from: new Date(begins).toISOString() }],
    ["warning", "the certificate ends soon", { days: 13, until }],
    ["warning", "the certificate ends soon", { days: 1, until }],
    ["warning", "the certificate ends soon", { days: 0, until }],
    ["error", "the certificate has ended: clients refuse it", { until }],
  ]);
  watch.renewed({ ...first, begins, ends: ends + 365 * day });
  assertEquals(log.records.length, 5);
  watch.close();
});

Deno.test("tls: who speaks no TLS is cut; who never ends the handshake, when the time to log in is over", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  await using files = await TlsFiles.of(first);
  await using server = await startServer(db, { ...both, ...files.flags, "login-timeout": 0.4 });
  const { tls: { port } = { port: 0 }, https } = server.server.addresses;
  for (const each of [port, https!.port]) {
    using plain = await silent(each, '{"msgid":13}\n');
    await plain.closed;
    const begun = performance.now();
    using nothing = await silent(each, "");
    using half = await silent(each, BEGUN);
    using awake = new Awake();
    await Promise.all([nothing.closed, half.closed]);
    const took = performance.now() - begun;
    assert(took > 350 && awake.ms < 3000, `${took} ms`);
  }
  await log.until("departure", 3);
  assertEquals(log.records.filter((r) => r.level === "error" || r.level === "fatal"), []);
});

Deno.test("tls: a handshake that began while the process did not run began in time", async () => {
  await using db = await testDatabase("sqlite");
  await using files = await TlsFiles.of(first);
  await using server = await startServer(db, { "tls-listen": "127.0.0.1:0", ...files.flags, "login-timeout": 1 });
  const { port } = server.server.addresses.tls!;
  const hello = await clientHello();
  const socket = net.connect({ port, host: "127.0.0.1" });
  const end = new Promise<"answered" | "closed">((resolve) => {
    socket.once("data", () => resolve("answered"));
    socket.once("close", () => resolve("closed"));
  });
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  // It is there when one that came later has been answered.
  const { client } = await connectTls(port);
  await client.request({ msgid: 13 });
  await client.close();
  socket.write(hello);
  standStill(1500);
  assertEquals(await end, "answered");
  socket.destroy();
});

/** What a client says first. */
async function clientHello(): Promise<Uint8Array> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const client = tls.connect({ port: listener.addr.port, host: "127.0.0.1" });
  client.on("error", () => {});
  using conn = await listener.accept();
  const buffer = new Uint8Array(4096);
  const length = await conn.read(buffer);
  client.destroy();
  return buffer.subarray(0, length!);
}
