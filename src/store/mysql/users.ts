// The users' rows that transactions lock and change.

import type { Link } from "./link.ts";
import { lockOrder, numbers, padded, pieces, type Value, valueTable } from "./sql.ts";

/** A user's row, locked until the transaction ends. */
export interface UserRow {
  id: number;
  state: "online" | "offline";
  session: string | null;
  node: string | null;
  incarnation: number | null;
  last_seq: number;
  confirmed_seq: number;
}

/** All columns of a {@linkcode UserRow}. */
const COLUMNS: readonly (keyof UserRow)[] = ["id", "state", "session", "node", "incarnation", "last_seq", "confirmed_seq"];

/** The statements that lock these users in the order of their ids; each gives rows of these columns. */
export function lockingUsers(ids: Iterable<number>, columns = COLUMNS): string[] {
  // Without the hint a small table is scanned, which waits for the locks of users that are none of our business.
  return [...pieces(lockOrder(ids))].map((piece) =>
    `SELECT ${columns.join()} FROM user FORCE INDEX (PRIMARY) WHERE id IN (${numbers(piece)}) ORDER BY id FOR UPDATE`
  );
}

/** Locks these users in the order of their ids; who does not exist is absent. */
export async function lockUsers(tx: Link, ids: Iterable<number>): Promise<Map<number, UserRow>> {
  const rows = await tx.script(lockingUsers(ids)) as UserRow[][];
  return new Map(rows.flat().map((row) => [row.id, row]));
}

/** Statements that confirm the inboxes of locked users: `confirmed_seq` rises to `seq`, as far as there are messages, and the rows go. */
export function confirmingInboxes(confirmed: { user: UserRow; seq: number }[]): string[] {
  const rising = confirmed.map(({ user, seq }) => ({ user, seq: Math.min(seq, user.last_seq) })).filter(({ user, seq }) => seq > user.confirmed_seq);
  return [...pieces(rising)].flatMap((piece) => [
    `DELETE FROM inbox WHERE ${
      piece.map(({ user, seq }) => `userid = ${numbers([user.id])} AND seq BETWEEN ${numbers([user.confirmed_seq + 1])} AND ${numbers([seq])}`).join(
        " OR ",
      )
    }`,
    `UPDATE user FORCE INDEX (PRIMARY) SET confirmed_seq = ELT(FIELD(id, ${numbers(piece.map(({ user }) => user.id))}), ` +
    `${numbers(piece.map(({ seq }) => seq))}) WHERE id IN (${numbers(piece.map(({ user }) => user.id))})`,
  ]);
}

/** Sets locked users offline. */
export async function setOffline(tx: Link, users: { id: number; lastseen: number }[]): Promise<void> {
  await update(
    tx,
    { lastseen: "SIGNED" },
    "u.state = 'offline', u.session = NULL, u.node = NULL, u.incarnation = NULL, u.lastseen = v.lastseen",
    users.map(({ id, lastseen }) => [id, lastseen]),
  );
}

/** Sets locked users online under these sessions, on this node. */
export async function setOnline(tx: Link, users: { id: number; session: string }[], node: string, incarnation: number): Promise<void> {
  await update(
    tx,
    { session: "CHAR" },
    "u.state = 'online', u.session = v.session, u.node = ?, u.incarnation = ?",
    users.map(({ id, session }) => [id, session]),
    [node, incarnation],
  );
}

/** Each row is a user's id, and the values of `columns`. */
async function update(tx: Link, columns: Record<string, "SIGNED" | "CHAR">, set: string, rows: Value[][], params: Value[] = []): Promise<void> {
  for (const piece of pieces(rows)) {
    const list = padded(piece);
    const values = valueTable(list.length, { id: "SIGNED", ...columns });
    await tx.change(`UPDATE (${values}) v STRAIGHT_JOIN user u ON u.id = v.id SET ${set}`, [...list.flat(), ...params]);
  }
}
