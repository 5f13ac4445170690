// Files of messages: sent with them, seen by whoever sees them, and gone with them.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Msg } from "../src/wire/msgid.ts";
import { copyFile, type FileRefused } from "../src/client/files.ts";
import { databaseTest } from "./support/databases.ts";
import { FileServer, type FileTold } from "./support/files.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { upTo } from "./support/chat.ts";
import { eventually, type TestUser } from "./support/server.ts";

const settings = { url: "https://chat.example.org", limits: "off" };
const isChat = (m: Message) => m.msgid === Msg.CHAT || m.msgid === Msg.GROUP_CHAT;
const send = (client: RawClient, fields: object) => client.request({ msgid: "groupid" in fields ? Msg.GROUP_CHAT : Msg.CHAT, msg: "", ...fields });

databaseTest("files of messages: delivered, and told by HISTORY, with their addresses; to clients of 0.1 as lines of text", async (db) => {
  await using files = await FileServer.start(db, settings);
  const [ann, bob] = files.users as [TestUser, TestUser];
  const one = await files.upload("first", "one.txt"), two = await files.upload("second", "two.txt");
  await using sender = await files.server.client(ann, { proto: 3 });
  await using reader = await files.server.client(bob, { proto: 3 });
  const told: (FileTold & { url: string })[] = [two, one];
  const { errno, messageid } = await send(sender, { toid: bob.id, files: [two.id, one.id] });
  assertEquals(errno, 0);
  const came = await reader.next(isChat);
  assertEquals([came.messageid, came.msg, came.files], [messageid, "", told]);
  for (const [client, toid] of [[reader, ann.id], [sender, bob.id]] as const) {
    const { messages } = await client.request({ msgid: Msg.HISTORY, toid });
    assertEquals((messages as Message[])[0]!.files, told);
  }
  const { conversations } = await reader.request({ msgid: Msg.CONVERSATIONS });
  // Of several the lists tell the first.
  assertEquals((conversations as { last: Message }[])[0]!.last.files, [two]);
  assertEquals(await (await files.fetch(two.url)).text(), "second");
  // Whoever comes later reads the same out of the log.
  await reader.close();
  const third = await files.upload("third", "three.txt");
  await send(sender, { toid: bob.id, msg: "look", files: [third.id], silent: true });
  {
    await using again = await files.server.client(bob, { proto: 3 });
    assertEquals((await again.next((m) => isChat(m) && m.msg === "look")).files, [third]);
  }
  const lines = (text: string, ...of: { url: string }[]) => [text, ...of.map(({ url }) => settings.url + url)].filter(Boolean).join("\n");
  await using old = await files.server.client(bob, { proto: 2 });
  const seen = [await old.next(isChat), await old.next(isChat)];
  assertEquals(seen.map((m) => [m.msg, m.files]), [[lines("", two, one), undefined], [lines("look", third), undefined]]);
  const { messages } = await old.request({ msgid: Msg.HISTORY, toid: ann.id });
  assertEquals((messages as Message[]).map((m) => [m.msg, m.files]), [[lines("", two, one), undefined], [lines("look", third), undefined]]);
  const fourth = await files.upload("fourth");
  await send(sender, { toid: bob.id, msg: "live", files: [fourth.id] });
  assertEquals((await old.next(isChat)).msg, lines("live", fourth));
});

