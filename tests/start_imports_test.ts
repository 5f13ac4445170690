// A start waits for no module that it can do without: before the ready line there is what can refuse it, and all else is loaded behind it.

import { assert, assertEquals } from "@std/assert";

/** What it waits for: main.ts loads the first, store/open.ts the second. */
const ROOTS = ["src/cli/serve.ts", "src/store/sqlite.ts"];
/** Each of Node's modules but SQLite's brings what takes a third of an empty server's start, or several times that; of packages it needs none. */
const SLOW = /^(node:(?!sqlite$)|npm:)/;
/** What serves those who come. */
const LATER = /^src\/(parts\.ts|dispatcher\.ts|(auth|chat|cluster|http|presence|push|search)\/)/;
/** Modules are read one after the other, 0.2 to 0.3 ms each, and an empty server starts in 15. There were 32 when this was written, and 165 before. */
const MOST = 40;

interface Module {
  specifier: string;
  dependencies?: { isDynamic?: boolean; code?: { specifier?: string } }[];
}

Deno.test("start: no module that it waits for loads what takes long, or what is needed later", async () => {
  const folder = new URL("../", import.meta.url).href;
  const nameOf = (specifier: string) => specifier.startsWith(folder) ? specifier.slice(folder.length) : specifier;
  const seen = new Set<string>(), wrong: string[] = [];
  for (const root of ROOTS) {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", folder + root], stderr: "null" }).output();
    assert(success);
    const modules = new Map((JSON.parse(new TextDecoder().decode(stdout)).modules as Module[]).map((module) => [nameOf(module.specifier), module]));
    assert(modules.has(root));
    seen.add(root);
    for (const name of seen) {
      for (const { isDynamic, code } of modules.get(name)?.dependencies ?? []) {
        if (isDynamic || code?.specifier === undefined) continue;
        const loaded = nameOf(code.specifier);
        if (SLOW.test(loaded) || LATER.test(loaded)) wrong.push(`${name} loads ${loaded}`);
        seen.add(loaded);
      }
    }
  }
  assertEquals(wrong, []);
  assert(seen.size > 20 && seen.size <= MOST, `${seen.size} modules`);
});
