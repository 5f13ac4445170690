// Whether the server can be used: `/readyz`, and how often the database is asked for it.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Shared } from "../src/http/shared.ts";
import { StoreWatch } from "./support/around_store.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { upTo } from "./support/chat.ts";
import { testDatabase } from "./support/databases.ts";
import { get, HttpClient, portOf } from "./support/http_client.ts";
import { eventually, startServer } from "./support/server.ts";

const settings = { http: "127.0.0.1:0" };

Deno.test("http: the database is asked once for all who ask whether it is there, and what is counted is counted once", async () => {
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using server = await startServer(db, settings, { store: watch.wrap });
  const clients = await Promise.all(upTo(20).map(() => HttpClient.connect(portOf(server))));
  watch.forget();
  const begun = performance.now();
  for (let round = 0; round < 50; round++) {
    for (const client of clients) client.write(get("/readyz") + get("/metrics"));
    for (const client of clients) {
      assertEquals(String(await client.answer()), "ready\n");
      assertMatch(String(await client.answer()), /^natter_ready 1$/m);
    }
  }
  // Each look is told for half a second.
  const most = 2 + (performance.now() - begun) / 500;
  const asked = watch.made.filter((name) => name === "ping").length;
  assert(asked > 0 && asked <= most, `${asked} times, for 2,000 requests`);
  for (const client of clients) client.socket.destroy();
});

Deno.test("http: a look is shared while it takes and a while after, and one that failed is told to those who asked", async () => {
  let looks = 0;
  let answer = Promise.withResolvers<number>();
  const shared = new Shared(() => (looks++, answer.promise), 50);
  const asked = [shared.get(), shared.get()];
  answer.resolve(1);
  assertEquals(await Promise.all([...asked, shared.get()]), [1, 1, 1]);
  assertEquals(looks, 1);
  await new Promise((resolve) => setTimeout(resolve, 60));
  answer = Promise.withResolvers();
  const failing = shared.get().catch((error) => error.message);
  answer.reject(new Error("failed"));
  assertEquals([await failing, looks], ["failed", 2]);
});

Deno.test("http: readyz says what is lacking, in time, and the log says why, once", async () => {
  await using log = await CapturedLog.start();
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using server = await startServer(db, settings, { store: watch.wrap });
  await using client = await HttpClient.connect(portOf(server));
  const ready = async () => {
    client.write(get("/readyz"));
    const answer = await client.answer();
    return `${answer.status} ${answer}`;
  };
  assertEquals(await ready(), "200 ready\n");
  watch.around = (call) => call.name === "ping" ? Promise.reject(new Error("database or disk is full")) : call.run();
  await eventually(async () => await ready() === "503 the database cannot be used\n", "it is noticed");
  await ready();
  assertEquals(log.records.filter((r) => r.message.join("") === "the database cannot be used").map((r) => String(r.properties.error)), [
    "Error: database or disk is full",
  ]);
  watch.around = (call) => call.run();
  await eventually(async () => await ready() === "200 ready\n", "it is back");
  assertEquals(log.count("the database can be used again"), 1);
});
