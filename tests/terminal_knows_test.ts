// What the terminal knows of its conversations, whatever the server puts off, doubles or has not stored yet.

import { assertEquals, assertRejects } from "@std/assert";
import { Msg, NatterClient, NatterError, type Target } from "../src/client/natter_client.ts";
import { ReadMarks } from "../src/client/terminal/read_marks.ts";
import { Directory } from "../src/client/terminal/directory.ts";
import { inLists } from "../src/client/terminal/lists.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { Terminal } from "../src/client/terminal/terminal.ts";
import type { Shown } from "../src/client/terminal/view.ts";
import { testDatabase } from "./support/databases.ts";
import { FakeWire } from "./support/fake_wire.ts";
import { startProxy } from "./support/proxy.ts";
import { startServer } from "./support/server.ts";

const PASSWORD = "wonderland";

Deno.test("terminal: who goes through conversations faster than the server answers has read in each what was seen there", async () => {
  const told: [Target, number][] = [];
  const answers: (() => void)[] = [];
  const read = (of: Target, messageid: number) => {
    told.push([of, messageid]);
    return new Promise((resolve) => answers.push(() => resolve({ read: messageid })));
  };
  const marks = new ReadMarks({ read } as unknown as NatterClient);
  const [a, b, c] = [{ id: 1 }, { id: 2 }, { groupid: 3 }];
  const seen = [marks.seen(a, 10), marks.seen(b, 20), marks.seen(c, 30), marks.flush()];
  // Whatever waits for an answer.
  for (let answered = 0; answered < 3; answered++) {
    answers[answered]?.();
    await new Promise((resolve) => setTimeout(resolve));
  }
  await Promise.all([...seen, marks.flush(), ...answers.map((answer) => answer())]);
  assertEquals(told, [[a, 10], [b, 20], [c, 30]]);
});

Deno.test("terminal: what was seen is told again when the server puts it off", async () => {
  const answers = [Promise.reject(new NatterError(15, "too many requests", 1)), Promise.resolve({ read: 10 })];
  const marks = new ReadMarks({ read: () => answers.shift() } as unknown as NatterClient);
  marks.seen({ id: 1 }, 10);
  await marks.flush();
  assertEquals(answers, []);
});

Deno.test("terminal: a group is made once, where it is not known whether it was", async () => {
  const answers = [new NatterError(15, "too many requests", 1), new NatterError(19, "the server cannot do this now", 1)];
  const client = { createGroup: () => Promise.reject(answers.shift()) } as unknown as NatterClient;
  await assertRejects(() => inLists(client, new Directory(client), "private", "den"), NatterError, "errno 19");
  assertEquals(answers, []);
});

Deno.test("terminal: whoever wrote last is somebody else, whatever one writes on another device", async () => {
  const listeners = new Map<string, (event: unknown) => void>();
  const client = {
    on: (name: string, listener: (event: unknown) => void) => listeners.set(name, listener),
    session: { id: 1, name: "alice" },
    sentHere: () => false,
    read: () => Promise.resolve(),
    logout: () => Promise.resolve(),
    close: () => Promise.resolve(),
    state: { state: "online" },
  };
  const view = { message() {}, table() {}, note() {}, fault: (text: string) => assertEquals(text, "") };
  const terminal = new Terminal(client as unknown as NatterClient, view, () => Promise.resolve(undefined));
  const groups = [{ id: 3, groupname: "cooks" }];
  listeners.get("login")!({ ...client.session, friends: [], groups, invited: [], inbox: { last: 0 } });
  const message = listeners.get("message")!;
  message({ seq: 1, id: 2, name: "bob", toid: 1, msg: "hi", messageid: 1 });
  message({ seq: 2, id: 1, name: "alice", groupid: 3, msg: "soup", messageid: 2 });
  await terminal.run("/r");
  assertEquals(terminal.conversation, "bob");
  message({ seq: 3, id: 2, name: "bob", groupid: 3, msg: "soup!", messageid: 3 });
  await terminal.run("/r");
  assertEquals(terminal.conversation, "[cooks]");
  await terminal.end(0);
});

Deno.test("terminal: what was written last is not stored yet: the one before is neither changed nor deleted in its place", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { limits: "off" });
  await using proxy = await startProxy({ hostname: "127.0.0.1", port: server.port });
  await using client = new NatterClient({ connect: tcp({ port: proxy.port }) });
  await client.register("alice", PASSWORD);
  const faults: string[] = [], shown: string[] = [];
  const view = { message: ({ msg }: Shown) => shown.push(msg), table() {}, note() {}, fault: (text: string) => faults.push(text) };
  const terminal = new Terminal(client, view, () => Promise.resolve(undefined));
  await client.login({ name: "alice", password: PASSWORD, device: "a test" });
  for (const line of ["/to alice", "first"]) await terminal.run(line);
  await terminal.outgoing.settled();
  // The next one is lost on its way, which nobody has noticed yet.
  const swallowed = Promise.withResolvers<void>();
  proxy.inspect = ({ direction, data }) => {
    if (direction === "down" || !new TextDecoder().decode(data).includes('"second"')) return "pass";
    swallowed.resolve();
    return "drop";
  };
  await terminal.run("second");
  await swallowed.promise;
  for (const line of ["/edit third", "/delete"]) await terminal.run(line);
  const reason = "what you wrote last is not stored yet; #N names another message, /last shows the numbers";
  assertEquals(faults, [reason, reason]);
  await terminal.run("/edit #1 fourth");
  await terminal.run("/history");
  assertEquals([faults.length, shown.at(-1)], [2, "fourth"]);
  // It comes again on another connection.
  proxy.inspect = undefined;
  proxy.cut();
  await terminal.outgoing.settled();
  await terminal.run("/delete");
  await terminal.run("/edit fifth");
  await terminal.run("/history");
  assertEquals([faults.length, shown.at(-2)], [2, "fifth"]);
  await terminal.end();
});

