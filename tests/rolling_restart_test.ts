// A rolling restart of three nodes under load: each is stopped in order and started again. Nothing acknowledged is lost or comes twice, and everyone is back within 5 s.
// bench/rolling.ts is the same with more clients, and prints figures.

import { assert, assertEquals } from "@std/assert";
import { NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import type { Connect } from "../src/client/transport.ts";
import { clusterTest, spawnNode } from "./support/nodes.ts";
import { eventually, makeUsers } from "./support/server.ts";

const NODES = 3, CLIENTS = 30, AWAY_MS = 5000;
/** Between two messages of a client (ms). */
const EVERY_MS = 50;

clusterTest("a rolling restart under load: everyone is back within 5 s, and every acknowledged message comes once", async (db) => {
  await (await db.open()).close();
  const start = (i: number, port = 0) => spawnNode(db, `n${i}`, { listen: `127.0.0.1:${port}`, limits: "off", "log-level": "error" });
  const nodes = await Promise.all([...Array(NODES).keys()].map((i) => start(i)));
  await using stopping = new AsyncDisposableStack();
  stopping.defer(async () => void await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]())));
  const ports = nodes.map((node) => node.port);
  const users = await makeUsers(db, CLIENTS);

  let turn = 0;
  // As a balancer does it: one node after the other in turn, and the next one if that does not accept.
  const balanced: Connect = async (events, signal) => {
    for (let tries = 1;; tries++) {
      try {
        return await tcp({ port: ports[turn++ % NODES] })(events, signal);
      } catch (error) {
        if (tries === NODES || signal.aborted) throw error;
      }
    }
  };
  const came = new Map<string, number>();
  const acknowledged = new Set<string>();
  let online = 0, longest = 0, comebacks = 0;
  const clients = await Promise.all(users.map(async (user) => {
    const client = new NatterClient({ connect: balanced });
    client.on("message", ({ msg }) => void came.set(msg, (came.get(msg) ?? 0) + 1));
    await client.login({ id: user.id, token: user.token });
    online++;
    let since: number | undefined;
    client.on("state", ({ state }) => {
      if (state === "online" && since !== undefined) {
        longest = Math.max(longest, performance.now() - since);
        since = undefined;
        online++;
        comebacks++;
      } else if (state !== "online" && since === undefined) {
        since = performance.now();
        online--;
      }
    });
    return client;
  }));

  let talking = true;
  const talks = clients.map(async (client, i) => {
    const to = { id: users[(i + 1) % CLIENTS]!.id };
    for (let n = 0; talking; n++) {
      const text = `${i}/${n}`;
      await client.chat(to, text);
      acknowledged.add(text);
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  });
  for (const i of [...Array(NODES).keys()]) {
    const before = acknowledged.size;
    assertEquals(await nodes[i]!.stop("SIGTERM"), 0);
    nodes[i] = await start(i, ports[i]!);
    await eventually(() => online === CLIENTS && acknowledged.size > before + 2 * CLIENTS, "all are back and talk on", 60_000);
  }
  talking = false;
  await Promise.all(talks);
  await eventually(() => came.size >= acknowledged.size, "all messages");

  assertEquals([...acknowledged].filter((text) => came.get(text) !== 1), []);
  assert(comebacks >= CLIENTS / NODES, `${comebacks} came back`);
  assert(longest <= AWAY_MS, `one was away for ${longest} ms`);
  await Promise.all(clients.map((client) => client.close()));
});
