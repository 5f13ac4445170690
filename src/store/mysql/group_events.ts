// What happened in groups: rows of `message` of kind 4, in the logs of those whom it is told.

import { EVENT, eventOf, type Said, textOf } from "../group_events.ts";
import type { GroupEvent, Told, UserId } from "../store.ts";
import type { Link } from "./link.ts";
import type { LockedLogs } from "./user_logs.ts";
import type { Pool } from "./pool.ts";
import { marks, numbers } from "./sql.ts";

/** What is to be told, and whom. */
interface Telling {
  said: Said;
  to: readonly UserId[];
}

/** A row of `message` of kind 4. */
interface EventRow {
  id: number;
  sender: UserId;
  ts: number;
  msg: string;
}

/** Stores what `by` did, each with the next places of the logs that take it. The caller enters them. */
export async function insertEvents(
  tx: Link,
  logs: LockedLogs,
  { by, at }: { by: UserId; at: number },
  tellings: Telling[],
  nameOf: (userId: UserId) => string,
): Promise<Told[]> {
  if (tellings.length === 0) return [];
  const rows = tellings.map(({ said, to }) => ({
    msg: textOf(said),
    place: said.what === "invited" ? null : said.groupid,
    receivers: to.flatMap((userId) => logs.nextDeed(userId) ?? []),
  }));
  const { insertId } = await tx.change(
    `INSERT INTO message (sender, groupid, ts, msg, kind) VALUES ${marks(rows.length, `(?, ?, ?, ?, ${EVENT})`)}`,
    rows.flatMap(({ place, msg }) => [by, place, at, msg]),
  );
  return rows.map(({ msg, receivers }, i) => ({ event: eventOf(insertId + i, by, at, msg, nameOf), receivers }));
}

/** The events among these rows, with the names that users have now. */
export async function eventsOf(db: Pool, rows: readonly (EventRow & { kind: number })[]): Promise<Map<number, GroupEvent>> {
  const events = rows.filter(({ kind }) => kind === EVENT);
  if (events.length === 0) return new Map();
  const ids = events.flatMap(({ sender, msg }) => [sender, (JSON.parse(msg) as Said).id]);
  const [users] = await db.readAll([`SELECT id, name FROM user WHERE id IN (${numbers([...new Set(ids)])})`]) as { id: UserId; name: string }[][];
  const names = new Map(users.map(({ id, name }) => [id, name]));
  return new Map(events.map(({ id, sender, ts, msg }) => [id, eventOf(id, sender, ts, msg, (userId) => names.get(userId) ?? "")]));
}
