// The operator's commands, as processes beside a running server.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { cheapPasswords } from "./support/cheap_passwords.ts";
import { type TestDatabase, testDatabase, waitingDatabaseTests, waitingTests } from "./support/databases.ts";
import { cheapServer, type Ended, Program, run } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, stateOf } from "./support/server.ts";
import { Terminal } from "./support/terminal.ts";

/** A server as a process, and the port of its clients. */
async function serve(db: TestDatabase): Promise<{ server: Program; port: number }> {
  const server = new Program(["--listen", "127.0.0.1:0", "--http", "off", "--node", "here", "--database", db.url], { program: cheapServer });
  return { server, port: (await server.ready()).tcp };
}

const natter = (db: TestDatabase, ...args: string[]): Promise<Ended> => run([...args, "--database", db.url]);

async function done(db: TestDatabase, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await natter(db, ...args);
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

waitingDatabaseTests("operator", {
  "restored gives the database a fresh epoch, which clients see": async (db) => {
    const { server, port } = await serve(db);
    await using _server = server;
    const [alice] = await makeUsers(db, 1);
    const epoch = async () => {
      await using client = await RawClient.connect(port);
      const { inbox } = await client.login({ id: alice.id, token: alice.token, proto: 3, takeover: true });
      return (inbox as { epoch: string }).epoch;
    };
    const before = await epoch();
    assertEquals(await epoch(), before);
    await done(db, "restored");
    assert(await epoch() !== before);
  },

  "no database is made by a command, and bad arguments are told": async (db) => {
    await db.open();
    const none = { ...db, url: `${db.url}_none` };
    for (const _ of ["before", "after"]) {
      const { code, stdout, stderr } = await natter(none, "users");
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, db.kind === "sqlite" ? /^natter: there is no database .*\n$/ : /^natter: .*Unknown database '\S+_none'.*\n$/);
    }
    if (db.kind === "sqlite" && Deno.build.os !== "windows") {
      // Nobody can look whether it is there.
      const path = none.url.slice("sqlite:".length);
      await Deno.symlink(path, path);
      assertMatch((await natter(none, "users")).stderr, /^natter: the database \S+ cannot be used: .*\n$/);
    }
    assertEquals((await natter(db, "invite", "--uses")).stderr, "natter: --uses needs a value\n");
    assertEquals((await natter(db, "hook", "9".repeat(20), "build")).stderr, `natter: there is no group ${"9".repeat(20)}\n`);
    const wrong = await natter(db, "kick");
    assertEquals(wrong.code, 2);
    assert(wrong.stderr.startsWith("natter: wanted: ID"), wrong.stderr);
  },

  "users and kick": async (db) => {
    const { server, port } = await serve(db);
    await using _server = server;
    // Listed in the order of their ids, which need not be the one in which they were asked for.
    const [alice, bob] = (await makeUsers(db, 2)).toSorted((a, b) => a.id - b.id);
    await using client = await RawClient.connect(port);
    assertEquals((await client.login({ id: alice.id, token: alice.token, proto: 2 })).errno, 0);
    const [head, first, second, ...more] = (await done(db, "users")).trimEnd().split("\n").map((line) => line.split("\t"));
    assertEquals(head, ["id", "name", "state", "node", "since"]);
    assertEquals(first.slice(0, 4), [String(alice.id), alice.name, "online", "here"]);
    assertMatch(first[4], /^\d{4}-\d\d-\d\dT/);
    assertEquals([second, more], [[String(bob.id), bob.name, "offline", "-", "never"], []]);

    assertStringIncludes(await done(db, "kick", alice.name), "will be cut");
    const goodbye = await client.next((m) => m.msgid === 20, 3000);
    assertEquals([goodbye.reason, goodbye.retry], ["kicked", undefined]);
    await client.closed;
    await eventually(async () => await stateOf(db, alice.id) === "offline", "the database says so");
    const again = await natter(db, "kick", String(alice.id));
    assertEquals([again.code, again.stderr], [1, `natter: ${alice.name} (${alice.id}) is not online\n`]);
    assertMatch((await natter(db, "kick", "nobody")).stderr, /^natter: there is no user nobody\n$/);
  },
  "devices, and kick of one of them": async (db) => {
    const { server, port } = await serve(db);
    await using _server = server;
    const [alice] = await makeUsers(db, 1);
    const passwords = cheapPasswords();
    await db.query(`update user set password = '${await passwords.hash("secret")}' where id = ${alice.id}`);
    const clients = await Promise.all(["phone", "laptop"].map(() => RawClient.connect(port)));
    for (const [i, device] of ["phone", "laptop"].entries()) {
      assertEquals((await clients[i]!.login({ id: alice.id, password: "secret", proto: 3, device })).errno, 0);
    }
    const [head, ...rows] = (await done(db, "devices", alice.name)).trimEnd().split("\n").map((line) => line.split("\t"));
    assertEquals(head, ["device", "name", "state", "since", "address"]);
    assertEquals(rows.map(([id, name, state, , address]) => [id, name, state, address]), [
      ["0", "-", "offline", "-"],
      ["1", "phone", "online", "127.0.0.1"],
      ["2", "laptop", "online", "127.0.0.1"],
    ]);
    assertStringIncludes(await done(db, "kick", alice.name, "1"), "device 1");
    assertEquals((await clients[0]!.next((m) => m.msgid === 20, 4000)).reason, "kicked");
    await clients[0]!.closed;
    assertEquals((await clients[1]!.request({ msgid: 13 })).msgid, 14);
    await eventually(async () => (await natter(db, "kick", alice.name, "1")).code === 1, "it is not there any more");
    assertEquals((await natter(db, "kick", alice.name, "phone")).code, 1);
    for (const client of clients) await client.close();
  },
  "ban, unban and passwd": async (db) => {
    const { server, port } = await serve(db);
    await using _server = server;
    const login = async (fields: object) => {
      await using client = await RawClient.connect(port);
      return await client.request({ msgid: 1, proto: 2, ...fields });
    };
    await using client = await RawClient.connect(port);
    const { id } = await client.request({ msgid: 4, name: "alice", password: "first" });
    const { token } = await client.request({ msgid: 1, id, password: "first", proto: 2 });
    await done(db, "ban", "alice");
    assertEquals((await client.next((m) => m.msgid === 20, 3000)).reason, "kicked");
    assertEquals((await login({ id, password: "wrong" })).errno, 1, "nobody else learns that it is closed");
    assertEquals((await login({ id, password: "first" })).errno, 25);
    assertEquals((await login({ id, token })).errno, 25);
    assertStringIncludes(await done(db, "users"), "offline, closed");

    await done(db, "unban", String(id));
    const back = await login({ id, password: "first" });
    assertEquals(back.errno, 0);
    assertEquals(await passwd(db, "alice", "second\n"), 0);
    assertEquals((await login({ id, password: "first" })).errno, 1);
    assertEquals((await login({ id, token: back.token })).errno, 1);
    assertEquals((await login({ id, password: "second" })).errno, 0);
    assertEquals(await passwd(db, "alice", "\n"), 1, "no empty password");
  },
});

