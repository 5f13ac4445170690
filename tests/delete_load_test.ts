// Deleting an account while everybody talks, and with each of its steps held open: nothing of others' is lost, nothing of the user's is left.

import { assert, assertEquals } from "@std/assert";
import { Passwords } from "../src/auth/passwords.ts";
import type { Store } from "../src/store/store.ts";
import { StoreWatch } from "./support/around_store.ts";
import { databaseTest, type TestDatabase } from "./support/databases.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { countOnline, eventually, makeUsers, startServer, type TestServer, type TestUser } from "./support/server.ts";

const cheap = new Passwords({ figures: { algorithm: "scrypt", ln: 4, r: 8, p: 1 } });

/** Three users, the first of whom knows a password and has made a group that all are in, and is a friend of the second. */
async function world(db: TestDatabase, server: TestServer): Promise<{ users: [TestUser, TestUser, TestUser]; groupid: number }> {
  const users = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
  await db.query(`update user set password = '${await cheap.hash("secret")}' where id = ${users[0].id}`);
  await using founder = await server.client(users[0], { proto: 3 });
  const { groupid } = await founder.request({ msgid: 8, groupname: "g", groupdesc: "" });
  for (const user of users.slice(1)) {
    await using client = await server.client(user, { proto: 3 });
    assertEquals((await client.request({ msgid: 9, groupid })).errno, 0);
    assertEquals((await client.request({ msgid: 7, friendid: users[0].id })).errno, 0);
  }
  return { users, groupid: groupid as number };
}

/** Nothing names the user but messages, and nobody is online. */
async function gone(db: TestDatabase, id: number): Promise<void> {
  const naming = [
    "device.userid",
    "token.userid",
    "friend.userid",
    "friend.friendid",
    "groupuser.userid",
    "inbox.userid",
    "leaving.userid",
    "block.blocked",
  ];
  await eventually(async () => {
    for (const name of naming) {
      const [table, column] = name.split(".");
      const [{ n }] = await db.query(`select count(*) as n from ${table} where ${column} = ${id}`);
      if (Number(n) > 0) return false;
    }
    return true;
  }, "nothing names the user any more");
}

/** All of a conversation, oldest first. */
async function history(client: RawClient, of: object): Promise<string[]> {
  const all: Message[] = [];
  for (let before: number | undefined, more = true; more;) {
    const page = await client.request({ msgid: 16, ...of, before, limit: 100 });
    assertEquals(page.errno, 0);
    all.unshift(...page.messages as Message[]);
    before = all[0]?.messageid as number | undefined;
    more = page.more as boolean;
  }
  return all.flatMap(({ msgid, msg }) => msgid === 28 ? [] : [msg as string]);
}

/** Talks to everybody until told to stop. What was acknowledged, by conversation. */
class Talker {
  readonly said: Record<string, string[]> = {};
  /** Where something was said over which the connection ended, and what: it may have been stored. */
  unanswered: [where: string, msg: string] | undefined;
  stopped = false;
  readonly done: Promise<void>;

  constructor(readonly client: RawClient, readonly name: string, to: Record<string, object>) {
    this.done = this.#talk(to);
  }

  count(): number {
    return Object.values(this.said).reduce((sum, said) => sum + said.length, 0);
  }

  async #talk(to: Record<string, object>): Promise<void> {
    for (let i = 0; !this.stopped; i++) {
      for (const [where, fields] of Object.entries(to)) {
        const msg = `${this.name} ${where} ${i}`;
        const answer = await this.client.request({ ...fields, msg }).catch(() => undefined);
        // The connection of who is deleted ends.
        if (!answer) {
          this.unanswered = [where, msg];
          return;
        }
        if (answer.errno === 0) (this.said[where] ??= []).push(msg);
      }
    }
  }
}

