/**
 * The store on MySQL or MariaDB, shared by several nodes. Its parts are in `mysql/`: `link.ts` and `pool.ts` (connections, deadlines, retries), `schema.ts`
 * and `migrations.ts`, `users.ts` and `locked_user.ts` (what transactions decide on), `held_rows.ts`, `node.ts` (name, incarnation, lease, sweep), `claims.ts`, `sessions.ts`,
 * `user_logs.ts`, `append.ts`, `deeds.ts`, `messages.ts`, `history.ts`, `talks.ts`, `accounts.ts`, `door.ts`, `looks.ts`, `deleted_accounts.ts`, `profiles.ts`, `contacts.ts`,
 * `groups.ts`, `membership.ts`, `group_events.ts`, `welcome.ts`, `search.ts`, `hooks.ts`, `push.ts`, `files.ts`.
 */

import net from "node:net";
import { accounts } from "./mysql/accounts.ts";
import { appending } from "./mysql/append.ts";
import { claims } from "./mysql/claims.ts";
import { contacts } from "./mysql/contacts.ts";
import { door } from "./mysql/door.ts";
import { exporting } from "./mysql/export.ts";
import { files } from "./mysql/files.ts";
import { groups } from "./mysql/groups.ts";
import { deeds } from "./mysql/deeds.ts";
import { histories } from "./mysql/history.ts";
import { hookStore } from "./mysql/hooks.ts";
import { leaving } from "./mysql/deleted_accounts.ts";
import type { Target } from "./mysql/link.ts";
import { membership } from "./mysql/membership.ts";
import { messages } from "./mysql/messages.ts";
import { NodeLife } from "./mysql/node.ts";
import { operators } from "./mysql/operators.ts";
import { Pool } from "./mysql/pool.ts";
import { profiles } from "./mysql/profiles.ts";
import { prepareDatabase } from "./mysql/schema.ts";
import { pushStore } from "./mysql/push.ts";
import { quotas } from "./mysql/quota.ts";
import { searching } from "./mysql/search.ts";
import { sessions } from "./mysql/sessions.ts";
import { talks } from "./mysql/talks.ts";
import { Users } from "./mysql/users.ts";
import { welcome } from "./mysql/welcome.ts";
import { type Store, type StoreLimits, StoreRefused } from "./store.ts";

/**
 * Opens `mysql://user:password@host:3306/name`, creates the database (unless `create` is false) and its tables if it may.
 * With `?ssl=true` the connection is encrypted, and the server's certificate must be valid for the host's name.
 *
 * The log is told if the database takes no statement as long as one for a line of `maxLine` bytes may be.
 *
 * Throws {@linkcode StoreRefused} or {@linkcode StoreUnavailable}.
 */
export async function openMysql(url: string, limits: StoreLimits, create = true, maxLine?: number): Promise<Store> {
  const target = parseUrl(url);
  const driver = await import("mysql2");
  await prepareDatabase(driver, target, create, maxLine);
  const db = new Pool(driver, target);
  const users = new Users(db, limits.maxInbox);
  const node = new NodeLife(db, users);
  return {
    appendLimit: 500,
    indexPause: { times: 10, most: 1000 },

    join: (name, wait) => node.join(name, wait),
    renew: () => node.renew(),
    rejoin: (held) => node.rejoin(held),
    sweep: () => node.sweep(),
    takeKicks: () => node.takeKicks(),
    isNamed: (name) => node.isNamed(name),
    leave: () => node.leave(),
    close: () => db.close(),
    ping: async () => void await db.read("SELECT 1"),

    ...accounts(db, users),
    ...door(db),
    ...leaving(db, users),
    ...profiles(db),
    ...claims(users, node, limits),
    ...sessions(db, users, node),
    ...operators(db, users),
    ...appending(db, limits),
    ...messages(db),
    ...histories(db),
    ...deeds(db, limits),
    ...talks(db),
    ...contacts(db, limits),
    ...groups(db),
    ...membership(db, limits),
    ...welcome(db),
    ...searching(db),
    ...hookStore(db, limits),
    ...exporting(db),
    ...quotas(db),
    ...pushStore(db, users),
    ...files(db),
  };
}

function parseUrl(text: string): Target {
  let url: URL;
  let target: Target;
  try {
    url = new URL(text);
    target = {
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port || 3306),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)),
      ssl: url.searchParams.get("ssl") === "true",
    };
  } catch {
    throw new StoreRefused("the database's URL must read mysql://user:password@host:3306/name");
  }
  if (url.protocol !== "mysql:" || target.host === "" || target.database === "") {
    throw new StoreRefused("the database's URL must read mysql://user:password@host:3306/name");
  }
  if (target.ssl && net.isIP(target.host)) {
    throw new StoreRefused("ssl=true needs the database's host by name: its certificate is checked against it");
  }
  const unknown = [...url.searchParams].find(([name, value]) => name !== "ssl" || !["true", "false"].includes(value));
  if (unknown) throw new StoreRefused(`the database's URL knows ssl=true and ssl=false, not "${unknown[0]}=${unknown[1]}"`);
  return target;
}