databaseTest(
  "files of messages: unknown, another's, used already: 26, and what was not sent may still be; the same mid is the same message",
  async (db) => {
    await using files = await FileServer.start(db, settings);
    const [ann, bob] = files.users as [TestUser, TestUser];
    await using sender = await files.server.client(ann, { proto: 3 });
    await using other = await files.server.client(bob, { proto: 3 });
    const file = await files.upload("a"), hers = await files.upload("b", "b", bob);
    const errno = async (fields: object) => (await send(sender, fields)).errno;
    const to = { toid: bob.id };
    for (const wrong of [[], [file.id, file.id], Array.from({ length: 11 }, (_, i) => i + 1), ["1"], 1]) {
      assertEquals(
        await errno({ ...to, files: wrong }),
        13,
      );
    }
    assertEquals(await errno({ ...to }), 13);
    assertEquals(await errno({ ...to, files: [999] }), 26);
    assertEquals(await errno({ ...to, files: [file.id, hers.id] }), 26);
    assertEquals((await send(sender, { ...to, files: [999] })).errmsg, "no such message, or no such file of yours that nothing uses");
    assertEquals(await errno({ toid: 9999, files: [file.id] }), 16);
    // Blocked, or not in the group: nothing is used.
    await other.request({ msgid: Msg.BLOCK, userid: ann.id });
    assertEquals(await errno({ ...to, files: [file.id] }), 23);
    await other.request({ msgid: Msg.UNBLOCK, userid: ann.id });
    const { groupid } = await other.request({ msgid: Msg.CREATE_GROUP, groupname: "club", groupdesc: "" });
    assertEquals([await errno({ groupid, files: [file.id] }), await errno({ groupid, files: [hers.id] })], [18, 26]);
    // Two that want the same one, in one batch.
    const both = await Promise.all([errno({ ...to, msg: "1", files: [file.id] }), errno({ ...to, msg: "2", files: [file.id] })]);
    assertEquals(both, [0, 26]);
    assertEquals(await errno({ ...to, files: [file.id] }), 26);
    const mine = await files.upload("c");
    const [first, second] = [await send(sender, { ...to, mid: "m", files: [mine.id] }), await send(sender, { ...to, mid: "m", files: [mine.id] })];
    assertEquals([first.errno, second.errno, second.messageid], [0, 0, first.messageid]);
    await sender.request({ msgid: Msg.JOIN_GROUP, groupid });
    const groups = await files.upload("d");
    assertEquals(await errno({ groupid, msg: "hello", files: [groups.id] }), 0);
    assertEquals((await other.next((m) => m.msgid === Msg.GROUP_CHAT)).files, [groups]);
  },
);

databaseTest("files of messages: a picture of one's own is one's avatar, until there is another", async (db) => {
  await using files = await FileServer.start(db, settings, { times: { sweep: 20 } });
  const [ann, bob] = files.users as [TestUser, TestUser];
  await using client = await files.server.client(ann, { proto: 3 });
  await using other = await files.server.client(bob, { proto: 3 });
  const gif = "GIF89a\x10\0\x10\0";
  const [one, two] = [await files.upload(gif + 1), await files.upload(gif + 2)];
  const [hers, text] = [await files.upload(gif + 3, "x", bob), await files.upload("x")];
  const profile = async (avatar: unknown) => {
    const answer = await client.request({ msgid: Msg.PROFILE, avatar });
    return answer.errno === 0 ? answer.avatar : answer.errno;
  };
  const seen = async () => ((await other.request({ msgid: Msg.USERS, ids: [ann.id] })).users as { avatar?: string }[])[0]!.avatar;
  for (const wrong of [hers.id, text.id, 999]) assertEquals(await profile(wrong), 26);
  assertEquals([await profile(0), await profile("x")], [13, 13]);
  assertEquals([await profile(one.id), await seen(), await profile(one.id)], [one.url, one.url, one.url]);
  assertEquals((await send(client, { toid: bob.id, files: [one.id] })).errno, 26);
  assertEquals([await profile(two.id), await seen()], [two.url, two.url]);
  assertEquals((await files.fetch(one.url, { method: "HEAD" })).status, 404);
  assertEquals([await profile(""), await seen()], [undefined, undefined]);
  await eventually(async () => (await files.stored()).length === 2, "their bytes are gone");
});

databaseTest(
  "files of messages: DELETE takes them from their addresses at once and from the disk soon, unless another message has the same bytes",
  async (db) => {
    await using files = await FileServer.start(db, settings, { times: { sweep: 20 } });
    const [ann, bob] = files.users as [TestUser, TestUser];
    await using sender = await files.server.client(ann, { proto: 3 });
    await using reader = await files.server.client(bob, { proto: 3 });
    const one = await files.upload("shared"), two = await files.upload("shared"), alone = await files.upload("alone");
    const sent = [];
    for (const [msg, ...of] of [["first", one, alone], ["second", two]] as const) {
      sent.push((await send(sender, { toid: bob.id, msg, files: of.map(({ id }) => id) })).messageid);
    }
    assertEquals((await files.stored()).length, 2);
    assertEquals((await sender.request({ msgid: Msg.DELETE, messageid: sent[0] })).errno, 0);
    for (const { url } of [one, alone]) assertEquals((await files.fetch(url, { method: "HEAD" })).status, 404);
    assertEquals((await files.fetch(two.url, { method: "HEAD" })).status, 200);
    await eventually(async () => (await files.stored()).length === 1, "what nobody else has is gone");
    const { messages } = await reader.request({ msgid: Msg.HISTORY, toid: ann.id });
    assertEquals((messages as Message[]).map(({ deleted, files }) => [deleted, files]), [[true, undefined], [undefined, [two]]]);
    // An edit leaves them; what is as old as may be kept goes with them.
    assertEquals((await sender.request({ msgid: Msg.EDIT, messageid: sent[1], msg: "edited" })).errno, 0);
    assertEquals((await files.fetch(two.url, { method: "HEAD" })).status, 200);
    await db.query("delete from inbox");
    const store = await db.open();
    await store.prune(Date.now() + 1000, undefined, 100);
    await eventually(async () => (await files.stored()).length === 0, "and the last one");
    assertEquals(await db.query("select id from file"), []);
    assertMatch(String((await db.query("select sum(bytes) as n from kept"))[0]!.n), /^0$/);
  },
);

