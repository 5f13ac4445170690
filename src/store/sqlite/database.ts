/**
 * One SQLite file: the one way to read it, and the one way to write to it.
 *
 * Rules:
 *
 * 1. Reads see what is committed and on the disk: one that comes while a transaction is on its way there runs when it has arrived, any other at once. Many at
 *    once are spread over turns of the event loop (`async/loop.ts`). Those who wrote have their answers before those who waited to read go on; and a transaction
 *    goes before those who wait to read, but for those of whom none has come to it since the last one, and when these have had as much time as the disk takes of
 *    late: else a slow one would leave them 4 ms of each of its syncs. Reads of the same moment, which nothing but microtasks part, share one snapshot (a transaction that
 *    only reads): beginning one costs ten times what a statement does.
 * 2. Nothing is written but through `write`, and, before a process serves anyone, `writeNow`. What is asked for in one turn of the event loop is committed
 *    together, in the order it was asked for (group commit): one fsync for many, one transaction at a time. A promise resolves when its transaction is on the
 *    disk.
 * 3. A change is synchronous and rests on nothing but the database and its own arguments, for it may run twice: when one change fails, its transaction is
 *    rolled back, that one is rejected, and the others run again without it. What memory holds of the tables is good for one `generation`.
 * 4. A transaction holds changes of about 100 in cost (a stored message costs 1), so that the event loop is blocked for some milliseconds at most; an
 *    append now and then files a piece of the tail (`tail.ts`): 2 to 6 ms.
 * 5. A transaction waits for the disk (it survives a power loss), by the log's rules (`write_ahead_log.ts`), unless it changed nothing, or all of its changes are
 *    `passing`: who is online here ends with the machine anyway, and the next start says so. It survives the end of the process in either case.
 * 6. After a transaction that could not be written (the disk is full, or fails) `ping` rejects, until `check` could write: a megabyte, for what is small may fit
 *    where the next is too large.
 * 7. Another process that writes (an operator's command) is waited for without blocking the event loop, but by `writeNow`.
 */

import type { DatabaseSync } from "node:sqlite";
import { later, laterFirst, quiet, spent, worked } from "../../async/loop.ts";
import { StoreUnavailable } from "../store.ts";
import { LOCK_TIMEOUT, Statements } from "./statements.ts";
import { WriteAheadLog } from "./write_ahead_log.ts";

/** What one transaction may hold. */
export const COMMIT_COST = 100;
/** How often a transaction that waits for another process asks (ms). */
const LOCK_INTERVAL = 5;

interface Change {
  run: () => unknown;
  cost: number;
  passing: boolean;
  resolve: (result: unknown) => void;
  reject: (reason: unknown) => void;
}

/** Connections that must not be closed, for the file is not where it was: nobody but the end of the process may. */
const abandoned: DatabaseSync[] = [];

