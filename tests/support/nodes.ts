// Nodes of one cluster: a real MariaDB, a real Redis.

import type { Overrides } from "../../src/server.ts";
import { dropSpareAtEnd, emptyDatabase, hasMysql, register, type TestDatabase, waitingTests } from "./databases.ts";
import { type Proxy, startProxy } from "./proxy.ts";
import { listened, redisUrl, useRedis } from "./redis.ts";
import { NEWS_MS, type ServerProcess, spawnServer, startServer, type TestServer } from "./server.ts";

const REQUIRED = Deno.env.get("NATTER_TEST_REQUIRE") === "all";

const usable = hasMysql && useRedis || REQUIRED;

/** Registers a test on an empty MySQL database, with Redis beside it. */
export function clusterTest(name: string, fn: (db: TestDatabase) => Promise<void>): void {
  dropSpareAtEnd();
  register(name, usable ? () => run(fn) : undefined);
}

/** The step of `waitingTests` that this is. */
export function clusterStep(fn: (db: TestDatabase) => Promise<void>): (() => Promise<void>) | undefined {
  dropSpareAtEnd();
  return usable ? () => run(fn) : undefined;
}

/** Registers one test whose steps, each on a database of its own, run at the same time: for what waits more than it works. */
export function waitingClusterTests(name: string, tests: Record<string, (db: TestDatabase) => Promise<void>>): void {
  dropSpareAtEnd();
  waitingTests(name, Object.fromEntries(Object.entries(tests).map(([name, fn]) => [name, usable ? () => run(fn) : undefined])));
}

async function run(fn: (db: TestDatabase) => Promise<void>): Promise<void> {
  await using db = await emptyDatabase("mysql");
  await fn(db);
}

async function heard(db: TestDatabase, node: string): Promise<void> {
  await listened([`natter:${new URL(db.url).pathname.slice(1)}:${node}`]);
}

/** Starts a node in this process. Resolves when it hears the others. */
export async function startNode(
  db: TestDatabase,
  node: string,
  overrides: Overrides = {},
  settings: Record<string, string | number> = {},
): Promise<TestServer> {
  const times = { news: NEWS_MS, ...overrides.times };
  const server = await startServer(db, { node, redis: redisUrl, ...settings }, { ...overrides, times });
  await heard(db, node);
  return server;
}

/** Starts a node as a process of its own. Resolves when it hears the others. */
export async function spawnNode(db: TestDatabase, node: string, settings: Record<string, string | number> = {}): Promise<ServerProcess> {
  const server = await spawnServer(db, { node, redis: redisUrl, ...settings });
  await heard(db, node);
  return server;
}

/** A proxy before the server of this URL, and the URL by way of it. */
export async function proxied(text: string): Promise<{ proxy: Proxy; url: string }> {
  const url = new URL(text);
  const port = Number(url.port || (url.protocol === "mysql:" ? 3306 : 6379));
  const proxy = await startProxy({ hostname: url.hostname, port });
  url.hostname = "127.0.0.1";
  url.port = String(proxy.port);
  return { proxy, url: url.href };
}
