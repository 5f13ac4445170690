// What only the SQLite store has: its file, the lock beside it, group commit, and other processes at the same file.

import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { openSqlite } from "../src/store/sqlite.ts";
import { backupSqlite } from "../src/store/sqlite/backup.ts";
import { Database } from "../src/store/sqlite/database.ts";
import { StoreRefused, StoreUnavailable } from "../src/store/store.ts";
import { addUsers, testDatabase } from "./support/databases.ts";
import { claim } from "./support/stores.ts";

const LIMITS = { maxGroup: 10, maxInbox: 10, maxDevices: 10, maxContacts: 10 };

async function withFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "natter_test_" });
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function refused(path: string): Promise<string> {
  const error = await assertRejects(() => openSqlite(path, LIMITS), StoreRefused);
  assert(!error.message.includes("\n"), error.message);
  assertStringIncludes(error.message, path);
  return error.message;
}

Deno.test("the file is created, and found again", () =>
  withFolder(async (folder) => {
    const path = `${folder}/new file.db`;
    const first = await openSqlite(path, LIMITS);
    const id = await first.createUser("ada", "ada", "secret");
    await first.close();
    const second = await openSqlite(path, LIMITS);
    assertEquals((await second.findUser({ key: "ada" }))?.id, id);
    await second.close();
    await second.close();
  }));

Deno.test("nobody else may read the file, nor what stands beside it, nor a copy; one whose mode was changed keeps it", {
  ignore: Deno.build.os === "windows",
}, () =>
  withFolder(async (folder) => {
    const path = `${folder}/natter.db`;
    const modes = () => [...Deno.readDirSync(folder)].map(({ name }) => [name, (Deno.statSync(`${folder}/${name}`).mode! & 0o777).toString(8)]);
    const store = await openSqlite(path, LIMITS);
    // One that was made by a version before, which let others open it, and so lock it.
    await Deno.writeTextFile(`${path}.lock`, "", { mode: 0o644 });
    await store.join("a");
    await store.createUser("ada", "ada", "secret");
    await backupSqlite(path, `${folder}/copy.db`);
    const beside = ["natter.db-shm", "natter.db-wal", "natter.db.lock"].map((name) => [name, "600"]);
    assertEquals(modes().sort(), [["copy.db", "600"], ["natter.db", "600"], ...beside]);
    await store.close();
    await Deno.remove(`${path}.lock`);
    await Deno.chmod(path, 0o640);
    await (await openSqlite(path, LIMITS)).close();
    assertEquals(modes().sort(), [["copy.db", "600"], ["natter.db", "640"]]);
  }));

Deno.test("a link where the lock is to stand is refused, and what it leads to is left as it is: an operator has more rights than who put it there", {
  ignore: Deno.build.os === "windows",
}, () =>
  withFolder(async (folder) => {
    const path = `${folder}/natter.db`, others = `${folder}/another's`;
    const store = await openSqlite(path, LIMITS);
    await Deno.writeTextFile(others, "said", { mode: 0o644 });
    await Deno.symlink(others, `${path}.lock`);
    // Root's command would give it away.
    if (Deno.uid() === 0) await Deno.chown(path, 65_534, 65_534);
    const error = await assertRejects(() => store.join("a"), StoreRefused);
    assertStringIncludes(error.message, `the database ${path} cannot be locked: ${path}.lock is a link`);
    await store.close();
    const { uid, mode } = await Deno.stat(others);
    assertEquals([uid, (mode! & 0o777).toString(8), await Deno.readTextFile(others)], [Deno.uid(), "644", "said"]);
  }));

Deno.test("a file that cannot be used is refused in one line", () =>
  withFolder(async (folder) => {
    assertStringIncludes(await refused(`${folder}/nowhere/natter.db`), `cannot be used: there is no folder ${folder}/nowhere`);
    assertEquals(await refused(folder), `the database ${folder} cannot be used: unable to open database file`);
    await refused(folder);
    await refused("/proc/natter.db");
    const text = `${folder}/text.db`;
    await Deno.writeTextFile(text, "This is not a database. ".repeat(100));
    assertStringIncludes(await refused(text), "not a database");
    assertEquals(await Deno.readTextFile(text), "This is not a database. ".repeat(100));
  }));

Deno.test("a file with the course's tables, or any other program's, is refused and left untouched", () =>
  withFolder(async (folder) => {
    for (
      const [name, sql] of [["course", "CREATE TABLE user (id INTEGER); CREATE TABLE offlinemessage (a)"], [
        "other",
        "CREATE TABLE t (a); PRAGMA user_version = 1",
      ]]
    ) {
      const path = `${folder}/${name}.db`;
      const db = new DatabaseSync(path);
      db.exec(sql);
      db.close();
      const before = await Deno.readFile(path);
      assertStringIncludes(await refused(path), "natter did not make");
      assertEquals(await Deno.readFile(path), before);
    }
  }));

