// The terminal client, in a real pseudo-terminal.

import { assert, assertEquals } from "@std/assert";
import { testDatabase } from "./support/databases.ts";
import { run } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { startServer } from "./support/server.ts";
import { Terminal } from "./support/terminal.ts";
import { chat, CTRL_C, CTRL_D, enter, LEFT, PASSWORD, register, talkTo, test, UP } from "./support/terminal_chat.ts";

test("register and log in by prompts; the password is never shown, nor in the history", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await using terminal = new Terminal(["chat", `127.0.0.1:${server.port}`]);
  await terminal.see("1 log in, 2 register, 3 quit:");
  await terminal.type("2\r");
  await terminal.see("Name:");
  await terminal.type("alice\r");
  await terminal.see("Password:");
  await terminal.type(PASSWORD + "\r");
  await terminal.see("* your number is 1");
  await terminal.see("* logged in as alice (1)");
  await enter(terminal, "/status");
  await terminal.type(UP);
  await terminal.until(() => terminal.lastRow === "> /status", "the only line of the history");
  await terminal.type(UP + "!");
  await terminal.until(() => terminal.lastRow === "> !", "nothing before it");
  await terminal.type(CTRL_C);
  await terminal.until(() => terminal.lastRow === ">", "an empty line");

  await terminal.type("/password\r");
  for (const [question, answer] of [["Present password:", PASSWORD], ["New password:", "looking glass"], ["Once more:", "looking glass"]]) {
    await terminal.see(question);
    await terminal.type(answer + "\r");
  }
  await terminal.see("* the password is changed");
  await terminal.type("loginout\r");
  await terminal.see("* logged out");
  await terminal.until(() => terminal.lastRow === "1 log in, 2 register, 3 quit:", "the first question again");
  await terminal.type("1\r");
  await terminal.see("Name or number:");
  await terminal.type("1\r");
  await terminal.until(() => terminal.lastRow === "Password:", "the question");
  await terminal.type(PASSWORD + "\r");
  await terminal.see("! id or password is invalid!");
  await terminal.type(CTRL_D);
  assertEquals(await terminal.ended(), 0);
  assert(!terminal.raw.includes(PASSWORD) && !terminal.raw.includes("looking glass"), terminal.raw);
});

test("who logs in by digits is who is called so, else who has that number; #N is always the number", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "1");
  for (const [typed, who] of [["1", "1 (2)"], ["2", "1 (2)"], ["#1", "alice (1)"]] as const) {
    await using terminal = new Terminal(["chat", `127.0.0.1:${server.port}`]);
    for (const [question, answer] of [["1 log in, 2 register, 3 quit:", "1"], ["Name or number:", typed], ["Password:", PASSWORD]] as const) {
      await terminal.until(() => terminal.lastRow === question, question);
      await terminal.type(answer + "\r");
    }
    await terminal.see(`* logged in as ${who}`);
    assert(!terminal.screen.rows.some((row) => row.startsWith("!")), terminal.screen.rows.join("\n"));
  }
});

