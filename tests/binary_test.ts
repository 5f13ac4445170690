// The compiled program: one file, which needs nothing beside it. Left out where `deno compile` cannot get the base program it builds on.

import { assertEquals } from "@std/assert";
import deno from "../deno.json" with { type: "json" };
import { buildPage } from "../tools/build_page.ts";
import { hasMysql, testDatabase } from "./support/databases.ts";
import { Program, run } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { eventually } from "./support/server.ts";

const folder = await Deno.makeTempDir({ prefix: "natter_test_" });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

// As the task does it, but not into the checkout.
await buildPage();
const byTask = await compile("natter", deno.tasks.compile.command);
// The README's line for those who compile by hand.
const byHand = byTask && await compile("natter-a", "deno compile -A --include schema.sql --include src/web/dist --output natter main.ts");

/** The program's path; undefined if there is no base program to build on. Throws an Error if it cannot be compiled for another reason. */
async function compile(name: string, line: string): Promise<string | undefined> {
  // Types are checked by `deno check`; doing it again for each program takes longer than all else here.
  const args = line.replace("--output natter", `--no-check --output ${folder}/${name}`).split(" ").slice(1);
  const command = new Deno.Command(Deno.execPath(), { args, cwd: new URL("../", import.meta.url), stdin: "null", env: { NO_COLOR: "1" } });
  const { success, stderr } = await command.output();
  if (success) return `${folder}/${name}`;
  const said = new TextDecoder().decode(stderr);
  if (!/Setting up base binary|dl\.deno\.land/.test(said)) throw new Error(`deno compile failed: ${said}`);
  console.error("The compiled program's tests are left out: deno compile cannot download its base program (or set DENORT_BIN).");
  return undefined;
}

/** An empty folder to start in; the environment is empty as well. */
async function emptyPlace(program: string): Promise<{ program: string[]; env: Record<string, string>; cwd: string }> {
  return { program: [program], env: {}, cwd: await Deno.makeTempDir({ dir: folder }) };
}

for (const [how, program] of [["deno task compile", byTask], ["deno compile -A", byHand]] as const) {
  Deno.test({
    name: `binary (${how}): register, log in, be cut off, be offline in the database; exit code 0 on SIGTERM`,
    ignore: program === undefined,
    fn: async () => {
      const place = await emptyPlace(program ?? "");
      await using server = new Program(["--listen", "127.0.0.1:0", "--http", "off"], place);
      const { tcp } = await server.ready();
      await using client = await RawClient.connect(tcp);
      const { id, errno } = await client.register("张三", "secret");
      assertEquals(errno, 0);
      assertEquals((await client.login({ name: "张三", password: "secret", proto: 2 })).errno, 0);
      assertEquals(await stateIn(`${place.cwd}/natter.db`, id), "online");
      await client.rst();
      await eventually(async () => await stateIn(`${place.cwd}/natter.db`, id) === "offline", "offline after a reset");
      server.kill("SIGTERM");
      const { code, stdout, stderr } = await server.ended();
      assertEquals([code, stdout], [0, `natter ready tcp=127.0.0.1:${tcp}\n`], stderr);
    },
  });
}

Deno.test({
  name: "binary: natter chat, with the permissions it has",
  ignore: byTask === undefined,
  fn: async () => {
    const place = await emptyPlace(byTask ?? "");
    await using server = new Program(["--listen", "127.0.0.1:0", "--http", "off"], place);
    const { tcp } = await server.ready();
    const chat = ["chat", `127.0.0.1:${tcp}`, "--name", "alice", "--register"];
    assertEquals(await run(chat, { ...place, env: { NATTER_PASSWORD: "secret" } }), { code: 0, stdout: "", stderr: "" });
  },
});

Deno.test({
  name: "binary: MySQL, with the schema that travels inside",
  ignore: byTask === undefined || !hasMysql,
  fn: async () => {
    await using db = await testDatabase("mysql");
    await using server = new Program(["--listen", "127.0.0.1:0", "--http", "off", "--database", db.url], await emptyPlace(byTask ?? ""));
    const { tcp } = await server.ready();
    await using client = await RawClient.connect(tcp);
    const { id, errno } = await client.register("李四", "secret");
    assertEquals(errno, 0);
    assertEquals(await db.query(`select name from user where id = ${id}`), [{ name: "李四" }]);
    server.kill("SIGTERM");
    assertEquals((await server.ended()).code, 0);
  },
});

for (const [how, program] of [["deno task compile", byTask], ["deno compile -A", byHand]] as const) {
  Deno.test({
    name: `binary (${how}): the web page travels inside, as it was built`,
    ignore: program === undefined,
    fn: async () => {
      await using server = new Program(["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"], await emptyPlace(program ?? ""));
      const { http } = await server.ready();
      for (const file of ["index.html", "app.js", "styles.css"]) {
        const response = await fetch(`http://127.0.0.1:${http}/${file === "index.html" ? "" : file}`);
        assertEquals(await response.text(), await Deno.readTextFile(new URL(`../src/web/dist/${file}`, import.meta.url)), file);
      }
    },
  });
}

Deno.test({
  name: "binary: --version, and a bad setting",
  ignore: byTask === undefined,
  fn: async () => {
    const place = await emptyPlace(byTask ?? "");
    assertEquals(await run(["--version"], place), { code: 0, stdout: `natter ${deno.version}\n`, stderr: "" });
    assertEquals((await run(["--listen", "6000"], place)).code, 2);
    assertEquals([...Deno.readDirSync(place.cwd)], []);
  },
});

async function stateIn(path: string, id: number | undefined): Promise<unknown> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA busy_timeout = 5000");
    return db.prepare("select state from user where id = ?").get(id ?? null)?.state;
  } finally {
    db.close();
  }
}
