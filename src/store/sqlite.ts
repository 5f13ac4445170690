// The store on one SQLite file: the default, for one node.

import type { Opened } from "./open.ts";
import { Database } from "./sqlite/database.ts";
import { Node, nodeStore } from "./sqlite/node.ts";
import { migrate } from "./sqlite/schema.ts";
import type { Store, StoreLimits } from "./store.ts";

/**
 * Opens a SQLite file, which is created if there is none and brought to the newest schema.
 *
 * Throws {@linkcode StoreRefused} if the file cannot be used (no such folder, no rights, not a database, another program's tables, a newer schema), and
 * {@linkcode StoreUnavailable} if another process keeps it locked.
 */
export async function openFile(path: string, limits: StoreLimits): Promise<Opened> {
  const db = new Database(path);
  try {
    await migrate(db, path);
    db.configure();
  } catch (error) {
    await db.close();
    throw db.refusal(error);
  }
  const node = new Node(db);
  const life = nodeStore(db, node);
  return { ...life, store: async () => (await import("./sqlite/whole.ts")).storeOn(db, node, life, limits) };
}

/** The same, and loads all of the store. */
export async function openSqlite(path: string, limits: StoreLimits): Promise<Store> {
  return await (await openFile(path, limits)).store();
}
