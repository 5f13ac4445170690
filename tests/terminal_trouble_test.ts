// The terminal client when something goes wrong, in a real pseudo-terminal: a server that dies, what is not stored, and who means ill.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { testDatabase } from "./support/databases.ts";
import { FileServer, freePort } from "./support/files.ts";
import { startProxy } from "./support/proxy.ts";
import { RawClient } from "./support/raw_client.ts";
import { spawnServer, startServer } from "./support/server.ts";
import { Terminal } from "./support/terminal.ts";
import { chat, CTRL_C, CTRL_D, enter, PASSWORD, register, talkTo, test } from "./support/terminal_chat.ts";

test("a killed server comes back: what was typed meanwhile arrives once", async () => {
  await using db = await testDatabase("sqlite");
  const first = await spawnServer(db, {}, { cheap: true });
  await using _first = first;
  await register(first.port, "alice", "bob");
  await using alice = await chat(first.port, "alice");
  await using bob = await chat(first.port, "bob");
  await talkTo(alice, "bob");
  await talkTo(bob, "alice");
  await first.stop("SIGKILL");
  await alice.see(/^\* (the connection was lost|the server cannot be reached.*); trying to come back$/);
  await alice.until(() => /^\((offline|connecting)\) bob>$/.test(alice.lastRow), "that it is offline");
  await alice.type("are you there?\r");
  await alice.see("* not connected: this is sent when the connection is back");
  await alice.until(() => /^\((offline|connecting), 1 waiting\) bob>$/.test(alice.lastRow), "that a message waits");
  await enter(alice, "/who");
  await alice.see("! not connected");
  await using _second = await spawnServer(db, { listen: `127.0.0.1:${first.port}` }, { cheap: true });
  // An empty line tries at once.
  await alice.type("\r");
  await bob.type("\r");
  await alice.see("* connected again");
  await alice.see("* stored to bob: are you there?");
  await alice.until(() => alice.lastRow === "bob>", "that all is well");
  await bob.see(/alice: are you there\?$/);
  await bob.type("yes\r");
  await alice.see(/bob: yes$/);
  assertEquals(bob.screen.rows.filter((row) => row.endsWith("are you there?")).length, 1);
});

test("what is not stored at the end is told, and is the exit code", async () => {
  await using db = await testDatabase("sqlite");
  const server = await spawnServer(db, {}, { cheap: true });
  await using _server = server;
  await register(server.port, "alice", "bob");
  await using alice = await chat(server.port, "alice");
  await talkTo(alice, "bob");
  await server.stop("SIGKILL");
  await alice.see(/trying to come back$/);
  await alice.type("lost?\r");
  await alice.see(/^\* not connected/);
  await alice.type("/quit\r");
  await alice.see("! not known to be stored to bob: lost? (not connected)").catch(() => {});
  assertEquals(await alice.ended(), 1);
  const rows = alice.screen.rows.join("\n");
  assert(alice.screen.rows.includes("! not known to be stored to bob: lost? (not connected)"), rows);
  assert(alice.screen.rows.includes("* the server was not told: this is logged in until /signout 1"), rows);
});

