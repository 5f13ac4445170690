/**
 * The logs of users, locked until their transaction ends: what becomes an entry of them, and its number.
 *
 * 1. The rows of groups are locked first, then those of users, each in the order of their ids. So transactions that share a log run one after another: `seq`
 *    has no gap.
 * 2. Everything else is read after that, each statement with a snapshot of its own (READ COMMITTED): what was committed by whoever held the locks before is
 *    seen. So the nodes that are named are those that hold sessions of the receivers when the entry is made.
 * 3. Statements that need nothing of each other's results share a round trip: START TRANSACTION with the locks (unless groups are locked before), the last ones
 *    with COMMIT. What follows one that fails is not run.
 */
import type { GroupId, Receiver, UserId } from "../store.ts";
import type { Link } from "./link.ts";
import type { UserRow } from "./locked_user.ts";
import { lockOrder, marks, numbers, padded, pieces } from "./sql.ts";
import { lockingUsers } from "./users.ts";

/** Inbox rows of one statement. */
const INBOX_ROWS = 4096;

/** What of a user's row matters here. */
const COLUMNS = ["id", "deleted", "last_seq", "confirmed_seq", "many", "state", "node"] as const;
type Log = Pick<UserRow, typeof COLUMNS[number]>;

interface NodeRow {
  userid: UserId;
  node: string;
}

/** What stands in logs. */
export interface Entry {
  messageid: number;
  receivers: readonly Receiver[];
}

/** A group whose row is locked. */
interface LockedGroup {
  /** To who is not in it, it does not exist. */
  private: boolean;
  /** Only creator and moderators write. */
  moderated: boolean;
  members: UserId[];
}

/** Where everybody's log ends, counted up by what is entered. */
export class LockedLogs {
  readonly #users: Map<UserId, Log>;
  readonly #maxInbox: number;
  readonly #seqs = new Map<UserId, number>();
  /** Where those are who have sessions on several nodes. */
  #nodes = new Map<UserId, string[]>();

  /** `groups`: those that exist. */
  constructor(readonly groups: ReadonlyMap<GroupId, LockedGroup>, users: Log[], maxInbox: number) {
    this.#users = new Map(users.flatMap((user) => user.deleted ? [] : [[user.id, user]]));
    this.#maxInbox = maxInbox;
  }

  /** Whether there is such a user, whose account is not deleted. */
  has(userId: UserId): boolean {
    return this.#users.has(userId);
  }

