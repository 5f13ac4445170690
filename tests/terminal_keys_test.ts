// What the keyboard gives, in whatever pieces: pastes, keys, and bytes that are no text.

import { assertEquals } from "@std/assert";
import { Keys } from "../src/client/terminal/keys.ts";

const encoder = new TextEncoder();

/** Feeds bytes in pieces of that size. @returns what readline would get, and whether something was broken */
function fed(bytes: Uint8Array, size: number, line = { line: "", cursor: 0 }): { got: string; broken: boolean } {
  const keys = new Keys(() => {});
  keys.line = line;
  let got = "";
  keys.on("data", (data) => got += data);
  for (let at = 0; at < bytes.length; at += size) keys.feed(bytes.subarray(at, at + size));
  keys.destroy();
  return { got, broken: keys.broken };
}

Deno.test("terminal keys: a paste is one line of text, however it is cut into pieces", () => {
  const typed = "a你\x1b[200~/quit\r\nb\rc\n\n\x1b[A\x03é\u2028d\x9be\n\n\x1b[201~\r\x1b[Az👍";
  const expected = "a你/quit␤b␤c␤␤[Aé␤de\r\x1b[Az👍";
  const bytes = encoder.encode(typed);
  for (let size = 1; size <= bytes.length; size++) assertEquals(fed(bytes, size), { got: expected, broken: false }, `${size}`);
});

Deno.test("terminal keys: left, right, backspace and delete go by characters as people see them", () => {
  const family = "👨‍👩‍👧", line = `a${family}b`;
  const at = (cursor: number, key: string) => fed(encoder.encode(key), 100, { line, cursor }).got;
  for (const key of ["\x1b[D", "\x02", "\x7f", "\x1bOD"]) {
    assertEquals(at(1 + family.length, key), key.repeat(5));
    assertEquals(at(1, key), key);
    assertEquals(at(0, key), key);
  }
  for (const key of ["\x1b[C", "\x06", "\x1b[3~", "\x04"]) {
    assertEquals(at(1, key), key.repeat(5));
    assertEquals(at(line.length, key), key);
  }
  assertEquals(at(1, "\x1b[A"), "\x1b[A");
});

Deno.test("terminal keys: what is not UTF-8 is told; what came in pieces, or is a � itself, is not", () => {
  for (const bytes of [[0xff], [0xc3, 0x28], [0x61, 0x80, 0x62], [0xed, 0xa0, 0x80, 0x61], [0xf5, 0x80], [0xe4, 0xbd, 0x61]]) {
    for (const size of [1, 2, 10]) assertEquals(fed(Uint8Array.from(bytes), size).broken, true, `${bytes} by ${size}`);
  }
  for (const text of ["你好�", "👍🏽", "é"]) {
    for (const size of [1, 2, 3]) assertEquals(fed(encoder.encode(text), size), { got: text, broken: false });
  }
});
