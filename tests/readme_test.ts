// The README says what is so.

import { assert, assertEquals } from "@std/assert";
import { flagTable } from "../src/cli/help.ts";

/** A table without what only aligns its columns. */
const plain = (text: string) => text.replace(/ *\| */g, "|").replace(/-{3,}/g, "---");

Deno.test("README: its table of flags is the server's own", async () => {
  const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  assert(plain(readme).includes(plain(flagTable())), `the table in README.md should read:\n${flagTable()}`);
});

Deno.test("README.zh-CN.md: its transcripts, its flags and its links are README.md's", async () => {
  const [english, chinese] = await Promise.all(
    ["README.md", "README.zh-CN.md"].map((name) => Deno.readTextFile(new URL(`../${name}`, import.meta.url))),
  );
  for (const part of [/(?<=\n\n) {4}\$ .*(?:\n {4}.*)*/g, /^\| `--[^`]+`/gm, /(?<=\]\()(?!README)[^)]+(?=\))/g]) {
    // The Chinese one has pictures of its own.
    const of = (text: string) => (text.match(part) ?? []).map((link) => link.replace(/-zh(?=\.png$)/, "")).sort();
    assertEquals(of(chinese), of(english));
    assert(of(english).length > 3);
  }
});
