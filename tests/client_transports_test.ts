// The client library over each transport, against a real server.

import { assertEquals, assertRejects } from "@std/assert";
import { type Connect, ConnectionLost, NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { websocket } from "../src/client/websocket_transport.ts";
import type { Server } from "../src/server.ts";
import { testDatabase } from "./support/databases.ts";
import { eventually, makeUsers, startServer } from "./support/server.ts";

const certificate = new URL("./support/localhost_cert.pem", import.meta.url).pathname;
const settings = {
  "tls-listen": "127.0.0.1:0",
  "tls-cert": certificate,
  "tls-key": new URL("./support/localhost_key.pem", import.meta.url).pathname,
  http: "127.0.0.1:0",
  limits: "off",
};
const caCerts = [await Deno.readTextFile(certificate)];

const transports: Record<string, (addresses: Server["addresses"]) => Connect> = {
  "TCP": ({ tcp: { port } }) => tcp({ port }),
  "TLS": ({ tls }) => tcp({ hostname: "localhost", port: tls!.port, tls: { caCerts } }),
  "WebSocket": ({ http }) => websocket(`ws://127.0.0.1:${http!.port}/ws`),
};

for (const [name, connectTo] of Object.entries(transports)) {
  Deno.test(`client over ${name}: long lines, many lines, the server's end, and nobody there`, async () => {
    await using db = await testDatabase("sqlite");
    const server = await startServer(db, settings);
    await using _server = server;
    const [alice, bob] = await makeUsers(db, 2);
    const connect = connectTo(server.server.addresses);
    await using client = new NatterClient({ connect, window: 50 });
    const received: string[] = [];
    client.on("message", (m) => void received.push(m.msg));
    await client.login(alice);
    // A note to oneself comes back: both ways, in lines that no single read or write holds.
    const texts = Array.from({ length: 200 }, (_, i) => `${i} ${"长".repeat(i % 10 === 0 ? 20_000 : 5)}`);
    await Promise.all(texts.map((text) => client.chat({ id: alice.id }, text)));
    await eventually(() => received.length === texts.length, "all came back");
    assertEquals(received, texts);

    const offline = new Promise<void>((resolve) => client.on("state", ({ state }) => state === "offline" && resolve()));
    await server.server.close();
    await offline;
    await client.close();
    await using late = new NatterClient({ connect });
    const error = await assertRejects(() => late.login({ id: bob.id, password: "pw" }), ConnectionLost) as ConnectionLost;
    assertEquals(error.reason, "unreachable");
  });
}

for (const [name, connectTo] of Object.entries(transports)) {
  Deno.test(`client over ${name}: a peer that accepts and says nothing is given up`, async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    // It may be given up while it is looked up who localhost is: then nobody comes.
    const accepted = listener.accept().catch(() => undefined);
    const { addr } = listener;
    const connect = connectTo({ tcp: addr, tls: addr, http: addr });
    const client = new NatterClient({ connect, timeout: 50 });
    const error = await assertRejects(() => client.login({ name: "alice", password: "pw" }), ConnectionLost) as ConnectionLost;
    assertEquals(error.reason, "timeout");
    listener.close();
    (await accepted)?.close();
  });
}

Deno.test("client over TLS: a certificate that nobody vouches for is refused", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, settings);
  const client = new NatterClient({ connect: tcp({ hostname: "localhost", port: server.server.addresses.tls!.port, tls: true }) });
  const error = await assertRejects(() => client.login({ name: "alice", password: "pw" }), ConnectionLost) as ConnectionLost;
  assertEquals(error.reason, "unreachable");
});
