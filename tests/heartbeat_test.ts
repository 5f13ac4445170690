// Who has been silent for too long, by a clock of the test's own.

import { assert, assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { type Cause, Connection, type Transport, type Writer } from "../src/net/connection.ts";
import { Heartbeat } from "../src/presence/heartbeat.ts";
import { Session } from "../src/net/session.ts";

/** The heartbeat's interval and the time for logging in (ms). The wheel may be late by 250 ms, and each deadline by one turn of it. */
const INTERVAL = 10_000, LOGIN = 60_000, TURN = 250;

/** A transport that takes everything, or nothing. */
class FakeTransport implements Transport {
  readonly kind = "tcp";
  readonly address = "192.0.2.1";
  written = "";
  /** Whoever sets this takes nothing until it resolves. */
  taking = Promise.resolve();

  write(lines: string, writer: Writer): void {
    void this.taking.then(() => {
      this.written += lines;
      writer.wroteAll();
    });
  }
  closeWrite(): Promise<void> {
    return Promise.resolve();
  }
  close(): void {}
}

/** A wheel that only the test turns, and whom it called gone. */
class Wheel implements Disposable {
  readonly gone: { connection: Connection; cause: Cause }[] = [];
  readonly #begun = performance.now();
  readonly #heartbeat = new Heartbeat(INTERVAL, LOGIN, (connection, cause) => {
    this.gone.push({ connection, cause });
    connection.destroy(cause);
  });
  #now = 0;

  constructor() {
    this.#heartbeat.start();
  }

  /** Since the beginning (ms). */
  get elapsed(): number {
    return this.#now;
  }

  /** The same as the connections count it. */
  get now(): number {
    return this.#begun + this.#now;
  }

  /** A connection that was heard of just now; `kind` is how it logged in. */
  connect(kind: "modern" | "classic" | undefined, sendQueue = 1000) {
    const transport = new FakeTransport();
    const connection = new Connection(transport, sendQueue);
    connection.heard = connection.anonymousSince = this.now;
    if (kind) {
      connection.session = new Session("s", 1, "name", { id: 0, name: "" }, false, kind === "modern" ? 2 : "classic", connection, { version: 1 });
      connection.session.welcomed = true;
    }
    this.#heartbeat.add(connection);
    return { connection, transport, session: connection.session! };
  }

  /** Turns the wheel, turn by turn, to `time` (ms since the beginning). */
  async turnTo(time: number): Promise<void> {
    while (this.#now < time) await this.jumpTo(Math.min(time, this.#now + TURN));
  }

  /** Turns the wheel once, up to `time`. */
  async jumpTo(time: number): Promise<void> {
    this.#now = time;
    this.#heartbeat.turn(this.now);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  [Symbol.dispose](): void {
    this.#heartbeat.close();
  }
}

const pings = ({ written }: FakeTransport) => written.split("\n").filter((line) => line === '{"msgid":13}').length;

Deno.test("heartbeat: a modern client gets PING after one interval of silence, and is gone after two", async () => {
  using wheel = new Wheel();
  const { connection, transport } = wheel.connect("modern");
  await wheel.turnTo(INTERVAL - TURN);
  assertEquals(pings(transport), 0);
  await wheel.turnTo(INTERVAL + 2 * TURN);
  assertEquals(pings(transport), 1);
  await wheel.turnTo(2 * INTERVAL - TURN);
  assertEquals([pings(transport), wheel.gone.length], [1, 0]);
  await wheel.turnTo(2 * INTERVAL + 4 * TURN);
  assertEquals(wheel.gone.map((g) => [g.connection, g.cause]), [[connection, "silent"]]);
});

Deno.test("heartbeat: whatever is heard counts from then on, and nobody who talks is asked", async () => {
  using wheel = new Wheel();
  const { connection, transport } = wheel.connect("modern");
  for (let time = 0; time < 100_000; time += INTERVAL - TURN) {
    await wheel.turnTo(time);
    connection.heard = wheel.now;
  }
  assertEquals([pings(transport), wheel.gone.length], [0, 0]);
  // Its answers come late, but they come.
  for (let i = 1; i <= 10; i++) {
    connection.heard = wheel.now;
    await wheel.turnTo(wheel.elapsed + 2 * INTERVAL - 2 * TURN);
    assertEquals([pings(transport), wheel.gone.length], [i, 0]);
  }
});

