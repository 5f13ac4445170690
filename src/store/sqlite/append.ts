import type { SQLInputValue } from "node:sqlite";
import type { FileTold } from "../files.ts";
import type { Append, Appended, GroupId, Receiver, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import { unusedFiles, useFiles } from "./files.ts";
import { isByHook } from "./hooks.ts";
import { outside } from "./membership.ts";
import type { Log, Logs } from "./user_logs.ts";
import type { Pairs } from "./talks.ts";
import { visibleTo } from "./visible.ts";

/** The columns of a message's row. */
const MESSAGE = ["id", "sender", "toid", "groupid", "ts", "mid", "msg"];

/**
 * One append: each message is decided on, in the order of the batch; then the rows of all are inserted together. The logs that messages of two touch are read
 * at once, those of a group when it is its message's turn.
 */
export class Appending {
  readonly #db: Database;
  readonly #logs: Logs;
  readonly #pairs: Pairs;
  readonly #known = new Map<UserId, Log | undefined>();
  /** Whose own messages are entries of their logs. */
  #marked = new Set<UserId>();
  /** What is inserted at the end, the columns of one row after those of the other. */
  readonly #rows: SQLInputValue[] = [];
  /** Of these more is to be said than others need. */
  readonly #more: { messageid: number; append: Append; files: FileTold[] | undefined }[] = [];
  /** Of what is to be inserted, by sender and `mid`. */
  readonly #mids = new Map<string, { append: Append; result: Appended }>();
  /** The last message's number. */
  #newest: number;

  constructor(db: Database, logs: Logs, pairs: Pairs) {
    this.#db = db;
    this.#logs = logs;
    this.#pairs = pairs;
    this.#newest = logs.newest();
  }

  run(batch: Append[]): Appended[] {
    const senders = new Set<UserId>(), receivers = new Set<UserId>();
    for (const { sender, toid } of batch) {
      senders.add(sender);
      if (toid !== undefined) receivers.add(toid);
    }
    this.#read([...receivers]);
    const { many, deleted } = this.#logs.marks([...senders]);
    this.#marked = many;
    const results = batch.map((append) => {
      if (append.hook) {
        if (!isByHook(this.#db, append)) return { errno: "NO_GROUP" } as const;
      } else if (deleted.has(append.sender)) return { errno: "NO_USER" } as const;
      const known = append.mid === undefined ? undefined : this.#answered(append, append.mid);
      const result = known ?? (append.groupid === undefined ? this.#direct(append, append.toid) : this.#group(append, append.groupid));
      if (!known && append.mid !== undefined && result.errno === "OK") this.#mids.set(keyOf(append), { append, result });
      return result;
    });
    if (this.#rows.length === 0) return results;
    this.#db.insertAll("message", MESSAGE, this.#rows);
    for (const { messageid, append: { reply, silent }, files } of this.#more) {
      const told = files ? JSON.stringify(files) : null;
      this.#db.run("UPDATE message SET reply = ?, silent = ?, files = ? WHERE id = ?", reply ?? null, silent ? 1 : 0, told, messageid);
    }
    this.#logs.fileSome();
    return results;
  }

  #direct(append: Append, toid: UserId): Appended {
    const to = this.#log(toid);
    if (!to) return { errno: "NO_USER" };
    if (append.reply !== undefined && !this.#isAnswerable(append, append.reply)) return { errno: "NO_MESSAGE" };
    const files = append.files && unusedFiles(this.#db, append.sender, append.files);
    if (append.files && !files) return { errno: "NO_MESSAGE" };
    if (to.blocks && this.#db.row("SELECT 1 FROM block WHERE userid = ? AND blocked = ?", toid, append.sender)) return { errno: "BLOCKED" };
    if (append.overQuota || this.#logs.isFull(to)) return { errno: "FULL" };
    const messageid = this.#insert(append, files);
    const receivers: Receiver[] = [this.#logs.add(to, messageid)];
    if (toid !== append.sender && this.#marked.has(append.sender)) {
      const own = this.#logs.addOwn(this.#log(append.sender)!, messageid);
      if (own) receivers.push(own);
    }
    this.#pairs.add(append.sender, toid);
    return { errno: "OK", messageid, ts: append.ts, repeated: false, receivers, files };
  }

  #group(append: Append, groupid: GroupId): Appended {
    const { sender } = append;
    const files = append.files && unusedFiles(this.#db, sender, append.files);
    const sql = `SELECT g.grouprole <> 'normal' OR a.posting = 'all' FROM groupuser g JOIN allgroup a ON a.id = g.groupid
      WHERE g.groupid = ? AND g.userid = ?`;
    const mayWrite = append.hook ? 1 : this.#db.row<[number]>(sql, groupid, sender)?.[0];
    if (mayWrite === undefined) {
      const errno = outside(this.#db, groupid);
      // Who is not in it may see nothing there to answer to.
      return { errno: errno === "NOT_MEMBER" && (append.reply !== undefined || (append.files && !files)) ? "NO_MESSAGE" : errno };
    }
    if (append.reply !== undefined && !this.#isAnswerable(append, append.reply)) return { errno: "NO_MESSAGE" };
    if (append.files && !files) return { errno: "NO_MESSAGE" };
    if (mayWrite === 0) return { errno: "MODERATORS_ONLY" };
    if (append.overQuota) return { errno: "FULL" };
    const messageid = this.#insert(append, files);
    this.#known.clear();
    return { errno: "OK", messageid, ts: append.ts, repeated: false, receivers: this.#logs.addToGroup(groupid, sender, messageid), files };
  }

  /** @returns the number that the message gets */
  #insert(append: Append, files: FileTold[] | undefined): number {
    const { sender, toid, groupid, ts, mid, msg, reply, silent } = append;
    this.#rows.push(++this.#newest, sender, toid ?? null, groupid ?? null, ts, mid ?? null, msg);
    if (reply !== undefined || silent || files) this.#more.push({ messageid: this.#newest, append, files });
    if (files) useFiles(this.#db, this.#newest, files);
    return this.#newest;
  }

  /** Whether the sender may see that message, in the same conversation. */
  #isAnswerable({ sender, toid, groupid }: Append, reply: number): boolean {
    const [place, ...values] = groupid === undefined
      ? ["min(m.sender, m.toid) = ?3 AND max(m.sender, m.toid) = ?4", Math.min(sender, toid), Math.max(sender, toid)]
      : ["m.groupid = ?3", groupid];
    return this.#db.row(`SELECT 1 FROM message m WHERE m.id = ?2 AND ${place} AND ${visibleTo("?1")}`, sender, reply, ...values) !== undefined;
  }

  /** What is answered because the `mid` names a message already. */
  #answered(append: Append, mid: string): Appended | undefined {
    const now = this.#mids.get(keyOf(append));
    if (now?.result.errno === "OK" && same(append, now.append)) {
      const { messageid, ts } = now.result;
      return { errno: "OK", messageid, ts, repeated: true, receivers: [] };
    }
    if (now) return { errno: "BAD_FIELD" };
    type Row = [id: number, toid: UserId | null, groupid: GroupId | null, ts: number, msg: string, changed: number];
    const sql = "SELECT id, toid, groupid, ts, msg, edited IS NOT NULL OR deleted FROM message WHERE sender = ? AND mid = ?";
    const row = this.#db.row<Row>(sql, append.sender, mid);
    if (!row) return undefined;
    const [messageid, toid, groupid, ts, msg, changed] = row;
    if (!same(append, { toid: toid ?? undefined, groupid: groupid ?? undefined, msg: changed ? append.msg : msg })) return { errno: "BAD_FIELD" };
    return { errno: "OK", messageid, ts, repeated: true, receivers: [] };
  }

  #log(userId: UserId): Log | undefined {
    if (!this.#known.has(userId)) this.#read([userId]);
    return this.#known.get(userId);
  }

  #read(userIds: UserId[]): void {
    for (const userId of userIds) this.#known.set(userId, undefined);
    for (const log of this.#logs.of(userIds)) this.#known.set(log.userId, log);
  }
}

/** Whether it is the same message again. */
function same(a: { toid?: UserId; groupid?: GroupId; msg: string }, b: { toid?: UserId; groupid?: GroupId; msg: string }): boolean {
  return a.toid === b.toid && a.groupid === b.groupid && a.msg === b.msg;
}

function keyOf({ sender, mid }: Append): string {
  return `${sender} ${mid}`;
}
