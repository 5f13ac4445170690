/**
 * Storing messages: one transaction for a whole batch, in few round trips, however many receivers.
 *
 * 1. The rows of all groups of the batch are locked first, then those of all senders and receivers, each in the order of their ids. So batches of different
 *    nodes that share a conversation run one after another: `seq` has no gap, and `messageid` rises within a conversation.
 * 2. Everything else is read after that, each statement with a snapshot of its own (READ COMMITTED): what was committed by whoever held the locks before is
 *    seen. So the nodes that are named are those that hold sessions of the receivers when the message is stored.
 * 3. Statements that need nothing of each other's results share a round trip: START TRANSACTION with the locks (unless groups are locked before), the last ones
 *    with COMMIT. What follows one that fails is not run.
 * 4. All ids and seqs are known before the COMMIT is sent. If its answer does not come, one message's row tells whether it happened: a locking read
 *    waits for a commit that is still under way.
 */

import { type Append, type Appended, type GroupId, type Receiver, type Store, type StoreLimits, StoreUnavailable, type UserId } from "../store.ts";
import { CommitUnknown } from "./errors.ts";
import type { Link } from "./link.ts";
import type { Pool } from "./pool.ts";
import { insertPieces, lockOrder, marks, numbers, padded, pieces, valueTable } from "./sql.ts";
import type { UserRow } from "./locked_user.ts";
import { lockingUsers } from "./users.ts";

/** How long the outcome of a COMMIT is looked for: longer than the 15 s (wait_timeout) after which a transaction ends whose connection went silent. */
const LOOK_UP_MS = 20_000;
const LOOK_UP_PAUSE_MS = 250;
/** A batch whose COMMIT got lost, and that was not found, is stored again so many times. */
const ATTEMPTS = 3;

/** Inbox rows of one statement. */
const INBOX_ROWS = 4096;

/** A message that will be stored. */
interface Planned {
  append: Append;
  /** Known once the row is inserted. */
  messageid: number;
  receivers: Receiver[];
}

/** A message that is stored, or will be before this one: what its `mid` means. */
interface Known {
  append: Pick<Append, "toid" | "groupid" | "msg" | "ts">;
  messageid: number;
}

type Outcome = Planned | { repeats: Known } | Appended;

export function appending(db: Pool, limits: StoreLimits): Pick<Store, "append"> {
  return {
    async append(batch) {
      for (let attempt = 1;; attempt++) {
        let outcomes: Outcome[] = [];
        try {
          await db.ownTransaction(async (tx, committing) => {
            outcomes = decide(batch, await lock(tx, batch), limits);
            const stored = outcomes.filter((outcome) => "append" in outcome);
            await insertMessages(tx, stored);
            await fillInboxes(tx, stored, committing);
          });
          return outcomes.map(result);
        } catch (error) {
          if (!(error instanceof CommitUnknown)) throw error;
          const stored = outcomes.find((outcome) => "append" in outcome);
          if (!stored || await isStored(db, stored)) return outcomes.map(result);
          if (attempt === ATTEMPTS) throw error;
        }
      }
    },
  };
}

function result(outcome: Outcome): Appended {
  if ("errno" in outcome) return outcome;
  const { append, messageid } = "repeats" in outcome ? outcome.repeats : outcome;
  const repeated = "repeats" in outcome;
  return { errno: "OK", messageid, ts: append.ts, repeated, receivers: repeated ? [] : outcome.receivers };
}

/** Whether the transaction that inserted this message was committed. Waits while that is being decided. */
async function isStored(db: Pool, message: Planned): Promise<boolean> {
  const giveUp = performance.now() + LOOK_UP_MS;
  for (;;) {
    try {
      const rows = await db.read<{ sender: number; ts: number }>("SELECT sender, ts FROM message WHERE id = ? LOCK IN SHARE MODE", [
        message.messageid,
      ]);
      return rows.some(({ sender, ts }) => sender === message.append.sender && ts === message.append.ts);
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || db.closed || performance.now() > giveUp) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_UP_PAUSE_MS));
  }
}

/** A user's row, as far as it matters here. */
type Log = Pick<UserRow, "id" | "last_seq" | "confirmed_seq" | "many" | "state" | "node">;

/** What a batch is decided on, under its locks. */
interface Locked {
  members: Map<GroupId, UserId[]>;
  users: Map<UserId, Log>;
  /** Where those are who have sessions on several nodes. */
  nodes: Map<UserId, string[]>;
  known: Map<string, Known>;
  blocks: Set<string>;
}

