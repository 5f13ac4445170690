// Between a transport's bytes and the handler of lines: one line after the other, and reading ahead within bounds.

import { assert, assertEquals, assertLess } from "@std/assert";
import { Connection, type Transport } from "../src/net/connection.ts";
import { type LineHandler, LineInput } from "../src/net/line_handler.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A connection that goes nowhere: what is handled is what counts here. Its writes stay in flight until they are `taken`. */
function connect(sendQueue = 1000) {
  let taken: (() => void) | undefined;
  const transport: Transport = {
    kind: "tcp",
    address: "127.0.0.1",
    write: (_lines, writer) => taken = () => writer.wroteAll(),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  };
  return { connection: new Connection(transport, sendQueue), taken: () => taken?.() };
}

/** Records what is handled; a line that is in `held` is handled until its promise resolves. */
function recorder(held: Record<string, Promise<void>> = {}): LineHandler & { log: string[] } {
  const log: string[] = [];
  return {
    log,
    opened: () => {},
    line(_connection, line) {
      log.push(line);
      return held[line]?.then(() => void log.push(`/${line}`));
    },
    fault: (_connection, fault) => void log.push(`fault: ${fault}`),
    end: () => Promise.resolve(void log.push("end")),
  };
}

/** Resolves when everything that can happen without the outside has happened. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("line input: without a promise nothing is awaited; with one the next line waits, and so does the end", async () => {
  const gate = Promise.withResolvers<void>();
  const handler = recorder({ slow: gate.promise });
  const input = new LineInput(connect().connection, handler, 100);
  input.feed(bytes("a\nb\nslow\nc\n"));
  assertEquals(handler.log, ["a", "b", "slow"], "in the turn that brought them");
  input.feed(bytes("d\n"));
  input.end();
  await settled();
  assertEquals(handler.log, ["a", "b", "slow"]);
  gate.resolve();
  await settled();
  assertEquals(handler.log, ["a", "b", "slow", "/slow", "c", "d", "end"]);
});

Deno.test("line input: a line in pieces holds its place, and a fault comes after the lines before it", async () => {
  const handler = recorder();
  const input = new LineInput(connect().connection, handler, 10);
  input.feed(bytes("a\nhal"));
  input.feed(bytes("f\nb\n01234567890\nc\n"));
  await settled();
  assertEquals(handler.log, ["a", "half", "b", "fault: too long"]);
  input.feed(bytes("d\n"));
  input.end();
  await settled();
  assertEquals(handler.log.length, 4, "nothing after it, and no end");
});

Deno.test("line input: reading ahead is bounded, and goes on when the handler does", async () => {
  const gate = Promise.withResolvers<void>();
  const handler = recorder({ slow: gate.promise });
  const input = new LineInput(connect().connection, handler, 100);
  input.feed(bytes("slow\n"));
  let fed = 0, behind: Promise<void> | undefined;
  while (!behind && fed < 1000) behind = input.feed(bytes(`${fed++}\n`));
  assertLess(fed, 20);
  assert(behind);
  let resolved = false;
  void behind.then(() => resolved = true);
  await settled();
  assertEquals(resolved, false, "nothing was handled");
  gate.resolve();
  await behind;
  assertEquals(handler.log.length, 2 + fed);
  assertEquals(input.feed(bytes("on\n")), undefined);
});

Deno.test("line input: when the connection is gone, whoever waits to feed is let go, and no more is handled", async () => {
  const gate = Promise.withResolvers<void>();
  const handler = recorder({ slow: gate.promise });
  const { connection } = connect();
  const input = new LineInput(connection, handler, 100);
  input.feed(bytes("slow\n"));
  let behind: Promise<void> | undefined;
  while (!behind) behind = input.feed(bytes("a\n"));
  connection.destroy("reset");
  input.cancel();
  await behind;
  gate.resolve();
  input.end();
  await settled();
  assertEquals(handler.log, ["slow", "/slow"]);
});

Deno.test("line input: while the connection is congested no line is handled", async () => {
  const handler = recorder();
  const { connection, taken } = connect(10);
  const input = new LineInput(connection, handler, 100);
  connection.sendLine("more than ten characters\n");
  input.feed(bytes("a\nb\n"));
  await settled();
  assertEquals(handler.log, []);
  taken();
  await settled();
  assertEquals(handler.log, ["a", "b"]);
});

Deno.test("line input: a hundred thousand lines behind one that is being handled are handled in as many steps, not in their square", async () => {
  const blank = bytes("\n".repeat(16_384));
  /** How long it takes (ms), from the moment nothing holds them up. */
  const run = async (chunks: number): Promise<number> => {
    const gate = Promise.withResolvers<void>();
    let count = 0;
    const handler: LineHandler = { ...recorder(), line: (_connection, line) => (count++, line === "slow" ? gate.promise : undefined) };
    const input = new LineInput(connect().connection, handler, 100);
    input.feed(bytes("slow\n"));
    for (let i = 0; i < chunks; i++) input.feed(blank.slice());
    gate.resolve();
    const begun = performance.now();
    while (count < 1 + chunks * blank.length) await settled();
    return performance.now() - begun;
  };
  await run(1);
  // The quickest of several: noise only ever adds.
  let few = Infinity, many = Infinity;
  for (let i = 0; i < 5 && many >= 20 * Math.max(few, 1) + 20 || i === 0; i++) {
    few = Math.min(few, await run(1));
    many = Math.min(many, await run(8));
  }
  // Eight times as many: 64 times as long by the square, and more.
  assertLess(many, 20 * Math.max(few, 1) + 20);
});
