// What the server may not do, whatever is sent to it: run a program, load a library, read another's variable. Shown by a program that tries, in the server's place.

import { assert, assertEquals, assertMatch } from "@std/assert";
import deno from "../deno.json" with { type: "json" };
import { fromSource } from "./support/program.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const probe = `${ROOT}tests/support/permission_probe.ts`;
const env = { HOME: Deno.env.get("HOME") ?? "/", LD_PRELOAD: "", NATTER_LISTEN: "127.0.0.1:0", NO_COLOR: "1" };

/** Runs a command, and looks at what the probe could do. Undefined: the command failed, and said so. */
async function attemptsOf([command, ...args]: string[], cwd: string): Promise<{ done: string[]; refused: string[]; said: string }> {
  const { stdout, stderr } = await new Deno.Command(command, { args, cwd, env, stdin: "null" }).output();
  const [lines, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (lines === "") return { done: [], refused: [], said };
  const outcomes = JSON.parse(lines) as [name: string, outcome: string][];
  const done = outcomes.filter(([, outcome]) => outcome === "done").map(([name]) => name);
  for (const [name, outcome] of outcomes) if (!done.includes(name)) assertEquals(outcome, "NotCapable", name);
  return { done, refused: outcomes.map(([name]) => name).filter((name) => !done.includes(name)), said };
}

function assertConfined({ done, refused, said }: { done: string[]; refused: string[]; said: string }): void {
  assertEquals(done.filter((name) => !name.startsWith("may: ")), [], said);
  assertEquals(done.length, 6, "and it can do what it needs");
  for (const kind of ["run", "ffi", "env", "memory", "sys"]) assert(refused.some((name) => name.startsWith(`${kind}: `)), kind);
}

/** The tasks of this project, in a folder where the probe stands in the server's place, and nothing is to be built. */
async function stage(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "natter_test_" });
  for (const folder of ["tools", "src/web/dist", "src/web/worker"]) await Deno.mkdir(`${path}/${folder}`, { recursive: true });
  for (const folder of ["", "src/web/", "src/web/worker/"]) await Deno.copyFile(`${ROOT}${folder}deno.json`, `${path}/${folder}deno.json`);
  await Deno.copyFile(probe, `${path}/main.ts`);
  for (const file of ["tools/build_page.ts", "src/std.d.ts", "schema.sql"]) await Deno.writeTextFile(`${path}/${file}`, "");
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("permissions: with the server's set a program is confined", async () => {
  const cwd = await Deno.makeTempDir({ prefix: "natter_test_" });
  // As the tests of the whole program run it, but for what is run.
  assertConfined(await attemptsOf([...fromSource.slice(0, -1), probe], cwd));
  await Deno.remove(cwd);
});

Deno.test("permissions: deno task start runs the server with that set", async () => {
  await using there = await stage();
  assertConfined(await attemptsOf([Deno.execPath(), "task", "--quiet", "start"], there.path));
});

Deno.test("permissions: deno task compile fixes that set in the program; left out without the base program that it needs", async () => {
  await using there = await stage();
  // Once without, so that nothing but the permissions can be the reason.
  const { said } = await attemptsOf([Deno.execPath(), "task", "compile"], there.path);
  const program = `${there.path}/natter`;
  if (!await Deno.stat(program).then(() => true, () => false)) {
    assertMatch(said, /Setting up base binary|dl\.deno\.land/);
    return;
  }
  assertConfined(await attemptsOf([program], there.path));
});

Deno.test("permissions: no run and no ffi in the set, and no variables but its own and what libraries ask for", () => {
  const { server } = deno.permissions;
  assertEquals(Object.keys(server).toSorted(), ["env", "net", "read", "sys", "write"]);
  for (const name of server.env) assertMatch(name, /^(NATTER_\*|TERM|TZ|WS_NO_\w+|REDIS_(DEBUG_MAINTENANCE|EMIT_DIAGNOSTICS))$/);
  assertEquals(server.sys, ["hostname", "statfs"]);
});
