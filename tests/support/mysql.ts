// What tests of the MySQL store need beside a database: a connection of their own, a proxy before the server, and a look at who waits for a lock.

import { createConnection } from "mysql2/promise";
import { openMysql } from "../../src/store/mysql.ts";
import type { Store, StoreLimits } from "../../src/store/store.ts";
import { dropSpareAtEnd, emptyDatabase, hasMysql, type TestDatabase, testDatabase, waitingTests } from "./databases.ts";
import { type Proxy, startProxy } from "./proxy.ts";

/** A connection past the store. */
export interface Admin extends AsyncDisposable {
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Resolves when this query gives so many rows. */
  until(sql: string, count: number): Promise<void>;
  /** Ends the connections to this database but its own, until there are none: how many it ended. */
  killAll(): Promise<number>;
  /** Resolves when so many statements on this database wait for a lock. */
  lockWaits(count: number): Promise<void>;
  /** What the database says of its latest deadlock since this connection was made, if it was on this database; undefined: it was not, or there was none. */
  deadlock(): Promise<string | undefined>;
}

export interface MysqlTest extends AsyncDisposable {
  database: TestDatabase;
  proxy: Proxy;
  /** A store on this database. */
  open(limits?: Partial<StoreLimits>): Promise<Store>;
  /** A store whose connections go through the proxy. */
  openProxied(limits?: Partial<StoreLimits>): Promise<Store>;
  admin(): Promise<Admin>;
}

const LIMITS: StoreLimits = { maxGroup: 2000, maxInbox: 100_000, maxDevices: 20, maxContacts: 2000 };

/** The next statements through the proxy that read so, or their answer, wait until `go` is called. `there` resolves when they have come. */
export function hold(proxy: Proxy, sql: RegExp, what: "question" | "answer" = "question"): { there: Promise<void>; go(): void } {
  const there = Promise.withResolvers<void>(), held = Promise.withResolvers<void>();
  const decoder = new TextDecoder("latin1");
  let asked: number | undefined, done = false;
  proxy.inspect = ({ connection, direction, data }) => {
    if (done) return "pass";
    if (direction === "up" && asked === undefined && sql.test(decoder.decode(data))) asked = connection;
    if (connection !== asked || direction !== (what === "question" ? "up" : "down")) return "pass";
    there.resolve();
    return held.promise.then(() => "pass" as const);
  };
  return {
    there: there.promise,
    go() {
      done = true;
      held.resolve();
    },
  };
}

/** Counts the round trips through the proxy. */
export function countCommands(proxy: Proxy): { commands: number } {
  const count = { commands: 0 };
  const missing = new Map<number, number>();
  // A command is a packet of its own: three bytes of length, a number, the command. Long ones come in several chunks.
  proxy.inspect = ({ connection, direction, data }) => {
    if (direction === "up" && data.length > 0) {
      let rest = missing.get(connection) ?? 0;
      if (rest === 0) {
        count.commands++;
        rest = 4 + data[0] + data[1] * 256 + data[2] * 65536;
      }
      missing.set(connection, Math.max(0, rest - data.length));
    }
    return "pass";
  };
  return count;
}

const usable = hasMysql || Deno.env.get("NATTER_TEST_REQUIRE") === "all";

/** Registers a test on an empty MySQL database, whose tables may be there. */
export function mysqlTest(name: string, fn: (t: MysqlTest) => Promise<void>): void {
  dropSpareAtEnd();
  register(name, fn, () => emptyDatabase("mysql"));
}

/** Registers a test on a new MySQL database, without tables. */
export function newMysqlTest(name: string, fn: (t: MysqlTest) => Promise<void>): void {
  register(name, fn, () => testDatabase("mysql"));
}

/** Registers one test whose steps, each on an empty database of its own, run at the same time: for what waits more than it works. */
export function waitingMysqlTests(name: string, steps: Record<string, (t: MysqlTest) => Promise<void>>): void {
  dropSpareAtEnd();
  const each = Object.entries(steps).map(([name, fn]) => [name, usable ? () => run(fn, () => emptyDatabase("mysql")) : undefined]);
  waitingTests(name, Object.fromEntries(each));
}

