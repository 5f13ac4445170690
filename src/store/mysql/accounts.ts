// Users, passwords, tokens. Tokens are written with their user's row locked: else two that delete the same one, by its hash and by its device, would wait for
// each other.

import { Buffer } from "node:buffer";
import type { Account, DeviceId, Store, TokenOwner, UserId } from "../store.ts";
import { isDuplicate } from "./errors.ts";
import { gathered } from "./gather.ts";
import { asking, endedOf, type LockedUser } from "./locked_user.ts";
import type { Pool } from "./pool.ts";
import { literal, marks, numbers, padded } from "./sql.ts";
import type { Users } from "./users.ts";

type Accounts = Pick<
  Store,
  "createUser" | "findUser" | "findUserByToken" | "rehash" | "setPassword" | "setClosed" | "extendToken" | "removeToken" | "expireTokens"
>;

interface AccountRow {
  id: UserId;
  name: string;
  password: string;
  version: number;
  closed: number;
}

interface OwnerRow extends AccountRow {
  hash: Buffer;
  device: DeviceId;
  expires: number;
}

interface TokenRow {
  hash: Buffer;
  userid: UserId;
  device: DeviceId;
  expires: number;
}

const DAY_MS = 86_400_000;
/** Tokens or devices of one transaction. */
const STEP = 500;

function account({ id, name, password, version, closed }: AccountRow): Account {
  return { id, name, password, version, closed: closed === 1 };
}

export function accounts(db: Pool, users: Users): Accounts {
  const owner = gathered(async (hashes: Buffer[]) => {
    const list = padded(hashes);
    const rows = await db.read<OwnerRow>(
      "SELECT t.hash, t.device, t.expires, u.id, u.name, u.password, u.version, u.closed FROM token t JOIN user u ON u.id = t.userid " +
        `WHERE t.hash IN (${marks(list.length)})`,
      list,
    );
    return hashes.map((hash) => rows.find((row) => hash.equals(row.hash)));
  });

  /** What `find` gives is changed with its users locked, {@linkcode STEP} rows at a time. `tokens`: those of these users, under the lock. */
  async function step<Row extends { userid: UserId }>(
    find: () => Promise<Row[]>,
    change: (rows: Row[], locked: Map<UserId, LockedUser>, tokens: TokenRow[]) => string[],
  ): Promise<void> {
    for (let found = STEP; found === STEP;) {
      const rows = await find();
      found = rows.length;
      if (found === 0) return;
      const ids = rows.map(({ userid }) => userid);
      await users.change(
        ids,
        (locked, [tokens]) => ({ result: undefined, statements: change(rows, locked, tokens as TokenRow[]) }),
        { reading: [`SELECT hash, userid, device, expires FROM token WHERE userid IN (${numbers(ids)})`] },
      );
    }
  }

  /** One token is changed, if it is there. */
  async function changeToken(hash: Uint8Array, sql: string): Promise<void> {
    const [token] = await db.read<{ userid: UserId }>("SELECT userid FROM token WHERE hash = ?", [Buffer.from(hash)]);
    if (token) await users.change([token.userid], () => ({ result: undefined, statements: [`${sql} WHERE hash = ${literal(hash)}`] }));
  }

  return {
    async createUser(name, key, password) {
      try {
        const { insertId } = await db.write("INSERT INTO user (name, namekey, password) VALUES (?, ?, ?)", [name, Buffer.from(key), password]);
        return insertId;
      } catch (error) {
        if (isDuplicate(error)) return undefined;
        throw error;
      }
    },

    async findUser(by) {
      const where = "id" in by ? "id = ?" : "namekey = ?";
      const rows = await db.read<AccountRow>(
        `SELECT id, name, password, version, closed FROM user WHERE ${where}`,
        ["id" in by ? by.id : Buffer.from(by.key)],
      );
      return rows.length > 0 ? account(rows[0]) : undefined;
    },

    async findUserByToken(hash, now): Promise<TokenOwner | undefined> {
      const row = await owner(Buffer.from(hash));
      return row && row.expires > now ? { account: account(row), device: row.device, expires: row.expires } : undefined;
    },

    async rehash(userId, version, password) {
      await db.write("UPDATE user SET password = ? WHERE id = ? AND version = ?", [password, userId, version]);
    },

    async setPassword(userId, version, password, keep) {
      return await users.change([userId], (locked) => {
        const user = locked.get(userId);
        if (!user || (version !== undefined && user.row.version !== version)) return { result: undefined };
        const at = Date.now();
        const ended = [...user.devices.values()].flatMap((device) => {
          if (device.device === keep?.device) return [];
          if (device.device !== 0) return user.remove(device, at);
          const ended = endedOf([device]);
          user.end(device, at);
          return ended;
        });
        user.row.version++;
        const others = keep?.token ? ` AND hash <> ${literal(keep.token)}` : "";
        return {
          result: ended,
          statements: [
            `UPDATE user SET password = ${literal(password)} WHERE id = ${numbers([userId])}`,
            `DELETE FROM token WHERE userid = ${numbers([userId])} AND device = 0${others}`,
            ...asking(ended, at),
          ],
        };
      });
    },

    async setClosed(userId, closed) {
      return await users.change([userId], (locked) => {
        const user = locked.get(userId);
        if (!user) return { result: undefined };
        const at = Date.now();
        user.row.closed = closed ? 1 : 0;
        const ended = closed ? endedOf(user.devices.values()) : [];
        for (const device of closed ? user.devices.values() : []) user.end(device, at);
        return { result: ended, statements: asking(ended, at) };
      });
    },

    extendToken: (hash, expires) => changeToken(hash, `UPDATE token SET expires = ${numbers([expires])}`),
    removeToken: (hash) => changeToken(hash, "DELETE FROM token"),

    async expireTokens(now, life) {
      const tokens = (expiring: TokenRow[]) => `hash IN (${expiring.map(({ hash }) => literal(hash))})`;
      await step(
        () =>
          db.read<{ userid: UserId; hash: Buffer }>(
            "SELECT t.userid, t.hash FROM device d JOIN token t ON t.userid = d.userid AND t.device = d.device " +
              "WHERE d.node IS NOT NULL AND t.expires < ? LIMIT ?",
            [now + life - DAY_MS, String(STEP)],
          ),
        (_, locked, known) => {
          const used = known.filter(({ userid, device, expires }) =>
            expires < now + life - DAY_MS && locked.get(userid)?.devices.get(device)?.session != null
          );
          return used.length > 0 ? [`UPDATE token SET expires = ${numbers([now + life])} WHERE ${tokens(used)}`] : [];
        },
      );
      await step(
        () => db.read<{ userid: UserId }>("SELECT userid FROM token WHERE expires < ? LIMIT ?", [now, String(STEP)]),
        (_, _locked, known) => {
          const over = known.filter(({ expires }) => expires < now);
          return over.length > 0 ? [`DELETE FROM token WHERE ${tokens(over)}`] : [];
        },
      );
      await step(
        () =>
          db.read<{ userid: UserId; device: DeviceId }>(
            "SELECT d.userid, d.device FROM device d LEFT JOIN token t ON t.userid = d.userid AND t.device = d.device " +
              "WHERE d.device > 0 AND d.session IS NULL AND t.hash IS NULL LIMIT ?",
            [String(STEP)],
          ),
        (rows, locked, known) => {
          for (const { userid, device: number } of rows) {
            const user = locked.get(userid);
            const device = user?.devices.get(number);
            const kept = device?.session !== null || known.some((token) => token.userid === userid && token.device === number);
            if (user && device && !kept) user.remove(device, now);
          }
          return [];
        },
      );
    },
  };
}
