// A node as `deno task start` runs it, with the permissions it has there, joins the bus; and says so when it cannot.

import { assertEquals } from "@std/assert";
import { joinRedis } from "../src/cluster/redis.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { hasMysql, testDatabase } from "./support/databases.ts";
import { Program } from "./support/program.ts";
import { redisUrl, useRedis } from "./support/redis.ts";
import { eventually } from "./support/server.ts";

Deno.test({
  name: "start: with Redis, under its own permissions, a node is ready",
  ignore: !useRedis || !hasMysql && Deno.env.get("NATTER_TEST_REQUIRE") !== "all",
  fn: async () => {
    await using db = await testDatabase("mysql");
    const where = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--database", db.url, "--log", "json"];
    await using node = new Program([...where, "--node", "a", "--redis", redisUrl]);
    const { http } = await node.ready();
    const ready = async () => {
      const response = await fetch(`http://127.0.0.1:${http}/readyz`);
      await response.body?.cancel();
      return response.status === 200;
    };
    await eventually(ready, "ready");
    node.kill("SIGTERM");
    assertEquals((await node.ended()).stderr, "");
  },
});

Deno.test({
  name: "start: without its Redis a node says so",
  // Redis' client lets the timer for its next try run out when it is closed.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using log = await CapturedLog.start();
    // Nobody listens at port 1.
    const bus = joinRedis("redis://127.0.0.1:1", "natter:test:", "a", { received: () => {}, returned: () => {} });
    await log.until("the bus is away; messages come by way of the log", 1);
    await bus.close();
  },
});
