// The client library and what becomes of messages: events come in their place among the messages, and are confirmed like them; requests carry their fields.

import { assertEquals } from "@std/assert";
import { Msg, NatterClient } from "../src/client/natter_client.ts";
import { FakeWire } from "./support/fake_wire.ts";

/** A client that is logged in as alice, and writes down what it hears. */
async function online(wire: FakeWire, listen = true) {
  const client = new NatterClient({ connect: wire.connect, backoff: { min: 1, max: 1 } });
  const log: unknown[] = [];
  if (listen) client.on("message", ({ seq, msg, deleted }) => log.push([seq, "message", msg, deleted]));
  client.on("edit", ({ seq, msg, edited, deleted }) => log.push([seq, "edit", msg, edited ?? deleted]));
  client.on("delete", ({ seq, messageid }) => log.push([seq, "delete", messageid]));
  client.on("react", ({ seq, emoji, off, reactions }) => log.push([seq, "react", emoji, off, reactions]));
  client.on("read", ({ id, toid, messageid }) => log.push(["read", id, toid, messageid]));
  const [connection] = await Promise.all([wire.login(), client.login({ id: 1, token: "t0" })]);
  return { client, connection, log };
}

Deno.test("client, deeds: each in its place among the messages, once, and confirmed with them; what is not known is confirmed too", async () => {
  const wire = new FakeWire();
  const { client, connection, log } = await online(wire);
  const about = { id: 2, toid: 1, messageid: 101 };
  connection.chat(1);
  connection.send({ msgid: Msg.EDIT, ...about, msg: "new", edited: 7, seq: 2 });
  connection.send({ msgid: Msg.REACT, ...about, emoji: "👍", off: true, reactions: [], seq: 3 });
  connection.send({ msgid: Msg.EDIT, ...about, msg: "new", edited: 7, seq: 2 });
  connection.send({ msgid: Msg.EDIT, ...about, deleted: true, seq: 4 });
  connection.send({ msgid: Msg.DELETE, ...about, seq: 5 });
  connection.send({ msgid: 28, groupid: 3, what: "joined", seq: 6 });
  connection.chat(7, { msg: undefined, deleted: true });
  connection.send({ msgid: Msg.READ, id: 2, toid: 1, messageid: 99 });
  assertEquals(await connection.next(Msg.RECEIVED), { msgid: Msg.RECEIVED, seq: 7 });
  const marks = [["read", 2, 1, 99]];
  assertEquals(log.filter((entry) => (entry as unknown[])[0] === "read"), marks);
  assertEquals(log.filter((entry) => (entry as unknown[])[0] !== "read"), [
    [1, "message", "m1", undefined],
    [2, "edit", "new", 7],
    [3, "react", "👍", true, []],
    [4, "edit", "", true],
    [5, "delete", 101],
    [7, "message", "", true],
  ]);
  await client.close();
});

Deno.test("client, deeds: as long as nobody listens for messages all wait; who does not listen for deeds confirms them", async () => {
  const wire = new FakeWire();
  const { client, connection, log } = await online(wire, false);
  connection.send({ msgid: Msg.EDIT, id: 2, toid: 1, messageid: 101, msg: "new", edited: 7, seq: 1 });
  connection.chat(2);
  // Whatever needs no timer happens before this.
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(log, []);
  client.on("message", ({ seq }) => log.push(seq));
  assertEquals(await connection.next(Msg.RECEIVED), { msgid: Msg.RECEIVED, seq: 2 });
  assertEquals(log, [[1, "edit", "new", 7], 2]);
  await client.close();
});

Deno.test("client, deeds: requests carry their fields, and what is sent its own", async () => {
  const wire = new FakeWire();
  const { client, connection } = await online(wire);
  const page = { conversations: [], more: false };
  const requests: [() => Promise<unknown>, Record<string, unknown>, Record<string, unknown>, unknown][] = [
    [() => client.edit(9, "new"), { msgid: 25, messageid: 9, msg: "new" }, { edited: 7 }, { edited: 7 }],
    [() => client.delete(9), { msgid: 26, messageid: 9 }, {}, undefined],
    [() => client.react(9, "👍"), { msgid: 27, messageid: 9, emoji: "👍" }, { reactions: [] }, []],
    [() => client.react(9, "👍", { off: true }), { msgid: 27, messageid: 9, emoji: "👍", off: true }, { reactions: [] }, []],
    [() => client.read({ groupid: 4 }, 9), { msgid: 29, groupid: 4, messageid: 9 }, { read: 8 }, { read: 8 }],
    [() => client.conversations(), { msgid: 31 }, page, page],
    [() => client.conversations({ limit: 2, before: 9 }), { msgid: 31, limit: 2, before: 9 }, page, page],
    [() => client.mute({ id: 2 }), { msgid: 45, toid: 2 }, {}, undefined],
    [() => client.mute({ id: 2 }, { until: 0, pinned: true }), { msgid: 45, toid: 2, until: 0, pinned: true }, {}, undefined],
    [
      () => client.history({ id: 2 }, { around: 9 }),
      { msgid: 16, toid: 2, around: 9 },
      { messages: [{ msgid: 6, messageid: 9, deleted: true }], more: true, moreafter: false },
      { messages: [{ msgid: 6, messageid: 9, msg: "", deleted: true }], events: [], more: true, moreafter: false },
    ],
    [() => client.history({ id: 2 }, { after: 9 }), { msgid: 16, toid: 2, after: 9 }, { messages: [], more: true }, {
      messages: [],
      events: [],
      more: true,
    }],
  ];
  for (const [call, sent, answer, result] of requests) {
    const promise = call();
    const { ref, ...request } = await connection.next(sent.msgid as number);
    assertEquals<Record<string, unknown>>(request, sent);
    connection.answer({ ...request, ref }, answer);
    assertEquals(await promise, result);
  }
  const stored = client.chat({ id: 2 }, "yes", { mid: "m", reply: 9, silent: true });
  assertEquals(client.pending(), [{ mid: "m", to: { id: 2 }, msg: "yes", reply: 9, silent: true }]);
  // Over a lost connection too.
  await connection.next(Msg.CHAT);
  connection.drop();
  const again = await wire.login();
  const { ref, ...request } = await again.next(Msg.CHAT);
  assertEquals<Record<string, unknown>>(request, { msgid: 6, toid: 2, msg: "yes", mid: "m", reply: 9, silent: true });
  again.answer({ ...request, ref }, { messageid: 10, ts: 1 });
  assertEquals(await stored, { mid: "m", messageid: 10, ts: 1 });
  await client.close();
});
