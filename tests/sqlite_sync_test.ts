// When SQLite's transactions are on the disk, and who waits for it.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import { SHARE_MS, spent } from "../src/async/loop.ts";
import { Database } from "../src/store/sqlite/database.ts";
import { doorStore } from "../src/store/sqlite/door.ts";
import { Logs } from "../src/store/sqlite/user_logs.ts";
import { messageStore } from "../src/store/sqlite/messages.ts";
import { Node } from "../src/store/sqlite/node.ts";
import { SearchIndex } from "../src/store/sqlite/search_index.ts";
import { sessionStore } from "../src/store/sqlite/sessions.ts";
import { type Claiming, type Release, StoreUnavailable } from "../src/store/store.ts";
import { clockAhead } from "./support/clock.ts";
import { testDatabase } from "./support/databases.ts";

async function withFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "natter_test_" });
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Keeps the event loop for more than its share. */
function spend(): void {
  for (const begun = performance.now(); !spent() || performance.now() - begun < 2 * SHARE_MS;);
}

/** From now on what is written to the disk stays on its way: until its entry in `syncs` is resolved, or rejected. */
function slowDisk(): Disposable & { syncs: PromiseWithResolvers<void>[] } {
  const { syncData } = Deno.FsFile.prototype;
  const syncs: PromiseWithResolvers<void>[] = [];
  Deno.FsFile.prototype.syncData = function () {
    const sync = Promise.withResolvers<void>();
    syncs.push(sync);
    return sync.promise.then(() => syncData.call(this));
  };
  return { syncs, [Symbol.dispose]: () => void (Deno.FsFile.prototype.syncData = syncData) };
}

function tableOn(path: string): { db: Database; add: (n: number) => Promise<number>; all: () => Promise<unknown[]> } {
  const db = new Database(path);
  db.configure();
  db.exec("CREATE TABLE t (n INTEGER)");
  return {
    db,
    add: (n) => db.write(() => db.run("INSERT INTO t VALUES (?)", n)),
    all: () => db.read(() => db.rows<[number]>("SELECT n FROM t").flat()),
  };
}

Deno.test("only what a restart mends anyway is committed without waiting for the disk", async () => {
  await using t = await testDatabase("sqlite");
  await (await t.open()).close();
  const db = new Database(t.url.slice("sqlite:".length));
  db.configure();
  const node = new Node(db);
  node.joined = { name: "n", incarnation: 1 };
  const logs = new Logs(db, node, 10);
  const door = doorStore(db), sessions = sessionStore(db, node, logs, 10), messages = messageStore(db, logs, new SearchIndex(db));
  const [a, b] = [(await door.createUser("a", "a", "x"))!, (await door.createUser("b", "b", "x"))!];
  const append = () => messages.append([{ sender: a, toid: b, ts: 1, msg: "hi" }]);
  using disk = slowDisk();
  /** Whether the work is done only when the disk has it. */
  const waits = async (...work: Promise<unknown>[]) => {
    disk.syncs.length = 0;
    const done: boolean[] = [];
    const works = work.map((w) => w.then(() => done.push(true)));
    while (done.length < work.length && disk.syncs.length === 0) await turn();
    if (disk.syncs.length === 0) return false;
    await turn();
    assertEquals(done, []);
    disk.syncs[0].resolve();
    await Promise.all(works);
    assertEquals(disk.syncs.length, 1);
    return true;
  };
  const claim = (userId: number, session: string, more: Partial<Claiming> = {}) =>
    sessions.claim({ userId, session, proof: { version: 1 }, device: 0, address: "", at: 1, ...more });
  const release = (userId: number, session: string, more: Partial<Release> = {}) =>
    sessions.release([{ userId, device: 0, session, lastseen: 1, ...more }]);
  assertEquals(await waits(claim(a, "s")), false);
  assertEquals(await waits(append()), true);
  assertEquals(await waits(claim(b, "t"), append()), true, "together with a message");
  assertEquals(await waits(messages.confirm([{ userId: b, device: 0, session: "t", seq: 1 }])), true);
  assertEquals(await waits(release(a, "s")), false);
  assertEquals(await waits(release(b, "t", { confirmed: 2 })), true);
  // What the client is told to keep.
  assertEquals(await waits(claim(a, "u", { token: { hash: new Uint8Array(32), expires: 1 } })), true);
  assertEquals(await waits(claim(a, "v", { device: { name: "phone" } })), true);
  assertEquals(await waits(release(a, "v", { device: 1, unmade: true })), true);
  // What changes nothing.
  assertEquals(await waits(messages.confirm([{ userId: b, device: 0, session: "t", seq: 2 }])), false);
  await db.close();
});

