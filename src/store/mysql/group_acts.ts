/**
 * What is done in a group: how it is decided on, told and written; `membership.ts` says what there is to do.
 *
 * 1. Everything is decided on what is read under the lock of the group's row, with those users locked whose logs take what happens (`user_logs.ts`). What is refused, or
 *    changes nothing, is most often seen before, without any lock.
 * 2. Names are waited for behind all locks of groups and users, and before anything is told: so whoever holds one waits for nobody's rows.
 */
import { RANKS, type Said } from "../group_events.ts";
import type { GroupId, GroupRefusal, GroupSettings, Role, Told, UserId } from "../store.ts";
import { isDuplicate } from "./errors.ts";
import { insertEvents } from "./group_events.ts";
import type { GroupRow } from "./groups.ts";
import type { Link } from "./link.ts";
import { enter, type LockedLogs, lockGroup, lockLogs } from "./user_logs.ts";
import type { Pool } from "./pool.ts";
import { numbers } from "./sql.ts";

/** A user as the group knows them. */
interface Person {
  id: UserId;
  name: string;
  /** The account is gone. */
  deleted: number;
  /** What they are in it; null: they are not in it. */
  role: Role | null;
  banned: number;
  /** Until when they may come in (ms); 0: they are not invited. */
  invited: number;
}

/** What is decided on. */
export interface Situation {
  group: Omit<GroupRow, "role"> & Pick<GroupSettings, "history" | "posting"> & { groupkey: Uint8Array | null };
  /** Who does it, and whom it is about, as far as they exist. */
  people: Map<UserId, Person>;
  /** The rows of what else was asked. */
  rest: unknown[][];
}

/** What is to be done. */
export interface Plan<T> {
  /** What is told, in this order. To: `all` who were in the group before or are after; those but the one who left; or whom it is about. */
  tell: { said: Omit<Said, "groupid" | "groupname">; to: "all" | "rest" | "one" }[];
  /** What takes or frees names, before anything is told; what it is if one is taken. */
  naming?: { statements: string[]; taken: T };
  /** What is written, given the numbers of what was told. */
  writing: (ids: number[]) => string[];
  result: (told: Told[]) => T;
}

/** Something that somebody does in a group. */
export interface Act<T> {
  groupid: GroupId;
  by: UserId;
  /** Whom it is about; oneself if nobody else. */
  about?: UserId;
  at: number;
  /** The members are told nothing. */
  silent?: boolean;
  /** What else it is decided on. */
  asking?: string[];
  decide: (now: Situation | undefined) => T | Plan<T>;
}

function looking(groupid: GroupId, people: UserId[]): string[] {
  const group = numbers([groupid]);
  return [
    `SELECT id, groupname, groupkey, groupdesc, count, private, history, posting FROM allgroup WHERE id = ${group}`,
    "SELECT u.id, u.name, u.deleted, m.grouprole AS role, b.userid IS NOT NULL AS banned, COALESCE(i.expires, 0) AS invited FROM user u " +
    `LEFT JOIN groupuser m ON m.groupid = ${group} AND m.userid = u.id LEFT JOIN ban b ON b.groupid = ${group} AND b.userid = u.id ` +
    `LEFT JOIN invite i ON i.groupid = ${group} AND i.userid = u.id WHERE u.id IN (${numbers(people)})`,
  ];
}

function found([groups, people, ...rest]: unknown[]): Situation | undefined {
  const [group] = groups as Situation["group"][];
  if (!group) return undefined;
  return { group, people: new Map((people as Person[]).map((person) => [person.id, person])), rest: rest as unknown[][] };
}

function isPlan<T>(decided: T | Plan<T>): decided is Plan<T> {
  return typeof decided === "object" && decided !== null && "writing" in decided;
}

/** What one who is not in it is told of a group. */
export function outside(now: Situation | undefined): "NO_GROUP" | "NOT_MEMBER" {
  return now?.group.private === 0 ? "NOT_MEMBER" : "NO_GROUP";
}

/** What is decided by somebody of that rank at least. */
export function ranked<T>(by: UserId, rank: Role, decide: (now: Situation, role: Role) => T): (now: Situation | undefined) => T | GroupRefusal {
  return (now) => {
    const role = now?.people.get(by)?.role;
    if (!now || !role) return outside(now);
    return RANKS[role] >= RANKS[rank] ? decide(now, role) : "NOT_YOURS";
  };
}

/** What only says so, and tells nobody. */
export function done(...statements: string[]): Plan<"OK"> {
  return { tell: [], writing: () => statements, result: () => "OK" };
}

/**
 * Does it: looks first, without any lock; then, unless it is refused or changes nothing, looks again under the locks, writes, and commits.
 */
export async function act<T>(db: Pool, maxInbox: number, { groupid, by, about = by, at, silent, asking = [], decide }: Act<T>): Promise<T> {
  const reading = [...looking(groupid, [by, about]), ...asking];
  const first = decide(found(await db.readAll(reading)));
  if (!isPlan(first)) return first;
  return await db.ownTransaction(async (tx, committing) => {
    const { logs, results } = silent
      ? await lockGroup(tx, groupid, [by, about], maxInbox, reading)
      : await lockLogs(tx, [groupid], [by, about], maxInbox, reading);
    const now = found(results);
    const plan = decide(now);
    if (!isPlan(plan)) {
      await tx.command("COMMIT");
      return plan;
    }
    if (plan.naming) {
      try {
        await tx.script(plan.naming.statements);
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        await tx.command("ROLLBACK");
        return plan.naming.taken;
      }
    }
    const told = await tell(tx, logs, now!, { by, about, at }, plan);
    const entries = told.map(({ event, receivers }) => ({ messageid: event.messageid, receivers }));
    await enter(tx, entries, plan.writing(told.map(({ event }) => event.messageid)), committing);
    return plan.result(told);
  });
}

async function tell<T>(
  tx: Link,
  logs: LockedLogs,
  { group, people, rest }: Situation,
  { by, about, at }: { by: UserId; about: UserId; at: number },
  { tell }: Plan<T>,
): Promise<Told[]> {
  if (tell.length === 0) return [];
  await logs.readNodes(tx);
  const members = logs.groups.get(group.id)?.members ?? [];
  const to = { all: [...new Set([...members, about])], rest: members.filter((userId) => userId !== about), one: [about] };
  const named = [...people.values(), ...rest.flat() as Partial<Person>[]];
  const nameOf = (userId: UserId) => named.find(({ id }) => id === userId)?.name ?? "";
  const tellings = tell.map(({ said, to: whom }) => ({
    said: { ...said, groupid: group.id, groupname: said.group?.groupname ?? group.groupname },
    to: to[whom],
  }));
  return await insertEvents(tx, logs, { by, at }, tellings, nameOf);
}
