// Bytes in, lines out: wherever the bytes are cut.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Fault, LineDecoder } from "../src/wire/lines.ts";

interface Decoded {
  lines: string[];
  fault: Fault | undefined;
}

const encoder = new TextEncoder();

/** What comes out when these chunks go in, one read buffer for all of them, as in the server. `late`: nobody asks for a line before all are fed. */
async function decode(chunks: (string | Uint8Array)[], maxLine = 65536, late = false): Promise<Decoded> {
  const decoder = new LineDecoder(maxLine);
  const buffer = new Uint8Array(Math.max(0, ...chunks.map((c) => c.length * 4)));
  const lines: string[] = [];
  const take = async () => {
    for (let line = decoder.next(); line !== undefined; line = decoder.next()) lines.push(await line);
  };
  for (const chunk of chunks) {
    const bytes = typeof chunk === "string" ? encoder.encode(chunk) : chunk;
    buffer.set(bytes);
    decoder.feed(buffer.subarray(0, bytes.length));
    buffer.fill(0xee);
    if (!late) await take();
  }
  await take();
  decoder.cancel();
  return { lines, fault: decoder.fault };
}

/** The chunks that come of cutting these bytes at these places. */
function cut(bytes: Uint8Array, places: number[]): Uint8Array[] {
  const ends = [...new Set(places)].filter((p) => p > 0 && p < bytes.length).sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, i) => bytes.slice(i === 0 ? 0 : ends[i - 1], end));
}

function join(...parts: (string | number[])[]): Uint8Array {
  return new Uint8Array(parts.flatMap((p) => typeof p === "string" ? [...encoder.encode(p)] : p));
}

Deno.test("lines: LF, CRLF and NUL end a line, alone and mixed; a CR elsewhere is part of it", async () => {
  assertEquals((await decode(["a\nb\r\nc\0d\r\0\n\r\n\0e\rf\r\r\ng\n"])).lines, ["a", "b", "c", "d", "", "", "", "e\rf\r", "g"]);
});

Deno.test("lines: what stands unfinished at the end is discarded", async () => {
  for (const tail of ["", "b", "b\r", "\r", "é", "a line that is a little longer"]) {
    assertEquals(await decode(["a\n" + tail]), { lines: ["a"], fault: undefined });
    assertEquals(await decode(["a\n", tail]), { lines: ["a"], fault: undefined });
    assertEquals(await decode([tail]), { lines: [], fault: undefined });
  }
  assertEquals(await decode([join("a\nb", [0xe4, 0xbd])]), { lines: ["a"], fault: undefined });
});

Deno.test("lines: split at every position, in one piece, and byte by byte", async () => {
  const text = '{"msg":"é 你好 👩‍🚀"}\r\n\0{"a":1}\0\n\ufeff{"msg":"\u0001\u007f\u0080"}\n\r\n{"b":2}\r\0rest';
  const bytes = encoder.encode(text);
  const expected = { lines: ['{"msg":"é 你好 👩‍🚀"}', "", '{"a":1}', "", '\ufeff{"msg":"\u0001\u007f\u0080"}', "", '{"b":2}'], fault: undefined };
  assertEquals(await decode([bytes]), expected);
  assertEquals(await decode([...bytes].map((b) => new Uint8Array([b]))), expected);
  for (let at = 1; at < bytes.length; at++) assertEquals(await decode(cut(bytes, [at])), expected, `cut at ${at}`);
});

Deno.test("lines: a byte order mark is a character like others, at the beginning of a chunk too", async () => {
  assertEquals((await decode(["\ufeffa\n", "\ufeffb\n"])).lines, ["\ufeffa", "\ufeffb"]);
});

Deno.test("lines: the guard counts bytes, up to the limit and not one more, wherever it is cut", async () => {
  const max = 10;
  for (const end of ["\n", "\r\n", "\0", "\r\0"]) {
    for (const full of ["0123456789", "é234567é", "4567你好"]) {
      assertEquals(encoder.encode(full).length, max);
      const good = encoder.encode("x\n" + full + end + "y\n");
      const bad = encoder.encode("x\n" + full + "!" + end + "y\n");
      for (let at = 0; at < bad.length; at++) {
        assertEquals(await decode(cut(good, [at]), max), { lines: ["x", full, "y"], fault: undefined }, `${JSON.stringify(full + end)} cut at ${at}`);
        assertEquals(await decode(cut(bad, [at]), max), { lines: ["x"], fault: "too long" }, `${JSON.stringify(full + "!" + end)} cut at ${at}`);
      }
      assertEquals(await decode([...bad].map((b) => new Uint8Array([b])), max), { lines: ["x"], fault: "too long" }, "byte by byte");
    }
  }
});

Deno.test("lines: a line without an end is too long as soon as it is, and costs no more than the limit", () => {
  const decoder = new LineDecoder(1000);
  const chunk = new Uint8Array(100).fill(97);
  let fed = 0;
  while (!decoder.fault && fed < 10_000) {
    decoder.feed(chunk);
    fed += chunk.length;
  }
  assertEquals([decoder.fault, fed], ["too long", 1100]);
  assertEquals(decoder.next(), undefined);
  decoder.cancel();
});

