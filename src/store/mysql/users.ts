// The users' rows that transactions lock and change.

import type { Link } from "./link.ts";
import { lockOrder, marks, padded, pieces, type Value, valueTable } from "./sql.ts";

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

/** Locks these users in the order of their ids; who does not exist is absent. */
export async function lockUsers(tx: Link, ids: Iterable<number>): Promise<Map<number, UserRow>> {
  const users = new Map<number, UserRow>();
  for (const piece of pieces(lockOrder(ids))) {
    const list = padded(piece);
    // Without the hint a small table is scanned, which waits for the locks of users that are none of our business.
    const rows = await tx.rows<UserRow>(
      "SELECT id, state, session, node, incarnation, last_seq, confirmed_seq FROM user FORCE INDEX (PRIMARY) " +
        `WHERE id IN (${marks(list.length)}) ORDER BY id FOR UPDATE`,
      list,
    );
    for (const row of rows) users.set(row.id, row);
  }
  return users;
}

/** Sets `last_seq` of locked users. */
export async function setLastSeq(tx: Link, users: { id: number; seq: number }[]): Promise<void> {
  await update(tx, { seq: "SIGNED" }, "u.last_seq = v.seq", users.map(({ id, seq }) => [id, seq]));
}

/** Confirms the inboxes of locked users: `confirmed_seq` rises to `seq`, as far as there are messages, and the rows go. */
export async function confirmInboxes(tx: Link, confirmed: { user: UserRow; seq: number }[]): Promise<void> {
  const rising = confirmed.map(({ user, seq }) => ({ user, seq: Math.min(seq, user.last_seq) })).filter(({ user, seq }) => seq > user.confirmed_seq);
  for (const piece of pieces(rising)) {
    const list = padded(piece);
    await tx.change(
      `DELETE FROM inbox WHERE ${Array<string>(list.length).fill("(userid = ? AND seq > ? AND seq <= ?)").join(" OR ")}`,
      list.flatMap(({ user, seq }) => [user.id, user.confirmed_seq, seq]),
    );
  }
  await update(tx, { seq: "SIGNED" }, "u.confirmed_seq = v.seq", rising.map(({ user, seq }) => [user.id, seq]));
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
