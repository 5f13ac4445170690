/** Rules 6.13, 6.17 and 6.25 to 6.28: parts of histories, searches, what has been read, lists of conversations. */
import { assertEquals } from "@std/assert";
import type { Client, Message } from "./client.ts";
import { type Check, type Member, randomText } from "./suite.ts";

const isMark = (m: Message) => m.msgid === 29;

interface Talk extends Record<string, unknown> {
  toid?: number;
  groupid?: number;
  last: Message | null;
}

async function say(from: Member, to: object, ...texts: string[]): Promise<number[]> {
  const numbers: number[] = [];
  for (const msg of texts) {
    const answer = await from.client.request({ msgid: "groupid" in to ? 10 : 6, ...to, msg });
    assertEquals(answer.errno, 0);
    numbers.push(answer.messageid!);
  }
  return numbers;
}

async function talks(client: Client, fields: object = {}): Promise<{ conversations: Talk[]; more: boolean }> {
  return await client.request({ msgid: 31, ...fields }) as unknown as { conversations: Talk[]; more: boolean };
}

export const conversations: Check[] = [
  {
    rule: "6.13",
    title: "HISTORY after and around a message, and what more and moreafter say; of before, after and around one at most",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const numbers = await say(alice, { toid: bob.id }, "1", "2", "3", "4", "5", "6");
      const page = async (fields: object) => {
        const { messages, more, moreafter } = await bob.client.request({ msgid: 16, toid: alice.id, ...fields });
        return [(messages as Message[]).map((m) => m.msg), more, moreafter];
      };
      assertEquals(await page({ after: numbers[0], limit: 2 }), [["2", "3"], true, undefined]);
      assertEquals(await page({ after: numbers[3], limit: 2 }), [["5", "6"], false, undefined]);
      assertEquals(await page({ around: numbers[2], limit: 2 }), [["2", "3"], true, true]);
      assertEquals(await page({ around: numbers[5], limit: 4 }), [["4", "5", "6"], true, false]);
      for (const fields of [{ before: 1, after: 1 }, { after: 1, around: 1 }, { before: 1, around: 1 }]) {
        assertEquals((await bob.client.request({ msgid: 16, toid: alice.id, ...fields })).errno, 13);
      }
    },
  },
  {
    rule: "6.25",
    title: "READ never goes back, and is cut to the newest; sending reads, and so does joining",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const [first, second, third] = await say(alice, { toid: bob.id }, "1", "2", "3");
      const read = async (messageid: number) => (await bob.client.request({ msgid: 29, toid: alice.id, messageid })).read;
      assertEquals([await read(second), await read(first), await read(2 ** 50), await read(1)], [second, second, third, third]);
      assertEquals((await talks(alice.client)).conversations.map((t) => [t.read, t.unread]), [[third, 0]]);
      const { groupid } = await alice.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" });
      const [before] = await say(alice, { groupid }, "before");
      assertEquals((await bob.client.request({ msgid: 9, groupid })).errno, 0);
      await say(alice, { groupid }, "behind");
      const talk = (await talks(bob.client)).conversations.find((t) => t.groupid === groupid)!;
      assertEquals([talk.read, talk.unread], [before, 1]);
      const refused: [errno: number, place: object][] = [[16, { toid: 2 ** 50 }], [17, { groupid: 2 ** 50 }], [13, {}]];
      for (const [errno, place] of refused) assertEquals((await bob.client.request({ msgid: 29, ...place, messageid: 1 })).errno, errno);
      assertEquals((await bob.client.request({ msgid: 19, groupid })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 29, groupid, messageid: 1 })).errno, 18);
    },
  },
  {
    rule: "6.26",
    title: "a mark is told to one's other devices and to the other one of two; in a group to nobody else; not across a block",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const other = await stage.connect();
      assertEquals((await other.login({ id: bob.id, password: bob.password, proto: 3, device: "another" })).errno, 0);
      const [messageid] = await say(alice, { toid: bob.id }, "hello");
      bob.client.send({ msgid: 29, toid: alice.id, messageid });
      for (const client of [alice.client, other]) {
        assertEquals<object>(await client.next(isMark), { msgid: 29, id: bob.id, toid: alice.id, messageid });
      }
      const { groupid } = await alice.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" });
      assertEquals((await bob.client.request({ msgid: 9, groupid })).errno, 0);
      const [inGroup] = await say(alice, { groupid }, "hello all");
      assertEquals((await bob.client.request({ msgid: 29, groupid, messageid: inGroup })).errno, 0);
      assertEquals<object>(await other.next(isMark), { msgid: 29, id: bob.id, groupid, messageid: inGroup });
      const [last] = await say(alice, { toid: bob.id }, "again");
      assertEquals((await bob.client.request({ msgid: 23, userid: alice.id })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 29, toid: alice.id, messageid: last })).errno, 0);
      await other.next((m) => isMark(m) && m.messageid === last);
      for (const client of [alice.client, bob.client]) assertEquals((await client.settled()).filter(isMark), []);
    },
  },
  {
    rule: "6.27",
    title: "CONVERSATIONS: newest first, groups without messages behind; last, unread, read, peerread; by pages",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3);
      const groups: number[] = [];
      for (let i = 0; i < 2; i++) {
        groups.push((await alice.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" })).groupid as number);
      }
      await say(bob, { toid: alice.id }, "1", "2");
      const [, doomed] = await say(carol, { toid: alice.id }, "👍".repeat(400), "doomed");
      assertEquals((await carol.client.request({ msgid: 26, messageid: doomed })).errno, 0);
      const all = await talks(alice.client);
      assertEquals(all.conversations.map((t) => [t.toid ?? t.groupid, t.name, t.last?.msg, t.unread, t.read]).slice(0, 2), [
        [carol.id, carol.name, "👍".repeat(300), 1, 0],
        [bob.id, bob.name, "2", 2, 0],
      ]);
      assertEquals(all.conversations.slice(2).map((t) => [t.groupid, t.last, t.unread]), groups.map((groupid) => [groupid, null, 0]));
      const seen: unknown[] = [];
      for (let page: object = {}, more = true; more;) {
        const found = await talks(alice.client, { limit: 1, ...page });
        const [talk] = found.conversations;
        seen.push(talk.toid ?? talk.groupid);
        page = talk.last ? { before: talk.last.messageid } : { beforegroup: talk.groupid };
        more = found.more;
      }
      assertEquals(seen, all.conversations.map((t) => t.toid ?? t.groupid));
      assertEquals((await talks(bob.client)).conversations.map((t) => [t.toid, t.unread, t.peerread]), [[alice.id, 0, 0]]);
    },
  },
  {
    rule: "6.28",
    title: "MUTE: what is named is set and the rest stays; without anything for ever; one's other devices are told",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const other = await stage.connect();
      assertEquals((await other.login({ id: alice.id, password: alice.password, proto: 3, device: "another" })).errno, 0);
      await say(bob, { toid: alice.id }, "hello");
      const until = Date.now() + 3600_000;
      const set = async (fields: object) => {
        assertEquals((await alice.client.request({ msgid: 45, toid: bob.id, ...fields })).errno, 0);
        await other.next((m) => m.msgid === 30 && m.what === "conversations");
        const [{ muted, pinned, archived }] = (await talks(other)).conversations;
        return [muted, pinned, archived];
      };
      assertEquals(await set({ pinned: true }), [undefined, true, undefined]);
      assertEquals(await set({ until }), [until, true, undefined]);
      assertEquals(await set({ archived: true, pinned: false }), [until, undefined, true]);
      assertEquals(await set({}), [Number.MAX_SAFE_INTEGER, undefined, true]);
      assertEquals(await set({ until: 0 }), [undefined, undefined, true]);
      assertEquals((await alice.client.request({ msgid: 45, toid: 2 ** 50 })).errno, 16);
    },
  },
  {
    rule: "6.17",
    title: "SEARCH: within 5 s by any of its words and by the beginning of one, for who may see it; edited and deleted at once",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3);
      const word = `w${randomText()}`;
      const { messageid } = await alice.client.request({ msgid: 6, toid: bob.id, msg: `Noon at ${word}, Café` });
      type Found = [errno: unknown, found: number[] | undefined, more: unknown];
      const find = async ({ client }: Member, fields: object): Promise<Found> => {
        const { errno, messages, more } = await client.request({ msgid: 43, ...fields });
        return [errno, (messages as { messageid: number }[] | undefined)?.map((m) => m.messageid), more];
      };
      const found: Found = [0, [messageid!], false], nothing: Found = [0, [], false];
      const late = Date.now() + 5000;
      while ((await find(bob, { text: word }))[1]?.length === 0 && Date.now() < late) await new Promise((resolve) => setTimeout(resolve, 100));
      for (const text of [word, `cafe ${word}`, word.slice(0, -1), `${word.toUpperCase()} noon`]) {
        assertEquals(await find(bob, { text }), found, text);
      }
      assertEquals(await find(alice, { text: word, toid: bob.id, from: alice.id }), found);
      assertEquals(await find(alice, { text: word, from: bob.id }), nothing);
      assertEquals(await find(bob, { text: `${word} dinner` }), nothing);
      assertEquals(await find(carol, { text: word }), nothing);
      assertEquals((await find(carol, { text: word, groupid: 2 ** 50 }))[0], 17);
      assertEquals((await alice.client.request({ msgid: 25, messageid, msg: "something else" })).errno, 0);
      assertEquals(await find(bob, { text: word }), nothing);
      assertEquals((await alice.client.request({ msgid: 25, messageid, msg: `again ${word}` })).errno, 0);
      assertEquals(await find(bob, { text: word }), found);
      assertEquals((await alice.client.request({ msgid: 26, messageid })).errno, 0);
      assertEquals(await find(bob, { text: word }), nothing);
    },
  },
];
