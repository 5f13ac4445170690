import { backup, DatabaseSync } from "node:sqlite";
import { StoreRefused } from "../store.ts";
import { PRIVATE, refuseSeveralNames } from "./database_file.ts";
import { RENEW_EPOCH } from "./operators.ts";
import { APPLICATION_ID } from "./schema.ts";

/** More pages than a SQLite file can have. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Copies a SQLite database into a new file, as of one moment, beside a server that goes on writing. The copy has an epoch of its own, so that clients notice
 * when it is put back; until it has, it is called `<file>.part`. One of an older version stays one.
 * Throws {@linkcode StoreRefused} if the file exists or cannot be written, and if the database has several names.
 */
export async function backupSqlite(path: string, file: string): Promise<void> {
  if (await Deno.stat(file).then(() => true, () => false)) throw new StoreRefused(`${file} exists; name another file`);
  refuseSeveralNames(path);
  const part = `${file}.part`;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.exec("PRAGMA busy_timeout = 5000");
    if (db.prepare("PRAGMA application_id").get()!.application_id !== APPLICATION_ID) throw new Error("it is no database of natter");
    // What one that was cut off left: its log would be taken for this one's.
    await remove(part);
    await Deno.writeFile(part, new Uint8Array(), { mode: PRIVATE });
    // All pages in one step: what another process writes between two steps would make SQLite begin again.
    await backup(db, part, { rate: ALL_PAGES });
    renewEpoch(part);
    await Deno.rename(part, file);
  } catch (error) {
    await remove(part);
    throw new StoreRefused(`${path} cannot be copied to ${file}: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    db?.close();
  }
}

async function remove(file: string): Promise<void> {
  for (const path of [file, `${file}-wal`, `${file}-shm`]) await Deno.remove(path).catch(() => {});
}

function renewEpoch(path: string): void {
  const db = new DatabaseSync(path);
  try {
    // One that is older than epochs gets its first when it is opened.
    if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'epoch'").get()) db.exec(RENEW_EPOCH);
  } finally {
    db.close();
  }
}
