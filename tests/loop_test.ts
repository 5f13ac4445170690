// What takes long is spread over turns of the event loop.

import { assert, assertEquals, assertRejects, fail } from "@std/assert";
import { Doorbell } from "../src/async/doorbell.ts";
import { later, laterTurn, SHARE_MS, spent, worked } from "../src/async/loop.ts";
import { Connection, type Transport, type Writer } from "../src/net/connection.ts";
import { LineInput } from "../src/net/line_handler.ts";
import { openStore } from "../src/store/open.ts";
import { parseConfig } from "../src/config/config.ts";
import { addUsers, testDatabase } from "./support/databases.ts";

/** Keeps the event loop for so long (ms). */
function work(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

/** Counts turns of the event loop. */
function turns(): { count: number; stop: () => void } {
  const counter = { count: 0, stop: () => void (going = false) };
  let going = true;
  const turn = () => {
    counter.count++;
    if (going) setImmediate(turn);
  };
  setImmediate(turn);
  return counter;
}

const nowhere: Transport = {
  kind: "tcp",
  address: "127.0.0.1",
  write: (_, writer) => writer.wroteAll(),
  closeWrite: async () => {},
  close: () => {},
};

Deno.test("loop: the share is spent by what was done since the sockets were looked at, in however many turns; what ran before the first who asks does not count", async () => {
  const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
  /** Until it is so in a round in which the machine did nothing else meanwhile. */
  const once = async (is: () => boolean) => {
    for (let round = 0; round < 50; round++) {
      await laterTurn();
      await nextTurn();
      if (is()) return;
    }
    fail("never");
  };
  const fresh = () => {
    work(2 * SHARE_MS);
    return !spent();
  };
  await once(fresh);
  work(SHARE_MS);
  assertEquals(spent(), true);
  await nextTurn();
  assertEquals(spent(), true, "nobody has been looked at");
  await once(fresh);
  let turns = 0;
  for (; !spent(); turns++) {
    work(SHARE_MS / 4);
    await nextTurn();
  }
  assert(turns <= 4, `${turns} turns`);
  await once(() => !worked(SHARE_MS / 2) && worked(SHARE_MS / 2));
  await laterTurn();
});

Deno.test("loop: what is handed over runs in its order, as much in a turn as there is time for, and what comes in between is seen to", async () => {
  const done: number[] = [];
  const counter = turns();
  const at: number[] = [];
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 12; i++) {
      later(() => {
        work(SHARE_MS / 2 + 0.5);
        done.push(i);
        at.push(counter.count);
        if (i === 11) resolve();
      });
    }
  });
  counter.stop();
  assertEquals(done, Array.from({ length: 12 }, (_, i) => i));
  const most = Math.max(...at.map((turn) => at.filter((other) => other === turn).length));
  assert(most <= 2, `${most} in one turn: ${at}`);
});

Deno.test("loop: who is heard from meanwhile waits for no more than a few turns, however much is handed over", async () => {
  using _doorbell = await Doorbell.open();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [client, server] = await Promise.all([Deno.connect({ port: listener.addr.port }), listener.accept()]);
  const echo = server.readable.pipeTo(server.writable);
  let turns = 0;
  let over = false;
  const piece = () => {
    work(SHARE_MS);
    turns++;
    if (!over) later(piece);
  };
  later(piece);
  const took: number[] = [];
  const buffer = new Uint8Array(16);
  for (let i = 0; i < 10; i++) {
    const before = turns;
    await client.write(buffer);
    await client.read(buffer);
    took.push(turns - before);
  }
  over = true;
  await laterTurn();
  client.close();
  await echo;
  // There and back, each of which may be begun by one turn and be seen to after the next.
  const middle = took.sort((a, b) => a - b)[5]!;
  assert(middle <= 6, `turns: ${took}`);
});

