/** Rules 11: clients of the course, and people at telnet. */
import { assert, assertEquals } from "@std/assert";
import type { Message } from "./client.ts";
import { type Check, randomText, type Stage } from "./suite.ts";

/** A new user with a classic session, and its LOGIN_ACK. */
async function classic(stage: Stage) {
  const account = await stage.account();
  account.client.send({ msgid: 1, id: account.id, password: account.password });
  return { ...account, ack: await account.client.next(undefined, 60_000) };
}

export const classics: Check[] = [
  {
    rule: "11.1",
    title: "a classic session is sent its messages and its failures, no news",
    async run(stage) {
      const { id, name, ack, client } = await classic(stage);
      assertEquals<object>(ack, { msgid: 2, errno: 0, id, name });
      const modern = await stage.member();
      client.send({ msgid: 7, friendid: modern.id });
      client.send({ msgid: 6, toid: modern.id, msg: "hello" });
      assertEquals((await modern.client.next((m) => m.msgid === 6)).msg, "hello");
      modern.client.send({ msgid: 21, toid: id, msg: "typing" });
      modern.client.send({ msgid: 6, toid: id, msg: "world" });
      const { msgid, msg } = await client.next();
      assertEquals([msgid, msg], [6, "world"]);
      client.send({ msgid: 6, toid: 2 ** 50, msg: "x" });
      assertEquals((await client.next()).errno, 16);
      client.send({ msgid: 6, toid: modern.id, msg: "x", ref: 5 });
      assertEquals((await client.next()).ref, 5);
    },
  },
  {
    rule: "10.5",
    title: "GOODBYE is the last line, also without a login; a classic session is sent none, nor is who ended by itself",
    async run(stage) {
      const [{ client: old }, stranger, member, leaving] = [await classic(stage), await stage.connect(), await stage.member(), await stage.member()];
      for (const client of [old, stranger, member.client]) for (let i = 0; i < 10; i++) await client.line("x");
      if (stage.target.kind === "tcp") await leaving.client.closeWrite();
      else await leaving.client.close();
      for (const client of [old, stranger, member.client, leaving.client]) await client.closed();
      assertEquals(JSON.parse(stranger.lines.at(-1)!), { msgid: 20, reason: "badinput" });
      assertEquals(JSON.parse(member.client.lines.at(-1)!), { msgid: 20, reason: "badinput" });
      for (const client of [old, leaving.client]) assertEquals(client.lines.filter((line) => JSON.parse(line).msgid === 20), []);
    },
  },
  {
    rule: "11.2",
    title: "its lists are encoded twice, and absent when empty",
    async run(stage) {
      const member = await stage.member();
      const { id, name, password, client } = member;
      const friend = await stage.account();
      await client.request({ msgid: 7, friendid: friend.id });
      const groupname = `g-${randomText()}`;
      const { groupid } = await client.request({ msgid: 8, groupname, groupdesc: "d" });
      await client.request({ msgid: 6, toid: id, msg: "note" });
      await client.request({ msgid: 3 });
      const { friends, groups, offlinemsg } = await client.login({ id, password }) as unknown as Record<string, string[]>;
      assertEquals(friends.map((text) => JSON.parse(text)), [{ id: friend.id, name: friend.name, state: "offline" }]);
      const [group] = groups.map((text) => JSON.parse(text));
      assertEquals([group.id, group.groupname, group.groupdesc], [groupid, groupname, "d"]);
      assertEquals(group.users.map((text: string) => JSON.parse(text)), [{ id, name, state: "online", role: "creator" }]);
      assertEquals(offlinemsg.map((text) => JSON.parse(text)).map((m: Message) => [m.msgid, m.id, m.toid, m.msg]), [[6, id, id, "note"]]);
    },
  },
  {
    rule: "11.3",
    title: "LOGIN_ACK stays below 1,000 bytes; what does not fit follows, nothing is lost",
    async run(stage) {
      const [sender, receiver] = [await stage.member(), await stage.account()];
      const texts = Array.from({ length: 20 }, (_, i) => `消息 "${i}"`);
      for (const msg of texts) assertEquals((await sender.client.request({ msgid: 6, toid: receiver.id, msg })).errno, 0);
      const { client, id, password } = receiver;
      client.lines.length = 0;
      const ack = await client.login({ id, password });
      const bytes = new TextEncoder().encode(client.lines[0]).length;
      assert(bytes < 1000, `it has ${bytes} bytes`);
      const came = (ack.offlinemsg as string[]).map((text) => JSON.parse(text).msg);
      while (came.length < texts.length) came.push((await client.next((m) => m.msgid === 6)).msg);
      assertEquals(came, texts);
    },
  },
  {
    rule: "11.4",
    title: "a later line confirms what was written 5 s before, and nothing younger",
    slow: true,
    async run(stage) {
      const sender = await stage.member();
      const { id, password, client } = await classic(stage);
      const send = async (msg: string) => {
        assertEquals((await sender.client.request({ msgid: 6, toid: id, msg })).errno, 0);
        assertEquals((await client.next((m) => m.msgid === 6)).msg, msg);
      };
      await send("old");
      await client.pause(5300);
      await send("young");
      client.send({ msgid: 6, toid: sender.id, msg: "seen" });
      await sender.client.next((m) => m.msgid === 6);
      await client.close();
      const again = await stage.connect();
      const ack = await again.login({ id, password });
      assertEquals((ack.offlinemsg as string[] ?? []).map((text) => JSON.parse(text).msg), ["young"]);
    },
  },
];
