// Brings a file's tables to the newest version. It stands in `PRAGMA user_version`; `application_id` tells natter's files from others'.

import { migrating } from "../migrating.ts";
import { StoreRefused } from "../store.ts";
import type { Database } from "./database.ts";
import { MIGRATIONS } from "./migrations.ts";

/** By which natter's files are told from others': "nttr". */
export const APPLICATION_ID = 0x6e747472;

/**
 * Brings the file to the newest version, in one transaction.
 * Throws {@linkcode StoreRefused}, the file untouched, if it holds another program's tables or a newer version, or is an older one's that somebody serves.
 */
export async function migrate(db: Database, path: string): Promise<void> {
  const found = check(db, path);
  if (found === MIGRATIONS.length) return;
  if (found === 0) return await apply(db, path);
  const [, , real] = db.row<[number, string, string]>("PRAGMA database_list")!;
  try {
    db.file.lock(real);
  } catch (error) {
    throw error instanceof StoreRefused ? new StoreRefused(`${error.message}, of an older version: stop that one first`) : error;
  }
  try {
    await migrating(found, MIGRATIONS.length, () => apply(db, path));
  } finally {
    db.file.unlock();
  }
}

async function apply(db: Database, path: string): Promise<void> {
  db.exec("BEGIN IMMEDIATE");
  try {
    // Read again: another process may have been faster.
    for (const migration of MIGRATIONS.slice(check(db, path))) {
      if (typeof migration === "string") db.exec(migration);
      else await migration(db);
    }
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`);
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

/** @returns the file's version; 0: it is empty. */
function check(db: Database, path: string): number {
  const [[tables]] = db.rows<[number]>("SELECT count(*) FROM sqlite_schema");
  const [[application]] = db.rows<[number]>("PRAGMA application_id");
  const [[version]] = db.rows<[number]>("PRAGMA user_version");
  if (tables === 0 && application === 0) return 0;
  if (application !== APPLICATION_ID) {
    throw new StoreRefused(`the database ${path} holds tables that natter did not make; they are left untouched: name another file`);
  }
  if (version > MIGRATIONS.length) {
    throw new StoreRefused(`the database ${path} is of a newer natter (schema ${version}, this one knows ${MIGRATIONS.length})`);
  }
  return version;
}