Deno.test("loop: one connection's lines are handled in order, in as many turns as they take; another's line in between", async () => {
  const handled: string[] = [];
  const counter = turns();
  const at: number[] = [];
  const done = Promise.withResolvers<void>();
  const handler = {
    opened: () => {},
    line: (_: Connection, line: string) => {
      work(0.2);
      handled.push(line);
      at.push(counter.count);
      if (line === "1259") done.resolve();
    },
    fault: () => {},
    end: () => Promise.resolve(),
  };
  const connection = new Connection(nowhere, 1000), other = new Connection(nowhere, 1000);
  const input = new LineInput(connection, handler, 65536), quick = new LineInput(other, handler, 65536);
  const encoder = new TextEncoder();
  input.feed(encoder.encode(Array.from({ length: 1260 }, (_, i) => i + "\n").join("")));
  assert(handled.length < 64, `${handled.length} at once`);
  quick.feed(encoder.encode("other\n"));
  assertEquals(handled.at(-1), "other");
  await done.promise;
  counter.stop();
  assertEquals(handled.filter((line) => line !== "other"), Array.from({ length: 1260 }, (_, i) => String(i)));
  const most = Math.max(...Map.groupBy(at, (turn) => turn).values().map((lines) => lines.length));
  assert(most < 64, `${most} in one turn`);
});

Deno.test("loop: what goes to a thousand is written in many turns, and who has something to send meanwhile does not wait", async () => {
  const counter = turns();
  const at: number[] = [];
  const slow = (): Transport => ({
    ...nowhere,
    write: (_: string, writer: Writer) => {
      work(0.1);
      at.push(counter.count);
      writer.wroteAll();
    },
  });
  const members = Array.from({ length: 1000 }, () => new Connection(slow(), 1_000_000));
  for (const member of members) member.sendLine("to all\n");
  let written = 0;
  const other = new Connection({ ...nowhere, write: (_, writer) => (written = at.length, writer.wroteAll()) }, 1000);
  await laterTurn();
  other.sendLine("an answer\n");
  await laterTurn();
  assert(written > 0 && written < 500, `${written} before it`);
  while (at.length < 1000) await laterTurn();
  counter.stop();
  const most = Math.max(...Map.groupBy(at, (turn) => turn).values().map((writes) => writes.length));
  assert(most < 200, `${most} in one turn`);
});

Deno.test("loop: reads of SQLite that come at once are spread over turns", async () => {
  await using db = await testDatabase("sqlite");
  const store = await openStore(parseConfig(["--database", db.url], () => undefined));
  await store.join("test");
  const [ada, bob] = await addUsers(store, "ada", "bob") as [number, number];
  const batch = Array.from({ length: 100 }, (_, i) => ({ sender: ada, toid: bob, msg: "x".repeat(1000), ts: i }));
  for (let i = 0; i < 5; i++) await store.append(batch);
  await laterTurn();
  const counter = turns();
  const at = await Promise.all(Array.from({ length: 200 }, () => store.log(bob, 0, 200, 256 * 1024).then(() => counter.count)));
  counter.stop();
  const most = Math.max(...Map.groupBy(at, (turn) => turn).values().map((reads) => reads.length));
  assert(most < 50, `${most} in one turn`);
  await store.close();
});

Deno.test("loop: a machine that does not connect to itself has no doorbell, and nothing is left of it", async () => {
  const { listen } = Deno;
  const like = (accept: (listener: Deno.TcpListener) => Promise<Deno.TcpConn>) => {
    Deno.listen = ((options: Deno.ListenOptions & { transport?: "tcp" }) => {
      const listener = listen(options);
      return new Proxy(listener, {
        get: (of, name) =>
          name === "accept" ? () => accept(of) : typeof Reflect.get(of, name) === "function" ? Reflect.get(of, name).bind(of) : Reflect.get(of, name),
      });
    }) as typeof Deno.listen;
  };
  try {
    like(() => Promise.reject(new Error("no more files")));
    await assertRejects(() => Doorbell.open(), Error, "no more files");
    // What comes is not what was sent.
    like(async (listener) => {
      (await listener.accept()).close();
      return await listener.accept();
    });
    await assertRejects(() => Doorbell.open(200), Error, "200 ms");
  } finally {
    Deno.listen = listen;
  }
});
