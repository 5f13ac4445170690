// What operators need: who is there, ending sessions, the database's epoch. And devices, as their users see them.

import type { Device, DeviceId, State, Store, UserId } from "../store.ts";
import { asking, endedOf } from "./locked_user.ts";
import type { Pool } from "./pool.ts";
import { marks, padded } from "./sql.ts";
import type { Users } from "./users.ts";

type Operators = Pick<Store, "users" | "devices" | "removeDevice" | "kick" | "epoch" | "renewEpoch">;

interface UserRow {
  id: UserId;
  name: string;
  state: State;
  lastseen: number | null;
  closed: number;
}

export function operators(db: Pool, users: Users): Operators {
  return {
    async users(after, limit) {
      const rows = await db.read<UserRow>(
        "SELECT id, name, state, lastseen, closed FROM user WHERE id > ? AND deleted = 0 ORDER BY id LIMIT ?",
        [after, String(limit)],
      );
      if (rows.length === 0) return [];
      const ids = padded(rows.map(({ id }) => id));
      const devices = Map.groupBy(
        await db.read<{ userid: UserId; node: string | null; since: number | null }>(
          `SELECT userid, node, since FROM device WHERE userid IN (${marks(ids.length)})`,
          ids,
        ),
        ({ userid }) => userid,
      );
      return rows.map((row) => {
        const theirs = devices.get(row.id) ?? [];
        const nodes = theirs.flatMap(({ node }) => node ?? []);
        const since = theirs.flatMap(({ since }) => since ?? []);
        return {
          ...row,
          closed: row.closed === 1,
          sessions: nodes.length,
          nodes: [...new Set(nodes)],
          since: since.length > 0 ? Math.max(...since) : null,
        };
      });
    },

    async devices(userId) {
      const rows = await db.read<Omit<Device, "id" | "state"> & { device: DeviceId; session: string | null }>(
        "SELECT device, name, session, since, lastseen, address FROM device WHERE userid = ? ORDER BY device",
        [userId],
      );
      const devices = rows.map(({ device, session, ...row }): Device => ({ id: device, state: session === null ? "offline" : "online", ...row }));
      if (devices[0]?.id !== 0) devices.unshift({ id: 0, name: "", state: "offline", since: null, lastseen: null, address: null });
      return devices;
    },

    async removeDevice(userId, number) {
      return await users.change([userId], (locked) => {
        const user = locked.get(userId);
        const device = user?.devices.get(number);
        if (!user || !device) return { result: user && number === 0 ? [] : undefined };
        const at = Date.now();
        const ended = user.remove(device, at);
        return { result: ended, statements: asking(ended, at) };
      });
    },

    async kick(userId, device) {
      return await users.change([userId], (locked) => {
        const devices = [...locked.get(userId)?.devices.values() ?? []];
        const ended = endedOf(devices.filter((row) => device === undefined || row.device === device));
        return { result: ended.length > 0, statements: asking(ended, Date.now()) };
      });
    },

    async epoch() {
      const [{ word }] = await db.read<{ word: string }>("SELECT word FROM epoch");
      return word;
    },

    async renewEpoch() {
      await db.write("UPDATE epoch SET word = ?", [newEpoch()]);
    },
  };
}

/** A random word. */
export function newEpoch(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}