function register(name: string, fn: (t: MysqlTest) => Promise<void>, make: () => Promise<TestDatabase>): void {
  Deno.test({ name, ignore: !usable, fn: () => run(fn, make) });
}

async function run(fn: (t: MysqlTest) => Promise<void>, make: () => Promise<TestDatabase>): Promise<void> {
  await using database = await make();
  await using t = await mysqlTestOn(database);
  await fn(t);
}

async function mysqlTestOn(database: TestDatabase): Promise<MysqlTest> {
  const url = new URL(database.url);
  const proxy = await startProxy({ hostname: url.hostname, port: Number(url.port || 3306) });
  const proxied = new URL(url);
  proxied.hostname = "127.0.0.1";
  proxied.port = String(proxy.port);
  const stores: Store[] = [];
  const admins: Admin[] = [];
  return {
    database,
    proxy,
    open: (limits) => database.open(limits),
    async openProxied(limits) {
      const store = await openMysql(proxied.href, { ...LIMITS, ...limits });
      stores.push(store);
      return store;
    },
    async admin() {
      const admin = await connectAdmin(url);
      admins.push(admin);
      return admin;
    },
    async [Symbol.asyncDispose]() {
      for (const admin of admins) await admin[Symbol.asyncDispose]();
      await Promise.allSettled(stores.map((store) => store.close()));
      await proxy[Symbol.asyncDispose]();
    },
  };
}

async function poll(reached: () => Promise<boolean>, what: string): Promise<void> {
  const giveUp = Date.now() + 20_000;
  while (!await reached()) {
    if (Date.now() > giveUp) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function connectAdmin(url: URL): Promise<Admin> {
  const connection = await createConnection({
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || 3306),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
    charset: "utf8mb4_bin",
  });
  async function query(sql: string): Promise<Record<string, unknown>[]> {
    const [rows] = await connection.query(sql);
    return Array.isArray(rows) ? rows as Record<string, unknown>[] : [];
  }
  const others = "SELECT id AS id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
  async function until(sql: string, count: number): Promise<void> {
    await poll(async () => (await query(sql)).length === count, `${count} rows of ${sql}`);
  }
  async function lastDeadlock(): Promise<string | undefined> {
    const [{ Status }] = await query("SHOW ENGINE INNODB STATUS");
    return /LATEST DETECTED DEADLOCK[^]*?\n------------\nTRANSACTIONS/.exec(String(Status))?.[0];
  }
  // An earlier test may have had this database.
  const before = await lastDeadlock();
  return {
    query,
    until,
    async killAll() {
      const ended = new Set<unknown>();
      // Again and again: a pool may still be opening some.
      await poll(async () => {
        const rows = await query(others);
        for (const { id } of rows) await query(`KILL CONNECTION ${id}`).then(() => ended.add(id), () => {});
        return rows.length === 0;
      }, "no connection is left");
      return ended.size;
    },
    async lockWaits(count) {
      await poll(async () => {
        const own = new Set((await query(others)).map(({ id }) => Number(id)));
        // Not information_schema.innodb_trx: whoever looks there within 100 ms of somebody else is shown the same picture again.
        const [{ Status }] = await query("SHOW ENGINE INNODB STATUS");
        const waiting = String(Status).split("---TRANSACTION").filter((transaction) => transaction.includes("LOCK WAIT"));
        return waiting.filter((transaction) => own.has(Number(/thread id (\d+)/.exec(transaction)?.[1]))).length === count;
      }, `${count} lock waits`);
    },
    async deadlock() {
      const found = await lastDeadlock();
      return found !== before && found?.includes(url.pathname.slice(1)) ? found : undefined;
    },
    async [Symbol.asyncDispose]() {
      await connection.end();
    },
  };
}
