// A node as `deno task start` runs it, with the permissions it has there, joins the bus; and says so when it cannot.

import { assertEquals, assertMatch } from "@std/assert";
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
    await using joined = new Program([...where, "--node", "a", "--redis", redisUrl]);
    const { http } = await joined.ready();
    const ready = async () => {
      const response = await fetch(`http://127.0.0.1:${http}/readyz`);
      await response.body?.cancel();
      return response.status === 200;
    };
    await eventually(ready, "ready");
    joined.kill("SIGTERM");
    assertEquals((await joined.ended()).stderr, "");

    // Nobody listens at port 1.
    await using alone = new Program([...where, "--node", "b", "--redis", "redis://127.0.0.1:1"]);
    await alone.ready();
    alone.kill("SIGTERM");
    assertMatch((await alone.ended()).stderr, /"warning","message":"the bus is away/);
  },
});
