/**
 * Three nodes against one, on MariaDB and Redis: what a message and a login cost in CPU, in statements and in publications, and the price of its crossing
 * from node to node.
 *
 *     deno run -A bench/nodes.ts
 *
 * The servers share one core, so this shows overhead, not gain. With three nodes every message crosses from one to another. MariaDB is the one at
 * `NATTER_TEST_MYSQL` (mysql://root@127.0.0.1:3306), Redis the one at `NATTER_TEST_REDIS` (redis://127.0.0.1:6379): what others do there meanwhile is
 * counted too, so have them to yourself. Prints one JSON object per measurement; each figure is the median of three rounds.
 */
import { createClient } from "@redis/client";
import { testDatabase } from "../tests/support/databases.ts";
import { redisUrl } from "../tests/support/redis.ts";
import { Load, type LoadOptions } from "./load_generator.ts";
import { median } from "./measure.ts";
import { allOffline, makeUsers, natterCommand, natterReady } from "./support.ts";
import { type ServerProcess, spawnServer } from "./tools.ts";

const PAIRS = 30, ROUNDS = 3, WARM_MS = 500, LENGTH_MS = 2000;

const redis = createClient({ url: redisUrl });
await redis.connect();
await using oneDatabase = await testDatabase("mysql");
await using threeDatabase = await testDatabase("mysql");

/** Nodes on a database of their own, and its users. */
async function cluster(database: typeof oneDatabase, count: number) {
  const store = await database.open({});
  const nodes: ServerProcess[] = [];
  for (let i = 1; i <= count; i++) {
    const flags = ["--node", `n${i}`, "--redis", redisUrl];
    nodes.push(await spawnServer(natterCommand(database.url, { flags }), natterReady));
  }
  return {
    nodes: count,
    store,
    url: database.url,
    users: await makeUsers({ store, url: database.url }, 2 * PAIRS),
    ports: nodes.map((node) => node.port),
    async cpu() {
      return (await Promise.all(nodes.map((node) => node.cpu()))).reduce((sum, cpu) => sum + cpu, 0);
    },
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node[Symbol.asyncDispose]();
    },
  };
}

/** What MariaDB and Redis have done so far: statements, commits, publications. */
async function operations(): Promise<number[]> {
  const rows = await oneDatabase.query("show global status where variable_name in ('Questions', 'Com_commit')");
  const of = (name: string) => Number(rows.find((row) => row.Variable_name === name)?.Value);
  const published = /cmdstat_publish:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1];
  return [of("Questions"), of("Com_commit"), Number(published ?? 0)];
}

type Cluster = Awaited<ReturnType<typeof cluster>>;

/** What `work` cost, for each of what it returns: how many there were, and in how many seconds. */
async function cost(of: Cluster, work: () => Promise<{ count: number; seconds: number }>) {
  const before = await operations(), cpu = await of.cpu();
  const { count, seconds } = await work();
  const spent = await of.cpu() - cpu;
  const [statements, commits, published] = (await operations()).map((n, i) => (n - before[i]!) / count);
  return { per_second: count / seconds, cpu_us: spent / count * 1e6, statements: statements!, commits: commits!, published: published! };
}

type Cost = Awaited<ReturnType<typeof cost>>;

/** Runs all rounds, the clusters in turn, and prints the medians and the ratio. */
async function compare(name: string, round: (of: Cluster) => Promise<Cost>): Promise<void> {
  const costs = clusters.map((): Cost[] => []);
  for (let i = 0; i < ROUNDS; i++) for (const [at, of] of clusters.entries()) costs[at]!.push(await round(of));
  const [one, three] = costs.map((rounds) => {
    const figure = (pick: (cost: Cost) => number) => Number(median(rounds.map(pick)).toPrecision(3));
    return {
      per_second: figure((c) => c.per_second),
      cpu_us: figure((c) => c.cpu_us),
      statements: figure((c) => c.statements),
      commits: figure((c) => c.commits),
      published: figure((c) => c.published),
    };
  });
  console.log(JSON.stringify({ name, one, three, cpu_ratio: Number((three!.cpu_us / one!.cpu_us).toFixed(2)) }));
}

/** Messages of the first pairs. */
async function messages(of: Cluster, pairs: number, options: LoadOptions): Promise<Cost> {
  await using load = await Load.start(of.ports, of.users.slice(0, 2 * pairs), options);
  await load.login();
  return await cost(of, async () => {
    const begun = performance.now();
    const { total } = await load.run(WARM_MS, LENGTH_MS);
    return { count: total, seconds: (performance.now() - begun) / 1000 };
  });
}

await using one = await cluster(oneDatabase, 1);
await using three = await cluster(threeDatabase, 3);
const clusters = [one, three];
await compare("SIGNAL, 30 pairs, one in flight", (of) => messages(of, PAIRS, { msgid: 21 }));
await compare("SIGNAL, 30 pairs, 20 in flight", (of) => messages(of, PAIRS, { msgid: 21, window: 20 }));
await compare("CHAT, one pair, one in flight", (of) => messages(of, 1, { msgid: 6 }));
await compare("CHAT, 30 pairs, one in flight", (of) => messages(of, PAIRS, { msgid: 6 }));
await compare("CHAT, 30 pairs, 20 in flight", (of) => messages(of, PAIRS, { msgid: 6, window: 20 }));
await compare("login and logout, 64 at a time", async (of) => {
  const users = await makeUsers(of, 1000);
  await using load = await Load.start(of.ports, users);
  return await cost(of, async () => {
    const begun = performance.now();
    await load.login();
    const seconds = (performance.now() - begun) / 1000;
    await load.drop();
    await allOffline(of.store, users);
    return { count: users.length, seconds };
  });
});
redis.destroy();