/** Begins the transaction, locks, and reads. */
async function lock(tx: Link, batch: Append[]): Promise<Locked> {
  const groups = batch.flatMap((append) => append.groupid ?? []);
  const begin = groups.length > 0 ? [] : ["START TRANSACTION"];
  if (groups.length > 0) await tx.command("START TRANSACTION");
  const members = await lockGroups(tx, groups);
  const ids = [...batch.flatMap(({ sender, toid }) => toid === undefined ? [sender] : [sender, toid]), ...[...members.values()].flat()];
  const locking = lockingUsers(ids, ["id", "last_seq", "confirmed_seq", "many", "state", "node"]);
  const results = await tx.script([...begin, ...locking, ...findingBlockers(batch)]);
  const rows = results.slice(begin.length) as unknown[][];
  const users = new Map((rows.splice(0, locking.length).flat() as Log[]).map((user) => [user.id, user]));
  const blockers = new Set((rows.flat() as { userid: UserId }[]).map(({ userid }) => userid));
  const asking = readingBlocks(batch, blockers);
  const several = [...users.values()].filter(({ state, node }) => state === "online" && node === null).map(({ id }) => id);
  const more = await tx.script([...asking, ...findingNodes(several)]) as unknown[][];
  const blocks = more.splice(0, asking.length).flat() as { userid: UserId; blocked: UserId }[];
  return {
    members,
    users,
    nodes: byUser(more.flat() as NodeRow[]),
    known: await knownMids(tx, batch),
    blocks: new Set(blocks.map(({ userid, blocked }) => pair(userid, blocked))),
  };
}

interface NodeRow {
  userid: UserId;
  node: string;
}

/** The statements that tell where these users have sessions. */
function findingNodes(ids: UserId[]): string[] {
  return [...pieces(ids)].map((piece) =>
    `SELECT userid, node FROM device FORCE INDEX (PRIMARY) WHERE userid IN (${numbers(piece)}) AND node IS NOT NULL`
  );
}

function byUser(rows: NodeRow[]): Map<UserId, string[]> {
  const nodes = new Map<UserId, string[]>();
  for (const { userid, node } of rows) {
    const known = nodes.get(userid);
    if (!known) nodes.set(userid, [node]);
    else if (!known.includes(node)) known.push(node);
  }
  return nodes;
}

function decide(batch: Append[], { members, users, nodes, known, blocks }: Locked, { maxInbox }: StoreLimits): Outcome[] {
  const seqs = new Map<UserId, number>();
  /** The next entry of that log, unless it holds so many. */
  function entry(userId: UserId, most: number): Receiver | undefined {
    const user = users.get(userId);
    if (!user) return undefined;
    const seq = (seqs.get(userId) ?? user.last_seq) + 1;
    if (seq - user.confirmed_seq > most) return undefined;
    seqs.set(userId, seq);
    return { userId, seq, nodes: user.node === null ? nodes.get(userId) ?? [] : [user.node] };
  }
  return batch.map((append): Outcome => {
    const { sender, toid, groupid, mid } = append;
    const repeats = mid === undefined ? undefined : known.get(pair(sender, mid));
    if (repeats) return isSame(append, repeats.append) ? { repeats } : { errno: "BAD_FIELD" };
    const group = groupid === undefined ? undefined : members.get(groupid);
    if (toid !== undefined && !users.has(toid)) return { errno: "NO_USER" };
    if (groupid !== undefined && !group) return { errno: "NO_GROUP" };
    if (group && !group.includes(sender)) return { errno: "NOT_MEMBER" };
    if (toid !== undefined && blocks.has(pair(toid, sender))) return { errno: "BLOCKED" };

    const receivers = (group ?? [toid!]).flatMap((userId) => group && userId === sender ? [] : entry(userId, maxInbox) ?? []);
    if (toid !== undefined && receivers.length === 0) return { errno: "FULL" };
    if (users.get(sender)?.many && toid !== sender) receivers.push(...[entry(sender, 2 * maxInbox) ?? []].flat());
    const planned: Planned = { append, messageid: 0, receivers };
    if (mid !== undefined) known.set(pair(sender, mid), planned);
    return planned;
  });
}

/** Whether the two say the same in the same conversation. */
function isSame(a: Known["append"], b: Known["append"]): boolean {
  return a.toid === b.toid && a.groupid === b.groupid && a.msg === b.msg;
}