  /** Reads where everybody is, if that is to be read; and, in the same round trip, the rows of the statements of `reading`. */
  async readNodes(tx: Link, reading: string[] = []): Promise<unknown[][]> {
    const several = [...this.#users.values()].filter(({ state, node }) => state === "online" && node === null).map(({ id }) => id);
    const results = await tx.script([...reading, ...findingNodes(several)]) as unknown[][];
    this.#nodes = byUser(results.splice(reading.length).flat() as NodeRow[]);
    return results;
  }

  /** The next entry of a log; undefined: it is full. */
  next(userId: UserId): Receiver | undefined {
    return this.#next(userId, this.#maxInbox);
  }

  /** The same for what only says what became of a message, or happened in a group. */
  nextDeed(userId: UserId): Receiver | undefined {
    return this.#next(userId, 2 * this.#maxInbox);
  }

  /** The same for what the user did, if that is to stand in the user's own log. */
  nextOwn(userId: UserId): Receiver | undefined {
    return this.#users.get(userId)?.many ? this.#next(userId, 2 * this.#maxInbox) : undefined;
  }

  #next(userId: UserId, most: number): Receiver | undefined {
    const user = this.#users.get(userId);
    if (!user) return undefined;
    const seq = (this.#seqs.get(userId) ?? user.last_seq) + 1;
    if (seq - user.confirmed_seq > most) return undefined;
    this.#seqs.set(userId, seq);
    return { userId, seq, nodes: user.node === null ? this.#nodes.get(userId) ?? [] : [user.node] };
  }
}

/**
 * Begins the transaction, and locks the logs of these users and of the members of these groups.
 *
 * @returns them, and the rows of the statements of `reading`, which are run under the locks.
 */
export async function lockLogs(
  tx: Link,
  groups: GroupId[],
  users: UserId[],
  maxInbox: number,
  reading: string[],
): Promise<{ logs: LockedLogs; results: unknown[][] }> {
  const begin = groups.length > 0 ? [] : ["START TRANSACTION"];
  if (groups.length > 0) await tx.command("START TRANSACTION");
  const locked = await lockGroups(tx, groups);
  const members = [...locked.values()].flatMap((group) => group.members);
  const locking = lockingUsers([...users, ...members], COLUMNS);
  const results = (await tx.script([...begin, ...locking, ...reading])).slice(begin.length) as unknown[][];
  return { logs: new LockedLogs(locked, results.splice(0, locking.length).flat() as Log[], maxInbox), results };
}

/** The same for a group of which the members are told nothing: it is locked, they are not. */
export async function lockGroup(
  tx: Link,
  groupid: GroupId,
  users: UserId[],
  maxInbox: number,
  reading: string[],
): Promise<{ logs: LockedLogs; results: unknown[][] }> {
  const group = `SELECT id FROM allgroup FORCE INDEX (PRIMARY) WHERE id = ${numbers([groupid])} FOR UPDATE`;
  const locking = lockingUsers(users, COLUMNS);
  const results = (await tx.script(["START TRANSACTION", group, ...locking, ...reading])).slice(2) as unknown[][];
  return { logs: new LockedLogs(new Map(), results.splice(0, locking.length).flat() as Log[], maxInbox), results };
}

/** Locks these groups. @returns them. */
async function lockGroups(tx: Link, ids: GroupId[]): Promise<Map<GroupId, LockedGroup>> {
  const locked = new Map<GroupId, LockedGroup>();
  for (const piece of pieces(lockOrder(ids))) {
    const list = padded(piece);
    const groups = await tx.rows<{ id: number; private: number; posting: string }>(
      `SELECT id, private, posting FROM allgroup FORCE INDEX (PRIMARY) WHERE id IN (${marks(list.length)}) ORDER BY id FOR UPDATE`,
      list,
    );
    for (const { id, private: isPrivate, posting } of groups) {
      locked.set(id, { private: isPrivate === 1, moderated: posting === "moderators", members: [] });
    }
    const rows = await tx.rows<{ groupid: number; userid: number }>(
      `SELECT groupid, userid FROM groupuser WHERE groupid IN (${marks(list.length)})`,
      list,
    );
    for (const { groupid, userid } of rows) locked.get(groupid)?.members.push(userid);
  }
  return locked;
}

/** The statements that tell where these users have sessions. */
export function findingNodes(ids: UserId[]): string[] {
  return [...pieces(ids)].map((piece) =>
    `SELECT userid, node FROM device FORCE INDEX (PRIMARY) WHERE userid IN (${numbers(piece)}) AND node IS NOT NULL`
  );
}

/** What the rows of {@linkcode findingNodes} say: each user's nodes, each once. */
export function byUser(rows: NodeRow[]): Map<UserId, string[]> {
  const nodes = new Map<UserId, string[]>();
  for (const { userid, node } of rows) {
    const known = nodes.get(userid);
    if (!known) nodes.set(userid, [node]);
    else if (!known.includes(node)) known.push(node);
  }
  return nodes;
}

/** The inboxes' rows and the users' `last_seq`, then the statements of `beside`, and the COMMIT with the last of them. */
export async function enter(tx: Link, entries: Iterable<Entry>, beside: string[], committing: () => void): Promise<void> {
  const rows: string[] = [];
  const risen = new Map<UserId, number>();
  for (const { messageid, receivers } of entries) {
    for (const { userId, seq } of receivers) {
      rows.push(`(${numbers([userId, seq, messageid])})`);
      risen.set(userId, (risen.get(userId) ?? 0) + 1);
    }
  }
  const inserts: string[] = [];
  for (let i = 0; i < rows.length; i += INBOX_ROWS) {
    inserts.push(`INSERT INTO inbox (userid, seq, messageid) VALUES ${rows.slice(i, i + INBOX_ROWS).join()}`);
  }
  // Few statements: most inboxes of a batch rise by the same number.
  const updates = [...Map.groupBy(risen.keys(), (userId) => risen.get(userId)!)].flatMap(([by, ids]) =>
    [...pieces(ids)].map((piece) => `UPDATE user FORCE INDEX (PRIMARY) SET last_seq = last_seq + ${by} WHERE id IN (${numbers(piece)})`)
  );
  for (const insert of inserts.slice(0, -1)) await tx.script([insert]);
  committing();
  await tx.script([...inserts.slice(-1), ...updates, ...beside, "COMMIT"]);
}
