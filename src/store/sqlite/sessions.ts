import type { Claim, SessionKey, Store, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import type { Node } from "./node.ts";
import type { Unfiled } from "./unfiled.ts";

/** Confirms the inbox of a session up to `seq`. Inside a change. */
export function confirm(db: Database, unfiled: Unfiled, { userId, session, seq }: SessionKey & { seq: number }): void {
  const upTo = "min(?1, ifnull(?4, last_seq))";
  const sql = `UPDATE user SET confirmed_seq = ${upTo} WHERE id = ?2 AND session = ?3 AND confirmed_seq < ${upTo}`;
  const changed = db.run(sql, seq, userId, session, unfiled.lastSeq(userId) ?? null);
  if (changed > 0) db.run("DELETE FROM inbox WHERE userid = ? AND seq <= ?", userId, seq);
}

/** The part of the store that says who is online, and where. */
export function sessionStore(
  db: Database,
  node: Node,
  unfiled: Unfiled,
): Pick<Store, "claim" | "release" | "sessions" | "holder" | "nodesOf"> {
  function claim(userId: UserId, session: string, takeover: string | undefined): Claim {
    if (!node.joined) return { result: "fenced" };
    const { name, incarnation } = node.joined;
    const sql =
      `UPDATE user SET state = 'online', session = ?, node = ?, incarnation = ?, since = ? WHERE id = ? AND (state = 'offline' OR session = ?)
      RETURNING last_seq, confirmed_seq`;
    const row = db.row<[lastSeq: number, confirmedSeq: number]>(sql, session, name, incarnation, Date.now(), userId, takeover ?? null);
    if (row) return { result: "claimed", lastSeq: unfiled.lastSeq(userId) ?? row[0], confirmedSeq: row[1] };
    const held = holder(userId);
    if (!held) throw new Error(`claim of user ${userId}, who does not exist`);
    return { result: "held", ...held };
  }

  function holder(userId: UserId): { session: string; node: string } | undefined {
    const row = db.row<[session: string, node: string]>("SELECT session, node FROM user WHERE id = ? AND state = 'online'", userId);
    return row && { session: row[0], node: row[1] };
  }

  return {
    claim: (userId, session, takeover) => db.write(() => claim(userId, session, takeover), 1, true),

    release(sessions) {
      const sql = "UPDATE user SET state = 'offline', session = NULL, node = NULL, incarnation = NULL, lastseen = ? WHERE id = ? AND session = ?";
      return db.write(
        () => {
          for (const { userId, session, lastseen, confirmed } of sessions) {
            if (confirmed !== undefined) confirm(db, unfiled, { userId, session, seq: confirmed });
            db.run(sql, lastseen, userId, session);
          }
        },
        sessions.length,
        sessions.every(({ confirmed }) => confirmed === undefined),
      );
    },

    sessions(after, limit) {
      return db.read(() => {
        const sql = "SELECT id, session, last_seq FROM user WHERE state = 'online' AND node = ? AND id > ? ORDER BY id LIMIT ?";
        const rows = db.rows<[UserId, string, number]>(sql, node.joined?.name ?? null, after, limit);
        return rows.map(([userId, session, lastSeq]) => ({ userId, session, lastSeq: unfiled.lastSeq(userId) ?? lastSeq }));
      });
    },

    holder: (userId) => db.read(() => holder(userId)),

    nodesOf(userIds) {
      return db.read(() => {
        const sql = "SELECT id, node FROM user WHERE id IN (SELECT value FROM json_each(?)) AND state = 'online'";
        return new Map(db.rows<[UserId, string]>(sql, JSON.stringify(userIds)));
      });
    },
  };
}
