// The terminal client without a terminal: lines in, lines out, an exit code.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Msg } from "../src/client/natter_client.ts";
import { pipe } from "../src/client/terminal/pipe.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { testDatabase, waitingTests } from "./support/databases.ts";
import { FakeWire } from "./support/fake_wire.ts";
import { denoEnv, type Ended, fromSource, run } from "./support/program.ts";
import { startProxy } from "./support/proxy.ts";
import { RawClient } from "./support/raw_client.ts";
import { startServer } from "./support/server.ts";

const PASSWORD = "wonderland";
const CERT = new URL("support/localhost_cert.pem", import.meta.url).pathname;
const KEY = new URL("support/localhost_key.pem", import.meta.url).pathname;

/** `natter chat ARGS`, with its input still open. */
function chat(args: string[], env: Record<string, string> = { NATTER_PASSWORD: PASSWORD }): Deno.ChildProcess {
  const [command, ...first] = fromSource;
  const options = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  return new Deno.Command(command, { args: [...first, "chat", ...args], env: { ...denoEnv(), ...env }, clearEnv: true, ...options }).spawn();
}

/** `printf INPUT | natter chat ARGS` */
async function piped(args: string[], input: string | Uint8Array<ArrayBuffer>, env?: Record<string, string>): Promise<Ended> {
  const process = chat(args, env);
  const [{ code, stdout, stderr }] = await Promise.all([process.output(), new Response(input).body!.pipeTo(process.stdin)]);
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Makes accounts with that password, numbered from 1. */
async function register(port: number, ...names: string[]): Promise<void> {
  await using client = await RawClient.connect(port);
  for (const name of names) assertEquals((await client.register(name, PASSWORD)).errno, 0);
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** The lines of a program's output, without the times in their second column. */
function told(stdout: string): string[][] {
  return stdout.trimEnd().split("\n").map((line) => {
    const cells = line.split("\t");
    assertMatch(cells[1], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, line);
    return cells.toSpliced(1, 1);
  });
}

Deno.test("pipe: lines leave nothing behind, however many there are", async () => {
  const wire = new FakeWire();
  const LINES = 200_000;
  let read = 0, before = 0, after = 0;
  const lines = {
    next() {
      if (read === 0) before = Deno.memoryUsage().heapUsed;
      if (read === LINES) after = Deno.memoryUsage().heapUsed;
      return Promise.resolve(read++ < LINES ? { value: "", done: false as const } : { value: undefined, done: true as const });
    },
  };
  const output = { print: () => {}, complain: () => {} };
  const ended = pipe({ connect: wire.connect, who: { peer: { name: "alice" }, password: PASSWORD, register: false }, lines, output });
  const connection = await wire.login();
  connection.answer(await connection.next(Msg.LOGOUT), { msgid: Msg.REPLY, re: Msg.LOGOUT });
  assertEquals(await ended, 0);
  assert(after - before < 100 * LINES, `${(after - before) / LINES} bytes a line`);
});

waitingTests("pipe", {
  "a line that is not UTF-8 is not sent, and said to be so; those around it are, whatever stands in them": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    const where = `127.0.0.1:${server.port}`;
    const lines = [
      "\ufeff" + PASSWORD,
      "/create cooks",
      "/group cooks",
      "grüße 你好 👍",
      [0x67, 0x72, 0xfc, 0xdf, 0x65],
      "a \ufffd of one's own\r",
      "last",
    ];
    const input = lines.flatMap((line) => [...(typeof line === "string" ? bytesOf(line) : line), 10]);
    const alice = await piped([where, "--name", "alice", "--register"], Uint8Array.from(input.slice(0, -1)), {});
    assertEquals([alice.code, alice.stderr], [1, "natter: a line of the input is not UTF-8, and is not sent\n"]);
    const again = await piped([where, "--name", "alice"], "/group cooks\n/history 9\n");
    assertEquals(told(again.stdout).map((cells) => cells.at(-1)), ["grüße 你好 👍", "a \ufffd of one's own", "last"]);
  },

  "what one script writes, another reads: all of it, in order; the course's commands too": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    const where = `127.0.0.1:${server.port}`;
    // The password as the first line; the account is made on the way.
    assertEquals(await piped([where, "--name", "alice", "--register"], PASSWORD + "\n/create cooks\n", {}), { code: 0, stdout: "", stderr: "" });
    const texts = Array.from({ length: 60 }, (_, i) => `line ${i}`);
    const bob = await piped([where, "--name", "bob", "--register"], `addgroup:1\n/to alice\n${texts.join("\n")}\ngroupchat:1:soup\n/history 2\n`);
    assertEquals([bob.code, bob.stderr], [0, ""]);
    assertEquals(told(bob.stdout), [["chat", "bob", "line 58"], ["chat", "bob", "line 59"]]);
    const alice = await piped([where, "--id", "1"], "");
    assertEquals([alice.code, alice.stderr], [0, ""]);
    const lines = told(alice.stdout);
    assertEquals(lines.filter(([kind]) => kind === "chat"), texts.map((text) => ["chat", "bob", text]));
    assertEquals(lines.filter(([kind]) => kind === "group"), [["group", "cooks", "bob", "soup"]]);
    assertEquals((await piped([where, "--id", "1"], "")).stdout, "", "it was confirmed");
    assertEquals((await piped([where, "--id", "1"], "/who")).stdout, "group\t1\tcooks\t2 members\t1 unread\nuser\t2\tbob\tno contact\t60 unread\n");
  },

  "where an account needs an invitation, it is said how one is given": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { registration: "invite" });
    const args = [`127.0.0.1:${server.port}`, "--name", "alice", "--register"];
    assertEquals(await piped(args, ""), {
      code: 1,
      stdout: "",
      stderr: "natter: not without an invitation; where a code lets in, --invite CODE gives it\n",
    });
    const { stderr } = await piped([...args, "--invite", "x".repeat(22)], "");
    assertEquals(stderr, "natter: this invitation is not valid, or not any more\n");
  },

  "/who tells what is a program, among contacts, strangers and members": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    await register(server.port, "alice", "bob");
    for (const name of ["builder", "teller"]) assertEquals((await run(["bot", name, "--database", db.url])).code, 0);
    const alice = [`127.0.0.1:${server.port}`, "--name", "alice"];
    assertEquals((await piped(alice, "/create cooks\n/add bob\n/add teller\n")).stderr, "");
    await db.query("insert into groupuser (groupid, userid, grouprole, joined) values (1, 3, 'normal', 2)");
    const { code, stdout, stderr } = await piped(alice, "/who cooks\n/who\n");
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.trimEnd().split("\n"), [
      "user\t1\talice\tonline\tcreator",
      "user\t3\tbuilder\toffline\tnormal\tbot",
      "user\t2\tbob\toffline",
      "user\t4\tteller\toffline\tbot",
      "group\t1\tcooks\t1 member",
      "user\t3\tbuilder\tno contact\tbot",
    ]);
  },

  "messages are changed, deleted, answered and reacted to: the last one, or one by its number; what is read is unread no more": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { limits: "off" });
    await register(server.port, "alice", "bob");
    const where = `127.0.0.1:${server.port}`;
    const bob = await piped([where, "--name", "bob"], "/to alice\none\ntwo\n/edit three\nfour\n/delete\n/edit #1 uno\n/last\n");
    assertEquals([bob.code, bob.stderr], [0, ""]);
    const [first, second] = told(bob.stdout);
    assertEquals([first, second], [["chat", "bob", "uno", "#1"], ["chat", "bob", "three", "#2"]]);
    assertEquals(told(bob.stdout).length, 2);
    const alice = await piped([where, "--name", "alice"], "/who\n/to bob\n/react 👍\n/react #1 🎉\n/react 👍\n/reply #1 due\n/who\n");
    assertEquals([alice.code, alice.stderr], [0, ""]);
    const lines = alice.stdout.trimEnd().split("\n");
    assertEquals(lines.filter((line) => line.startsWith("user")), ["user\t2\tbob\tno contact\t2 unread", "user\t2\tbob\tno contact"]);
    await using client = await RawClient.connect(server.port);
    await client.login({ name: "bob", password: PASSWORD, proto: 3 });
    const { messages } = await client.request({ msgid: 16, toid: 1 });
    const seen = (messages as Record<string, unknown>[]).map((m) => [m.messageid, m.msg, m.reply, m.reactions]);
    assertEquals(seen.map(([, ...rest]) => rest), [
      ["uno", undefined, [{ emoji: "🎉", count: 1 }]],
      ["three", undefined, undefined],
      [undefined, undefined, undefined],
      ["due", 1, undefined],
    ]);
    const faults = await piped([where, "--name", "alice"], "/edit x\n/to bob\n/edit\n/edit #1 mine\n/react a\n/delete #99\n/delete all\n");
    assertEquals(faults.stderr.trimEnd().split("\n"), [
      "natter: in which conversation? /to NAME or /group NAME says it",
      "natter: wanted: /edit [#N] TEXT",
      "natter: not yours",
      "natter: emoji must be one emoji",
      "natter: no such message",
      "natter: wanted: /delete [#N]",
    ]);
  },

  "a number that no message has is refused, and never taken for a text": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { http: "127.0.0.1:0", files: "off" });
    await register(server.port, "alice");
    const numbers = ["#9007199254740992", "#12345678901234567890", "#0"];
    const lines = numbers.flatMap((n) => [`/edit ${n} x`, `/delete ${n}`, `/react ${n} 👍`, `/reply ${n} x`, `/report ${n} x`]);
    const last = "/edit #1234567890123456 x\n/last\n/signout 12345678901234567890\n";
    const { stdout, stderr } = await piped([`127.0.0.1:${server.port}`, "--name", "alice"], `/to alice\nas it was\n${lines.join("\n")}\n${last}`);
    assertEquals(told(stdout).at(-1), ["chat", "alice", "as it was", "#1"]);
    assertEquals(stderr.trimEnd().split("\n"), [
      ...numbers.flatMap((n) => Array.from({ length: 5 }, () => `natter: ${n} is the number of no message`)),
      "natter: no such message",
      "natter: wanted: /signout N, as /devices numbers them",
    ]);
  },

  "who is called by digits is meant by them, else who has that number; #N is always the number, and so is the course's ID": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { limits: "off" });
    await register(server.port, "alice", "bob", "2");
    const where = `127.0.0.1:${server.port}`;
    const lines = [
      ...["/to 2", "to the name", "/to #2", "to the number", "/to 3", "to no name", "chat:2:to the ID", "/add 2", "/add #2"],
      ...["/create 7", "/create 1", "/private 3", "/group 1", "/invite 2", "/group #1", "/invite #2", "/group 3", "/invite #2", "/who"],
    ];
    const alice = await piped([where, "--name", "alice"], lines.join("\n"));
    assertEquals([alice.code, alice.stderr], [0, ""]);
    const isText = (line: string) => /^(chat|group)\t\d+-/.test(line);
    const rows = ({ stdout }: Ended) => stdout.trimEnd().split("\n").filter((line) => !isText(line));
    const said = ({ stdout }: Ended) => told(stdout.split("\n").filter(isText).join("\n"));
    const groups = ["group\t2\t1\t1 member", "group\t3\t3\t1 member", "group\t1\t7\t1 member"];
    assertEquals(rows(alice), ["user\t3\t2\toffline", "user\t2\tbob\toffline", ...groups]);
    const two = await piped([where, "--name", "2"], "/who\n");
    assertEquals([said(two), rows(two)], [
      [["chat", "alice", "to the name"], ["chat", "alice", "to no name"]],
      ["user\t1\talice\tno contact\t2 unread", "invited\t2\t1\tby alice"],
    ]);
    const bob = await piped([where, "--name", "bob"], "/join 1\naddgroup:1\n/who 1\n/leave 7\n/join 3\n/who\n");
    assertEquals([bob.code, bob.stderr], [0, ""]);
    assertEquals(said(bob), [["chat", "alice", "to the number"], ["chat", "alice", "to the ID"]]);
    const members = ["user\t1\talice\toffline\tcreator", "user\t2\tbob\tonline\tnormal"];
    assertEquals(rows(bob), [...members, "group\t2\t1\t2 members", "group\t3\t3\t2 members", "user\t1\talice\tno contact\t2 unread"]);
  },

  "whatever fails is told on stderr and by the exit code, and no text goes astray": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    await register(server.port, "alice", "bob");
    const where = `127.0.0.1:${server.port}`;
    const { code, stdout, stderr } = await piped([where, "--name", "alice"], "/to bob\nfor bob\n/to nobody\nsecret\n/nix\nchat:99:hello\n");
    assertEquals([code, stdout], [1, ""]);
    assertEquals(stderr.split("\n"), [
      "natter: there is no user nobody",
      "natter: to whom? /to NAME or /group NAME says it",
      "natter: there is no command /nix; /help lists them",
      "natter: not sent to user 99: hello (no such user)",
      "",
    ]);
    assertEquals(told((await piped([where, "--name", "bob"], "")).stdout), [["chat", "alice", "for bob"]]);

    const wrong = await piped([where, "--name", "bob"], "", { NATTER_PASSWORD: "wrong" });
    assertEquals(wrong, { code: 1, stdout: "", stderr: "natter: id or password is invalid!\n" });
    for (const args of [["nowhere:x", "--id", "1"], ["--id", "x"], ["--id", "0"], ["--nix"], [where], ["--name", "a", "--id", "1"], [where, where]]) {
      const { code, stdout, stderr } = await piped(args, "");
      assertEquals([code, stdout], [2, ""], args.join(" "));
      assertMatch(stderr, /^natter: .+\n$/);
    }
    await server.server.close();
    const gone = await piped([where, "--id", "1"], "");
    assertEquals(gone.code, 1);
    assertMatch(gone.stderr, /^natter: the server cannot be reached: .+\n$/);
  },

  "connections that break in the middle cost nothing, and double nothing": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    await using proxy = await startProxy({ hostname: "127.0.0.1", port: server.port });
    await register(server.port, "alice", "bob");
    const texts = Array.from({ length: 40 }, (_, i) => `line ${i}`);
    let answers = 0;
    // Every twelfth answer is the last one of its connection, and does not arrive.
    proxy.inspect = ({ direction }) => direction === "down" && ++answers % 12 === 0 ? "cut" : "pass";
    const { code, stderr } = await piped([`127.0.0.1:${proxy.port}`, "--name", "bob"], `/to alice\n${texts.join("\n")}\n/history 1\n`);
    assertEquals([code, stderr], [0, ""]);
    assert(answers > 24);
    const { stdout } = await piped([`127.0.0.1:${server.port}`, "--name", "alice"], "");
    assertEquals(told(stdout), texts.map((text) => ["chat", "bob", text]));
  },

  "while the server is away what is asked waits, and it is said why": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    await using proxy = await startProxy({ hostname: "127.0.0.1", port: server.port });
    await register(server.port, "alice", "bob");
    const printed: string[] = [], faults: string[] = [];
    const input = async function* () {
      yield "/to bob";
      proxy.refuse = true;
      proxy.cut();
      yield "hello";
      yield "/history";
    };
    const complain = (line: string) => {
      faults.push(line);
      proxy.refuse = false;
    };
    const code = await pipe({
      connect: tcp({ port: proxy.port }),
      who: { peer: { name: "alice" }, password: PASSWORD, register: false },
      lines: input(),
      output: { print: (line) => printed.push(line), complain },
      patience: 1000,
    });
    assertEquals([code, told(printed.join("\n"))], [0, [["chat", "alice", "hello"]]]);
    assertEquals(faults.length, 1);
    assertMatch(faults[0]!, /^(the connection was lost|the server cannot be reached.*|not connected yet); the rest of the input waits$/);
  },

  "a message is one line, whatever it holds": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    await register(server.port, "alice", "bob");
    await using bob = await RawClient.connect(server.port);
    await bob.login({ name: "bob", password: PASSWORD, proto: 2 });
    await bob.request({ msgid: 6, toid: 1, msg: "a\tb\\n\nchat\t\x1b[2J\u2028\x9b\r" });
    const { stdout } = await piped([`127.0.0.1:${server.port}`, "--name", "alice"], "");
    assertEquals(told(stdout), [["chat", "bob", "a\\tb\\\\n\\nchat\\t�[2J\\n�\\n"]]);
  },

  "what nobody reads any more is not confirmed": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    await register(server.port, "alice", "bob");
    const args = [`127.0.0.1:${server.port}`, "--name", "alice"];
    const alice = chat(args);
    const keys = alice.stdin.getWriter();
    await keys.write(new TextEncoder().encode("/to bob\nhere\n"));
    await using bob = await RawClient.connect(server.port);
    await bob.login({ name: "bob", password: PASSWORD, proto: 2 });
    await bob.next((m) => m.msg === "here");
    await alice.stdout.cancel();
    await bob.request({ msgid: 6, toid: 1, msg: "anyone?" });
    assertEquals((await alice.status).code, 1);
    await Promise.allSettled([keys.close(), alice.stderr.cancel()]);
    assertEquals(told((await piped(args, "")).stdout), [["chat", "bob", "anyone?"]]);
  },

  "TLS, with an authority of one's own; without it the certificate is refused": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db, { "tls-listen": "127.0.0.1:0", "tls-cert": CERT, "tls-key": KEY });
    await register(server.port, "alice");
    const where = `localhost:${server.server.addresses.tls!.port}`;
    const env = { NATTER_PASSWORD: PASSWORD };
    const { code, stdout, stderr } = await piped([where, "--ca", CERT, "--name", "alice"], "chat:1:note\n/to 1\n/history\n", env);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(told(stdout), [["chat", "alice", "note"], ["chat", "alice", "note"]]);
    const refused = await piped([where, "--tls", "--name", "alice"], "");
    assertEquals(refused.code, 1);
    assertMatch(refused.stderr, /^natter: the server cannot be reached: .*certificate.*\n$/);
  },

  "what waited ends with what happened in a group, or with what one wrote elsewhere: nobody is waited for; an invitation is declined": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    await register(server.port, "alice", "bob", "carol");
    const where = `127.0.0.1:${server.port}`;
    assertEquals((await piped([where, "--name", "alice"], "/create cooks\n/private den\n/group den\n/invite bob\n")).code, 0);
    assertEquals((await piped([where, "--name", "bob"], "/join cooks\n")).code, 0);
    const begin = performance.now();
    assertEquals(await piped([where, "--name", "alice"], ""), { code: 0, stdout: "", stderr: "" });
    // bob on another device, to somebody whom the one here has never met.
    await using elsewhere = await RawClient.connect(server.port);
    assertEquals((await elsewhere.login({ name: "bob", password: PASSWORD, device: "phone", proto: 3 })).errno, 0);
    assertEquals((await elsewhere.request({ msgid: 6, toid: 3, msg: "hi", mid: "1" })).errno, 0);
    const bob = await piped([where, "--name", "bob"], "/who\n/leave den\n/leave den\n");
    assertEquals(bob.stdout.split("\n").filter((line) => /^(sent|invited)/.test(line)).map((line) => line.split("\t")[0]).sort(), [
      "invited",
      "sent",
    ]);
    assertEquals(bob.stderr, "natter: you are in no group den; /join joins one\n");
    assert(performance.now() - begin < 25_000, `${performance.now() - begin} ms`);
    assertEquals((await piped([where, "--name", "bob"], "/who")).stdout.split("\n").filter((line) => line.startsWith("invited")), []);
  },

  "what waited ends with something that this client does not know: nobody is waited for": async () => {
    await using db = await testDatabase("sqlite");
    await using server = await startServer(db);
    await using proxy = await startProxy({ hostname: "127.0.0.1", port: server.port });
    await register(server.port, "alice", "bob");
    assertEquals((await piped([`127.0.0.1:${server.port}`, "--name", "alice"], "/create cooks\n")).code, 0);
    assertEquals((await piped([`127.0.0.1:${server.port}`, "--name", "bob"], "/join cooks\nchat:1:hi\n/group cooks\n/leave cooks\n")).code, 0);
    // What happened in the group has a number of a later protocol.
    let unknown = 0;
    proxy.inspect = ({ direction, data }) => {
      const text = new TextDecoder("latin1").decode(data);
      for (const { index } of direction === "down" ? text.matchAll(/"msgid":28,/g) : []) {
        unknown++;
        data.set(bytesOf('"msgid":98,'), index);
      }
      return "pass";
    };
    const begin = performance.now();
    const alice = await piped([`127.0.0.1:${proxy.port}`, "--name", "alice"], "");
    assertEquals([alice.code, alice.stderr, told(alice.stdout)], [0, "", [["chat", "bob", "hi"]]]);
    assertEquals(unknown, 2);
    assert(performance.now() - begin < 25_000, `${performance.now() - begin} ms`);
    assertEquals(await piped([`127.0.0.1:${server.port}`, "--name", "alice"], ""), { code: 0, stdout: "", stderr: "" });
  },
});
