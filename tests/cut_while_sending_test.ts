// Who is cut in the middle of sending can send on for a moment: a reset could take the last line with it.

import { assertEquals } from "@std/assert";
import type { Connection } from "../src/net/connection.ts";
import { TcpListener } from "../src/net/tcp.ts";
import { eventually } from "./support/server.ts";

const LINES = 500_000;

Deno.test("cut while sending: the goodbye comes, what is sent meanwhile is read, and the end is no reset", async () => {
  const held = Promise.withResolvers<void>(), begun = Promise.withResolvers<Connection>();
  const bound = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listener = new TcpListener(bound, [], { maxLine: 65536, sendQueue: 1024 * 1024 }, {
    opened: () => {},
    line: (connection) => (begun.resolve(connection), held.promise),
    fault: () => {},
    end: (connection) => connection.finish("fin"),
  });
  using client = await Deno.connect({ port: bound.addr.port });
  const sent = sendAll(client, new TextEncoder().encode("a line like this\n".repeat(LINES)));
  const connection = await begun.promise;
  await eventually(() => performance.now() - connection.heard > 100, "while the first line is being handled, reading stops");
  void connection.finish("kicked", { goodbye: true });
  const buffer = new Uint8Array(100);
  const n = await client.read(buffer);
  assertEquals(new TextDecoder().decode(buffer.subarray(0, n ?? 0)), '{"goodbye":true}\n');
  assertEquals(await client.read(buffer), null);
  held.resolve();
  await sent;
  await client.closeWrite();
  await connection.closed;
  assertEquals(connection.inputEnded, true);
  await listener.close();
});

async function sendAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await conn.write(rest));
}
