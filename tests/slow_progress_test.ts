// Who takes what it is sent slowly is heard of meanwhile, whatever carries the bytes: only one who takes nothing is gone.

import { assert, assertEquals } from "@std/assert";
import { parseConfig } from "../src/config/config.ts";
import { readCertificate } from "../src/net/certificate.ts";
import type { Connection } from "../src/net/connection.ts";
import type { LineHandler } from "../src/net/line_handler.ts";
import { Listeners } from "../src/net/listeners.ts";
import { Limits } from "../src/ops/limits.ts";

const LINE = "x".repeat(60_000) + "\n", LINES = 200;
const support = new URL("support/", import.meta.url).pathname;

Deno.test("slow progress: one write of 12 MB goes on and on, over TLS and WebSocket", async (t) => {
  const flags = {
    listen: "127.0.0.1:0",
    "tls-listen": "127.0.0.1:0",
    http: "127.0.0.1:0",
    "tls-cert": "localhost_cert.pem",
    "tls-key": "localhost_key.pem",
  };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value.endsWith(".pem") ? support + value : value]);
  const config = parseConfig(args, () => undefined);
  let arrived = Promise.withResolvers<Connection>();
  const listeners = await Listeners.open(config, await readCertificate(config));
  const handler: LineHandler = {
    opened: (connection) => arrived.resolve(connection),
    line: () => {},
    fault: () => {},
    end: (connection) => connection.finish("fin"),
  };
  const notAsked = () => Promise.reject(new Error("not asked"));
  await Promise.all([listeners.accept(handler), listeners.serveHttp({ page: notAsked, metrics: notAsked }, handler, new Limits(false))]);
  const { tls, http } = listeners.addresses;
  const ways: Record<string, () => Promise<Deno.Conn>> = {
    tls: () => Deno.connectTls({ port: tls!.port, caCerts: [Deno.readTextFileSync(support + "localhost_cert.pem")] }),
    websocket: async () => {
      const conn = await Deno.connect({ port: http!.port });
      const head = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ";
      await conn.write(new TextEncoder().encode(`${head}${btoa("0123456789abcdef")}\r\n\r\n`));
      return conn;
    },
  };
  for (const [kind, connect] of Object.entries(ways)) {
    await t.step(kind, async () => {
      arrived = Promise.withResolvers();
      using client = await connect();
      const connection = await arrived.promise;
      for (let i = 0; i < LINES; i++) connection.sendLine(LINE);
      let progress = 0;
      const progressed = connection.progressed.bind(connection);
      connection.progressed = () => (progress++, progressed());
      const buffer = new Uint8Array(65_536);
      for (let got = 0; got < LINES * LINE.length;) got += await client.read(buffer) ?? 0;
      assert(progress > LINES / 4, `it went on ${progress} times`);
      connection.destroy("lost");
      assertEquals(connection.kind, kind);
    });
  }
  await Promise.all([listeners.stopAccepting(), listeners.close()]);
});
