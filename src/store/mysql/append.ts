/**
 * Storing messages: one transaction for a whole batch, in few round trips, however many receivers (`user_logs.ts`).
 *
 * 1. Batches of different nodes that share a conversation run one after another, by the locks of `user_logs.ts`: `messageid` rises within a conversation.
 * 2. All ids and seqs are known before the COMMIT is sent. If its answer does not come, one message's row tells whether it happened: a locking read
 *    waits for a commit that is still under way.
 * 3. What needs a row that others hold for long (`held_rows.ts`) is not stored, nor what its sender says behind it: HELD. The batch goes on without them.
 */

import {
  type Append,
  type Appended,
  type GroupId,
  type Held,
  type Receiver,
  type Store,
  type StoreLimits,
  StoreUnavailable,
  type UserId,
} from "../store.ts";
import { type FileId, type FileTold, toldOf } from "../files.ts";
import { CommitUnknown } from "./errors.ts";
import { UNUSED_FILE, type UnusedFile, usingFiles } from "./files.ts";
import { lockingRows } from "./held_rows.ts";
import { findingHooks } from "./hooks.ts";
import type { Link } from "./link.ts";
import { enter, type LockedLogs, lockLogs } from "./user_logs.ts";
import { within } from "./message_row.ts";
import type { Pool } from "./pool.ts";
import { insertPieces, literal, lockOrder, marks, numbers, padded, pieces, valueTable } from "./sql.ts";
import { Pairs } from "./talks.ts";
import { visibleTo } from "./visible.ts";

/** How long the outcome of a COMMIT is looked for: longer than the 15 s (wait_timeout) after which a transaction ends whose connection went silent. */
const LOOK_UP_MS = 20_000;
const LOOK_UP_PAUSE_MS = 250;
/** A batch whose COMMIT got lost, and that was not found, is stored again so many times. */
const COMMIT_ATTEMPTS = 3;

/** A message that will be stored. */
interface Planned {
  append: Append;
  /** Known once the row is inserted. */
  messageid: number;
  receivers: Receiver[];
  files: FileTold[] | undefined;
}

/** A message that is stored, or will be before this one: what its `mid` means. */
interface Known {
  append: Pick<Append, "toid" | "groupid" | "msg" | "ts">;
  messageid: number;
  /** It does not say any more what was sent. */
  changed?: boolean;
}

type Outcome = Planned | { repeats: Known } | Appended | Held;

export function appending(db: Pool, limits: StoreLimits): Pick<Store, "append"> {
  const pairs = new Pairs();
  return {
    async append(batch) {
      for (let attempt = 1;; attempt++) {
        let outcomes: Outcome[] = [];
        try {
          await db.ownTransaction(async (tx, committing) => {
            const locked = await lock(tx, batch, limits, pairs);
            outcomes = decide(batch, locked);
            const stored = outcomes.filter((outcome) => "append" in outcome);
            await insertMessages(tx, stored);
            await enter(
              tx,
              stored,
              [...pairs.adding(stored.map(({ append }) => append), locked.talks), ...stored.flatMap(saying), ...stored.flatMap(usingFiles)],
              committing,
            );
          });
          pairs.added(outcomes.flatMap((outcome) => "append" in outcome ? outcome.append : []));
          return outcomes.map(result);
        } catch (error) {
          if (!(error instanceof CommitUnknown)) throw error;
          const stored = outcomes.find((outcome) => "append" in outcome);
          if (!stored || await isStored(db, stored)) return outcomes.map(result);
          if (attempt === COMMIT_ATTEMPTS) throw error;
        }
      }
    },
  };
}

function result(outcome: Outcome): Appended | Held {
  if ("errno" in outcome) return outcome;
  const { append, messageid } = "repeats" in outcome ? outcome.repeats : outcome;
  const repeated = "repeats" in outcome;
  const answer = { errno: "OK", messageid, ts: append.ts, repeated } as const;
  if (repeated) return { ...answer, receivers: [] };
  const { receivers, files } = outcome;
  return { ...answer, receivers, ...files ? { files } : {} };
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
    await db.pause(LOOK_UP_PAUSE_MS);
  }
}

