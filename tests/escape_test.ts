// What is text stays text: SQL, HTML, terminal sequences, writing in all directions and odd Unicode come back as they were sent, and harm neither database nor log.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { mixesScripts } from "../src/wire/looks.ts";
import { faultOfName } from "../src/wire/names.ts";
import { assertErrno, chats } from "./support/chat.ts";
import { databaseTest, testDatabase } from "./support/databases.ts";
import { Program } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer } from "./support/server.ts";
import { WsClient } from "./support/ws_client.ts";

const texts = [
  // SQL
  "'; DROP TABLE user; --",
  "Robert'); DELETE FROM message WHERE ('1'='1",
  '" OR ""="',
  "\\' OR 1=1 -- ",
  "%_% ? :id @p $1 ${x} `user` /*!50000 x */",
  "\\0 \\n \\x1a \\u0000 %00",
  // HTML
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  '"><svg/onload=alert(1)>',
  "&lt;b&gt; &amp; &#x1b; &nbsp",
  "javascript:alert(1)",
  // Terminals: colours, a cleared screen in both spellings, the title, the clipboard, going back
  "\x1b[31m\x1b[2J\x1b[H",
  "\x9b2J\x9b31m",
  "\x1b]0;title\x07\x1b]52;c;bmF0dGVy\x1b\\",
  "safe\runsafe\b\b\b\x7f\x0b\x0c",
  // Lines of all kinds, and what would be one of the protocol's
  "a\nb\r\nc\u2028d\u2029e\x85f\tg",
  'x"}\n{"msgid":3}\n',
  // Directions, and what is not seen
  "\u202eevil\u202c \u2066x\u2069 \u200e\u200f\u061c",
  "\u200b\u200c\u200d\u2060\ufeff\u00ad\u3164\u2800",
  // Unicode: joined, stacked, the same in other forms, at the edges
  "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🇩🇪 ❤️ 1️⃣",
  "Z̸̛̤͓̘̫̞̖̃̿̈́͑a̷͎͛l̶̢̬͇͑͝g̴̢̣̅ó̸̙",
  "é e\u0301 ﬁ Å \u212b ﷽ İıſK ß ΣΟΦΟΣ",
  "مرحبا שלום नमस्ते 你好 こんにちは",
  "\ufeffbegins with a mark",
  "\u{10ffff}\u{fffff}\uffff\ufffe\ufdd0\ue000",
  "  spaces, and more at the end   ",
  " ",
  // Words that mean something elsewhere
  "__proto__",
  "constructor",
  "null",
  "0",
  "-1e999",
];
const long = "𝔘'\\\x1b".repeat(4500);
const bytesOf = (text: string) => new TextEncoder().encode(text).length;
const lengthOf = (text: string) => [...text].length;
const names = texts.filter((text) => faultOfName(text) === undefined && !mixesScripts(text));

