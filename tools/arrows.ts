/**
 * Arrows between the folders run one way: `deno run --allow-read tools/arrows.ts`. A folder imports what stands below it in this order, types too, and
 * nothing beside or above it. docs/architecture.md says what each is for.
 */

/** From the top down; what stands in one row does not know each other. A file of `src/` itself counts as a folder. */
export const order: readonly (readonly string[])[] = [
  ["main.ts"],
  ["src/cli", "src/web"],
  ["src/server.ts", "src/client"],
  ["src/parts.ts"],
  ["src/dispatcher.ts", "src/http"],
  ["src/chat"],
  ["src/presence"],
  ["src/auth", "src/files", "src/push"],
  ["src/net"],
  ["src/cluster"],
  ["src/store"],
  ["src/ops"],
  ["src/config"],
  ["src/async", "src/search", "src/node.ts", "src/ip.ts", "src/wire", "src/std.d.ts", "deno.json"],
];

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g;

/** The folder that a file belongs to, and its row. Throws an Error if it has none. */
function placeOf(path: string): { folder: string; row: number } {
  const folder = path.split("/").slice(0, 2).join("/");
  const row = order.findIndex((folders) => folders.includes(folder));
  if (row < 0) throw new Error(`${folder} has no place in the order of tools/arrows.ts`);
  return { folder, row };
}

/** The imports that run back. @param files source texts by their path from the root, such as `src/net/tcp.ts` */
export function backArrows(files: ReadonlyMap<string, string>): { from: string; to: string }[] {
  const found: { from: string; to: string }[] = [];
  for (const [from, text] of files) {
    const here = placeOf(from);
    for (const [, target] of text.matchAll(IMPORT)) {
      const to = new URL(target!, `file:///${from}`).pathname.slice(1);
      const there = placeOf(to);
      if (there.folder !== here.folder && there.row <= here.row) found.push({ from, to });
    }
  }
  return found;
}

/** main.ts and what stands in src/, by path. */
export async function sources(root: URL = new URL("../", import.meta.url)): Promise<Map<string, string>> {
  const files = new Map([["main.ts", await Deno.readTextFile(new URL("main.ts", root))]]);
  const folders = ["src/"];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
      const path = folder + name;
      if (isDirectory) folders.push(path + "/");
      else if (/\.tsx?$/.test(name) && !path.startsWith("src/web/dist/")) files.set(path, await Deno.readTextFile(new URL(path, root)));
    }
  }
  return files;
}

if (import.meta.main) {
  const arrows = new Set(backArrows(await sources()).map(({ from, to }) => `${from} -> ${to}`));
  for (const arrow of [...arrows].sort()) console.error(`this arrow runs back: ${arrow}`);
  if (arrows.size > 0) Deno.exit(1);
}