databaseTest("files of messages: forwarded by whoever has the address, counted for them, and gone with their message alone", async (db) => {
  await using files = await FileServer.start(db, { ...settings, "user-quota": "10000" }, { times: { sweep: 20 } });
  const [ann, bob] = files.users as [TestUser, TestUser];
  await using sender = await files.server.client(ann, { proto: 3 });
  await using reader = await files.server.client(bob, { proto: 3 });
  const url = files.url;
  const status = (path: string, token: string) => copyFile(path, { url, token }).then(() => 201, (error: FileRefused) => error.status);
  const one = await files.upload("some text", "one.txt");
  const { messageid } = await send(sender, { toid: bob.id, files: [one.id] });
  const [told] = (await reader.next(isChat)).files as [{ url: string }];
  assertEquals([await status(told.url, "nobody's"), await status("/files/none", bob.token)], [401, 404]);
  const copy = await copyFile(told.url, { url, token: bob.token });
  const { url: _, ...same } = one;
  assertEquals<object>(copy, { ...same, id: copy.id });
  assert(copy.id !== one.id);
  // It is bob's: ann cannot send it.
  assertEquals((await send(sender, { toid: bob.id, files: [copy.id] })).errno, 26);
  const forwarded = await send(reader, { toid: ann.id, files: [copy.id] });
  const [theirs] = (await sender.next(isChat)).files as [{ url: string }];
  assertEquals((await files.stored()).length, 1);
  // One more is room for, each counts as a block.
  assertEquals([await status(told.url, bob.token), await status(told.url, bob.token)], [201, 507]);
  assertEquals((await sender.request({ msgid: Msg.DELETE, messageid })).errno, 0);
  assertEquals([(await files.fetch(told.url, { method: "HEAD" })).status, await status(told.url, ann.token)], [404, 404]);
  assertEquals(await (await files.fetch(theirs.url)).text(), "some text");
  assertEquals((await reader.request({ msgid: Msg.DELETE, messageid: forwarded.messageid })).errno, 0);
  assertEquals((await files.fetch(theirs.url, { method: "HEAD" })).status, 404);
  // One that nothing uses yet is there, and nothing else.
  assertEquals((await files.stored()).length, 1);
  const kept = new Map((await db.query("select userid, bytes from kept")).map(({ userid, bytes }) => [Number(userid), Number(bytes)]));
  assertEquals([kept.get(ann.id), kept.get(bob.id)], [0, 4096]);
});

databaseTest("files of messages: forwarded in the moment in which they are deleted: there with their bytes, or refused", async (db) => {
  await using files = await FileServer.start(db, { ...settings, limits: "off" }, { times: { sweep: 5 } });
  const [ann, bob] = files.users as [TestUser, TestUser];
  await using sender = await files.server.client(ann, { proto: 3 });
  const left: number[] = [];
  for (const i of upTo(20)) {
    const file = await files.upload(`bytes ${i}`);
    const { messageid } = await send(sender, { toid: bob.id, files: [file.id] });
    const copying = upTo(3).map(() => copyFile(file.url, { url: files.url, token: bob.token }));
    const [, ...copies] = await Promise.allSettled([sender.request({ msgid: Msg.DELETE, messageid }), ...copying]);
    for (const copy of copies) {
      if (copy.status === "fulfilled") left.push(copy.value.id);
      else assertEquals((copy.reason as FileRefused).status, 404);
    }
  }
  await eventually(async () => (await db.query("select place from gone")).length === 0, "what is gone is swept");
  const rows = await db.query("select id, urlkey from file");
  assertEquals(rows.map(({ id }) => Number(id)).sort((a, b) => a - b), left.sort((a, b) => a - b));
  for (const { urlkey } of rows) assertMatch(await (await files.fetch(`/files/${urlkey}`)).text(), /^bytes /);
});