Deno.test("while the disk is waited for the event loop turns; nothing is told, read or committed of what it does not have", () =>
  withFolder(async (folder) => {
    const { db, add, all } = tableOn(`${folder}/t.db`);
    using disk = slowDisk();
    const told: unknown[] = [];
    const first = add(1).then(() => told.push("first"));
    while (disk.syncs.length === 0) await turn();
    const second = add(2).then(() => told.push("second"));
    const reading = all().then((rows) => told.push(rows));
    for (let i = 0; i < 10; i++) await turn();
    assertEquals([told, disk.syncs.length], [[], 1]);
    disk.syncs[0].resolve();
    await Promise.all([first, reading]);
    assertEquals(told, ["first", [1]]);
    while (disk.syncs.length === 1) await turn();
    disk.syncs[1].resolve();
    await second;
    assertEquals(await all(), [1, 2]);
    await db.close();
  }));

Deno.test("who reads waits for the disk once, however much is written and done meanwhile", () =>
  withFolder(async (folder) => {
    const { db, add, all } = tableOn(`${folder}/t.db`);
    using disk = slowDisk();
    const first = add(1);
    while (disk.syncs.length === 0) await turn();
    const second = add(2), readings = Promise.all([all(), all()]);
    // More than its share, so that what comes behind the disk waits for a later turn.
    spend();
    disk.syncs[0].resolve();
    await first;
    assertEquals(await readings, [[1], [1]]);
    while (disk.syncs.length === 1) await turn();
    disk.syncs[1].resolve();
    await second;
    await db.close();
  }));

Deno.test("who wrote has the answer before those who waited to read go on", () =>
  withFolder(async (folder) => {
    const { db, add } = tableOn(`${folder}/t.db`);
    using disk = slowDisk();
    const done: string[] = [];
    // Through the layers above it an answer takes some microtasks.
    const hops = async () => {
      for (let i = 0; i < 20; i++) await undefined;
    };
    const first = add(1).then(hops).then(() => done.push("told"));
    while (disk.syncs.length === 0) await turn();
    const readings = [1, 2].map((n) => db.read(() => done.push(`read ${n}`)));
    disk.syncs[0].resolve();
    await Promise.all([first, ...readings]);
    assertEquals(done, ["told", "read 1", "read 2"]);
    await db.close();
  }));

Deno.test("a transaction goes before those who wait for a turn to read, and not again before one of them has read", () =>
  withFolder(async (folder) => {
    const { db, add, all } = tableOn(`${folder}/t.db`);
    await all();
    using disk = slowDisk();
    spend();
    // It finds the share spent.
    const reading = all(), first = add(1);
    while (disk.syncs.length === 0) await turn();
    const second = add(2);
    spend();
    disk.syncs[0].resolve();
    await first;
    assertEquals(await reading, [1]);
    while (disk.syncs.length === 1) await turn();
    disk.syncs[1].resolve();
    await second;
    await db.close();
  }));

Deno.test("who writes, reads and writes again keeps nobody waiting to read", () =>
  withFolder(async (folder) => {
    const { db, add, all } = tableOn(`${folder}/t.db`);
    using disk = slowDisk();
    let done = false;
    const busy = (async () => {
      for (let round = 0; round < 20 && !done; round++) {
        await add(round);
        await all();
      }
    })();
    while (disk.syncs.length === 0) await turn();
    const reading = all().then(() => done = true);
    void busy.then(() => done = true);
    for (let sync = 0; !done; sync++) {
      while (!done && disk.syncs.length === sync) await turn();
      // Those who had their turn meanwhile wait for the disk as well.
      for (let i = 0; i < 3; i++) await turn();
      disk.syncs[sync]?.resolve();
    }
    assert(disk.syncs.length <= 3, `it came behind ${disk.syncs.length} transactions`);
    await Promise.all([busy, reading]);
    await db.close();
  }));

