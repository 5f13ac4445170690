// The terminal client without a terminal: lines in, lines out, an exit code.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { NatterClient, Target } from "../src/client/natter_client.ts";
import { ReadMarks } from "../src/client/terminal/read_marks.ts";
import { Terminal } from "../src/client/terminal/terminal.ts";
import { testDatabase } from "./support/databases.ts";
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
async function piped(args: string[], input: string, env?: Record<string, string>): Promise<Ended> {
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

/** The lines of a program's output, without the times in their second column. */
function told(stdout: string): string[][] {
  return stdout.trimEnd().split("\n").map((line) => {
    const cells = line.split("\t");
    assertMatch(cells[1], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, line);
    return cells.toSpliced(1, 1);
  });
}

Deno.test("pipe: what one script writes, another reads: all of it, in order; the course's commands too", async () => {
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
});

Deno.test("pipe: where an account needs an invitation, it is said how one is given", async () => {
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
});

Deno.test("pipe: /who tells what is a program, among contacts, strangers and members", async () => {
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
});

Deno.test("pipe: messages are changed, deleted, answered and reacted to: the last one, or one by its number; what is read is unread no more", async () => {
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
});

Deno.test("pipe: whatever fails is told on stderr and by the exit code, and no text goes astray", async () => {
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
  for (const args of [["nowhere:x", "--id", "1"], ["--id", "x"], ["--nix"], [where], ["--name", "a", "--id", "1"], [where, where]]) {
    const { code, stdout, stderr } = await piped(args, "");
    assertEquals([code, stdout], [2, ""], args.join(" "));
    assertMatch(stderr, /^natter: .+\n$/);
  }
  await server.server.close();
  const gone = await piped([where, "--id", "1"], "");
  assertEquals(gone.code, 1);
  assertMatch(gone.stderr, /^natter: the server cannot be reached: .+\n$/);
});

Deno.test("pipe: connections that break in the middle cost nothing, and double nothing", async () => {
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
});

Deno.test("pipe: a message is one line, whatever it holds", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using bob = await RawClient.connect(server.port);
  await bob.login({ name: "bob", password: PASSWORD, proto: 2 });
  await bob.request({ msgid: 6, toid: 1, msg: "a\tb\\n\nchat\t\x1b[2J\u2028\x9b\r" });
  const { stdout } = await piped([`127.0.0.1:${server.port}`, "--name", "alice"], "");
  assertEquals(told(stdout), [["chat", "bob", "a\\tb\\\\n\\nchat\\t�[2J\\n�\\n"]]);
});

Deno.test("pipe: what nobody reads any more is not confirmed", async () => {
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
});

Deno.test("pipe: TLS, with an authority of one's own; without it the certificate is refused", async () => {
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
});

Deno.test("pipe: what waited ends with what happened in a group, or with what one wrote elsewhere: nobody is waited for; an invitation is declined", async () => {
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
  assertEquals(bob.stdout.split("\n").filter((line) => /^(sent|invited)/.test(line)).map((line) => line.split("\t")[0]).sort(), ["invited", "sent"]);
  assertEquals(bob.stderr, "natter: you are in no group den; /join joins one\n");
  assert(performance.now() - begin < 25_000, `${performance.now() - begin} ms`);
  assertEquals((await piped([where, "--name", "bob"], "/who")).stdout.split("\n").filter((line) => line.startsWith("invited")), []);
});

Deno.test("terminal: who goes through conversations faster than the server answers has read in each what was seen there", async () => {
  const told: [Target, number][] = [];
  const answers: (() => void)[] = [];
  const read = (of: Target, messageid: number) => {
    told.push([of, messageid]);
    return new Promise((resolve) => answers.push(() => resolve({ read: messageid })));
  };
  const marks = new ReadMarks({ read } as unknown as NatterClient);
  const [a, b, c] = [{ id: 1 }, { id: 2 }, { groupid: 3 }];
  const seen = [marks.seen(a, 10), marks.seen(b, 20), marks.seen(c, 30), marks.flush()];
  // Whatever waits for an answer.
  for (let answered = 0; answered < 3; answered++) {
    answers[answered]?.();
    await new Promise((resolve) => setTimeout(resolve));
  }
  await Promise.all([...seen, marks.flush(), ...answers.map((answer) => answer())]);
  assertEquals(told, [[a, 10], [b, 20], [c, 30]]);
});

Deno.test("terminal: whoever wrote last is somebody else, whatever one writes on another device", async () => {
  const listeners = new Map<string, (event: unknown) => void>();
  const client = {
    on: (name: string, listener: (event: unknown) => void) => listeners.set(name, listener),
    session: { id: 1, name: "alice" },
    sentHere: () => false,
    read: () => Promise.resolve(),
    logout: () => Promise.resolve(),
    close: () => Promise.resolve(),
    state: { state: "online" },
  };
  const view = { message() {}, table() {}, note() {}, fault: (text: string) => assertEquals(text, "") };
  const terminal = new Terminal(client as unknown as NatterClient, view, () => Promise.resolve(undefined));
  const groups = [{ id: 3, groupname: "cooks" }];
  listeners.get("login")!({ ...client.session, friends: [], groups, invited: [], inbox: { last: 0 } });
  const message = listeners.get("message")!;
  message({ seq: 1, id: 2, name: "bob", toid: 1, msg: "hi", messageid: 1 });
  message({ seq: 2, id: 1, name: "alice", groupid: 3, msg: "soup", messageid: 2 });
  await terminal.run("/r");
  assertEquals(terminal.conversation, "bob");
  message({ seq: 3, id: 2, name: "bob", groupid: 3, msg: "soup!", messageid: 3 });
  await terminal.run("/r");
  assertEquals(terminal.conversation, "[cooks]");
  await terminal.end(0);
});
