// Arrows between folders run one way, and what watches over them sees those that do not.

import { assertEquals, assertThrows } from "@std/assert";
import { backArrows, order, sources } from "../tools/arrows.ts";

const seen = (from: string, text: string) => backArrows(new Map([[from, text]])).map(({ to }) => to);

Deno.test("arrows: an import that runs up or sideways is found, however it is written; one that runs down is none", () => {
  for (
    const text of [
      'import { A } from "../chat/a.ts";',
      'import type {\n  A,\n} from "../chat/a.ts";',
      'export * from "../chat/a.ts";',
      'await import("../chat/a.ts")',
    ]
  ) {
    assertEquals(seen("src/net/b.ts", text), ["src/chat/a.ts"], text);
    assertEquals(seen("src/chat/b.ts", text), [], text);
    assertEquals(seen("src/server.ts", text.replace("..", ".")), [], text);
  }
  assertEquals(seen("src/store/sqlite/b.ts", 'import "../../cluster/bus.ts";\nimport "../store.ts";\nimport "../../wire/errors.ts";'), [
    "src/cluster/bus.ts",
  ]);
  assertEquals(seen("src/wire/b.ts", 'import "../async/a.ts";'), ["src/async/a.ts"]);
  assertThrows(() => seen("src/elsewhere/a.ts", 'import "../wire/a.ts";'), Error, "src/elsewhere has no place");
});

Deno.test("arrows: every source is looked at, and each folder has its place", async () => {
  const files = await sources();
  assertEquals([files.has("main.ts"), files.has("src/store/mysql/append.ts"), files.has("src/web/app.tsx")], [true, true, true]);
  backArrows(files);
});

Deno.test("arrows: docs/architecture.md draws them as they are", async () => {
  const text = await Deno.readTextFile(new URL("../docs/architecture.md", import.meta.url));
  const drawn = /^ {4}main\.ts -> (?:.|\n {4})*/m.exec(text)![0].trim().split(/\s*->\s*/).map((row) => row.split(", "));
  // Single files at the bottom are not drawn.
  const drawable = order.map((row) => row.map((folder) => folder.replace(/^src\//, "")));
  drawable[drawable.length - 1] = drawable.at(-1)!.filter((folder) => !folder.includes("."));
  assertEquals(drawn, drawable);
});