Deno.test("lines: 65,536 bytes in chunks as a socket gives them", async () => {
  const line = "x".repeat(65536);
  for (const size of [1024, 16384, 1000]) {
    const bytes = encoder.encode(line + "\r\n" + line + "x\n");
    const places = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => i * size);
    assertEquals(await decode(cut(bytes, places)), { lines: [line], fault: "too long" }, `chunks of ${size}`);
  }
});

const invalid: Record<string, number[]> = {
  "a continuation alone": [0x80],
  "a byte that never is": [0xff],
  "cut short by ASCII": [0xe4, 0xbd, 0x41],
  "cut short by the line's end": [0xe4, 0xbd],
  "a lone surrogate": [0xed, 0xa0, 0x80],
  "an overlong slash": [0xc0, 0xaf],
  "beyond U+10FFFF": [0xf4, 0x90, 0x80, 0x80],
};

for (const [what, bytes] of Object.entries(invalid)) {
  Deno.test(`lines: not UTF-8 (${what}): the lines before it come out, nothing after it`, async () => {
    const all = join("a\né\n", "{", bytes, "}\nafter\n");
    const expected: Decoded = { lines: ["a", "é"], fault: "not UTF-8" };
    assertEquals(await decode([all]), expected, "in one chunk");
    assertEquals(await decode(["a\n", "é\n", join("{", bytes, "}\nafter\n")]), expected, "in a later chunk");
    assertEquals(await decode([...all].map((b) => new Uint8Array([b]))), expected, "byte by byte");
    for (let at = 1; at < all.length; at++) assertEquals(await decode(cut(all, [at])), expected, `cut at ${at}`);
  });
}

Deno.test("lines: of two faulty lines the first one is the fault", async () => {
  assertEquals(await decode([join("a\n", [0xff], "\n0123456789\n")], 5), { lines: ["a"], fault: "not UTF-8" });
  assertEquals(await decode([join("a\n0123456789\n", [0xff], "\n")], 5), { lines: ["a"], fault: "too long" });
});

Deno.test("lines: those that are whole are there at once; one that comes in pieces is waited for, and those behind it wait with it", async () => {
  const decoder = new LineDecoder(100);
  decoder.feed(encoder.encode("a\nb\nhal"));
  assertEquals([decoder.next(), decoder.next(), decoder.next()], ["a", "b", undefined]);
  decoder.feed(encoder.encode("f\nc\n"));
  const joined = decoder.next();
  assert(joined instanceof Promise);
  assertEquals([await joined, decoder.next(), decoder.next()], ["half", "c", undefined]);
  decoder.cancel();
});

/** The same, slowly and simply: all bytes at once. `faults`: what may be said of the line at which it stopped. */
function reference(bytes: Uint8Array, maxLine: number): { lines: string[]; faults: (Fault | undefined)[] } {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const faultsOf = (line: Uint8Array) => {
    const faults: Fault[] = [];
    if (line.length > maxLine) faults.push("too long");
    try {
      strict.decode(line);
    } catch {
      faults.push("not UTF-8");
    }
    return faults;
  };
  const lines: string[] = [];
  let start = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== 10 && bytes[at] !== 0) continue;
    const line = bytes.slice(start, at > start && bytes[at - 1] === 13 ? at - 1 : at);
    const faults = faultsOf(line);
    if (faults.length > 0) return { lines, faults };
    lines.push(strict.decode(line));
    start = at + 1;
  }
  // What is unfinished is discarded; a fault in it may have been noticed or not.
  return { lines, faults: [undefined, ...faultsOf(bytes.slice(start))] };
}

Deno.test("lines: any cutting of any bytes gives the same lines", async () => {
  const piece = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom("\n", "\r\n", "\0", "\r", "a", "bc").map((s) => [...encoder.encode(s)]) },
    { weight: 3, arbitrary: fc.constantFrom("é", "你", "👩", "\ufeff").map((s) => [...encoder.encode(s)]) },
    { weight: 1, arbitrary: fc.constantFrom(...Object.values(invalid)) },
    { weight: 1, arbitrary: fc.nat(255).map((b) => [b]) },
  );
  const input = fc.array(piece, { maxLength: 40 }).map((pieces) => new Uint8Array(pieces.flat()));
  await fc.assert(
    fc.asyncProperty(
      input,
      fc.array(fc.nat(80), { maxLength: 20 }),
      fc.integer({ min: 1, max: 12 }),
      fc.boolean(),
      async (bytes, places, maxLine, late) => {
        const { lines, faults } = reference(bytes, maxLine);
        const decoded = await decode(cut(bytes, places), maxLine, late);
        assertEquals(decoded.lines, lines);
        assert(faults.includes(decoded.fault), `${decoded.fault}, not ${faults.join(" or ")}`);
      },
    ),
    { numRuns: 3000 },
  );
});

Deno.test("lines: to take a chunk in costs little, however many lines are in it: they are cut when they are asked for", () => {
  const chunk = encoder.encode("\n".repeat(16_384));
  const took = { feed: Infinity, all: Infinity };
  for (let i = 0; i < 10; i++) {
    const decoder = new LineDecoder(65_536);
    const begun = performance.now();
    decoder.feed(chunk);
    took.feed = Math.min(took.feed, performance.now() - begun);
    let count = 0;
    while (decoder.next() !== undefined) count++;
    assertEquals(count, chunk.length);
    took.all = Math.min(took.all, performance.now() - begun);
  }
  assert(took.feed < took.all / 4, JSON.stringify(took));
});