Deno.test("a file of a newer schema is refused and left untouched", () =>
  withFolder(async (folder) => {
    const path = `${folder}/natter.db`;
    await (await openSqlite(path, LIMITS)).close();
    const db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 1000");
    db.close();
    const before = await Deno.readFile(path);
    assertStringIncludes(await refused(path), "newer");
    assertEquals(await Deno.readFile(path), before);
  }));

Deno.test("a second server on the file is refused, by name of the process, and let in when the first has gone", async () => {
  await using t = await testDatabase("sqlite");
  const first = await t.open();
  await first.join("n1");
  const [ada] = await addUsers(first, "ada");
  await claim(first, ada, "s1");
  const second = await t.open();
  const error = await assertRejects(() => second.join("another"), StoreRefused);
  assertStringIncludes(error.message, `is in use by another natter (process ${Deno.pid})`);
  assertEquals(await second.holder(ada, 0), { session: "s1", node: "n1" });
  await first.close();
  assertEquals((await second.join("another")).length, 1);
});

Deno.test("the lock of a process that was killed is free", async () => {
  await using t = await testDatabase("sqlite");
  const module = new URL("../src/store/sqlite.ts", import.meta.url).href;
  const code = `const { openSqlite } = await import(${JSON.stringify(module)});
    const store = await openSqlite(${JSON.stringify(t.url.slice("sqlite:".length))}, ${JSON.stringify(LIMITS)});
    await store.join("n1");
    const userId = await store.createUser("ada", "ada", "secret");
    const { version } = await store.findUser({ id: userId });
    await store.claim({ userId, session: "s1", proof: { version }, device: 0, address: "", at: 1 });
    console.log("joined");
    setInterval(() => {}, 1000);`;
  const config = new URL("../deno.json", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", "--config", config, code], stdout: "piped", stderr: "inherit" })
    .spawn();
  const reader = child.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "joined\n");
  const store = await t.open();
  const error = await assertRejects(() => store.join("n1"), StoreRefused);
  assertStringIncludes(error.message, `process ${child.pid}`);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  assertEquals((await store.join("n1")).length, 1);
});

Deno.test("a copy has an epoch of its own, beside a server that goes on, and is whole when it has its name", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open();
  await store.join("n1");
  await addUsers(store, "ada");
  const path = t.url.slice("sqlite:".length);
  const epoch = await store.epoch();
  await Promise.all([backupSqlite(path, `${path}.copy`), addUsers(store, "bob")]);
  assertEquals(await store.epoch(), epoch);
  const copy = await openSqlite(`${path}.copy`, LIMITS);
  assert(await copy.epoch() !== epoch);
  assert(await copy.findUser({ key: "ada" }));
  await copy.close();
  const before = await Deno.readFile(`${path}.copy`);
  const error = await assertRejects(() => backupSqlite(path, `${path}.copy`), StoreRefused);
  assertStringIncludes(error.message, "exists");
  assertEquals(await Deno.readFile(`${path}.copy`), before);
  await assertRejects(() => backupSqlite(path, `${path}/nowhere`), StoreRefused);
  // What could not be finished takes no room, which a full disk needs.
  const broken = new DatabaseSync(`${path}.second.from`);
  broken.exec(`PRAGMA application_id = ${0x6e747472}; CREATE TABLE epoch (a)`);
  broken.close();
  await assertRejects(() => backupSqlite(`${path}.second.from`, `${path}.second`), StoreRefused);
  await Deno.remove(`${path}.second.from`);
  const left = () =>
    [...Deno.readDirSync(path.slice(0, path.lastIndexOf("/")))].map((entry) => entry.name).filter((name) => /copy|second/.test(name));
  assertEquals(left(), ["natter.db.copy"]);
  // A copy that was cut off is written over.
  await Deno.writeTextFile(`${path}.second.part`, "half");
  await backupSqlite(path, `${path}.second`);
  assertEquals(left().sort(), ["natter.db.copy", "natter.db.second"]);
});

Deno.test("what is written in one turn is committed at once, in order, about 100 at a time", () =>
  withFolder(async (folder) => {
    const db = new Database(`${folder}/t.db`);
    db.configure();
    db.exec("CREATE TABLE t (n INTEGER, turn INTEGER)");
    let turn = 0;
    const order: number[] = [];
    const writes = Array.from({ length: 250 }, (_, n) => db.write(() => db.run("INSERT INTO t VALUES (?, ?)", n, turn)).then(() => order.push(n)));
    const other = new DatabaseSync(`${folder}/t.db`);
    const visible = () => other.prepare("SELECT count(*) AS n FROM t").get()?.n;
    assertEquals(visible(), 0);
    const steps: unknown[] = [];
    for (const n of [0, 100, 200]) writes[n].then(() => steps.push([turn++, visible()]));
    await Promise.all(writes);
    assertEquals(steps, [[0, 100], [1, 200], [2, 250]]);
    assertEquals(order, Array.from({ length: 250 }, (_, n) => n));
    other.close();
    await db.close();
  }));

