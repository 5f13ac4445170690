// One SQLite file, one server; and a file that is not there any more, or cannot be written to.

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { type TestDatabase, testDatabase, waitingTests } from "./support/databases.ts";
import { denoEnv, fromSource, Program, run } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, type ServerProcess, spawnServer, stateOf, type TestUser } from "./support/server.ts";

const linux = Deno.build.os === "linux";

const pathOf = (db: TestDatabase) => db.url.slice("sqlite:".length);
const folderOf = (db: TestDatabase) => pathOf(db).slice(0, -"/natter.db".length);

/** A fresh database with two users. */
async function fresh(): Promise<{ db: TestDatabase; ada: TestUser; bob: TestUser }> {
  const db = await testDatabase("sqlite");
  await (await db.open()).close();
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  return { db, ada, bob };
}

async function loggedIn(port: number, { id, token }: TestUser): Promise<RawClient> {
  const client = await RawClient.connect(port);
  assertEquals((await client.login({ id, token, proto: 2 })).errno, 0);
  return client.answerPings();
}

const chat = async (client: RawClient, to: TestUser, msg: string) => (await client.request({ msgid: 6, toid: to.id, msg })).errno;

/** What cannot be stored is refused; or not answered, where the server has looked by itself before, and ends. */
async function refusedOrCut(client: RawClient, to: TestUser, msg: string): Promise<void> {
  assertEquals(await chat(client, to, msg).catch(() => 19), 19);
}

/** What the next server on this database has of their conversation. */
async function said(url: string, ada: TestUser, bob: TestUser): Promise<string[]> {
  await using server = await spawnServer({ url });
  await using client = await loggedIn(server.port, ada);
  const { messages } = await client.request({ msgid: 16, toid: bob.id, limit: 100 });
  return (messages as { msg: string }[]).map((m) => m.msg);
}

/** The server ends by itself; resolves with what it said. */
async function end(server: ServerProcess): Promise<string> {
  const { code } = await server.process.status;
  assertEquals(code, 1);
  return await server.log;
}

/** Whether this process may mount a file system of its own. */
const mayMount = linux &&
  await new Deno.Command("unshare", { args: ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], stdout: "null", stderr: "null" })
    .output().then(({ success }) => success, () => false);

