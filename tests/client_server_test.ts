// The client library against a real server: what it promises when connections and servers die.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionLost, NatterClient, type NatterClientOptions, NatterError } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { Awake } from "./support/awake.ts";
import { event } from "./support/client_events.ts";
import { databaseTest, waitingDatabaseTests } from "./support/databases.ts";
import { startProxy } from "./support/proxy.ts";
import { eventually, makeUsers, spawnServer, startServer } from "./support/server.ts";

/** A client of the server on this port, which may change. */
function clientOf(port: number | (() => number), options: Partial<NatterClientOptions> = {}): NatterClient {
  const where = typeof port === "number" ? () => port : port;
  return new NatterClient({ connect: (events, signal) => tcp({ port: where() })(events, signal), backoff: { min: 20, max: 200 }, ...options });
}

waitingDatabaseTests("client and server", {
  "a server that stops says so, and its clients come back; a server gone silent is noticed": async (db) => {
    let server = await startServer(db);
    const [alice] = await makeUsers(db, 1);
    await using client = clientOf(() => server.port);
    await client.login(alice);
    const goodbye = event(client, "goodbye");
    const online = event(client, "state", (s) => s.state === "online");
    await server.server.close();
    const { reason, retry } = await goodbye;
    assertEquals(reason, "stopping");
    assert(retry !== undefined && retry > 0);
    server = await startServer(db, { heartbeat: 1 });
    await using _second = server;
    await online;
    assertEquals(client.session?.heartbeat, 1);
    await client.close();

    await using proxy = await startProxy({ hostname: "127.0.0.1", port: server.port });
    await using other = clientOf(proxy.port);
    await other.login(alice);
    const lost = event(other, "state", (s) => s.state === "offline");
    const back = event(other, "state", (s) => s.state === "online");
    proxy.freeze();
    using took = new Awake();
    const state = await lost;
    assert(state.state === "offline" && state.error instanceof ConnectionLost && state.error.reason === "timeout");
    assert(took.ms < 3000, `${took.ms} ms`);
    proxy.thaw();
    await back;
  },

  "SIGKILL under two people who talk: nothing lost, nothing twice, nothing out of order": async (db) => {
    let server = await spawnServer(db, { limits: "off" });
    try {
      const users = await makeUsers(db, 2);
      const COUNT = 300;
      const received: string[][] = [[], []];
      const clients = users.map(() => clientOf(() => server.port));
      let wake = () => {};
      clients.forEach((client, i) =>
        client.on("message", (m) => {
          received[i].push(m.msg);
          wake();
        })
      );
      const enough = async (count: number) => {
        while (received[0].length < count || received[1].length < count) await new Promise<void>((resolve) => wake = resolve);
      };
      await Promise.all(clients.map((client, i) => client.login(users[i])));
      const sent = Promise.all(clients.flatMap((client, i) => Array.from({ length: COUNT }, (_, n) => client.chat({ id: users[1 - i].id }, `${n}`))));
      for (const count of [20, 100, 200]) {
        await enough(count);
        await server.stop("SIGKILL");
        server = await spawnServer(db, { limits: "off" });
      }
      const stored = await sent;
      assertEquals(new Set(stored.map((s) => s.messageid)).size, 2 * COUNT);
      await enough(COUNT);
      const all = Array.from({ length: COUNT }, (_, n) => `${n}`);
      assertEquals(received, [all, all]);
      await Promise.all(clients.map((client) => client.close()));
    } finally {
      await server.stop("SIGKILL");
    }
  },

  "an answer that is lost on its way makes no second message": async (db) => {
    await using server = await startServer(db);
    await using proxy = await startProxy({ hostname: "127.0.0.1", port: server.port });
    const [alice, bob] = await makeUsers(db, 2);
    await using sender = clientOf(proxy.port);
    await using reader = clientOf(server.port);
    const received: string[] = [];
    reader.on("message", (m) => void received.push(m.msg));
    await Promise.all([sender.login(alice), reader.login(bob)]);
    for (let i = 0; i < 10; i++) {
      // The message passes, its answer does not.
      proxy.inspect = ({ direction, data }) => direction === "down" && new TextDecoder().decode(data).includes('"messageid"') ? "cut" : "pass";
      const offline = event(sender, "state", (s) => s.state === "offline");
      const stored = sender.chat({ id: bob.id }, `${i}`);
      await offline;
      proxy.inspect = undefined;
      await stored;
    }
    await eventually(() => received.length >= 10, "all came");
    assertEquals((await sender.history({ id: bob.id })).messages.map((m) => m.msg), received);
    assertEquals(received, Array.from({ length: 10 }, (_, i) => `${i}`));
  },
});

