/**
 * The logs of users, locked until their transaction ends: what becomes an entry of them, and its number.
 *
 * 1. The rows of groups are locked first, then those of users, each in the order of their ids. So transactions that share a log run one after another: `seq`
 *    has no gap.
 * 2. Everything else is read after that, each statement with a snapshot of its own (READ COMMITTED): what was committed by whoever held the locks before is
 *    seen. So the nodes that are named are those that hold sessions of the receivers when the entry is made.
 * 3. Statements that need nothing of each other's results share a round trip: START TRANSACTION with the locks (unless groups are locked before), the last ones
 *    with COMMIT. What follows one that fails is not run.
 * 4. Rows that others hold for long (`held_rows.ts`) are done without where the transaction can be done in part.
 */
import type { Append, GroupId, Receiver, UserId } from "../store.ts";
import { lockingRows } from "./held_rows.ts";
import type { Link } from "./link.ts";
import type { UserRow } from "./locked_user.ts";
import { lockOrder, marks, numbers, padded, pieces } from "./sql.ts";
import { lockUserRows, needAll } from "./users.ts";

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
  /** Those whose rows others hold. */
  readonly #held: ReadonlySet<UserId>;
  readonly #heldGroups: ReadonlySet<GroupId>;
  readonly #seqs = new Map<UserId, number>();
  /** Where those are who have sessions on several nodes. */
  #nodes = new Map<UserId, string[]>();

  /** `groups`: those that exist; `held`, `heldGroups`: users and groups whose rows others hold; of the latter is known what was committed last. */
  constructor(
    readonly groups: ReadonlyMap<GroupId, LockedGroup>,
    users: Log[],
    maxInbox: number,
    held: ReadonlySet<UserId>,
    heldGroups: ReadonlySet<GroupId> = new Set(),
  ) {
    this.#users = new Map(users.flatMap((user) => user.deleted ? [] : [[user.id, user]]));
    this.#maxInbox = maxInbox;
    this.#held = held;
    const withHeld = held.size === 0 ? [] : [...groups].flatMap(([id, { members }]) => members.some((member) => held.has(member)) ? id : []);
    this.#heldGroups = new Set([...heldGroups, ...withHeld]);
  }

  /**
   * Whether this cannot be decided on now: others hold the row of one whose log it would stand in, of its sender, or of its group; who is not in that is told so.
   */
  isHeld({ sender, toid, groupid, hook }: Append): boolean {
    if (this.#held.has(sender) || (toid !== undefined && this.#held.has(toid))) return true;
    if (groupid === undefined || !this.#heldGroups.has(groupid)) return false;
    return hook !== undefined || this.groups.get(groupid)!.members.includes(sender);
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
 * Begins the transaction, and locks the logs of these users and of the members of these groups. In `part`: also without those that others hold; else throws
 * {@linkcode LockHeld} if there are any.
 *
 * @returns them, and the rows of the statements of `reading`, which are run under the locks.
 */
export async function lockLogs(
  tx: Link,
  groups: GroupId[],
  users: UserId[],
  maxInbox: number,
  reading: string[],
  part = false,
): Promise<{ logs: LockedLogs; results: unknown[][] }> {
  const begin = groups.length > 0 ? [] : ["START TRANSACTION"];
  if (groups.length > 0) await tx.command("START TRANSACTION");
  const { found, held: heldGroups } = await lockGroups(tx, groups);
  const members = [...found].flatMap(([id, group]) => heldGroups.has(id) ? [] : group.members);
  const { rows, held, results } = await lockUserRows<Log>(tx, begin, [...users, ...members], COLUMNS, reading);
  if (!part) [held, heldGroups].forEach(needAll);
  return { logs: new LockedLogs(found, rows, maxInbox, held, heldGroups), results: results as unknown[][] };
}

/** The same for a group of which the members are told nothing: it is locked, they are not. */
export async function lockGroup(
  tx: Link,
  groupid: GroupId,
  users: UserId[],
  maxInbox: number,
  reading: string[],
): Promise<{ logs: LockedLogs; results: unknown[][] }> {
  const { rows, held, results } = await lockUserRows<Log>(
    tx,
    ["START TRANSACTION", lockingRows("allgroup", ["id"], [groupid])],
    users,
    COLUMNS,
    reading,
  );
  needAll(held);
  return { logs: new LockedLogs(new Map(), rows, maxInbox, held), results: results as unknown[][] };
}

/** Locks these groups. @returns those that are there, and which of them others hold. */
async function lockGroups(tx: Link, ids: GroupId[]): Promise<{ found: Map<GroupId, LockedGroup>; held: Set<GroupId> }> {
  const found = new Map<GroupId, LockedGroup>();
  if (ids.length === 0) return { found, held: new Set() };
  const { rows, held } = tx.held?.wary
    ? await tx.held.lockFree<GroupRow>(tx, "allgroup", ["id", "private", "posting"], ids)
    : { rows: await waitForGroups(tx, ids), held: new Map<GroupId, GroupRow>() };
  const all = [...rows, ...held.values()];
  for (const { id, private: isPrivate, posting } of all) {
    found.set(id, { private: isPrivate === 1, moderated: posting === "moderators", members: [] });
  }
  for (const piece of pieces(all.map(({ id }) => id))) {
    const list = padded(piece);
    const members = await tx.rows<{ groupid: number; userid: number }>(
      `SELECT groupid, userid FROM groupuser WHERE groupid IN (${marks(list.length)})`,
      list,
    );
    for (const { groupid, userid } of members) found.get(groupid)!.members.push(userid);
  }
  return { found, held: new Set(held.keys()) };
}

interface GroupRow {
  id: GroupId;
  private: number;
  posting: string;
}

async function waitForGroups(tx: Link, ids: GroupId[]): Promise<GroupRow[]> {
  const rows: GroupRow[] = [];
  for (const piece of pieces(lockOrder(ids))) {
    const list = padded(piece);
    rows.push(
      ...await tx.rows<GroupRow>(
        `SELECT id, private, posting FROM allgroup FORCE INDEX (PRIMARY) WHERE id IN (${marks(list.length)}) ORDER BY id FOR UPDATE`,
        list,
      ),
    );
  }
  return rows;
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
