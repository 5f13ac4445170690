/**
 * What happened in groups: rows of `message` of kind 4, in the logs of those whom it is told.
 *
 * An event is stored while those are members whom it is told: of a leaving before it, of a joining after it.
 */
import { EVENT, eventOf as eventOfRow, type Said, textOf } from "../group_events.ts";
import type { GroupEvent, GroupId, Told, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import type { Logs } from "./user_logs.ts";

/** The event of a row. In `read` or `write`. */
export function eventOf(db: Database, messageid: number, by: UserId, ts: number, msg: string): GroupEvent {
  return eventOfRow(messageid, by, ts, msg, (userId) => db.row<[string]>("SELECT name FROM user WHERE id = ?", userId)?.[0] ?? "");
}

/** Stores what `by` did, and tells it the group's members of now. In `write`. */
export function tell(
  db: Database,
  logs: Logs,
  groupid: GroupId,
  by: UserId,
  at: number,
  said: Pick<Said, "what" | "id" | "role" | "group"> & { count?: number },
): Told {
  const [groupname, count] = db.row<[string, number]>("SELECT groupname, count FROM allgroup WHERE id = ?", groupid)!;
  const msg = textOf({ count, ...said, groupid, groupname });
  const place = said.what === "invited" ? null : groupid;
  const messageid = db.insert("INSERT INTO message (sender, groupid, ts, msg, kind) VALUES (?, ?, ?, ?, ?)", by, place, at, msg, EVENT)!;
  const receivers = place === null ? logs.addEvent(said.id, messageid) : logs.addEventToGroup(groupid, messageid);
  return { event: eventOf(db, messageid, by, at, msg), receivers };
}
