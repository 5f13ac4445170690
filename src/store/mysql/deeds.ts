/**
 * What is done to messages: EDIT, DELETE, REACT. A deed changes its target's row, and is a row of `message` and `deed` itself, in the same transaction: so it has
 * a number, and a place in logs. It stands in no conversation, and holds no text.
 *
 * 1. Locked are the target's group, everybody whose log takes the deed, then the target's row, and only then it is decided. What is refused, or changes nothing,
 *    is most often seen before, without any lock.
 * 2. Who has inserted anything waits for nobody any more: so those who read the newest messages, and wait for them, are in nobody's way.
 * 3. A target stays as long as a log names something that was done to it.
 * 4. Whoever changes or removes several locks rows of `message` first, then those of `deed`, each in the order of their ids, and the latter by nothing but these.
 */
import { decide, type Doer, KINDS, MUCH_DONE, peerOf, reactionColumn, reactionsOf, type Target, told } from "../deeds.ts";
import type { Acted, Deed, Receiver, Store, StoreLimits, UserId } from "../store.ts";
import { removeFilesOf } from "./files.ts";
import { type HeldRows, lockingRows } from "./held_rows.ts";
import type { Link } from "./link.ts";
import { enter, type LockedLogs, lockLogs } from "./user_logs.ts";
import type { Pool } from "./pool.ts";
import { reindexed, unindex } from "./search.ts";
import { deleting, literal, lockOrder, LONGEST_LIST, numbers, pieces, tuple } from "./sql.ts";
import { needAll } from "./users.ts";
import { visibleTo } from "./visible.ts";

/** Characters of a text that is long. */
const LONG_TEXT = 256 * 1024;

/** A target as {@linkcode looking} gives it. */
type TargetRow =
  & Omit<Target, "deleted" | "reactions">
  & { deleted: number; reactions: string | null }
  & Record<keyof Doer, number>;

/** The statement that gives the target, and what the one who does something is to it. */
function looking({ by, messageid, ...deed }: Deed): string {
  const me = numbers([by]);
  const emoji = deed.what === "react" ? literal(new TextEncoder().encode(deed.emoji)) : "''";
  return `SELECT m.id AS messageid, m.sender, m.toid, m.groupid, m.ts, ${deed.what === "react" ? "''" : "m.msg"} AS msg, ` +
    `m.edited, m.deleted, m.reactions, ${visibleTo(by)} AS visible, ` +
    `EXISTS (SELECT 1 FROM groupuser g WHERE g.groupid = m.groupid AND g.userid = ${me} AND g.grouprole IN ('creator', 'moderator')) AS moderator, ` +
    "EXISTS (SELECT 1 FROM allgroup a WHERE a.id = m.groupid AND a.posting = 'moderators') AS silenced, " +
    `EXISTS (SELECT 1 FROM block b WHERE b.userid = IF(m.sender = ${me}, m.toid, m.sender) AND b.blocked = ${me} AND m.toid IS NOT NULL) AS blocked, ` +
    `EXISTS (SELECT 1 FROM reaction r WHERE r.messageid = m.id AND r.userid = ${me} AND r.emoji = ${emoji}) AS reacted ` +
    `FROM message m WHERE m.id = ${numbers([messageid])} AND m.kind = 0`;
}

function found(rows: unknown): { target: Target; doer: Doer } | undefined {
  const [row] = rows as TargetRow[];
  if (!row) return undefined;
  const { visible, moderator, silenced, blocked, reacted, deleted, reactions, ...target } = row;
  return {
    target: { ...target, deleted: deleted === 1, reactions: reactionsOf(reactions) },
    doer: {
      visible: visible === 1,
      moderator: moderator === 1,
      silenced: silenced === 1 && moderator === 0,
      blocked: blocked === 1,
      reacted: reacted === 1,
    },
  };
}

