/**
 * What is done to messages: EDIT, DELETE, REACT.
 *
 * 1. A deed changes its target's row, and is a row of `message` and `deed` itself, in the same transaction: so it has a number, and a place in the logs. It stands in
 *    no conversation, and holds no text: who reads it is told what its target says then.
 * 2. A target stays as long as a log names something that was done to it.
 * 3. What is deleted is gone from the file: SQLite overwrites what it frees (`secure_delete`), and the write-ahead log is emptied soon (`write_ahead_log.ts`). The index is
 *    changed in the same transaction.
 */
import { decide, type Doer, KINDS, MUCH_DONE, peerOf, reactionColumn, reactionsOf, stoneOf, type Target, told } from "../deeds.ts";
import type { Acted, Deed, Done, GroupId, Receiver, Store, StoredMessage, UserId } from "../store.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import { removeFilesOf } from "./files.ts";
import type { Logs } from "./user_logs.ts";
import type { SearchIndex } from "./search_index.ts";
import { visibleTo } from "./visible.ts";

/** A deed in a group costs as much as so many messages, and one more for so many members, as a message to it does. */
const GROUP_COST = 10, GROUP_MEMBERS = 20;
/** Deeds to one message that one transaction changes. */
const DEEDS_AT_ONCE = 2000;

type TargetRow = [
  sender: UserId,
  toid: UserId | null,
  groupid: GroupId | null,
  ts: number,
  msg: string,
  edited: number | null,
  deleted: number,
  reactions: string | null,
];

function targetOf(db: Database, messageid: number): Target | undefined {
  const sql = "SELECT sender, toid, groupid, ts, msg, edited, deleted, reactions FROM message WHERE id = ? AND kind = 0";
  const row = db.row<TargetRow>(sql, messageid);
  if (!row) return undefined;
  const [sender, toid, groupid, ts, msg, edited, deleted, reactions] = row;
  return { messageid, sender, toid, groupid, ts, msg, edited, deleted: deleted === 1, reactions: reactionsOf(reactions) };
}

/** What the one who does something is to the target. */
function doerOf(db: Database, target: Target, { by, ...deed }: Deed): Doer {
  const { messageid, toid, groupid } = target;
  const sql =
    "SELECT g.grouprole <> 'normal', a.posting = 'moderators' FROM groupuser g JOIN allgroup a ON a.id = g.groupid WHERE a.id = ? AND g.userid = ?";
  const [moderator, closed] = groupid === null ? [0, 0] : db.row<[number, number]>(sql, groupid, by) ?? [0, 0];
  return {
    visible: db.row(`SELECT 1 FROM message m WHERE m.id = ?2 AND ${visibleTo("?1")}`, by, messageid) !== undefined,
    moderator: moderator === 1,
    silenced: closed === 1 && moderator === 0,
    blocked: toid !== null && db.row("SELECT 1 FROM block WHERE userid = ? AND blocked = ?", peerOf(target, by), by) !== undefined,
    reacted: deed.what === "react" &&
      db.row("SELECT 1 FROM reaction WHERE messageid = ? AND userid = ? AND emoji = ?", messageid, by, deed.emoji) !== undefined,
  };
}

/** Whether the reader, who has left the group or come anew, may not see the message any more. */
function isShut(db: Database, reader: UserId, { messageid, groupid }: Pick<Target, "messageid"> & { groupid?: GroupId | null | undefined }): boolean {
  return groupid != null && db.row(`SELECT 1 FROM message m WHERE m.id = ?2 AND ${visibleTo("?1")}`, reader, messageid) === undefined;
}

/**
 * Whether it got its text when the reader could not see it any more: of the EDITs before that the last one stands in the reader's log, and says when it was. (Nobody
 * but its author edits a text.)
 */
function isSaidAfter(db: Database, reader: UserId, messageid: number, edited: number): boolean {
  // By when it was: much may be done to one message.
  const sql = `SELECT 1 FROM message e INDEXED BY message_edit CROSS JOIN deed d ON d.id = e.id CROSS JOIN inbox i ON i.messageid = d.id
    WHERE e.ts = ? AND e.kind = ${KINDS.edit} AND d.target = ? AND i.userid = ?`;
  return db.row(sql, edited, messageid, reader) === undefined;
}

