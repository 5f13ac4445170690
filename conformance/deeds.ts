/** Rules 6.18 to 6.24: what becomes of messages. */
import { assert, assertEquals } from "@std/assert";
import type { Client, Message } from "./client.ts";
import { type Check, type Member, placeOf, randomText, Skip, type Stage } from "./suite.ts";

const inLog = (m: Message) => m.seq !== undefined;

/** Says something; its number. */
async function say(from: Member, to: object, msg: string, more: object = {}): Promise<number> {
  const answer = await from.client.request({ msgid: "groupid" in to ? 10 : 6, ...to, msg, ...more });
  assertEquals(answer.errno, 0, JSON.stringify(answer));
  return answer.messageid!;
}

async function history(client: Client, of: object): Promise<Message[]> {
  return (await client.request({ msgid: 16, ...of })).messages as Message[];
}

/** A group that all are in. */
async function groupOf(creator: Member, ...others: Member[]): Promise<number> {
  const { groupid } = await creator.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" });
  for (const { client } of others) assertEquals((await client.request({ msgid: 9, groupid })).errno, 0);
  return groupid as number;
}

/** The same user on another device. */
async function otherDevice(stage: Stage, { id, password }: Member): Promise<Client> {
  const client = await stage.connect();
  assertEquals((await client.login({ id, password, proto: 3, device: "another" })).errno, 0);
  return client;
}

