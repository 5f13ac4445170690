// Names mean one thing, and somebody uses what is exported; what watches over that sees where it is not so.

import { assertEquals } from "@std/assert";
import { manyValued, unused } from "../tools/names.ts";

Deno.test("names: a constant with two values is found, but not two stores with their own SQL", () => {
  const files = new Map([
    ["src/a.ts", "const A = 1_000, B = 2;"],
    ["src/b.ts", "export const A = 1000;\nconst B = 3;"],
    ["src/store/sqlite/c.ts", 'const C = "?1";'],
    ["src/store/mysql/c.ts", 'const C = "?";'],
  ]);
  assertEquals([...manyValued(files)], [["B", ["src/a.ts", "src/b.ts"]]]);
});

Deno.test("names: what is exported and named nowhere is found, a comment names nothing", () => {
  const files = new Map([
    ["src/a.ts", "export const A = 1;\nexport function b() {}\nexport class C {}\nexport type D = 1;"],
    ["src/b.ts", "// b and A\nnew C();"],
  ]);
  assertEquals(unused(files, ['import { b } from "../src/a.ts";']), ["src/a.ts: A"]);
});
