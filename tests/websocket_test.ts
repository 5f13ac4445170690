// WebSocket: the same protocol at /ws, its frames, who is let in, and what happens to those who misbehave.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import net from "node:net";
import { CapturedLog } from "./support/captured_log.ts";
import { chats, upTo } from "./support/chat.ts";
import { testDatabase, waitingTests } from "./support/databases.ts";
import { eventually, makeUsers, startServer, stateOf, type TestServer, type TestUser } from "./support/server.ts";
import { WsClient, type WsOptions } from "./support/ws_client.ts";

const settings = { http: "127.0.0.1:0" };

function portOf(server: TestServer): number {
  return server.server.addresses.http!.port;
}

function connect(server: TestServer, options?: WsOptions): Promise<WsClient> {
  return WsClient.connect(`ws://127.0.0.1:${portOf(server)}/ws`, options);
}

async function logIn(server: TestServer, { id, token }: TestUser, fields: object = { proto: 2 }): Promise<WsClient> {
  const client = await connect(server);
  assertEquals((await client.request({ msgid: 1, id, token, ...fields })).errno, 0);
  return client;
}

waitingTests("websocket", {
  "PING frames are answered, and count as a sign of life; silence does not": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { ...settings, heartbeat: 2 });
    const [alice, bob] = await makeUsers(db, 2);
    await using alive = await logIn(server, alice);
    await using silent = await logIn(server, bob);
    let gone = false;
    void silent.closed.then(() => gone = true);
    while (!gone) {
      assertEquals(await alive.ping("are you there?"), "are you there?");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assertEquals(silent.backlog.map((m) => m.reason ?? m.msgid), [13, "silent"]);
    assertEquals(alive.backlog, [], "nobody had to ask");
    await eventually(async () => await stateOf(db, bob.id) === "offline", "offline");
    assertEquals(await stateOf(db, alice.id), "online");
  },

  "the same protocol, to and from TCP, modern and classic": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, settings);
    await using fresh = await connect(server);
    assertEquals((await fresh.request({ msgid: 17 })).errno, 12);
    const { id } = await fresh.request({ msgid: 4, name: "张三", password: "secret" });
    assertEquals((await fresh.request({ msgid: 1, id, password: "secret", proto: 2 })).errno, 0);
    const [alice, bob] = await makeUsers(db, 2);
    await using overTcp = await server.client(alice);
    await using classic = await logIn(server, bob, {});
    assertEquals(await stateOf(db, bob.id), "online");
    for (const toid of [alice.id, bob.id]) assertEquals((await fresh.request({ msgid: 6, toid, msg: "你好 👩‍🚀" })).errno, 0);
    const [one] = await chats(overTcp, 1);
    const two = await classic.next((m) => m.msgid === 6);
    for (const message of [one, two]) assertEquals([message.id, message.msg], [id, "你好 👩‍🚀"]);
    assertEquals((await overTcp.request({ msgid: 6, toid: id, msg: "back" })).errno, 0);
    assertEquals((await fresh.next((m) => m.msgid === 6)).msg, "back");
    await server.server.close();
    assertEquals((await fresh.next((m) => m.msgid === 20)).reason, "stopping");
    assertEquals(await fresh.closed, 1000);
  },

  "many lines in a frame, many frames at once, a frame in pieces; handled in order": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { ...settings, limits: "off" });
    await using client = await connect(server);
    const ping = (ref: number) => JSON.stringify({ msgid: 13, ref });
    client.socket.send(`${ping(1)}\n${ping(2)}\r\n\r\n${ping(3)}\0${ping(4)}`);
    client.fragments([ping(5).slice(0, 3), "", ping(5).slice(3) + "\n", ping(6)]);
    for (const ref of upTo(200, 7)) client.socket.send(ping(ref));
    for (const ref of upTo(206)) assertEquals(await client.next(), { msgid: 14, ref });
    // A line ends with its frame.
    client.socket.send(ping(1).slice(0, 5));
    assertEquals((await client.next()).errno, 10);
    client.socket.send(ping(1).slice(5));
    assertEquals((await client.next()).errno, 10);
    for (const _ of upTo(8)) client.socket.send("[]");
    assertEquals((await client.next((m) => m.msgid === 20)).reason, "badinput");
    assertEquals(await client.closed, 1000);
  },

  "a frame is bounded like a line; what is too long, binary or not UTF-8 ends it, after the answers before": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { ...settings, "max-line": 2000 });
    const padded = (bytes: number) => JSON.stringify({ msgid: 13, ref: "x", pad: "" }).replace('""', `"${"p".repeat(bytes - 31)}"`);
    assertEquals(padded(2000).length, 2000);
    const ending: [errno: number, send: (client: WsClient) => void][] = [
      [14, (client) => client.socket.send(padded(2001))],
      [14, (client) => client.socket.send(padded(2001) + "\r\n")],
      [14, (client) => client.socket.send(`${padded(1500)}\n${padded(600)}`)],
      [14, (client) => client.fragments([padded(2001).slice(0, 1500), padded(2001).slice(1500)])],
      [10, (client) => client.socket.send(new TextEncoder().encode(padded(100)))],
      [10, (client) => client.socket.send(new Uint8Array([0x22, 0xc3, 0x28, 0x22]), { binary: false })],
      [10, (client) => client.socket.send(new Uint8Array([0xed, 0xa0, 0x80]), { binary: false })],
    ];
    for (const [errno, send] of ending) {
      await using client = await connect(server);
      for (const end of ["", "\n", "\r\n", "\0"]) {
        client.socket.send(padded(2000) + end);
        assertEquals(await client.next(), { msgid: 14, ref: "x" });
      }
      client.socket.send(padded(2000));
      send(client);
      client.send({ msgid: 13, ref: "not handled" });
      assertEquals(await client.next(), { msgid: 14, ref: "x" });
      assertEquals((await client.next()).errno, errno);
      assertEquals((await client.next()).reason, "badinput");
      assertEquals(await client.closed, 1000);
      assertEquals(client.backlog, []);
    }
    // Far too long, or in too many pieces, it does not get into memory.
    const far: [said: unknown[], code: number, send: (client: WsClient) => void][] = [
      [[14, "badinput"], 1009, (client) => client.socket.send(padded(4001))],
      [[14, "badinput"], 1009, (client) => client.fragments([padded(3000), padded(3000)])],
      [["badinput"], 1008, (client) => client.fragments(Array(200).fill("x"))],
    ];
    for (const [said, code, send] of far) {
      await using client = await connect(server);
      client.socket.send(padded(2000));
      send(client);
      assertEquals([await client.closed, client.backlog.map((m) => m.ref ?? m.errno ?? m.reason)], [code, ["x", ...said]]);
    }
    await using bystander = await connect(server);
    assertEquals((await bystander.request({ msgid: 13 })).msgid, 14);
  },

  "Origin: the page's own, those that are allowed, and programs, which have none": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { ...settings, "allow-origin": "https://chat.example.org,http://localhost:3000" });
    const own = `127.0.0.1:${portOf(server)}`;
    for (const origin of [undefined, `http://${own}`, `https://${own}`, "https://chat.example.org", "http://localhost:3000"]) {
      await using client = await connect(server, origin === undefined ? {} : { origin });
      assertEquals((await client.request({ msgid: 13 })).msgid, 14, origin);
    }
    const foreign = [
      "https://evil.example",
      "http://chat.example.org",
      "https://chat.example.org.evil.example",
      "http://localhost",
      "null",
      "http://127.0.0.1",
    ];
    for (const origin of [...foreign, `http://${own}.evil.example`, `http://evil@${own}`, ""]) {
      const error = await assertRejects(() => connect(server, { headers: { origin } }), Error);
      assertStringIncludes((error as Error).message, "403", origin);
    }
    for (const path of ["/", "/wss", "/ws/", "/healthz"]) {
      const error = await assertRejects(() => WsClient.connect(`ws://${own}${path}`), Error);
      assertStringIncludes((error as Error).message, "404", path);
    }
    await using query = await WsClient.connect(`ws://${own}/ws?from=page`);
    assertEquals((await query.request({ msgid: 13 })).msgid, 14);
  },

  "the limit per address counts whom the proxy names, and a page that becomes a WebSocket once": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { ...settings, "trusted-proxy": "127.0.0.1" });
    const by = (address: string) => connect(server, { headers: { "x-forwarded-for": address } });
    const clients: WsClient[] = [];
    for (const _ of upTo(64)) clients.push(await by("203.0.113.7"));
    for (const client of clients) assertEquals((await client.request({ msgid: 13 })).msgid, 14);
    await using refused = await by("203.0.113.7");
    assertEquals((await refused.next((m) => m.msgid === 20)).reason, "limits");
    await using other = await by("203.0.113.8");
    assertEquals((await other.request({ msgid: 13 })).msgid, 14);
    await Promise.all(clients.map((c) => c.terminate()));
  },

  "who sends and does not read is read no further, costs bounded memory, and loses nothing": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { ...settings, limits: "off", "send-queue": 65536 });
    const [user] = await makeUsers(db, 1);
    await using client = await logIn(server, user);
    assertEquals((await client.request({ msgid: 6, toid: user.id, msg: "m".repeat(60_000) })).errno, 0);
    await client.next((m) => m.msgid === 6);
    const { socket } = client;
    socket.pause();
    const count = 400, filler = "x".repeat(60_000);
    for (const ref of upTo(count)) socket.send(JSON.stringify({ msgid: 16, toid: user.id, ref, filler }));
    // What the server does not read stays here, once the buffers between are full.
    let before = -1, same = 0;
    await eventually(() => {
      same = socket.bufferedAmount === before ? same + 1 : 0;
      before = socket.bufferedAmount;
      return same > 50;
    }, "the server reads no further");
    assert(before > 5_000_000, `${before} bytes are left to send`);
    socket.resume();
    for (const ref of upTo(count)) assertEquals((await client.next()).ref, ref);
  },

  "however it is lost, the user is offline within a second; what was sent before a close frame is handled": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, settings);
    const [user, other] = await makeUsers(db, 2);
    await using witness = await server.client(other);
    // ws has no way to do this to a connection.
    const tcp = (client: WsClient) => (client.socket as unknown as { _socket: net.Socket })._socket;
    const losses: [name: string, lose: (client: WsClient) => void][] = [
      ["terminated", (client) => client.socket.terminate()],
      ["reset", (client) => tcp(client).resetAndDestroy()],
      ["FIN without a close frame", (client) => tcp(client).end()],
      ["a close frame", (client) => client.socket.close(1000)],
      ["the page is left", (client) => client.socket.close(1001)],
    ];
    for (const [name, lose] of losses) {
      await using client = await logIn(server, user);
      assertEquals(await stateOf(db, user.id), "online");
      client.send({ msgid: 6, toid: other.id, msg: name });
      if (name !== "reset" && name !== "terminated") await client.request({ msgid: 13 });
      lose(client);
      await eventually(async () => await stateOf(db, user.id) === "offline", name, 10_000);
      await client.closed;
    }
    await using closing = await logIn(server, user);
    for (const i of upTo(20)) closing.send({ msgid: 6, toid: other.id, msg: `last ${i}` });
    closing.socket.close();
    for (const i of upTo(20)) assertEquals((await witness.next((m) => m.msg === `last ${i}`)).id, user.id);
  },

  "a close frame ends the session at once, though TCP stays open; what was asked before is answered, then the close frame": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, settings);
    const [{ id, token }] = await makeUsers(db, 1);
    const key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const frame = (opcode: number, text: string) => {
      const bytes = new TextEncoder().encode(text);
      const length = bytes.length < 126 ? [0x80 | bytes.length] : [0xfe, bytes.length >> 8, bytes.length & 255];
      return new Uint8Array([0x80 | opcode, ...length, 0, 0, 0, 0, ...bytes]);
    };
    for (const [code, answer] of [["", "\x88\x00"], ["\x0c\x00left", "\x88\x06\x0c\x00left"]]) {
      let got = "";
      const socket = net.connect({ port: portOf(server), host: "127.0.0.1", allowHalfOpen: true } as net.NetConnectOpts);
      socket.setEncoding("latin1");
      socket.on("data", (text: string) => got += text);
      let ended = false;
      socket.on("end", () => ended = true);
      socket.write("GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n" + key + "\r\n");
      socket.write(frame(1, JSON.stringify({ msgid: 1, id, token, proto: 2 })));
      await eventually(async () => await stateOf(db, id) === "online", "online");
      socket.write(frame(1, JSON.stringify({ msgid: 6, toid: id, msg: "last", ref: "r" })));
      socket.write(frame(8, code));
      await eventually(async () => await stateOf(db, id) === "offline", "offline", 10_000);
      await eventually(() => ended, "the server closes", 10_000);
      assertStringIncludes(got, '"ref":"r","errno":0');
      assert(got.endsWith(answer), JSON.stringify(got.slice(-20)));
      socket.destroy();
    }
  },
});