/** The part of the store that is what is done to messages. */
export function deeds(db: Pool, { maxInbox }: StoreLimits): Pick<Store, "act" | "dropDeeds"> {
  return {
    async act(deed) {
      const [rows] = await db.readAll([looking(deed)]);
      const seen = found(rows);
      const first = decide(seen, deed);
      if ("errno" in first) return first;
      const { sender, toid, groupid } = first.changed;
      const blind = `SELECT userid FROM groupuser WHERE groupid = ${numbers([groupid ?? 0])} AND sees > ${numbers([deed.messageid])}`;
      const acted = await db.ownTransaction(async (tx, committing): Promise<Acted> => {
        const { logs, results } = await lockLogs(tx, groupid === null ? [] : [groupid], toid === null ? [deed.by] : [sender, toid], maxInbox, [
          lockingRows("message", ["id"], [deed.messageid], tx.held?.wary ? " SKIP LOCKED" : ""),
          looking(deed),
          reactedTo(deed.messageid),
          blind,
        ]);
        const [locked, rows, reactions, hidden] = results;
        const now = found(rows);
        if (now && locked.length === 0) needAll(new Set([deed.messageid]));
        // Of one whose account is deleted only what was said is still to be deleted.
        const gone = deed.what !== "delete" && !logs.has(deed.by);
        const decided = gone ? { errno: "NO_MESSAGE" } as const : decide(now, deed);
        if ("errno" in decided) {
          await tx.command("COMMIT");
          return decided;
        }
        const { changed } = decided;
        await logs.readNodes(tx);
        const receivers = receiversOf(logs, changed, deed, new Set((hidden as { userid: UserId }[]).map(({ userid }) => userid)));
        if (deed.what === "delete") await removeFilesOf(tx, [deed.messageid]);
        const { insertId } = await tx.change("INSERT INTO message (sender, ts, msg, kind) VALUES (?, ?, '', ?)", [
          deed.by,
          deed.what === "edit" ? changed.edited : deed.at,
          KINDS[deed.what],
        ]);
        if (deed.what === "edit" && isLong(changed.msg)) {
          await tx.change("UPDATE message SET msg = ? WHERE id = ?", [changed.msg, deed.messageid]);
        }
        if (deed.what !== "react") await index(tx, now!.target, changed);
        const statements = writing(insertId, changed, deed, (reactions as { id: number }[]).map(({ id }) => id));
        await enter(tx, [{ messageid: insertId, receivers }], statements, committing);
        const former = deed.what === "edit" ? { former: now!.target.msg } : {};
        return { errno: "OK", done: told(changed, deed.by, deed), receivers, ...former };
      });
      // What a crash leaves of it goes when no log names it.
      if (deed.what === "delete" && acted.errno === "OK") await forgetEmoji(db, deed.messageid);
      return acted;
    },

    async dropDeeds(after, limit) {
      // One that is committed without an entry never gets one.
      const rows = await db.read<{ id: number; waits: number }>(
        "SELECT id, EXISTS (SELECT 1 FROM inbox WHERE messageid = deed.id) AS waits FROM deed WHERE id > ? ORDER BY id LIMIT ?",
        [after, String(limit)],
      );
      const needless = rows.filter(({ waits }) => waits === 0).map(({ id }) => id);
      let dropped = 0;
      for (const piece of pieces(needless)) {
        dropped += await db.transaction(async (tx) => {
          const free = tx.held?.wary ? await freeOf(tx, tx.held, piece) : piece;
          if (free.length > 0) await tx.script(dropping(free));
          return free.length;
        });
      }
      return { dropped, next: rows.length === limit ? rows.at(-1)!.id : undefined };
    },
  };
}

/** `blind`: those members who came later than what they may see. */
function receiversOf(logs: LockedLogs, target: Target, { by }: Deed, blind: Set<UserId>): Receiver[] {
  const { toid, groupid } = target;
  const people = groupid !== null
    ? (logs.groups.get(groupid)?.members ?? []).filter((userId) => !blind.has(userId))
    : [...new Set([peerOf(target, by), by])];
  const isNote = toid !== null && people.length === 1;
  return people.flatMap((userId) => (userId === by && !isNote ? logs.nextOwn(userId) : logs.nextDeed(userId)) ?? []);
}