function pair(a: number, b: number | string): string {
  return `${a} ${b}`;
}

/** Locks these groups. @returns their members. */
async function lockGroups(tx: Link, ids: GroupId[]): Promise<Map<GroupId, UserId[]>> {
  const members = new Map<GroupId, UserId[]>();
  for (const piece of pieces(lockOrder(ids))) {
    const list = padded(piece);
    const groups = await tx.rows<{ id: number }>(
      `SELECT id FROM allgroup FORCE INDEX (PRIMARY) WHERE id IN (${marks(list.length)}) ORDER BY id FOR UPDATE`,
      list,
    );
    for (const { id } of groups) members.set(id, []);
    const rows = await tx.rows<{ groupid: number; userid: number }>(
      `SELECT groupid, userid FROM groupuser WHERE groupid IN (${marks(list.length)})`,
      list,
    );
    for (const { groupid, userid } of rows) members.get(groupid)?.push(userid);
  }
  return members;
}

/** The messages that are stored already, by sender and mid. */
async function knownMids(tx: Link, batch: Append[]): Promise<Map<string, Known>> {
  const known = new Map<string, Known>();
  const asked = batch.flatMap((append) => append.mid === undefined ? [] : [{ append, mid: append.mid }]);
  for (const piece of pieces(asked)) {
    const list = padded(piece);
    const rows = await tx.rows<StoredRow>(
      "SELECT m.id, m.sender, m.toid, m.groupid, m.msg, CONVERT(m.mid USING utf8mb4) AS mid, m.ts " +
        `FROM (${valueTable(list.length, { sender: "SIGNED", mid: "BINARY" })}) v STRAIGHT_JOIN message m ON m.sender = v.sender AND m.mid = v.mid`,
      list.flatMap(({ append, mid }) => [append.sender, mid]),
    );
    for (const { id, sender, toid, groupid, msg, mid, ts } of rows) {
      const conversation = toid !== null ? { toid } : { groupid: groupid! };
      known.set(pair(sender, mid), { append: { ...conversation, msg, ts }, messageid: id });
    }
  }
  return known;
}

interface StoredRow {
  id: number;
  sender: UserId;
  toid: UserId | null;
  groupid: GroupId | null;
  msg: string;
  mid: string;
  ts: number;
}

/** The statements that tell which receivers block anyone: few do, and to ask that is a third of the time that all pairs take. */
function findingBlockers(batch: Append[]): string[] {
  const receivers = lockOrder(batch.flatMap(({ toid }) => toid ?? []));
  return [...pieces(receivers)].map((piece) => `SELECT DISTINCT userid FROM block FORCE INDEX (PRIMARY) WHERE userid IN (${numbers(piece)})`);
}

/** The statements that tell which of these receivers block the senders who write to them. */
function readingBlocks(batch: Append[], blockers: Set<UserId>): string[] {
  const asked = new Map(
    batch.flatMap(({ sender, toid }) => toid === undefined || !blockers.has(toid) ? [] : [[pair(toid, sender), [toid, sender]]]),
  );
  return [...pieces([...asked.values()])].map((piece) =>
    `SELECT userid, blocked FROM block FORCE INDEX (PRIMARY) WHERE ${
      piece.map(([toid, sender]) => `userid = ${numbers([toid])} AND blocked = ${numbers([sender])}`).join(" OR ")
    }`
  );
}

/** One row per message. The ids of one statement are consecutive, those of a later one higher. */
async function insertMessages(tx: Link, messages: Planned[]): Promise<void> {
  for (const piece of insertPieces(messages)) {
    const { insertId } = await tx.change(
      `INSERT INTO message (sender, toid, groupid, ts, mid, msg) VALUES ${marks(piece.length, "(?, ?, ?, ?, ?, ?)")}`,
      piece.flatMap(({ append: { sender, toid, groupid, ts, mid, msg } }) => [sender, toid ?? null, groupid ?? null, ts, mid ?? null, msg]),
    );
    for (const [i, message] of piece.entries()) message.messageid = insertId + i;
  }
}

/** The inboxes' rows and the users' `last_seq`, and the COMMIT with the last of them. */
async function fillInboxes(tx: Link, messages: Planned[], committing: () => void): Promise<void> {
  const rows: string[] = [];
  const risen = new Map<UserId, number>();
  for (const { messageid, receivers } of messages) {
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
  await tx.script([...inserts.slice(-1), ...updates, "COMMIT"]);
}
