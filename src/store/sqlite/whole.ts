// All of the store on a SQLite file.

import type { Store, StoreLimits } from "../store.ts";
import { accountStore } from "./accounts.ts";
import { contactStore } from "./contacts.ts";
import { deedStore } from "./deeds.ts";
import { deviceStore } from "./devices.ts";
import { doorStore } from "./door.ts";
import { exportStore } from "./export.ts";
import { fileStore } from "./files.ts";
import { groupStore } from "./groups.ts";
import { hookStore } from "./hooks.ts";
import { leavingStore } from "./deleted_accounts.ts";
import { historyStore } from "./history.ts";
import { Logs } from "./user_logs.ts";
import { membershipStore } from "./membership.ts";
import { messageStore } from "./messages.ts";
import type { Database } from "./database.ts";
import { operatorStore } from "./operators.ts";
import { profileStore } from "./profiles.ts";
import { pushStore } from "./push.ts";
import { quotaStore } from "./quota.ts";
import { searchStore } from "./search.ts";
import { SearchIndex } from "./search_index.ts";
import { sessionStore } from "./sessions.ts";
import { talkStore } from "./talks.ts";
import type { Node, nodeStore } from "./node.ts";

/** The store on a file that is open. `life` is its part that is this node's life. */
export function storeOn(db: Database, node: Node, life: ReturnType<typeof nodeStore>, limits: StoreLimits): Store {
  const index = new SearchIndex(db);
  const logs = new Logs(db, node, limits.maxInbox);
  return {
    ...life,
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