test("two people talk; a half-typed line stays as it is below what arrives", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using alice = await chat(server.port, "alice");
  await using bob = await chat(server.port, "bob");
  await talkTo(alice, "bob");
  await talkTo(bob, "alice");
  // Longer than a row, wide, and with the cursor inside.
  const half = "half of a line, 你好 ".repeat(5);
  await alice.type(half);
  // The prompt has 5 columns, each of the five parts 21.
  const column = (5 + 5 * 21) % 80;
  await alice.until(() => alice.screen.cursor.column === column, "the line");
  await alice.type(LEFT + LEFT);
  await alice.until(() => alice.screen.cursor.column === column - 3, "the cursor two characters to the left: a blank, and 好");
  await bob.type("one\r");
  await alice.see(/^\d\d:\d\d bob: one$/);
  await bob.type("你好，爱丽丝\r");
  const row = await alice.see(/^\d\d:\d\d bob: 你好，爱丽丝$/);
  await alice.until((rows) => rows.slice(row + 1).join("") === `bob> ${half.trimEnd()}`, "the same line below");
  await alice.until(() => alice.screen.cursor.column === column - 3, "the cursor where it was");
  await alice.type("吗\r");
  const seen = await bob.see(/^\d\d:\d\d alice: half/);
  await bob.see(/吗好$/, seen);
  const shown = bob.screen.rows.slice(seen, seen + 2);
  assertEquals(shown.map((row) => row.slice(0, 13)), [shown[0].slice(0, 6) + "alice: ", "    | half of"]);
  assertEquals(alice.screen.rows.filter((row) => row.endsWith("bob: one")).length, 1);
  assert(alice.raw.includes("\x1b[1;32mbob:\x1b[0m one"), "colours, unless NO_COLOR is set");
});

test("what others do to messages is told; what became of them is shown", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using alice = await chat(server.port, "alice");
  await using bob = await chat(server.port, "bob");
  await talkTo(alice, "bob");
  await talkTo(bob, "alice");
  await alice.type("helo\r");
  await bob.see(/^\d\d:\d\d alice: helo$/);
  await alice.type("/edit hello\r");
  await alice.see("* #1 says now: hello");
  await bob.see("* alice changed #1: hello");
  await bob.type("/react 👍\r");
  await alice.see("* bob 👍 to #1");
  await bob.type("/reply hi\r");
  await alice.see(/^\d\d:\d\d bob: \(to #1\) hi$/);
  await bob.type("/last\r");
  await bob.see(/^\d\d:\d\d #1 alice: hello \(edited\) \[👍 1\]$/);
  await alice.type("/delete\r");
  await bob.see("* alice deleted #1");
  await alice.type("/history\r");
  await alice.see(/^\d\d:\d\d alice: \(deleted\)$/);
});

test("Tab completes, arrow up repeats, a group is talked to, a contact is told to be online", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using alice = await chat(server.port, "alice");
  await alice.type("/cr\t");
  await alice.until(() => alice.lastRow === "> /create", "the command");
  await enter(alice, "The cooks: we cook");
  await alice.see("* the group The cooks (1) is there; /group The cooks talks to it");
  await enter(alice, "/add bob");
  await alice.see("* bob (2) is on the contact list, and is offline");
  await using bob = await chat(server.port, "bob");
  await alice.see("* bob is online");
  await enter(bob, "/join the cooks");
  await bob.type("/group th\t");
  await bob.until(() => bob.lastRow === "> /group The cooks", "the group's name");
  await bob.type("\r");
  await bob.until(() => bob.lastRow === "[The cooks]>", "the group's prompt");
  await bob.type("soup\r");
  await alice.see(/^\d\d:\d\d \[The cooks\] bob: soup$/);
  await alice.type("/to B\t");
  await alice.until(() => alice.lastRow === "> /to bob", "the contact's name");
  await alice.type("\r");
  await alice.until(() => alice.lastRow === "bob>", "the prompt");
  await alice.type("ping\r");
  await bob.see(/alice: ping$/);
  await alice.type(UP);
  await alice.until(() => alice.lastRow === "bob> ping", "the line before");
  await alice.type("\r");
  await bob.until((rows) => rows.filter((row) => row.endsWith("alice: ping")).length === 2, "it twice");
  await bob.type("/r\r");
  await bob.until(() => bob.lastRow === "alice>", "whoever wrote last");
  await bob.type(CTRL_D);
  assertEquals(await bob.ended(), 0);
});

test("two terminals of one user: each shows what was written at the other, once; devices are listed and signed out", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using desk = await chat(server.port, "alice");
  await using sofa = await chat(server.port, "alice");
  await using bob = await chat(server.port, "bob");
  await talkTo(desk, "bob");
  await desk.type("from the desk\r");
  await sofa.see(/^\d\d:\d\d alice > bob: from the desk$/);
  await bob.see(/alice: from the desk$/);
  await talkTo(bob, "alice");
  await bob.type("hello\r");
  for (const terminal of [desk, sofa]) await terminal.see(/^\d\d:\d\d bob: hello$/);
  await sofa.type("/r\r");
  await sofa.until(() => sofa.lastRow === "bob>", "whoever wrote last");
  await sofa.type("from the sofa\r");
  await desk.see(/^\d\d:\d\d alice > bob: from the sofa$/);
  // What was typed here stands here once: as it was typed.
  assertEquals(desk.screen.rows.filter((row) => row.includes("from the desk")), ["bob> from the desk"]);
  assertEquals(sofa.screen.rows.filter((row) => row.includes("from the sofa")), ["bob> from the sofa"]);

  await enter(desk, "/devices");
  const hostname = Deno.hostname().slice(0, 50);
  await desk.see(new RegExp(`^ {2}device {2}1 {2}${hostname} {2}online {2}\\S+ {2}127\\.0\\.0\\.1 {2}this one$`));
  await desk.see(new RegExp(`^ {2}device {2}2 {2}${hostname} {2}online {2}\\S+ {2}127\\.0\\.0\\.1$`));
  await desk.see(/^ {2}device {2}0 {2}\(programs without a name\) {2}offline {2}-/);
  await enter(desk, "/signout 1");
  await desk.see("! that is this one: /logout ends it");
  await enter(desk, "/signout 9");
  await desk.see("! no such device");
  await enter(desk, "/signout 2");
  await desk.see("* device 2 is signed out");
  await sofa.see("! the server ended the connection (kicked)");
});

