import type { Device, DeviceId, Ended, State, Store, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import type { Logs } from "./user_logs.ts";

/**
 * Sets the user offline if the session that ended then (ms) was their last one. They were last there when the latest of all ended: releases come in any order.
 * In `write`.
 */
export function setOffline(db: Database, userId: UserId, at: number): void {
  const sql = `UPDATE user SET state = 'offline',
    lastseen = max(?1, ifnull(lastseen, 0), ifnull((SELECT max(lastseen) FROM device WHERE userid = ?2), 0))
    WHERE id = ?2 AND NOT EXISTS (SELECT 1 FROM device WHERE userid = ?2 AND session IS NOT NULL)`;
  db.run(sql, at, userId);
}

/** Ends the sessions of these devices: their rows name none any more, the user's state follows, and the nodes are asked to end them. In `write`. */
export function endSessions(db: Database, userId: UserId, devices: DeviceId[]): Ended[] {
  const among = "userid = ?1 AND session IS NOT NULL AND device IN (SELECT value FROM json_each(?2))";
  const values = [userId, JSON.stringify(devices)];
  const rows = db.rows<[DeviceId, string, string]>(`SELECT device, session, node FROM device WHERE ${among}`, ...values);
  if (rows.length === 0) return [];
  const at = Date.now();
  db.run(
    `UPDATE device SET session = NULL, node = NULL, incarnation = NULL, lastseen = max(ifnull(lastseen, 0), ?3) WHERE ${among}`,
    ...values,
    at,
  );
  setOffline(db, userId, at);
  const ask = "INSERT OR REPLACE INTO kick (session, userid, device, node, at) VALUES (?, ?, ?, ?, ?)";
  return rows.map(([device, session, node]) => {
    db.run(ask, session, userId, device, node, at);
    return { userId, device, session, node };
  });
}

/** Takes out named devices that have no session (any more), with their tokens and subscriptions, and what of the log only they needed. In `write`. */
export function removeDevices(db: Database, logs: Logs, userId: UserId, devices: DeviceId[]): void {
  for (const device of devices) {
    db.run("DELETE FROM token WHERE userid = ? AND device = ?", userId, device);
    db.run("DELETE FROM push WHERE userid = ? AND device = ?", userId, device);
    db.run("DELETE FROM device WHERE userid = ? AND device = ?", userId, device);
  }
  if (devices.length > 0) logs.trim(userId);
}

/** The part of the store that is the list of a user's devices. */
export function deviceStore(db: Database, logs: Logs): Pick<Store, "devices" | "removeDevice"> {
  type Row = [id: DeviceId, name: string, state: State, since: number | null, lastseen: number | null, address: string | null];
  return {
    devices(userId) {
      return db.read(() => {
        const sql = `SELECT device, name, iif(session IS NULL, 'offline', 'online'), since, lastseen, address FROM device
          WHERE userid = ? ORDER BY device`;
        const devices = db.rows<Row>(sql, userId).map(([id, name, state, since, lastseen, address]): Device => (
          { id, name, state, since, lastseen, address }
        ));
        if (devices[0]?.id !== 0) devices.unshift({ id: 0, name: "", state: "offline", since: null, lastseen: null, address: null });
        return devices;
      });
    },

    removeDevice(userId, device) {
      return db.write(() => {
        const [known] = device === 0
          ? db.row<[number]>("SELECT count(*) FROM user WHERE id = ?", userId)!
          : db.row<[number]>("SELECT count(*) FROM device WHERE userid = ? AND device = ?", userId, device)!;
        if (known === 0) return undefined;
        const ended = endSessions(db, userId, [device]);
        if (device === 0) db.run("DELETE FROM token WHERE userid = ? AND device = 0", userId);
        else removeDevices(db, logs, userId, [device]);
        return ended;
      });
    },
  };
}
