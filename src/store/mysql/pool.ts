/**
 * The connections, and what runs on them.
 *
 * 1. A connection has one user at a time; one that broke or timed out never comes back to the pool.
 * 2. Reads are tried once more, on a fresh connection, if the one they got had died while it was idle.
 * 3. A single write is sent once: if its answer does not come, its outcome is unknown.
 * 4. A transaction whose COMMIT was not sent has not happened. So it runs again after a deadlock or lock wait until {@linkcode DOUBT_MS} have passed, and once
 *    more, on a fresh connection, if the one it got had died while it was idle.
 * 5. Whoever locks several rows locks groups before users, and each kind in the order of the ids (`lockOrder`); for how long it waits says `held_rows.ts`.
 * 6. Nothing waits for ever: neither for a connection, nor for an answer.
 */

import type net from "node:net";
import { waitedFor } from "../../async/disk.ts";
import { isLoopback } from "../../ip.ts";
import { StoreUnavailable } from "../store.ts";
import { CommitUnknown, LockConflict, LockHeld, reason } from "./errors.ts";
import { HeldRows } from "./held_rows.ts";
import { type Driver, Link, type Target } from "./link.ts";
import type { Value } from "./sql.ts";

const POOL_SIZE = 10;
const MOST_QUEUED = 10_000;
const WAIT_MS = 5000;
/** Below the connections' own wait_timeout of 15 s. */
const IDLE_MS = 10_000;
const DOUBT_MS = 10_000;
/** Before a transaction begins again that did not get a lock: at least so long, and up to twice that. */
const HELD_PAUSE_MS = 100;

interface Waiter {
  /** 1, 2, 3 … in the order they came. */
  order: number;
  resolve(link: Link): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

export class Pool {
  #idle: { link: Link; since: number }[] = [];
  #waiting: Waiter[] = [];
  /** How many have ever waited. */
  #came = 0;
  #links = new Set<Link>();
  #opening = new Set<net.Socket>();
  /** Connections of the pool that are open or being opened. */
  #size = 0;
  #reaper: ReturnType<typeof setTimeout> | undefined;
  /** Each ends a pause. */
  readonly #pauses = new Set<() => void>();
  /** The database is on this machine: most often its disk is that of the files, whose syncs would stand before its own. */
  readonly #near: boolean;
  readonly #held = new HeldRows((ms) => this.pause(ms));
  closed = false;

  constructor(private readonly driver: Driver, readonly target: Target) {
    this.#near = target.host === "localhost" || isLoopback(target.host);
  }

  /** One SELECT by itself. Locks that it takes end with it. */
  async read<T>(sql: string, params: Value[] = []): Promise<T[]> {
    return await this.#once((link) => link.rows<T>(sql, params), true);
  }

  /** Several SELECTs in one round trip, each one's rows in its place. What may be written into them says {@linkcode Link.script}. */
  async readAll(statements: string[]): Promise<unknown[]> {
    return await this.#once((link) => link.script(statements), true);
  }

  /** One INSERT, UPDATE or DELETE, committed by itself. `affectedRows` counts the rows found, changed or not. */
  async write(sql: string, params: Value[] = []): Promise<{ affectedRows: number; insertId: number }> {
    return await this.#once((link) => link.change(sql, params), false);
  }

  /** One DELETE by itself, with its values written into it as {@linkcode Link.script} says. It may run several times. */
  async remove(statement: string): Promise<void> {
    await this.#once((link) => link.script([statement]), true);
  }

  /** Throws {@linkcode CommitUnknown} when the COMMIT was sent and not answered. `work` may run several times. `patient` as below. */
  async transaction<T>(work: (tx: Link) => Promise<T>, patient = true): Promise<T> {
    return await this.ownTransaction(async (link, committing) => {
      await link.command("START TRANSACTION");
      const result = await work(link);
      committing();
      await link.command("COMMIT");
      return result;
    }, patient);
  }

  /**
   * The same for work that sends START TRANSACTION and COMMIT itself, among its statements, and says so before the latter.
   * Not `patient`: throws {@linkcode LockConflict} at the first deadlock or lock wait; nothing was changed.
   */
  async ownTransaction<T>(work: (tx: Link, committing: () => void) => Promise<T>, patient = true): Promise<T> {
    return await this.#once(
      async (link) => {
        let committing = false;
        const committed = Promise.withResolvers<void>();
        const sending = () => {
          committing = true;
          if (this.#near) void waitedFor(committed.promise);
        };
        try {
          return await work(link, sending);
        } catch (error) {
          if (!link.lost) await link.command("ROLLBACK").catch(() => link.destroy());
          if (committing && error instanceof StoreUnavailable) throw new CommitUnknown(error.message, { cause: error });
          throw error;
        } finally {
          committed.resolve();
        }
      },
      true,
      patient,
    );
  }