test("a paste is a text, whatever is in it; characters are whole; a name that nobody has changes nothing", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using alice = await chat(server.port, "alice");
  await using bob = await RawClient.connect(server.port);
  await bob.login({ name: "bob", password: PASSWORD, proto: 2 });
  await talkTo(alice, "bob");
  await alice.type("\x1b[200~/quit\r/leave it\n\x1b[D\ttab\r\n\r\n\x1b[201~");
  await alice.until(() => alice.lastRow === "bob> /quit␤/leave it␤[D    tab", "the paste, in one line");
  await alice.type("\r");
  assertEquals((await bob.next((m) => m.msgid === 6)).msg, "/quit\n/leave it\n[D    tab");

  // As long as what somebody pastes, and full of line breaks.
  const trace = Array.from({ length: 100 }, (_, i) => `    at function${i} (file:///somewhere/in/a/program.ts:${i}:1)`).join("\n");
  await alice.type(`\x1b[200~${trace}\x1b[201~\r`);
  assertEquals((await bob.next((m) => m.msgid === 6)).msg, trace);

  // Rows that no character ends at their end.
  const wide = "你好世界".repeat(30);
  await alice.type(`${wide}\x7f`);
  const row = await alice.see("好世");
  await alice.until((rows) => rows.filter((row) => row.startsWith("bob> 你好")).length === 1, "that line once");
  bob.send({ msgid: 6, toid: 1, msg: "above it" });
  await alice.see(/bob: above it$/);
  await alice.until(
    (rows) => rows.at(-1) === "好世" && rows.filter((row) => row.startsWith("bob> 你好")).length === 1,
    "that line once, below it",
  );
  assertEquals(alice.screen.rows.findIndex((row) => row.endsWith("bob: above it")), row - 3);
  await alice.type("\r");
  assertEquals((await bob.next((m) => m.msgid === 6)).msg, wide.slice(0, -1));

  // One key to the left of a family, of a flag, and of a letter with two accents, and one that takes each away.
  for (const [text, left] of [["👨‍👩‍👧", "x👨‍👩‍👧"], ["🇫🇷", "x🇫🇷"], ["e\u0301\u0323", "xe\u0301\u0323"]]) {
    await alice.type(`${text}${LEFT}x\r`);
    assertEquals((await bob.next((m) => m.msgid === 6)).msg, left);
    await alice.type(`a${text}\x7fb\r`);
    assertEquals((await bob.next((m) => m.msgid === 6)).msg, "ab");
  }

  await alice.type("/to bbo\rfor bbo only\r");
  await alice.see("! there is no user bbo");
  await alice.see("* not sent, for it was typed before that: 1 line");
  await alice.until(() => alice.lastRow === "bob>", "still with bob");
  await alice.type("back with bob\r");
  assertEquals((await bob.next((m) => m.msgid === 6)).msg, "back with bob");
  await alice.typeBytes([0xc3, 0x28, 0x0d]);
  await alice.see("! what was typed is not UTF-8, and goes nowhere");
  await alice.type("ok\r");
  assertEquals((await bob.next((m) => m.msgid === 6)).msg, "ok");

  // Who wrote and is no contact can be found.
  bob.send({ msgid: 6, toid: 1, msg: "hello" });
  await alice.see(/bob: hello$/);
  await enter(alice, "/who");
  await alice.see("  user  2  bob  no contact");
});