databaseTest("escape: messages, signals, mid and ref come back as they were sent, at once, later and from history", async (db) => {
  await using server = await startServer(db, { limits: "off" });
  const [alice, bob] = await makeUsers(db, 2);
  await using a = await server.client(alice);
  const b = await server.client(bob);
  const group = (await a.request({ msgid: 8, groupname: "g", groupdesc: "" })).groupid as number;
  assertErrno(await b.request({ msgid: 9, groupid: group }), 0);
  const sent = [...texts, long].flatMap((msg) => [{ msgid: 6, toid: bob.id, msg }, { msgid: 10, groupid: group, msg }]).map((message) => {
    const mid = `${message.msgid}${message.msg}`;
    return bytesOf(mid) <= 64 ? { ...message, mid } : message;
  });
  for (const message of sent) {
    const ref = lengthOf(message.msg) <= 64 ? message.msg : 1;
    a.send({ ...message, ref });
    const answer = await a.next();
    assertEquals([answer.errno, answer.ref, answer.mid], [0, ref, "mid" in message ? message.mid : undefined], message.msg);
  }
  const expected = sent.map((message) => [message.msgid, message.msg, "mid" in message ? message.mid : undefined]);
  const received = (messages: { msgid?: number; msg?: string; mid?: string }[]) => messages.map((m) => [m.msgid, m.msg, m.mid]);
  assertEquals(received(await chats(b, sent.length)), expected);
  for (const msg of texts) {
    a.send({ msgid: 21, toid: bob.id, msg });
    assertEquals((await b.next((m) => m.msgid === 21)).msg, msg);
  }
  await b.close();
  // Unconfirmed, it comes again: from the database now.
  await using again = await server.client(bob);
  assertEquals(received(await chats(again, sent.length)), expected);
  for (const [msgid, where] of [[6, { toid: alice.id }], [10, { groupid: group }]] as const) {
    const { messages } = await again.request({ msgid: 16, ...where, limit: 100 }) as { messages?: { msg: string; mid?: string }[] };
    assertEquals(messages?.map((m) => m.msg), [...texts, long]);
    assertEquals(messages?.map((m) => m.mid), sent.filter((m) => m.msgid === msgid).map((m) => "mid" in m ? m.mid : undefined));
  }
  // Sent again under the same mid it is the same message; a mid that looks alike is another one.
  for (const message of sent.filter((m) => "mid" in m)) assertErrno(await a.request(message), 0);
  for (const mid of ["x", "X", "x ", "x\t", "ｘ", "x\u0301"]) assertErrno(await a.request({ msgid: 6, toid: bob.id, msg: "mid", mid }), 0);
  assertEquals(await db.query("select count(*) as n from message where kind = 0"), [{ n: sent.length + 6 }]);
  // That one joined has the first place in the log.
  assertEquals((await chats(again, 6)).at(-1)!.seq, 1 + sent.length + 6);
  assertEquals(await db.query("select count(*) as n from user"), [{ n: 2 }]);
});

databaseTest("escape: names and descriptions come back as they were sent, or are refused; tables are unharmed", async (db) => {
  await using server = await startServer(db, { limits: "off" });
  await using a = await server.connect();
  assert(names.length > 15, String(names.length));
  const ids: number[] = [];
  for (const name of texts) {
    const answer = await a.register(name, "secret");
    assertErrno(answer, names.includes(name) ? 0 : 13, name);
    if (answer.id) ids.push(answer.id);
    // A good line in between: ten bad ones in a row would close the connection.
    await a.request({ msgid: 13 });
  }
  const ack = await a.login({ name: names[0]!, password: "secret", proto: 2 });
  assertEquals([ack.id, ack.name], [ids[0], names[0]]);
  for (const friendname of names.slice(1)) {
    const { friend } = await a.request({ msgid: 7, friendname }) as { friend?: { name: string } };
    assertEquals(friend?.name, friendname);
  }
  for (const [i, groupdesc] of texts.entries()) {
    const groupname = names.includes(groupdesc) ? groupdesc : `group ${i}`;
    assertErrno(await a.request({ msgid: 8, groupname, groupdesc }), 0, groupdesc);
    assertErrno(await a.request({ msgid: 9, groupname }), 0, groupname);
    if (groupname !== groupdesc) assertErrno(await a.request({ msgid: 8, groupname: groupdesc, groupdesc: "" }), 13, groupdesc);
  }
  const { friends, groups } = await a.request({ msgid: 17 }) as { friends?: { name: string }[]; groups?: { groupname: string; groupdesc: string }[] };
  assertEquals(friends?.map((f) => f.name).toSorted(), names.slice(1).toSorted());
  assertEquals(groups?.map((g) => g.groupdesc).toSorted(), texts.toSorted());
  for (const { groupname, groupdesc } of groups ?? []) if (names.includes(groupdesc)) assertEquals(groupname, groupdesc);
  // What is looked for and not there is not found, whatever it says.
  for (const text of texts) {
    const found = names.includes(text) ? 0 : 16;
    const other = `x${text}`.slice(0, 60);
    assertErrno(await a.request({ msgid: 6, toname: text, msg: "m" }), found, text);
    assertErrno(await a.request({ msgid: 6, toname: other, msg: "m" }), 16, other);
    assertErrno(await a.request({ msgid: 9, groupname: other }), 17, other);
  }
  assertEquals(await db.query("select id, name from user order by id"), ids.map((id, i) => ({ id, name: names[i] })));
  assertEquals(await db.query("select count(*) as n from allgroup"), [{ n: texts.length }]);
});