Deno.test("terminal: an invitation that waits is told once, however often one comes back; and when what was remembered has gaps", async () => {
  const wire = new FakeWire();
  const client = new NatterClient({ connect: wire.connect, backoff: { min: 1, max: 1 } });
  const notes: string[] = [];
  const view = { message() {}, table() {}, note: (text: string) => notes.push(text), fault() {} };
  const terminal = new Terminal(client, view, () => Promise.resolve(undefined));
  const told = () => notes.filter((note) => note.includes("/join #3 joins it")).length;
  const invited = [{ groupid: 3, groupname: "den", by: 2, byname: "bob", until: 1 }];
  const event = {
    msgid: Msg.GROUP_EVENT,
    groupid: 3,
    groupname: "den",
    what: "invited",
    id: 1,
    name: "alice",
    by: 2,
    byname: "bob",
    count: 1,
    ts: 1,
  };
  const login = client.login({ name: "alice", password: PASSWORD, device: "a test" });
  let connection = await wire.login({ invited, inbox: { confirmed: 0, last: 1 } });
  await login;
  connection.send({ ...event, messageid: 1, seq: 1 });
  await connection.next(Msg.RECEIVED);
  assertEquals(told(), 1);
  connection.drop();
  connection = await wire.login({ invited, inbox: { confirmed: 1, last: 1 } });
  assertEquals(told(), 1);
  // It is renewed.
  connection.send({ ...event, messageid: 2, seq: 2 });
  await connection.next(Msg.RECEIVED);
  assertEquals(told(), 2);
  connection.drop();
  connection = await wire.login({ invited, inbox: { confirmed: 5, last: 6 } });
  connection.send({ ...event, messageid: 3, seq: 6 });
  await connection.next(Msg.RECEIVED);
  assertEquals(told(), 3);
  const ended = terminal.end();
  connection.answer(await connection.next(Msg.LOGOUT));
  await ended;
});

Deno.test("terminal: a group that is renamed is called so from then on, and its members have the roles that they were given", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { limits: "off" });
  const connect = tcp({ port: server.port });
  await using alice = new NatterClient({ connect });
  await using bob = new NatterClient({ connect });
  for (const [client, name] of [[alice, "alice"], [bob, "bob"]] as const) await client.register(name, PASSWORD);
  await bob.login({ name: "bob", password: PASSWORD, device: "a test" });
  const { groupid } = await bob.createGroup("cooks");
  const faults: string[] = [], shown: (string | undefined)[] = [];
  const came = Promise.withResolvers<void>();
  const message = ({ group }: Shown) => {
    shown.push(group);
    came.resolve();
  };
  const view = { message, table() {}, note() {}, fault: (text: string) => faults.push(text) };
  const terminal = new Terminal(alice, view, () => Promise.resolve(undefined));
  await alice.login({ name: "alice", password: PASSWORD, device: "a test" });
  for (const line of ["/join cooks", "/group cooks"]) await terminal.run(line);
  await bob.updateGroup(groupid, { groupname: "bakers" });
  await bob.setRole(groupid, alice.session!.id, "moderator");
  await bob.chat({ groupid }, "bread");
  await came.promise;
  assertEquals([terminal.conversation, shown], ["[bakers]", ["bakers"]]);
  assertEquals(terminal.people.group("bakers")?.role, "moderator");
  await terminal.run("/group bakers");
  assertEquals(faults, []);
  await terminal.end();
});

Deno.test("terminal: a group that is renamed while the lists are on their way is called so, whatever they say", async () => {
  const answer = Promise.withResolvers<object>();
  const directory = new Directory({ contacts: () => answer.promise, session: { id: 1 } } as unknown as NatterClient);
  const cooks = { id: 3, groupname: "cooks", role: "normal" as const, count: 2 };
  directory.people.refresh({ friends: [], groups: [cooks], invited: [] });
  const asked = directory.refresh();
  const happened = { groupid: 3, groupname: "cooks", what: "updated" as const, id: 2, name: "bob", count: 2, ts: 1, messageid: 1 };
  directory.happened({ ...happened, group: { groupname: "bakers" } });
  answer.resolve({ friends: [], groups: [cooks], invited: [], blocked: [] });
  await asked;
  assertEquals(directory.people.groupName(3), "bakers");
});
