// The README says what is so.

import { assert } from "@std/assert";
import { flagTable } from "../src/cli/help.ts";

Deno.test("README: its table of flags is the server's own", async () => {
  const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  assert(readme.includes(flagTable()), `the table in README.md should read:\n${flagTable()}`);
});
