// Opening a MySQL database, and what becomes of the store when the database or the way to it fails.

import { MIGRATIONS } from "../src/store/mysql/migrations.ts";
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { openMysql } from "../src/store/mysql.ts";
import { LockConflict } from "../src/store/mysql/errors.ts";
import { Pool } from "../src/store/mysql/pool.ts";
import { insertPieces, literal, numbers, padded } from "../src/store/mysql/sql.ts";
import { type Store, StoreRefused, StoreUnavailable } from "../src/store/store.ts";
import { Awake } from "./support/awake.ts";
import { addUsers } from "./support/databases.ts";
import { newMysqlTest } from "./support/mysql.ts";
import { startProxy } from "./support/proxy.ts";
import { logOf } from "./support/stores.ts";

/** The first byte of what is sent to have a statement prepared. */
const COM_STMT_PREPARE = 0x16;
const LIMITS = { maxGroup: 2000, maxInbox: 100_000, maxDevices: 20, maxContacts: 2000 };

async function refusal(url: string, kind: typeof StoreRefused | typeof StoreUnavailable): Promise<string> {
  const { message } = await assertRejects(async () => await (await openMysql(url, LIMITS)).close(), kind);
  assertEquals(message.split("\n").length, 1);
  return message;
}

Deno.test("a URL that names no database, or asks for what there is not, is refused in one line without the password", async () => {
  for (
    const url of [
      "mysql://root:sesame@127.0.0.1",
      "mysql://root:sesame@127.0.0.1/",
      "http://root:sesame@127.0.0.1/natter",
      "mysql://root:sesame@:x/natter",
    ]
  ) {
    const message = await refusal(url, StoreRefused);
    assertStringIncludes(message, "mysql://user:password@host:3306/name");
    assert(!message.includes("sesame"));
  }
  assertStringIncludes(await refusal("mysql://127.0.0.1/natter?ssl=maybe", StoreRefused), "ssl=maybe");
});

Deno.test("a server that nobody reaches is unavailable, and named", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  assertStringIncludes(await refusal(`mysql://root:sesame@127.0.0.1:${port}/natter`, StoreUnavailable), `127.0.0.1:${port}`);
});

newMysqlTest("a database that does not exist is created", async (t) => {
  const url = new URL(t.database.url);
  url.pathname += "%60new";
  await using admin = await t.admin();
  const store = await openMysql(url.href, LIMITS);
  assertEquals(typeof await store.createUser("张三 😀", "张三 😀", "secret"), "number");
  await store.close();
  const again = await openMysql(url.href, LIMITS);
  assertEquals((await again.findUser({ key: "张三 😀" }))?.name, "张三 😀");
  await again.close();
  await admin.query(`DROP DATABASE \`${decodeURIComponent(url.pathname.slice(1)).replace("`", "``")}\``);
});

newMysqlTest("who may not log in, or may not create the database, is refused in one line without the password", async (t) => {
  await using admin = await t.admin();
  const url = new URL(t.database.url);
  const user = `natter_${crypto.randomUUID().slice(0, 8)}`;
  await admin.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'sesame'`);
  await admin.query(`CREATE USER '${user}'@'localhost' IDENTIFIED BY 'sesame'`);
  try {
    for (const [password, database] of [["wrongsesame", "mysql"], ["sesame", url.pathname.slice(1)], ["sesame", "natter_not_there"]]) {
      const message = await refusal(`mysql://${user}:${password}@${url.host}/${database}`, StoreRefused);
      assertMatch(message, /denied/);
      assertStringIncludes(message, url.hostname);
      assert(!message.includes("sesame"));
    }
  } finally {
    await admin.query(`DROP USER '${user}'@'%', '${user}'@'localhost'`);
  }
});

newMysqlTest("the course's tables are refused, untouched", async (t) => {
  await using admin = await t.admin();
  await admin.query(
    "CREATE TABLE User (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) NOT NULL UNIQUE, password VARCHAR(50), state ENUM('online','offline'))",
  );
  await admin.query("CREATE TABLE AllGroup (id INT PRIMARY KEY AUTO_INCREMENT, groupname VARCHAR(50))");
  assertStringIncludes((await assertRejects(() => t.open(), StoreRefused)).message, "user, allgroup");
  assertEquals((await admin.query("SHOW TABLES")).length, 2);
});

newMysqlTest("a newer schema is refused", async (t) => {
  await t.open();
  await using admin = await t.admin();
  await admin.query("UPDATE schema_version SET version = 99");
  assertStringIncludes((await assertRejects(() => t.open(), StoreRefused)).message, "99");
});

