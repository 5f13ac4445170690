import { MAX_TOKENS } from "../records.ts";
import type { Claim, Claiming, DeviceId, State, Store, UserId, Whereabouts } from "../store.ts";
import type { Database } from "./database.ts";
import { removeDevices, setOffline } from "./devices.ts";
import type { Logs } from "./user_logs.ts";
import type { Joined, Node } from "./node.ts";

/** A session's start, on a device that there is or is made. One change. */
class Claims {
  constructor(readonly db: Database, readonly logs: Logs, readonly maxDevices: number) {}

  claim(joined: Joined, claiming: Claiming): Claim {
    const { userId, device, proof, takeover } = claiming;
    const known = typeof device === "number" ? device : -1;
    type User = [proven: number, closed: number, state: string, confirmedSeq: number, trimmedSeq: number, lastDevice: number];
    type Row = [name: string, session: string | null, node: string, place: number] | [null, null, null, null];
    const proven = "token" in proof ? "EXISTS (SELECT 1 FROM token WHERE hash = ?3 AND userid = ?1 AND device = ?2)" : "u.version = ?3";
    const sql = `SELECT ${proven}, u.closed, u.state, u.confirmed_seq, u.trimmed_seq, u.last_device, d.name, d.session, d.node, d.confirmed_seq
      FROM user u LEFT JOIN device d ON d.userid = u.id AND d.device = ?2 WHERE u.id = ?1 AND u.deleted = 0`;
    const found = this.db.row<[...User, ...Row]>(sql, userId, known, "token" in proof ? proof.token : proof.version);
    if (!found || !found[0]) return refused("INVALID");
    const [, closed, state, confirmedSeq, trimmedSeq, lastDevice, name, held, node, place] = found;
    if (closed) return refused("CLOSED");
    // A device that was removed, which nothing but its token knew.
    if (name === null && known > 0) return refused("INVALID");
    if (held !== null && held !== takeover) return { result: "held", session: held, node };
    let claimed: Claim = { result: "claimed", device: { id: known, name: name ?? "" }, removed: undefined };
    if (typeof device === "object") {
      const removed = this.#makeRoom(userId);
      if (removed === "FULL") return refused("FULL");
      claimed = { result: "claimed", device: { id: lastDevice + 1, name: device.name }, removed };
      this.db.run("UPDATE user SET last_device = last_device + 1 WHERE id = ?", userId);
    }
    if (name === null) this.#make(userId, claimed.device, confirmedSeq, claiming.at);
    const { id } = claimed.device;
    this.db.run(
      "UPDATE device SET session = ?, node = ?, incarnation = ?, since = ?, address = ?, confirmed_seq = ? WHERE userid = ? AND device = ?",
      ...[claiming.session, joined.name, joined.incarnation, claiming.at, claiming.address],
      ...[place === null || place < trimmedSeq ? confirmedSeq : place, userId, id],
    );
    if (state === "offline") this.db.run("UPDATE user SET state = 'online' WHERE id = ?", userId);
    if (claiming.token) {
      const { hash, expires } = claiming.token;
      if (id === 0) this.#makeRoomForToken(userId);
      this.db.run("INSERT INTO token (hash, userid, device, expires) VALUES (?, ?, ?, ?)", hash, userId, id, expires);
    }
    return claimed;
  }