/** A message as its reader's log tells it: a stone, if it says what it did not say before the reader left. In `read` or `write`. */
export function shown(db: Database, reader: UserId, message: StoredMessage): StoredMessage {
  const { messageid, id, edited } = message;
  if (edited === undefined || id === reader || !isShut(db, reader, message) || !isSaidAfter(db, reader, messageid, edited)) return message;
  return stoneOf(message);
}

/** What the row of a deed in the reader's log says now. In `read` or `write`. */
export function doneOf(db: Database, reader: UserId, id: number, kind: number, by: UserId): Done {
  const [targetId, emoji, off] = db.row<[number, string | null, number]>("SELECT target, emoji, off FROM deed WHERE id = ?", id)!;
  const target = targetOf(db, targetId)!;
  // What is put to it after the reader left is not told either.
  const after = kind === KINDS.react || kind === KINDS.edit && by !== reader && isSaidAfter(db, reader, targetId, target.edited ?? 0);
  if (after && isShut(db, reader, target)) target.deleted = true;
  if (kind !== KINDS.react) return told(target, by, { what: kind === KINDS.edit ? "edit" : "delete" });
  return told(target, by, { what: "react", emoji: emoji ?? "", off: off === 1 });
}

/** Writes into the target's row, and what stands beside it. */
function change(db: Database, index: SearchIndex, target: Target, changed: Target, deed: Deed): void {
  const { messageid, msg, edited, deleted, reactions } = changed;
  if (deed.what !== "react") {
    index.unindex(target);
    if (!deleted) index.reindexed(changed);
    db.log.eraseSoon();
  }
  const sql = `UPDATE message SET msg = ?, edited = ?, deleted = ?, reactions = ?${deleted ? ", files = NULL" : ""} WHERE id = ?`;
  db.run(sql, msg, edited, deleted ? 1 : 0, reactionColumn(reactions), messageid);
  if (deed.what === "delete") {
    removeFilesOf(db, messageid);
    db.run("DELETE FROM reaction WHERE messageid = ?", messageid);
    forgetEmoji(db, messageid);
  }
  if (deed.what === "react") {
    db.run(
      deed.off
        ? "DELETE FROM reaction WHERE messageid = ? AND userid = ? AND emoji = ?"
        : "INSERT INTO reaction (messageid, userid, emoji) VALUES (?, ?, ?)",
      messageid,
      deed.by,
      deed.emoji,
    );
  }
}

/**
 * What was done to a message that is deleted says no more what was put to it: behind `after` so many deeds at once, the rest in transactions of their own. What a
 * crash leaves of it goes when no log names it. In `write`.
 */
function forgetEmoji(db: Database, messageid: number, after = 0): void {
  const ids = db.rows<[number]>("SELECT id FROM deed WHERE target = ? AND id > ? ORDER BY id LIMIT ?", messageid, after, DEEDS_AT_ONCE);
  const [last] = ids.at(-1) ?? [after];
  db.run("UPDATE deed SET emoji = NULL WHERE target = ? AND id > ? AND id <= ?", messageid, after, last);
  db.log.eraseSoon();
  if (ids.length < DEEDS_AT_ONCE) return;
  const goOn = () => {
    // The transaction that deleted it may have been rolled back.
    if (db.row("SELECT 1 FROM message WHERE id = ? AND deleted = 1", messageid)) forgetEmoji(db, messageid, last);
  };
  queueMicrotask(() => db.write(goOn, COMMIT_COST, true).catch(() => {}));
}

/** Makes the deed an entry of the logs of all who may see its target. */
function enter(db: Database, logs: Logs, target: Target, deed: Deed): Receiver[] {
  const { by, what } = deed;
  const at = what === "edit" ? target.edited! : deed.at;
  const id = db.insert("INSERT INTO message (sender, ts, msg, kind) VALUES (?, ?, '', ?)", by, at, KINDS[what])!;
  const [emoji, off] = what === "react" ? [deed.emoji, deed.off ? 1 : 0] : [null, 0];
  db.run("INSERT INTO deed (id, target, emoji, off) VALUES (?, ?, ?, ?)", id, target.messageid, emoji, off);
  return target.groupid === null ? logs.addDeed([peerOf(target, by), by], by, id) : logs.addDeedToGroup(target.groupid, by, id, target.messageid);
}

