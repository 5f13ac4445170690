// `/metrics`: Prometheus' text format, and what natter counts.

import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { Counters } from "../src/ops/counters.ts";
import { Metrics } from "../src/http/metrics_text.ts";
import { testDatabase } from "./support/databases.ts";
import { eventually, makeUsers, startServer } from "./support/server.ts";

/** A sample line, as the format's description has it. */
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)+\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN)$/;

/** The samples by name and labels. Throws if anything is not in the format, or stands under another metric's TYPE. */
function parse(body: string): Map<string, number> {
  const found = new Map<string, number>();
  let metric = "";
  assertMatch(body, /\n$/);
  for (const line of body.trimEnd().split("\n")) {
    const [, declared] = /^# (?:HELP|TYPE) (\S+) \S/.exec(line) ?? [];
    if (declared !== undefined) {
      metric = declared;
      continue;
    }
    const [, name, labels = "", value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) throw new Error(`not in the format: ${line}`);
    assertEquals(name.replace(/_(bucket|sum|count)$/, ""), metric.replace(/_(bucket|sum|count)$/, ""), line);
    found.set(name + labels, Number(value));
  }
  return found;
}

Deno.test("metrics: what a server counts, in Prometheus' format", async () => {
  await using db = await testDatabase("sqlite");
  await using s = await startServer(db, { http: "127.0.0.1:0" });
  const url = `http://127.0.0.1:${s.server.addresses.http?.port}/metrics`;
  const [user, other] = await makeUsers(db, 2);
  await using client = await s.client(user!);
  assertEquals((await client.request({ msgid: 6, toid: user!.id, msg: "a note" })).errno, 0);
  await client.next((m) => m.msgid === 6);
  await using gone = await s.client(other!);
  await gone.request({ msgid: 3 });
  assertEquals((await gone.login({ name: "nobody", password: "wrong" })).errno, 1);
  gone.close();
  await gone.closed;
  // The event loop is looked at from the first time on that somebody asks.
  await (await fetch(url)).body?.cancel();
  await eventually(async () => parse(await (await fetch(url)).text()).get('natter_connections{kind="tcp"}') === 1, "the other is gone");
  const until = performance.now() + 200;
  while (performance.now() < until);

  // What was counted a moment ago is told to all who ask within a quarter of a second.
  let metrics = new Map<string, number>();
  await eventually(async () => {
    const response = await fetch(url);
    assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    metrics = parse(await response.text());
    return metrics.get("natter_event_loop_delay_max_seconds")! > 0.15;
  }, "the delay is told");
  assertEquals(metrics.get('natter_connections{kind="tcp"}'), 1);
  assertEquals(metrics.get("natter_connections_max"), 10_000);
  assertEquals(metrics.get("natter_ready"), 1);
  assertEquals(metrics.get("natter_sessions"), 1);
  assertEquals(metrics.get("natter_offline_backlog"), 0);
  assertEquals(metrics.has("natter_search_behind"), true);
  assertEquals(metrics.get("natter_send_queue_bytes"), 0);
  assertEquals(metrics.get('natter_logins_total{result="1"}'), 1);
  assertEquals(metrics.get('natter_departures_total{cause="logout"}'), 1);
  assertEquals(metrics.get('natter_messages_stored_total{kind="chat"}'), 1);
  assertEquals(metrics.get("natter_commit_seconds_count"), 1);
  assertGreater(metrics.get("natter_event_loop_delay_seconds_count") ?? 0, 0);
  assertEquals(metrics.get('natter_logins_total{result="ok"}'), 2);
  assertEquals(metrics.get("natter_messages_delivered_total"), 1);
  assertEquals(metrics.get("natter_commit_messages_count"), 1);
  assertEquals(metrics.get('natter_commit_messages_bucket{le="1"}'), 1);
  assertEquals(metrics.get('natter_commit_messages_bucket{le="+Inf"}'), 1);
  assertGreater(metrics.get("process_resident_memory_bytes") ?? 0, 1024 * 1024);
});

Deno.test("metrics: labels are escaped", () => {
  const counters = new Counters();
  counters.logins.add('a"b\\c\nd');
  const metrics = new Metrics({
    counters,
    connections: () => [],
    maxConnections: 5,
    sessions: () => 0,
    delivered: () => 0,
    offlineBacklog: () => 0,
    certificateEnds: () => undefined,
    searchBehind: () => 0,
    pushWaiting: () => 0,
  });
  assertEquals(parse(metrics.text(true).body).get('natter_logins_total{result="a\\"b\\\\c\\nd"}'), 1);
  metrics.close();
});
