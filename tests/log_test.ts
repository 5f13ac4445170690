import { assert, assertEquals, assertMatch } from "@std/assert";
import type { LogRecord } from "@logtape/logtape";
import { Allowance, formatJson, formatPretty, LineWriter, log } from "../src/ops/log.ts";

function record(level: LogRecord["level"], message: string, properties: Record<string, unknown>): LogRecord {
  return { category: ["natter"], level, message: [message], rawMessage: message, timestamp: Date.UTC(2025, 0, 2, 3, 4, 5, 6), properties };
}

const departure = { cause: "silent", user: 13, session: "a1", address: "127.0.0.1:50000", duration: 20000 };

Deno.test("log: a departure is one line with its fields", () => {
  assertEquals(
    formatJson(record("info", "departure", departure)),
    '{"time":"2025-01-02T03:04:05.006Z","level":"info","message":"departure","cause":"silent","user":13,"session":"a1",' +
      '"address":"127.0.0.1:50000","duration":20000}',
  );
  assertMatch(
    formatPretty(record("info", "departure", departure), false),
    /^\d\d:\d\d:\d\d info {4}departure cause=silent user=13 session=a1 address=127\.0\.0\.1:50000 duration=20000$/,
  );
});

/** What a client may put into its name: colours, a cleared screen in both spellings, new lines of all kinds, reversed writing, a lone surrogate. */
const hostile = "\x1b[31m\x1b[2J\x9b2J\r\n\x85\u2028\u202e\ud800 user=1 \"'{x}张三";

Deno.test("log: what clients say cannot touch the terminal, begin a line or pass for another field", () => {
  for (const level of ["info", "error"] as const) {
    const error = new Error(hostile + "\n    at evil (evil.ts:1:1)");
    const fields = { name: hostile, list: [hostile], error };
    const json = formatJson(record(level, "failed", fields));
    assertEquals(/[\p{Cc}\p{Cf}\p{Cs}\u2028]/u.test(json), false);
    const { name, list } = JSON.parse(json);
    assertEquals([name, list], [hostile, [hostile]]);

    const pretty = formatPretty(record(level, "failed", fields), false);
    const [first, ...frames] = pretty.split("\n");
    assertEquals(/[\p{Cc}\p{Cf}\p{Cs}\u2028]/u.test(pretty.replaceAll("\n", "")), false);
    assertMatch(first, /name="[^ ]+ user=1 \\"'\{x\}张三" list=/);
    assertEquals(frames.length > 0, level === "error", "the stack of an error at level error only");
    for (const frame of frames) assertMatch(frame, /^ {4}at (?!evil)/);
  }
});

Deno.test("log: undefined fields are left out; numbers of any size are written", () => {
  assertMatch(formatPretty(record("info", "a", { b: undefined, c: 1n, d: null, e: "" }), false), / a c="1" d=null e=""$/);
  assertMatch(formatJson(record("info", "a", { b: undefined, c: 1n })), /"message":"a","c":"1"\}$/);
});

Deno.test("log: silent unless it is turned on", async () => {
  const script = `import { log } from "${new URL("../src/ops/log.ts", import.meta.url)}"; log.error("x", { error: new Error("y") }); log.info("z");`;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", new URL("../deno.json", import.meta.url).pathname, script],
    env: { NO_COLOR: "1" },
  }).output();
  assert(success);
  assertEquals(new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr).replace(/^(Download|Initialize|Warning).*\n/gm, ""), "");
  log.info("nobody hears this");
});

Deno.test("log: lines that clients cause over and over are bounded, and it is said how many were left out", () => {
  const allowance = new Allowance();
  const taken = Array.from({ length: 25_000 }, () => allowance.take(1000));
  assertEquals([taken.filter((left) => left === 0).length, taken.indexOf(undefined)], [10_000, 10_000]);
  assertEquals([allowance.take(1009), allowance.take(1010), allowance.take(1010)], [undefined, 15_001, undefined]);
  assertEquals(Array.from({ length: 200 }, () => allowance.take(2010)).filter((left) => left !== undefined).length, 100, "a hundred a second");
});

/** Takes what is written only when told to. */
class SlowSink {
  taken = "";
  writes = 0;
  #let: (() => void)[] = [];

  write = (bytes: Uint8Array): Promise<number> => {
    this.writes++;
    return new Promise((resolve) =>
      this.#let.push(() => {
        const part = bytes.subarray(0, Math.ceil(bytes.length / 2));
        this.taken += new TextDecoder().decode(part);
        resolve(part.length);
      })
    );
  };

  /** Takes half of the write under way, again and again, until there is none. */
  async takeAll(): Promise<void> {
    for (let next; (next = this.#let.shift());) {
      next();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
}

Deno.test("log: lines wait in order while nobody takes them, bounded; who is too late is counted", async () => {
  const sink = new SlowSink();
  const writer = new LineWriter(sink.write, (lines) => writer.write(`dropped ${lines}`), 100);
  writer.write("first");
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(sink.writes, 1, "the first line is on its way");
  for (let i = 10; i < 60; i++) writer.write(`line ${i}`);
  assertEquals(sink.writes, 1, "one write at a time");
  await writer.flushed(10);
  assertEquals(sink.taken, "", "flushed() gives up");
  await sink.takeAll();
  const lines = sink.taken.trimEnd().split("\n");
  assertEquals(lines[0], "first");
  const kept = lines.filter((line) => line.startsWith("line "));
  assertEquals(kept, kept.map((_, i) => `line ${10 + i}`));
  assertEquals(lines.filter((line) => line.startsWith("dropped")), [`dropped ${50 - kept.length}`]);
  assert(kept.length > 0 && kept.length * 8 <= 100);
  await writer.flushed(5000);
});

Deno.test("log: a stderr that is gone is no reason to stop", async () => {
  let writes = 0;
  const writer = new LineWriter(() => Promise.reject(new Deno.errors.BrokenPipe(`${++writes}`)), () => {});
  writer.write("a");
  await writer.flushed(5000);
  writer.write("b");
  await writer.flushed(5000);
  assertEquals(writes, 2);
});
