/**
 * This node's standing in the database: the lease that says it lives, the sweep that buries other nodes, the reconciling of rows with the table,
 * and what operators ask.
 *
 * 1. One loop renews, another does all the rest, one after the other: a sweep of many users, or one that waits for a lock, must not cost this node its own lease.
 *    Nothing else here runs beside itself.
 * 2. The lease is renewed every 3 s. A node that was reaped takes a new incarnation and claims its sessions anew; those it lost are closed, the others notice nothing.
 * 3. Only a node whose own link has been up for a whole lease sweeps others: an outage must not make everyone reap everyone.
 * 4. Reconciling: a row that names this node and a session that the table does not hold is released by that session, unless that session is on its way there,
 *    or a release of that device is.
 *    A session whose row names another is closed, if reading that row again confirms it; if the row names nobody, the session is claimed anew, and closed if
 *    that is refused: its device was removed, its account closed, its password changed.
 * 5. Friends are told of those whom a sweep or a pass set offline, and of those who are back after a reaping, or by a pass. What a dead node had still to tell is lost
 *    with it: all look for it.
 * 6. A turn that came late (the process was stopped) grants everyone one more interval: sweeping and reconciling wait for it, renewing does not, nor what was asked
 *    for since something may have been lost.
 */
import { Pause } from "../async/pause.ts";
import type { Router } from "../cluster/router.ts";
import type { Session } from "../net/session.ts";
import { log } from "../ops/log.ts";
import { type Store, StoreRefused, StoreUnavailable } from "../store/store.ts";
import type { ConnectionTable } from "./connection_table.ts";
import type { PresenceListener } from "./departure.ts";
import { deviceKey } from "./device_key.ts";
import type { Ending, Login } from "./login.ts";
import type { OfflineWriter } from "./offline_writer.ts";

/** Between two renewals of the lease (ms). It is 10 s long: two may fail. */
export const RENEW_MS = 3000;
/** How long the link must have been up before others are swept (ms): a whole lease. */
export const LEASE_MS = 10_000;
/** Between two passes of reconciling (ms). */
export const RECONCILE_MS = 15_000;
/** Rows read at once by a pass. */
const ROWS_OF_PASS = 1000;

/** Between two looks for what an operator asked, and for nodes whose lease ran out (ms). */
export const KICKS_MS = 2000;
/** The intervals (ms); tests shorten them. */
export interface NodeTimes {
  /** Between two renewals of the lease. */
  renew: number;
  /** How long this node's link must have been up before it sweeps others: as long as a lease, which the store knows. */
  lease: number;
  /** Between two looks at what operators asked for. */
  kicks: number;
  /** Between two comparisons of table and database. */
  reconcile: number;
}

/** Keeps this node's lease, and its table and the database in step. */
export class NodeLife {
  readonly #renewPause = new Pause();
  readonly #lookPause = new Pause();
  #loops: Promise<unknown> | undefined;
  /** Since when every renewal has succeeded (performance.now). */
  #upSince = performance.now();
  #renewedAt = performance.now();
  #reconciledAt = performance.now();
  #reconcileAsked = false;
  /** The database did not do what was asked, and the log says so. */
  #away = false;

  /** Joins its parts; `start` begins. */
  constructor(
    private readonly parts: {
      store: Store;
      table: ConnectionTable;
      router: Router;
      login: Login;
      offline: OfflineWriter;
      times: NodeTimes;
      listener: PresenceListener;
      /** Ends a session. */
      end: (session: Session, cause: Ending) => void;
      /** Where the log of a user who is here ends, as the database sees it. */
      noticed: (session: Session, lastSeq: number) => void;
      /** This node cannot go on: another process has its name. */
      fatal: (error: Error) => void;
    },
  ) {}

  /** Begins the loops. */
  start(): void {
    this.#loops = Promise.all([this.#renewing(), this.#looking()]);
  }

  /** The database says that the lease is not valid: the next turn of its loop renews it. */
  renewSoon(): void {
    this.#renewedAt = -Infinity;
  }

  /** Something may have been lost: the next turn of the loop reconciles. */
  reconcileSoon(): void {
    this.#reconcileAsked = true;
  }

  /** Ends the loops; what is under way is finished. */
  async close(): Promise<void> {
    this.#renewPause.stop();
    this.#lookPause.stop();
    await this.#loops;
  }

