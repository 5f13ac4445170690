/**
 * A node's life: its name, incarnation and lease, and the sweep that ends the sessions of dead nodes.
 *
 * 1. The name is a lock of the database (GET_LOCK), held by one connection that does nothing else but renew the lease: lock and lease live and die together.
 * 2. A node's row holds its incarnation and `lease_until`, by the database's clock alone. A claim writes node and incarnation into the device's row, if the
 *    incarnation is the node's row's and the lease has not run out. A cleared lease (NULL) means: left, or reaped.
 * 3. Incarnations only rise: with every start, with every return after a reaping, and with the reaping and the leaving, both of which clear the lease. So nothing
 *    that an older incarnation sends late can claim.
 * 4. Reaping is one statement, on nodes whose lease ran out, never on oneself. A lease that ends later than any that begins now is from before the database's clock
 *    was set back: it is cut to one that begins now, else a dead node's users stayed online for as long as the clock went back.
 * 5. A device's row of an incarnation older than its node's row is a leftover. It is swept when the node's lease is cleared, or when the present incarnation is
 *    older than a lease. So a node that comes back has that long to claim its sessions anew before anybody touches them; what a claim left that
 *    slipped in beside a reaping is gone after it.
 * 6. Whatever sweeps or claims anew locks the users' rows first and decides on what it reads then. A sweep that finds the node's incarnation changed leaves the
 *    rest alone. A node that comes back takes rows that still name its session, and rows that name none, if the session could claim them now: what was ended
 *    since the sweep had no session to be asked for; so it makes no difference who comes first.
 * 7. What was asked of a node (`kick`) outlives the sweep: its process may come back, and must not claim those sessions anew. It goes when the node takes it,
 *    when another process takes the name, and after a day.
 */

import { type SessionKey, type Store, StoreRefused, StoreUnavailable, type UserId } from "../store.ts";
import { findingProofs, isProved, type ProofRow } from "./claims.ts";
import { LockConflict, reason } from "./errors.ts";
import type { Link } from "./link.ts";
import type { Pool } from "./pool.ts";
import { deleting, literal, LONGEST_LIST, marks, pieces } from "./sql.ts";
import type { Users } from "./users.ts";

/** Longer than the 15 s (wait_timeout) that the connection of a machine that died holds the name. */
const JOIN_WAIT_MS = 20_000, REJOIN_WAIT_MS = 2000;
/** A renewal that hangs fails early enough for the next one to save the lease. */
const RENEWAL_MS = 3000;
/** A kick that nobody took for so long is for a process that does not come back. */
const KICK_MS = 86_400_000;

const NOW = "UTC_TIMESTAMP(3)";
const LEASE = "INTERVAL 10 SECOND";
const NAME_LOCK = "CONCAT('natter.node.', SHA1(CONCAT(DATABASE(), '/', ?)))";

export class NodeLife {
  /** Undefined before {@linkcode join}, and after {@linkcode leave}: claims are fenced. */
  identity: { name: string; incarnation: number } | undefined;
  /** The name that {@linkcode join} took. */
  #name: string | undefined;
  #link: Link | undefined;
  #connecting: Promise<Link> | undefined;
  /** The server's numbers of the connections that may still hold the name for us. */
  #threads = new Set<number>();
  /** A reaping was found, and {@linkcode rejoin} has not come to its end. */
  #reaped = false;

  constructor(private readonly db: Pool, private readonly users: Users) {}

