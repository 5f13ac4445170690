// What was deleted, and what was overwritten, is gone from SQLite's file and from its log, a moment later.

import { assert, assertEquals } from "@std/assert";
import type { SQLInputValue } from "node:sqlite";
import { Database } from "../src/store/sqlite/database.ts";
import { clockStopped } from "./support/clock.ts";
import { addUsers, testDatabase } from "./support/databases.ts";
import { eventually } from "./support/server.ts";
import type { Stored } from "./support/stores.ts";

const MESSAGES = 240;
const encoder = new TextEncoder();

/** A word that stands nowhere else, of letters and digits. */
function word(i: number): string {
  return `zq${i}x${(i * 7919 + 104_729).toString(36)}qz`;
}

function contains(bytes: Uint8Array, text: string): boolean {
  const wanted = encoder.encode(text);
  for (let at = bytes.indexOf(wanted[0]!); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}

Deno.test("deleted and overwritten texts, short and long, are gone from the file and its log", async () => {
  await using t = await testDatabase("sqlite");
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const created = await store.createGroup(ada!, "g", "g", "");
  assert(typeof created === "object");
  const ids: number[] = [];
  for (let i = 0; i < MESSAGES; i += 20) {
    const batch = Array.from({ length: 20 }, (_, k) => {
      const n = i + k;
      // From a few bytes to more than a page of the file, and more than ten.
      const filler = " padding".repeat([1, 3, 40, 700, 6000][n % 5]!);
      const place = n % 3 === 0 ? { groupid: created.groupid } : { toid: bob! };
      return { sender: ada!, ...place, msg: `${word(n)}${filler} ${word(n)}`, ts: n + 1 };
    });
    ids.push(...(await store.append(batch)).map((result) => (result as Stored).messageid));
  }
  while ((await store.index()).more);
  const path = t.url.replace(/^sqlite:/, "");
  const gone = ids.flatMap((_, n) => n % 4 === 1 || n % 4 === 2 ? [n] : []);
  for (const n of gone) {
    const deed = n % 4 === 1 ? { what: "delete" as const } : { what: "edit" as const, msg: `something else ${n}` };
    assertEquals((await store.act({ by: ada!, messageid: ids[n]!, at: 1000 + n, ...deed })).errno, "OK");
  }
  await eventually(async () => (await Deno.stat(`${path}-wal`)).size === 0, "the log is empty");
  const file = await Deno.readFile(path);
  assertEquals(gone.filter((n) => contains(file, word(n))), []);
  const kept = ids.flatMap((_, n) => gone.includes(n) ? [] : [n]);
  assertEquals(kept.filter((n) => !contains(file, word(n))), []);
});

Deno.test("the slower the disk, the rarer the log is emptied: the event loop stands still for a twentieth of the time at most", async () => {
  const { setTimeout } = globalThis;
  using clock = clockStopped();
  /** A log that takes so long to be emptied (ms). */
  class Slow extends Database {
    took = 0;
    override row<T extends unknown[]>(sql: string, ...values: SQLInputValue[]): T | undefined {
      if (sql.includes("wal_checkpoint")) clock.by(this.took);
      return super.row<T>(sql, ...values);
    }
  }
  const folder = await Deno.makeTempDir({ prefix: "natter_test_" });
  const db = new Slow(`${folder}/t.db`);
  db.configure();
  const after: unknown[] = [];
  try {
    for (const took of [0, 30, 200, 4000, 10]) {
      db.took = took;
      await new Promise<void>((emptied) => {
        globalThis.setTimeout = ((empty: () => void, ms: number) => {
          after.push(ms);
          return setTimeout(() => (empty(), emptied()), 0);
        }) as typeof setTimeout;
        void db.write(() => db.log.eraseSoon());
      });
    }
  } finally {
    globalThis.setTimeout = setTimeout;
    await db.close();
    await Deno.remove(folder, { recursive: true });
  }
  assertEquals(after, [1000, 1000, 1000, 4000, 10_000]);
});
