// Deleting an account: what is the user's alone goes, what others have stays whole.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { databaseTest, type TestDatabase, waitingDatabaseTest } from "./support/databases.ts";
import { FileServer } from "./support/files.ts";
import { run } from "./support/program.ts";
import type { RawClient } from "./support/raw_client.ts";
import { countOnline, eventually, spawnServer, startServer, stateOf, type TestServer, type TestUser } from "./support/server.ts";

const PASSWORD = "a good password";

interface Person {
  id: number;
  name: string;
  token: string;
  client: RawClient;
}

async function enter(server: { connect(): Promise<RawClient> }, name: string, device?: string): Promise<Person> {
  const client = await server.connect();
  const { id } = await client.request({ msgid: 4, name, password: PASSWORD });
  const { token, errno } = await client.login({ name, password: PASSWORD, proto: 3, device });
  assertEquals(errno, 0);
  return { id: id as number, name, token: token as string, client };
}

/** Tables, and the columns by which they name a user; messages stay. */
const NAMING = {
  device: ["userid"],
  token: ["userid"],
  friend: ["userid", "friendid"],
  block: ["userid", "blocked"],
  groupuser: ["userid"],
  inbox: ["userid"],
  invite: ["userid", "inviter"],
  leaving: ["userid"],
  talk: ["userid"],
};

/** How many rows still name the user, by table. */
async function rowsOf(db: TestDatabase, id: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [table, columns] of Object.entries(NAMING)) {
    const [{ n }] = await db.query(`select count(*) as n from ${table} where ${columns.map((column) => `${column} = ${id}`).join(" or ")}`);
    if (Number(n) > 0) counts[table] = Number(n);
  }
  const looks = await db.query(`select id from look where kind = 'user' and id = ${id}`);
  return looks.length > 0 ? { ...counts, look: looks.length } : counts;
}

async function gone(db: TestDatabase, id: number): Promise<void> {
  await eventually(async () => Object.keys(await rowsOf(db, id)).length === 0, "nothing names the user any more");
}

/** The texts. */
async function history(client: RawClient, of: object): Promise<{ id: number; name: string; msg: string }[]> {
  const { errno, messages } = await client.request({ msgid: 16, ...of, limit: 100 });
  assertEquals(errno, 0);
  const texts = (messages as { msgid: number; id: number; name: string; msg: string }[]).filter(({ msgid }) => msgid !== 28);
  return texts.map(({ id, name, msg }) => ({ id, name, msg }));
}

const start = (db: TestDatabase): Promise<TestServer> => startServer(db, { limits: "off" }, { times: { leavers: 20 } });