export class Database extends Statements {
  /** Its write-ahead log. */
  readonly log = new WriteAheadLog(this, {
    syncing: () => this.#syncing,
    endSnapshot: () => this.#endSnapshot(),
    refuseAll: (reason) => {
      for (const change of this.#queue.splice(0)) change.reject(reason);
    },
  });
  #queue: Change[] = [];
  /** A commit is coming: resolves when it has come. */
  #scheduled: Promise<void> | undefined;
  /** How many reads wait for a later turn. */
  #reads = 0;
  /** Whether one that waited has come to it since the last transaction: who need not wait says nothing of those who do. */
  #hasRead = true;
  /** How long the disk takes of late (ms), and until when those who wait to read go before a transaction (performance.now). */
  #syncTime = 0;
  #readersUntil = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #lockedSince: number | undefined;
  /** Resolves when what is committed is on the disk, or never will be; undefined: it is there. */
  #syncing: Promise<void> | undefined;
  /** Why the last transaction could not be written. */
  #unwritable: StoreUnavailable | undefined;
  #closing = false;
  #closed = false;
  /** Whether a snapshot has begun that has not ended. */
  #inSnapshot = false;
  /** Rises with each transaction and each snapshot. */
  #view = 0;
  #generation = { number: 0, view: -1, version: -1 };
  /** Resolves when the file is closed. */
  #end: Promise<void> | undefined;

  /**
   * For a server's life: the log is synced and other processes are waited for in `write` (they do not hinder reads).
   * Checkpoints are made after 16 MB: messages touch the same pages again and again, which then are written once. What a statement of many rows needs to undo
   * itself stays in memory, not in a file.
   */
  configure(): void {
    this.log.open();
    this.db.exec("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON");
    this.db.exec("PRAGMA cache_size = -8000; PRAGMA wal_autocheckpoint = 4000; PRAGMA busy_timeout = 0; PRAGMA temp_store = MEMORY");
  }

  /** What memory holds of the tables is good as long as this number stays: until a transaction is rolled back, or another process writes. Only in `read` and `write`. */
  get generation(): number {
    const known = this.#generation;
    if (known.view !== this.#view) {
      known.view = this.#view;
      const [version] = this.row<[number]>("PRAGMA data_version")!;
      if (version !== known.version) known.number++;
      known.version = version;
    }
    return known.number;
  }

  /** Reads, by the rules above. */
  read<T>(query: () => T): Promise<T> {
    return this.#read(query, false);
  }

  #read<T>(query: () => T, waited: boolean): Promise<T> {
    if (this.#closed) return Promise.reject(new StoreUnavailable("the database is closed"));
    if (this.#syncing) return this.#syncing.then(() => this.#readLater(query));
    // Not a promise of a turn: those who wait would all go on in the same one.
    if (spent()) return this.#readLater(query);
    try {
      if (this.log.broken) throw this.log.broken;
      this.#beginSnapshot();
      this.#hasRead ||= waited;
      return Promise.resolve(query());
    } catch (error) {
      return Promise.reject(this.#translate(error));
    }
  }

  #readLater<T>(query: () => T): Promise<T> {
    this.#reads++;
    return new Promise((resolve, reject) =>
      later(() => {
        this.#reads--;
        this.#read(query, true).then(resolve, reject);
      })
    );
  }

  /** Begins a snapshot, if none has begun. */
  #beginSnapshot(): void {
    if (this.#inSnapshot) return;
    this.prepare("BEGIN").run();
    this.#inSnapshot = true;
    this.#view++;
    queueMicrotask(() => this.#endSnapshot());
  }

  /** Ends the snapshot. */
  #endSnapshot(): void {
    if (!this.#inSnapshot) return;
    this.#inSnapshot = false;
    this.db.exec("ROLLBACK");
  }

  /** Makes a change in the next transaction, by the rules above. `passing`: a power loss may undo it. */
  write<T>(change: () => T, cost = 1, passing = false): Promise<T> {
    if (this.#closing) return Promise.reject(new StoreUnavailable("the database is closed"));
    if (this.log.broken) return Promise.reject(this.log.broken);
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run: change, cost, passing, resolve: resolve as (result: unknown) => void, reject });
      this.#schedule();
    });
  }

  /**
   * Makes a change at once, in a `passing` transaction of its own; another process is waited for with the event loop blocked. For a process that serves
   * nobody yet: it need not wait for a turn of the event loop, nor load what makes one (docs/performance.md).
   */
  writeNow<T>(change: () => T): T {
    try {
      this.#endSnapshot();
      this.db.exec(`PRAGMA busy_timeout = ${LOCK_TIMEOUT}; BEGIN IMMEDIATE`);
      this.#view++;
      const result = change();
      this.db.exec("COMMIT");
      return result;
    } catch (error) {
      this.#generation.number++;
      if (this.db.isTransaction) this.db.exec("ROLLBACK");
      throw this.#translate(error);
    } finally {
      this.db.exec("PRAGMA busy_timeout = 0");
    }
  }

  /** Resolves when what is asked of the database can be done, as far as is known. */
  ping(): Promise<void> {
    return this.#unwritable ? Promise.reject(this.#unwritable) : this.read(() => void this.row("PRAGMA user_version"));
  }

  /**
   * For a server, every few seconds: is the file where it was, and can it be written to again, if it could not? `trial` is a change that changes nothing.
   * Rejects with {@linkcode StoreRefused} if the server must stop, else with {@linkcode StoreUnavailable}.
   */
  async check(trial: () => void): Promise<void> {
    this.log.check();
    if (!this.#unwritable) return;
    try {
      this.file.tryRoom();
    } catch {
      throw this.#unwritable;
    }
    await this.write(trial);
    this.#unwritable = undefined;
  }

  #schedule(): void {
    if (this.#scheduled || this.#retry !== undefined || this.#syncing || this.#queue.length === 0 || this.#closing) return;
    this.#scheduled = new Promise((resolve) => {
      const go = () => {
        this.#scheduled = undefined;
        if (!this.#closing && this.#queue.length > 0) this.#commit();
        resolve();
      };
      // Who reads, and is overtaken by it, waits for the disk again: once, and then a share of the turn that comes is theirs.
      let turns = 0;
      const behindReads = () => {
        const theirs = this.#reads > 0 && (!this.#hasRead && turns < 2 || performance.now() < this.#readersUntil);
        turns++;
        if (theirs) laterFirst(behindReads);
        else go();
      };
      // Many in a row would keep everybody waiting.
      if (worked(0)) laterFirst(behindReads);
      else setImmediate(behindReads);
    });
  }

