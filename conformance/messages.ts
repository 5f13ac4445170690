/** Rules 6 and 9: messages, the inbox, history, signals. */
import { assert, assertEquals } from "@std/assert";
import type { Client, Message } from "./client.ts";
import { type Check, type Member, placeOf, randomText } from "./suite.ts";

const isChat = (m: Message) => m.msgid === 6 || m.msgid === 10;

async function texts(client: Client, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) taken.push((await client.next(isChat)).msg!);
  return taken;
}

/** Sends messages one after the other; each is stored. */
async function chat(from: Member, toid: number, ...msgs: string[]): Promise<void> {
  for (const msg of msgs) assertEquals((await from.client.request({ msgid: 6, toid, msg })).errno, 0);
}

export const messages: Check[] = [
  {
    rule: "6.1",
    title: "CHAT arrives with all its fields; what was acknowledged is in HISTORY",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const reply = await alice.client.request({ msgid: 6, toid: bob.id, msg: "hello", mid: "m1" });
      const { messageid, ts } = reply;
      assertEquals<object>(reply, { msgid: 11, ref: reply.ref, errno: 0, re: 6, messageid, ts, mid: "m1" });
      assert(Number.isSafeInteger(messageid) && Number.isSafeInteger(ts), JSON.stringify(reply));
      const { time, ...came } = await bob.client.next(isChat);
      const sent = { msgid: 6, id: alice.id, name: alice.name, toid: bob.id, msg: "hello", ts, messageid, mid: "m1" };
      assertEquals<object>(came, { ...sent, seq: 1 });
      const history = await bob.client.request({ msgid: 16, toid: alice.id });
      assertEquals([history.messages, history.more], [[{ ...sent, time }], false]);
    },
  },
  {
    rule: "6.2",
    title: "the same mid: the same answer, no second message, also when blocked since; compared byte by byte, per sender",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const send = async (from: Member, to: Member, mid: string) => {
        const { ref: _, ...answer } = await from.client.request({ msgid: 6, toid: to.id, msg: mid, mid });
        return answer;
      };
      const mids = ["mid", "MID", "mid ", "é", "é".normalize("NFD"), "x".repeat(64)];
      const first = [];
      for (const mid of mids) first.push(await send(alice, bob, mid));
      assertEquals(first.map((a) => a.errno), mids.map(() => 0));
      assertEquals((await send(bob, alice, "mid")).errno, 0);
      assertEquals((await bob.client.request({ msgid: 23, userid: alice.id })).errno, 0);
      for (const [i, mid] of mids.entries()) assertEquals(await send(alice, bob, mid), first[i]);
      assertEquals((await send(alice, bob, "new")).errno, 23);
      assertEquals((await send(alice, bob, "x".repeat(65))).errno, 13);
      assertEquals((await bob.client.settled()).filter(isChat).map((m) => m.mid), mids);
    },
  },
  {
    rule: "6.2",
    title: "a mid that is known with another text or another receiver: 13; the same message again: its answer, also when the group has closed",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const { groupid } = await alice.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" });
      const toBob = { msgid: 6, toid: bob.id, msg: "one", mid: "b" }, toGroup = { msgid: 10, groupid, msg: "one", mid: "g" };
      const ask = async (request: object) => {
        const { ref: _, ...answer } = await alice.client.request(request);
        return answer;
      };
      const [first, second] = [await ask(toBob), await ask(toGroup)];
      assertEquals([first.errno, second.errno], [0, 0]);
      const others = [{ ...toBob, msg: "two" }, { ...toBob, toid: alice.id }, { ...toBob, toid: 2 ** 50 }, { ...toGroup, msg: "two" }];
      for (const other of [...others, { ...toGroup, mid: "b" }, { ...toBob, mid: "g" }]) {
        const { errno, errmsg } = await ask(other);
        assert(errno === 13 && errmsg!.includes("mid"), `${JSON.stringify(other)}: ${errno} ${errmsg}`);
      }
      assertEquals((await alice.client.request({ msgid: 19, groupid })).errno, 0);
      assertEquals([await ask(toBob), await ask({ ...toBob, toid: undefined, toname: bob.name }), await ask(toGroup)], [first, first, second]);
      assertEquals((await ask({ ...toGroup, mid: "new" })).errno, 17);
      assertEquals((await bob.client.settled()).filter(isChat).map((m) => m.msg), ["one"]);
    },
  },
  {
    rule: "6.3",
    title: "an empty msg is 13; one that fills the line arrives whole",
    async run(stage) {
      const { id, ack, client } = await stage.member();
      assertEquals((await client.request({ msgid: 6, toid: id, msg: "" })).errno, 13);
      const { line } = ack.limits as { line: number };
      const head = JSON.stringify({ msgid: 6, toid: id, msg: "" }).length;
      const msg = "x".repeat(line - head);
      client.send({ msgid: 6, toid: id, msg });
      assertEquals((await client.next(isChat)).msg, msg);
    },
  },
  {
    rule: "6.4",
    title: "id, name and time of the client are ignored",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      alice.client.send({ msgid: 6, toid: bob.id, msg: "x", id: bob.id, name: bob.name, time: "1999-01-01 00:00:00", ts: 1, seq: 99, messageid: 1 });
      const { id, name, ts, seq, time } = await bob.client.next(isChat);
      assertEquals([id, name, seq], [alice.id, alice.name, 1]);
      assert(ts! > 1 && !String(time).startsWith("1999"), String(time));
    },
  },
  {
    rule: "6.5",
    title: "a note to oneself arrives",
    async run(stage) {
      const { id, client } = await stage.member();
      client.send({ msgid: 6, toid: id, msg: "note" });
      const note = await client.next(isChat);
      assertEquals([note.id, note.toid, note.msg, note.seq], [id, id, "note", 1]);
    },
  },
  {
    rule: "6.6",
    title: "messages arrive in their order; messageid rises, seq has no gap",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const lines = Array.from({ length: 40 }, (_, i) => JSON.stringify({ msgid: 6, toid: bob.id, msg: String(i) }) + "\n");
      await alice.client.write(lines.join(""));
      let last = 0;
      for (let i = 0; i < 40; i++) {
        const { msg, seq, messageid } = await bob.client.next(isChat);
        assertEquals([msg, seq], [String(i), i + 1]);
        assert(messageid! > last, `messageid ${messageid} after ${last}`);
        last = messageid!;
      }
    },
  },
  {
    rule: "6.7",
    title: "unknown receiver 16, unknown group 17, not a member 18, blocked 23",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const { groupid } = await bob.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" });
      await bob.client.request({ msgid: 23, userid: alice.id });
      const refused: [errno: number, request: object][] = [
        [16, { msgid: 6, toid: 2 ** 50, msg: "x" }],
        [16, { msgid: 6, toname: randomText(), msg: "x" }],
        [17, { msgid: 10, groupid: 2 ** 50, msg: "x" }],
        [18, { msgid: 10, groupid, msg: "x" }],
        [23, { msgid: 6, toid: bob.id, msg: "x" }],
      ];
      for (const [errno, request] of refused) assertEquals((await alice.client.request(request)).errno, errno, JSON.stringify(request));
    },
  },
  {
    rule: "6.9",
    title: "what waits comes after LOGIN_ACK, in the order of seq",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      await bob.client.close();
      await chat(alice, bob.id, "a", "b", "c");
      const { ack, client } = await stage.again(bob);
      assertEquals(placeOf(ack), { confirmed: 0, last: 3 });
      assertEquals(await texts(client, 3), ["a", "b", "c"]);
      await chat(alice, bob.id, "d");
      assertEquals((await client.next(isChat)).seq, 4);
    },
  },
  {
    rule: "6.10",
    title: "RECEIVED beyond what was sent counts as that, below what was confirmed as nothing",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      await chat(alice, bob.id, "a", "b");
      await texts(bob.client, 2);
      bob.client.send({ msgid: 12, seq: 1_000_000 });
      bob.client.send({ msgid: 12, seq: 1 });
      await bob.client.settled();
      await bob.client.close();
      await chat(alice, bob.id, "c");
      const { ack, client } = await stage.again(bob);
      assertEquals(placeOf(ack), { confirmed: 2, last: 3 });
      assertEquals(await texts(client, 1), ["c"]);
    },
  },
  {
    rule: "6.11",
    title: "what was not confirmed comes again, what was does not",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      await chat(alice, bob.id, "a", "b", "c");
      await texts(bob.client, 3);
      bob.client.send({ msgid: 12, seq: 1 });
      await bob.client.settled();
      const second = await stage.again(bob);
      assertEquals(placeOf(second.ack), { confirmed: 1, last: 3 });
      assertEquals(await texts(second.client, 2), ["b", "c"]);
      const third = await stage.again(second);
      assertEquals(await texts(third.client, 2), ["b", "c"]);
      assertEquals((await third.client.settled()).filter(isChat), []);
    },
  },
  {
    rule: "6.13",
    title: "HISTORY by pages, both directions, oldest first",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      await chat(alice, bob.id, "1", "2");
      await chat(bob, alice.id, "3");
      await chat(alice, bob.id, "4", "5");
      const page = async (member: Member, fields: object) => {
        const { messages, more } = await member.client.request({ msgid: 16, ...fields });
        return { messages: messages as Message[], texts: (messages as Message[]).map((m) => m.msg), more };
      };
      const newest = await page(alice, { toid: bob.id, limit: 2 });
      assertEquals([newest.texts, newest.more], [["4", "5"], true]);
      const before = await page(bob, { toname: alice.name, before: newest.messages[0].messageid, limit: 100 });
      assertEquals([before.texts, before.more], [["1", "2", "3"], false]);
      assertEquals(before.messages[0].seq, undefined);
      for (const limit of [0, 101, 1.5]) assertEquals((await alice.client.request({ msgid: 16, toid: bob.id, limit })).errno, 13, String(limit));
      assertEquals((await alice.client.request({ msgid: 16, groupid: 2 ** 50 })).errno, 17);
    },
  },
  {
    rule: "6.13",
    title: "without limit: 50; who joins a group is told by HISTORY what was said before, and sent what is said from then on",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3);
      const { groupid } = await alice.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" });
      assertEquals((await carol.client.request({ msgid: 9, groupid })).errno, 0);
      // By two: one alone may send 50 at once (13.1).
      for (const [{ client }, first] of [[alice, 1], [carol, 27]] as const) {
        for (let i = 0; i < 25; i++) client.send({ msgid: 10, groupid, msg: `${first + i}` });
        assertEquals((await client.request({ msgid: 10, groupid, msg: `${first + 25}` })).errno, 0);
      }
      assertEquals((await bob.client.request({ msgid: 9, groupid })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 10, groupid, msg: "53" })).errno, 0);
      assertEquals(await texts(bob.client, 1), ["53"]);
      const { messages, more } = await bob.client.request({ msgid: 16, groupid });
      assertEquals([(messages as Message[]).map((m) => m.msg), more], [[...Array.from({ length: 48 }, (_, i) => `${i + 5}`), undefined, "53"], true]);
    },
  },
  {
    rule: "6.13",
    title: "no line of the server is above limits.answer: HISTORY tells fewer messages and says more, and nothing is left out",
    async run(stage) {
      const [sender, account] = [await stage.member(), await stage.account()];
      const { id, password, client } = account;
      const ack = await client.login({ id, password, proto: 3 });
      const { line, answer } = ack.limits as { line: number; answer?: number };
      assert(answer !== undefined, "LOGIN_ACK tells no limits.answer");
      const filling = "好".repeat(Math.floor((line - 200) / 3)), count = Math.ceil(2 * answer / line) + 1;
      for (let i = 0; i < count; i++) assertEquals((await sender.client.request({ msgid: 6, toid: id, msg: `${i} ${filling}` })).errno, 0);
      const found: string[] = [];
      for (let before: number | undefined, more = true; more;) {
        const page = await client.request({ msgid: 16, toid: sender.id, limit: 100, before });
        const messages = page.messages as { messageid: number; msg: string }[];
        assert(messages.length > 0 && page.more === found.length + messages.length < count, `${messages.length} messages, more: ${page.more}`);
        found.unshift(...messages.map(({ msg }) => msg.split(" ")[0]!));
        [before, more] = [messages[0]!.messageid, page.more];
      }
      assertEquals(found, Array.from({ length: count }, (_, i) => `${i}`));
      const longest = Math.max(...client.lines.map((text) => new TextEncoder().encode(text).length));
      assert(longest <= answer, `a line of ${longest} bytes, ${answer} were told`);
    },
  },
  {
    rule: "9.1",
    title: "SIGNAL is passed on with the sender's id and nothing else, and not kept",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      alice.client.send({ msgid: 21, toid: bob.id, msg: "typing", extra: 1, id: bob.id, ref: 1 });
      assertEquals<object>(await bob.client.next(), { msgid: 21, id: alice.id, toid: bob.id, msg: "typing" });
      alice.client.send({ msgid: 21, toid: bob.id });
      assertEquals<object>(await bob.client.next(), { msgid: 21, id: alice.id, toid: bob.id });
      await bob.client.close();
      alice.client.send({ msgid: 21, toid: bob.id, msg: "missed" });
      await alice.client.settled();
      const { client, ack } = await stage.again(bob);
      assertEquals([placeOf(ack), await client.settled()], [{ confirmed: 0, last: 0 }, []]);
      assertEquals((await alice.client.request({ msgid: 21, toid: bob.id, msg: "x".repeat(1025) })).errno, 13);
    },
  },
  {
    rule: "9.2",
    title: "SIGNAL to a group reaches the other members; unknown receivers are 16, 17, 18",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const { groupid } = await alice.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" });
      assertEquals((await bob.client.request({ msgid: 21, groupid })).errno, 18);
      await bob.client.request({ msgid: 9, groupid });
      alice.client.send({ msgid: 21, groupid, msg: "typing" });
      assertEquals<object>(await bob.client.next((m) => m.msgid === 21), { msgid: 21, id: alice.id, groupid, msg: "typing" });
      assertEquals((await bob.client.request({ msgid: 21, groupid: 2 ** 50 })).errno, 17);
      assertEquals((await bob.client.request({ msgid: 21, toid: 2 ** 50 })).errno, 16);
      assertEquals((await alice.client.settled()).filter((m) => m.msgid === 21), []);
    },
  },
];