databaseTest("DELETE_ACCOUNT: sessions, names, lists, memberships and what waits go; histories stay; the number never comes again", async (db) => {
  await using server = await start(db);
  const [alice, bob, cy] = [await enter(server, "alice", "phone"), await enter(server, "bob"), await enter(server, "cy")];
  const laptop = await server.connect();
  await laptop.login({ name: "alice", password: PASSWORD, proto: 3, device: "laptop" });
  await bob.client.request({ msgid: 7, friendid: alice.id });
  await cy.client.request({ msgid: 23, userid: alice.id });
  await alice.client.request({ msgid: 7, friendid: bob.id });
  await alice.client.request({ msgid: 23, userid: cy.id });
  const { groupid } = await alice.client.request({ msgid: 8, groupname: "hikers", groupdesc: "" });
  await alice.client.request({ msgid: 8, groupname: "alone", groupdesc: "" });
  await bob.client.request({ msgid: 9, groupid });
  await cy.client.request({ msgid: 9, groupid });
  await alice.client.request({ msgid: 6, toid: bob.id, msg: "hello" });
  await bob.client.request({ msgid: 6, toid: alice.id, msg: "hello yourself" });
  await alice.client.request({ msgid: 10, groupid, msg: "we go" });
  await bob.client.request({ msgid: 10, groupid, msg: "where?" });

  assertEquals((await alice.client.request({ msgid: 44, password: "wrong" })).errno, 1);
  assertEquals((await alice.client.request({ msgid: 13 })).msgid, 14);
  assertEquals((await alice.client.request({ msgid: 44, password: PASSWORD })).errno, 0);
  for (const client of [alice.client, laptop]) {
    assertEquals((await client.next((m) => m.msgid === 20)).reason, "kicked");
    await client.closed;
  }
  assertEquals((await bob.client.next((m) => m.msgid === 30 && m.what === "contacts")).what, "contacts");
  await gone(db, alice.id);
  assertEquals(await stateOf(db, alice.id), "offline");

  // Nobody comes in as that user, or finds them.
  const stranger = await server.connect();
  for (const who of [{ id: alice.id, token: alice.token }, { id: alice.id, password: PASSWORD }, { name: "alice", password: PASSWORD }]) {
    assertEquals((await stranger.login({ ...who, proto: 3 })).errno, 1);
  }
  for (const name of ["alice", "deleted", "D1"]) assertEquals((await bob.client.request({ msgid: 7, friendname: name })).errno, 16, name);
  const naming = [{ msgid: 6, toid: alice.id, msg: "?" }, { msgid: 21, toid: alice.id, msg: "?" }, { msgid: 7, friendid: alice.id }, {
    msgid: 23,
    userid: alice.id,
  }];
  for (const request of naming) {
    assertEquals((await bob.client.request(request)).errno, 16, JSON.stringify(request));
  }
  assertEquals((await bob.client.request({ msgid: 42, ids: [alice.id, bob.id] })).users, [{ id: bob.id, name: "bob" }]);

  // Everybody else has what they had.
  const { friends, groups } = await bob.client.request({ msgid: 17 });
  assertEquals([friends, (groups as { role: string; count: number }[]).map(({ role, count }) => [role, count])], [[], [["creator", 2]]]);
  assertEquals(await history(bob.client, { toid: alice.id }), [
    { id: alice.id, name: "deleted", msg: "hello" },
    { id: bob.id, name: "bob", msg: "hello yourself" },
  ]);
  assertEquals(await history(cy.client, { groupid }), [{ id: alice.id, name: "deleted", msg: "we go" }, { id: bob.id, name: "bob", msg: "where?" }]);

  // The names are free, of user and group; the number is not.
  const again = await enter(server, "alice");
  assertEquals(again.id === alice.id, false);
  assertEquals((await again.client.request({ msgid: 8, groupname: "alone", groupdesc: "" })).errno, 0);
  assertEquals(await history(again.client, { toid: bob.id }), []);
});

databaseTest(
  "DELETE_ACCOUNT with messages: what the user said is deleted for everybody, wherever it was said, and the index does not have it",
  async (db) => {
    await using server = await startServer(db, { limits: "off" }, { times: { leavers: 20, index: 20 } });
    const [alice, bob] = [await enter(server, "alice", "phone"), await enter(server, "bob", "phone")];
    const { groupid } = await bob.client.request({ msgid: 8, groupname: "hikers", groupdesc: "" });
    const left = await bob.client.request({ msgid: 8, groupname: "left", groupdesc: "" });
    for (const id of [groupid, left.groupid]) await alice.client.request({ msgid: 9, groupid: id });
    const told = await alice.client.request({ msgid: 6, toid: bob.id, msg: "walrus one" });
    await alice.client.request({ msgid: 10, groupid, msg: "walrus two" });
    await alice.client.request({ msgid: 10, groupid: left.groupid, msg: "walrus three" });
    await alice.client.request({ msgid: 6, toid: alice.id, msg: "walrus note" });
    await alice.client.request({ msgid: 19, groupid: left.groupid });
    await bob.client.request({ msgid: 6, toid: alice.id, msg: "walrus yourself" });
    const found = async () => ((await bob.client.request({ msgid: 43, text: "walrus" })).messages as { msg: string }[]).map(({ msg }) => msg);
    await eventually(async () => (await found()).length === 4, "all is found");
    assertEquals((await alice.client.request({ msgid: 44, password: PASSWORD, messages: true })).errno, 0);
    const { id, messageid } = await bob.client.next((m) => m.msgid === 26);
    assertEquals([id, messageid], [alice.id, told.messageid]);
    await gone(db, alice.id);
    assertEquals(await found(), ["walrus yourself"]);
    for (const place of [{ toid: alice.id }, { groupid }, { groupid: left.groupid }]) {
      const { messages } = await bob.client.request({ msgid: 16, ...place });
      const hers = (messages as { msgid: number; id: number; msg?: string; deleted?: boolean; name: string }[]).filter((m) =>
        m.id === alice.id && m.msgid !== 28
      );
      assertEquals(hers.map(({ name, msg, deleted }) => [name, msg, deleted]), [["deleted", undefined, true]]);
    }
    assertEquals(await db.query("select msg from message where msg like 'walrus%'"), [{ msg: "walrus yourself" }]);
  },
);

