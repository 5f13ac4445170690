// A message as a statement gives it, and as the store gives it on.

import type { Conversation, GroupId, StoredMessage, UserId } from "../store.ts";

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
  reply: number | null,
  silent: number,
  edited: number | null,
  deleted: number,
  files: string | null,
];

/** Of a message `m` and its sender `s`. */
export const MESSAGE_COLUMNS = "m.id, m.sender, s.name, m.toid, m.groupid, m.ts, m.mid, m.msg, m.reply, m.silent, m.edited, m.deleted, m.files";

/** The message of a row. */
export function stored([messageid, id, name, toid, groupid, ts, mid, msg, reply, silent, edited, deleted, files]: MessageRow): StoredMessage {
  const message: StoredMessage = { messageid, id, name, ...conversation(toid, groupid), msg, ts };
  if (mid !== null) message.mid = mid;
  if (reply !== null) message.reply = reply;
  if (silent !== 0) message.silent = true;
  if (edited !== null) message.edited = edited;
  if (deleted !== 0) message.deleted = true;
  if (files !== null) message.files = JSON.parse(files);
  return message;
}

/** Where a row says that its message stands. */
export function conversation(toid: UserId | null, groupid: GroupId | null): Conversation {
  return toid === null ? { groupid: groupid! } : { toid };
}
