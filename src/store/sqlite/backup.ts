import { backup, DatabaseSync } from "node:sqlite";
import { StoreRefused } from "../store.ts";

/** More pages than a SQLite file can have. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Copies a SQLite database into a new file, as of one moment, beside a server that goes on writing.
 * Throws {@linkcode StoreRefused} if the file exists or cannot be written.
 */
export async function backupSqlite(path: string, file: string): Promise<void> {
  if (await Deno.stat(file).then(() => true, () => false)) throw new StoreRefused(`${file} exists; name another file`);
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA busy_timeout = 5000");
    // All pages in one step: what another process writes between two steps would make SQLite begin again.
    await backup(db, file, { rate: ALL_PAGES });
  } catch (error) {
    throw new StoreRefused(`${path} cannot be copied to ${file}: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    db.close();
  }
}
