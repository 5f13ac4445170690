// Bots: accounts of programs, by a token that the operator gives them and that does not expire.

import { assertEquals, assertMatch } from "@std/assert";
import { databaseTest, type TestDatabase, testDatabase } from "./support/databases.ts";
import { run } from "./support/program.ts";
import { makeUsers, startServer, stateOf } from "./support/server.ts";

async function bot(db: TestDatabase, name: string): Promise<string> {
  const { code, stdout, stderr } = await run(["bot", name, "--database", db.url]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^[\w-]{43}\n$/);
  return stdout.trim();
}

databaseTest("bots: come in by their token alone, are told as such, and are users else; another token ends the one of before", async (db) => {
  await using server = await startServer(db, { directory: "on", registration: "closed" }, { times: { kicks: 50 } });
  const [ada] = await makeUsers(db, 1);
  await using user = await server.client(ada!, { proto: 3 });
  const token = await bot(db, "Deploy Bot");
  await using program = await server.connect();
  const ack = await program.login({ token, name: "Deploy Bot", proto: 3 });
  assertEquals([ack.errno, ack.name, ack.token], [0, "Deploy Bot", token]);
  for (const asked of [{ ids: [ack.id, ada!.id] }, { names: ["deploy bot", ada!.name] }, { find: "deploy" }]) {
    const { users } = await user.request({ msgid: 42, ...asked });
    assertEquals((users as object[]).find((u) => (u as { id: number }).id === ack.id), { id: ack.id, name: "Deploy Bot", bot: true });
    assertEquals((users as { bot?: boolean }[]).filter((u) => u.bot).length, 1);
  }
  assertEquals((await program.request({ msgid: 6, toid: ada!.id, msg: "the build is red" })).errno, 0);
  assertEquals((await user.next((m) => m.msgid === 6)).name, "Deploy Bot");
  assertEquals((await user.request({ msgid: 6, toid: ack.id, msg: "why?" })).errno, 0);
  assertEquals((await program.next((m) => m.msgid === 6)).msg, "why?");
  // It has no password.
  await using other = await server.connect();
  for (const password of ["none", "x"]) assertEquals((await other.login({ id: ack.id!, password, proto: 3 })).errno, 1);
  assertEquals((await program.request({ msgid: 22, old: "none", new: "a password" })).errno, 1);
  const { code, stderr } = await run(["passwd", "deploy bot", "--database", db.url], { input: "a password\n" });
  assertEquals([code, stderr], [1, "natter: Deploy Bot is a bot, which has no password; natter bot gives it another token\n"]);

  // A year is a token's life many times over.
  const [{ expires }] = await db.query(`select expires from token where userid = ${ack.id}`) as [{ expires: number }];
  assertEquals(Number(expires), Date.UTC(9999, 11, 31));

  const next = await bot(db, "deploy bot");
  assertMatch(String((await program.next((m) => m.msgid === 20)).reason), /kicked/);
  assertEquals(await program.closed, "fin");
  assertEquals(await stateOf(db, ack.id!), "offline");
  assertEquals((await other.login({ id: ack.id!, token, proto: 3 })).errno, 1);
  assertEquals((await other.login({ id: ack.id!, token: next, proto: 3 })).id, ack.id);
  await other.close();

  // A user's name is no bot's.
  for (const name of [ada!.name, ada!.name.toUpperCase(), "x".repeat(51)]) {
    const { code, stdout } = await run(["bot", name, "--database", db.url]);
    assertEquals([code, stdout], [1, ""], name);
  }
  assertEquals((await run(["deluser", "deploy bot", "--database", db.url])).code, 0);
  await using gone = await server.connect();
  assertEquals((await gone.login({ id: ack.id!, token: next, proto: 3 })).errno, 1);
});

Deno.test("bots: the example, with its token", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { registration: "closed" });
  const [ada] = await makeUsers(db, 1);
  await using user = await server.client(ada!, { proto: 3 });
  const args = [
    "run",
    "--allow-net",
    "--allow-env=NATTER_TOKEN",
    new URL("../examples/bot.ts", import.meta.url).pathname,
    `127.0.0.1:${server.port}`,
    "echo",
  ];
  const program = new Deno.Command(Deno.execPath(), { args, env: { NATTER_TOKEN: await bot(db, "echo") }, stdout: "null", stderr: "null" }).spawn();
  try {
    assertEquals((await user.request({ msgid: 6, toname: "echo", msg: "hello" })).errno, 0);
    assertEquals((await user.next((m) => m.msgid === 6)).msg, "you said: hello");
  } finally {
    program.kill();
    await program.status;
  }
});
