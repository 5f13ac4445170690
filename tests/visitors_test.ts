// HTTP connections that are no client's: how many there may be, and for how long.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import net from "node:net";
import { Acceptor } from "../src/net/accept.ts";
import { NodeStream } from "../src/net/node_stream.ts";
import { Visitors } from "../src/net/visitors.ts";
import { Awake } from "./support/awake.ts";
import { upTo } from "./support/chat.ts";
import { StoreWatch } from "./support/around_store.ts";
import { testDatabase, waitingTests } from "./support/databases.ts";
import { eventually, startServer } from "./support/server.ts";
import { WsClient } from "./support/ws_client.ts";

/** A connection that sends this; `answer` is what it got when it is closed. */
interface Visitor extends Disposable {
  answer: Promise<string>;
  socket: net.Socket;
}

function visit(port: number, bytes = ""): Promise<Visitor> {
  return new Promise((resolve, reject) => {
    let got = "";
    const closed = Promise.withResolvers<string>();
    const socket = net.connect({ port, host: "127.0.0.1" }, () => {
      if (bytes) socket.write(bytes);
      resolve({ socket, answer: closed.promise, [Symbol.dispose]: () => socket.destroy() });
    });
    socket.on("data", (chunk) => got += chunk);
    socket.on("error", reject);
    socket.on("close", () => closed.resolve(got));
  });
}

waitingTests("visitors", {
  "who does not ask, or asks slowly, is gone when the time for it is over; others are served": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { http: "127.0.0.1:0", metrics: "127.0.0.1:0", "login-timeout": 1 });
    const { http, metrics } = server.server.addresses;
    for (const [{ port }, path] of [[http!, "/healthz"], [metrics!, "/metrics"]] as const) {
      const begun = performance.now();
      using awake = new Awake();
      using silent = await visit(port);
      using half = await visit(port, "GET /healthz HTT");
      using endless = await visit(port, "GET /healthz HTTP/1.1\r\nhost: x\r\n");
      const trickle = setInterval(() => endless.socket.write("x: y\r\n"), 50);
      using again = await visit(port, "GET /none HTTP/1.1\r\nhost: x\r\n\r\nGET /none HT");
      using body = await visit(port, `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc`);
      assertEquals(await silent.answer + await half.answer + await endless.answer, "");
      clearInterval(trickle);
      assert((await again.answer).startsWith("HTTP/1.1 404"));
      assert((await body.answer).startsWith("HTTP/1.1 405"));
      const took = performance.now() - begun;
      assert(took > 950 && awake.ms < 5000, `${took} ms`);
    }
    await using client = await WsClient.connect(`ws://127.0.0.1:${http!.port}/ws`);
    assertEquals((await client.request({ msgid: 13 })).msgid, 14);
  },

  "no more than allowed: who waits longest makes room, who is being answered does not; a WebSocket is none, and has all its time": async () => {
    await using db = await testDatabase("sqlite");
    const watch = new StoreWatch();
    await using server = await startServer(db, { http: "127.0.0.1:0", "max-connections": 8, "login-timeout": 4 }, { store: watch.wrap });
    const { port } = server.server.addresses.http!;
    await using client = await WsClient.connect(`ws://127.0.0.1:${port}/ws`);
    const visitors: Visitor[] = [];
    for (const _ of upTo(16)) visitors.push(await visit(port));
    const gone: number[] = [];
    visitors.forEach((visitor, i) => void visitor.answer.then(() => gone.push(i)));
    using newcomer = await visit(port, "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assertStringIncludes(await newcomer.answer, "alive");
    assertEquals(gone, [0]);
    const held = Promise.withResolvers<void>();
    watch.around = async (call) => {
      if (call.name === "ping") await held.promise;
      return await call.run();
    };
    // All places are of those who are being answered.
    const asking: Visitor[] = [];
    for (const _ of upTo(16)) asking.push(await visit(port, "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    await Promise.all(visitors.map((v) => v.answer));
    using refused = await visit(port, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    assertEquals(await refused.answer, "");
    held.resolve();
    for (const { answer } of asking) assertStringIncludes(await answer, "ready");
    assertEquals((await client.request({ msgid: 13 })).msgid, 14);
    assertEquals((await client.next((m) => m.msgid === 20)).reason, "silent");
  },

  "an address has no more than its connections, a trusted proxy has": async () => {
    for (const exempt of [false, true]) {
      let count = 0, most = 0;
      const limits = { connected: () => (most = Math.max(most, ++count)) <= 2, disconnected: () => void count-- };
      const visitors = new Visitors({ mostVisitors: 10, headTime: 10_000, limits, exempt: new Set(exempt ? ["127.0.0.1"] : []) });
      const acceptor = new Acceptor(Deno.listen({ hostname: "127.0.0.1", port: 0 }), (conn, peer) => {
        const stream = new NodeStream(conn, peer);
        stream.resume();
        stream.on("end", () => stream.destroy());
        visitors.arrived(stream, stream, peer);
      });
      const { port } = acceptor.address;
      const both = [await visit(port), await visit(port)];
      using third = await visit(port);
      if (!exempt) assertEquals(await third.answer, "");
      third.socket.destroy();
      both.forEach((visitor) => visitor.socket.destroy());
      await acceptor.close();
      await eventually(() => count === 0, "all have left");
      assertEquals(most, exempt ? 0 : 3);
    }
  },
});
