// What files are called, what they are, and how large pictures are: by their bytes, however hostile.

import { assert, assertEquals } from "@std/assert";
import { imageSize } from "../src/files/image_size.ts";
import { cleanName, dispositionOf } from "../src/files/name.ts";
import { isShown, typeOf } from "../src/files/type.ts";

Deno.test("files: names are harmless", () => {
  for (
    const [given, name] of [
      ["photo.jpg", "photo.jpg"],
      ["../../etc/passwd", "passwd"],
      ["C:\\temp\\a.txt", "a.txt"],
      ["..", "file"],
      [".", "file"],
      ["", "file"],
      ["/", "file"],
      [".bashrc", "bashrc"],
      ["a\0b\r\nset-cookie: x", "abset-cookie: x"],
      ['say "hi".txt', 'say "hi".txt'],
      ["photo\u202egpj.exe", "photogpj.exe"],
      ["\u200e\u2066a\u2069.txt", "a.txt"],
      ["名前\u3000.txt ", "名前\u3000.txt"],
      ["👩\u200d🚀.png", "👩\u200d🚀.png"],
      ["\ud800.txt", "\ufffd.txt"],
      ["x".repeat(300) + ".jpeg", "x".repeat(195) + ".jpeg"],
      ["👍".repeat(300), "👍".repeat(200)],
      ["x." + "y".repeat(300), "x." + "y".repeat(198)],
      ["x".repeat(198) + " ." + "y".repeat(300), "x".repeat(198)],
    ] as const
  ) assertEquals(cleanName(given), name, given);
  const said = dispositionOf("attachment", `a"b\\c;é'(1)*.txt`);
  assertEquals(said, `attachment; filename="a_b_c____1__.txt"; filename*=UTF-8''a%22b%5Cc%3B%C3%A9%27%281%29%2A.txt`);
  new Headers({ "content-disposition": dispositionOf("inline", cleanName("\u{1f600}\r\n\0\u202e" + "é".repeat(300))) });
});

const latin = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

Deno.test("files: what they are, whatever they say", () => {
  for (
    const [bytes, type, shown] of [
      ["\x89PNG\r\n\x1a\n....", "image/png", true],
      ["\xff\xd8\xff\xe0", "image/jpeg", true],
      ["GIF89a/*<script>*/=1", "image/gif", true],
      ["RIFF....WEBPVP8X", "image/webp", true],
      ["....ftypavif....", "image/avif", true],
      ["....ftypheic....", "image/heic", false],
      ["....ftypisom....", "video/mp4", true],
      ["....ftypqt  ....", "video/quicktime", true],
      ["\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm", true],
      ["RIFF....WAVEfmt ", "audio/wav", true],
      ["ID3\x03\0\0", "audio/mpeg", true],
      ["%PDF-1.7", "application/pdf", false],
      ["PK\x03\x04<html>", "application/zip", false],
      ["<!doctype html><script>1</script>", "text/plain", false],
      ["<svg xmlns='http://www.w3.org/2000/svg' onload='1'/>", "text/plain", false],
      ["<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", "text/plain", false],
      [" \x89PNG\r\n\x1a\n", "application/octet-stream", false],
      ["a\0b", "application/octet-stream", false],
      ["\xff\xfe<\0h\0", "application/octet-stream", false],
      ["", "text/plain", false],
    ] as const
  ) assertEquals([typeOf(latin(bytes)), isShown(type)], [type, shown], bytes);
  assertEquals(typeOf(new TextEncoder().encode("é".repeat(3000)).subarray(0, 4095)), "text/plain");
});

/** Big-endian numbers of so many bytes. */
const number = (value: number, bytes: number) => String.fromCharCode(...Array.from({ length: bytes }, (_, i) => value >>> 8 * (bytes - 1 - i) & 255));
const little = (value: number, bytes: number) => [...number(value, bytes)].reverse().join("");
const segment = (marker: number, body: string) => `\xff${String.fromCharCode(marker)}${number(body.length + 2, 2)}${body}`;
const sizeOf = (type: string, text: string) => {
  const bytes = latin(text);
  let reads = 0;
  const size = imageSize(type, (at, length) => {
    assert(++reads <= 500, "looks at few places");
    return Promise.resolve(bytes.subarray(at, at + length));
  });
  return size;
};

Deno.test("files: how large a picture is, as it is shown", async () => {
  const frame = segment(0xc2, "\x08" + number(300, 2) + number(400, 2) + "\x03");
  const exif = (order: "MM" | "II", orientation: number) => {
    const n = order === "MM" ? number : little;
    return segment(0xe1, `Exif\0\0${order}${n(42, 2)}${n(8, 4)}${n(1, 2)}${n(0x0112, 2)}${n(3, 2)}${n(1, 4)}${n(orientation, 2)}\0\0`);
  };
  for (
    const [type, text, size] of [
      ["image/png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + number(640, 4) + number(480, 4), [640, 480]],
      ["image/gif", "GIF89a" + little(7, 2) + little(9, 2), [7, 9]],
      ["image/webp", "RIFF....WEBPVP8X....\0\0\0\0" + little(999, 3) + little(499, 3), [1000, 500]],
      ["image/webp", "RIFF....WEBPVP8 .......\x9d\x01\x2a" + little(320, 2) + little(200, 2), [320, 200]],
      ["image/webp", "RIFF....WEBPVP8L....\x2f" + little(99 | 49 << 14, 4) + "\0\0\0\0\0", [100, 50]],
      ["image/avif", `....ftypavif....meta....ispe\0\0\0\0${number(64, 4)}${number(64, 4)}ispe\0\0\0\0${number(800, 4)}${number(600, 4)}`, [
        800,
        600,
      ]],
      ["image/jpeg", "\xff\xd8" + segment(0xe0, "JFIF") + frame, [400, 300]],
      ["image/jpeg", "\xff\xd8" + exif("MM", 6) + segment(0xe2, "x".repeat(65_000)).repeat(9) + "\xff" + frame, [300, 400]],
      ["image/jpeg", "\xff\xd8" + exif("II", 8) + frame, [300, 400]],
      ["image/jpeg", "\xff\xd8" + exif("II", 3) + frame, [400, 300]],
      // Hostile ones.
      ["image/jpeg", "\xff\xd8" + "\xff".repeat(100_000), undefined],
      ["image/jpeg", "\xff\xd8" + segment(0xe0, "").repeat(10_000), undefined],
      ["image/jpeg", "\xff\xd8\xff\xe0\0\0", undefined],
      ["image/jpeg", "\xff\xd8" + segment(0xe1, "Exif\0\0MM\0*\xff\xff\xff\xff\xff\xff"), undefined],
      ["image/png", "\x89PNG\r\n\x1a\n", undefined],
      ["image/png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + number(0, 4) + number(480, 4), undefined],
      ["image/png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + "\xff".repeat(8), undefined],
      ["image/gif", "", undefined],
      ["text/plain", "GIF89a....", undefined],
    ] as const
  ) {
    const found = await sizeOf(type, text);
    assertEquals(found && [found.width, found.height], size as number[] | undefined, `${type} ${text.slice(0, 40)}`);
  }
});
