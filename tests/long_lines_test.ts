// A long message to a group: each member's line has a beginning that is the same for all and is written by itself, and every kind of connection gets it whole.

import { assertEquals } from "@std/assert";
import { Msg } from "../src/wire/msgid.ts";
import { upTo } from "./support/chat.ts";
import { testDatabase } from "./support/databases.ts";
import type { Message } from "./support/raw_client.ts";
import { makeUsers, startServer } from "./support/server.ts";
import { connectTls, TlsFiles } from "./support/tls.ts";
import { WsClient } from "./support/ws_client.ts";

Deno.test("long lines: what goes to a group comes whole and in its order by TCP, TLS and WebSocket, to today's clients and to those of 0.1", async () => {
  await using db = await testDatabase("sqlite");
  await using files = await TlsFiles.of();
  // Longer than a fragment of a WebSocket frame, or a write over TLS, may be.
  const settings = { http: "127.0.0.1:0", "tls-listen": "127.0.0.1:0", "max-line": 300_000, "send-queue": 8 * 1024 * 1024, limits: "off" };
  await using server = await startServer(db, { ...settings, ...files.flags });
  const users = await makeUsers(db, 8);
  const { http, tls } = server.server.addresses;
  const logIn = async <C extends { request(message: Record<string, unknown>): Promise<Message> }>(
    client: C,
    i: number,
    fields: object,
  ): Promise<C> => {
    assertEquals((await client.request({ msgid: Msg.LOGIN, id: users[i]!.id, token: users[i]!.token, ...fields })).errno, 0);
    return client;
  };
  const webSocket = () => WsClient.connect(`ws://127.0.0.1:${http!.port}/ws`);
  const overTls = async () => (await connectTls(tls!.port)).client;
  const store = await db.open();
  const { groupid } = await store.createGroup(users[0]!.id, "all", "all", "") as { groupid: number };
  for (const { id } of users.slice(1)) await store.joinGroup(id, { id: groupid }, Date.now());
  await store.close();

  await using sender = await server.client(users[0]!, { proto: 3 });
  await using other = await server.client(users[1]!, { proto: 3 });
  await using tcp = await server.client(users[2]!, { proto: 3 });
  await using classic = await server.client(users[3]!, {});
  await using second = await logIn(await overTls(), 4, { proto: 3 });
  await using old = await logIn(await overTls(), 5, { proto: 2 });
  await using web = await logIn(await webSocket(), 6, { proto: 3 });
  await using oldWeb = await logIn(await webSocket(), 7, { proto: 2 });
  const receivers = { tcp, classic, second, old, web, oldWeb };

  const texts: string[] = [];
  for (const i of upTo(12)) {
    const text = `${i} ` + ["short", "é".repeat(30_000), '你\n"'.repeat(40_000), "👍".repeat(20_000)][i % 4];
    texts.push(text);
    const from = i % 3 === 0 ? other : sender;
    assertEquals((await from.request({ msgid: Msg.GROUP_CHAT, groupid, msg: text })).errno, 0);
    // What is said in between stands in between.
    sender.send({ msgid: Msg.SIGNAL, groupid, msg: `signal ${i}` });
  }
  for (const [name, client] of Object.entries(receivers)) {
    const came: string[] = [], seqs: unknown[] = [];
    while (came.length < texts.length) {
      const { seq, msg } = await client.next((m) => m.msgid === Msg.GROUP_CHAT && m.seq !== undefined);
      came.push(msg as string);
      seqs.push(seq);
    }
    assertEquals(came.map((text) => text.length), texts.map((text) => text.length), name);
    assertEquals(came, texts, name);
    assertEquals(seqs, seqs.toSorted((a, b) => Number(a) - Number(b)), name);
    // Classic clients are sent no signals.
    if (client !== classic) assertEquals((await client.next((m) => m.msg === "signal 12")).groupid, groupid, name);
  }
});