  /** Commits what stands first in the queue. */
  #commit(): void {
    const batch = this.#take();
    const begun = performance.now();
    this.#endSnapshot();
    try {
      this.prepare("BEGIN IMMEDIATE").run();
    } catch (error) {
      this.#blocked(batch, error);
      return;
    }
    this.#lockedSince = undefined;
    this.#hasRead = false;
    this.#view++;
    const results: unknown[] = [];
    let changed;
    try {
      const before = this.#changes();
      for (const change of batch) results.push(change.run());
      changed = this.#changes() > before;
      this.prepare("COMMIT").run();
    } catch (error) {
      this.#failed(batch, batch[results.length], error);
      return;
    }
    worked(performance.now() - begun);
    if (!changed || batch.every((change) => change.passing)) this.#settle(batch, results);
    else if (this.#closing) {
      // Nobody is there to be held up.
      this.log.syncNow();
      this.#settle(batch, results);
    } else {
      const synced = performance.now();
      this.#syncing = this.log.sync().then(() => {
        this.#syncing = undefined;
        const now = performance.now();
        // Once slow is not slow: those who write wait no longer for it.
        this.#syncTime += (now - synced - this.#syncTime) / 8;
        this.#readersUntil = now + this.#syncTime;
        this.#settle(batch, results);
      });
      // While the disk works.
      this.log.look();
    }
  }

  /** How many rows this connection has changed. */
  #changes(): number {
    return this.row<[number]>("SELECT total_changes()")![0];
  }

  #settle(batch: Change[], results: unknown[]): void {
    for (let i = 0; i < batch.length; i++) {
      if (this.log.broken) batch[i].reject(this.log.broken);
      else batch[i].resolve(results[i]);
    }
    this.#schedule();
  }

  #take(): Change[] {
    let length = 0;
    let cost = 0;
    do cost += this.#queue[length++].cost; while (length < this.#queue.length && cost + this.#queue[length].cost <= COMMIT_COST);
    return this.#queue.splice(0, length);
  }

  /** No transaction could be begun: another process writes (then try again soon), or the database is away. */
  #blocked(batch: Change[], error: unknown): void {
    const since = this.#lockedSince ??= performance.now();
    const reason = this.#translate(error);
    if (reason instanceof StoreUnavailable && performance.now() - since < LOCK_TIMEOUT && !this.#closing) {
      this.#queue.unshift(...batch);
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.#schedule();
      }, LOCK_INTERVAL);
      return;
    }
    if (reason instanceof StoreUnavailable) this.#unwritable = reason;
    for (const change of batch) change.reject(reason);
    this.#schedule();
  }

  /** A change failed (`culprit`), or the COMMIT (no culprit), or the database under them. */
  #failed(batch: Change[], culprit: Change | undefined, error: unknown): void {
    this.#generation.number++;
    // After some failures SQLite has rolled back by itself.
    try {
      if (this.db.isTransaction) this.db.exec("ROLLBACK");
    } catch {
      // The failure that led here is the one to tell.
    }
    const reason = this.#translate(error);
    if (culprit && !(reason instanceof StoreUnavailable)) {
      culprit.reject(reason);
      this.#queue.unshift(...batch.filter((change) => change !== culprit));
    } else {
      if (reason instanceof StoreUnavailable) this.#unwritable = reason;
      for (const change of batch) change.reject(reason);
    }
    this.#schedule();
  }

  /** What waiting may mend becomes {@linkcode StoreUnavailable}. SQLite's codes do not reach every error of node:sqlite, its texts do. */
  #translate(error: unknown): unknown {
    if (this.#closed) return new StoreUnavailable("the database is closed", { cause: error });
    const known =
      /^(database (table )?is locked|database or disk is full|disk I\/O error|unable to open database file|attempt to write a readonly database)/;
    if (error instanceof Error && known.test(error.message)) {
      return new StoreUnavailable(`the database ${this.path}: ${error.message}`, { cause: error });
    }
    return error;
  }

  /** Commits what is under way, or rejects it, and closes the file. May be repeated. */
  close(): Promise<void> {
    this.#closing = true;
    return this.#end ??= this.#close();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#retry);
    this.log.stop();
    if (this.#syncing) await this.#syncing;
    while (this.#queue.length > 0) this.#commit();
    await this.#scheduled;
    await quiet();
    this.#endSnapshot();
    this.#closed = true;
    this.log.close();
    this.forget();
    if (this.log.moved) abandoned.push(this.db);
    else this.db.close();
    this.file.close();
  }
}
