/**
 * This node's standing in the database: the lease that says it lives, the sweep that buries other nodes, the reconciling of rows with the table,
 * and what operators ask.
 *
 * 1. One loop does all of it, one after the other; nothing here runs beside itself.
 * 2. The lease is renewed every 3 s. A node that was reaped takes a new incarnation and claims its sessions anew; those it lost are closed, the others notice nothing.
 * 3. Only a node whose own link has been up for a whole lease sweeps others: an outage must not make everyone reap everyone.
 * 4. Reconciling: a row that names this node and a session that the table does not hold is released by that session, unless a login or a release of that user
 *    is under way.
 *    A session whose row names another is closed, if reading that row again confirms it; if the row names nobody, the session is claimed anew.
 * 5. Friends are told of those whom a sweep or a pass set offline, and of those who are back after a reaping.
 * 6. A turn that came late (the process was stopped) grants everyone one more interval: it renews, and leaves sweeping and reconciling to the next.
 */
import { log } from "../ops/log.ts";
import { type Store, StoreRefused, StoreUnavailable, type UserId } from "../store/store.ts";
import type { ConnectionTable } from "./connection_table.ts";
import type { PresenceListener } from "./departure.ts";
import type { OfflineWriter } from "./offline_writer.ts";
import type { Session } from "./session.ts";
import type { Turns } from "./turns.ts";
import { Pause } from "../pause.ts";

/** Between two renewals of the lease (ms). It is 10 s long: three may fail. */
export const RENEW_MS = 3000;
/** How long the link must have been up before others are swept (ms): a whole lease. */
export const LEASE_MS = 10_000;
/** Between two passes of reconciling (ms). */
export const RECONCILE_MS = 15_000;
/** Rows read at once by a pass. */
const PAGE = 1000;

/** Between two looks for what an operator asked, and for nodes whose lease ran out (ms). */
export const KICKS_MS = 2000;
/** The intervals (ms); tests shorten them. */
export interface NodeTimes {
  /** Between two renewals of the lease. */
  renew: number;
  /** How long a lease lasts. */
  lease: number;
  /** Between two looks at what operators asked for. */
  kicks: number;
  /** Between two comparisons of table and database. */
  reconcile: number;
}

/** Keeps this node's lease, and its table and the database in step. */
export class NodeLife {
  readonly #pause = new Pause();
  #loop: Promise<void> | undefined;
  /** Since when every renewal has succeeded (performance.now). */
  #upSince = performance.now();
  #renewedAt = performance.now();
  #reconciledAt = performance.now();
  /** The database did not do what was asked, and the log says so. */
  #away = false;

  /** Joins its parts; `start` begins. */
  constructor(
    private readonly parts: {
      store: Store;
      table: ConnectionTable;
      turns: Turns<UserId>;
      offline: OfflineWriter;
      times: NodeTimes;
      listener: PresenceListener;
      /** Ends a session that is not this node's any more. */
      replaced: (session: Session) => void;
      /** Ends a session that an operator does not want. */
      kicked: (session: Session) => void;
      /** What stands in the inbox of a user who is here, as the database sees it. */
      noticed: (session: Session, lastSeq: number) => void;
      /** This node cannot go on: another process has its name. */
      fatal: (error: Error) => void;
    },
  ) {}

  /** Begins the loop. */
  start(): void {
    this.#loop = this.#run();
  }

  /** The database says that the lease is not valid: the next turn of the loop renews it. */
  renewSoon(): void {
    this.#renewedAt = -Infinity;
  }

  /** Something may have been lost: the next turn of the loop reconciles. */
  reconcileSoon(): void {
    this.#reconciledAt = -Infinity;
  }

