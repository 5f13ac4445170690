/**
 * Names mean one thing, and somebody uses what is exported: `deno run --allow-read tools/names.ts`.
 *
 * A constant of `src/` has one value wherever it has that name, but for the two stores, which say the same thing in their own SQL. A value that a file exports
 * is named in another file (of the tests, at least). Types are exported where a signature needs them, and not looked at.
 */
import { sources } from "./arrows.ts";

const CONSTANTS = /^(?:export )?const ([A-Z][A-Z0-9_]* = .*)$/gm;
const EXPORTS = /^export (?:abstract |async )*(?:const|function\*?|class) (\w+)/gm;
const COMMENTS = /\/\*.*?\*\/|(?<!:)\/\/[^\n]*/gs;

/** The names of constants that have several values, each with where it has them. @param files source texts by their path from the root */
export function manyValued(files: ReadonlyMap<string, string>): Map<string, string[]> {
  const seen = new Map<string, Map<string, string>>();
  for (const [path, text] of files) {
    for (const [, line] of text.matchAll(CONSTANTS)) {
      for (const [, name, value] of line!.matchAll(/(?:^|, )([A-Z][A-Z0-9_]*) = ([^,;]*)/g)) {
        // A store's own SQL.
        if (path.startsWith("src/store/mysql/") || path.startsWith("src/store/sqlite/")) continue;
        const values = seen.get(name!) ?? new Map();
        seen.set(name!, values.set(value!.replaceAll("_", ""), path));
      }
    }
  }
  return new Map([...seen].filter(([, values]) => values.size > 1).map(([name, values]) => [name, [...values.values()]]));
}

/** The values that are exported and named nowhere else. @param files source texts by their path @param others texts that may name them as well */
export function unused(files: ReadonlyMap<string, string>, others: readonly string[]): string[] {
  const words = (text: string) => new Set(text.replace(COMMENTS, "").match(/[A-Za-z_$][\w$]*/g));
  const here = new Map([...files].map(([path, text]) => [path, words(text)])), there = others.map(words);
  return [...files].flatMap(([path, text]) =>
    [...text.matchAll(EXPORTS)].map(([, name]) => name!)
      .filter((name) => !there.some((used) => used.has(name)) && ![...here].some(([user, used]) => user !== path && used.has(name)))
      .map((name) => `${path}: ${name}`)
  );
}

/** What stands in the folders of the root that use the sources. */
async function users(root: URL = new URL("../", import.meta.url)): Promise<string[]> {
  const texts: string[] = [];
  const folders = ["bench/", "conformance/", "docs/", "examples/", "tests/", "tools/"];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
      if (isDirectory && name !== "compat_0_1") folders.push(`${folder}${name}/`);
      else if (/\.tsx?$/.test(name)) texts.push(await Deno.readTextFile(new URL(folder + name, root)));
    }
  }
  return texts;
}

if (import.meta.main) {
  const files = await sources();
  const faults = [
    ...[...manyValued(files)].map(([name, where]) => `${name} has several values: ${where.join(", ")}`),
    ...unused(files, await users()).map((what) => `exported, and used nowhere: ${what}`),
  ];
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) Deno.exit(1);
}
