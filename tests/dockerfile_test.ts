// The first stage of deploy/Dockerfile has all that its tasks need: what .dockerignore lets through and COPY names is enough to build from.

import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import deno from "../deno.json" with { type: "json" };

const root = new URL("../", import.meta.url).pathname;
const lines = async (name: string) => (await Deno.readTextFile(`${root}deploy/${name}`)).trim().split("\n");

/** What the build sees: by .dockerignore all is left out but these, and of them the others. */
async function context(): Promise<(path: string) => boolean> {
  const [all, ...rest] = await lines("Dockerfile.dockerignore");
  assertEquals(all, "*");
  const letIn = rest.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  const leftOut = rest.filter((line) => !line.startsWith("!"));
  const within = (path: string, folders: string[]) => folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
  return (path) => within(path, letIn) && !within(path, leftOut);
}

/** Copies a file or a folder, as far as it is seen. */
async function copy(name: string, to: string, seen: (path: string) => boolean): Promise<void> {
  if (!(await Deno.stat(`${root}${name}`)).isDirectory) {
    assert(seen(name), `${name} is left out by Dockerfile.dockerignore`);
    await Deno.mkdir(dirname(to), { recursive: true });
    return await Deno.copyFile(`${root}${name}`, to);
  }
  for await (const entry of Deno.readDir(`${root}${name}`)) {
    const path = `${name}/${entry.name}`;
    if (seen(path)) await copy(path, `${to}/${entry.name}`, seen);
  }
}

async function run(cwd: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd, stdin: "null", stdout: "null", stderr: "piped" }).output();
  assert(success, `deno ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

Deno.test("Dockerfile: what it copies is enough for what it runs", async () => {
  const seen = await context();
  const folder = await Deno.makeTempDir({ prefix: "natter_test_" });
  try {
    const first = (await lines("Dockerfile")).join("\n").split(/^FROM /m)[1]!.split("\n");
    let tasks = 0;
    for (const line of first) {
      const [, names, to] = /^COPY (.+) (\S+)$/.exec(line) ?? [];
      for (const name of names?.split(" ") ?? []) {
        // Behind a folder's name COPY puts what is in it, a file goes under its own name.
        const whole = (await Deno.stat(`${root}${name}`)).isDirectory;
        await copy(name, `${folder}/${whole ? to : `${to}${name.split("/").at(-1)}`}`, seen);
      }
      if (/^RUN deno install/.test(line)) await run(folder, "install", "--quiet", "--frozen");
      // `deno compile` itself is binary_test's: here, that its page can be built and all that it takes in is there.
      if (/^RUN deno task compile\b/.test(line)) {
        for (const task of deno.tasks.compile.dependencies) await run(folder, "task", "--quiet", task);
        for (const [, name] of deno.tasks.compile.command.matchAll(/--include (\S+)/g)) await Deno.stat(`${folder}/${name}`);
        await run(folder, "cache", "--quiet", "--frozen", "main.ts");
        tasks++;
      }
    }
    assertEquals(tasks, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
