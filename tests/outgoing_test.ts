// The outgoing queue: what is sent together is written together, and every byte arrives as it was, whichever buffer carried it.

import { assert, assertEquals } from "@std/assert";
import { Connection, type Transport, type Writer } from "../src/net/connection.ts";
import { TcpListener } from "../src/net/tcp.ts";
import { standStill } from "./support/clock.ts";

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

Deno.test("outgoing: what became of the last lines while the process did not run counts, and what came behind them is read", async () => {
  const transport = new SlowTransport(), connection = new Connection(transport, 1000), happened: string[] = [];
  const fin = Promise.withResolvers<void>();
  transport.closeWrite = () => (happened.push("fin"), fin.resolve(), Promise.resolve());
  transport.close = () => happened.push("closed");
  connection.sendLine("1\n");
  connection.flush();
  const finished = connection.finish("kicked");
  // Each is behind the timer that is due before it, in the same turn.
  setTimeout(() => transport.taken(), 2010);
  standStill(2500);
  await Promise.race([fin.promise, finished]);
  setTimeout(() => (happened.push("read"), connection.endInput()), 1010);
  standStill(1500);
  await finished;
  assertEquals(happened, ["fin", "read", "closed"]);
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

Deno.test("outgoing: the long beginning of a line is written by itself, as the string that it is, and in its order; a short one is not, nor a classic client's", () => {
  const transport = new SlowTransport();
  const connection = new Connection(transport, 1_000_000);
  const long = "x".repeat(20_000), other = "y".repeat(30_000);
  connection.sendLine("1\n");
  connection.sendJoined("2", "!\n");
  connection.sendJoined(long, "3\n");
  connection.sendJoined(long, "4\n");
  connection.sendLine("5\n");
  connection.flush();
  connection.sendJoined(other, "6\n");
  const length = "1\n2!\n".length + 2 * long.length + "3\n4\n5\n".length + other.length + "6\n".length;
  assertEquals([connection.queued, connection.appended], [length, length]);
  for (let i = 0; connection.queued > 0; i++) {
    assertEquals(connection.written, transport.writes.slice(0, i).join("").length);
    transport.taken();
  }
  assertEquals(transport.writes, ["1\n2!\n", long, "3\n", long, "4\n5\n", other, "6\n"]);
  connection.sendJoined(long, "7\n");
  connection.flush();
  connection.sendLine("8\n");
  transport.taken();
  transport.taken();
  assertEquals([transport.writes.slice(7), connection.queued], [[long, "7\n8\n"], 0]);
  connection.classic = true;
  connection.sendJoined(long, "9\n");
  connection.flush();
  assertEquals([transport.writes.at(-1), connection.queued], [`${long}9\n`, long.length + 2]);
  connection.sendJoined(long, "10\n");
  connection.destroy("reset");
  assertEquals(connection.queued, `${long}9\n`.length, "what the kernel was given");
});

Deno.test("outgoing: what one turn hands to the kernel is bounded, in writes and in characters; who comes behind it does not wait for the rest", async () => {
  const COUNT = 1000;
  for (const [line, most] of [["x\n", 256], ["x".repeat(60_000) + "\n", 6]] as const) {
    let writes = 0;
    const transport = { kind: "tcp", address: "", write: () => void writes++, closeWrite: () => Promise.resolve(), close: () => {} } as const;
    const connections = Array.from({ length: COUNT }, () => new Connection(transport, 1_000_000));
    for (const connection of connections) connection.sendLine(line);
    const late = new Connection(transport, 1_000_000);
    await Promise.resolve();
    assert(writes <= most, `${writes} writes at once`);
    let before = writes;
    late.sendLine("late\n");
    await Promise.resolve();
    assertEquals([writes - before, late.writingSince > 0], [1, true]);
    let turns = 1;
    for (before = writes; writes < COUNT + 1; turns++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      assert(writes - before <= most, `${writes - before} writes in a turn`);
      before = writes;
    }
    assert(turns >= COUNT / most, `${turns} turns`);
    for (const connection of connections) connection.destroy("lost");
    late.destroy("lost");
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
      if (round % 2 === 1) {
        connections[i]!.sendJoined(shared.slice(0, -1), `${i}\n`);
        expected[i] += `${shared.slice(0, -1)}${i}\n`;
      }
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
  const reading = Promise.all(clients.map((client) => new Response(client.readable).text()));
  // The end has two seconds for what is queued, and a busy machine takes longer for so much.
  while (connections.some(({ queued }) => queued > 0)) await new Promise<void>((resolve) => setTimeout(resolve, 5));
  for (const connection of connections) void connection.finish("stopping");
  const received = await reading;
  assertEquals(received.map((text) => text.length).sort(), expected.map((text) => text.length).sort());
  assertEquals(new Set(received), new Set(expected));
  await Promise.all(connections.map((connection) => connection.closed));
  await listener.close();
});
