/** Rules 1: how lines go over the wire. */
import { assert, assertEquals } from "@std/assert";
import type { Client } from "./client.ts";
import { type Check, placeOf, Skip } from "./suite.ts";

const PING = '{"msgid":13}';

/** A PING of this many bytes. */
function longPing(bytes: number): string {
  return `{"msgid":13,"pad":"${"x".repeat(bytes - 21)}"}`;
}

/** Sends a line and takes its answer's errno. */
async function errnoOf(client: Client, line: string): Promise<number | undefined> {
  await client.line(line);
  return (await client.next()).errno;
}

async function pingPong(client: Client): Promise<void> {
  assertEquals((await client.request({ msgid: 13 })).msgid, 14);
}

export const framing: Check[] = [
  {
    rule: "1.1",
    title: "LF, CRLF and NUL end a line, empty lines are skipped, the server's JSON is compact",
    async run(stage) {
      const client = await stage.connect();
      for (const end of ["\n", "\r\n", "\0"]) {
        await client.write(`{"msgid":13,"ref":"a"}${end}${end}`);
        assertEquals(await client.next(), { msgid: 14, ref: "a" });
      }
      await pingPong(client);
      for (const line of client.lines) assertEquals(line, JSON.stringify(JSON.parse(line)));
    },
  },
  {
    rule: "1.1",
    title: "what is unfinished when the stream ends is dropped",
    over: ["tcp", "tls"],
    async run(stage) {
      const member = await stage.member();
      await member.client.write(PING + `\n{"msgid":6,"toid":${member.id},"msg":"half"}`);
      await member.client.next((m) => m.msgid === 14);
      const { ack, client } = await stage.again(member);
      assertEquals(placeOf(ack), { confirmed: 0, last: 0 });
      assertEquals((await client.request({ msgid: 16, toid: member.id })).messages, []);
    },
  },
  {
    rule: "1.2",
    title: "many messages in one segment, one in many",
    over: ["tcp", "tls"],
    async run(stage) {
      const client = await stage.connect();
      await client.write(`{"msgid":13,"ref":1}\n{"msgid":13,"ref":2}\r\n{"msgid":13,"ref":"好"}\0{"msgid"`);
      assertEquals([(await client.next()).ref, (await client.next()).ref, (await client.next()).ref], [1, 2, "好"]);
      for (const byte of new TextEncoder().encode(':13,"ref":"👍"}\n')) await client.write(new Uint8Array([byte]));
      assertEquals((await client.next()).ref, "👍");
    },
  },
  {
    rule: "1.3",
    title: "a line of limits.line bytes is taken; one more byte: errno 14, and the connection is closed",
    async run(stage) {
      const { ack, client } = await stage.member();
      const { line } = ack.limits as { line: number };
      await client.line(longPing(line));
      assertEquals((await client.next()).msgid, 14);
      assertEquals(await errnoOf(client, longPing(line + 1)), 14);
      await client.closed();
    },
  },
  {
    rule: "1.4",
    title: "bytes that are not UTF-8: errno 10, and the connection is closed",
    async run(stage) {
      const client = await stage.connect();
      await client.write(new Uint8Array([...new TextEncoder().encode('{"msgid":13,"ref":"'), 0xff, 0x22, 0x7d, 0x0a]));
      assertEquals((await client.next()).errno, 10);
      await client.closed();
    },
  },
  {
    rule: "1.5",
    title: "no JSON object is 10, an unknown msgid 11, a bad field 13; the connection stays",
    async run(stage) {
      const client = await stage.connect();
      const lines: [errno: number, line: string][] = [
        ...["x", "[]", "null", "1", '"a"', "{", '{"msgid":13}}', '{"msgid":13}{"msgid":13}'].map((line) => [10, line] as [number, string]),
        ...["0", "2", "60", "1.5", '"13"', "null", "[13]", '"__proto__"'].map((id) => [11, `{"msgid":${id}}`] as [number, string]),
        [11, "{}"],
        [13, '{"msgid":4,"name":"a"}'],
        [13, '{"msgid":4,"name":7,"password":"b"}'],
        [13, '{"msgid":4,"name":"a","password":""}'],
        [13, `{"msgid":4,"name":"a","password":"${"x".repeat(257)}"}`],
        [13, '{"msgid":1,"id":0,"password":"b"}'],
        [13, '{"msgid":1,"id":1}'],
      ];
      for (const [errno, line] of lines) {
        assertEquals(await errnoOf(client, line), errno, line);
        await pingPong(client);
      }
    },
  },
  {
    rule: "1.6",
    title: "nine malformed lines in a row leave the connection open, ten close it; a good line, or one too early, begins the row anew",
    async run(stage) {
      const client = await stage.connect();
      for (const between of [PING, '{"msgid":6,"toid":"x"}', PING]) {
        for (let i = 0; i < 9; i++) assertEquals(await errnoOf(client, "x"), 10);
        await client.line(between);
        assert([undefined, 12].includes((await client.next()).errno), between);
      }
      for (let i = 0; i < 10; i++) assertEquals(await errnoOf(client, "x"), 10);
      assertEquals(await client.next(), { msgid: 20, reason: "badinput" });
      await client.closed();
    },
  },
  {
    rule: "1.7",
    title: "U+0000 and lone surrogates in strings are 13",
    async run(stage) {
      const { id, client } = await stage.member();
      for (const text of ["\\u0000", "a\\u0000b", "\\ud800", "\\udc00\\ud800"]) {
        assertEquals(await errnoOf(client, `{"msgid":6,"toid":${id},"msg":"${text}"}`), 13, text);
        assertEquals(await errnoOf(client, `{"msgid":4,"name":"x${text}","password":"p"}`), 13, text);
        await pingPong(client);
      }
    },
  },
  {
    rule: "1.8",
    title: "fields that are not known are ignored",
    async run(stage) {
      const client = await stage.connect();
      client.send({ msgid: 13, seq: "x", toid: {}, hello: [1, 2, 3] });
      assertEquals(await client.next(), { msgid: 14 });
    },
  },
  {
    rule: "1.8",
    title: "a field that is null is as if it were absent",
    async run(stage) {
      const { id, client } = await stage.member();
      client.send({ msgid: 13, ref: null });
      assertEquals(await client.next(), { msgid: 14 });
      client.send({ msgid: 6, toid: id, toname: null, msg: "note", mid: null, ref: null, reply: null });
      const { mid, msg } = await client.next((m) => m.msgid === 6);
      assertEquals([mid, msg], [undefined, "note"]);
      const history = await client.request({ msgid: 16, toid: id, toname: null, groupid: null, before: null, limit: null });
      assertEquals((history.messages as unknown[]).length, 1);
      assertEquals((await client.request({ msgid: 6, toid: id, msg: null })).errno, 13);
      assertEquals((await client.request({ msgid: 16, toid: null })).errno, 13);
    },
  },
  {
    rule: "1.9",
    title: "what was sent before FIN is handled and answered before the server closes",
    over: ["tcp"],
    async run(stage) {
      const { id, client } = await stage.member();
      await client.write(`{"msgid":6,"toid":${id},"msg":"last words","ref":"w"}\n{"msgid":17,"ref":"c"}\n`);
      await client.closeWrite();
      assertEquals((await client.next((m) => m.ref === "w")).errno, 0);
      assertEquals((await client.next((m) => m.ref === "c")).errno, 0);
      await client.closed();
    },
  },
  {
    rule: "1.10",
    title: "a WebSocket frame carries one or more lines, its end ends the last",
    over: ["ws"],
    async run(stage) {
      const client = await stage.connect();
      await client.write('{"msgid":13,"ref":1}\n{"msgid":13,"ref":2}\n');
      await client.write('{"msgid":13,"ref":3}\r\n{"msgid":13,"ref":4}');
      for (const ref of [1, 2, 3, 4]) assertEquals(await client.next(), { msgid: 14, ref });
    },
  },
  {
    rule: "1.10",
    title: "a page of another origin is refused",
    over: ["ws"],
    async run(stage) {
      const url = new URL(stage.target.url);
      if (url.protocol === "wss:") throw new Skip("not looked at over wss");
      const head = `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nOrigin: https://elsewhere.invalid\r\n\r\n`;
      const conn = await Deno.connect({ hostname: stage.target.hostname, port: stage.target.port || 80 });
      try {
        await conn.write(new TextEncoder().encode(head));
        const buffer = new Uint8Array(1024);
        const n = await conn.read(buffer);
        const answer = new TextDecoder().decode(buffer.subarray(0, n ?? 0));
        assert(/^HTTP\/1\.1 4\d\d /.test(answer), answer.split("\r\n")[0]);
      } finally {
        conn.close();
      }
    },
  },
];