Deno.test("heartbeat: a classic client gets PING after five minutes, again and again, and stays", async () => {
  using wheel = new Wheel();
  const { transport } = wheel.connect("classic");
  await wheel.turnTo(300_000 - TURN);
  assertEquals(pings(transport), 0);
  await wheel.turnTo(300_000 + INTERVAL + TURN);
  assertEquals(pings(transport), 1);
  await wheel.turnTo(3 * (300_000 + INTERVAL) + TURN);
  assertEquals([pings(transport), wheel.gone.length], [3, 0]);
});

Deno.test("heartbeat: who never logs in is gone when the time for it is over, however much it says", async () => {
  using wheel = new Wheel();
  const { connection, transport } = wheel.connect(undefined);
  for (let time = 0; time < LOGIN; time += 5000) {
    await wheel.turnTo(time);
    connection.heard = wheel.now;
  }
  assertEquals(wheel.gone.length, 0);
  await wheel.turnTo(LOGIN + 3 * TURN);
  assertEquals([wheel.gone.length, pings(transport)], [1, 0]);
});

Deno.test("heartbeat: who logged out has the whole time again to log in", async () => {
  using wheel = new Wheel();
  const { connection } = wheel.connect("modern");
  for (let time = 0; time <= 2 * LOGIN; time += 5000) {
    await wheel.turnTo(time);
    connection.heard = wheel.now;
  }
  connection.session = undefined;
  connection.anonymousSince = wheel.now;
  await wheel.turnTo(3 * LOGIN - TURN);
  assertEquals(wheel.gone.length, 0);
  await wheel.turnTo(3 * LOGIN + INTERVAL);
  assertEquals(wheel.gone.length, 1);
});

Deno.test("heartbeat: over the send queue, only 60 s without taking anything end a connection", async () => {
  using wheel = new Wheel();
  const { connection, transport } = wheel.connect("modern");
  transport.taking = new Promise(() => {});
  connection.sendLine("x".repeat(2000));
  await wheel.jumpTo(TURN);
  assert(connection.congested);
  await wheel.turnTo(50_000);
  assertEquals([pings(transport), wheel.gone.length], [0, 0]);
  // It took something: 60 s from there.
  connection.writingSince = wheel.now;
  await wheel.turnTo(110_000 - TURN);
  assertEquals([pings(transport), wheel.gone.length], [0, 0]);
  await wheel.turnTo(110_000 + 3 * TURN);
  assertEquals(wheel.gone.map((g) => g.cause), ["slow"]);
});

Deno.test("heartbeat: nobody is gone without having been asked", async () => {
  using wheel = new Wheel();
  const slowLogin = wheel.connect("modern");
  slowLogin.session.welcomed = false;
  const slowReader = wheel.connect("modern", 10);
  const taking = Promise.withResolvers<void>();
  slowReader.transport.taking = taking.promise;
  await wheel.turnTo(INTERVAL + 2 * TURN);
  assertEquals(slowReader.connection.queued, '{"msgid":13}'.length + 1);
  await wheel.turnTo(45_000);
  // LOGIN_ACK goes out at last, and the reader has taken all.
  slowLogin.session.welcomed = true;
  taking.resolve();
  const asked = () => pings(slowLogin.transport) === 1 && pings(slowReader.transport) === 2;
  while (!asked() && wheel.elapsed < 45_000 + INTERVAL + 2 * TURN) await wheel.turnTo(wheel.elapsed + TURN);
  assert(asked());
  await wheel.turnTo(wheel.elapsed + INTERVAL - TURN);
  assertEquals(wheel.gone.length, 0);
  await wheel.turnTo(wheel.elapsed + 4 * TURN);
  assertEquals(wheel.gone.length, 2);
});