databaseTest("an account is deleted while everybody talks: logs and histories of the others are whole", async (db) => {
  await using server = await startServer(db, { limits: "off" }, { passwords: cheap, times: { leavers: 10, kicks: 50 } });
  const { users: [alice, bob, cy], groupid } = await world(db, server);
  const clients = [];
  for (const user of [alice, bob, cy]) clients.push(await server.client(user, { proto: 3, takeover: true }));
  const group = { msgid: 10, groupid };
  const talkers = [
    new Talker(clients[0]!, "alice", { group, bob: { msgid: 6, toid: bob.id } }),
    new Talker(clients[1]!, "bob", { group, alice: { msgid: 6, toid: alice.id }, cy: { msgid: 6, toid: cy.id } }),
    new Talker(clients[2]!, "cy", { group, alice: { msgid: 6, toid: alice.id }, bob: { msgid: 6, toid: bob.id } }),
  ] as const;
  const [, byBob, byCy] = talkers;
  await eventually(() => talkers.every((talker) => talker.count() > 20), "all talk");
  await using phone = await server.connect();
  assertEquals((await phone.login({ id: alice.id, password: "secret", proto: 3, device: "phone" })).errno, 0);
  assertEquals((await phone.request({ msgid: 44, password: "secret" })).errno, 0);
  await gone(db, alice.id);
  await talkers[0].done;
  const before = byBob.count() + byCy.count();
  await eventually(() => byBob.count() + byCy.count() > before + 20, "the others go on talking");
  for (const talker of talkers) talker.stopped = true;
  await Promise.all(talkers.map(({ done }) => done));

  // Alice's session ends when the database says so: an answer of it may be on its way to her then.
  const [where, msg] = talkers[0].unanswered!;
  if ((await history(byBob.client, where === "group" ? { groupid } : { toid: alice.id })).includes(msg)) talkers[0].said[where]!.push(msg);
  const sorted = (texts: string[]) => texts.toSorted();
  const said = (where: string, ...by: Talker[]) => by.flatMap((talker) => talker.said[where] ?? []);
  assertEquals(sorted(await history(byBob.client, { groupid })), sorted(said("group", ...talkers)));
  assertEquals(await history(byCy.client, { groupid }), await history(byBob.client, { groupid }));
  assertEquals(sorted(await history(byBob.client, { toid: cy.id })), sorted([...said("cy", byBob), ...said("bob", byCy)]));
  assertEquals(sorted(await history(byBob.client, { toid: alice.id })), sorted([...said("alice", byBob), ...said("bob", talkers[0])]));
  // What came is what was said, in the order of the log, once.
  const expected = [...said("group", talkers[0], byCy), ...said("bob", talkers[0], byCy)];
  const isEntry = ({ msgid }: Message) => msgid === 6 || msgid === 10 || msgid === 28;
  const got = byBob.client.backlog.filter(isEntry);
  const texts = () => got.flatMap(({ msgid, msg }) => msgid === 28 ? [] : [msg as string]);
  while (texts().length < expected.length) got.push(await byBob.client.next((message) => isEntry(message) && Number(message.seq) > got.length));
  assertEquals(got.map(({ seq }) => seq), got.map((_, i) => i + 1));
  assertEquals(sorted(texts()), sorted(expected));
  const { groups } = await byBob.client.request({ msgid: 17 });
  assertEquals((groups as { count: number }[])[0]!.count, 2);
  for (const client of clients) await client.close();
  await eventually(async () => await countOnline(db) === 0, "nobody is online");
  await gone(db, alice.id);
});

databaseTest("each step of deleting an account is held open, and what the user's other nodes still ask for changes nothing", async (db) => {
  for (const held of ["deleteAccount", "lists", "leaveGroup", "clearAccount", "left"] as (keyof Store)[]) {
    const watch = new StoreWatch();
    const reached = Promise.withResolvers<void>(), release = Promise.withResolvers<void>();
    await using server = await startServer(db, { limits: "off" }, { passwords: cheap, times: { leavers: 10, kicks: 50 }, store: watch.wrap });
    await db.query("delete from look");
    await db.query("update user set name = concat('x', id), namekey = concat('x', id) where deleted = 0");
    await db.query("update allgroup set groupname = concat('x', id), groupkey = concat('x', id)");
    const { users: [alice, bob], groupid } = await world(db, server);
    await using one = await server.client(alice, { proto: 3 });
    await using other = await server.client(bob, { proto: 3, takeover: true });
    let armed = true;
    // From here on nothing else asks for any of these.
    watch.around = async (call) => {
      if (!armed || call.name !== held) return await call.run();
      armed = false;
      const result = held === "deleteAccount" ? await call.run() : undefined;
      reached.resolve();
      await release.promise;
      return held === "deleteAccount" ? result : await call.run();
    };
    const openGroup = (await other.request({ msgid: 8, groupname: `open ${held}`, groupdesc: "" })).groupid as number;
    const asked = one.request({ msgid: 44, password: "secret" });
    await reached.promise;
    // The account is gone already.
    assertEquals((await other.request({ msgid: 6, toid: alice.id, msg: "?" })).errno, 16, held);
    assertEquals((await other.request({ msgid: 10, groupid, msg: "still here" })).errno, 0, held);
    const store = await db.open();
    assertEquals((await store.append([{ sender: alice.id, toid: bob.id, msg: "late", ts: 1 }]))[0]!.errno, "NO_USER");
    assertEquals((await store.append([{ sender: alice.id, groupid, msg: "late", ts: 1 }]))[0]!.errno, "NO_USER");
    assertEquals(await store.createGroup(alice.id, `late ${held}`, `late ${held}`, ""), "FULL");
    assertEquals(await store.joinGroup(alice.id, { id: openGroup }, 1), "FULL");
    assertEquals(await store.addFriend(alice.id, { id: bob.id }), "NO_USER");
    assertEquals(await store.addFriend(bob.id, { id: alice.id }), "NO_USER");
    assertEquals(await store.block(alice.id, bob.id, 1), "NO_USER");
    assertEquals(await store.setPassword(alice.id, undefined, "x"), undefined);
    release.resolve();
    assertEquals((await asked).errno, 0);
    await one.closed;
    await gone(db, alice.id);
    assert((await history(other, { groupid })).includes("still here"));
  }
});
