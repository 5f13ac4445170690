import type { Store, StoreLimits } from "./store.ts";

/** What must be known to open a store. */
export interface StoreConfig {
  /** Which, and where. */
  database: { kind: "sqlite"; path: string } | { kind: "mysql"; url: string };
  /** Most members of a group. */
  maxGroup: number;
  /** Most entries of a user's log for a device that is behind. */
  maxInbox: number;
  /** Most named devices of a user. */
  maxDevices: number;
  /** Bytes of the longest line that brings a message. */
  maxLine: number;
}

/** Most groups, friends and blocks of a user: the lists go out at every login, whole; of the longest names (50 characters of four bytes) they are 230 KiB. */
const MAX_CONTACTS = 400;

/** A database that is open. For a node to take its name, all that is done with it afterwards need not be loaded. */
export interface Opened extends Pick<Store, "join" | "leave" | "close"> {
  /** All of it; called once. What `join`, `leave` and `close` do they do to it. */
  store(): Promise<Store>;
}

/**
 * Opens the configured database, which is created if there is none, unless `create` is false (on SQLite the caller looks); only its driver is loaded. Throws
 * {@linkcode StoreRefused} or {@linkcode StoreUnavailable}.
 */
export async function openDatabase({ database, maxGroup, maxInbox, maxDevices, maxLine }: StoreConfig, create = true): Promise<Opened> {
  const limits: StoreLimits = { maxGroup, maxInbox, maxDevices, maxContacts: MAX_CONTACTS };
  if (database.kind === "sqlite") return await (await import("./sqlite.ts")).openFile(database.path, limits);
  const store = await (await import("./mysql.ts")).openMysql(database.url, limits, create, create ? maxLine : undefined);
  return { ...store, store: () => Promise.resolve(store) };
}

/** The same, and loads all of it. */
export async function openStore(config: StoreConfig, create = true): Promise<Store> {
  return await (await openDatabase(config, create)).store();
}