databaseTest("deleting an account goes on at the next start, whenever the server is killed", async (db) => {
  let id = 0, bob: Person;
  {
    await using server = await spawnServer(db, { limits: "off" });
    const alice = await enter(server, "alice");
    bob = await enter(server, "bob");
    id = alice.id;
    await bob.client.request({ msgid: 7, friendid: id });
    for (const name of ["a", "b", "c"]) await alice.client.request({ msgid: 8, groupname: name, groupdesc: "" });
    for (let i = 0; i < 30; i++) assertEquals((await alice.client.request({ msgid: 6, toid: bob.id, msg: `hers ${i}` })).errno, 0);
    // Nothing else says that they are stored.
    const sent = await Promise.all(Array.from({ length: 50 }, (_, i) => bob.client.request({ msgid: 6, toid: id, msg: `${i}` })));
    assertEquals(new Set(sent.map(({ errno }) => errno)), new Set([0]));
    assertEquals((await alice.client.request({ msgid: 44, password: PASSWORD, messages: true }, 90_000)).errno, 0);
    await server.stop("SIGKILL");
  }
  await using server = await start(db);
  await gone(db, id);
  assertEquals(await countOnline(db), 0);
  assertEquals(await db.query("select id from allgroup"), []);
  await using client = await server.connect();
  assertEquals((await client.login({ id: bob.id, token: bob.token, proto: 3 })).friends, []);
  assertEquals((await history(client, { toid: id })).map(({ msg }) => msg), [
    ...Array(30).fill(undefined),
    ...Array.from({ length: 50 }, (_, i) => `${i}`),
  ]);
  assertEquals(await db.query("select id from message where msg like 'hers%'"), []);
});

waitingDatabaseTest("natter deluser, beside a running server", async (db) => {
  await using server = await start(db);
  const alice = await enter(server, "alice");
  const { code, stdout, stderr } = await run(["deluser", "alice", "--database", db.url]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^alice \(\d+\) is deleted/);
  assertEquals((await alice.client.next((m) => m.msgid === 20, 5000)).reason, "kicked");
  await gone(db, alice.id);
  assertStringIncludes((await run(["deluser", "alice", "--database", db.url])).stderr, "there is no user alice");
  assertEquals((await run(["passwd", String(alice.id), "--database", db.url], { input: "x\n" })).code, 1);
});

databaseTest("an account's picture, and files that nothing has used, go with it; those of messages stay", async (db) => {
  await using files = await FileServer.start(db, {}, { times: { leavers: 20 } });
  const [alice, bob] = files.users as [TestUser, TestUser];
  await using client = await files.server.client(alice, { proto: 3 });
  const picture = (n: number) => new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, n]);
  const [avatar, sent, unused] = [await files.upload(picture(1)), await files.upload(picture(2)), await files.upload("not used")];
  assertEquals((await client.request({ msgid: 41, avatar: avatar.id })).errno, 0);
  assertEquals((await client.request({ msgid: 6, toid: bob.id, msg: "", files: [sent.id] })).errno, 0);
  const store = await db.open();
  await store.deleteAccount(alice.id, undefined, false);
  await gone(db, alice.id);
  const statuses = await Promise.all([avatar, unused, sent].map(async ({ url }) => {
    const response = await files.fetch(url);
    await response.body?.cancel();
    return response.status;
  }));
  assertEquals(statuses, [404, 404, 200]);
});