waitingTests("database file: one SQLite file, one server; a file that is not there any more, a disk that is full", {
  "by a link or under a new name no second server has it, and the first goes on unharmed": async () => {
    const { db, ada, bob } = await fresh();
    await using _db = db;
    await using server = await spawnServer(db);
    await using client = await loggedIn(server.port, ada);
    const folder = folderOf(db);
    const refused = async (name: string, reason: RegExp) => {
      const error = await assertRejects(() => spawnServer({ url: `sqlite:${folder}/${name}` }), Error);
      assertMatch(error.message, reason);
      assertEquals(error.message.trimEnd().split("\n").length, 1, error.message);
      assertEquals(await chat(client, bob, name), 0);
      assertEquals(await stateOf(db, ada.id), "online");
    };
    await Deno.mkdir(`${folder}/other`);
    await Deno.symlink(pathOf(db), `${folder}/other/link.db`);
    await refused("other/link.db", /is in use by another natter \(process \d+\)/);
    await Deno.link(pathOf(db), `${folder}/hard.db`);
    await refused("hard.db", /hard\.db has 2 names \(hard links\)/);
    // Nor is it copied: what stands in the log beside the other name would be missing.
    const copied = await run(["backup", `${folder}/copy.db`, "--database", `sqlite:${folder}/hard.db`]);
    assertMatch(copied.stderr, /^natter: .*hard\.db has 2 names \(hard links\)/);
    assertEquals(copied.code, 1);
    await Deno.remove(`${folder}/hard.db`);
    // An operator's command is no server.
    const users = await run(["users", "--database", `sqlite:${folder}/other/link.db`]);
    assertEquals([users.code, users.stderr], [0, ""]);
    assertEquals(await chat(client, bob, "after the command"), 0);
    // Whoever dies leaves nothing behind that is in the way.
    await server.stop("SIGKILL");
    assertEquals(await said(`sqlite:${folder}/other/link.db`, ada, bob), ["other/link.db", "hard.db", "after the command"]);
  },
  "renamed under a running server, no other server has it": linux
    ? async () => {
      const { db } = await fresh();
      await using _db = db;
      await using server = await spawnServer(db);
      const renamed = `${folderOf(db)}/renamed.db`;
      // Stopped, the first one does not notice.
      server.process.kill("SIGSTOP");
      await Deno.rename(pathOf(db), renamed);
      const error = await assertRejects(() => spawnServer({ url: `sqlite:${renamed}` }), Error);
      assertStringIncludes(error.message, "another natter, which has it under another name");
      server.process.kill("SIGCONT");
      assertStringIncludes(await end(server), "moved, removed or replaced");
    }
    : undefined,
  "its log removed under a running server: nobody is told that it is stored, the server ends, and what it had said is there": async () => {
    const { db, ada, bob } = await fresh();
    await using _db = db;
    await using server = await spawnServer(db);
    await using client = await loggedIn(server.port, ada);
    const before = Array.from({ length: 20 }, (_, i) => `said before ${i}`);
    for (const msg of before) assertEquals(await chat(client, bob, msg), 0);
    await Deno.remove(`${pathOf(db)}-wal`);
    await refusedOrCut(client, bob, "said after");
    const log = await end(server);
    assertMatch(log, /the log of the database \(\S+-wal\) was moved, removed or replaced .* restart natter; what was committed is in the file/);
    assertEquals((await said(db.url, ada, bob)).slice(0, 20), before);
  },
  "replaced under a running server by a copy of yesterday: the server ends, and the next one has the copy, unmixed": async () => {
    const { db, ada, bob } = await fresh();
    await using _db = db;
    await using server = await spawnServer(db);
    await using client = await loggedIn(server.port, ada);
    assertEquals(await chat(client, bob, "yesterday"), 0);
    const copy = `${folderOf(db)}/copy.db`;
    assertEquals((await run(["backup", copy, "--database", db.url])).code, 0);
    for (let i = 0; i < 20; i++) assertEquals(await chat(client, bob, `today ${i}`), 0);
    await Deno.rename(copy, pathOf(db));
    await refusedOrCut(client, bob, "now");
    assertMatch(await end(server), /the database \S+ was moved, removed or replaced/);
    assertEquals(await said(db.url, ada, bob), ["yesterday"]);
  },
  "its folder moved under an idle server: the server ends within seconds, and the folder has all that was said": async () => {
    const { db, ada, bob } = await fresh();
    await using _db = db;
    const [was, is] = [`${folderOf(db)}/was`, `${folderOf(db)}/is`];
    await Deno.mkdir(was);
    await Deno.rename(pathOf(db), `${was}/natter.db`);
    await using server = await spawnServer({ url: `sqlite:${was}/natter.db` });
    await using client = await loggedIn(server.port, ada);
    assertEquals(await chat(client, bob, "said"), 0);
    await Deno.rename(was, is);
    assertEquals((await client.next((m) => m.msgid === 20)).reason, "stopping");
    assertStringIncludes(await end(server), "restart natter; what was committed is in the file that was open");
    assertEquals([...Deno.readDirSync(`${is}`)].filter((e) => e.name.endsWith("-wal")).map((e) => Deno.statSync(`${is}/${e.name}`).size), [0]);
    assertEquals(await said(`sqlite:${is}/natter.db`, ada, bob), ["said"]);
  },
  "full disk: /readyz is not 200, the log says why, once, and all is well by itself when there is room": mayMount
    ? async () => {
      const folder = await Deno.makeTempDir({ prefix: "natter_test_" });
      const program = ["unshare", "-rm", "/bin/sh", "-c", `mount -t tmpfs -o size=8m tmpfs ${folder} && exec "$@"`, "sh", ...fromSource];
      const args = [
        "--listen",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--log",
        "json",
        "--limits",
        "off",
        "--database",
        `sqlite:${folder}/natter.db`,
      ];
      await using server = new Program(args, { program, env: { ...denoEnv(), PATH: Deno.env.get("PATH")! } });
      const { tcp, http } = await server.ready();
      const readyz = async () => {
        const response = await fetch(`http://127.0.0.1:${http}/readyz`);
        await response.body?.cancel();
        return response.status;
      };
      await using client = (await RawClient.connect(tcp)).answerPings();
      // Hashing takes its time.
      const { id } = await client.request({ msgid: 4, name: "ada", password: "secret" }, 90_000);
      assertEquals((await client.request({ msgid: 1, name: "ada", password: "secret", proto: 2 }, 90_000)).errno, 0);
      const self = { id: id!, name: "ada", token: "" };
      const fill = `/proc/${server.pid}/root${folder}/fill`;
      // All there is; the end of it fails.
      await Deno.writeFile(fill, new Uint8Array(8 << 20)).catch(() => {});
      const text = "x".repeat(30_000);
      let refused = 0;
      for (let i = 0; i < 300 && refused < 100; i++) if (await chat(client, self, text) === 19) refused++;
      assertEquals(refused, 100);
      await eventually(async () => await readyz() === 503, "not ready");
      // For longer than a renewal.
      const begun = performance.now();
      while (performance.now() - begun < 7000) {
        assertEquals(await chat(client, self, text), 19);
        assertEquals(await readyz(), 503);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await Deno.remove(fill);
      await eventually(async () => await readyz() === 200, "ready again");
      assertEquals(await chat(client, self, text), 0);
      server.kill("SIGTERM");
      const { stderr } = await server.ended();
      const lines = stderr.split("\n").filter((line) => /"the database is (away|back)"/.test(line));
      assertEquals(lines.length, 2, stderr);
      assert(lines[0]!.includes("disk is full") && lines[1]!.includes("back"), stderr);
    }
    : undefined,
});
