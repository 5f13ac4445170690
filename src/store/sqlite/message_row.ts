// A message as a statement gives it, and as the store gives it on.

import type { GroupId, StoredMessage, UserId } from "../store.ts";

/** The columns of {@linkcode MESSAGE_COLUMNS}. */
export type MessageRow = [
  messageid: number,
  id: UserId,
  name: string,
  toid: UserId | null,
  groupid: GroupId | null,
  ts: number,
  mid: string | null,
  msg: string,
];

/** Of a message `m` and its sender `s`. */
export const MESSAGE_COLUMNS = "m.id, m.sender, s.name, m.toid, m.groupid, m.ts, m.mid, m.msg";

/** The message of a row. */
export function stored([messageid, id, name, toid, groupid, ts, mid, msg]: MessageRow): StoredMessage {
  const rest = mid === null ? { messageid, id, name, msg, ts } : { messageid, id, name, msg, ts, mid };
  return toid === null ? { ...rest, groupid: groupid! } : { ...rest, toid };
}
