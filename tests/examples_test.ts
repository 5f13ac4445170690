// The examples do what they say, against a real server.

import { assertEquals } from "@std/assert";
import { chats, confirmedSeq } from "./support/chat.ts";
import { testDatabase } from "./support/databases.ts";
import { hasPython, Talker, testExamples } from "./support/examples.ts";
import { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer } from "./support/server.ts";

const folder = new URL("../examples/", import.meta.url);
testExamples("examples", folder);

/** Says something to somebody who is away, and takes it back. */
async function saidAndDeleted(client: RawClient, toid: number, msg: string): Promise<void> {
  const { messageid } = await client.request({ msgid: 6, toid, msg });
  assertEquals((await client.request({ msgid: 26, messageid })).errno, 0);
}

Deno.test("examples: the bot does not answer what was deleted while it was away", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  const [user] = await makeUsers(db, 1);
  await using client = await server.client(user!);
  const bot = (await client.register("bot", "pw")).id as number;
  await saidAndDeleted(client, bot, "time");
  await client.request({ msgid: 6, toid: bot, msg: "hello" });
  await using talker = new Talker(Deno.execPath(), ["run", "--allow-net", `${folder.pathname}bot.ts`, `127.0.0.1:${server.port}`, "bot", "pw"]);
  assertEquals(await talker.line(), "bot is here");
  assertEquals((await chats(client, 1))[0]!.msg, "you said: hello");
});

Deno.test({
  name: "examples: the Python client goes on behind what was deleted, and confirms what it does not show",
  ignore: !hasPython && Deno.env.get("NATTER_TEST_REQUIRE") !== "all",
  fn: async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    const [user] = await makeUsers(db, 1);
    await using client = await server.client(user!);
    const reader = (await client.register("reader", "pw")).id as number;
    await saidAndDeleted(client, reader, "a secret");
    const { messageid } = await client.request({ msgid: 6, toid: reader, msg: "tea" });
    await using talker = new Talker("python3", [`${folder.pathname}client.py`, `127.0.0.1:${server.port}`, "reader", "pw"]);
    const lines = [await talker.line(), await talker.line(), await talker.line()];
    assertEquals(lines.filter((line) => line !== "reader is here"), [`${user!.name}: (deleted)`, `${user!.name}: tea`]);
    assertEquals((await client.request({ msgid: 25, messageid, msg: "coffee" })).errno, 0);
    await eventually(async () => await confirmedSeq(db, reader) === 4, "the EDIT is confirmed");
    assertEquals(await talker.end(), 0);
    assertEquals(await talker.stderr, "");
  },
});

Deno.test({
  name: "examples: the Python client says that the connection is lost, and waits for nothing then",
  ignore: !hasPython && Deno.env.get("NATTER_TEST_REQUIRE") !== "all",
  fn: async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    // What it complains of comes between its other lines.
    const command = ["-c", 'exec python3 "$0" "$@" 2>&1', `${folder.pathname}client.py`, `127.0.0.1:${server.port}`, "reader", "pw"];
    await using talker = new Talker("sh", command);
    assertEquals(await talker.line(), "reader is here");
    await using other = await RawClient.connect(server.port);
    assertEquals((await other.login({ name: "reader", password: "pw", proto: 3, takeover: true })).errno, 0);
    assertEquals([await talker.line(), await talker.line()], ["the server says goodbye: replaced", "the connection is lost"]);
    await talker.say("reader hello?");
    assertEquals(await talker.line(), "not connected");
    assertEquals(await talker.end(), 1);
  },
});

Deno.test({
  name: "examples: the Python client takes an address of IPv6 as the others do",
  ignore: !hasPython && Deno.env.get("NATTER_TEST_REQUIRE") !== "all",
  fn: async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { listen: "[::1]:0" });
    await using talker = new Talker("python3", [`${folder.pathname}client.py`, `[::1]:${server.port}`, "reader", "pw"]);
    assertEquals(await talker.line(), "reader is here");
    assertEquals(await talker.end(), 0);
  },
});