  /** A connection outside the pool's number. The caller destroys it. */
  async dedicated(): Promise<Link> {
    if (this.closed) throw new StoreUnavailable("the store is closed");
    const link = await this.#connect();
    link.onLost = () => this.#links.delete(link);
    return link;
  }

  /** Resolves after that time (ms), or when all is closed. */
  pause(ms: number): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#pauses.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#pauses.add(end);
    });
  }

  /** Ends all connections at once; what is under way is rejected. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.#reaper);
    for (const end of this.#pauses) end();
    for (const waiter of this.#waiting.splice(0)) this.#refuse(waiter, "the store is closed");
    const links = [...this.#links];
    const closing = [...this.#opening].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    for (const link of links) link.destroy();
    for (const socket of this.#opening) socket.destroy();
    await Promise.all([...links.map((link) => link.closed), ...closing]);
  }

  async #once<T>(work: (link: Link) => Promise<T>, again: boolean, patient = true): Promise<T> {
    const giveUp = performance.now() + DOUBT_MS;
    let fresh = false;
    for (;;) {
      const link = await this.#acquire(fresh);
      let pause = 0;
      try {
        return await work(link);
      } catch (error) {
        const isHeld = error instanceof LockHeld;
        if (isHeld) this.#held.met();
        if (error instanceof LockConflict && patient) {
          if (performance.now() > giveUp) throw new StoreUnavailable(`the database is overloaded: ${reason(error)}`, { cause: error });
          pause = isHeld ? HELD_PAUSE_MS * (1 + Math.random()) : Math.random() * 20;
        } else if (again && !fresh && link.lost && link.reused && !link.timedOut && !(error instanceof CommitUnknown)) {
          fresh = true;
        } else throw error;
      } finally {
        this.#release(link);
      }
      // Without the connection: those who wait for others need it.
      if (pause > 0) await this.pause(pause);
    }
  }

  #acquire(fresh: boolean): Promise<Link> {
    if (this.closed) return Promise.reject(new StoreUnavailable("the store is closed"));
    if (!fresh) {
      const free = this.#idle.pop();
      if (free) {
        free.link.reused = true;
        return Promise.resolve(free.link);
      }
    }
    if (this.#waiting.length >= MOST_QUEUED) {
      return Promise.reject(new StoreUnavailable("the database is overloaded: too many requests wait for it"));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        this.#refuse(waiter, `the database is overloaded: no connection free within ${WAIT_MS / 1000} s`);
      }, WAIT_MS);
      const waiter: Waiter = { order: ++this.#came, resolve, reject, timer };
      this.#waiting.push(waiter);
      this.#open();
    });
  }

  /** Opens a connection for those who wait, if the number allows. */
  #open(): void {
    if (this.closed || this.#waiting.length === 0) return;
    if (this.#size >= POOL_SIZE) {
      this.#idle.shift()?.link.destroy();
      return;
    }
    this.#size++;
    const newest = this.#came;
    this.#connect().then((link) => {
      link.onLost = () => {
        this.#links.delete(link);
        this.#size--;
        const at = this.#idle.findIndex((free) => free.link === link);
        if (at >= 0) this.#idle.splice(at, 1);
        this.#open();
      };
      this.#release(link);
    }, (error) => {
      this.#size--;
      // Who came after the attempt began may find the database there again.
      if (this.#waiting.length > 0 && this.#waiting[0].order <= newest) this.#refuse(this.#waiting.shift()!, error.message);
      this.#open();
    });
  }

  async #connect(): Promise<Link> {
    try {
      const link = await Link.connect(this.driver, this.target, this.#opening);
      this.#links.add(link);
      link.held = this.#held;
      if (this.closed) link.destroy();
      return link;
    } catch (error) {
      throw new StoreUnavailable(`the database at ${this.target.host}:${this.target.port}: ${reason(error)}`, { cause: error });
    }
  }

  #release(link: Link): void {
    if (link.lost) return;
    const waiter = this.#waiting.shift();
    if (waiter) {
      clearTimeout(waiter.timer);
      link.reused = false;
      waiter.resolve(link);
      return;
    }
    this.#idle.push({ link, since: performance.now() });
    this.#reaper ??= setTimeout(() => this.#reap(), IDLE_MS);
  }

  /** The longest idle are at the front, since the last one back is the first one out. */
  #reap(): void {
    this.#reaper = undefined;
    while (this.#idle.length > 0 && performance.now() - this.#idle[0].since >= IDLE_MS) this.#idle[0].link.destroy();
    if (this.#idle.length > 0) this.#reaper = setTimeout(() => this.#reap(), IDLE_MS / 4);
  }

  #refuse(waiter: Waiter, why: string): void {
    clearTimeout(waiter.timer);
    waiter.reject(new StoreUnavailable(why));
  }
}
