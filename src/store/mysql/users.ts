// Locking users, and the transactions that decide on them.

import type { UserId } from "../store.ts";
import type { Link } from "./link.ts";
import { DEVICE_COLUMNS, type DeviceRow, LockedUser, USER_COLUMNS, type UserRow, writing } from "./locked_user.ts";
import type { Pool } from "./pool.ts";
import { lockOrder, numbers, pieces } from "./sql.ts";

/** The statements that lock these users in the order of their ids; each gives rows of these columns. */
export function lockingUsers(ids: Iterable<number>, columns: readonly (keyof UserRow)[] = ["id"]): string[] {
  // Without the hint a small table is scanned, which waits for the locks of users that are none of our business.
  return [...pieces(lockOrder(ids))].map((piece) =>
    `SELECT ${columns.join()} FROM user FORCE INDEX (PRIMARY) WHERE id IN (${numbers(piece)}) ORDER BY id FOR UPDATE`
  );
}

/** Locks these users in the order of their ids. @returns those that are there: their accounts are not deleted */
export async function lockUsers(tx: Link, ids: Iterable<number>): Promise<Set<UserId>> {
  const results = await tx.script(lockingUsers(ids, ["id", "deleted"])) as Pick<UserRow, "id" | "deleted">[][];
  return new Set(results.flat().flatMap(({ id, deleted }) => deleted ? [] : [id]));
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
   * the locks, and may be called several times. Not `patient`: throws {@linkcode LockConflict} at the first deadlock or lock wait.
   */
  async change<T>(
    ids: Iterable<UserId>,
    decide: (users: Map<UserId, LockedUser>, read: unknown[]) => Decision<T>,
    { reading = [], patient = true }: { reading?: string[]; patient?: boolean } = {},
  ): Promise<T> {
    const order = lockOrder(ids);
    const locking = lockingUsers(order, USER_COLUMNS);
    const devicesOf = [...pieces(order)].map((piece) => `SELECT ${DEVICE_COLUMNS} FROM device WHERE userid IN (${numbers(piece)})`);
    return await this.db.ownTransaction(async (tx, committing) => {
      const [, ...results] = await tx.script(["START TRANSACTION", ...locking, ...devicesOf, ...reading]);
      const rows = results.splice(0, locking.length).flat() as UserRow[];
      const devices = Map.groupBy(results.splice(0, devicesOf.length).flat() as DeviceRow[], ({ userid }) => userid);
      const users = new Map(rows.map((row) => [row.id, new LockedUser(row, devices.get(row.id) ?? [], this.maxInbox)]));
      const { result, statements = [] } = decide(users, results);
      const written = [...writing([...users.values()]), ...statements];
      if (written.length > 0) committing();
      await tx.script([...written, "COMMIT"]);
      return result;
    }, patient);
  }
}
