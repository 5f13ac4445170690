// The store on one SQLite file: the default, for one node.

import type { Store, StoreLimits } from "./store.ts";
import { accountStore } from "./sqlite/accounts.ts";
import { contactStore } from "./sqlite/contacts.ts";
import { Database } from "./sqlite/database.ts";
import { deedStore } from "./sqlite/deeds.ts";
import { deviceStore } from "./sqlite/devices.ts";
import { doorStore } from "./sqlite/door.ts";
import { exportStore } from "./sqlite/export.ts";
import { fileStore } from "./sqlite/files.ts";
import { groupStore } from "./sqlite/groups.ts";
import { hookStore } from "./sqlite/hooks.ts";
import { leavingStore } from "./sqlite/deleted_accounts.ts";
import { historyStore } from "./sqlite/history.ts";
import { Logs } from "./sqlite/user_logs.ts";
import { membershipStore } from "./sqlite/membership.ts";
import { messageStore } from "./sqlite/messages.ts";
import { Node, nodeStore } from "./sqlite/node.ts";
import { operatorStore } from "./sqlite/operators.ts";
import { migrate } from "./sqlite/schema.ts";
import { profileStore } from "./sqlite/profiles.ts";
import { pushStore } from "./sqlite/push.ts";
import { quotaStore } from "./sqlite/quota.ts";
import { searchStore } from "./sqlite/search.ts";
import { SearchIndex } from "./sqlite/search_index.ts";
import { sessionStore } from "./sqlite/sessions.ts";
import { talkStore } from "./sqlite/talks.ts";

/**
 * Opens the store on a SQLite file, which is created if there is none and brought to the newest schema.
 *
 * Throws {@linkcode StoreRefused} if the file cannot be used (no such folder, no rights, not a database, another program's tables, a newer schema), and
 * {@linkcode StoreUnavailable} if another process keeps it locked.
 */
export async function openSqlite(path: string, limits: StoreLimits): Promise<Store> {
  const db = new Database(path);
  try {
    await migrate(db, path);
    db.configure();
  } catch (error) {
    await db.close();
    throw db.refusal(error);
  }
  const node = new Node(db);
  const index = new SearchIndex(db);
  const logs = new Logs(db, node, limits.maxInbox);
  return {
    ...nodeStore(db, node),
    ...accountStore(db, logs),
    ...doorStore(db),
    ...leavingStore(db, logs),
    ...profileStore(db),
    ...sessionStore(db, node, logs, limits.maxDevices),
    ...deviceStore(db, logs),
    ...operatorStore(db, node),
    ...messageStore(db, logs, index),
    ...historyStore(db),
    ...deedStore(db, logs, index),
    ...talkStore(db, node),
    indexPause: { times: 20, most: 100 },
    ...searchStore(db, index),
    ...contactStore(db, node, logs, limits),
    ...groupStore(db, node),
    ...membershipStore(db, logs, limits),
    ...hookStore(db),
    ...exportStore(db),
    ...quotaStore(db),
    ...pushStore(db),
    ...fileStore(db),
  };
}
