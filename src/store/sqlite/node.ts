// The life of the one process that serves a SQLite file.
//
// Rules:
//
// 1. Whoever serves the file holds its locks (`file.ts`) from `join` to `leave`; the death of the process frees them. An operator's command opens the file
//    without them.
// 2. There is no lease: while the lock is held, nobody else can claim a session, and whoever has not joined claims none.

import type { SessionKey, Store, UserId } from "../store.ts";
import type { Database } from "./database.ts";

/** This process as the rows name it. */
export interface Joined {
  name: string;
  incarnation: number;
}

export class Node {
  readonly #db: Database;
  /** Undefined before `join` and after `leave`. */
  joined: Joined | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  join(name: string): number {
    this.#db.file.lock();
    try {
      const [incarnation, left] = this.#db.writeNow(() => {
        const incarnation = this.#nextIncarnation(name);
        const sql = `UPDATE user SET state = 'offline', session = NULL, node = NULL, incarnation = NULL, lastseen = ? WHERE state = 'online'`;
        return [incarnation, this.#db.run(sql, Date.now())];
      });
      this.joined = { name, incarnation };
      return left;
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  async rejoin(sessions: SessionKey[]): Promise<SessionKey[]> {
    const { name } = this.#mustBeJoined();
    const [incarnation, lost] = await this.#db.write(() => {
      const incarnation = this.#nextIncarnation(name);
      const sql = `UPDATE user SET state = 'online', session = ?1, node = ?2, incarnation = ?3 WHERE id = ?4 AND (state = 'offline' OR session = ?1)`;
      return [incarnation, sessions.filter(({ userId, session }) => this.#db.run(sql, session, name, incarnation, userId) === 0)];
    });
    this.joined = { name, incarnation };
    return lost;
  }

  leave(): void {
    this.joined = undefined;
    this.#db.file.unlock();
  }

  /** Whether this node can go on: the file is there, and can be written to again if it could not. */
  async renew(): Promise<true> {
    const { name } = this.#mustBeJoined();
    await this.#db.check(() => void this.#db.run("UPDATE node SET incarnation = incarnation WHERE name = ?", name));
    return true;
  }

  #nextIncarnation(name: string): number {
    const sql =
      "INSERT INTO node (name, incarnation) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET incarnation = incarnation + 1 RETURNING incarnation";
    return this.#db.row<[number]>(sql, name)![0];
  }

  #mustBeJoined(): Joined {
    if (!this.joined) throw new Error("join() comes first");
    return this.joined;
  }
}

/** The part of the store that is this node's life. */
export function nodeStore(db: Database, node: Node): Pick<Store, "join" | "renew" | "rejoin" | "sweep" | "isNamed" | "leave" | "close" | "ping"> {
  return {
    join: (name) => Promise.resolve().then(() => node.join(name)),
    renew: () => node.renew(),
    rejoin: (sessions) => node.rejoin(sessions),
    sweep: () => Promise.resolve<UserId[]>([]),
    isNamed: () => Promise.resolve(true),
    leave: () => Promise.resolve(node.leave()),
    close() {
      node.leave();
      return db.close();
    },
    ping: () => db.ping(),
  };
}
