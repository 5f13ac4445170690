/**
 * A rolling restart of three nodes under load: each is stopped (SIGTERM) and started again, one after the other, while everyone talks.
 *
 *     deno run -A bench/rolling.ts [CLIENTS]
 *
 * 300 clients by default, spread over the nodes as a balancer would do it (the next node that accepts), each sending two messages a second to another.
 * MariaDB is the one at `NATTER_TEST_MYSQL`, Redis the one at `NATTER_TEST_REDIS`. Prints one JSON object, and ends with exit code 1 if an acknowledged message
 * is lost or comes twice, or if a client was away for more than 5 s.
 */
import { NatterClient } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import type { Connect } from "../src/client/transport.ts";
import { testDatabase } from "../tests/support/databases.ts";
import { redisUrl } from "../tests/support/redis.ts";
import { median } from "./measure.ts";
import { makeUsers, natterCommand, natterReady } from "./support.ts";
import { type ServerProcess, spawnServer } from "./tools.ts";

const CLIENTS = Number(Deno.args[0] ?? 300), NODES = 3, EVERY_MS = 500, CALM_MS = 3000, AWAY_MS = 5000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

await using database = await testDatabase("mysql");
const store = await database.open();
const users = await makeUsers({ store, url: database.url }, CLIENTS);

/** Starts a node; at first on any port, later on its own again. */
async function startNode(i: number, port: number): Promise<ServerProcess> {
  const flags = ["--node", `n${i}`, "--redis", redisUrl, "--listen", `127.0.0.1:${port}`];
  return await spawnServer(natterCommand(database.url, { flags }), natterReady);
}

const nodes: ServerProcess[] = [];
for (let i = 0; i < NODES; i++) nodes.push(await startNode(i, 0));
const ports = nodes.map((node) => node.port);

let next = 0;
/** What a balancer does: one node after the other in turn, and the next one if that does not accept. */
const balanced: Connect = async (events, signal) => {
  for (let tries = 1;; tries++) {
    try {
      return await tcp({ port: ports[next++ % NODES]! })(events, signal);
    } catch (error) {
      if (tries === NODES || signal.aborted) throw error;
    }
  }
};

/** By the text of each message: how often it was acknowledged, and how often it came. */
const stored = new Map<string, number>(), came = new Map<string, number>();
const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
const aways: number[] = [], answers: number[] = [];
let talking = true;

async function client(i: number): Promise<NatterClient> {
  const client = new NatterClient({ connect: balanced });
  client.on("message", (message) => void count(came, message.msg));
  let since: number | undefined;
  client.on("state", ({ state }) => {
    if (state === "online") {
      if (since !== undefined) aways.push(performance.now() - since);
      since = undefined;
    } else since ??= performance.now();
    if (state === "closed" && talking) throw new Error(`client ${i} was closed for good`);
  });
  await client.login(users[i]!);
  // Logging in for the first time is no coming back.
  aways.length = 0;
  return client;
}

async function talk(client: NatterClient, i: number): Promise<void> {
  const to = { id: users[(i + 1) % CLIENTS]!.id };
  await sleep(Math.random() * EVERY_MS);
  for (let n = 0; talking; n++) {
    const text = `${i}/${n}`, begun = performance.now();
    await client.chat(to, text);
    answers.push(performance.now() - begun);
    count(stored, text);
    await sleep(Math.max(0, EVERY_MS - (performance.now() - begun)));
  }
}

const clients: NatterClient[] = [];
for (let i = 0; i < CLIENTS; i += 50) clients.push(...await Promise.all(users.slice(i, i + 50).map((_, j) => client(i + j))));
const talks = clients.map(talk);
await sleep(CALM_MS);
const restarts: number[] = [];
for (let i = 0; i < NODES; i++) {
  const begun = performance.now();
  await nodes[i]![Symbol.asyncDispose]();
  nodes[i] = await startNode(i, ports[i]!);
  restarts.push(Math.round(performance.now() - begun));
  await sleep(CALM_MS);
}
talking = false;
await Promise.all(talks);
for (let tries = 0; tries < 200 && came.size < stored.size; tries++) await sleep(100);

const lost = [...stored.keys()].filter((text) => !came.has(text)).length;
const twice = [...came.values()].filter((times) => times > 1).length;
const longest = Math.round(Math.max(...aways));
console.log(JSON.stringify({
  clients: CLIENTS,
  acknowledged: stored.size,
  lost,
  twice,
  came_back: aways.length,
  away_median_ms: Math.round(median(aways)),
  away_longest_ms: longest,
  answer_median_ms: Math.round(median(answers)),
  answer_longest_ms: Math.round(Math.max(...answers)),
  restart_ms: restarts,
}));
for (const client of clients) await client.close();
for (const node of nodes) await node[Symbol.asyncDispose]();
await store.close();
Deno.exitCode = lost === 0 && twice === 0 && longest <= AWAY_MS ? 0 : 1;