  async #renewing(): Promise<void> {
    const { renew, kicks } = this.parts.times;
    for (;;) {
      await this.#renewPause.for(Math.min(renew, kicks) / 2);
      if (this.#renewPause.stopped) return;
      const now = performance.now();
      if (now - this.#renewedAt < renew) continue;
      this.#renewedAt = now;
      await this.#try(() => this.#renew());
    }
  }

  async #looking(): Promise<void> {
    const { renew, lease, kicks, reconcile } = this.parts.times;
    let lookedAt = performance.now();
    for (;;) {
      const before = performance.now();
      await this.#lookPause.for(Math.min(renew, kicks) / 2);
      if (this.#lookPause.stopped) return;
      const now = performance.now();
      if (now - before > renew) {
        this.#upSince = this.#reconciledAt = now;
        continue;
      }
      await this.#try(async () => {
        if (now - lookedAt >= kicks) {
          lookedAt = now;
          await this.#kick();
          if (now - this.#upSince >= lease) await this.#sweep();
        }
        if (!this.#reconcileAsked && now - this.#reconciledAt < reconcile) return;
        // What is lost while it passes asks for another one.
        this.#reconcileAsked = false;
        this.#reconciledAt = now;
        try {
          await this.reconcile();
        } catch (error) {
          this.reconcileSoon();
          throw error;
        }
      });
    }
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#upSince = performance.now();
      if (error instanceof StoreUnavailable) {
        if (!this.#away) log.warning("the database is away", { error });
        this.#away = true;
      } else if (error instanceof StoreRefused) this.parts.fatal(error);
      else log.error("the node's loop failed", { error });
    }
  }

  async #kick(): Promise<void> {
    for (const key of await this.parts.store.takeKicks()) this.parts.login.ended(key, "kicked");
  }

  async #renew(): Promise<void> {
    const { store, table, end, listener, offline } = this.parts;
    const renewed = await store.renew();
    if (this.#away) log.info("the database is back");
    this.#away = false;
    if (renewed) return;
    const held = table.all();
    const lost = new Set((await store.rejoin(held.map(({ key, proof }) => ({ ...key, proof })))).map((key) => key.session));
    log.warning("this node was taken for dead, and has a new incarnation", { kept: held.length - lost.size, lost: lost.size });
    // The rows of those that departed meanwhile were claimed anew: release them again.
    for (const session of held) {
      if (lost.has(session.id)) end(session, "replaced");
      else if (session.departed) offline.release({ ...session.key, lastseen: Date.now() });
      else listener.changed(session.userId);
    }
  }

  async #sweep(): Promise<void> {
    const { store, listener, router } = this.parts;
    const swept = await store.sweep();
    if (swept.length === 0) return;
    log.warning("the sessions of nodes whose lease ran out are ended", { users: swept.length });
    for (const userId of swept) listener.changed(userId);
    router.lost();
  }

  /** One pass. Throws what the store throws. */
  async reconcile(): Promise<void> {
    const { store, table, login, offline, listener, noticed } = this.parts;
    const unseen = new Set(table.all());
    let released = 0;
    for (let after = { userId: 0, device: 0 };;) {
      const rows = await store.sessions(after, ROWS_OF_PASS);
      for (const row of rows) {
        const session = table.get(row.userId, row.device);
        if (session?.id === row.session) {
          unseen.delete(session);
          noticed(session, row.lastSeq);
        } else if (!login.isEntering(row.session) && !offline.pending(row)) {
          const { userId, device } = row;
          offline.release({
            userId,
            device,
            session: row.session,
            lastseen: Date.now(),
            ...(login.wasDoubtful(row.session) ? { unmade: true } : {}),
          });
          listener.changed(userId);
          released++;
        }
      }
      if (rows.length < ROWS_OF_PASS) break;
      after = rows[rows.length - 1]!;
    }
    if (released > 0) log.warning("sessions that the database had and this node had not are released", { count: released });
    for (const session of unseen) await this.#check(session);
  }

  /** The pass saw no row for this session: is it still one of ours? */
  async #check(session: Session): Promise<void> {
    const { store, table, login, offline, listener, end } = this.parts;
    const key = deviceKey(session.key);
    if (!table.has(session) || session.departed || login.turns.busy(key)) return;
    await login.turns.run(key, async () => {
      const { userId, device } = session.key;
      const holder = await store.holder(userId, device);
      if (session.departed || holder?.session === session.id) return;
      if (holder) return end(session, "replaced");
      const { proof, connection: { address } } = session;
      const claim = await store.claim({ ...session.key, proof, address, at: Date.now() });
      if (claim.result === "claimed") {
        listener.changed(userId);
        // Whoever departed while the claim ran is released after it.
        if (session.departed) offline.release({ ...session.key, lastseen: Date.now() });
      }
      if (claim.result === "held") end(session, "replaced");
      if (claim.result === "refused") end(session, "kicked");
    });
  }
}
