/**
 * Who is online, where, and under which session.
 *
 * 1. Claims of the same moment are one conditional statement on the users' rows, in the order of their ids, and one look at what it left. Another node may
 *    take a session over between the two. That session was claimed all the same: who took it over tells its node to end it, and if it claimed once more, each
 *    of the two would be ended for the other. So the statement's count of rows has the last word: if it is higher than what the look shows, whoever the look
 *    does not show has an unknown outcome, unless the count is all of them.
 * 2. Reading the leases must not lock them, or a claim that waits for a row would keep its node from renewing. So the statement is on one table: with a join,
 *    the tables that it reads beside it are locked.
 * 3. A batch of claims that meets a lock is given up after one lock wait, with nothing changed (`gather.ts`): only the user whose row is locked waits on.
 */

import { type Claim, type State, type Store, StoreUnavailable, type UserId } from "../store.ts";
import { gathered } from "./gather.ts";
import type { NodeLife } from "./node.ts";
import type { Pool } from "./pool.ts";
import { marks, padded, pieces } from "./sql.ts";
import { confirmingInboxes, lockingUsers, lockUsers, setOffline, type UserRow } from "./users.ts";

type Sessions = Pick<Store, "claim" | "release" | "sessions" | "holder" | "nodesOf" | "confirm">;

/** A claim that finds the row free, and taken when it tries, time after time. */
const CLAIM_ATTEMPTS = 10;

interface Asked {
  userId: UserId;
  session: string;
  takeover: string | null;
}

interface ClaimedRow {
  id: UserId;
  state: State;
  session: string | null;
  node: string | null;
  last_seq: number;
  confirmed_seq: number;
  /** Whether this node may claim, and whether the lease of the node that the row names is valid. */
  own: number;
  alive: number;
}

/** The lease, by the database's clock. */
const VALID = "lease_until > UTC_TIMESTAMP(3)";
const OWN = `EXISTS (SELECT 1 FROM node own WHERE own.name = ? AND own.incarnation = ? AND own.${VALID})`;
const ALIVE = `EXISTS (SELECT 1 FROM node holder WHERE holder.name = u.node AND holder.${VALID})`;

export function sessions(db: Pool, node: NodeLife): Sessions {
  /** Undefined: the row is free, and was taken when it was tried. */
  const claimed = gathered(async (claims: Asked[], alone: boolean): Promise<(Claim | Error | undefined)[]> => {
    if (!node.identity) return claims.map(() => ({ result: "fenced" }));
    const { name, incarnation } = node.identity;
    // One claim per user: the others see what it left.
    const tried = [...new Map(claims.map((claim) => [claim.userId, claim])).values()].sort((a, b) => a.userId - b.userId);
    const list = padded(tried);
    const ids = list.map((claim) => claim.userId), places = marks(list.length);
    const { affectedRows } = await db.write(
      `UPDATE user u FORCE INDEX (PRIMARY) SET state = 'online', session = ELT(FIELD(id, ${places}), ${places}), node = ?, incarnation = ?, since = ? ` +
        `WHERE id IN (${places}) AND (state = 'offline' OR session = ELT(FIELD(id, ${places}), ${places}) OR (node <> ? AND NOT ${ALIVE})) AND ${OWN}`,
      [
        ...ids,
        ...list.map((claim) => claim.session),
        ...[name, incarnation, Date.now()],
        ...ids,
        ...ids,
        ...list.map((claim) => claim.takeover),
        ...[name, name, incarnation],
      ],
      alone,
    );
    const rows = await db.read<ClaimedRow>(
      `SELECT id, state, session, node, last_seq, confirmed_seq, ${OWN} AS own, ${ALIVE} AS alive FROM user u WHERE id IN (${places})`,
      [name, incarnation, ...ids],
    );
    const users = new Map(rows.map((row) => [row.id, row]));
    const shown = tried.filter(({ userId, session }) => users.get(userId)?.session === session).length;
    const overtaken = shown < affectedRows ? new Set(tried.map(({ session }) => session)) : new Set();
    return claims.map(({ userId, session, takeover }) => {
      const row = users.get(userId);
      if (!row) return new Error(`there is no user ${userId}`);
      const taken = overtaken.has(session) && row.session !== session;
      if (taken && affectedRows < tried.length) return new StoreUnavailable(`the session of user ${userId} changes at this moment`);
      if (taken || row.session === session) return { result: "claimed", lastSeq: row.last_seq, confirmedSeq: row.confirmed_seq };
      if (row.own === 0) return { result: "fenced" };
      const { session: other, node: holder } = row;
      if (row.state === "online" && other !== null && other !== takeover && holder !== null && (row.alive === 1 || holder === name)) {
        return { result: "held", session: other, node: holder };
      }
    });
  });

  return {
    async claim(userId, session, takeover) {
      for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt++) {
        const claim = await claimed({ userId, session, takeover: takeover ?? null });
        if (claim) return claim;
      }
      throw new StoreUnavailable(`the session of user ${userId} changes all the time`);
    },

    async release(released) {
      if (released.length === 0) return;
      await db.transaction(async (tx) => {
        const users = await lockUsers(tx, released.map((r) => r.userId));
        const held = released.flatMap((r) => {
          const user = users.get(r.userId);
          return user?.state === "online" && user.session === r.session ? [{ user, ...r }] : [];
        });
        await tx.script(confirmingInboxes(held.map(({ user, confirmed }) => ({ user, seq: confirmed ?? 0 }))));
        await setOffline(tx, held.map(({ userId, lastseen }) => ({ id: userId, lastseen })));
      });
    },

    async confirm(rows) {
      if (rows.length === 0) return;
      await db.ownTransaction(async (tx, committing) => {
        const [, ...found] = await tx.script(["START TRANSACTION", ...lockingUsers(rows.map((r) => r.userId))]) as UserRow[][];
        const users = new Map(found.flat().map((user) => [user.id, user]));
        const highest = new Map<number, number>();
        for (const { userId, session, seq } of rows) {
          if (users.get(userId)?.session === session) highest.set(userId, Math.max(seq, highest.get(userId) ?? 0));
        }
        const confirming = confirmingInboxes([...users.values()].map((user) => ({ user, seq: highest.get(user.id) ?? 0 })));
        committing();
        await tx.script([...confirming, "COMMIT"]);
      });
    },

    async sessions(after, limit) {
      if (!node.identity) return [];
      const rows = await db.read<{ id: number; session: string; last_seq: number }>(
        "SELECT id, session, last_seq FROM user WHERE node = ? AND state = 'online' AND id > ? ORDER BY id LIMIT ?",
        [node.identity.name, after, String(limit)],
      );
      return rows.map(({ id, session, last_seq }) => ({ userId: id, session, lastSeq: last_seq }));
    },

    async holder(userId) {
      const rows = await db.read<{ session: string; node: string }>("SELECT session, node FROM user WHERE id = ? AND state = 'online'", [userId]);
      return rows[0];
    },

    async nodesOf(userIds) {
      const nodes = new Map<number, string>();
      for (const piece of pieces(userIds)) {
        const list = padded(piece);
        const rows = await db.read<{ id: number; node: string }>(
          `SELECT id, node FROM user WHERE id IN (${marks(list.length)}) AND state = 'online'`,
          list,
        );
        for (const row of rows) nodes.set(row.id, row.node);
      }
      return nodes;
    },
  };
}
