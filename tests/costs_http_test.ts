// What a request over HTTP may cost: each at its worst. No turn of the event loop above 20 ms; answers above 256 KiB are files and what is streamed as one.

import { assert, assertEquals } from "@std/assert";
import { laterTurn } from "../src/async/loop.ts";
import { databaseTest } from "./support/databases.ts";
import { FileServer } from "./support/files.ts";
import { makeUsers, type TestUser } from "./support/server.ts";
import { Turns } from "./support/turns.ts";

/** No turn of the loop is longer (ms), no answer longer (bytes). */
const TURN = 20, ANSWER = 256 * 1024;
/** As in costs_test.ts. */
const ROUNDS = 12;
const MEMBERS = 1000, ONLINE = 300, MESSAGES = 1500;
const FILE = new Uint8Array(24 * 1024 * 1024).fill(7);

interface Exchange {
  /** Without `Host`. */
  head: string;
  body?: Uint8Array;
  status: number;
  /** Is streamed, in pieces. */
  long?: boolean;
}

/** Sends it with as little work as can be: client and server share a process. @returns how many bytes came, and the longest turn */
async function measure(port: number, { head, body, status }: Exchange): Promise<{ turn: number; bytes: number }> {
  using conn = await Deno.connect({ port });
  const turns = new Turns();
  const buffer = new Uint8Array(65_536);
  let begins = "", bytes = 0;
  const reading = (async () => {
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      if (begins === "") begins = new TextDecoder().decode(buffer.subarray(0, Math.min(n, 200)));
      bytes += n;
    }
  })();
  const length = body ? `Content-Length: ${body.length}\r\n` : "";
  await conn.write(new TextEncoder().encode(`${head}\r\nHost: x\r\nConnection: close\r\n${length}\r\n`));
  for (let at = 0; body && at < body.length;) at += await conn.write(body.subarray(at, at + 65_536));
  await reading;
  for (const until = performance.now() + 30; performance.now() < until;) await laterTurn();
  assertEquals(Number(begins.split(" ")[1]), status, begins);
  return { turn: turns.stop(), bytes };
}

databaseTest("costs: every request over HTTP at its worst: no turn of the event loop above 20 ms", async (db) => {
  await using server = await FileServer.start(db, { limits: "off", "max-connections": 2000 });
  const [me] = server.users as [TestUser, ...TestUser[]];
  const members: TestUser[] = [];
  for (let i = 0; i < MEMBERS; i += 200) members.push(...await makeUsers(db, 200, `member${i}_`));
  await using client = (await server.server.client(me, { proto: 3 })).answerPings();
  const { groupid } = await client.request({ msgid: 8, groupname: "large", groupdesc: "" }) as { groupid: number };
  await db.query(`insert into groupuser (groupid, userid, grouprole, joined) select ${groupid}, id, 'normal', 1 from user where id <> ${me.id}`);
  await db.query(`update allgroup set count = (select count(*) from groupuser where groupid = ${groupid}) where id = ${groupid}`);
  const hook = String((await client.request({ msgid: 47, groupid, name: "build" })).url);
  const store = await db.open();
  const batch = Array.from({ length: 50 }, (_, i) => ({ sender: me.id, toid: me.id, msg: "how do you do? ".repeat(100), ts: i }));
  for (let i = 0; i < MESSAGES; i += batch.length) await store.append(batch);
  await store.close();
  const { url } = await server.upload(FILE);
  const conns = await Promise.all(
    members.slice(0, ONLINE).map(async ({ id, token }) => {
      const conn = await Deno.connect({ port: server.server.port });
      await conn.write(new TextEncoder().encode(JSON.stringify({ msgid: 1, id, token, proto: 3 }) + "\n"));
      await conn.read(new Uint8Array(4096));
      return conn;
    }),
  );
  try {
    const bearer = `\r\nAuthorization: Bearer ${me.token}`;
    const hooked = new TextEncoder().encode(JSON.stringify({ text: "x".repeat(60_000) }));
    const rows: Record<string, Exchange> = {
      "POST /files": { head: `POST /files?name=a HTTP/1.1${bearer}`, body: FILE, status: 201 },
      "POST /files, refused": { head: "POST /files?name=a HTTP/1.1", body: FILE, status: 401 },
      "POST a file's address": { head: `POST ${url} HTTP/1.1${bearer}`, body: new Uint8Array(0), status: 201 },
      "GET a file": { head: `GET ${url} HTTP/1.1`, status: 200, long: true },
      "GET a part": { head: `GET ${url} HTTP/1.1\r\nRange: bytes=1000-`, status: 206, long: true },
      "HEAD a file": { head: `HEAD ${url} HTTP/1.1`, status: 200 },
      "POST a hook": { head: `POST ${new URL(hook, "http://x").pathname} HTTP/1.1\r\nContent-Type: application/json`, body: hooked, status: 200 },
      "GET /export": { head: `GET /export HTTP/1.1${bearer}`, status: 200, long: true },
      "GET /about": { head: "GET /about HTTP/1.1", status: 200 },
      "GET /metrics": { head: "GET /metrics HTTP/1.1", status: 200 },
      "GET /readyz": { head: "GET /readyz HTTP/1.1", status: 200 },
    };
    for (const [name, exchange] of Object.entries(rows)) {
      const rounds: { turn: number; bytes: number }[] = [];
      for (let i = 0; i < ROUNDS && rounds.every(({ turn }) => turn >= TURN); i++) {
        rounds.push(await measure(server.port, exchange));
      }
      const turn = Math.min(...rounds.map((round) => round.turn)), { bytes } = rounds[0]!;
      if (Deno.env.get("NATTER_TEST_COSTS")) console.log(db.kind, name, turn.toFixed(1), "ms", bytes, "bytes");
      assert(turn < TURN, `${name}: a turn of ${turn.toFixed(1)} ms`);
      assert(exchange.long || bytes < ANSWER, `${name}: ${bytes} bytes`);
    }
  } finally {
    for (const conn of conns) conn.close();
  }
});