newMysqlTest("a schema that was interrupted is completed, and several processes may open an empty database at once", async (t) => {
  await using admin = await t.admin();
  await Promise.all([t.open(), t.open(), t.open()]);
  assertEquals(await admin.query("SELECT version FROM schema_version"), [{ version: 1 + MIGRATIONS.length }]);
  await admin.query("UPDATE schema_version SET version = 0");
  await admin.query("DROP TABLE node");
  const store = await t.open();
  assertEquals((await store.join("a")).length, 0);
  assertEquals(await admin.query("SELECT version FROM schema_version"), [{ version: 1 + MIGRATIONS.length }]);
});

Deno.test("lists of any length need few statements", () => {
  const inserts = new Set<number>();
  const lists = new Set<number>();
  for (let n = 1; n <= 1000; n++) {
    const list = Array.from({ length: n }, (_, i) => i);
    const pieces = [...insertPieces(list)];
    assertEquals(pieces.flat(), list);
    for (const piece of pieces) inserts.add(piece.length);
    const long = padded(list);
    assertEquals([...new Set(long)], list);
    lists.add(long.length);
  }
  assert(inserts.size <= 40, `${inserts.size} lengths of inserts`);
  assert(lists.size <= 11, `${lists.size} lengths of lists`);
});

Deno.test("nothing but integers is written into a statement", () => {
  assertEquals(numbers([1, -2, Number.MAX_SAFE_INTEGER]), "1,-2,9007199254740991");
  for (const wrong of [1.5, NaN, Infinity, 2 ** 53, "1", "1; DROP TABLE user", null, undefined, [1]]) {
    assertThrows(() => numbers([1, wrong as number]), TypeError);
  }
  assertThrows(() => literal(0.5), TypeError);
});

newMysqlTest("text that is written into a statement comes out as it was, whatever is in it", async (t) => {
  await using admin = await t.admin();
  for (const text of ["", "'", "\\", "'; DROP TABLE user; --", "\0\n\x1a", "张三 👩‍🚀", "ÿ"]) {
    const [row] = await admin.query(
      `SELECT ${literal(text)} AS text, ${literal(new TextEncoder().encode(text))} AS bytes, ${literal(null)} AS nothing`,
    );
    assertEquals(row, { text, bytes: Buffer.from(text), nothing: null });
  }
});

newMysqlTest("connections that die while they are idle are no error of reads and transactions", async (t) => {
  const store = await t.openProxied();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await store.join("a");
  const dead = new Set<number>();
  let cutting = false;
  // Every connection of before is reset when it is next used, and not a moment earlier.
  t.proxy.inspect = ({ connection, direction }) => {
    if (!cutting) dead.add(connection);
    return cutting && direction === "up" && dead.has(connection) ? "cut" : "pass";
  };
  async function idle(): Promise<void> {
    cutting = false;
    // More often than a connection needs to be opened: one that still is would not be idle.
    for (let round = 0; round < 6; round++) await Promise.all(Array.from({ length: 10 }, () => store.ping()));
    cutting = true;
  }
  await idle();
  assertEquals((await store.findUser({ id: ada }))?.name, "ada");
  await idle();
  assertEquals((await store.append([{ sender: ada, toid: bob, msg: "hi", ts: 1 }])).map((r) => r.errno), ["OK"]);
  await idle();
  await store.release([{ userId: ada, device: 0, session: "x", lastseen: 1 }]);
  await idle();
  assertEquals(await store.renew(), true);
  await idle();
  await assertRejects(() => store.removeFriend(ada, bob), StoreUnavailable);
});

newMysqlTest("killed connections are replaced", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await using admin = await t.admin();
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 20 }, () => store.ping()));
    assert(await admin.killAll() > 0);
    assertEquals((await store.append([{ sender: ada, toid: bob, msg: "hi", ts: 1 }]))[0].errno, "OK");
    assertEquals((await logOf(store, bob, 0, 100, 1e6)).length, round + 1);
  }
});

newMysqlTest("a database that accepts and never answers hangs nobody", async (t) => {
  const store = await t.openProxied();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  await store.join("a");
  await Promise.all(Array.from({ length: 5 }, () => store.ping()));
  t.proxy.freeze();
  using took = new Awake();
  const append = { sender: ada, toid: bob, msg: "hi", ts: 1 };
  const calls: ((store: Store) => Promise<unknown>)[] = [
    (s) => s.ping(),
    (s) => s.renew(),
    (s) => s.claim({ userId: ada, session: "s", proof: { version: 1 }, device: 0, address: "", at: 1 }),
    (s) => s.append([append]),
    (s) => s.release([{ userId: ada, device: 0, session: "x", lastseen: 1 }]),
  ];
  const opening = openMysql(`mysql://root@127.0.0.1:${t.proxy.port}/natter`, LIMITS);
  await Promise.all([
    ...Array.from({ length: 4 }, () => calls.map((call) => assertRejects(() => call(store), StoreUnavailable))).flat(),
    assertRejects(() => opening, StoreUnavailable),
  ]);
  // 5 s for a connection, 6 s for an answer.
  assert(took.ms < 12_000, `it took ${took.ms} ms`);
  t.proxy.thaw();
  await store.ping();
  assertEquals(await store.renew(), true);
});