/** What a batch is decided on, under its locks. */
interface Locked {
  logs: LockedLogs;
  known: Map<string, Known>;
  blocks: Set<string>;
  /** Those that answer what their senders may see, in the same conversation. */
  answers: Set<Append>;
  /** Those that are said by hooks that are on. */
  hooks: Set<Append>;
  /** Who is more than a normal member of groups where only they write, by group and sender. */
  moderators: Set<string>;
  /** Files that senders want to send, and that nothing has used. */
  unused: Map<FileId, UnusedFile>;
  /** Such files whose rows others hold. */
  heldFiles: Map<FileId, UnusedFile>;
  /** Rows that conversations are known to have already. */
  talks: { userid: UserId; toid: UserId }[];
}

/** Begins the transaction, locks, and reads. */
async function lock(tx: Link, batch: Append[], { maxInbox }: StoreLimits, pairs: Pairs): Promise<Locked> {
  const groups = batch.flatMap(({ groupid }) => groupid ?? []);
  const users = batch.flatMap(({ sender, toid }) => toid === undefined ? [sender] : [sender, toid]);
  const wary = tx.held?.wary ? tx.held : undefined;
  let about = batch, reading = findings(batch, lockingFiles(batch));
  let { logs, results } = await lockLogs(tx, groups, users, maxInbox, wary ? [] : reading.flat(), true);
  let heldFiles = new Map<FileId, UnusedFile>(), talks: Locked["talks"] = [];
  let files: UnusedFile[] | undefined;
  if (wary) {
    // Who holds the row of somebody may hold what else is locked here.
    about = batch.filter((append) => !logs.isHeld(append));
    ({ rows: files, held: heldFiles } = await wary.lockFree<UnusedFile>(tx, "file", UNUSED_FILE, about.flatMap(({ files }) => files ?? [])));
    const finding = pairs.finding(about);
    reading = findings(about, []);
    results = await tx.script([...finding, ...reading.flat()]) as unknown[][];
    talks = results.splice(0, finding.length).flat() as typeof talks;
  }
  const [blocking, found, hooks, answers] = reading.map(({ length }) => results.splice(0, length).flat());
  const blockers = new Set((blocking as { userid: UserId }[]).map(({ userid }) => userid));
  const asking = readingBlocks(batch, blockers);
  const asked = await logs.readNodes(tx, [...asking, ...findingModerators(batch, logs)]);
  const blocks = asked.splice(0, asking.length).flat() as { userid: UserId; blocked: UserId }[];
  return {
    logs,
    known: await knownMids(tx, batch),
    blocks: new Set(blocks.map(({ userid, blocked }) => pair(userid, blocked))),
    hooks: new Set((hooks as { n: number }[]).map(({ n }) => about[n])),
    answers: new Set((answers as { n: number }[]).map(({ n }) => about[n])),
    moderators: new Set((asked.flat() as { groupid: GroupId; userid: UserId }[]).map(({ groupid, userid }) => pair(groupid, userid))),
    unused: new Map((files ?? found as UnusedFile[]).map((file) => [file.id, file])),
    heldFiles,
    talks,
  };
}

/** The statements that tell who blocks anyone, which files are unused, what is said by hooks, what answers what it may. */
function findings(batch: Append[], files: string[]): string[][] {
  return [findingBlockers(batch), files, findingHooks(batch), findingAnswered(batch)];
}

/** The statement that locks the files that these messages want and nothing has used; none, if they want none. */
function lockingFiles(batch: Append[]): string[] {
  const ids = lockOrder(batch.flatMap(({ files }) => files ?? []));
  return ids.length === 0 ? [] : [lockingRows("file", UNUSED_FILE, ids)];
}

