/** The operator's commands. They work on the configured database, beside a running server or without one. */
import { command, CommandError, find, newPassword, unopened } from "./command.ts";
import { print } from "./output.ts";

/** Users read at once. */
const USERS_AT_ONCE = 1000;

/** `natter users`: everyone, a line each. */
export function users(args: string[]): Promise<number> {
  return command(args, [], async (store) => {
    print(["id", "name", "state", "node", "since"].join("\t"));
    for (let after = 0;;) {
      const page = await store.users(after, USERS_AT_ONCE);
      for (const user of page) {
        const state = user.closed ? `${user.state}, closed` : user.state;
        const since = user.state === "online" ? user.since : user.lastseen;
        print([user.id, user.name, state, user.nodes.join(",") || "-", since === null ? "never" : new Date(since).toISOString()].join("\t"));
      }
      if (page.length < USERS_AT_ONCE) return;
      after = page[page.length - 1]!.id;
    }
  });
}

/** `natter devices ID`: a user's devices, a line each. */
export function devices(args: string[]): Promise<number> {
  return command(args, ["ID"], async (store, [who]) => {
    const { id } = await find(store, who!);
    print(["device", "name", "state", "since", "address"].join("\t"));
    for (const device of await store.devices(id)) {
      const since = device.state === "online" ? device.since : device.lastseen;
      print(
        [device.id, device.name || "-", device.state, since === null ? "never" : new Date(since).toISOString(), device.address ?? "-"].join("\t"),
      );
    }
  });
}

/** `natter passwd ID`: a new password, asked for on the terminal or read from stdin. Ends the user's devices, sessions and tokens. */
export function passwd(args: string[]): Promise<number> {
  return command(args, ["ID"], async (store, [who]) => {
    const { id, name, password: former } = await find(store, who!);
    if (former === "") throw new CommandError(`${name} is a bot, which has no password; natter bot gives it another token`);
    const password = await newPassword(`New password of ${name}: `);
    if (!await store.setPassword(id, undefined, password)) throw new CommandError(`there is no user ${who}`);
    return `the password of ${name} (${id}) is changed; their sessions end within 2 s, and their tokens have ended`;
  });
}

/** `natter ban ID`: closes an account and ends its sessions. */
export function ban(args: string[]): Promise<number> {
  return command(args, ["ID"], async (store, [who]) => {
    const { id, name } = await find(store, who!);
    await store.setClosed(id, true);
    return `${name} (${id}) is banned`;
  });
}

/** `natter unban ID`: opens an account again. */
export function unban(args: string[]): Promise<number> {
  return command(args, ["ID"], async (store, [who]) => {
    const { id, name } = await find(store, who!);
    await store.setClosed(id, false);
    return `${name} (${id}) may log in again`;
  });
}

/** `natter kick ID [DEVICE]`: ends a user's sessions on whichever node they are, or that of one device. */
export function kick(args: string[]): Promise<number> {
  return command(args, ["ID", "[DEVICE]"], async (store, [who, which]) => {
    const { id, name } = await find(store, who!);
    if (which !== undefined && !/^\d{1,9}$/.test(which)) {
      throw new CommandError(`${which} is not the number of a device; natter devices ${who} lists them`);
    }
    const device = which === undefined ? undefined : Number(which);
    const named = device === undefined ? `${name} (${id})` : `device ${device} of ${name} (${id})`;
    if (!await store.kick(id, device)) throw new CommandError(`${named} is not online`);
    return `${named} will be cut within 2 s`;
  });
}

/** `natter restored`: the database was put back from a copy, and clients are to know that. */
export function restored(args: string[]): Promise<number> {
  return command(args, [], async (store) => {
    await store.renewEpoch();
    return "clients start anew from what the database has";
  });
}

/** `natter reindex`: what messages are found by is written anew. */
export function reindex(args: string[]): Promise<number> {
  return command(args, [], async (store) => {
    await store.reindex();
    return "the index is built anew by the running server, or by the next one: natter_search_behind in /metrics says how far it is";
  });
}

/** `natter backup FILE`: a consistent copy of the SQLite database as it is, also one of an older version, while the server runs. */
export function backup(args: string[]): Promise<number> {
  return unopened(args, ["FILE"], async ([file], { database }) => {
    if (database.kind !== "sqlite") throw new CommandError("backup copies SQLite files; use mysqldump --single-transaction for MySQL");
    const { backupSqlite } = await import("../store/sqlite/backup.ts");
    await backupSqlite(database.path, file!);
    return `${database.path} is copied to ${file}`;
  });
}
