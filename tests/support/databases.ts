// Real databases for the tests: a fresh SQLite file, or a fresh MariaDB/MySQL database on NATTER_TEST_MYSQL (mysql://root@127.0.0.1:3306).

import type { Connection } from "mysql2/promise";
import type { Store, StoreLimits, UserId } from "../../src/store/store.ts";

export type DatabaseKind = "sqlite" | "mysql";

/** A database of its own, gone when it is disposed of; so are the stores that {@linkcode TestDatabase.open} gave and that are still open then. */
export interface TestDatabase {
  readonly kind: DatabaseKind;
  /** How many nodes a server on it is: `startServer` starts so many, and its clients connect to one after the other in turn. */
  readonly nodes: number;
  /** For `--database`. */
  readonly url: string;
  /** Another store on this database, as another process would open it. It has not joined. */
  open(limits?: Partial<StoreLimits>): Promise<Store>;
  /** Looks into the database itself, past the store. The SQL must be understood by both kinds. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

const LIMITS: StoreLimits = { maxGroup: 2000, maxInbox: 100_000, maxDevices: 20, maxContacts: 2000 };
const server = new URL(Deno.env.get("NATTER_TEST_MYSQL") ?? "mysql://root@127.0.0.1:3306");
const required = Deno.env.get("NATTER_TEST_REQUIRE") === "all";

/** Whether a MySQL server answers. */
export const hasMysql: boolean = await answersAt(server, 3306);
if (!hasMysql && !required) console.error(`Tests on MySQL are left out: nothing answers at ${server.host}.`);

/** Whether somebody accepts connections at this URL, on its port or else this one. */
export async function answersAt(url: URL, port: number): Promise<boolean> {
  const connecting = Deno.connect({ hostname: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || port) });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => timer = setTimeout(() => resolve(undefined), 10_000));
  try {
    const conn = await Promise.race([connecting, late]);
    conn?.close();
    if (!conn) connecting.then((c) => c.close(), () => {});
    return conn !== undefined;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

interface Variant {
  name: string;
  kind: DatabaseKind;
  nodes: number;
  ignore: boolean;
}

const withoutMysql = !hasMysql && !required;
let variants: Variant[] = [
  { name: "sqlite", kind: "sqlite", nodes: 1, ignore: false },
  { name: "mysql", kind: "mysql", nodes: 1, ignore: withoutMysql },
];

/** Whether these are tests of other files, under other conditions. */
let again = false;

/** From now on each test of this process is registered once, for two nodes on MySQL; `ignore` leaves them out. */
export function onTwoNodes(ignore: boolean): void {
  again = true;
  variants = [{ name: "two nodes", kind: "mysql", nodes: 2, ignore: ignore || withoutMysql }];
}

/** From now on the tests of this process say this of themselves. */
export function calledAlso(what: string): void {
  again = true;
  variants = variants.map((variant) => ({ ...variant, name: `${variant.name}, ${what}` }));
}

/** Tests by their names; those that are undefined are left out. */
type Steps = Record<string, (() => Promise<void>) | undefined>;

/** What {@linkcode together} makes one test of, but for what must be alone. */
let gathered: { steps: Steps; alone: RegExp } | undefined;

/**
 * Registers one test for all that these files have, but for those that must be `alone`: so many of them run at the same time. A server on MySQL may hold ten
 * connections, of which there are 150.
 */
export async function together(files: string[], atOnce: number, alone = /^$/): Promise<void> {
  const { steps } = gathered = { steps: {}, alone };
  for (const file of files) await import(`../${file}_test.ts`);
  gathered = undefined;
  registerSteps(`${files.join(", ")} [${variants.map(({ name }) => name).join(" and ")}]`, steps, atOnce);
}

/** @returns whether it is taken for {@linkcode together} */
function gather(name: string, steps: Steps): boolean {
  if (!gathered || gathered.alone.test(name)) return false;
  for (const [name, fn] of Object.entries(steps)) {
    if (name in gathered.steps) throw new Error(`two tests are called ${name}`);
    gathered.steps[name] = fn;
  }
  return true;
}

/** Registers a test; undefined: it is left out. */
export function register(name: string, fn: Steps[string]): void {
  if (!gather(name, { [name]: fn })) Deno.test({ name, ignore: fn === undefined, fn: fn ?? (() => {}) });
}

/** Registers one test for each kind of database, which holds nothing. */
export function databaseTest(name: string, fn: (t: TestDatabase) => Promise<void>): void {
  dropSpareAtEnd();
  for (const { name: variant, kind, nodes, ignore } of variants) {
    const run = async () => {
      await using t = await emptyDatabase(kind, nodes);
      await fn(t);
    };
    register(`${name} [${variant}]`, ignore ? undefined : run);
  }
}

/** Registers a test of what is the same whatever {@linkcode onTwoNodes} and {@linkcode calledAlso} say: where tests run once more it is left out. */
export function onceTest(name: string, fn: () => Promise<void>): void {
  if (!again) Deno.test(name, fn);
}

/**
 * As {@linkcode databaseTest}, for what waits more than it works: one test, whose steps run at the same time. There is one for each kind of database and each
 * of `parts`, with a database of its own; `on` says of which kinds, if not of all.
 */
export function waitingDatabaseTest<P = undefined>(
  name: string,
  fn: (t: TestDatabase, part: P) => Promise<void>,
  parts: readonly P[] = [undefined as P],
  on: (kind: DatabaseKind, part: P) => boolean = () => true,
): void {
  waitingTests(`${name} [${variants.map((variant) => variant.name).join(" and ")}]`, stepsOf(fn, parts, on));
}

function stepsOf<P>(fn: (t: TestDatabase, part: P) => Promise<void>, parts: readonly P[], on: (kind: DatabaseKind, part: P) => boolean): Steps {
  dropSpareAtEnd();
  const steps = variants.flatMap(({ name, kind, nodes, ignore }) =>
    parts.filter((part) => on(kind, part)).map((part) => {
      const step = async () => {
        await using t = await emptyDatabase(kind, nodes);
        await fn(t, part);
      };
      return [part === undefined ? name : `${name}, ${part}`, ignore ? undefined : step];
    })
  );
  return Object.fromEntries(steps);
}

/** What {@linkcode waitingTests} takes: a step for each of these and each kind of database. */
export function databaseSteps(tests: Tests): Steps {
  return stepsOf((t, test) => tests[test]!(t), Object.keys(tests), () => true);
}

type Tests = Record<string, (t: TestDatabase) => Promise<void>>;

/** The same for several tests: there is one step for each of them and each kind of database, and for those of `onMysql` on MySQL alone. */
export function waitingDatabaseTests(name: string, tests: Tests, onMysql: Tests = {}): void {
  const all = { ...tests, ...onMysql };
  waitingDatabaseTest(name, (t, test) => all[test]!(t), Object.keys(all), (kind, test) => kind === "mysql" || !(test in onMysql));
}

/** Registers one test whose steps run at the same time: for what waits more than it works. */
export function waitingTests(name: string, steps: Steps): void {
  const named = Object.fromEntries(Object.entries(steps).map(([step, fn]) => [`${name}: ${step}`, fn]));
  if (!gather(name, named)) registerSteps(name, steps, Infinity);
}

/** Registers one test with these steps, of which so many run at the same time. */
function registerSteps(name: string, steps: Steps, atOnce: number): void {
  const all = Object.entries(steps);
  // What one leaves open shows when all are done.
  const alone = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };
  Deno.test({
    name,
    ignore: all.every(([_, fn]) => fn === undefined),
    fn: async (t) => {
      const left = all.values();
      const run = async () => {
        for (const [name, fn] of left) await t.step({ name, ignore: fn === undefined, fn: fn ?? (() => {}), ...alone });
      };
      await Promise.all(Array.from({ length: Math.min(atOnce, all.length) }, run));
    },
  });
}