Deno.test("heartbeat: while a request of its own is being handled nobody is asked, or gone; it is asked afterwards", async () => {
  using wheel = new Wheel();
  const { connection, transport } = wheel.connect("modern");
  await wheel.turnTo(INTERVAL + 2 * TURN);
  assertEquals(pings(transport), 1);
  // Its answer may wait unread behind what is being handled.
  connection.busy = true;
  await wheel.turnTo(10 * INTERVAL);
  assertEquals([pings(transport), wheel.gone.length], [1, 0]);
  connection.idle();
  const begun = wheel.elapsed;
  while (pings(transport) === 1 && wheel.elapsed < begun + INTERVAL + 2 * TURN) await wheel.turnTo(wheel.elapsed + TURN);
  assertEquals([pings(transport), wheel.gone.length], [2, 0]);
  await wheel.turnTo(wheel.elapsed + INTERVAL - TURN);
  assertEquals(wheel.gone.length, 0);
  await wheel.turnTo(wheel.elapsed + 4 * TURN);
  assertEquals(wheel.gone.map((g) => g.cause), ["silent"]);
});

Deno.test("heartbeat: a process that stood still gives everyone one more interval, and asks first", async () => {
  using wheel = new Wheel();
  const asked = wheel.connect("modern");
  await wheel.turnTo(15_000);
  const fresh = wheel.connect("modern");
  assertEquals([pings(asked.transport), pings(fresh.transport)], [1, 0]);
  await wheel.jumpTo(80_000);
  await wheel.turnTo(80_000 + INTERVAL - TURN);
  assertEquals([pings(asked.transport), pings(fresh.transport), wheel.gone.length], [1, 0, 0]);
  await wheel.turnTo(80_000 + 2 * INTERVAL - TURN);
  assertEquals([pings(asked.transport), pings(fresh.transport), wheel.gone.length], [2, 1, 0]);
  await wheel.turnTo(80_000 + 2 * INTERVAL + 4 * TURN);
  assertEquals(wheel.gone.length, 2);
});

Deno.test("heartbeat: a process that stands still for a second or two now and then grants that alone, and what came meanwhile is read", async () => {
  using wheel = new Wheel();
  const silent = wheel.connect("modern"), answers = wheel.connect("modern"), stranger = wheel.connect(undefined);
  const STOP = 2000, RUN = 3000;
  /** Runs for so long, and stands still after each 3 s; one of them answers what comes, when that is read. */
  const run = async (ms: number) => {
    for (; ms > 0; ms -= RUN) {
      await wheel.turnTo(wheel.elapsed + Math.min(ms, RUN));
      const asked = pings(answers.transport);
      await wheel.jumpTo(wheel.elapsed + STOP);
      await wheel.turnTo(wheel.elapsed + TURN);
      if (asked > 0) answers.connection.heard = wheel.now;
    }
  };
  await run(INTERVAL - 1000);
  assertEquals(pings(silent.transport), 0);
  await run(4000);
  assertEquals([pings(silent.transport), wheel.gone.length], [1, 0]);
  await run(5000);
  assertEquals(wheel.gone.length, 0);
  await run(8000);
  assertEquals(wheel.gone.map((g) => g.connection), [silent.connection]);
  await run(LOGIN - 2 * INTERVAL);
  assertEquals(wheel.gone.map((g) => g.connection), [silent.connection, stranger.connection]);
});

Deno.test("heartbeat: one timer, however many connections", () => {
  const { setInterval, setTimeout } = globalThis;
  let timers = 0;
  try {
    globalThis.setInterval = Object.assign((...args: Parameters<typeof setInterval>) => (timers++, setInterval(...args)), setInterval);
    globalThis.setTimeout = Object.assign((...args: Parameters<typeof setTimeout>) => (timers++, setTimeout(...args)), setTimeout);
    using wheel = new Wheel();
    for (let i = 0; i < 10_000; i++) wheel.connect("modern");
    assertEquals(timers, 1);
  } finally {
    Object.assign(globalThis, { setInterval, setTimeout });
  }
});
