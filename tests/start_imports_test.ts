// What takes long to load is loaded when it is first needed: a start waits for none of it.

import { assert, assertEquals } from "@std/assert";

/** Each takes as long to load as an empty server takes to start, or half of it; the last two are of those who have several nodes. */
const SLOW = /^node:(fs|crypto|net|http|https|stream|tls)(\/|$)|^npm:.*(mysql2|@redis\/client)@/;

interface Module {
  specifier: string;
  dependencies?: { isDynamic?: boolean; code?: { specifier?: string } }[];
}

Deno.test("start: no module that it waits for loads what takes long", async () => {
  const root = new URL("../src/server.ts", import.meta.url).href;
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", root], stderr: "null" }).output();
  assert(success);
  const modules = new Map((JSON.parse(new TextDecoder().decode(stdout)).modules as Module[]).map((module) => [module.specifier, module]));
  const seen = new Set([root]), slow: string[] = [];
  for (const specifier of seen) {
    for (const { isDynamic, code } of modules.get(specifier)?.dependencies ?? []) {
      if (isDynamic || code?.specifier === undefined) continue;
      if (SLOW.test(code.specifier)) slow.push(`${specifier.slice(root.length - "src/server.ts".length)} loads ${code.specifier}`);
      seen.add(code.specifier);
    }
  }
  assert(seen.size > 50, `${seen.size} modules`);
  assertEquals(slow, []);
});
