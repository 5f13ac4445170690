// Who may register: everybody, who was invited, or nobody.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { CapturedLog } from "./support/captured_log.ts";
import { clockStopped } from "./support/clock.ts";
import { databaseTest, type TestDatabase, testDatabase } from "./support/databases.ts";
import { run } from "./support/program.ts";
import type { RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer, type TestServer } from "./support/server.ts";

/** `natter` beside the server; what it prints. */
async function natter(db: TestDatabase, args: string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await run([...args, "--database", db.url], { input });
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

async function register(server: TestServer, name: string, invite?: string): Promise<Record<string, unknown>> {
  await using client = await server.connect();
  return await client.request({ msgid: 4, name, password: "a good password", invite });
}

databaseTest("REGISTER is closed: nobody comes in but by natter adduser", async (db) => {
  await using server = await startServer(db, { registration: "closed" });
  assertEquals((await register(server, "eve")).errno, 27);
  assertEquals((await register(server, "eve", (await natter(db, ["invite"])).trim())).errno, 27);
  assertMatch(await natter(db, ["adduser", "Ada"], "a good password\n"), /^Ada \(\d+\) may log in\n$/);
  await using client = await server.connect();
  assertEquals((await client.login({ name: "ada", password: "a good password", proto: 3 })).errno, 0);
  for (const taken of ["ada", "Deleted", "ａｄａ"]) {
    const { code, stderr } = await run(["adduser", taken, "--database", db.url], { input: "x\n" });
    assertEquals([code, stderr], [1, "natter: the name is taken, or looks like another's\n"]);
  }
  assertEquals((await run(["adduser", "Иван Ivan", "--database", db.url], { input: "x\n" })).code, 1);
});

databaseTest("REGISTER by invitation: a code of natter invite, as often as it says; neither database nor log has it", async (db) => {
  await using log = await CapturedLog.start();
  await using server = await startServer(db, { registration: "invite" });
  const printed = await natter(db, ["invite", "--uses", "2", "--days=1"]);
  assertMatch(printed, /^[A-Za-z0-9_-]{22}\n$/);
  const code = printed.trim();
  for (const wrong of [undefined, "x", code.replace(/.$/, (last) => last === "A" ? "B" : "A")]) {
    assertEquals((await register(server, "eve", wrong)).errno, 27, wrong);
  }
  assertEquals((await register(server, "ada", code)).errno, 0);
  // It is not used up by a name that is taken, or that looks like one that is.
  assertEquals((await register(server, "ADA", code)).errno, 1);
  assertEquals((await register(server, "bill", code)).errno, 0);
  assertEquals((await register(server, "cy", code)).errno, 27);
  const [{ n }] = await db.query("select count(*) as n from invite");
  assertEquals(n, 0);
  assert(!JSON.stringify(log.records).includes(code));
  assertEquals((await run(["invite", "--uses", "0", "--database", db.url])).code, 2);
  assertEquals((await run(["invite", "--days", "31", "--database", db.url])).code, 2);
});

databaseTest("names that look like another's are refused, also one that nobody may have", async (db) => {
  await using server = await startServer(db);
  assertEquals((await register(server, "bill")).errno, 0);
  assertEquals((await register(server, "bil|")).errno, 1);
  assertEquals((await register(server, "ѕсоре")).errno, 0);
  assertEquals((await register(server, "scope")).errno, 1);
  assertEquals((await register(server, "Deleted")).errno, 1);
  assertEquals((await register(server, "bilІ")).errno, 13, "mixed scripts");
  assertEquals((await register(server, "b1ll")).errno, 0, "letters and digits of ASCII stand for themselves");
});

databaseTest("INVITE: members let in, a bounded number at a time, where the operator allows it", async (db) => {
  const [alice] = await makeUsers(db, 1);
  const invite = (client: RawClient, fields: object = {}) => client.request({ msgid: 39, ...fields });
  for (const settings of [{}, { registration: "invite" }, { invites: "members" }] as Record<string, string>[]) {
    await using server = await startServer(db, settings);
    await using client = await server.client(alice!, { proto: 3 });
    const { errno, errmsg } = await invite(client);
    const why = settings.registration ? "members do not invite to this server" : "anybody may register here, without a code";
    assertEquals([errno, errmsg], [22, why], JSON.stringify(settings));
  }
  await using server = await startServer(db, { registration: "invite", invites: "members", limits: "off" });
  await using client = await server.client(alice!, { proto: 3 });
  const { code } = await invite(client, { uses: 2 });
  // All at once.
  const outcomes = await Promise.all(["a", "b", "c", "d", "e"].map((name) => register(server, name, code as string)));
  assertEquals(outcomes.map(({ errno }) => errno).toSorted(), [0, 0, 27, 27, 27]);
  for (let i = 0; i < 20; i++) assertEquals((await invite(client)).errno, 0);
  assertEquals((await invite(client)).errno, 24);
});

databaseTest("INVITE: ten a minute", async (db) => {
  const [alice] = await makeUsers(db, 1);
  await using server = await startServer(db, { registration: "invite", invites: "members" });
  await using client = await server.client(alice!, { proto: 3 });
  using _clock = clockStopped();
  for (let i = 0; i < 10; i++) assertEquals((await client.request({ msgid: 39 })).errno, 0);
  const { errno, retry } = await client.request({ msgid: 39 });
  assertEquals([errno, Number(retry) > 1000], [15, true]);
});

databaseTest("/about tells without a login who may register, and what there is", async (db) => {
  await using server = await startServer(db, { http: "127.0.0.1:0", registration: "invite", invites: "members", directory: "on", files: "off" });
  const response = await fetch(`http://127.0.0.1:${server.server.addresses.http!.port}/about`);
  const { version, ...about } = await response.json();
  assertEquals(about, { features: ["devices", "push", "directory", "invites"], registration: "invite" });
  assertEquals(typeof version, "string");
  assertEquals(response.headers.get("content-type"), "application/json");
});

Deno.test("natter chat --invite comes in by a code, and /invitation makes one for others", async () => {
  await using db = await testDatabase("sqlite");
  await (await db.open()).close();
  await using server = await startServer(db, { registration: "invite", invites: "members" });
  const code = (await natter(db, ["invite"])).trim();
  const chat = (name: string, invite: string) =>
    run(["chat", `127.0.0.1:${server.port}`, "--name", name, "--invite", invite], { input: "a good password\n/invitation 2\n" });
  const { stdout, stderr, code: exit } = await chat("zoe", code);
  assertEquals(exit, 0, stderr);
  const [made] = /[A-Za-z0-9_-]{22}/.exec(stdout + stderr)!;
  for (const [name, expected] of [["yan", 0], ["xia", 0], ["wei", 1]] as const) assertEquals((await chat(name, made)).code, expected, name);
});
