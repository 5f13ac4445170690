// Whoever is gone, in whatever way, is offline within a second, and in again at once.

import { assert, assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { databaseTest } from "./support/databases.ts";
import type { RawClient } from "./support/raw_client.ts";
import { countOnline, eventually, makeUsers, startServer, stateOf, type TestServer, type TestUser } from "./support/server.ts";

const FIN_RST_ROUNDS = 280, KILL_ROUNDS = 20;
/** Within this an ended connection is offline (ms, awake.ts). What is forgotten is found much later. */
const SOON = 1000;

/** Two users log in, go in the same way; one is looked for in the database, the other comes back at once. */
async function round(s: TestServer, gone: TestUser, back: TestUser, die: () => Promise<unknown>): Promise<void> {
  await die();
  const again = await s.connect();
  const ack = await again.login({ id: back.id, token: back.token, proto: 2 });
  assertEquals(ack.errno, 0, "an immediate login was refused");
  await eventually(async () => await stateOf(s.db, gone.id) === "offline", "offline", SOON);
  assertEquals(await stateOf(s.db, back.id), "online");
  await again.close();
}

databaseTest(`departure: ${FIN_RST_ROUNDS} times by FIN or RST: offline within 1 s, and back at once`, async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [gone, back] = await makeUsers(db, 2) as [TestUser, TestUser];
  for (let i = 0; i < FIN_RST_ROUNDS; i++) {
    const clients: RawClient[] = [await s.client(gone), await s.client(back, i % 3 === 0 ? {} : { proto: 2 })];
    await round(s, gone, back, () => Promise.all(clients.map((c) => i % 2 === 0 ? c.close() : c.rst())));
  }
  await eventually(async () => await countOnline(db) === 0, "nobody online", SOON);
});

databaseTest(`departure: ${KILL_ROUNDS} times by SIGKILL of the client's process: offline within 1 s, and back at once`, async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [gone, back] = await makeUsers(db, 2) as [TestUser, TestUser];
  const script = new URL("./support/holder_client.ts", import.meta.url).pathname;
  const logins = [gone, back].map(({ id, token }) => JSON.stringify({ msgid: 1, id, token, proto: 2 }));
  for (let i = 0; i < KILL_ROUNDS; i++) {
    const args = ["run", "-A", "--quiet", "--no-check", script, String(s.port), ...logins];
    const process = new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped", stderr: "null" }).spawn();
    const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let acks = "";
    while (acks.split("\n").length < 3) {
      const { value, done } = await reader.read();
      assert(!done, "the client's process ended");
      acks += value;
    }
    assertEquals(acks.match(/"errno":0/g)?.length, 2);
    await round(s, gone, back, () => {
      process.kill("SIGKILL");
      return process.status;
    });
    await reader.cancel();
  }
});

databaseTest("departure: a connection that never logged in costs the database nothing when it goes", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
  for (const way of ["fin", "rst"] as const) {
    const c = await s.connect();
    assertEquals((await c.request({ msgid: 13 })).msgid, 14);
    assertEquals((await c.request({ msgid: 6, toid: 1, msg: "x" })).errno, 12);
    watch.forget();
    await (way === "fin" ? c.close() : c.rst());
    // The next connection is served after that one's end was.
    await using next = await s.connect();
    await next.request({ msgid: 13 });
    await watch.quiet();
    assertEquals(watch.asked, []);
  }
  // And one with a user does ask: the watch would have seen it.
  const [user] = await makeUsers(db, 1) as [TestUser];
  const c = await s.client(user);
  watch.forget();
  await c.close();
  await eventually(() => watch.made.includes("release"), "the release of a user");
});
