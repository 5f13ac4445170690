// What happened in groups, and what changes a group: the same on both databases, which keep an event as JSON in a row of `message`.

import type { GroupEvent, GroupSettings, Role, UserId } from "./store.ts";

/** What `message.kind` says of an event. */
export const EVENT = 4;

/** What an event's row says in `msg`. Names of users are looked up when they are told. */
export type Said = Pick<GroupEvent, "what" | "groupid" | "groupname" | "id" | "role" | "group" | "count">;

/** What a role may: who has the higher number may do things to the others. */
export const RANKS: Record<Role, number> = { normal: 0, moderator: 1, creator: 2 };

/** The text of an event's row. */
export function textOf({ what, groupid, groupname, id, role, group, count }: Said): string {
  return JSON.stringify({ count, what, id, role, group, groupid, groupname });
}

/** The event of a row that `by` is the sender of. */
export function eventOf(messageid: number, by: UserId, ts: number, msg: string, nameOf: (userId: UserId) => string): GroupEvent {
  const { what, groupid, groupname, id, role, group, count } = JSON.parse(msg) as Said;
  return {
    what,
    groupid,
    groupname,
    messageid,
    ts,
    id,
    name: nameOf(id),
    ...by === id ? {} : { by, byname: nameOf(by) },
    ...role === undefined ? {} : { role },
    ...group === undefined ? {} : { group },
    count,
  };
}

/** What of these settings is not so yet. */
export function changesOf(now: GroupSettings, wanted: Partial<GroupSettings>): Partial<GroupSettings> {
  const changed = Object.entries(wanted).filter(([setting, value]) => value !== undefined && now[setting as keyof GroupSettings] !== value);
  return Object.fromEntries(changed);
}

/** Whether such a change concerns who else may have the group's name. */
export function renames(change: Partial<GroupSettings>): boolean {
  return change.groupname !== undefined || change.private !== undefined;
}
