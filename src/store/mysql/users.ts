// Locking users, and the transactions that decide on them.

import type { UserId } from "../store.ts";
import { LockHeld } from "./errors.ts";
import { lockingRows } from "./held_rows.ts";
import type { Link } from "./link.ts";
import { DEVICE_COLUMNS, type DeviceRow, LockedUser, USER_COLUMNS, type UserRow, writing } from "./locked_user.ts";
import type { Pool } from "./pool.ts";
import { lockOrder, numbers, pieces } from "./sql.ts";

/** Users' rows that were locked. */
interface Locking<Row> {
  rows: Row[];
  /** Those whose rows others hold. */
  held: Set<UserId>;
  /** The rows of what was read under the locks, statement by statement. */
  results: unknown[];
}

/**
 * Runs the statements of `begin`, locks these users in the order of their ids, and runs those of `reading`: in one round trip, unless rows are held
 * (`held_rows.ts`).
 */
export async function lockUserRows<Row extends { id: number }>(
  tx: Link,
  begin: string[],
  ids: Iterable<UserId>,
  columns: readonly (keyof UserRow & keyof Row & string)[],
  reading: string[] = [],
): Promise<Locking<Row>> {
  if (tx.held?.wary) {
    await tx.script(begin);
    const { rows, held } = await tx.held.lockFree<Row>(tx, "user", columns, ids);
    return { rows, held: new Set(held.keys()), results: await tx.script(reading) };
  }
  const locking = [...pieces(lockOrder(ids))].map((piece) => lockingRows("user", columns, piece));
  const results = (await tx.script([...begin, ...locking, ...reading])).slice(begin.length);
  return { rows: results.splice(0, locking.length).flat() as Row[], held: new Set(), results };
}

/** For what cannot be done in part. Throws {@linkcode LockHeld} if rows are held. */
export function needAll(held: ReadonlySet<number>): void {
  if (held.size > 0) throw new LockHeld("others hold what is to be locked");
}

/** Locks these users in the order of their ids. @returns those that are there: their accounts are not deleted */
export async function lockUsers(tx: Link, ids: Iterable<number>): Promise<Set<UserId>> {
  const { rows, held } = await lockUserRows<Pick<UserRow, "id" | "deleted">>(tx, [], ids, ["id", "deleted"]);
  needAll(held);
  return new Set(rows.flatMap(({ id, deleted }) => deleted ? [] : [id]));
}

/** What a transaction decided. */
interface Decision<T> {
  /** What it is for its caller. */
  result: T;
  /** Statements beside those that write the users. */
  statements?: string[];
}

/** Transactions on users and their devices: one round trip locks and reads, one writes and commits. */
export class Users {
  constructor(readonly db: Pool, private readonly maxInbox: number) {}

  /**
   * Locks these users. `decide` changes them, in memory; who does not exist is absent. It is given the rows of the statements of `reading`, which are run under
   * the locks, and may be called several times. In `part`: also without those whose rows, or whose devices', others hold, who are absent then, and named.
   * Not `patient`: throws {@linkcode LockConflict} at the first deadlock or lock that is not to be had.
   */
  async change<T>(
    ids: Iterable<UserId>,
    decide: (users: Map<UserId, LockedUser>, read: unknown[], held: ReadonlySet<UserId>) => Decision<T>,
    { reading = [], patient = true, part = false }: { reading?: string[]; patient?: boolean; part?: boolean } = {},
  ): Promise<T> {
    const order = lockOrder(ids);
    const devicesOf = [...pieces(order)].map((piece) => `SELECT ${DEVICE_COLUMNS} FROM device WHERE userid IN (${numbers(piece)})`);
    return await this.db.ownTransaction(async (tx, committing) => {
      const { rows, held, results } = await lockUserRows<UserRow>(tx, ["START TRANSACTION"], order, USER_COLUMNS, [...devicesOf, ...reading]);
      if (!part) needAll(held);
      const found = results.splice(0, devicesOf.length).flat() as DeviceRow[];
      const wary = part && tx.held?.wary ? tx.held : undefined;
      if (wary) {
        const theirs = new Map(found.flatMap(({ userid }) => held.has(userid) ? [] : [[userid, `userid = ${numbers([userid])}`]]));
        for (const userId of await wary.lockTheirs(tx, "device", theirs)) held.add(userId);
      }
      const devices = Map.groupBy(found, ({ userid }) => userid);
      const free = held.size === 0 ? rows : rows.filter(({ id }) => !held.has(id));
      const users = new Map(free.map((row) => [row.id, new LockedUser(row, devices.get(row.id) ?? [], this.maxInbox)]));
      const { result, statements = [] } = decide(users, results, held);
      if (wary) {
        const trimming = new Map([...users.values()].flatMap((user) => user.trimming === undefined ? [] : [[user.row.id, user.trimming]]));
        for (const userId of await wary.lockTheirs(tx, "inbox", trimming)) users.get(userId)!.keepLog();
      }
      const written = [...writing([...users.values()]), ...statements];
      if (written.length > 0) committing();
      await tx.script([...written, "COMMIT"]);
      return result;
    }, patient);
  }
}
