// What the documents point to is there.

import { assertEquals } from "@std/assert";

const root = new URL("../", import.meta.url);
const documents = [
  "README.md",
  "README.zh-CN.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "docs/architecture.md",
  "docs/operations.md",
  "docs/performance.md",
  "docs/protocol.md",
];

async function missing(paths: string[], from: URL): Promise<string[]> {
  const there = await Promise.all(paths.map((path) => Deno.stat(new URL(path, from)).then(() => true, () => false)));
  return paths.filter((_, i) => !there[i]);
}

for (const document of documents) {
  Deno.test(`${document}: its links lead somewhere`, async () => {
    const url = new URL(document, root);
    const text = await Deno.readTextFile(url);
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, path]) => path);
    assertEquals(await missing(links, url), []);
  });
}

Deno.test("CONTRIBUTING.md: the files that it names are there", async () => {
  const text = await Deno.readTextFile(new URL("CONTRIBUTING.md", root));
  const named = [...text.matchAll(/`((?:src|tests|docs|conformance)\/[\w/.]+\.\w+)`/g)].map(([, path]) => path);
  assertEquals(await missing(named, root), []);
  assertEquals(named.length > 10, true);
});
