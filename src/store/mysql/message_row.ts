// A message as a statement gives it, and as the store gives it on.

import { filesOf } from "../files.ts";
import type { Conversation, StoredMessage, UserId } from "../store.ts";
import { numbers } from "./sql.ts";

/** A message as a statement gives it. */
export interface MessageRow {
  id: number;
  sender: number;
  name: string;
  toid: number | null;
  groupid: number | null;
  ts: number;
  mid: string | null;
  msg: string;
  reply: number | null;
  silent: number;
  edited: number | null;
  deleted: number;
  files: string | null;
}

/** The columns of a {@linkcode MessageRow}, of a message `m` and its sender `u`; `msg` is what of the text is needed. */
export function columns(msg = "m.msg"): string {
  return "m.id, m.sender, u.name, m.toid, m.groupid, m.ts, CONVERT(m.mid USING utf8mb4) AS mid, " +
    `${msg} AS msg, m.reply, m.silent, m.edited, m.deleted, m.files`;
}

/** The message of a row. */
export function stored({ id, sender, name, toid, groupid, ts, mid, msg, reply, silent, edited, deleted, files }: MessageRow): StoredMessage {
  const conversation: Conversation = toid !== null ? { toid } : { groupid: groupid! };
  return {
    ...{ messageid: id, id: sender, name, ...conversation, msg, ts },
    ...mid === null ? {} : { mid },
    ...reply === null ? {} : { reply },
    ...silent === 0 ? {} : { silent: true },
    ...edited === null ? {} : { edited },
    ...deleted === 0 ? {} : { deleted: true },
    ...filesOf(files),
  };
}

/** That a row of `message` stands in this conversation of the user; no other table of the statement may have columns of these names. */
export function within(userId: UserId, of: Conversation): string {
  return of.toid === undefined
    ? `groupid = ${numbers([of.groupid])}`
    : `lo = ${numbers([Math.min(userId, of.toid)])} AND hi = ${numbers([Math.max(userId, of.toid)])}`;
}