/** Users of these names, whose keys are the same names and whose password is "secret" in the clear; their ids rise. */
export async function addUsers(store: Store, ...names: string[]): Promise<UserId[]> {
  const ids: UserId[] = [];
  for (const name of names) {
    const id = await store.createUser(name, name, "secret");
    if (id === undefined) throw new Error(`there is a user ${name} already`);
    ids.push(id);
  }
  return ids;
}

/** A new database of that kind, still without tables. */
export function testDatabase(kind: DatabaseKind, nodes = 1): Promise<TestDatabase> {
  return kind === "sqlite" ? sqliteDatabase() : mysqlDatabase(nodes);
}

async function newMysqlDatabase(): Promise<string> {
  const name = `natter_test_${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
  await runMysql(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  return name;
}

/** A database that holds nothing. On MySQL an earlier test may have had it, and its tables may be there. */
export function emptyDatabase(kind: DatabaseKind, nodes = 1): Promise<TestDatabase> {
  return kind === "sqlite" ? sqliteDatabase() : mysqlDatabase(nodes, spare);
}

async function sqliteDatabase(): Promise<TestDatabase> {
  const { DatabaseSync } = await import("node:sqlite");
  const { openSqlite } = await import("../../src/store/sqlite.ts");
  const folder = await Deno.makeTempDir({ prefix: "natter_test_" });
  const path = `${folder}/natter.db`;
  const stores: Store[] = [];
  return {
    kind: "sqlite",
    nodes: 1,
    url: `sqlite:${path}`,
    async open(limits) {
      const store = await openSqlite(path, { ...LIMITS, ...limits });
      stores.push(store);
      return store;
    },
    query(sql) {
      const db = new DatabaseSync(path);
      try {
        db.exec("PRAGMA busy_timeout = 5000");
        return Promise.resolve(db.prepare(sql).all().map((row) => ({ ...row })));
      } finally {
        db.close();
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(stores.map((s) => s.close()));
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function connect(database?: string): Promise<Connection> {
  const { createConnection } = await import("mysql2/promise");
  return await createConnection({
    host: server.hostname.replace(/^\[|\]$/g, ""),
    port: Number(server.port || 3306),
    user: decodeURIComponent(server.username),
    password: decodeURIComponent(server.password),
    charset: "utf8mb4",
    multipleStatements: true,
    database,
  });
}

async function runOn(connection: Connection, sql: string): Promise<Record<string, unknown>[]> {
  const [rows] = await connection.query(sql);
  return Array.isArray(rows) ? rows as Record<string, unknown>[] : [];
}

/** Runs it by a connection of its own. */
async function runMysql(sql: string): Promise<void> {
  const connection = await connect();
  try {
    await runOn(connection, sql);
  } finally {
    await connection.end();
  }
}

/** Connections to one database, each of which stays for the next statement: to log in takes ten times as long as most of them, and tests ask again and again. */
class Connections {
  readonly #idle = new Set<Connection>();

  constructor(readonly database: string) {}

  /** By a connection that nothing else is asked by meanwhile. */
  async query(sql: string): Promise<Record<string, unknown>[]> {
    const [kept] = this.#idle;
    if (kept) this.#idle.delete(kept);
    const connection = kept ?? await this.#open();
    try {
      const rows = await runOn(connection, sql);
      this.#idle.add(connection);
      return rows;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  async #open(): Promise<Connection> {
    const connection = await connect(this.database);
    // A test may end all connections to its database.
    connection.on("error", () => this.#idle.delete(connection));
    return connection;
  }

  /** Ends those that nothing is asked by. */
  async close(): Promise<void> {
    const idle = [...this.#idle];
    this.#idle.clear();
    await Promise.allSettled(idle.map((connection) => connection.end()));
  }
}

/** MySQL databases that tests of this file have had: emptied, their tables still there, since making them takes longer than most tests. */
const spare: string[] = [];
let dropped = false;

/** Those in `spare` go behind the last test. Call it while tests are registered, if one uses {@linkcode emptyDatabase}. */
export function dropSpareAtEnd(): void {
  if (dropped) return;
  dropped = true;
  Deno.test.afterAll(async () => {
    for (const name of spare.splice(0)) await runMysql(`DROP DATABASE ${name}`);
  });
}

/** As it was before the first start, but for the tables that every start makes that finds `schema_version` 0. */
async function empty(connections: Connections): Promise<void> {
  const tables = await connections.query(
    "SELECT table_name AS name, auto_increment > 1 AS counts FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> 'schema_version'",
  );
  await connections.query(
    [
      ...tables.map(({ name }) => `DELETE FROM ${name}`),
      ...tables.filter(({ counts }) => Number(counts) === 1).map(({ name }) => `ALTER TABLE ${name} AUTO_INCREMENT = 1`),
      "UPDATE schema_version SET version = 0",
    ].join(";"),
  );
}

/** With `spare`: one of those, if there is one; it comes back there, emptied. */
async function mysqlDatabase(nodes: number, spare?: string[]): Promise<TestDatabase> {
  if (!hasMysql) throw new Error(`nothing answers at ${server.host} (NATTER_TEST_MYSQL)`);
  const { openMysql } = await import("../../src/store/mysql.ts");
  const name = spare?.pop() ?? await newMysqlDatabase();
  const url = new URL(server);
  url.pathname = `/${name}`;
  const stores: Store[] = [];
  const connections = new Connections(name);
  return {
    kind: "mysql",
    nodes,
    url: url.href,
    async open(limits) {
      const store = await openMysql(url.href, { ...LIMITS, ...limits });
      stores.push(store);
      return store;
    },
    query: (sql) => connections.query(sql),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(stores.map((s) => s.close()));
      if (spare) await empty(connections);
      await connections.close();
      if (spare) spare.push(name);
      else await runMysql(`DROP DATABASE ${name}`);
    },
  };
}
