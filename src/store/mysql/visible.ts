// Who may see what: the one condition of SQL that everything goes by which names a message.

import { EVENT } from "../group_events.ts";
import type { UserId } from "../store.ts";
import { numbers } from "./sql.ts";

/** That the user may see the message `m`, which is a text. */
export function visibleTo(userId: UserId): string {
  return `(m.kind = 0 AND ${among(numbers([userId]))})`;
}

/** That the user may see the message `m`, which is a text, or what happened in a group. */
export function shownTo(userId: UserId): string {
  return `(m.kind IN (0, ${EVENT}) AND ${among(numbers([userId]))})`;
}

/** That the user whom a column of the statement names may see the message `m`, which is a text. */
export function visibleToColumn(column: string): string {
  return `(m.kind = 0 AND ${among(column)})`;
}

function among(me: string): string {
  return `(m.toid = ${me} OR m.toid IS NOT NULL AND m.sender = ${me} ` +
    `OR EXISTS (SELECT 1 FROM groupuser v WHERE v.groupid = m.groupid AND v.userid = ${me} AND v.sees <= m.id))`;
}
