/**
 * The database's file as the file system has it, at which SQLite does not look again once it is open.
 *
 * 1. A file with several names (hard links) is refused: SQLite's log stands beside the name that was used, so each name has a log of its own, and who comes
 *    by one knows nothing of what stands in the other's.
 * 2. Whoever serves the file holds two locks, which the death of the process frees. `<file>.lock` stands beside the file itself, wherever a symbolic link to it
 *    is, and says who holds it. On Linux the file is locked as well: renamed, or mounted elsewhere, it is still the same one. (There such a lock and SQLite's
 *    own do not see each other; elsewhere they do.) An operator's command opens the file without these locks, unless it brings it to newer tables: an older
 *    natter that serves it could not go on.
 * 3. The locked descriptor of the file is closed after SQLite's: closing one drops all locks of this process that SQLite has on that file.
 * 4. What is at the paths must be what is open: else the next start finds another file, or no log, and nothing that is committed from then on. The database
 *    looks after each commit, before it tells of it, and every 3 s (`renew`).
 */
import { nodeFs } from "../../node.ts";
import { StoreRefused } from "../store.ts";

/** What must fit onto a disk that was full before it counts as writable again (bytes). */
const ROOM = 1024 * 1024;

/** The mode of a file that its owner alone may read. */
export const PRIVATE = 0o600;

/** Rule 1. Throws {@linkcode StoreRefused}. */
export function refuseSeveralNames(path: string): void {
  let names: number | null = null;
  try {
    const { isFile, nlink } = Deno.statSync(path);
    if (isFile) names = nlink;
  } catch {
    // There is none yet, or SQLite will say what is wrong.
  }
  if (names !== null && names > 1) {
    throw new StoreRefused(
      `the database ${path} has ${names} names (hard links), each with a log of its own: remove all but the one that was used`,
    );
  }
}

/** One database file and its log. */
export class DatabaseFile {
  /** As it was given. */
  readonly path: string;
  /** Where the file itself is. */
  #real = "";
  /** There was none. */
  readonly #isNew: boolean;
  #identity = "";
  #logIdentity = "";
  #beside: Deno.FsFile | undefined;
  #locked: Deno.FsFile | undefined;

  /** Before SQLite opens it. Throws {@linkcode StoreRefused} if it has several names. */
  constructor(path: string) {
    this.path = path;
    refuseSeveralNames(path);
    this.#isNew = identityAt(path) === undefined;
  }

  /** SQLite has opened it, and made it if there was none: then nobody else may read it, nor what SQLite makes beside it, which has the same mode. */
  made(): void {
    if (!this.#isNew || Deno.build.os === "windows") return;
    try {
      Deno.chmodSync(this.path, PRIVATE);
    } catch {
      // There is no file, or its disk knows no modes.
    }
  }

  /** SQLite has opened it, and calls it `real`. @returns its log, for syncing */
  opened(real: string): Deno.FsFile {
    this.#real = real;
    const log = Deno.openSync(`${real}-wal`, { read: true, write: true });
    this.#identity = identityOf(Deno.statSync(this.path));
    this.#logIdentity = identityOf(log.statSync());
    return log;
  }

  /** What is not where it was, as one clear line; undefined: all is. */
  moved(): string | undefined {
    if (identityAt(this.path) !== this.#identity) return `the database ${this.path} was moved, removed or replaced while natter had it open`;
    if (identityAt(`${this.#real}-wal`) !== this.#logIdentity) {
      return `the log of the database (${this.#real}-wal) was moved, removed or replaced while natter had it open`;
    }
  }

  /** Writes a file of {@linkcode ROOM} beside it, and removes it. Throws if there is no room. */
  tryRoom(): void {
    const path = `${this.#real}.room`;
    try {
      Deno.writeFileSync(path, new Uint8Array(ROOM));
    } finally {
      Deno.removeSync(path);
    }
  }

  /** Locks it for the one who serves it, or brings it to newer tables. Throws {@linkcode StoreRefused} if another has it, or it cannot be locked. @param real as in `opened` */
  lock(real = this.#real): void {
    this.#real = real;
    const beside = this.#openBeside();
    if (!beside.tryLockSync(true)) {
      beside.close();
      const pid = Deno.readTextFileSync(`${this.#real}.lock`).trim();
      // It may be about to say so.
      throw new StoreRefused(`the database ${this.path} is in use by another natter${pid && ` (process ${pid})`}`);
    }
    this.#beside = beside;
    beside.truncateSync();
    beside.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
    if (Deno.build.os !== "linux") return;
    this.#locked ??= Deno.openSync(this.#real);
    if (this.#locked.tryLockSync(true)) return;
    this.unlock();
    throw new StoreRefused(
      `the database ${this.path} is in use by another natter, which has it under another name (or it is not on a local disk, as natter's log must be)`,
    );
  }

  /**
   * The file that is locked beside it. Nobody else may open it: who holds its lock keeps natter from starting. What an operator makes, with more rights than the server
   * has, belongs to whom the database belongs to, as SQLite's log does. So it must be no link: it could lead to what is the operator's alone.
   */
  #openBeside(): Deno.FsFile {
    const path = `${this.#real}.lock`;
    let beside: Deno.FsFile | undefined;
    try {
      beside = Deno.openSync(path, { create: true, read: true, write: true, mode: PRIVATE });
      if (Deno.build.os === "windows") return beside;
      if (identityOf(Deno.lstatSync(path)) !== identityOf(beside.statSync())) throw new Error(`${path} is a link`);
    } catch (error) {
      beside?.close();
      throw new StoreRefused(`the database ${this.path} cannot be locked: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
    try {
      this.#makePrivate(path, beside.statSync());
    } catch {
      // It is not ours to give away, or its disk knows no modes.
    }
    return beside;
  }

  /** By what is open, not by the path: that may lead elsewhere by now. */
  #makePrivate(path: string, there: Deno.FileInfo): void {
    const { uid, gid } = Deno.statSync(this.#real);
    if ((there.mode! & 0o777) === PRIVATE && there.uid === uid) return;
    const fs = nodeFs();
    const fd = fs.openSync(path, "r+");
    try {
      if (identityOf(fs.fstatSync(fd)) !== identityOf(there)) return;
      fs.fchmodSync(fd, PRIVATE);
      if (there.uid !== uid) fs.fchownSync(fd, uid!, gid!);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Another may serve it. */
  unlock(): void {
    // Closing is not enough: a program that is being started by this one has the files open until it runs.
    this.#beside?.unlockSync();
    this.#beside?.close();
    this.#beside = undefined;
    this.#locked?.unlockSync();
  }

  /** After SQLite has closed it. */
  close(): void {
    this.unlock();
    this.#locked?.close();
    this.#locked = undefined;
  }
}

function identityOf({ dev, ino }: Pick<Deno.FileInfo, "dev" | "ino">): string {
  return `${dev} ${ino}`;
}

function identityAt(path: string): string | undefined {
  try {
    return identityOf(Deno.statSync(path));
  } catch {
    return undefined;
  }
}
