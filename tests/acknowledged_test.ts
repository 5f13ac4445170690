// Acknowledged means stored: whatever crashes next, it arrives once; and what was not acknowledged can be sent again without being doubled.

import { assert, assertEquals } from "@std/assert";
import { databaseTest } from "./support/databases.ts";
import { RawClient } from "./support/raw_client.ts";
import { makeUsers, spawnServer, startServer, type TestUser } from "./support/server.ts";

const SENDERS = 4, EACH = 500, RUNS = 5;

async function login(port: number, { id, token }: TestUser): Promise<RawClient> {
  const client = await RawClient.connect(port);
  const ack = await client.login({ id, token, proto: 2 });
  assertEquals(ack.errno, 0, JSON.stringify(ack));
  return client;
}

/** Reads an inbox from its beginning up to `count` messages: by `seq`, the texts. */
async function readAll(client: RawClient, count: number): Promise<Map<number, string>> {
  const texts = new Map<number, string>();
  while (texts.size < count) {
    const { seq, msg } = await client.next((m) => m.msgid === 6);
    texts.set(seq as number, msg as string);
  }
  return texts;
}

databaseTest(`acknowledged: ${SENDERS} senders, ${SENDERS * EACH} messages, SIGKILL in the middle, ${RUNS} times`, async (db) => {
  // The tables, before the first life.
  await (await startServer(db)).server.close();
  let server = await spawnServer(db, { limits: "off" });
  await using _last = { [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  for (let run = 0; run < RUNS; run++) {
    const users = await makeUsers(db, SENDERS + 1, `run${run}_`);
    const receiver = users[0]!, senders = users.slice(1);
    const texts = senders.map((_, s) => Array.from({ length: EACH }, (_, i) => `s${s} m${i}`));
    const acknowledged = new Set<string>();

    const clients = await Promise.all(senders.map((user) => login(server.port, user)));
    // Somewhere in the middle: after a number of answers that differs by the run.
    const enough = 100 + run * 340;
    const killed = Promise.withResolvers<void>();
    const reading = clients.map(async (client) => {
      for await (const reply of client) {
        if (reply.msgid !== 11) continue;
        assertEquals(reply.errno, 0);
        acknowledged.add(reply.mid as string);
        if (acknowledged.size === enough) killed.resolve();
      }
    });
    clients.forEach((client, s) => {
      for (const msg of texts[s]!) client.send({ msgid: 6, toid: receiver.id, msg, ref: msg, mid: msg });
    });
    await killed.promise;
    await server.stop("SIGKILL");
    await Promise.all(reading);
    await Promise.all(clients.map((client) => client.close()));
    assert(acknowledged.size >= enough);

    // The next run's server, too.
    server = await spawnServer(db, { limits: "off" });
    await using reader = await login(server.port, receiver);
    const again = await Promise.all(senders.map((user) => login(server.port, user)));
    // Everything that has no answer goes again; what has one may go again too.
    for (const [s, client] of again.entries()) {
      const rest = texts[s]!.filter((text) => !acknowledged.has(text));
      for (const msg of [texts[s]![0]!, ...rest]) client.send({ msgid: 6, toid: receiver.id, msg, ref: msg, mid: msg });
      for (let i = 0; i < rest.length + 1; i++) assertEquals((await client.next((m) => m.msgid === 11)).errno, 0);
    }
    const received = await readAll(reader, SENDERS * EACH);
    assertEquals([...received.keys()], Array.from({ length: SENDERS * EACH }, (_, i) => i + 1), "seq has a gap");
    assertEquals(new Set(received.values()), new Set(texts.flat()), "something is lost");
    for (const [s, own] of texts.entries()) {
      assertEquals([...received.values()].filter((text) => text.startsWith(`s${s} `)), own, "a sender's order does not hold");
    }
    await Promise.all(again.map((client) => client.close()));
  }
});