Deno.test("a change that fails is rejected alone, and nothing of it stays", () =>
  withFolder(async (folder) => {
    const db = new Database(`${folder}/t.db`);
    db.configure();
    db.exec("CREATE TABLE t (n INTEGER NOT NULL)");
    const add = (n: number | null) => db.run("INSERT INTO t VALUES (?)", n);
    const results = await Promise.allSettled([
      db.write(() => add(1)),
      db.write(() => [add(2), add(null)]),
      db.write(() => add(3)),
      db.write(() => {
        add(4);
        throw new RangeError("mine");
      }),
      db.write(() => add(5)),
    ]);
    assertEquals(results.map((r) => r.status), ["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"]);
    assert(results[3].status === "rejected" && results[3].reason instanceof RangeError);
    assertEquals(db.rows("SELECT n FROM t ORDER BY n"), [[1], [3], [5]]);
    await db.close();
  }));

Deno.test("another process that writes is waited for, without blocking the event loop, but not for ever", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open();
  const other = new DatabaseSync(t.url.slice("sqlite:".length));
  other.exec("BEGIN IMMEDIATE");
  let created: number | undefined;
  const creating = store.createUser("ada", "ada", "secret").then((id) => created = id);
  // The event loop turns, and reads are answered, while the write waits.
  let quickest = Infinity;
  // The best of several: the machine stops for a second now and then.
  for (let tries = 0; tries < 3 && quickest >= 1000; tries++) {
    const started = performance.now();
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1));
    quickest = Math.min(quickest, performance.now() - started);
  }
  assert(quickest < 1000, `${quickest} ms`);
  assertEquals(await store.findUser({ key: "ada" }), undefined);
  assertEquals(created, undefined);
  other.exec("COMMIT");
  await creating;
  assertEquals((await store.findUser({ key: "ada" }))?.id, created);
  other.exec("BEGIN IMMEDIATE");
  await assertRejects(() => store.createUser("bob", "bob", "secret"), StoreUnavailable);
  other.exec("COMMIT");
  other.close();
  assert(await store.createUser("cy", "cy", "secret") !== undefined);
});

Deno.test("what is written before anyone is served is there at once, or not at all; another process that writes is an outage", () =>
  withFolder((folder) => {
    const path = `${folder}/natter.db`;
    const db = new Database(path);
    db.configure();
    db.writeNow(() => db.exec("CREATE TABLE t (a)"));
    const other = new DatabaseSync(path);
    db.writeNow(() => db.run("INSERT INTO t VALUES (1)"));
    assertThrows(
      () =>
        db.writeNow(() => {
          db.run("INSERT INTO t VALUES (2)");
          throw new Error("no");
        }),
      Error,
      "no",
    );
    assertEquals(other.prepare("SELECT a FROM t").all().map((row) => row.a), [1]);
    other.exec("BEGIN IMMEDIATE");
    assertThrows(() => db.writeNow(() => db.run("INSERT INTO t VALUES (3)")), StoreUnavailable);
    other.exec("COMMIT");
    assertEquals(db.writeNow(() => db.run("INSERT INTO t VALUES (4)")), 1);
    other.close();
    db.close();
    return Promise.resolve();
  }));

Deno.test("closing commits what was asked for, and rejects what cannot be", async () => {
  await using t = await testDatabase("sqlite");
  const first = await t.open();
  const creating = first.createUser("ada", "ada", "secret");
  await first.close();
  const id = await creating;
  await assertRejects(() => first.createUser("bob", "bob", "secret"), StoreUnavailable);
  await assertRejects(() => first.findUser({ key: "ada" }), StoreUnavailable);
  const second = await t.open();
  assertEquals((await second.findUser({ key: "ada" }))?.id, id);
  const other = new DatabaseSync(t.url.slice("sqlite:".length));
  other.exec("BEGIN IMMEDIATE");
  const blocked = assertRejects(() => second.createUser("cy", "cy", "secret"), StoreUnavailable);
  await second.close();
  await blocked;
  other.close();
});

Deno.test("a full disk is an outage: nothing of the transaction is stored, and all goes on when there is room", () =>
  withFolder(async (folder) => {
    const db = new Database(`${folder}/t.db`);
    db.configure();
    db.exec("CREATE TABLE t (text TEXT); PRAGMA max_page_count = 20");
    const add = (size: number) => db.write(() => db.run("INSERT INTO t VALUES (?)", "x".repeat(size)));
    await add(1);
    const results = await Promise.allSettled([add(2), add(1_000_000), add(3)]);
    for (const r of results) assert(r.status === "rejected" && r.reason instanceof StoreUnavailable);
    assertEquals(db.rows("SELECT length(text) FROM t"), [[1]]);
    db.exec("PRAGMA max_page_count = 100000");
    await Promise.all([add(2), add(1_000_000)]);
    assertEquals(db.rows("SELECT length(text) FROM t"), [[1], [2], [1_000_000]]);
    await db.close();
  }));
