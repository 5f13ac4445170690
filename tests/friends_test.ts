// Contacts: ADD_FRIEND, REMOVE_FRIEND, CONTACTS, BLOCK, UNBLOCK, and every answer they can have.

import { assert, assertEquals } from "@std/assert";
import { assertErrno, assertRefused, chats, nothingElse } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import type { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf } from "./support/server.ts";

async function friends(client: RawClient): Promise<unknown> {
  return (await client.request({ msgid: 17 })).friends;
}

databaseTest("a contact list: added once, one direction, by number or name, and removed", async (db) => {
  await using s = await startServer(db);
  const [ann, bob, cid] = await makeUsers(db, 3);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  const added = await a.request({ msgid: 7, friendid: bob.id });
  const online = { id: bob.id, name: bob.name, state: "online", lastseen: null };
  assertEquals(added, { msgid: 11, ref: added.ref!, errno: 0, re: 7, friend: online });
  assertEquals((await a.request({ msgid: 7, friendid: bob.id })).friend, online, "twice is once");
  const third = await a.request({ msgid: 7, friendname: cid.name.toUpperCase() });
  assertEquals(third.friend, { id: cid.id, name: cid.name, state: "offline", lastseen: null });
  assertEquals(await friends(a), [online, third.friend]);
  assertEquals(await friends(b), [], "one direction only");
  const contacts = await a.request({ msgid: 17 });
  assertEquals(contacts, { msgid: 11, ref: contacts.ref!, errno: 0, re: 17, friends: [online, third.friend], groups: [] });

  // Who has gone has been seen.
  const before = Date.now();
  await b.close();
  await eventually(async () => await stateOf(db, bob.id) === "offline", "bob is offline");
  const [gone] = await friends(a) as { state: string; lastseen: number }[];
  assertEquals(gone.state, "offline");
  assert(gone.lastseen >= before && gone.lastseen <= Date.now());

  // LOGIN_ACK carries the same list.
  await a.close();
  await using a2 = await s.connect();
  const ack = await a2.login({ id: ann.id, token: ann.token, proto: 2 });
  assertEquals(ack.friends, [gone, third.friend]);
  assertErrno(await a2.request({ msgid: 18, friendid: bob.id }), 0);
  assertErrno(await a2.request({ msgid: 18, friendid: bob.id }), 0, "removed twice is removed");
  assertEquals(await friends(a2), [third.friend]);
});

databaseTest("every refusal of a contact list's requests", async (db) => {
  await using s = await startServer(db);
  const [ann] = await makeUsers(db, 1);
  await using a = await s.client(ann);
  await assertRefused(a, [
    [16, { msgid: 7, friendid: 4711 }, "user"],
    [16, { msgid: 7, friendname: "nobody" }, "user"],
    [13, { msgid: 7, friendid: ann.id }, "friendid"],
    [13, { msgid: 7, friendname: ann.name.toUpperCase() }, "friendname"],
    [13, { msgid: 7 }, "friendid"],
    [13, { msgid: 7, friendid: "1" }, "friendid"],
    [13, { msgid: 18 }, "friendid is missing"],
    [16, { msgid: 23, userid: 4711 }, "user"],
    [13, { msgid: 23, userid: ann.id }, "userid"],
    [13, { msgid: 23 }, "userid is missing"],
    [13, { msgid: 24 }, "userid is missing"],
  ]);
  assertErrno(await a.request({ msgid: 18, friendid: 4711 }), 0, "who is not in the list is not in the list");
  assertErrno(await a.request({ msgid: 24, userid: 4711 }), 0, "who is not blocked is not blocked");
});

databaseTest("BLOCK: their CHAT is refused, SIGNAL stops in both directions, and one is offline to them; UNBLOCK lifts it", async (db) => {
  await using s = await startServer(db);
  const [ann, bob] = await makeUsers(db, 2);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  await b.request({ msgid: 7, friendid: ann.id });
  const { groupid } = await a.request({ msgid: 8, groupname: "g", groupdesc: "" });
  await b.request({ msgid: 9, groupid });
  const begun = Date.now();
  assertErrno(await a.request({ msgid: 23, userid: bob.id }), 0);
  const gone = await b.next((m) => m.msgid === 15);
  assertEquals([gone.id, gone.state], [ann.id, "offline"], "the blocker goes offline at that moment");
  assert(Number(gone.lastseen) >= begun && Number(gone.lastseen) <= Date.now());
  assertErrno(await a.request({ msgid: 23, userid: bob.id }), 0, "twice is once");

  assertErrno(await b.request({ msgid: 6, toid: ann.id, msg: "x" }), 23);
  assertErrno(await b.request({ msgid: 6, toname: ann.name, msg: "x" }), 23);
  // A signal has no answer; the PONG behind it says that it was handled.
  b.send({ msgid: 21, toid: ann.id, msg: "typing" });
  b.send({ msgid: 21, groupid, msg: "typing" });
  await b.request({ msgid: 13 });
  await nothingElse(a);
  a.send({ msgid: 21, toid: bob.id, msg: "typing" });
  a.send({ msgid: 21, groupid, msg: "typing" });
  await a.request({ msgid: 13 });
  await nothingElse(b);
  const hidden = { id: ann.id, name: ann.name, state: "offline", lastseen: gone.lastseen };
  assertEquals(await friends(b), [hidden]);
  assertEquals((await b.request({ msgid: 7, friendid: ann.id })).friend, hidden);

  // It is the other's messages that are refused: a group they share goes on, and so does what the blocker writes.
  assertErrno(await b.request({ msgid: 10, groupid, msg: "to all" }), 0);
  assertEquals((await chats(a, 1))[0].msg, "to all");
  assertErrno(await a.request({ msgid: 6, toid: bob.id, msg: "bye" }), 0);
  assertEquals((await chats(b, 1))[0].msg, "bye");

  // It outlives the session.
  await a.close();
  await using a2 = await s.client(ann);
  b.send({ msgid: 21, toid: ann.id, msg: "typing" });
  await b.request({ msgid: 13 });
  assertErrno(await b.request({ msgid: 6, toid: ann.id, msg: "x" }), 23);
  await chats(a2, 1);
  await nothingElse(a2);

  assertErrno(await a2.request({ msgid: 24, userid: bob.id }), 0);
  const back = await b.next((m) => m.msgid === 15);
  assertEquals([back.id, back.state], [ann.id, "online"], "and is as they are when it is lifted");
  assertErrno(await a2.request({ msgid: 24, userid: bob.id }), 0, "twice is once");
  assertErrno(await b.request({ msgid: 6, toid: ann.id, msg: "back" }), 0);
  assertEquals((await chats(a2, 1))[0].msg, "back");
  b.send({ msgid: 21, toid: ann.id, msg: "typing" });
  await a2.next((m) => m.msgid === 21);
  assertEquals((await friends(b) as { state: string }[])[0].state, "online");
});
