// HISTORY: what was said, in pages, both directions, to those who took part.

import { assert, assertEquals } from "@std/assert";
import { assertErrno, assertRefused, chats, upTo } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer, type TestUser } from "./support/server.ts";

/** Pages backwards to the beginning. @returns the pages' texts, the newest page first */
async function pages(client: RawClient, of: object, limit?: number): Promise<string[][]> {
  const all: string[][] = [];
  for (let before: number | undefined, more = true; more;) {
    const page = await client.request({ msgid: 16, ...of, before, limit });
    assertErrno(page, 0);
    const messages = page.messages as Message[];
    all.push(messages.map((m) => m.msg!));
    more = page.more as boolean;
    before = messages[0]?.messageid;
  }
  return all;
}

databaseTest("HISTORY with a user shows both directions, oldest first, page by page", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob, cid] = await makeUsers(db, 3);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  await using c = await s.client(cid);
  assertEquals(await pages(a, { toid: bob.id }), [[]]);
  const texts = upTo(125).map(String);
  for (const [i, msg] of texts.entries()) {
    // Lockstep, so that the order is one.
    const [from, to] = i % 3 === 0 ? [b, ann] : [a, bob];
    await from.request({ msgid: 6, toid: to.id, msg });
    if (i % 10 === 0) await c.request({ msgid: 6, toid: ann.id, msg: "of another conversation" });
  }
  for (const [client, of] of [[a, { toid: bob.id }], [b, { toname: ann.name.toUpperCase() }]] as [RawClient, object][]) {
    assertEquals(await pages(client, of), [texts.slice(75), texts.slice(25, 75), texts.slice(0, 25)]);
    assertEquals(await pages(client, of, 100), [texts.slice(25), texts.slice(0, 25)]);
  }
  // A page that ends exactly at the beginning has nothing more.
  assertEquals((await pages(a, { toid: bob.id }, 25)).length, 5);

  // The fields of a message, but for the reader's own seq.
  const reply = await a.request({ msgid: 6, toid: bob.id, msg: "last", mid: "m" });
  const page = await b.request({ msgid: 16, toid: ann.id, limit: 1 });
  const { seq, ...message } = (await chats(b, 84)).at(-1)!;
  assertEquals(seq, 84);
  assertEquals(page, { msgid: 11, ref: page.ref!, errno: 0, re: 16, messages: [message], more: true });
  assertEquals([message.messageid, message.mid, message.id], [reply.messageid, "m", ann.id]);
  // Confirmed or not, it stays.
  b.send({ msgid: 12, seq: 84 });
  await b.close();
  await using b2 = await s.client(bob);
  assertEquals((await pages(b2, { toid: ann.id }, 1))[0], ["last"]);
  // With oneself: the notes.
  await a.request({ msgid: 6, toid: ann.id, msg: "milk" });
  assertEquals(await pages(a, { toid: ann.id }), [["milk"]]);
});

databaseTest("HISTORY of a group is for its members, and reaches back before they joined", async (db) => {
  await using s = await startServer(db);
  const [ann, bob, cid] = await makeUsers(db, 3);
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  const { groupid } = await a.request({ msgid: 8, groupname: "g", groupdesc: "" });
  for (const msg of ["1", "2", "3"]) await a.request({ msgid: 10, groupid, msg });
  await b.request({ msgid: 9, groupid });
  await b.request({ msgid: 10, groupid, msg: "4", mid: "m" });
  // A direct message of the two is not of the group, and none of the group's is of theirs.
  await a.request({ msgid: 6, toid: bob.id, msg: "between us" });
  assertEquals(await pages(b, { groupid }, 3), [["2", "3", "4"], ["1"]]);
  assertEquals(await pages(b, { toid: ann.id }), [["between us"]]);
  const { messages } = await b.request({ msgid: 16, groupid, limit: 1 });
  const { seq: _, ...message } = (await chats(a, 1))[0];
  assertEquals(messages, [message]);

  await using c = await s.client(cid);
  assertErrno(await c.request({ msgid: 16, groupid }), 18);
  await b.request({ msgid: 19, groupid });
  assertErrno(await b.request({ msgid: 16, groupid }), 18);
  await assertRefused(c, [
    [16, { msgid: 16, toid: 4711 }, "user"],
    [16, { msgid: 16, toname: "nobody" }, "user"],
    [17, { msgid: 16, groupid: 4711 }, "group"],
    [13, { msgid: 16 }, "toid"],
    [13, { msgid: 16, toid: ann.id, limit: 0 }, "limit"],
    [13, { msgid: 16, toid: ann.id, limit: 101 }, "limit"],
    [13, { msgid: 16, toid: ann.id, before: "x" }, "before"],
  ]);
});

databaseTest("HISTORY: no answer is longer than limits.answer; it tells fewer messages, and that there are more", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob] = await makeUsers(db, 2);
  await using a = await s.connect();
  const { limits } = await a.login({ id: ann.id, token: ann.token, proto: 3 });
  const most = (limits as { answer: number }).answer;
  // As they are, each to be escaped, and more bytes than characters.
  const texts = upTo(18).map((i) => `${i} ` + ["x", '"', "好"][i % 3]!.repeat([60_000, 30_000, 20_000][i % 3]!));
  for (const msg of texts) assertErrno(await a.request({ msgid: 6, toid: bob.id, msg }), 0);
  const seen: string[] = [];
  for (let before: number | undefined, more = true; more;) {
    const bytes = a.bytes;
    const page = await a.request({ msgid: 16, toid: bob.id, before, limit: 100 });
    assert(a.bytes - bytes <= most, `${a.bytes - bytes} bytes`);
    const messages = page.messages as Message[];
    assert(page.more ? messages.length >= 3 : messages.length + seen.length === texts.length);
    seen.unshift(...messages.map((m) => m.msg!));
    more = page.more as boolean;
    before = messages[0]!.messageid;
  }
  assertEquals(seen, texts);
});

databaseTest("HISTORY: a message as long as a line may be, with all that may stand beside its text, is told within limits.answer", async (db) => {
  const line = 1024 * 1024;
  await using s = await startServer(db, { limits: "off", "max-line": line });
  const [ann] = await makeUsers(db, 1, "𠀋".repeat(40)) as [TestUser];
  await using a = await s.connect();
  const { limits } = await a.login({ id: ann.id, token: ann.token, proto: 3 });
  const request = { msgid: 6, toid: ann.id, msg: "", mid: "\u0001".repeat(64), reply: undefined, silent: true, ref: 1 };
  const msg = "x".repeat(line - JSON.stringify(request).length);
  const { messageid } = await a.request({ ...request, msg });
  const file = { id: 2 ** 40, name: "𠀋".repeat(200), type: `application/${"x".repeat(61)}`, size: 2 ** 33, width: 65_535, height: 65_535 };
  const files = Array.from({ length: 10 }, () => ({ ...file, url: `/files/${"x".repeat(22)}` }));
  const reactions = Array.from({ length: 20 }, (_, i) => ["👩🏽‍❤️‍💋‍👨🏿" + i, 2000]);
  await db.query(`update message set files = '${JSON.stringify(files)}', reactions = '${JSON.stringify(reactions)}', edited = 1790000000000`);
  const page = await a.request({ msgid: 16, toid: ann.id });
  assertEquals((page.messages as Message[]).map((m) => m.messageid), [messageid]);
  const bytes = new TextEncoder().encode(JSON.stringify(page)).length, { answer } = limits as { answer: number };
  assert(bytes > line + 10_000 && bytes <= answer, `${bytes} bytes, ${answer} were told`);
});