test("a terminal that is made wider shows what is above the line that is typed", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice");
  await using alice = await chat(server.port, "alice");
  await alice.type(`${"x".repeat(230)}!`);
  await alice.until(() => alice.lastRow.endsWith("!"), "three rows");
  const before = alice.raw.length;
  await alice.resize(160);
  // One row up is where the line begins now.
  await alice.until(() => alice.raw.slice(before).includes("!"), "the line, drawn anew");
  assertEquals(alice.raw.slice(before).match(/\p{Cc}\[\d*A/gu), ["\x1b[1A"]);
});

test("Ctrl-Z stops it, and it goes on where it was", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice");
  const args = ["chat", `127.0.0.1:${server.port}`, "--name", "alice"];
  await using terminal = new Terminal(args, { NATTER_PASSWORD: PASSWORD }, "echo stopped; sleep 1; fg >/dev/null");
  await terminal.see("* logged in as alice (1)");
  await terminal.type("half");
  await terminal.until(() => terminal.lastRow === "> half", "the line");
  await terminal.type("\x1a");
  await terminal.see(/stopped$/);
  await terminal.until(() => terminal.lastRow === "> half", "the same line below");
  await terminal.type(CTRL_C);
  await terminal.until(() => terminal.lastRow === ">", "an empty line");
  await enter(terminal, "/status");
  await terminal.see("  online");
  await terminal.type(CTRL_D);
  assertEquals(await terminal.ended(), 0);
});

test("the course's commands", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using alice = await chat(server.port, "alice");
  await using bob = await chat(server.port, "bob");
  await enter(alice, "help");
  await alice.see(/^ {2}\/to NAME /);
  await enter(alice, "addfriend:2");
  await alice.see("* bob (2) is on the contact list, and is online");
  await enter(alice, "creategroup:cooks:soup: and more");
  await alice.see(/^\* the group cooks \(1\) is there/);
  await enter(bob, "addgroup:1");
  await bob.see(/^\* you are in cooks \(1\)/);
  await enter(bob, "/who cooks");
  await bob.see(/^ {2}user {2}1 {2}alice {2}online {2}creator$/);
  await alice.type("chat:2:at 10:30?\r");
  await bob.see(/^\d\d:\d\d alice: at 10:30\?$/);
  await alice.type("groupchat:1:to all\r");
  await bob.see(/^\d\d:\d\d \[cooks\] alice: to all$/);
  await enter(alice, "chat:99:nobody");
  await alice.see("! not sent to user 99: nobody (no such user)");
});