/** What is said to the deed, if it is refused or changes nothing; else what it makes of its target. */
function look(db: Database, logs: Logs, deed: Deed): Acted | { target: Target; changed: Target } {
  const target = targetOf(db, deed.messageid);
  if (!target) return { errno: "NO_MESSAGE" };
  // Of one whose account is deleted only what was said is still to be deleted.
  if (deed.what !== "delete" && logs.marks([deed.by]).deleted.size > 0) return { errno: "NO_MESSAGE" };
  const decided = decide({ target, doer: doerOf(db, target, deed) }, deed);
  return "errno" in decided ? decided : { target, changed: decided.changed };
}

function act(db: Database, logs: Logs, index: SearchIndex, deed: Deed): Acted {
  const seen = look(db, logs, deed);
  if ("errno" in seen) return seen;
  const { target, changed } = seen;
  change(db, index, target, changed, deed);
  const former = deed.what === "edit" ? { former: target.msg } : {};
  return { errno: "OK", done: told(changed, deed.by, deed), receivers: enter(db, logs, changed, deed), ...former };
}

/** The part of the store that is what is done to messages. */
export function deedStore(db: Database, logs: Logs, index: SearchIndex): Pick<Store, "act" | "dropDeeds"> {
  return {
    async act(deed) {
      const sql = "SELECT g.count FROM message m JOIN allgroup g ON g.id = m.groupid WHERE m.id = ?";
      const group = await db.read(() => db.row<[number]>(sql, deed.messageid));
      const cost = group ? Math.min(COMMIT_COST, GROUP_COST + Math.floor(group[0] / GROUP_MEMBERS)) : 1;
      const write = () => db.write(() => act(db, logs, index, deed), cost);
      if (deed.what === "react") return await write();
      // Nothing is taken out of the index for what is refused.
      const seen = await db.read(() => look(db, logs, deed));
      if ("errno" in seen) return seen;
      const { result, taken } = await index.changing(deed.messageid, write);
      return result.errno === "OK" && taken > 0 ? { ...result, unindexed: taken } : result;
    },

    dropDeeds(after, limit) {
      return db.write(() => {
        const sql = "SELECT id, EXISTS (SELECT 1 FROM inbox WHERE messageid = deed.id) FROM deed WHERE id > ? ORDER BY id LIMIT ?";
        const rows = db.rows<[number, number]>(sql, after, limit);
        const needless = rows.filter(([, waits]) => waits === 0);
        for (const [id] of needless) dropDeed(db, id);
        return { dropped: needless.length, next: rows.length === limit ? rows.at(-1)![0] : undefined };
      }, limit);
    },
  };
}

/** Removes a deed that no log names. In `write`. */
function dropDeed(db: Database, id: number): void {
  db.run("DELETE FROM deed WHERE id = ?", id);
  db.run("DELETE FROM message WHERE id = ?", id);
}

/** Removes what stands beside a message that goes, which no log names, nor anything that was done to it. @returns how many rows. In `write`. */
export function dropBeside(db: Database, messageid: number): number {
  removeFilesOf(db, messageid);
  const reactions = db.run("DELETE FROM reaction WHERE messageid = ?", messageid);
  db.run("DELETE FROM deed WHERE id = ?", messageid);
  const deeds = db.rows<[number]>("SELECT id FROM deed WHERE target = ?", messageid);
  for (const [id] of deeds) dropDeed(db, id);
  return reactions + 2 * deeds.length;
}

/** Whether a log names the message, or something that was done to it; of a row of `message`. If that is much, it goes first (`dropDeeds`). */
export const WAITS = `(EXISTS (SELECT 1 FROM inbox WHERE messageid = message.id)
  OR (SELECT id FROM deed WHERE target = message.id LIMIT 1 OFFSET ${MUCH_DONE}) IS NOT NULL
  OR EXISTS (SELECT 1 FROM deed d JOIN inbox i ON i.messageid = d.id WHERE d.target = message.id))`;
