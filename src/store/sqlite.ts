import type { Store, StoreLimits } from "./store.ts";

/** Opens the database file, and creates it if there is none. */
export function openSqlite(_path: string, _limits: StoreLimits): Promise<Store> {
  return Promise.reject(new Error("not written yet"));
}