function decide(batch: Append[], { logs, known, blocks, answers, hooks, moderators, unused, heldFiles }: Locked): Outcome[] {
  const waiting = new Set<UserId>();
  return batch.map((append): Outcome => {
    const { sender, toid, groupid, mid, reply, hook } = append;
    const isHeld = logs.isHeld(append) || (append.files?.some((id) => heldFiles.get(id)?.owner === sender) ?? false);
    if (isHeld || waiting.has(sender)) {
      waiting.add(sender);
      return { errno: "HELD", behind: !isHeld };
    }
    if (hook && !hooks.has(append)) return { errno: "NO_GROUP" };
    if (!hook && !logs.has(sender)) return { errno: "NO_USER" };
    const repeats = mid === undefined ? undefined : known.get(pair(sender, mid));
    if (repeats) return isSame(append, repeats) ? { repeats } : { errno: "BAD_FIELD" };
    const group = groupid === undefined ? undefined : logs.groups.get(groupid);
    const inside = hook !== undefined || group?.members.includes(sender);
    if (toid !== undefined && !logs.has(toid)) return { errno: "NO_USER" };
    if (groupid !== undefined && (!group || group.private && !inside)) return { errno: "NO_GROUP" };
    if (reply !== undefined && !answers.has(append)) return { errno: "NO_MESSAGE" };
    const files = append.files?.flatMap((id) => unused.get(id)?.owner === sender ? unused.get(id)! : []);
    if (files && files.length < append.files!.length) return { errno: "NO_MESSAGE" };
    if (group && !inside) return { errno: "NOT_MEMBER" };
    if (group?.moderated && !hook && !moderators.has(pair(groupid!, sender))) return { errno: "MODERATORS_ONLY" };
    if (toid !== undefined && blocks.has(pair(toid, sender))) return { errno: "BLOCKED" };
    if (append.overQuota) return { errno: "FULL" };

    const receivers = (group?.members ?? [toid!]).flatMap((userId) => group && userId === sender ? [] : logs.next(userId) ?? []);
    if (toid !== undefined && receivers.length === 0) return { errno: "FULL" };
    if (toid !== sender) receivers.push(...[logs.nextOwn(sender) ?? []].flat());
    for (const { id } of files ?? []) unused.delete(id);
    const planned: Planned = { append, messageid: 0, receivers, files: files?.map(toldOf) };
    if (mid !== undefined) known.set(pair(sender, mid), planned);
    return planned;
  });
}

/** Whether the two say the same in the same conversation, as far as that is known. */
function isSame(a: Append, { append: b, changed = false }: Known): boolean {
  return a.toid === b.toid && a.groupid === b.groupid && (changed || a.msg === b.msg);
}

function pair(a: number, b: number | string): string {
  return `${a} ${b}`;
}

/** The messages that are stored already, by sender and mid. */
async function knownMids(tx: Link, batch: Append[]): Promise<Map<string, Known>> {
  const known = new Map<string, Known>();
  const asked = batch.flatMap((append) => append.mid === undefined ? [] : [{ append, mid: append.mid }]);
  for (const piece of pieces(asked)) {
    const list = padded(piece);
    const rows = await tx.rows<StoredRow>(
      "SELECT m.id, m.sender, m.toid, m.groupid, m.msg, CONVERT(m.mid USING utf8mb4) AS mid, m.ts, m.edited IS NOT NULL OR m.deleted AS changed " +
        `FROM (${valueTable(list.length, { sender: "SIGNED", mid: "BINARY" })}) v STRAIGHT_JOIN message m ON m.sender = v.sender AND m.mid = v.mid`,
      list.flatMap(({ append, mid }) => [append.sender, mid]),
    );
    for (const { id, sender, toid, groupid, msg, mid, ts, changed } of rows) {
      const conversation = toid !== null ? { toid } : { groupid: groupid! };
      known.set(pair(sender, mid), { append: { ...conversation, msg, ts }, messageid: id, changed: changed === 1 });
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
  changed: number;
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

/** The statements that tell who may write in groups where not all do. */
function findingModerators(batch: Append[], { groups }: LockedLogs): string[] {
  const asked = new Map(
    batch.flatMap(({ sender, groupid }) =>
      groupid === undefined || !groups.get(groupid)?.moderated ? [] : [[pair(groupid, sender), [groupid, sender]]]
    ),
  );
  return [...pieces([...asked.values()])].map((piece) =>
    `SELECT groupid, userid FROM groupuser FORCE INDEX (PRIMARY) WHERE grouprole <> 'normal' AND (${
      piece.map(([groupid, sender]) => `groupid = ${numbers([groupid])} AND userid = ${numbers([sender])}`).join(" OR ")
    })`
  );
}

/** The statement that tells which of these answer what their senders may see, in the same conversation; none, if no one answers. */
function findingAnswered(batch: Append[]): string[] {
  const selects = batch.flatMap((append, n) => {
    const { sender, reply } = append;
    if (reply === undefined) return [];
    return `SELECT ${n} AS n FROM message m WHERE m.id = ${numbers([reply])} AND ${within(sender, append)} AND ${visibleTo(sender)}`;
  });
  return selects.length === 0 ? [] : [selects.join(" UNION ALL ")];
}

/** What few messages say of themselves: the driver keeps something for each value of each statement of its own, so the others do not pay for it. */
function saying({ append: { reply, silent }, messageid }: Planned): string[] {
  if (reply === undefined && !silent) return [];
  return [`UPDATE message SET reply = ${literal(reply ?? null)}, silent = ${silent ? 1 : 0} WHERE id = ${numbers([messageid])}`];
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
