// The database is away: logins are told to wait, nobody who stays is cut, and whoever went is offline soon after its return.

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { type TestDatabase, waitingDatabaseTest } from "./support/databases.ts";
import { startProxy } from "./support/proxy.ts";
import { countOnline, eventually, makeUsers, startServer, stateOf, type TestUser } from "./support/server.ts";

const GONE = 50, STAYING = 10;
/** How long the database is away (ms): longer than its deadlines for a statement; NATTER_TEST_OUTAGE_MS=30000 for the long one. */
const OUTAGE_MS = Number(Deno.env.get("NATTER_TEST_OUTAGE_MS") ?? 6000);

/** A database that can be taken away: MySQL's links are cut and refused; SQLite's file is locked by another connection. */
interface Outage extends AsyncDisposable {
  /** As the server sees the database. */
  seen: TestDatabase;
  begin(): void;
  end(): void;
}

async function outageOf(db: TestDatabase): Promise<Outage> {
  if (db.kind === "sqlite") {
    const file = new DatabaseSync(db.url.slice("sqlite:".length));
    return {
      seen: db,
      begin: () => file.exec("BEGIN IMMEDIATE"),
      end: () => file.exec("ROLLBACK"),
      [Symbol.asyncDispose]: () => Promise.resolve(file.close()),
    };
  }
  const url = new URL(db.url);
  const proxy = await startProxy({ hostname: url.hostname, port: Number(url.port || 3306) });
  url.hostname = "127.0.0.1";
  url.port = String(proxy.port);
  return {
    seen: { ...db, url: url.href },
    begin: () => {
      proxy.refuse = true;
      proxy.cut();
    },
    end: () => proxy.refuse = false,
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

waitingDatabaseTest(
  `outage: ${GONE} go and ${STAYING} stay while the database is away; logins get 19 with retry; 5 s after its return all is right`,
  async (db) => {
    await (await startServer(db)).server.close();
    const users = await makeUsers(db, GONE + STAYING + 1) as TestUser[];
    await using outage = await outageOf(db);
    await using s = await startServer(outage.seen);
    const login = ({ id, token }: TestUser) => s.client({ id, token, name: "" });
    const staying = await Promise.all(users.slice(0, STAYING).map(login));
    const going = await Promise.all(users.slice(STAYING, STAYING + GONE).map(login));
    const late = users.at(-1)!;
    for (const client of staying) client.answerPings();
    assertEquals(await countOnline(db), GONE + STAYING);

    outage.begin();
    await Promise.all(going.map((client, i) => i % 2 === 0 ? client.close() : client.rst()));
    const until = performance.now() + OUTAGE_MS;
    let tries = 0;
    while (performance.now() < until) {
      await using client = await s.connect();
      client.send({ msgid: 1, id: late.id, token: late.token, proto: 2 });
      const ack = await client.next((m) => m.msgid === 2, 30_000);
      assertEquals(ack.errno, 19);
      assert((ack.retry as number) > 0);
      tries++;
      // A client would honour retry, and wait ten times as long.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert(tries > 0);
    for (const client of staying) assertEquals((await client.request({ msgid: 13 })).msgid, 14);

    outage.end();
    const took = await eventually(async () => await countOnline(db) === STAYING, "only those who stayed are online", 5000);
    assert(took < 5000);
    for (const { id } of users.slice(0, STAYING)) assertEquals(await stateOf(db, id), "online");
    for (const { id } of users.slice(STAYING)) assertEquals(await stateOf(db, id), "offline");
    // A lease that ran out meanwhile is renewed first.
    await using back = await s.connect();
    await eventually(async () => (await back.login({ id: late.id, token: late.token, proto: 2 })).errno === 0, "a login", 5000);
    await Promise.all(staying.map((client) => client.close()));
  },
);
