/**
 * The write-ahead log of a SQLite file that is open (its WAL file): bringing it to the disk, emptying it, and what there is to do when it is lost.
 *
 * 1. The disk is not waited for by SQLite (`synchronous=FULL`), which would hold up the event loop, but here: SQLite's COMMIT has written the log when it
 *    returns (`synchronous=NORMAL`), and then that file is synced as FULL would do it, by another thread.
 * 2. If the log cannot be synced, nobody knows what of it the disk has, now or after the next sync: from then on everything is refused.
 * 3. If the file or its log is not where it was, the next start would not find what is committed now: from then on everything is refused, and `check` tells the
 *    server to stop. What the log holds is brought into the file before that, and the log is emptied, lest it be taken for that of another file. The file is
 *    not closed: SQLite would remove what is at the log's path by then.
 * 4. What a change takes out of the tables is overwritten in the file (`secure_delete`); where that matters, the change says so (`eraseSoon`), and the log, which
 *    has what the pages were before, is emptied within seconds: rarely where the disk is slow, for the event loop waits for that.
 */

import { waitedFor } from "../../async/disk.ts";
import { StoreRefused, StoreUnavailable } from "../store.ts";
import { LOCK_TIMEOUT, type Statements } from "./statements.ts";

/**
 * How long after a transaction that took text out the log is emptied (ms). That waits for the disk with the event loop: where it takes long, it comes after so
 * many times as long, at most.
 */
const ERASE_AFTER = 1000, ERASE_REST = 20, MOST_ERASE_AFTER = 10_000;

/** What it has to do with the transactions whose log it is. */
interface Transactions {
  /** Resolves when what is committed is on the disk; undefined: it is. */
  syncing(): Promise<void> | undefined;
  /** Nothing reads any more, so that the log can be emptied. */
  endSnapshot(): void;
  /** It is broken: none that waits comes to be. */
  refuseAll(reason: StoreUnavailable): void;
}

export class WriteAheadLog {
  readonly #db: Statements;
  readonly #transactions: Transactions;
  #file: Deno.FsFile | undefined;
  /** Why everything is refused. */
  broken: StoreUnavailable | undefined;
  /** What is not where it was. */
  moved: string | undefined;
  #erasing: ReturnType<typeof setTimeout> | undefined;
  /** How long it was being emptied the last time (ms). */
  #erased = 0;
  #stopped = false;

  /** It is not open yet. */
  constructor(db: Statements, transactions: Transactions) {
    this.#db = db;
    this.#transactions = transactions;
  }

  /** Throws {@linkcode StoreRefused} if there cannot be one. */
  open(): void {
    const [mode] = this.#db.row<[string]>("PRAGMA journal_mode = WAL")!;
    if (mode !== "wal") {
      throw new StoreRefused(`the database ${this.#db.file.path} cannot have a write-ahead log there (its journal is "${mode}")`);
    }
    this.#db.exec("PRAGMA synchronous = NORMAL");
    // Named by SQLite: where the path is a link, the log stands beside the link's target. Reading creates it.
    const [, , path] = this.#db.row<[number, string, string]>("PRAGMA database_list")!;
    this.#db.row("SELECT count(*) FROM sqlite_schema");
    this.#file = this.#db.file.opened(path);
  }

  /** Resolves when what it holds is on the disk, or it is broken. */
  sync(): Promise<void> {
    return waitedFor(this.#file!.syncData()).catch((error) => this.#break(error));
  }

  /** The same, with the event loop waiting. */
  syncNow(): void {
    try {
      this.#file!.syncDataSync();
    } catch (error) {
      this.#break(error);
    }
  }

  #break(error: unknown): void {
    const reason = error instanceof Error ? error.message : error;
    this.#refuseAll(`the log of the database ${this.#db.file.path} cannot be synced, restart natter: ${reason}`, { cause: error });
  }

  #refuseAll(why: string, options?: ErrorOptions): void {
    this.broken ??= new StoreUnavailable(why, options);
    this.#transactions.refuseAll(this.broken);
  }

  /** What a change took out is to be gone from the disk soon: SQLite overwrites what it frees, and the log has it still. Only in `write`. */
  eraseSoon(): void {
    // SQLite takes the log away with the file's last connection.
    if (this.#stopped) return;
    this.#erasing ??= setTimeout(() => this.#erase(), Math.min(MOST_ERASE_AFTER, Math.max(ERASE_AFTER, ERASE_REST * this.#erased)));
  }

  #erase(): void {
    const syncing = this.#transactions.syncing();
    if (syncing) return void syncing.then(() => this.#erase());
    this.#erasing = undefined;
    if (this.#stopped || this.broken) return;
    const begun = performance.now();
    // Whoever reads in another process is not waited for: then it is tried again.
    const isEmpty = this.#empty(0);
    this.#erased = performance.now() - begun;
    if (!isEmpty) this.eraseSoon();
  }

  /** Brings what it holds into the file; others are waited for `patience` ms. @returns whether that is all, and it is empty */
  #empty(patience: number): boolean {
    try {
      this.#transactions.endSnapshot();
      if (patience > 0) this.#db.exec(`PRAGMA busy_timeout = ${patience}`);
      const [busy] = this.#db.row<[number]>("PRAGMA wal_checkpoint(TRUNCATE)")!;
      return busy === 0;
    } catch {
      return false;
    }
  }

  /** Rule 3. */
  look(): void {
    if (this.broken) return;
    const moved = this.#db.file.moved();
    if (!moved) return;
    this.moved = `${moved}: restart natter; what was committed is ${this.#empty(LOCK_TIMEOUT) ? "" : "not all "}in the file that was open`;
    this.#refuseAll(this.moved);
  }

  /** Throws {@linkcode StoreRefused} if the server must stop, {@linkcode StoreUnavailable} if everything is refused. */
  check(): void {
    this.look();
    if (this.moved) throw new StoreRefused(this.moved);
    if (this.broken) throw this.broken;
  }

  /** It is not emptied any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#erasing);
  }

  /** Before SQLite closes the file. */
  close(): void {
    this.#file?.close();
  }
}