  /** Ends the loop; what is under way is finished. */
  async close(): Promise<void> {
    this.#pause.stop();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { renew, lease, kicks, reconcile } = this.parts.times;
    let lookedAt = performance.now();
    for (;;) {
      const before = performance.now();
      await this.#pause.for(Math.min(renew, kicks) / 2);
      if (this.#pause.stopped) return;
      const now = performance.now();
      try {
        if (now - before > renew) {
          await this.#renew();
          this.#renewedAt = this.#upSince = this.#reconciledAt = performance.now();
          continue;
        }
        if (now - this.#renewedAt >= renew) {
          this.#renewedAt = now;
          await this.#renew();
        }
        if (now - lookedAt >= kicks) {
          lookedAt = now;
          await this.#kick();
          if (now - this.#upSince >= lease) await this.#sweep();
        }
        if (now - this.#reconciledAt >= reconcile) {
          await this.reconcile();
          this.#reconciledAt = performance.now();
        }
      } catch (error) {
        this.#upSince = performance.now();
        if (error instanceof StoreUnavailable) {
          if (!this.#away) log.warning("the database is away", { error });
          this.#away = true;
        } else if (error instanceof StoreRefused) return this.parts.fatal(error);
        else log.error("the node's loop failed", { error });
      }
    }
  }

  async #kick(): Promise<void> {
    for (const { userId, session } of await this.parts.store.takeKicks()) {
      const held = this.parts.table.get(userId);
      if (held?.id === session) this.parts.kicked(held);
    }
  }

  async #renew(): Promise<void> {
    const { store, table, replaced, listener, offline } = this.parts;
    const renewed = await store.renew();
    if (this.#away) log.info("the database is back");
    this.#away = false;
    if (renewed) return;
    const held = table.all();
    const lost = new Set((await store.rejoin(held.map((s) => ({ userId: s.userId, session: s.id })))).map((key) => key.session));
    log.warning("this node was taken for dead, and has a new incarnation", { kept: held.length - lost.size, lost: lost.size });
    // The rows of those that departed meanwhile were claimed anew: release them again.
    for (const session of held) {
      if (lost.has(session.id)) replaced(session);
      else if (session.departed) offline.release({ userId: session.userId, session: session.id, lastseen: Date.now() });
      else listener.changed(session.userId, "online", Date.now());
    }
  }

  async #sweep(): Promise<void> {
    const swept = await this.parts.store.sweep();
    if (swept.length > 0) log.warning("users of nodes whose lease ran out are offline now", { count: swept.length });
    for (const userId of swept) this.parts.listener.changed(userId, "offline", Date.now());
  }

  /** One pass. Throws what the store throws. */
  async reconcile(): Promise<void> {
    const { store, table, turns, offline, listener, noticed } = this.parts;
    const unseen = new Set(table.all());
    let released = 0;
    for (let after = 0;;) {
      const rows = await store.sessions(after, PAGE);
      for (const row of rows) {
        const session = table.get(row.userId);
        if (session?.id === row.session) {
          unseen.delete(session);
          noticed(session, row.lastSeq);
        } else if (!turns.busy(row.userId) && !offline.pending(row.userId)) {
          const at = Date.now();
          offline.release({ userId: row.userId, session: row.session, lastseen: at });
          listener.changed(row.userId, "offline", at);
          released++;
        }
      }
      if (rows.length < PAGE) break;
      after = rows[rows.length - 1]!.userId;
    }
    if (released > 0) log.warning("users who were online without a session are released", { count: released });
    for (const session of unseen) await this.#check(session);
  }

  /** The pass saw no row for this session: is it still one of ours? */
  async #check(session: Session): Promise<void> {
    const { store, table, turns, replaced } = this.parts;
    const { userId, id } = session;
    const current = () => table.get(userId) === session && !session.departed && !turns.busy(userId);
    if (!current()) return;
    await turns.run(userId, async () => {
      const holder = await store.holder(userId);
      if (session.departed || holder?.session === id) return;
      const claim = holder ? undefined : await store.claim(userId, id);
      // Whoever departed while the claim ran is released after it.
      if (claim?.result === "claimed" && session.departed) this.parts.offline.release({ userId, session: id, lastseen: Date.now() });
      if (claim?.result === "held" || holder) replaced(session);
    });
  }
}