/** The index, while the target's row is locked. */
async function index(tx: Link, { messageid: id, sender, toid, groupid, msg }: Target, changed: Target): Promise<void> {
  await unindex(tx, { id, sender, toid, groupid, msg });
  if (!changed.deleted) await reindexed(tx, { id, sender, toid, groupid, msg: changed.msg });
}

/** Whether a text is a statement of its own: in hexadecimal it would be twice as long, and the database bounds statements (max_allowed_packet). */
function isLong(msg: string): boolean {
  return msg.length > LONG_TEXT;
}

/** The statements that write the deed, and what it changes. `reacted`: the deeds that put a reaction to it. */
function writing(id: number, { messageid, msg, edited, reactions }: Target, deed: Deed, reacted: number[]): string[] {
  const target = numbers([messageid]);
  const change = (columns: string) => `UPDATE message SET ${columns} WHERE id = ${target}`;
  const insert = (values: (string | Uint8Array | number | null)[]) => `INSERT INTO deed (id, target, emoji, off) VALUES ${tuple(values)}`;
  if (deed.what === "edit") {
    return [insert([id, messageid, null, 0]), change(`${isLong(msg) ? "" : `msg = ${literal(msg)}, `}edited = ${literal(edited)}`)];
  }
  if (deed.what === "delete") {
    return [
      insert([id, messageid, null, 0]),
      change("msg = '', edited = NULL, deleted = TRUE, reactions = NULL, files = NULL"),
      `DELETE FROM reaction WHERE messageid = ${target}`,
      ...reacted.length === 0 ? [] : [`UPDATE deed SET emoji = NULL WHERE id IN (${numbers(reacted)})`],
    ];
  }
  const emoji = new TextEncoder().encode(deed.emoji);
  return [
    insert([id, messageid, emoji, deed.off ? 1 : 0]),
    change(`reactions = ${literal(reactionColumn(reactions))}`),
    deed.off
      ? `DELETE FROM reaction WHERE (messageid, userid, emoji) = ${tuple([messageid, deed.by, emoji])}`
      : `INSERT INTO reaction (messageid, userid, emoji) VALUES ${tuple([messageid, deed.by, emoji])}`,
  ];
}

/** Locks these messages. @returns those that others do not hold */
export async function freeOf(tx: Link, held: HeldRows, ids: readonly number[]): Promise<number[]> {
  return (await held.lockFree<{ id: number }>(tx, "message", ["id"], ids)).rows.map(({ id }) => id);
}

/** The statements that remove messages and deeds that no log names, in the order of rule 4. */
export function dropping(ids: number[]): string[] {
  const rows = lockOrder(ids).map((id) => [id]);
  return [deleting("message", ["id"], rows), deleting("deed", ["id"], rows)];
}

/** The statement that gives the deeds, up to {@linkcode LONGEST_LIST}, which say what was put to a message. */
function reactedTo(messageid: number): string {
  return `SELECT id FROM deed WHERE target = ${numbers([messageid])} AND emoji IS NOT NULL ORDER BY id LIMIT ${LONGEST_LIST}`;
}

/** What was done to a message that is deleted says no more what was put to it: that for which its own transaction had no room. */
async function forgetEmoji(db: Pool, messageid: number): Promise<void> {
  for (let found = LONGEST_LIST; found === LONGEST_LIST;) {
    const [rows] = await db.readAll([reactedTo(messageid)]) as { id: number }[][];
    found = rows.length;
    if (found > 0) await db.write(`UPDATE deed SET emoji = NULL WHERE id IN (${numbers(rows.map(({ id }) => id))})`, []);
  }
}

/** Whether a log names the message, or something that was done to it; of a row of `message`. If that is much, it goes first (`dropDeeds`). */
export const WAITS = "(EXISTS (SELECT 1 FROM inbox WHERE messageid = message.id) " +
  `OR (SELECT c.id FROM deed c WHERE c.target = message.id LIMIT 1 OFFSET ${MUCH_DONE}) IS NOT NULL ` +
  "OR EXISTS (SELECT 1 FROM deed d JOIN inbox i ON i.messageid = d.id WHERE d.target = message.id))";