databaseTest("escape: every text is a password, and only that very one", async (db) => {
  await using server = await startServer(db, { limits: "off" });
  const passwords = [...texts, "'".repeat(256), "𝔘".repeat(64)];
  for (const [i, password] of passwords.entries()) {
    await using client = await server.connect();
    const { id } = await client.register(`user${i}`, password);
    for (const wrong of [password + " ", password.slice(1), password.normalize("NFKC") + "\u0301"]) {
      if (wrong !== "" && wrong.isWellFormed() && bytesOf(wrong) <= 256) assertErrno(await client.login({ id, password: wrong }), 1, wrong);
    }
    assertErrno(await client.login({ id, password, proto: 2 }), 0, password);
    assertErrno(await client.request({ msgid: 22, old: password, new: password.length > 99 ? "new" : `new ${password}` }), 0);
  }
});

databaseTest("escape: U+0000 and lone surrogates are refused in every field", async (db) => {
  await using server = await startServer(db, { limits: "off" });
  const [alice, bob] = await makeUsers(db, 2);
  await using client = await server.client(alice);
  for (const text of ["a\0b", "\0", "\ud800", "x\udc00y", "\udfff\ud800"]) {
    const requests: { msgid: number; [field: string]: unknown }[] = [
      { msgid: 4, name: text, password: "p" },
      { msgid: 4, name: "n", password: text },
      { msgid: 6, toid: bob.id, msg: text },
      { msgid: 6, toid: bob.id, msg: "m", mid: text },
      { msgid: 6, toname: text, msg: "m" },
      { msgid: 7, friendname: text },
      { msgid: 8, groupname: text, groupdesc: "" },
      { msgid: 8, groupname: "g", groupdesc: text },
      { msgid: 21, toid: bob.id, msg: text },
      { msgid: 22, old: text, new: "p" },
    ];
    for (const request of requests) {
      assertErrno(await client.request(request), 13, JSON.stringify(request));
      await client.request({ msgid: 13 });
    }
    client.send({ msgid: 13, ref: text });
    assertErrno(await client.next(), 13);
  }
});

/** What a log must not have in it: what moves a cursor, or reorders letters. */
// deno-lint-ignore no-control-regex
const RAW = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

Deno.test("escape: nothing that clients send gets into the log as it is, pretty or JSON", async () => {
  for (const format of ["json", "pretty"]) {
    await using db = await testDatabase("sqlite");
    const flags = {
      listen: "127.0.0.1:0",
      http: "127.0.0.1:0",
      database: db.url,
      log: format,
      "log-level": "debug",
      "trusted-proxy": "127.0.0.1",
      "on-conflict": "replace",
      limits: "off",
    };
    await using server = new Program(Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]));
    const { tcp, http } = await server.ready();
    const [user] = await makeUsers(db, 1);
    for (const text of [...texts, long]) {
      const forwarded = text.replace(/[^\x80-\xff\x20-\x7e]/g, "");
      await using socket = await WsClient.connect(`ws://127.0.0.1:${http}/ws`, { headers: { "x-forwarded-for": forwarded.slice(0, 1000) } });
      for (const [i, field] of ["name", "password", "token", "msgid", "ref", "msg", "mid"].entries()) {
        socket.send({ msgid: [1, 4, 6, 7, 8, 22, 23][i], id: 1, password: "p", toid: 1, msg: "m", [field]: text });
      }
      assertErrno(await socket.request({ msgid: 1, id: user.id, token: user.token, proto: 2 }), 0);
      assertErrno(await socket.request({ msgid: 8, groupname: text, groupdesc: "" }), names.includes(text) ? 0 : 13);
    }
    // From a trusted proxy, and yet no PROXY header.
    for (const text of texts) {
      await using client = await RawClient.connect(tcp);
      client.sendBytes(`PROXY ${text}\r\n`.padEnd(120));
      await client.closed;
    }
    server.kill("SIGTERM");
    const { code, stderr } = await server.ended();
    assertEquals(code, 0);
    assertMatch(stderr, /departure/);
    assert(!stderr.includes("2J"), "what clients say has no place in it: of a proxy, only what is an address is believed");
    const found = RAW.exec(stderr);
    assertEquals(found, null, found ? JSON.stringify(stderr.slice(Math.max(0, found.index - 100), found.index + 20)) : "");
    if (format === "json") { for (const line of stderr.trimEnd().split("\n")) assertEquals(typeof JSON.parse(line).message, "string"); }
  }
});
