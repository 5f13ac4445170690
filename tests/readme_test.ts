// The README says what is so.

import { assert } from "@std/assert";
import { flagTable } from "../src/cli/help.ts";

/** A table without what only aligns its columns. */
const plain = (text: string) => text.replace(/ *\| */g, "|").replace(/-{3,}/g, "---");

Deno.test("README: its table of flags is the server's own", async () => {
  const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  assert(plain(readme).includes(plain(flagTable())), `the table in README.md should read:\n${flagTable()}`);
});
