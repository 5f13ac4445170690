// Who is online, where, and under which session.

import { type State, type Store, StoreUnavailable } from "../store.ts";
import type { NodeLife } from "./node.ts";
import type { Pool } from "./pool.ts";
import { marks, padded, pieces } from "./sql.ts";
import { confirmInboxes, lockUsers, setOffline } from "./users.ts";

type Sessions = Pick<Store, "claim" | "release" | "sessions" | "holder" | "nodesOf" | "confirm">;

/** A claim that finds the row free, and taken when it tries, time after time. */
const CLAIM_ATTEMPTS = 10;

export function sessions(db: Pool, node: NodeLife): Sessions {
  return {
    async claim(userId, session, takeover) {
      for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt++) {
        if (!node.identity) return { result: "fenced" };
        const { name, incarnation } = node.identity;
        const { affectedRows } = await db.write(
          "UPDATE user SET state = 'online', session = ?, node = ?, incarnation = ?, since = ? WHERE id = ? " +
            "AND (state = 'offline' OR session = ? OR (node <> ? AND " +
            "NOT EXISTS (SELECT 1 FROM node holder WHERE holder.name = user.node AND holder.lease_until > UTC_TIMESTAMP(3)))) " +
            "AND EXISTS (SELECT 1 FROM node own WHERE own.name = ? AND own.incarnation = ? AND own.lease_until > UTC_TIMESTAMP(3))",
          [session, name, incarnation, Date.now(), userId, takeover ?? null, name, name, incarnation],
        );
        if (affectedRows === 1) {
          const [row] = await db.read<{ last_seq: number; confirmed_seq: number }>(
            "SELECT last_seq, confirmed_seq FROM user WHERE id = ? AND session = ?",
            [userId, session],
          );
          if (row) return { result: "claimed", lastSeq: row.last_seq, confirmedSeq: row.confirmed_seq };
        }
        const [row] = await db.read<{ state: State; session: string | null; node: string | null; own: number; alive: number }>(
          "SELECT state, session, node, " +
            "EXISTS (SELECT 1 FROM node own WHERE own.name = ? AND own.incarnation = ? AND own.lease_until > UTC_TIMESTAMP(3)) AS own, " +
            "EXISTS (SELECT 1 FROM node holder WHERE holder.name = user.node AND holder.lease_until > UTC_TIMESTAMP(3)) AS alive FROM user WHERE id = ?",
          [name, incarnation, userId],
        );
        if (!row) throw new Error(`there is no user ${userId}`);
        if (row.own === 0) return { result: "fenced" };
        const { session: other, node: holder } = row;
        if (row.state === "online" && other !== null && other !== takeover && holder !== null && (row.alive === 1 || holder === name)) {
          return { result: "held", session: other, node: holder };
        }
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
        await confirmInboxes(tx, held.map(({ user, confirmed }) => ({ user, seq: confirmed ?? 0 })));
        await setOffline(tx, held.map(({ userId, lastseen }) => ({ id: userId, lastseen })));
      });
    },

    async confirm(rows) {
      if (rows.length === 0) return;
      await db.transaction(async (tx) => {
        const users = await lockUsers(tx, rows.map((r) => r.userId));
        const highest = new Map<number, number>();
        for (const { userId, session, seq } of rows) {
          if (users.get(userId)?.session === session) highest.set(userId, Math.max(seq, highest.get(userId) ?? 0));
        }
        await confirmInboxes(tx, [...users.values()].map((user) => ({ user, seq: highest.get(user.id) ?? 0 })));
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
