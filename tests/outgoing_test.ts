// The outgoing queue: what is sent together is written together, and every byte arrives as it was, whichever buffer carried it.

import { assert, assertEquals } from "@std/assert";
import { Connection, type Transport, type Writer } from "../src/net/connection.ts";
import { TcpListener } from "../src/net/tcp.ts";

/** A transport whose writes are recorded, and taken when the test says so. */
class SlowTransport implements Transport {
  readonly kind = "tcp";
  readonly address = "127.0.0.1";
  readonly writes: string[] = [];
  #writer: Writer | undefined;

  write(lines: string, writer: Writer): void {
    assert(!this.#writer, "a write was in flight");
    this.writes.push(lines);
    this.#writer = writer;
  }

  taken(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    writer?.wroteAll();
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}
}

Deno.test("outgoing: what several senders have for one connection in the same turn is one write, in their order", async () => {
  const transport = new SlowTransport();
  const connection = new Connection(transport, 1000);
  // Sockets that became readable together are handled so: their promises are resolved before any of what follows them runs.
  await Promise.all([1, 2, 3].map(async (n) => {
    await Promise.resolve();
    connection.sendLine(`${n}\n`);
  }));
  await Promise.resolve();
  assertEquals(transport.writes, ["1\n2\n3\n"]);
});

Deno.test("outgoing: one write in flight; what comes meanwhile goes together, to a classic client line by line", () => {
  for (const classic of [false, true]) {
    const transport = new SlowTransport();
    const connection = new Connection(transport, 1000);
    connection.classic = classic;
    connection.sendLine("1\n");
    connection.flush();
    for (const line of ["2\n", "3\n"]) connection.sendLine(line);
    connection.flush();
    assertEquals(transport.writes, ["1\n"]);
    for (let i = 0; i < 3; i++) transport.taken();
    assertEquals(transport.writes, classic ? ["1\n", "2\n", "3\n"] : ["1\n", "2\n3\n"]);
    assertEquals([connection.queued, connection.writingSince], [0, 0]);
  }
});

Deno.test("outgoing: lines of all sizes, own ones and the same for all, arrive over TCP as they were sent", async () => {
  const COUNT = 40, ROUNDS = 60;
  const connections: Connection[] = [];
  const arrived = Promise.withResolvers<void>();
  const bound = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listener = new TcpListener(bound, [], { maxLine: 1000, sendQueue: 1 << 30 }, {
    opened: (connection) => void (connections.push(connection) === COUNT && arrived.resolve()),
    line: () => {},
    fault: () => {},
    end: (connection) => connection.finish("fin"),
  });
  const clients = await Promise.all(Array.from({ length: COUNT }, () => Deno.connect({ port: bound.addr.port })));
  await arrived.promise;
  // In the order of their ports, as the connections say who they are only by what they send.
  const expected = connections.map(() => "");
  const send = (i: number, line: string) => {
    connections[i]!.sendLine(line);
    expected[i] += line;
  };
  for (let round = 0; round < ROUNDS; round++) {
    const size = [1, 600, 700, 5000, 22_000, 70_000][round % 6]!, sign = ["a", "é", "你", "👍"][round % 4]!;
    const shared = sign.repeat(Math.ceil(size / sign.length)) + "\n";
    for (let i = 0; i < COUNT; i++) {
      if (round % 3 !== 0) send(i, shared);
      if (round % 3 !== 1) send(i, `${i} ${shared}`);
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
  for (const connection of connections) void connection.finish("stopping");
  const received = await Promise.all(clients.map((client) => new Response(client.readable).text()));
  assertEquals(received.map((text) => text.length).sort(), expected.map((text) => text.length).sort());
  assertEquals(new Set(received), new Set(expected));
  await Promise.all(connections.map((connection) => connection.closed));
  await listener.close();
});
