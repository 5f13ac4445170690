import type { SQLInputValue } from "node:sqlite";
import type { Append, Appended, GroupId, Receiver, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import type { Log, Logs } from "./logs.ts";

/** The columns of a message's row. */
const MESSAGE = ["id", "sender", "toid", "groupid", "ts", "mid", "msg"];

/**
 * One append: each message is decided on, in the order of the batch; then the rows of all are inserted together. The logs that messages of two touch are read
 * at once; those of a group are filled in the database.
 */
export class Appending {
  readonly #db: Database;
  readonly #logs: Logs;
  readonly #known = new Map<UserId, Log | undefined>();
  /** Whose own messages are entries of their logs. */
  #marked = new Set<UserId>();
  /** What is inserted at the end, the columns of one row after those of the other. */
  readonly #rows: SQLInputValue[] = [];
  /** Of what is to be inserted, by sender and `mid`. */
  readonly #mids = new Map<string, { append: Append; result: Appended }>();
  /** The last message's number. */
  #newest: number;

  constructor(db: Database, logs: Logs) {
    this.#db = db;
    this.#logs = logs;
    this.#newest = db.row<[number]>("SELECT seq FROM sqlite_sequence WHERE name = 'message'")?.[0] ?? 0;
  }

  run(batch: Append[]): Appended[] {
    const senders = new Set<UserId>(), receivers = new Set<UserId>();
    for (const { sender, toid } of batch) {
      if (toid === undefined) continue;
      senders.add(sender);
      receivers.add(toid);
    }
    this.#read([...receivers]);
    this.#marked = this.#logs.marked([...senders]);
    const results = batch.map((append) => {
      const known = append.mid === undefined ? undefined : this.#answered(append, append.mid);
      const result = known ?? (append.groupid === undefined ? this.#direct(append, append.toid) : this.#group(append, append.groupid));
      if (!known && append.mid !== undefined && result.errno === "OK") this.#mids.set(keyOf(append), { append, result });
      return result;
    });
    if (this.#rows.length === 0) return results;
    this.#db.insertAll("message", MESSAGE, this.#rows);
    this.#logs.fileSome();
    return results;
  }

  #direct(append: Append, toid: UserId): Appended {
    const to = this.#log(toid);
    if (!to) return { errno: "NO_USER" };
    if (to.blocks && this.#db.row("SELECT 1 FROM block WHERE userid = ? AND blocked = ?", toid, append.sender)) return { errno: "BLOCKED" };
    if (this.#logs.isFull(to)) return { errno: "FULL" };
    const messageid = this.#insert(append);
    const receivers: Receiver[] = [this.#logs.add(to, messageid)];
    if (toid !== append.sender && this.#marked.has(append.sender)) {
      const own = this.#logs.addOwn(this.#log(append.sender)!, messageid);
      if (own) receivers.push(own);
    }
    return { errno: "OK", messageid, ts: append.ts, repeated: false, receivers };
  }

  #group(append: Append, groupid: GroupId): Appended {
    const { sender } = append;
    if (!this.#db.row("SELECT 1 FROM groupuser WHERE groupid = ? AND userid = ?", groupid, sender)) {
      // A group without members does not exist.
      return { errno: this.#db.row("SELECT 1 FROM allgroup WHERE id = ?", groupid) ? "NOT_MEMBER" : "NO_GROUP" };
    }
    const messageid = this.#insert(append);
    this.#known.clear();
    return { errno: "OK", messageid, ts: append.ts, repeated: false, receivers: this.#logs.addToGroup(groupid, sender, messageid) };
  }

  /** @returns the number that the message gets */
  #insert({ sender, toid, groupid, ts, mid, msg }: Append): number {
    this.#rows.push(++this.#newest, sender, toid ?? null, groupid ?? null, ts, mid ?? null, msg);
    return this.#newest;
  }

  /** What is answered because the `mid` names a message already. */
  #answered(append: Append, mid: string): Appended | undefined {
    const now = this.#mids.get(keyOf(append));
    if (now) return same(append, now.append) ? { ...now.result, repeated: true, receivers: [] } as Appended : { errno: "BAD_FIELD" };
    type Row = [id: number, toid: UserId | null, groupid: GroupId | null, ts: number, msg: string];
    const sql = "SELECT id, toid, groupid, ts, msg FROM message WHERE sender = ? AND mid = ?";
    const row = this.#db.row<Row>(sql, append.sender, mid);
    if (!row) return undefined;
    const [messageid, toid, groupid, ts, msg] = row;
    if (!same(append, { toid: toid ?? undefined, groupid: groupid ?? undefined, msg })) return { errno: "BAD_FIELD" };
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