Deno.test("those who wait to read have as much time as the disk takes of late, then a transaction goes before the rest", () =>
  withFolder(async (folder) => {
    const { db, add } = tableOn(`${folder}/t.db`);
    using disk = slowDisk();
    using clock = clockAhead();
    const took = 10 * SHARE_MS;
    let syncs = 0, read = 0, readings: Promise<number>[] = [], second: Promise<number> | undefined;
    const sync = async (meanwhile = () => {}) => {
      const adding = add(syncs);
      while (disk.syncs.length === syncs) await turn();
      meanwhile();
      clock.by(took * ++syncs);
      disk.syncs[syncs - 1].resolve();
      await adding;
    };
    while (syncs < 20) await sync();
    await sync(() => {
      readings = Array.from({ length: 40 }, () => db.read(() => (spend(), read++)));
      second = add(0);
    });
    const there = performance.now();
    while (disk.syncs.length === syncs) await turn();
    const had = performance.now() - there;
    assert(had >= 0.8 * took && read < readings.length, `${read} had ${had} ms`);
    disk.syncs[syncs].resolve();
    await Promise.all([second, ...readings]);
    await db.close();
  }));

Deno.test("a read of several statements sees one state of the file, and a later one what another process wrote", () =>
  withFolder(async (folder) => {
    const { db, add, all } = tableOn(`${folder}/t.db`);
    await add(1);
    const other = new DatabaseSync(`${folder}/t.db`);
    const count = () => db.row<[number]>("SELECT count(*) FROM t")![0];
    const read = db.read(() => {
      const before = [count(), db.generation];
      other.exec("INSERT INTO t VALUES (2)");
      return [before, [count(), db.generation]];
    });
    const [first, second] = await read;
    assertEquals(second, first);
    await turn();
    assertEquals(await db.read(() => [count(), db.generation > first![1]!]), [2, true]);
    // A read that is given up, or fails, holds nothing.
    await assertRejects(() => db.read(() => db.rows("SELECT n FROM nothing")));
    await db.read(() => {
      for (const _ of db.iterate("SELECT n FROM t")) break;
    });
    await add(3);
    assertEquals(await all(), [1, 2, 3]);
    other.close();
    await db.close();
  }));

Deno.test("closing waits for the disk, and takes to it what still waits", () =>
  withFolder(async (folder) => {
    const { db, add } = tableOn(`${folder}/t.db`);
    using disk = slowDisk();
    const told: number[] = [];
    const writes = [add(1).then(() => told.push(1))];
    while (disk.syncs.length === 0) await turn();
    writes.push(add(2).then(() => told.push(2)));
    const closing = Promise.all([db.close(), db.close()]);
    await turn();
    assertEquals(told, []);
    disk.syncs[0].resolve();
    await closing;
    await Promise.all(writes);
    assertEquals(told, [1, 2]);
    const other = new DatabaseSync(`${folder}/t.db`);
    assertEquals(other.prepare("SELECT count(*) AS n FROM t").get()?.n, 2);
    other.close();
  }));

Deno.test("after a log that could not be synced everything is refused", () =>
  withFolder(async (folder) => {
    const { db, add, all } = tableOn(`${folder}/t.db`);
    using disk = slowDisk();
    const writes = [add(1)];
    while (disk.syncs.length === 0) await turn();
    writes.push(add(2));
    const reading = all();
    disk.syncs[0].reject(new Error("Input/output error (os error 5)"));
    // All at once: whoever reads may be told a turn later.
    await Promise.all([...writes, reading, add(3), all()].map(async (refused) => {
      const error = await assertRejects(() => refused, StoreUnavailable);
      assertStringIncludes(error.message, "cannot be synced");
    }));
    assertEquals(disk.syncs.length, 1);
    await db.close();
  }));

Deno.test("the log is synced beside the file that a link names", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/real`);
    await Deno.symlink(`${folder}/real/t.db`, `${folder}/link.db`);
    const { db, add, all } = tableOn(`${folder}/link.db`);
    await add(1);
    assertEquals(await all(), [1]);
    assertEquals([...Deno.readDirSync(`${folder}/real`)].map((e) => e.name).sort(), ["t.db", "t.db-shm", "t.db-wal"]);
    await db.close();
  }));
