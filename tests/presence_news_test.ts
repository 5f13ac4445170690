// PRESENCE: friends hear who came and who went, 2 to 3 s later, and nothing of what was undone by then.

import { assert, assertEquals } from "@std/assert";
import { Awake } from "./support/awake.ts";
import { assertErrno, nothingElse } from "./support/chat.ts";
import { standStill } from "./support/clock.ts";
import { onceTest, testDatabase, waitingDatabaseTests } from "./support/databases.ts";
import type { RawClient } from "./support/raw_client.ts";
import { StoreWatch } from "./support/around_store.ts";
import { eventually, makeUsers, startServer, stateOf } from "./support/server.ts";

/** The next PRESENCE. */
const news = (client: RawClient) => client.next((m) => m.msgid === 15);

/** 2 to 3 s (awake.ts); what the machine adds is its own affair (ms). */
const TOLD = 3500;

/** Several nodes are quicker in tests. */
const AS_IT_IS = { news: 2000 };

waitingDatabaseTests("PRESENCE", {
  "told late, to those who have the user as a friend, and not when it was undone": async (db) => {
    await using s = await startServer(db, { "on-conflict": "replace" }, { times: AS_IT_IS });
    const [ann, bob, cid, dan, eve, fay] = await makeUsers(db, 6);
    await using a = await s.client(ann);
    await using c = await s.client(cid);
    await using d = await s.client(dan, {});
    await using e = await s.client(eve);
    await using f = await s.client(fay);
    for (const watcher of [a, d, e, f]) await watcher.request({ msgid: 7, friendid: bob.id });
    // Eve blocks Bob, Bob blocks Fay: neither hears of him. Cid has not got him as a friend, Dan is classic.
    await e.request({ msgid: 23, userid: bob.id });

    const before = performance.now();
    using coming = new Awake();
    const b = await s.client(bob);
    await b.request({ msgid: 23, userid: fay.id });
    // Bob has nobody as a friend, but of him is told.
    const came = await news(a);
    assert(coming.ms < TOLD, `online told after ${coming.ms} ms`);
    assertEquals(came, { msgid: 15, id: bob.id, state: "online", lastseen: came.lastseen });
    assert(performance.now() - before >= 2000, "online told too early");

    // A takeover, and a reconnect within two seconds: nobody sees anything. What is told next is the end.
    await using b2 = await s.client(bob);
    assertEquals(await b.closed, "fin");
    await b2.close();
    const b3 = await s.client(bob);
    const at = Date.now();
    using going = new Awake();
    await b3.rst();
    const went = await news(a);
    assert(going.ms < TOLD, `offline told after ${going.ms} ms`);
    assertEquals(went, { msgid: 15, id: bob.id, state: "offline", lastseen: went.lastseen });
    const told = Date.now(), seen = went.lastseen as number;
    assert(seen >= at && seen < told - 250, `lastseen is when it was, not when it is told: ${[at, seen, told]}`);
    assert(told - at >= 500, "offline told too early");
    for (const client of [a, c, d, e, f]) await nothingElse(client);
  },
  "who looked at a change that was undone is told how things stand, and nobody else is": async (db) => {
    await using s = await startServer(db, {}, { times: AS_IT_IS });
    const [ann, bob, cid, dan] = await makeUsers(db, 4);
    await using a = await s.client(ann);
    await using d = await s.client(dan);
    const look = async (client: RawClient) => {
      const friends = await Promise.all(
        [bob, cid].map(async ({ id }) => (await client.request({ msgid: 7, friendid: id })).friend as { state: string }),
      );
      return friends.map(({ state }) => state);
    };
    const b = await s.client(bob);
    assertEquals(await look(a), ["online", "offline"]);
    // Bob goes, Cid comes, Dan looks, and both think better of it.
    await b.close();
    const c = await s.client(cid);
    await eventually(async () => await stateOf(db, bob.id) === "offline", "bob is offline");
    assertEquals(await look(d), ["offline", "online"]);
    await using _ = await s.client(bob);
    await c.close();
    const told = [await d.next((m) => m.msgid === 15), await d.next((m) => m.msgid === 15)];
    assertEquals(new Map(told.map((m) => [m.id, m.state])), new Map([[bob.id, "online"], [cid.id, "offline"]]));
    for (const client of [a, d]) await nothingElse(client);
  },
  "a client that takes nothing for a while is told later, the newest only": async (db) => {
    await using s = await startServer(db, { limits: "off", "send-queue": 1024 }, { times: { news: 100 } });
    const [ann, bob, cid] = await makeUsers(db, 3);
    await using a = (await s.client(ann)).answerPings();
    for (const { id } of [bob, cid]) await a.request({ msgid: 7, friendid: id });
    await using sender = await s.client(cid);
    await a.next((m) => m.msgid === 15 && m.id === cid.id);
    // Until more waits than the kernel takes.
    a.pause();
    const msg = "x".repeat(60_000);
    for (let i = 0; i < 200; i++) await sender.request({ msgid: 6, toid: ann.id, msg });
    const b = await s.client(bob);
    await eventually(async () => await stateOf(db, bob.id) === "online", "bob is there");
    await new Promise((resolve) => setTimeout(resolve, 500));
    await b.close();
    await eventually(async () => await stateOf(db, bob.id) === "offline", "bob is gone");
    await using again = await s.client(bob);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assertEquals(a.backlog.filter((m) => m.msgid === 15), []);
    a.resume();
    const news = await a.next((m) => m.msgid === 15, 30_000);
    assertEquals([news.id, news.state, typeof news.lastseen], [bob.id, "online", "number"]);
    await eventually(() => a.backlog.filter((m) => m.msgid === 6).length === 200, "all messages", 30_000);
    assertEquals(a.backlog.filter((m) => m.msgid === 15), []);
    assertEquals((await again.request({ msgid: 13 })).msgid, 14);
  },
  "who lifts a block is told who went meanwhile, and not what the other one hides": async (db) => {
    await using s = await startServer(db, { limits: "off" }, { times: { news: 50 } });
    const [ann, bob, cid] = await makeUsers(db, 3);
    await using a = await s.client(ann);
    await using c = await s.client(cid);
    const b = await s.client(bob);
    for (const watcher of [a, c]) assertErrno(await watcher.request({ msgid: 7, friendid: bob.id }), 0);
    await a.request({ msgid: 23, userid: bob.id });
    await b.close();
    // To the others it is told, and by then it is not told again.
    assertEquals((await news(c)).state, "offline");
    await a.request({ msgid: 24, userid: bob.id });
    const message = await news(a);
    assertEquals(message, { msgid: 15, id: bob.id, state: "offline", lastseen: message.lastseen });

    await using b2 = await s.client(bob);
    for (const watcher of [a, c]) assertEquals((await news(watcher)).state, "online");
    await a.request({ msgid: 23, userid: bob.id });
    await b2.request({ msgid: 23, userid: ann.id });
    assertEquals((await news(a)).state, "offline");
    await a.request({ msgid: 24, userid: bob.id });
    await nothingElse(a);
  },

  "what happens between a look at the database and its answer is told behind the answer": async (db) => {
    const watch = new StoreWatch();
    await using s = await startServer(db, { limits: "off" }, { times: { news: 50 }, store: watch.wrap });
    const [ann, bob, cid] = await makeUsers(db, 3);
    await using a = await s.client(ann);
    await using c = await s.client(cid);
    assertErrno(await c.request({ msgid: 7, friendid: bob.id }), 0);
    for (const [asked, call] of [[{ msgid: 7, friendid: bob.id }, "addFriend"], [{ msgid: 17 }, "lists"]] as const) {
      const b = await s.client(bob);
      if (call === "lists") assertEquals((await news(a)).state, "online");
      assertEquals((await news(c)).state, "online");
      const looked = Promise.withResolvers<void>(), told = Promise.withResolvers<void>();
      watch.around = async ({ name, run }) => {
        const result = await run();
        if (name !== call) return result;
        looked.resolve();
        await told.promise;
        return result;
      };
      a.send({ ...asked, ref: call });
      await looked.promise;
      await b.close();
      assertEquals((await news(c)).state, "offline");
      told.resolve();
      const answer = await a.next();
      assertEquals([answer.ref, JSON.stringify(answer).includes('"state":"online"')], [call, true]);
      assertEquals((await news(a)).state, "offline");
      await nothingElse(a);
    }
  },
});

onceTest("PRESENCE: who came back in time, and was not heard because the process did not run, was not gone", async () => {
  await using db = await testDatabase("sqlite");
  await using s = await startServer(db, {}, { times: { news: 1000 } });
  const [ann, bob, cid] = await makeUsers(db, 3);
  await using a = await s.client(ann);
  for (const friend of [bob, cid]) assertErrno(await a.request({ msgid: 7, friendid: friend.id }), 0);
  const b = await s.client(bob);
  assertEquals((await news(a)).id, bob.id);
  await b.close();
  await eventually(async () => await stateOf(db, bob.id) === "offline", "offline");
  await using again = await s.connect();
  const login = again.login({ id: bob.id, token: bob.token, proto: 2 });
  standStill(1500);
  assertEquals((await login).errno, 0);
  // What is told of Cid is told behind it.
  await using _c = await s.client(cid);
  assertEquals((await news(a)).id, cid.id);
});
