/** The client library's own promises, against a server that the test plays. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionLost, Msg, NatterClient, NatterError } from "../src/client/natter_client.ts";
import { Msg as ServerMsg } from "../src/wire/requests.ts";
import { FakeWire } from "./support/fake_wire.ts";
import { event } from "./support/client_events.ts";
import { clientOf, online } from "./support/fake_client.ts";

Deno.test("client: knows the same messages as the server", () => {
  assertEquals<Record<string, number>>(Msg, ServerMsg);
});

Deno.test("client: answers PING, and passes on presence and signals", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  connection.send({ msgid: Msg.PING, ref: "x" });
  assertEquals(await connection.next(Msg.PONG), { msgid: Msg.PONG, ref: "x" });
  const states: string[] = [];
  const off = client.on("presence", ({ id, state }) => states.push(`${id} ${state}`));
  connection.send({ msgid: Msg.PRESENCE, id: 2, state: "online", lastseen: 5 });
  off();
  connection.send({ msgid: Msg.PRESENCE, id: 2, state: "offline", lastseen: 6 });
  assertEquals(states, ["2 online"]);
  const signal = event(client, "signal");
  connection.send({ msgid: Msg.SIGNAL, id: 2, toid: 1, msg: "typing" });
  assertEquals((await signal).msg, "typing");
  client.signal({ groupid: 4 });
  assertEquals(await connection.next(Msg.SIGNAL), { msgid: Msg.SIGNAL, groupid: 4 });
  await client.close();
});

Deno.test("client: requests carry their fields, and tell what went wrong", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const requests: [() => Promise<unknown>, Record<string, unknown>, Record<string, unknown>, unknown][] = [
    [() => client.addFriend({ name: "bob" }), { msgid: 7, friendname: "bob" }, { friend: { id: 2 } }, { id: 2 }],
    [() => client.addFriend({ id: 2 }), { msgid: 7, friendid: 2 }, { friend: { id: 2 } }, { id: 2 }],
    [() => client.removeFriend(2), { msgid: 18, friendid: 2 }, {}, undefined],
    [() => client.createGroup("g", "d"), { msgid: 8, groupname: "g", groupdesc: "d" }, { groupid: 4 }, { groupid: 4 }],
    [() => client.joinGroup({ id: 4 }), { msgid: 9, groupid: 4 }, { group: { id: 4 } }, { id: 4 }],
    [() => client.joinGroup({ name: "g" }), { msgid: 9, groupname: "g" }, { group: { id: 4 } }, { id: 4 }],
    [() => client.leaveGroup(4), { msgid: 19, groupid: 4 }, {}, undefined],
    [() => client.history({ id: 2 }, { before: 9, limit: 3 }), { msgid: 16, toid: 2, before: 9, limit: 3 }, { messages: [], more: true }, {
      messages: [],
      events: [],
      more: true,
    }],
    [() => client.history({ groupid: 4 }), { msgid: 16, groupid: 4 }, {
      messages: [{ msgid: 28, messageid: 1 }, { msgid: 10, msg: "x" }],
      more: false,
    }, {
      messages: [{ msgid: 10, msg: "x" }],
      events: [{ msgid: 28, messageid: 1 }],
      more: false,
    }],
    [() => client.members(4, { after: 7, limit: 2 }), { msgid: 32, groupid: 4, after: 7, limit: 2 }, {
      groupdesc: "d",
      private: true,
      history: "all",
      posting: "all",
      members: [],
      count: 2,
      more: false,
    }, { groupdesc: "d", private: true, history: "all", posting: "all", members: [], count: 2, more: false }],
    [() => client.banned(4), { msgid: 32, groupid: 4, banned: true }, { banned: [], more: false }, { banned: [], more: false }],
    [() => client.createGroup("g", "", { private: true }), { msgid: 8, groupname: "g", groupdesc: "", private: true }, { groupid: 4 }, {
      groupid: 4,
    }],
    [() => client.joinGroup({ code: "c" }), { msgid: 9, code: "c" }, { group: { id: 4 } }, { id: 4 }],
    [() => client.updateGroup(4, { posting: "all" }), { msgid: 35, groupid: 4, posting: "all" }, {}, undefined],
    [() => client.setRole(4, 2, "moderator"), { msgid: 36, groupid: 4, userid: 2, role: "moderator" }, {}, undefined],
    [() => client.kick(4, 2, { ban: true }), { msgid: 37, groupid: 4, userid: 2, ban: true }, {}, undefined],
    [() => client.unban(4, 2), { msgid: 38, groupid: 4, userid: 2 }, {}, undefined],
    [() => client.inviteToGroup(4, 2), { msgid: 39, groupid: 4, userid: 2 }, {}, undefined],
    [() => client.groupCode(4, { days: 1 }), { msgid: 39, groupid: 4, uses: 1, days: 1 }, { code: "c" }, "c"],
    [() => client.revokeCodes(4), { msgid: 40, groupid: 4 }, {}, undefined],
    [() => client.users({ ids: [2, 3] }), { msgid: 42, ids: [2, 3] }, { users: [{ id: 2, name: "bob" }] }, [{ id: 2, name: "bob" }]],
    [() => client.users({ names: ["bob"] }), { msgid: 42, names: ["bob"] }, { users: [] }, []],
    [() => client.devices(), { msgid: 33 }, { devices: [{ id: 0 }] }, [{ id: 0 }]],
    [() => client.removeDevice(2), { msgid: 34, device: 2 }, {}, undefined],
    [() => client.contacts(), { msgid: 17 }, { friends: [], groups: [], blocked: [9], invited: [] }, {
      friends: [],
      groups: [],
      blocked: [9],
      invited: [],
    }],
    [() => client.changePassword("a", "b"), { msgid: 22, old: "a", new: "b" }, {}, undefined],
    [() => client.block(2), { msgid: 23, userid: 2 }, {}, undefined],
    [() => client.unblock(2), { msgid: 24, userid: 2 }, {}, undefined],
  ];
  for (const [call, sent, answer, result] of requests) {
    const promise = call();
    const { ref, ...request } = await connection.next(sent.msgid as number);
    assertEquals<Record<string, unknown>>(request, sent);
    connection.answer({ ...request, ref }, answer);
    assertEquals(await promise, result);
  }
  const ping = client.ping();
  connection.answer(await connection.next(Msg.PING), { msgid: Msg.PONG });
  assert(await ping >= 0);

  const refused = assertRejects(() => client.joinGroup({ id: 9 }), NatterError);
  connection.answer(await connection.next(Msg.JOIN_GROUP), { errno: 17, errmsg: "no such group" });
  const error = await refused as NatterError;
  assertEquals([error.errno, error.errmsg, error.message], [17, "no such group", "no such group (errno 17)"]);

  const lost = assertRejects(() => client.contacts(), ConnectionLost, "lost");
  await connection.next(Msg.CONTACTS);
  connection.drop();
  await lost;
  await assertRejects(() => client.contacts(), ConnectionLost, "not connected");
  await client.close();
});

Deno.test("client: whatever is no message of a server ends the connection, and nothing else", async () => {
  for (const line of ["220 mail.example.org", "null", "5", '"hello"']) {
    const client = new NatterClient({
      connect: (events) =>
        Promise.resolve({
          send: () => events.line(line),
          close: () => Promise.resolve(),
        }),
    });
    await assertRejects(() => client.login({ name: "alice", password: "pw" }), ConnectionLost, "lost", line);
    await client.close();
  }
});

Deno.test("client: registers on a connection of its own", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire);
  for (const [answer, check] of [[{ id: 7 }, undefined], [{ errno: 1, errmsg: "taken" }, 1]] as const) {
    const register = client.register("bob", "pw");
    const connection = await wire.accept();
    const request = await connection.next(Msg.REGISTER);
    assertEquals([request.name, request.password], ["bob", "pw"]);
    connection.answer(request, { msgid: Msg.REGISTER_ACK, ...answer });
    if (check === undefined) assertEquals(await register, { id: 7 });
    else assertEquals((await assertRejects(() => register, NatterError) as NatterError).errno, check);
    await connection.closed;
  }
  assertEquals(client.state, { state: "closed", reason: "new" });
});

Deno.test("client: a server that knows no devices is one clear error", async () => {
  const wire = new FakeWire();
  const client = clientOf(wire);
  const login = client.login({ name: "alice", password: "pw" });
  const connection = await wire.accept();
  const request = await connection.next(Msg.LOGIN);
  connection.answer(request, { msgid: Msg.LOGIN_ACK, id: 1, name: "alice", token: "t", heartbeat: 10, inbox: { confirmed: 0, last: 0 } });
  const error = await login.catch((error: NatterError) => error) as NatterError;
  assertEquals([error.errno, error.errmsg], [13, "the server is older than this client"]);
  await connection.closed;
  assertEquals(client.state.state, "closed");
});