databaseTest("client and server: two people find each other and talk", async (db) => {
  await using server = await startServer(db, {}, { times: { news: 200 } });
  await using alice = clientOf(server.port);
  await using bob = clientOf(server.port);
  const { id } = await alice.register("alice", "pw a");
  assertEquals((await assertRejects(() => alice.register("Alice", "pw"), NatterError) as NatterError).errno, 1);
  const { id: bobId } = await bob.register("bob", "pw b");
  assertEquals((await assertRejects(() => alice.login({ name: "alice", password: "no" }), NatterError) as NatterError).errno, 1);
  assertEquals((await alice.login({ name: "alice", password: "pw a" })).id, id);
  assertEquals((await alice.addFriend({ name: "bob" })).state, "offline");
  const came = event(alice, "presence");
  await bob.login({ id: bobId, password: "pw b" });
  const { lastseen: _, ...presence } = await came;
  assertEquals<Record<string, unknown>>(presence, { msgid: 15, id: bobId, state: "online" });

  const first = event(bob, "message");
  const stored = await alice.chat({ name: "bob" }, "你好 👋");
  const message = await first;
  assertEquals([message.id, message.name, message.msg, message.seq, message.mid], [id, "alice", "你好 👋", 1, stored.mid]);
  assertEquals([message.messageid, message.ts], [stored.messageid, stored.ts]);

  const { groupid } = await bob.createGroup("team", "two people");
  assertEquals(await alice.joinGroup({ name: "team" }), { id: groupid, groupname: "team", role: "normal", count: 2 });
  const members = await alice.members(groupid, { limit: 1 });
  assertEquals([members.groupdesc, members.count, members.more], ["two people", 2, true]);
  const others = await alice.members(groupid, { after: members.members[0].id });
  assertEquals([...members.members, ...others.members].map(({ name, role, state }) => `${name} ${role} ${state}`), [
    "alice normal online",
    "bob creator online",
  ]);
  assertEquals(others.more, false);
  assertEquals(await alice.users({ names: ["BOB", "nobody"] }), [{ id: bobId, name: "bob" }]);
  const second = event(bob, "message");
  await alice.chat({ groupid }, "hello all");
  assertEquals([(await second).groupid, (await second).seq], [groupid, 3]);
  assertEquals((await bob.contacts()).groups.map((g) => g.id), [groupid]);

  const typing = event(bob, "signal");
  alice.signal({ id: bobId }, "typing");
  assertEquals([(await typing).id, (await typing).msg], [id, "typing"]);
  assertEquals((await bob.history({ name: "alice" })).messages.map((m) => m.msg), ["你好 👋"]);
  assertEquals((await bob.history({ groupid }, { limit: 1 })).messages.map((m) => m.msg), ["hello all"]);
  assert(await alice.ping() > 0);

  await bob.block(id);
  assertEquals((await assertRejects(() => alice.chat({ id: bobId }, "?"), NatterError) as NatterError).errno, 23);
  await bob.unblock(id);
  await alice.removeFriend(bobId);
  await alice.leaveGroup(groupid);
  assertEquals(await alice.contacts(), { friends: [], groups: [], blocked: [], invited: [] });
  assertEquals((await assertRejects(() => alice.chat({ groupid }, "?"), NatterError) as NatterError).errno, 18);
  assertEquals((await assertRejects(() => alice.chat({ id: bobId }, "x".repeat(70_000)), NatterError) as NatterError).errno, 14);

  await alice.changePassword("pw a", "pw c");
  const token = alice.session!.token;
  await alice.logout();
  const refused = await assertRejects(() => alice.login({ id, token }), NatterError) as NatterError;
  assertEquals([refused.errno, alice.state.state], [1, "closed"]);
  await alice.login({ name: "alice", password: "pw c" });
});

databaseTest("client and server: messages that waited come once, and not again once confirmed", async (db) => {
  await using server = await startServer(db, { limits: "off" });
  const [alice, bob] = await makeUsers(db, 2);
  await using sender = clientOf(server.port, { window: 100 });
  await sender.login(alice);
  await Promise.all(Array.from({ length: 100 }, (_, i) => sender.chat({ id: bob.id }, `${i}`)));

  const seqs: number[] = [];
  const snapshot = await (async () => {
    await using reader = clientOf(server.port);
    const last = event(reader, "message", (m) => m.seq === 70);
    // What comes after 70 is never handled.
    reader.on("message", (m) => m.seq <= 70 ? void seqs.push(m.seq) : new Promise(() => {}));
    await reader.login(bob);
    await last;
    return reader.snapshot();
  })();
  await using later = clientOf(server.port, { resume: snapshot });
  later.on("message", (m) => void seqs.push(m.seq));
  const { inbox } = await later.login(bob);
  assertEquals([inbox.confirmed, inbox.last], [70, 100]);
  await eventually(() => seqs.length === 100, "all came");
  assertEquals(seqs, Array.from({ length: 100 }, (_, i) => i + 1));
});

databaseTest("client and server: a second client of the same account is refused, and does not disturb the first", async (db) => {
  await using server = await startServer(db);
  const [alice] = await makeUsers(db, 1);
  await using first = clientOf(server.port);
  await first.login(alice);
  const user = await first.register("carol", "pw");
  await using second = clientOf(server.port);
  await second.login({ id: user.id, password: "pw" });
  await using third = clientOf(server.port);
  const error = await assertRejects(() => third.login({ name: "carol", password: "pw" }), NatterError) as NatterError;
  assertEquals([error.errno, third.state.state === "closed" && third.state.reason], [2, "inuse"]);
  assert(await second.ping() > 0);
});
