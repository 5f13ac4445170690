// The tests of the examples: today's, and those of earlier versions.

import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { chats, confirmedSeq } from "./chat.ts";
import { testDatabase } from "./databases.ts";
import { eventually, makeUsers, startServer } from "./server.ts";

/** Whether there is a Python to run the client with. */
export const hasPython = (await new Deno.Command("python3", { args: ["--version"] }).output().catch(() => undefined))?.success === true;

/** A program of which lines are read and to which lines are written. */
export class Talker implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly stderr: Promise<string>;
  #unread = "";

  constructor(command: string, args: string[]) {
    this.#process = new Deno.Command(command, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
    this.#reader = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#writer = this.#process.stdin.getWriter();
    this.stderr = new Response(this.#process.stderr).text();
  }

  /** The next line. Throws with what stands on stderr if it ends before. */
  async line(): Promise<string> {
    for (;;) {
      const at = this.#unread.indexOf("\n");
      if (at >= 0) {
        const line = this.#unread.slice(0, at);
        this.#unread = this.#unread.slice(at + 1);
        return line;
      }
      const { value, done } = await deadline(this.#reader.read(), 30_000);
      if (done) throw new Error(`it ended: ${await this.stderr}`);
      this.#unread += value;
    }
  }

  async say(text: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(text + "\n"));
  }

  /** Ends its input. @returns its exit code */
  async end(): Promise<number> {
    await this.#writer.close();
    return (await this.#process.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await Promise.all([this.#process.status, this.stderr, this.#reader.cancel(), this.#writer.close().catch(() => {})]);
  }
}

/** Registers the tests of a bot.ts and a client.py. @param whose begins their names @param folder where the two are */
export function testExamples(whose: string, folder: URL): void {
  const bot = (port: number, name: string) =>
    new Talker(Deno.execPath(), ["run", "--allow-net", new URL("bot.ts", folder).pathname, `127.0.0.1:${port}`, name, "pw"]);
  const python = (port: number, name: string) => new Talker("python3", [new URL("client.py", folder).pathname, `127.0.0.1:${port}`, name, "pw"]);

  Deno.test(`${whose}: the bot answers, once, in a group too, and what came while it was away`, async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    const [user] = await makeUsers(db, 1);
    await using client = await server.client(user);
    let lastId: number | undefined;
    {
      await using talker = bot(server.port, "bot");
      assertEquals(await talker.line(), "bot is here");
      for (const msg of ["roll 1", "time", "  hello   bot "]) client.send({ msgid: 6, toname: "bot", msg });
      const answers = await chats(client, 3);
      assertEquals([answers[0].msg, answers[2].msg], ["1", "you said: hello bot"]);
      assertMatch(answers[1].msg!, /^\d{4}-\d\d-\d\dT/);
      lastId = answers[0].id;

      const { groupid } = await client.request({ msgid: 8, groupname: "tea party", groupdesc: "" });
      client.send({ msgid: 6, toname: "bot", msg: "join tea party" });
      assertEquals((await chats(client, 1))[0].msg, "I am in tea party");
      for (const msg of ["not for it", "bot: roll 1"]) client.send({ msgid: 10, groupid, msg });
      const [answer] = await chats(client, 1);
      assertEquals([answer.groupid, answer.msg], [groupid, "1"]);
      await eventually(async () => await confirmedSeq(db, lastId!) === 7, "the bot has confirmed all, that it is in the group too");
    }
    const { errno } = await client.request({ msgid: 6, toname: "bot", msg: "still there?" });
    assertEquals(errno, 0);
    await using again = bot(server.port, "bot");
    assertEquals(await again.line(), "bot is here");
    assertEquals((await chats(client, 1))[0].msg, "you said: still there?");
  });

  Deno.test({
    name: `${whose}: the Python client registers, talks, gets what waited once, and is told of failures`,
    ignore: !hasPython && Deno.env.get("NATTER_TEST_REQUIRE") !== "all",
    fn: async () => {
      await using db = await testDatabase("sqlite");
      await using server = await startServer(db, { heartbeat: 1 });
      const [user] = await makeUsers(db, 1);
      await using client = await server.client(user);
      client.answerPings();
      await using first = python(server.port, "张三");
      assertEquals(await first.line(), "张三 is here");
      await first.say(`${user.name} 你好 👋`);
      const [{ id, name, msg }] = await chats(client, 1);
      assertEquals([name, msg], ["张三", "你好 👋"]);
      client.send({ msgid: 6, toid: id, msg: "hello" });
      assertEquals(await first.line(), `${user.name}: hello`);
      await eventually(async () => await confirmedSeq(db, id!) === 1, "it has confirmed");
      // Longer than twice the heartbeat: it answers PING.
      await new Promise((resolve) => setTimeout(resolve, 2300));
      await first.say("nobody hello?");
      assertEquals(await first.end(), 0);
      assertEquals(await first.stderr, "not sent: no such user\n");

      assertEquals((await client.request({ msgid: 6, toid: id, msg: "while you were away" })).errno, 0);
      await using second = python(server.port, "张三");
      assertEquals([await second.line(), await second.line()].sort(), [`${user.name}: while you were away`, "张三 is here"].sort());
      assertEquals(await second.end(), 0);

      await using wrong = new Talker("python3", [new URL("client.py", folder).pathname, `127.0.0.1:${server.port}`, "张三", "guess"]);
      assertEquals(await wrong.end(), 1);
      assertEquals(await wrong.stderr, "id or password is invalid!\n");
    },
  });
}
