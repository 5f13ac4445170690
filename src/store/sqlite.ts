// The store on one SQLite file: the default, for one node.

import type { Store, StoreLimits } from "./store.ts";
import { accountStore } from "./sqlite/accounts.ts";
import { contactStore } from "./sqlite/contacts.ts";
import { Database } from "./sqlite/database.ts";
import { deviceStore } from "./sqlite/devices.ts";
import { groupStore } from "./sqlite/groups.ts";
import { Logs } from "./sqlite/logs.ts";
import { messageStore } from "./sqlite/messages.ts";
import { Node, nodeStore } from "./sqlite/node.ts";
import { operatorStore } from "./sqlite/operators.ts";
import { migrate } from "./sqlite/schema.ts";
import { searchStore } from "./sqlite/search.ts";
import { sessionStore } from "./sqlite/sessions.ts";

/**
 * Opens the store on a SQLite file, which is created if there is none and brought to the newest schema.
 *
 * Throws {@linkcode StoreRefused} if the file cannot be used (no such folder, no rights, not a database, another program's tables, a newer schema), and
 * {@linkcode StoreUnavailable} if another process keeps it locked.
 */
export async function openSqlite(path: string, limits: StoreLimits): Promise<Store> {
  const db = new Database(path);
  try {
    migrate(db, path);
    db.configure();
  } catch (error) {
    await db.close();
    throw db.refusal(error);
  }
  const node = new Node(db);
  const logs = new Logs(db, node, limits.maxInbox);
  return {
    ...nodeStore(db, node),
    ...accountStore(db, logs),
    ...sessionStore(db, node, logs, limits.maxDevices),
    ...deviceStore(db, logs),
    ...operatorStore(db, node),
    ...messageStore(db, logs),
    ...searchStore(db),
    ...contactStore(db, node, logs, limits),
    ...groupStore(db, node, limits),
  };
}