newMysqlTest("an attempt to connect that fails refuses nobody who came after it had begun", async (t) => {
  const url = new URL(t.database.url);
  const target = { host: "127.0.0.1", port: t.proxy.port, user: "root", password: url.password, database: url.pathname.slice(1), ssl: false };
  const pool = new Pool(await import("mysql2"), target);
  const begun = Promise.withResolvers<void>(), cut = Promise.withResolvers<void>(), third = Promise.withResolvers<void>();
  const again = Promise.withResolvers<void>(), busy = Promise.withResolvers<void>(), done = Promise.withResolvers<void>();
  t.proxy.inspect = async ({ connection, direction }) => {
    if (connection === 1 || direction === "up") return "pass";
    if (connection === 2) {
      begun.resolve();
      await cut.promise;
      return "cut";
    }
    // The fourth one is opened when the second one has failed.
    if (connection === 3) third.resolve();
    else again.resolve();
    await done.promise;
    return "pass";
  };
  // Two come, two connections are begun. The first one serves both; the second one says nothing.
  const both = Promise.all([pool.read("SELECT 1"), pool.read("SELECT 1")]);
  await Promise.all([begun.promise, both]);
  const working = pool.transaction(async (link) => {
    busy.resolve();
    await done.promise;
    return await link.rows("SELECT 1");
  });
  await busy.promise;
  const late = pool.read("SELECT 2 AS two");
  await third.promise;
  cut.resolve();
  await Promise.race([again.promise, late]);
  done.resolve();
  assertEquals(await late, [{ two: 2 }]);
  await working;
  await pool.close();
});

newMysqlTest("closing ends what is under way", async (t) => {
  const store = await t.openProxied();
  await store.join("a");
  await store.ping();
  t.proxy.freeze();
  const calls = Array.from({ length: 20 }, () => assertRejects(() => store.ping(), StoreUnavailable));
  await store.close();
  await Promise.all(calls);
  t.proxy.thaw();
});

newMysqlTest("what many users' texts take is written by few statements, however many they are", async (t) => {
  const store = await t.openProxied();
  const prepared = new Set<string>();
  t.proxy.inspect = ({ direction, data }) => {
    const sql = new TextDecoder("latin1").decode(data);
    if (direction === "up" && data[4] === COM_STMT_PREPARE) prepared.add(sql.slice(5));
    return "pass";
  };
  const most = 100;
  for (let count = 1; count <= most; count++) {
    const users = Array.from({ length: count }, (_, i): [number, number] => [i + 1, 10]);
    await store.addTextKept(users);
    await store.setTextKept(users.map(([userId]) => [userId, userId % 2]));
  }
  assert(prepared.size < most, `${prepared.size} statements`);
  assertEquals([await store.textKept(1), await store.textKept(2)], [1, 0]);
});

newMysqlTest("closing ends the pauses of those who would try again", async (t) => {
  const url = new URL(t.database.url);
  const target = { host: "127.0.0.1", port: t.proxy.port, user: "root", password: url.password, database: url.pathname.slice(1), ssl: false };
  const pool = new Pool(await import("mysql2"), target);
  let tries = 0, ended = 0;
  const wanting = Array.from({ length: 10 }, () =>
    pool.transaction(() => {
      tries++;
      throw new LockConflict("a lock wait");
    }).catch(() => ended++));
  while (tries < 30) await new Promise((resolve) => setTimeout(resolve, 1));
  await pool.close();
  await new Promise<void>((resolve) => setImmediate(resolve));
  assertEquals(ended, wanting.length);
});

newMysqlTest(
  "with ssl=true a server without TLS, or without a valid certificate, is refused, and so is an address, which no certificate can be checked against",
  async (t) => {
    const url = new URL(t.database.url);
    url.searchParams.set("ssl", "true");
    if (url.hostname === "127.0.0.1") {
      await assertRejects(() => openMysql(url.href, LIMITS), StoreRefused, "by name");
      url.hostname = "localhost";
    }
    await assertRejects(() => openMysql(url.href, LIMITS), StoreRefused);
  },
);

Deno.test("a server that speaks something else is unavailable or refused, and does not hang or crash the process", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const serving = (async () => {
    for await (const conn of listener) {
      await conn.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
      conn.close();
    }
  })();
  await using proxy = await startProxy({ hostname: "127.0.0.1", port });
  await assertRejects(() => openMysql(`mysql://root@127.0.0.1:${proxy.port}/natter`, LIMITS));
  listener.close();
  await serving;
});
