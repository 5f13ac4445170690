// On whose behalf a proxy connects: the PROXY header and X-Forwarded-For, and from whom they are believed.

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { parseProxyHeader, type Proxied, readProxyHeader } from "../src/net/proxy_header.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { testDatabase } from "./support/databases.ts";
import { makeUsers, startServer } from "./support/server.ts";

/** What is read when these pieces come, each in a segment of its own, and then FIN. */
async function read(...pieces: string[]): Promise<Proxied | undefined> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [sender, receiver] = await Promise.all([Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }), listener.accept()]);
  using _sender = sender, _receiver = receiver;
  sender.setNoDelay(true);
  const reading = readProxyHeader(receiver);
  for (const piece of pieces) {
    await sender.write(new TextEncoder().encode(piece));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await sender.closeWrite();
  return await deadline(reading, 5000);
}

Deno.test("PROXY header: parsing", () => {
  assertEquals(parseProxyHeader("PROXY TCP4 203.0.113.7 10.0.0.1 56324 443"), "203.0.113.7");
  assertEquals(parseProxyHeader("PROXY TCP6 2001:DB8::7 ::1 56324 443"), "2001:db8::7");
  assertEquals(parseProxyHeader("PROXY UNKNOWN"), "");
  assertEquals(parseProxyHeader("PROXY UNKNOWN ffff::1 ffff::2 65535 65535"), "");
  for (
    const garbage of [
      "",
      "PROXY",
      "PROXY ",
      "PROXY UNKNOWNS",
      "proxy TCP4 1.2.3.4 1.2.3.4 1 2",
      "PROXY TCP4 ::1 ::1 1 2",
      "PROXY TCP6 1.2.3.4 1.2.3.4 1 2",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1",
      "PROXY TCP4 1.2.3.4  1.2.3.4 1 2",
      " PROXY TCP4 1.2.3.4 1.2.3.4 1 2",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 ",
      "PROXY TCP4 host 1.2.3.4 1 2",
      '{"msgid":13}',
    ]
  ) assertEquals(parseProxyHeader(garbage), undefined, garbage);
});

Deno.test("PROXY header: reading, in any pieces, and not a byte too many", async () => {
  const header = "PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n";
  for (const pieces of [[header + "rest"], [...header, "rest"], [header.slice(0, -1), "\nrest"]]) {
    assertEquals((await read(...pieces))?.address, "203.0.113.7");
  }
  assertEquals(new TextDecoder().decode((await read(header + "rest"))?.rest), "rest");
  assertEquals((await read("PROXY UNKNOWN\r\n"))?.address, "127.0.0.1");
  assertEquals((await read(`PROXY UNKNOWN ${"x".repeat(91)}\r\n`))?.address, "127.0.0.1", "107 bytes");
  assertEquals(await read(`PROXY UNKNOWN ${"x".repeat(92)}\r\n`), undefined, "108 bytes");
  for (const bad of ["", "PROXY UNKNOWN", "PROXY UNKNOWN\n", "\n", "x".repeat(2000), '{"msgid":13}\n']) assertEquals(await read(bad), undefined, bad);
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
  for (const message of ["login", "departure"]) {
    assertEquals(log.records.find((r) => r.message.join("") === message)?.properties.address, "203.0.113.7", message);
  }
  for (const garbage of ['{"msgid":13}\n', "x".repeat(108)]) {
    await using bad = await server.connect();
    bad.sendBytes(garbage);
    await deadline(bad.closed, 2000);
    assertEquals(bad.bytes, 0);
  }
  assertEquals(log.count("a trusted proxy sent no PROXY header"), 2);
});

Deno.test("PROXY header: from anybody else it is a line like another", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { "trusted-proxy": "203.0.113.9" });
  await using client = await server.connect();
  client.sendBytes("PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n");
  assertEquals((await client.next(() => true)).errno, 10);
});

Deno.test("X-Forwarded-For: believed only from a trusted proxy, and only as far as trust goes", async () => {
  await using db = await testDatabase("sqlite");
  // What tells the address: metrics are for loopback only.
  const status = async (trusted: string, forwarded: string) => {
    await using server = await startServer(db, { http: "127.0.0.1:0", ...(trusted ? { "trusted-proxy": trusted } : {}) });
    const url = `http://127.0.0.1:${server.server.addresses.http!.port}/metrics`;
    const response = await fetch(url, { headers: { "x-forwarded-for": forwarded } });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status("", "203.0.113.7"), 200);
  assertEquals(await status("203.0.113.9", "203.0.113.7"), 200);
  assertEquals(await status("127.0.0.1", "203.0.113.7"), 404);
  assertEquals(await status("127.0.0.1", "127.0.0.1, 203.0.113.7"), 404, "the client cannot put one before");
  assertEquals(await status("127.0.0.1,203.0.113.9", "203.0.113.7, 203.0.113.9"), 404);
  assertEquals(await status("127.0.0.1,203.0.113.9", "127.0.0.2, 203.0.113.9"), 200);
});