/** `natter passwd` with this on its stdin. @returns the exit code */
async function passwd(db: TestDatabase, who: string, input: string): Promise<number> {
  return (await run(["passwd", who, "--database", db.url], { input })).code;
}

waitingTests("operator, on SQLite", {
  "who gives a password up (Ctrl-C) is asked no more and told nothing, and nothing is done": async () => {
    await using db = await testDatabase("sqlite");
    await (await db.open()).close();
    await using terminal = new Terminal(["adduser", "alice", "--database", db.url]);
    await terminal.see(/^Password of alice:/);
    await terminal.type("half a pass\x03");
    assertEquals([await terminal.ended(), terminal.raw.trim()], [130, "Password of alice:"]);
    assertEquals(await db.query("select id from user"), []);
  },

  "a backup of a running server is a database with the users in it": async () => {
    await using db = await testDatabase("sqlite");
    const { server } = await serve(db);
    await using _server = server;
    const users = await makeUsers(db, 3);
    const file = db.url.slice("sqlite:".length) + ".copy";
    assertStringIncludes(await done(db, "backup", file), file);
    const copy = new DatabaseSync(file, { readOnly: true });
    const rows = copy.prepare("select id, name from user order by id").all();
    const check = copy.prepare("pragma integrity_check").get();
    copy.close();
    assertEquals(rows.map((row) => ({ ...row })), users.map(({ id, name }) => ({ id, name })));
    assertEquals({ ...check }, { integrity_check: "ok" });
  },

  "health": async () => {
    await using db = await testDatabase("sqlite");
    await using server = new Program(["--listen", "127.0.0.1:0", "--http", "0.0.0.0:0", "--node", "here", "--database", db.url]);
    const { http } = await server.ready();
    const health = (...flags: string[]) => run(["health", ...flags]);
    const alive = await health("--http", `0.0.0.0:${http}`);
    assertEquals([alive.code, alive.stdout, alive.stderr], [0, "alive\n", ""]);
    // It is there, but does not answer.
    server.kill("SIGSTOP");
    const late = await health("--http", `127.0.0.1:${http}`);
    assertEquals([late.code, late.stderr], [1, `natter: no answer within 4 s at 127.0.0.1:${http}; --http says where the server has its page\n`]);
    server.kill("SIGKILL");
    await server.ended();
    const dead = await health("--http", `127.0.0.1:${http}`);
    assertEquals([dead.code, dead.stdout], [1, ""]);
    assertEquals(dead.stderr, `natter: no answer at 127.0.0.1:${http}; --http says where the server has its page\n`);
    const off = await health("--http", "off");
    assertEquals([off.code, off.stderr], [2, "natter: natter health asks at --http, which is off\n"]);
  },
});