Deno.test("websocket: X-Forwarded-For is believed from a trusted proxy only", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  const headers = { "x-forwarded-for": "198.51.100.1, 203.0.113.7" };
  const from: unknown[] = [];
  for (const trusted of ["127.0.0.1", "203.0.113.9"]) {
    await using server = await startServer(db, { ...settings, "trusted-proxy": trusted });
    const [{ id, token }] = await makeUsers(db, 1, trusted);
    await using client = await connect(server, { headers });
    assertEquals((await client.request({ msgid: 1, id, token, proto: 2 })).errno, 0);
    from.push(log.records.findLast((r) => r.message.join("") === "login")?.properties.address);
  }
  assertEquals(from, ["203.0.113.7", "127.0.0.1"]);
});

Deno.test("websocket: what is no handshake, or no frame, ends the connection and harms nobody else", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { ...settings, "login-timeout": 1.5 });
  const head = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
  const key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  // The answer, until the server closes.
  const exchange = (bytes: (string | Uint8Array)[]) =>
    new Promise<string>((resolve) => {
      let answer = "";
      const socket = net.connect({ port: portOf(server), host: "127.0.0.1" }, () => bytes.forEach((part) => socket.write(part)));
      socket.setEncoding("latin1");
      socket.on("data", (text: string) => answer += text);
      socket.on("error", () => {});
      socket.on("close", () => resolve(answer));
    });
  assertStringIncludes(await exchange([head + "\r\n"]), "HTTP/1.1 400");
  assertStringIncludes(await exchange([head + "sec-websocket-version: 13\r\nsec-websocket-key: short\r\n\r\n"]), "HTTP/1.1 400");
  assertStringIncludes(await exchange([head + "origin: https://evil.example\r\n" + key + "\r\n"]), "HTTP/1.1 403");
  // Not masked, reserved bits, an unknown opcode, a length that is a lie, a control frame in pieces.
  const broken = ["81027b7d", "f18000000000", "838000000000", "81ff7fffffffffffffff", "098000000000"];
  for (const frame of broken) {
    const answer = await exchange([head + key + "\r\n", Uint8Array.fromHex(frame)]);
    assertStringIncludes(answer, "HTTP/1.1 101", frame);
    // GOODBYE, and then a close frame: a protocol error, or, for the length, too long.
    assertStringIncludes(answer, '"reason":"badinput"}\n\x88\x02\x03' + (frame === "81ff7fffffffffffffff" ? "\xf1" : "\xea"), frame);
  }
  // Half a frame, and then nothing: over when the time to log in is.
  assertStringIncludes(await exchange([head + key + "\r\n", new Uint8Array([0x81, 0xfe, 0x01])]), '"reason":"silent"');
  await using client = await connect(server);
  assertEquals((await client.request({ msgid: 13 })).msgid, 14);
  assertEquals(log.records.filter((r) => r.level === "error" || r.level === "fatal"), []);
});
