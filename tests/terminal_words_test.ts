// What the terminal asks and says where something is wrong, or over.

import { assert, assertEquals } from "@std/assert";
import { testDatabase } from "./support/databases.ts";
import { RawClient } from "./support/raw_client.ts";
import { startServer } from "./support/server.ts";
import { Terminal } from "./support/terminal.ts";
import { chat, CTRL_D, enter, PASSWORD, register, talkTo, test } from "./support/terminal_chat.ts";

test("who is named on the command line is asked for the password again, which is not shown", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice");
  await using terminal = new Terminal(["chat", `127.0.0.1:${server.port}`, "--name", "alice"]);
  for (const typed of ["a guess", PASSWORD]) {
    await terminal.until(() => terminal.lastRow === "Password:", "the question");
    await terminal.type(typed + "\r");
    if (typed !== PASSWORD) await terminal.see("! id or password is invalid!");
  }
  await terminal.see("* logged in as alice (1)");
  assert(!terminal.raw.includes("guess") && !terminal.raw.includes(PASSWORD), terminal.raw);
});

test("what is not there is called as it was typed", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "7");
  await using alice = await chat(server.port, "alice");
  await enter(alice, "/to #7");
  await alice.see("! there is no user #7");
  await enter(alice, "/to 8");
  await alice.see("! there is no user 8");
  await talkTo(alice, "7");
  await enter(alice, "/react 👍");
  await alice.see(/^! nobody else has written anything here lately; /);
  await enter(alice, "/delete");
  await alice.see(/^! you have not written anything here lately; /);
});

test("a group that one was put out of keeps its name where one still stands in it", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using alice = await RawClient.connect(server.port);
  await alice.login({ name: "alice", password: PASSWORD, proto: 3 });
  const { groupid } = await alice.request({ msgid: 8, groupname: "den", groupdesc: "" });
  await using bob = await chat(server.port, "bob");
  await enter(bob, "/join den");
  await bob.see("* you are in den (1); /group den talks to it");
  await enter(bob, "/group den");
  await bob.until(() => bob.lastRow === "[den]>", "the prompt");
  assertEquals((await alice.request({ msgid: 37, groupid, userid: 2 })).errno, 0);
  await bob.see("* [den] you were put out by alice");
  await bob.type("still here?\r");
  await bob.see("! not sent to [den]: still here? (not a member of that group)");
});

test("who deletes the account is told so, and nothing else", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice");
  await using alice = await chat(server.port, "alice");
  for (const [answer, told] of [["a guess", "! the password is wrong"], [PASSWORD, "* your account is deleted"]] as const) {
    await alice.type("/unregister\r");
    await alice.until(() => alice.lastRow === "Password, to delete this account for good:", "the question");
    await alice.type(answer + "\r");
    await alice.see(told);
    if (answer !== PASSWORD) await alice.until(() => alice.lastRow === ">", "the prompt");
  }
  await alice.see("* logged out");
  await alice.until(() => alice.lastRow === "1 log in, 2 register, 3 quit:", "the first question");
  assert(!alice.screen.rows.some((row) => row.startsWith("! the server")), alice.screen.rows.join("\n"));
  await alice.type(CTRL_D);
  assertEquals(await alice.ended(), 0);
});