test("the README's session is one", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "bob");
  await using bob = await RawClient.connect(server.port);
  await bob.login({ name: "bob", password: PASSWORD, proto: 2 });
  const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  const [, block] = /^ {4}\$ natter chat\n((?: {4}.*\n)+)/m.exec(readme)!;
  const masked = (row: string) => row.replace(/^\d\d:\d\d /, "00:00 ").replace(/:\d+;/, ":6000;");
  const rows = block.trimEnd().split("\n").map((row) => masked(row.slice(4)));
  await using terminal = new Terminal(["chat", `127.0.0.1:${server.port}`]);
  const soFar = (n: number) => JSON.stringify(rows.slice(0, n));
  for (const [i, row] of rows.entries()) {
    const [, prompt, answer = ""] = /^((?:.*quit|Name|Password):|\w*>)(?: (.*))?$/.exec(row) ?? [];
    const next = prompt === undefined ? soFar(i + 1) : JSON.stringify([...rows.slice(0, i), prompt]);
    await terminal.until((seen) => JSON.stringify(seen.map(masked).slice(0, i + 1)) === next, next);
    if (prompt !== undefined) await terminal.type((prompt === "Password:" ? PASSWORD : answer) + "\r");
    if (answer !== "hello, bob") continue;
    const { id } = await bob.next((m) => m.msg === answer);
    bob.send({ msgid: 6, toid: id, msg: rows[i + 1].replace("00:00 bob: ", "") });
  }
  assertEquals(await terminal.ended(), 0);
  assertEquals(terminal.screen.rows.map(masked).filter((row) => row !== ""), rows);
});

test("a group by a code: whoever makes one is told what others do with it, and they do so", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using alice = await chat(server.port, "alice");
  await using bob = await chat(server.port, "bob");
  await enter(alice, "/private den");
  await alice.see("* the group den (1) is there; /group den talks to it");
  await enter(alice, "/group den");
  await alice.type("/invite\r");
  const row = await alice.see(/^\* one may join within 7 days, by \/join [\w-]{22}$/);
  await enter(bob, alice.screen.rows[row]!.slice(-"/join ".length - 22));
  await bob.see(/^\* .*den \(1\)/);
});

test("an invitation that came while nobody was there is told once, a later one as it comes", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using alice = await chat(server.port, "alice");
  for (const name of ["den", "cave"]) await enter(alice, `/private ${name}`);
  await enter(alice, "/group den");
  await enter(alice, "/invite bob");
  await enter(alice, "hello");
  await using bob = new Terminal(["chat", `127.0.0.1:${server.port}`, "--name", "bob"], { NATTER_PASSWORD: PASSWORD });
  await bob.see(/^\* logged in as bob \(2\); what came meanwhile: 1$/);
  await enter(alice, "chat:2:the last of the log");
  await bob.see(/alice: the last of the log$/);
  const told = () => bob.screen.rows.filter((row) => row.includes("/join #1 joins it"));
  assertEquals(told().length, 1, bob.screen.rows.join("\n"));
  await enter(alice, "/group cave");
  await enter(alice, "/invite bob");
  await bob.see(/you were invited by alice; \/join #2 joins it/);
});

test("where an account needs an invitation it is asked for, and why; without one the first question comes again", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { registration: "invite" });
  await using terminal = new Terminal(["chat", `127.0.0.1:${server.port}`]);
  const ask = async (question: string, answer: string) => {
    await terminal.until(() => terminal.lastRow === question, question);
    await terminal.type(answer + "\r");
  };
  const register = async (code: string) => {
    await ask("1 log in, 2 register, 3 quit:", "2");
    await ask("Name:", "alice");
    await ask("Password:", PASSWORD);
    await ask("Invitation (or Enter):", code);
  };
  await register("");
  await terminal.see("* not without an invitation");
  await register("x".repeat(22));
  await terminal.see("! this invitation is not valid, or not any more");
  const { stdout } = await run(["invite", "--database", db.url]);
  await register(stdout.trim());
  await terminal.see("* logged in as alice (1)");
});