test("a message cannot move the cursor, colour the screen, or pass for another one", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  await register(server.port, "alice", "bob");
  await using alice = await chat(server.port, "alice", { NO_COLOR: "1" });
  await alice.type("half");
  await using bob = await RawClient.connect(server.port);
  await bob.login({ name: "bob", password: PASSWORD, proto: 2 });
  bob.send({ msgid: 6, toid: 1, msg: "\x1b[2J\x1b]0;title\x07\x9b31mred\x1b[0m\x7f\b\u202egnp\r12:00 alice: forged\n12:00 alice: again" });
  const row = await alice.see(/bob: �\[2J/);
  await alice.until(() => alice.lastRow === "> half", "the line");
  assertMatch(alice.screen.rows[row], /^\d\d:\d\d bob: �\[2J�\]0;title��31mred�\[0m���gnp$/);
  assertEquals(alice.screen.rows.slice(row + 1), ["    | 12:00 alice: forged", "    | 12:00 alice: again", "> half"]);
  // Neither where the terminal is full.
  for (const filler of ["x", "x ", "你", "👩‍👩‍👧"]) {
    bob.send({ msgid: 6, toid: 1, msg: filler.repeat(80) + "12:00 alice: forged " + filler.repeat(200) + "end" });
    const row = await alice.see(/end$/, alice.screen.cursor.row);
    await alice.until(() => alice.lastRow === "> half", "the line");
    const shown = alice.screen.rows.slice(0, row + 1);
    const begun = shown.findLastIndex((row) => row.includes(" bob: "));
    assert(shown.slice(begun + 1).every((row) => row.startsWith("    | ")), shown.slice(begun).join("\n"));
  }
  assert(!/\p{Cc}\[[\d;]*m/u.test(alice.raw), "no colours with NO_COLOR");
});

test("nor can a server's names and sentences", async () => {
  const EVIL = "\x1b[2Jevil\x1b]0;x\x07\n";
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const friends = [{ id: 7, name: EVIL, state: "online", lastseen: null }];
  const groups = [{ id: 8, groupname: EVIL, groupdesc: EVIL, role: EVIL, count: 1 }];
  const members = [{ id: 7, name: EVIL, state: EVIL, role: EVIL }];
  const devices = [{ id: 3, name: EVIL, state: EVIL, since: 0, lastseen: null, address: EVIL }];
  const serving = (async () => {
    const conn = await listener.accept();
    const say = (message: object) => conn.write(new TextEncoder().encode(JSON.stringify(message) + "\n"));
    let rest = "";
    for await (const text of conn.readable.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const { msgid, ref } = JSON.parse(line);
        const login = {
          id: 1,
          name: EVIL,
          token: "t",
          device: { id: 1, name: EVIL },
          friends,
          groups,
          blocked: [],
          invited: [],
          // This server says nothing by itself: for twice as long it is believed to be there.
          heartbeat: 60,
          limits: { line: 65536, group: 10 },
          inbox: { epoch: "e", confirmed: 0, last: 0 },
        };
        if (msgid === 1) {
          await say({ msgid: 2, ref, errno: 0, ...login });
          await say({ msgid: 15, id: 7, state: EVIL, lastseen: null });
          await say({ msgid: 10, id: 7, name: EVIL, groupid: 8, msg: "hi", time: EVIL, ts: 0, messageid: 1, seq: 1 });
        } else if (msgid === 17) await say({ msgid: 11, ref, errno: 0, friends, groups });
        else if (msgid === 32) await say({ msgid: 11, ref, errno: 0, groupdesc: EVIL, members, count: 1, more: false });
        else if (msgid === 33) await say({ msgid: 11, ref, errno: 0, devices });
        else if (msgid !== 12 && msgid !== 13) await say({ msgid: 11, ref, errno: 20, errmsg: EVIL });
      }
    }
  })();
  const { port } = listener.addr as Deno.NetAddr;
  await using terminal = new Terminal(["chat", `127.0.0.1:${port}`, "--id", "1"], { NATTER_PASSWORD: "x" });
  await terminal.see(/\] .*evil.*: hi$/);
  await terminal.type("/who\r/who 8\r/devices\r/status\r/group 8\r/add 5\rtext\r/to \t");
  await terminal.see(/^! not sent to /);
  await terminal.until(() => /> \/to �\[2Jevil�\]0;x��$/.test(terminal.lastRow), "a name, completed");
  // What else there is, the model of the screen does not let pass.
  assert(!terminal.raw.split("\x1b").slice(1).some((part) => !/^\[[\d;]*[AGJm]|^\[\?2004[hl]/.test(part)), terminal.raw);
  await terminal.type(CTRL_C);
  await terminal.until(() => terminal.lastRow.endsWith(">"), "an empty line");
  await terminal.type(CTRL_D);
  await terminal.ended();
  await serving;
});

test("Ctrl-C gives up a file that is on its way, and nothing else", async () => {
  await using db = await testDatabase("sqlite");
  const http = freePort();
  await using proxy = await startProxy({ hostname: "127.0.0.1", port: http });
  await using files = await FileServer.start(db, { http: `127.0.0.1:${http}`, url: `http://127.0.0.1:${proxy.port}` });
  const [bob] = files.users;
  await using client = await files.server.client(bob!);
  assertEquals((await client.register("alice", PASSWORD)).errno, 0);
  await using alice = new Terminal(["chat", `127.0.0.1:${files.server.port}`, "--name", "alice"], { NATTER_PASSWORD: PASSWORD });
  await alice.see(/^\* logged in as alice/);
  await talkTo(alice, bob!.name);
  const begun = Promise.withResolvers<void>();
  proxy.inspect = ({ direction }) => {
    if (direction === "up") begun.resolve();
    return "drop";
  };
  await alice.type(`/send ${new URL(import.meta.url).pathname}\r`);
  await begun.promise;
  await alice.type("typed ahead\r");
  // The terminal itself drops what is on its way to it or from it.
  await alice.until((rows) => rows.includes("typed ahead") && alice.screen.cursor.column === 0, "the line");
  await alice.type(CTRL_C);
  await alice.see("! given up");
  assertEquals((await client.next((m) => m.msgid === 6)).msg, "typed ahead");
  await alice.type(CTRL_C);
  assertEquals(await alice.ended(), 0);
});

test("a message during a password's question; blocking; somebody else takes the account", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { "on-conflict": "replace", "max-devices": 0 });
  await register(server.port, "alice", "bob");
  await using alice = await chat(server.port, "alice");
  await using bob = await RawClient.connect(server.port);
  await bob.login({ name: "bob", password: PASSWORD, proto: 2 });
  await alice.type("/password\r");
  await alice.see("Present password:");
  await alice.type("typed");
  bob.send({ msgid: 6, toid: 1, msg: "hello" });
  const row = await alice.see(/bob: hello$/);
  await alice.see("Present password:", row);
  await alice.type(CTRL_C);
  await alice.see("* the password stays as it is");
  assert(!alice.raw.includes("typed"));
  await enter(alice, "/block BOB");
  await alice.see("* BOB is blocked");
  assertEquals((await bob.request({ msgid: 6, toid: 1, msg: "?" })).errno, 23);
  await enter(alice, "/unblock 2");
  assertEquals((await bob.request({ msgid: 6, toid: 1, msg: "and now" })).errno, 0);
  await alice.see(/bob: and now$/);
  await alice.type("half");
  await alice.until(() => alice.lastRow === "> half", "the line");

  await using other = await RawClient.connect(server.port);
  assertEquals((await other.login({ name: "alice", password: PASSWORD, proto: 2 })).errno, 0);
  await alice.see("! the server ended the connection (replaced)");
  await alice.see("1 log in, 2 register, 3 quit: half");
  await alice.type(CTRL_C);
  assertEquals(await alice.ended(), 0);
});
