import { DAY_MS } from "../../async/pause.ts";
import type { Account, DeviceId, Store, UserId } from "../store.ts";
import { COMMIT_COST, type Database } from "./database.ts";
import { endSessions, removeDevices } from "./devices.ts";
import type { Logs } from "./user_logs.ts";
import { isTaken, takeLook } from "./looks.ts";

type AccountStore = Pick<
  Store,
  "findUser" | "findUserByToken" | "makeBot" | "rehash" | "setPassword" | "setClosed" | "extendToken" | "removeToken" | "expireTokens"
>;

/** How many tokens or devices one transaction looks at, lest it hold up the event loop. */
const EXPIRED_AT_ONCE = 500;

type AccountRow = [id: UserId, name: string, password: string, version: number, closed: number];
const ACCOUNT = "u.id, u.name, u.password, u.version, u.closed";

function account([id, name, password, version, closed]: AccountRow): Account {
  return { id, name, password, version, closed: closed !== 0 };
}

/** The part of the store that is users, passwords and tokens. */
export function accountStore(db: Database, logs: Logs): AccountStore {
  const devicesOf = (userId: UserId) => db.rows<[DeviceId]>("SELECT device FROM device WHERE userid = ?", userId).flat();

  /** A bot of that name; no password is its. */
  function made(name: string, key: string, look: string): UserId | undefined {
    if (isTaken(db, "user", look)) return undefined;
    const id = db.insert("INSERT INTO user (name, namekey, password, bot) VALUES (?, ?, '', 1) ON CONFLICT (namekey) DO NOTHING", name, key);
    if (id !== undefined) takeLook(db, "user", look, id);
    return id;
  }

  return {
    findUser(by) {
      return db.read(() => {
        const columns = `SELECT ${ACCOUNT} FROM user u WHERE deleted = 0 AND`;
        const row = "id" in by ? db.row<AccountRow>(`${columns} id = ?`, by.id) : db.row<AccountRow>(`${columns} namekey = ?`, by.key);
        return row && account(row);
      });
    },

    findUserByToken(hash, now) {
      return db.read(() => {
        const sql = `SELECT t.device, t.expires, ${ACCOUNT} FROM token t JOIN user u ON u.id = t.userid WHERE t.hash = ? AND t.expires > ?`;
        const row = db.row<[DeviceId, expires: number, ...AccountRow]>(sql, hash, now);
        if (!row) return undefined;
        const [device, expires, ...user] = row;
        return { account: account(user), device, expires };
      });
    },

    makeBot({ name, key, look }, token, expires) {
      return db.write(() => {
        const [known, bot] = db.row<[UserId, number]>("SELECT id, bot FROM user WHERE namekey = ? AND deleted = 0", key) ?? [];
        if (known !== undefined && bot === 0) return "INVALID";
        const id = known ?? made(name, key, look);
        if (id === undefined) return "INVALID";
        const devices = devicesOf(id), ended = endSessions(db, id, devices);
        removeDevices(db, logs, id, devices.filter((device) => device !== 0));
        db.run("DELETE FROM token WHERE userid = ?", id);
        db.run("INSERT INTO token (hash, userid, device, expires) VALUES (?, ?, 0, ?)", token, id, expires);
        return { id, ended };
      });
    },

    rehash(userId, version, password) {
      return db.write(() => void db.run("UPDATE user SET password = ? WHERE id = ? AND version = ?", password, userId, version));
    },

    setPassword(userId, version, password, keep) {
      return db.write(() => {
        const sql = "UPDATE user SET password = ?1, version = version + 1 WHERE id = ?2 AND deleted = 0 AND version = ifnull(?3, version)";
        if (db.run(sql, password, userId, version ?? null) === 0) return undefined;
        const going = devicesOf(userId).filter((device) => device !== keep?.device);
        const ended = endSessions(db, userId, going);
        removeDevices(db, logs, userId, going.filter((device) => device !== 0));
        db.run("DELETE FROM token WHERE userid = ? AND device = 0 AND hash IS NOT ?", userId, keep?.token ?? null);
        return ended;
      });
    },

    setClosed(userId, closed) {
      return db.write(() => {
        if (db.run("UPDATE user SET closed = ? WHERE id = ? AND deleted = 0", closed ? 1 : 0, userId) === 0) return undefined;
        return closed ? endSessions(db, userId, devicesOf(userId)) : [];
      });
    },

    extendToken(hash, expires) {
      return db.write(() => void db.run("UPDATE token SET expires = ? WHERE hash = ?", expires, hash));
    },

    removeToken(hash) {
      return db.write(() => void db.run("DELETE FROM token WHERE hash = ?", hash));
    },

    async expireTokens(now, life) {
      type Place = [UserId, DeviceId];
      /** Calls `change` in a transaction of its own for the devices that a query gives, `EXPIRED_AT_ONCE` at a time. It begins behind ?1 and ?2. */
      const forDevices = async (query: string, change: (devices: Place[]) => void) => {
        let last: Place | undefined = [0, -1];
        while (last) {
          const [userId, device]: Place = last;
          last = await db.write((): Place | undefined => {
            const devices = db.rows<Place>(`${query} AND (userid, device) > (?, ?) ORDER BY userid, device LIMIT ?`, userId, device, EXPIRED_AT_ONCE);
            change(devices);
            return devices.length === EXPIRED_AT_ONCE ? devices.at(-1) : undefined;
          }, COMMIT_COST);
        }
      };
      await forDevices("SELECT userid, device FROM device WHERE device > 0 AND session IS NOT NULL", (devices) => {
        const extend = "UPDATE token SET expires = ?1 WHERE userid = ?2 AND device = ?3 AND expires < ?4";
        for (const [userId, device] of devices) db.run(extend, now + life, userId, device, now + life - DAY_MS);
      });
      const expired = "DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE expires < ? LIMIT ?)";
      while (await db.write(() => db.run(expired, now, EXPIRED_AT_ONCE), COMMIT_COST) === EXPIRED_AT_ONCE);
      await forDevices("SELECT userid, device FROM device WHERE device > 0", (devices) => {
        const left =
          "SELECT session IS NOT NULL OR EXISTS (SELECT 1 FROM token WHERE userid = ?1 AND device = ?2) FROM device WHERE userid = ?1 AND device = ?2";
        for (const [userId, device] of devices) if (!db.row<[number]>(left, userId, device)?.[0]) removeDevices(db, logs, userId, [device]);
      });
    },
  };
}
