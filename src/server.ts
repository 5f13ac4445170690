/**
 * Starts a server. What listens waits behind nothing but what can refuse the start: the settings' files, the database, the addresses. All else (parts.ts) is
 * loaded behind the ready line, while those who come wait in the kernel's queue.
 */
import type { Config } from "./config/config.ts";
import { Folder } from "./files/folder.ts";
import { readCertificate } from "./net/certificate.ts";
import { type Addresses, Listeners } from "./net/listeners.ts";
import { log } from "./ops/log.ts";
import type { Overrides, Parts, Server } from "./parts.ts";
import { openDatabase } from "./store/open.ts";
import type { UserId } from "./store/store.ts";

export type { Overrides, Server };

/**
 * Opens the database, takes the node's name, sets users of a former life offline, and listens.
 *
 * `ready` is told when whoever connects will be served. Who is faster than the rest of the start waits for it; it is done when this resolves.
 *
 * Throws {@linkcode ConfigError} (the certificate), {@linkcode StoreRefused} (the database, the folder for files), {@linkcode StoreUnavailable} or {@linkcode ListenError}.
 */
export async function start(config: Config, overrides: Overrides = {}, ready: (addresses: Addresses) => void = () => {}): Promise<Server> {
  const certificate = await readCertificate(config);
  // A start that fails leaves no file where there was none. Where there is one, its server is named that has the file.
  if (config.database.kind === "sqlite" && !await isThere(config.database.path)) Listeners.check(config);
  const opened = await openDatabase(config);
  let folder: Folder | undefined;
  let left: UserId[];
  try {
    // Without HTTP there is no way to them.
    if (config.files !== undefined && (config.http || config.https)) folder = await Folder.open(config.files);
    left = await opened.join(config.node, overrides.times?.name);
    if (left.length > 0) log.warning("users that a former life had left online are offline now", { users: left.length });
  } catch (error) {
    await opened.close();
    throw error;
  }
  let listeners: Listeners | undefined, parts: Parts | undefined;
  try {
    listeners = await Listeners.open(config, certificate);
    ready(listeners.addresses);
    const [store, { Parts }] = await Promise.all([opened.store(), import("./parts.ts")]);
    parts = new Parts({ config, store: overrides.store?.(store) ?? store, folder, listeners }, overrides);
    await parts.begin(left);
    return parts;
  } catch (error) {
    if (parts) await parts.close();
    else {
      await listeners?.stopAccepting();
      await listeners?.close();
      await opened.leave().catch((error) => log.warning("the lease was not given up", { error }));
      await opened.close();
    }
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => !(error instanceof Deno.errors.NotFound));
}