  /** Makes room for another device. @returns the device that had to go for it, FULL if none can. */
  #makeRoom(userId: UserId): DeviceId | undefined | "FULL" {
    const [devices] = this.db.row<[number]>("SELECT count(*) FROM device WHERE userid = ? AND device > 0", userId)!;
    if (devices < this.maxDevices) return undefined;
    const sql = `SELECT device FROM device WHERE userid = ? AND device > 0 AND session IS NULL
      ORDER BY max(created, ifnull(since, 0), ifnull(lastseen, 0)), device LIMIT 1`;
    const longest = this.db.row<[DeviceId]>(sql, userId);
    if (!longest) return "FULL";
    removeDevices(this.db, this.logs, userId, longest);
    return longest[0];
  }

  /** Of more than there may be, which older versions left, some more go each time. */
  #makeRoomForToken(userId: UserId): void {
    const some = "FROM token WHERE userid = ? AND device = 0 LIMIT ?", most = 2 * MAX_TOKENS;
    const [tokens] = this.db.row<[number]>(`SELECT count(*) FROM (SELECT 1 ${some})`, userId, most)!;
    if (tokens < MAX_TOKENS) return;
    const sql = `DELETE FROM token WHERE hash IN (SELECT hash FROM (SELECT hash, expires ${some}) ORDER BY expires LIMIT ?)`;
    this.db.run(sql, userId, most, tokens - MAX_TOKENS + 1);
  }

  #make(userId: UserId, { id, name }: { id: DeviceId; name: string }, place: number, at: number): void {
    const sql = "INSERT INTO device (userid, device, name, created, confirmed_seq) VALUES (?, ?, ?, ?, ?)";
    this.db.run(sql, userId, id, name, at, place);
    const [devices, many] = this.db.row<[number, number]>(
      "SELECT (SELECT count(*) FROM device WHERE userid = ?1), many FROM user WHERE id = ?1",
      userId,
    )!;
    if (devices > 1 && many === 0) this.logs.mark(userId);
  }
}

function refused(errno: "INVALID" | "CLOSED" | "FULL"): Claim {
  return { result: "refused", errno };
}

/** The part of the store that says who is online, and where. */
export function sessionStore(
  db: Database,
  node: Node,
  logs: Logs,
  maxDevices: number,
): Pick<Store, "claim" | "release" | "sessions" | "holder" | "whereabouts"> {
  const claims = new Claims(db, logs, maxDevices);

  return {
    claim(claiming) {
      const passing = claiming.token === undefined && typeof claiming.device === "number";
      return db.write(() => node.joined ? claims.claim(node.joined, claiming) : { result: "fenced" }, 1, passing);
    },

    async release(sessions) {
      const end = `UPDATE device SET session = NULL, node = NULL, incarnation = NULL, lastseen = max(ifnull(lastseen, 0), ?)
        WHERE userid = ? AND device = ? AND session = ?`;
      const change = () => {
        for (const { userId, device, session, lastseen, confirmed, unmade } of sessions) {
          if (confirmed !== undefined) logs.confirm({ userId, device, session, seq: confirmed });
          if (db.run(end, lastseen, userId, device, session) === 0) continue;
          if (unmade) removeDevices(db, logs, userId, [device]);
          setOffline(db, userId, lastseen);
        }
      };
      await db.write(change, sessions.length, sessions.every(({ confirmed, unmade }) => confirmed === undefined && !unmade));
      return [];
    },

    sessions(after, limit) {
      return db.read(() => {
        const sql = `SELECT d.userid, d.device, d.session, u.filed_seq FROM device d JOIN user u ON u.id = d.userid
          WHERE d.session IS NOT NULL AND d.node = ? AND (d.userid, d.device) > (?, ?) ORDER BY d.userid, d.device LIMIT ?`;
        const rows = db.rows<[UserId, DeviceId, string, number]>(sql, node.joined?.name ?? null, after.userId, after.device, limit);
        return rows.map(([userId, device, session, filedSeq]) => ({ userId, device, session, lastSeq: logs.end(userId, filedSeq) }));
      });
    },

    holder(userId, device) {
      return db.read(() => {
        const sql = "SELECT session, node FROM device WHERE userid = ? AND device = ? AND session IS NOT NULL";
        const row = db.row<[session: string, node: string]>(sql, userId, device);
        return row && { session: row[0], node: row[1] };
      });
    },

    whereabouts(userIds) {
      return db.read(() => {
        const sql = "SELECT id, state, lastseen FROM user WHERE deleted = 0 AND id IN (SELECT value FROM json_each(?))";
        const rows = db.rows<[UserId, State, number | null]>(sql, JSON.stringify(userIds));
        return new Map(rows.map(([userId, state, lastseen]): [UserId, Whereabouts] => [userId, { nodes: node.nodesOf(state), lastseen }]));
      });
    },
  };
}