  async join(name: string, wait: number = JOIN_WAIT_MS): Promise<UserId[]> {
    this.#link = await this.#takeName(name, wait);
    this.#name = name;
    try {
      const incarnation = await this.#begin(name);
      const left = new Set<UserId>();
      await this.#sweepNode(name, incarnation, left);
      while ((await this.takeKicks()).length > 0);
      return [...left];
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  async renew(): Promise<boolean> {
    const { name, incarnation } = this.#joined();
    const { affectedRows } = await this.#onLink((link) =>
      link.change(`UPDATE node SET lease_until = ${NOW} + ${LEASE} WHERE name = ? AND incarnation = ?`, [name, incarnation], RENEWAL_MS)
    );
    if (affectedRows === 0 && this.identity?.incarnation === incarnation) this.#reaped = true;
    return !this.#reaped;
  }

  async rejoin(sessions: Parameters<Store["rejoin"]>[0]): Promise<SessionKey[]> {
    const { name } = this.#joined();
    this.#reaped = true;
    const incarnation = await this.#begin(name);
    const lost: SessionKey[] = [];
    for (const piece of pieces(sessions.toSorted((a, b) => a.userId - b.userId))) {
      // All of them may take longer than a lease.
      await this.renew();
      lost.push(
        ...await this.users.change(piece.map(({ userId }) => userId), (locked, [kicks, proofs = []], held) => {
          const kicked = new Set((kicks as { session: string }[]).map(({ session }) => session));
          const lost = piece.filter(({ userId, device: number, session, proof }) => {
            if (held.has(userId)) return false;
            const user = locked.get(userId);
            const device = user?.devices.get(number);
            if (!user || !device || kicked.has(session) || (device.session !== null && device.session !== session)) return true;
            if (device.session === null && (user.row.closed || !isProved(user, number, proof, proofs as ProofRow[]))) return true;
            user.begin(device, { session, node: name, incarnation });
            return false;
          });
          return { result: lost.map(({ userId, device, session }) => ({ userId, device, session })) };
        }, { reading: [`SELECT session FROM kick WHERE node = ${literal(name)}`, ...findingProofs(piece)], part: true }),
      );
    }
    this.#reaped = false;
    return lost;
  }

  async sweep(): Promise<UserId[]> {
    // What is set stands in this order: each is decided by the lease that was found.
    await this.db.write(
      `UPDATE node SET incarnation = incarnation + (lease_until <= ${NOW}), since = IF(lease_until <= ${NOW}, ${NOW}, LEAST(since, ${NOW})), ` +
        `lease_until = IF(lease_until <= ${NOW}, NULL, LEAST(lease_until, ${NOW} + ${LEASE})) ` +
        `WHERE name <> ? AND (lease_until <= ${NOW} OR lease_until > ${NOW} + ${LEASE}) OR lease_until > ${NOW} AND since > ${NOW}`,
      [this.identity?.name ?? ""],
    );
    const old = await this.db.read<{ session: string }>(`SELECT session FROM kick WHERE at < ? LIMIT ${LONGEST_LIST}`, [Date.now() - KICK_MS]);
    if (old.length > 0) await this.db.remove(deleting("kick", ["session"], old.map(({ session }) => [session])));
    // Of each only its oldest row: where nodes are named after containers, there are more former ones every day.
    const nodes = await this.db.read<{ name: string; incarnation: number }>(
      `SELECT name, incarnation FROM node n WHERE (lease_until IS NULL OR since <= ${NOW} - ${LEASE}) AND ` +
        "(SELECT d.incarnation FROM device d WHERE d.node = n.name ORDER BY d.incarnation LIMIT 1) < incarnation",
    );
    const swept = new Set<UserId>();
    try {
      for (const { name, incarnation } of nodes) await this.#sweepNode(name, incarnation, swept);
    } catch (error) {
      // What was swept must be told to friends; the next sweep goes on.
      if (swept.size === 0) throw error;
    }
    return [...swept];
  }

  async takeKicks(): Promise<SessionKey[]> {
    if (!this.identity) return [];
    const sql = "SELECT userid AS userId, device, session FROM kick WHERE node = ? LIMIT 512";
    const rows = await this.db.read<SessionKey>(sql, [this.identity.name]);
    if (rows.length > 0) {
      const removing = deleting("kick", ["session"], rows.map(({ session }) => [session]));
      // Whether the answer comes or not: who ends a session twice ends it once, and what still stands there is taken again.
      await this.db.remove(removing).catch((error) => {
        if (!(error instanceof StoreUnavailable)) throw error;
      });
    }
    return rows;
  }

  async isNamed(node: string): Promise<boolean> {
    const [row] = await this.db.read<{ free: number | null }>(`SELECT IS_FREE_LOCK(${NAME_LOCK}) AS free`, [node]);
    return row?.free !== 1;
  }

  async leave(): Promise<void> {
    if (!this.identity) return;
    const { name, incarnation } = this.identity;
    await this.#onLink(async (link) => {
      await link.change("UPDATE node SET incarnation = incarnation + 1, lease_until = NULL WHERE name = ? AND incarnation = ?", [name, incarnation]);
      await link.rows(`SELECT RELEASE_LOCK(${NAME_LOCK})`, [name]);
    });
    this.#forget();
  }

  #forget(): void {
    this.identity = undefined;
    this.#name = undefined;
    this.#link?.destroy();
  }

  /**
   * Ends the sessions that former incarnations of this node left; where others hold a user's row the next sweep does. `swept` gets the users whose sessions ended by
   * that, or may have: a COMMIT's answer may be lost.
   */
  async #sweepNode(name: string, incarnation: number, swept: Set<UserId>): Promise<void> {
    const now = `SELECT incarnation, CAST(UNIX_TIMESTAMP(CURRENT_TIMESTAMP(3)) * 1000 AS SIGNED) AS now FROM node WHERE name = ${literal(name)}`;
    const left = new Set([0]);
    for (;;) {
      const leftovers = await this.db.read<{ userid: UserId }>(
        `SELECT DISTINCT userid FROM device WHERE node = ? AND incarnation < ? AND userid NOT IN (${marks(left.size)}) LIMIT 500`,
        [name, incarnation, ...left],
      );
      if (leftovers.length === 0) return;
      const going = await this.users.change(leftovers.map(({ userid }) => userid), (locked, [rows], held) => {
        const [node] = rows as { incarnation: number; now: number }[];
        if (node?.incarnation !== incarnation) return { result: false };
        for (const user of locked.values()) {
          for (const device of user.devices.values()) {
            if (device.node !== name || device.incarnation === null || device.incarnation >= incarnation) continue;
            user.end(device, node.now);
            swept.add(user.row.id);
          }
        }
        for (const userId of held) left.add(userId);
        return { result: true };
      }, { reading: [now], part: true });
      if (!going) return;
    }
  }

  /** Takes a new incarnation and a lease. */
  async #begin(name: string): Promise<number> {
    const { insertId } = await this.#onLink((link) =>
      link.change(
        `INSERT INTO node (name, incarnation, since, lease_until) VALUES (?, LAST_INSERT_ID(1), ${NOW}, ${NOW} + ${LEASE}) ` +
          `ON DUPLICATE KEY UPDATE incarnation = LAST_INSERT_ID(incarnation + 1), since = ${NOW}, lease_until = ${NOW} + ${LEASE}`,
        [name],
      )
    );
    this.identity = { name, incarnation: insertId };
    return insertId;
  }

  #joined(): { name: string; incarnation: number } {
    if (!this.identity) throw new Error("the node has not joined");
    return this.identity;
  }

  /** Runs what may run twice on the connection that holds the name; if it is gone, on a new one that took the name again. */
  async #onLink<T>(work: (link: Link) => Promise<T>): Promise<T> {
    for (let attempt = 1;; attempt++) {
      const link = await this.#connected();
      try {
        return await work(link);
      } catch (error) {
        if (error instanceof LockConflict) {
          if (attempt === 3) throw new StoreUnavailable(`the database is overloaded: ${reason(error)}`, { cause: error });
        } else if (attempt > 1 || !link.lost || link.timedOut) throw error;
      }
    }
  }

  async #connected(): Promise<Link> {
    if (this.#link && !this.#link.lost) return this.#link;
    const name = this.#name;
    if (name === undefined) throw new StoreUnavailable("the node has left");
    this.#connecting ??= this.#takeName(name, REJOIN_WAIT_MS).finally(() => this.#connecting = undefined);
    return this.#link = await this.#connecting;
  }

  /** A new connection that holds the name. */
  async #takeName(name: string, wait: number): Promise<Link> {
    const link = await this.db.dedicated();
    try {
      // Our own former connection may hold the name until the database notices that it is gone.
      const [{ holder }] = await link.rows<{ holder: number | null }>(`SELECT IS_USED_LOCK(${NAME_LOCK}) AS holder`, [name]);
      if (holder !== null && this.#threads.has(holder)) await link.command(`KILL CONNECTION ${holder}`).catch(() => {});
      this.#threads.add(link.threadId);
      const [{ taken }] = await link.rows<{ taken: number | null }>(`SELECT GET_LOCK(${NAME_LOCK}, ${wait / 1000}) AS taken`, [name], wait + 2000);
      if (taken !== 1) throw new StoreRefused(`another natter named "${name}" runs on this database: give each its own --node`);
      this.#threads = new Set([link.threadId]);
      return link;
    } catch (error) {
      link.destroy();
      throw error;
    }
  }
}
