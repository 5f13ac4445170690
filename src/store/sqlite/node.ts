// The life of the one process that serves a SQLite file.
//
// Rules:
//
// 1. Whoever serves the file holds its locks (`database_file.ts`) from `join` to `leave`; the death of the process frees them. An operator's command opens the file
//    without them, if it has the newest tables.
// 2. So all sessions that the rows name are those of one node, and whoever is online is there.
// 3. There is no lease: while the locks are held, nobody else can claim a session, and whoever has not joined claims none.

import type { SessionKey, State, Store, UserId } from "../store.ts";
import type { Database } from "./database.ts";

const NOWHERE: readonly string[] = [];

/** This process as the rows name it. */
export interface Joined {
  name: string;
  incarnation: number;
}

export class Node {
  readonly #db: Database;
  /** Undefined before `join` and after `leave`. */
  joined: Joined | undefined;
  #here = NOWHERE;

  constructor(db: Database) {
    this.#db = db;
  }

  join(name: string): UserId[] {
    this.#db.file.lock();
    try {
      const [incarnation, left] = this.#db.writeNow(() => {
        const incarnation = this.#nextIncarnation(name);
        const offline = `UPDATE user SET state = 'offline', lastseen = max(ifnull(lastseen, 0), ?)
          WHERE id IN (SELECT userid FROM device WHERE session IS NOT NULL) RETURNING id`;
        const end =
          `UPDATE device SET session = NULL, node = NULL, incarnation = NULL, lastseen = max(ifnull(lastseen, 0), ?) WHERE session IS NOT NULL`;
        const left = this.#db.rows<[UserId]>(offline, Date.now()).flat();
        this.#db.run(end, Date.now());
        this.#db.run("DELETE FROM kick");
        return [incarnation, left];
      });
      this.joined = { name, incarnation };
      this.#here = [name];
      return left;
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  /** The nodes that hold the sessions of a user of this state. In `read` and `write`. */
  nodesOf(state: State): readonly string[] {
    if (state === "offline") return NOWHERE;
    if (this.joined) return this.#here;
    return this.#db.row<[string]>("SELECT node FROM device WHERE session IS NOT NULL LIMIT 1") ?? NOWHERE;
  }

  async rejoin(sessions: Parameters<Store["rejoin"]>[0]): Promise<SessionKey[]> {
    const { name } = this.#mustBeJoined();
    const [incarnation, lost] = await this.#db.write(() => {
      const incarnation = this.#nextIncarnation(name);
      const claim =
        `UPDATE device SET session = ?1, node = ?2, incarnation = ?3 WHERE userid = ?4 AND device = ?5 AND (session = ?1 OR session IS NULL
          AND EXISTS (SELECT 1 FROM user WHERE id = ?4 AND closed = 0 AND version = ifnull(?6, version))
          AND (?7 IS NULL OR EXISTS (SELECT 1 FROM token WHERE hash = ?7 AND userid = ?4 AND device = ?5)))`;
      const lost = sessions.filter(({ userId, device, session, proof }) => {
        const [version, token] = "token" in proof ? [null, proof.token] : [proof.version, null];
        return this.#db.run(claim, session, name, incarnation, userId, device, version, token) === 0;
      });
      const online = `UPDATE user SET state = 'online' WHERE id IN (SELECT userid FROM device WHERE session IS NOT NULL)`;
      this.#db.run(online);
      return [incarnation, lost.map(({ userId, device, session }) => ({ userId, device, session }))];
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