export const deeds: Check[] = [
  {
    rule: "6.18",
    title: "reply and silent come back on what is delivered and in HISTORY; reply names a message of the same conversation, else 26",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3);
      const first = await say(alice, { toid: bob.id }, "first");
      await bob.client.next(inLog);
      const second = await say(bob, { toid: alice.id }, "second", { reply: first, silent: true });
      const { reply, silent } = await alice.client.next(inLog);
      assertEquals([reply, silent], [first, true]);
      await say(bob, { toid: alice.id }, "third", { silent: false });
      assertEquals("silent" in await alice.client.next(inLog), false);
      const told = (await history(alice.client, { toid: bob.id })).find(({ messageid }) => messageid === second)!;
      assertEquals([told.reply, told.silent], [first, true]);
      for (const [to, number] of [[carol.id, first], [alice.id, 2 ** 50]]) {
        assertEquals((await bob.client.request({ msgid: 6, toid: to, msg: "x", reply: number })).errno, 26);
      }
      for (const wrong of [{ reply: 0 }, { reply: "1" }, { silent: 1 }]) {
        assertEquals((await bob.client.request({ msgid: 6, toid: alice.id, msg: "x", ...wrong })).errno, 13, JSON.stringify(wrong));
      }
    },
  },
  {
    rule: "15.7",
    title: "files: 1 to 10 different numbers of one's own files that no message has yet, else 26, and nothing is sent; without them msg is not empty",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const send = async (fields: object) => (await alice.client.request({ msgid: 6, toid: bob.id, msg: "x", ...fields })).errno;
      assertEquals(await send({ files: [2 ** 50] }), 26);
      for (const wrong of [[], [1, 1], ["1"], 1, Array.from({ length: 11 }, (_, i) => i + 1)]) assertEquals(await send({ files: wrong }), 13);
      assertEquals(await send({ msg: "" }), 13);
      await say(alice, { toid: bob.id }, "nothing before");
      assertEquals((await bob.client.next(inLog)).msg, "nothing before");
    },
  },
  {
    rule: "15.9",
    title:
      "POST of a file's address: a file of one's own of the same bytes, which stays when the other is deleted; 401 without a token, 404 of what is gone",
    // Elsewhere it is not known where HTTP is.
    over: ["ws"],
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      if (!(alice.ack.features as string[]).includes("files")) throw new Skip("the server takes no files");
      const http = async (path: string, { token, ...init }: RequestInit & { token?: string } = {}) => {
        const { href } = new URL(path, stage.target.url.replace("ws", "http"));
        const response = await fetch(href, { ...init, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
        return { status: response.status, text: await response.text() };
      };
      const mine = JSON.parse((await http("/files?name=a.txt", { method: "POST", token: alice.token, body: "some bytes" })).text);
      const messageid = await say(alice, { toid: bob.id }, "look", { files: [mine.id] });
      const [{ url }] = (await bob.client.next(inLog)).files as [{ url: string }];
      assertEquals((await http(url, { method: "POST" })).status, 401);
      assertEquals((await http(`${url}x`, { method: "POST", token: bob.token })).status, 404);
      const { status, text } = await http(url, { method: "POST", token: bob.token });
      const copy = JSON.parse(text);
      assertEquals([status, { ...copy, id: 0 }], [201, { ...mine, id: 0 }]);
      assertEquals(copy.id === mine.id, false);
      await say(bob, { toid: alice.id }, "yours", { files: [copy.id] });
      const [again] = (await alice.client.next(inLog)).files as [{ url: string }];
      assertEquals((await alice.client.request({ msgid: 26, messageid })).errno, 0);
      assertEquals([(await http(url)).status, (await http(url, { method: "POST", token: bob.token })).status], [404, 404]);
      assertEquals((await http(again.url)).text, "some bytes");
    },
  },
  {
    rule: "6.19",
    title: "EDIT: told with the new text, and so by HISTORY; edited rises; the mid names the message all the same",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const messageid = await say(alice, { toid: bob.id }, "one", { mid: "m" });
      await bob.client.next(inLog);
      const edited: number[] = [];
      for (const msg of ["two", "three"]) {
        const answer = await alice.client.request({ msgid: 25, messageid, msg });
        assertEquals<object>(answer, { msgid: 11, ref: answer.ref, errno: 0, re: 25, edited: answer.edited });
        edited.push(answer.edited as number);
        const event = await bob.client.next(inLog);
        assertEquals<object>(event, { msgid: 25, id: alice.id, toid: bob.id, messageid, msg, edited: answer.edited, seq: event.seq });
      }
      assert(edited[1] > edited[0], `${edited}`);
      const [told] = await history(bob.client, { toid: alice.id });
      assertEquals([told.msg, told.edited], ["three", edited[1]]);
      assertEquals(await say(alice, { toid: bob.id }, "one", { mid: "m" }), messageid);
      assertEquals((await alice.client.request({ msgid: 25, messageid, msg: "" })).errno, 13);
    },
  },
  {
    rule: "6.20",
    title: "DELETE: a stone stays, without text and reactions; one's own always; in a group the creator deletes any",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const messageid = await say(alice, { toid: bob.id }, "a secret", { mid: "m" });
      await bob.client.next(inLog);
      assertEquals((await bob.client.request({ msgid: 27, messageid, emoji: "👍" })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 23, userid: alice.id })).errno, 0);
      for (let i = 0; i < 2; i++) assertEquals((await alice.client.request({ msgid: 26, messageid })).errno, 0);
      const event = await bob.client.next(inLog);
      assertEquals<object>(event, { msgid: 26, id: alice.id, toid: bob.id, messageid, seq: event.seq });
      const [stone] = await history(bob.client, { toid: alice.id });
      assertEquals(Object.keys(stone), ["msgid", "id", "name", "toid", "time", "ts", "messageid", "mid", "deleted"]);
      const groupid = await groupOf(alice, bob);
      const inGroup = await say(bob, { groupid }, "to all");
      assertEquals((await alice.client.request({ msgid: 26, messageid: inGroup })).errno, 0);
      const again = await say(bob, { groupid }, "once more");
      assertEquals((await bob.client.request({ msgid: 19, groupid })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 26, messageid: again })).errno, 0);
      assertEquals((await history(alice.client, { groupid })).filter((m) => m.msgid === 10).map((m) => m.deleted), [true, true]);
    },
  },
  {
    rule: "6.21",
    title: "REACT: one emoji, put there and taken away; HISTORY says whose is mine",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const first = await say(alice, { toid: bob.id }, "first"), second = await say(alice, { toid: bob.id }, "second");
      for (const { client } of [alice, bob]) {
        const answer = await client.request({ msgid: 27, messageid: first, emoji: "❤️" });
        assertEquals(answer.reactions, [{ emoji: "❤️", count: client === alice.client ? 1 : 2 }]);
      }
      assertEquals((await bob.client.request({ msgid: 27, messageid: second, emoji: "👎", off: true })).reactions, []);
      const [told, other] = await history(bob.client, { toid: alice.id });
      assertEquals([told.reactions, other.reactions], [[{ emoji: "❤️", count: 2, mine: true }], undefined]);
      for (const emoji of ["a", "👍👍", "", 1, undefined, "👍 "]) {
        assertEquals((await bob.client.request({ msgid: 27, messageid: second, emoji })).errno, 13, JSON.stringify(emoji));
      }
    },
  },
  {
    rule: "6.22",
    title: "26: none that HISTORY shows to the asker; or deleted; 22: not one's own; 23: who blocks takes no EDIT and no REACT",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3);
      const direct = await say(alice, { toid: bob.id }, "between us"), gone = await say(alice, { toid: bob.id }, "gone");
      const groupid = await groupOf(alice, bob);
      const inGroup = await say(alice, { groupid }, "for members");
      assertEquals((await alice.client.request({ msgid: 26, messageid: gone })).errno, 0);
      const errnos = async ({ client }: Member, messageid: number) => {
        const requests = [{ msgid: 25, msg: "x" }, { msgid: 26 }, { msgid: 27, emoji: "👍" }];
        const answers = [];
        for (const request of requests) answers.push((await client.request({ ...request, messageid })).errno);
        return answers;
      };
      for (const messageid of [direct, gone, inGroup, 2 ** 50]) assertEquals(await errnos(carol, messageid), [26, 26, 26]);
      assertEquals(await errnos(bob, direct), [22, 22, 0]);
      assertEquals(await errnos(bob, inGroup), [22, 22, 0]);
      assertEquals(await errnos(alice, gone), [26, 0, 26]);
      assertEquals((await bob.client.request({ msgid: 19, groupid })).errno, 0);
      assertEquals(await errnos(bob, inGroup), [26, 26, 26]);
      assertEquals((await bob.client.request({ msgid: 23, userid: alice.id })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 27, messageid: direct, emoji: "👍" })).errno, 23);
      assertEquals(await errnos(alice, direct), [23, 0, 26]);
    },
  },
  {
    rule: "6.23",
    title: "what waits is told as it is by then; what changes nothing is told to nobody",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      await bob.client.close();
      const kept = await say(alice, { toid: bob.id }, "one"), gone = await say(alice, { toid: bob.id }, "two");
      for (const msg of ["eins", "uno"]) assertEquals((await alice.client.request({ msgid: 25, messageid: kept, msg })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 25, messageid: gone, msg: "due" })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 26, messageid: gone })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 25, messageid: kept, msg: "uno" })).errno, 0);
      const { ack, client } = await stage.again(bob);
      assertEquals(placeOf(ack), { confirmed: 0, last: 6 });
      const came = [];
      for (let i = 0; i < 6; i++) came.push(await client.next(inLog));
      assertEquals(came.map((m) => [m.seq, m.msgid, m.messageid, m.msg, m.deleted]), [
        [1, 6, kept, "uno", undefined],
        [2, 6, gone, undefined, true],
        [3, 25, kept, "uno", undefined],
        [4, 25, kept, "uno", undefined],
        [5, 25, gone, undefined, true],
        [6, 26, gone, undefined, undefined],
      ]);
    },
  },
  {
    rule: "6.24",
    title: "told to all members and to one's other devices, each once by seq; not to who has left",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3);
      const other = await otherDevice(stage, alice);
      const groupid = await groupOf(alice, bob, carol);
      assertEquals((await carol.client.request({ msgid: 19, groupid })).errno, 0);
      const messageid = await say(alice, { groupid }, "hello");
      assertEquals((await alice.client.request({ msgid: 25, messageid, msg: "hello all" })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 27, messageid, emoji: "🎉" })).errno, 0);
      for (const client of [alice.client, other, bob.client]) {
        // Before it stands that two came and one went.
        const came: Message[] = [];
        while (came.length < (client === bob.client ? 5 : 6)) came.push(await client.next(inLog));
        assertEquals(came.map((m) => [m.seq, m.msgid]), [[1, 28], [2, 28], [3, 28], [4, 10], [5, 25], [6, 27]].slice(0, came.length));
        assertEquals((await client.settled()).filter(inLog), []);
      }
      assertEquals((await carol.client.settled()).filter((m) => inLog(m) && m.msgid !== 28), []);
    },
  },
];
