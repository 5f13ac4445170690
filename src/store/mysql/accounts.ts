// Users, passwords, tokens.

import { Buffer } from "node:buffer";
import type { Account, Store } from "../store.ts";
import { isDuplicate } from "./errors.ts";
import { gathered } from "./gather.ts";
import type { Pool } from "./pool.ts";
import { marks, padded } from "./sql.ts";

/** How many tokens one statement removes: all at once might take longer than a statement may. */
const EXPIRE_STEP = 500;

type Accounts = Pick<
  Store,
  | "createUser"
  | "findUser"
  | "findUserByToken"
  | "setPassword"
  | "setClosed"
  | "addToken"
  | "extendToken"
  | "removeToken"
  | "removeTokens"
  | "expireTokens"
>;

interface UserRow {
  id: number;
  name: string;
  password: string;
  closed: number;
}

interface OwnerRow extends UserRow {
  hash: Buffer;
  expires: number;
}

function account({ id, name, password, closed }: UserRow): Account {
  return { id, name, password, closed: closed === 1 };
}

export function accounts(db: Pool): Accounts {
  const owner = gathered(async (hashes: Buffer[]) => {
    const list = padded(hashes);
    const rows = await db.read<OwnerRow>(
      "SELECT t.hash, t.expires, u.id, u.name, u.password, u.closed FROM token t JOIN user u ON u.id = t.userid " +
        `WHERE t.hash IN (${marks(list.length)})`,
      list,
    );
    return hashes.map((hash) => rows.find((row) => hash.equals(row.hash)));
  });

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
      const rows = await db.read<UserRow>(`SELECT id, name, password, closed FROM user WHERE ${where}`, ["id" in by ? by.id : Buffer.from(by.key)]);
      return rows.length > 0 ? account(rows[0]) : undefined;
    },

    async findUserByToken(hash, now) {
      const row = await owner(Buffer.from(hash));
      return row && row.expires > now ? { account: account(row), expires: row.expires } : undefined;
    },

    async setPassword(userId, old, password) {
      const { affectedRows } = await db.write("UPDATE user SET password = ? WHERE id = ? AND password = ?", [password, userId, old]);
      return affectedRows === 1;
    },

    async setClosed(userId, closed) {
      const { affectedRows } = await db.write("UPDATE user SET closed = ? WHERE id = ?", [closed, userId]);
      return affectedRows === 1;
    },

    async addToken(userId, hash, expires) {
      await db.write("INSERT INTO token (hash, userid, expires) VALUES (?, ?, ?)", [Buffer.from(hash), userId, expires]);
    },

    async extendToken(hash, expires) {
      await db.write("UPDATE token SET expires = ? WHERE hash = ?", [expires, Buffer.from(hash)]);
    },

    async removeToken(hash) {
      await db.write("DELETE FROM token WHERE hash = ?", [Buffer.from(hash)]);
    },

    async removeTokens(userId, except) {
      if (except) await db.write("DELETE FROM token WHERE userid = ? AND hash <> ?", [userId, Buffer.from(except)]);
      else await db.write("DELETE FROM token WHERE userid = ?", [userId]);
    },

    async expireTokens(now) {
      const step = () => db.write("DELETE FROM token WHERE expires < ? ORDER BY expires LIMIT ?", [now, String(EXPIRE_STEP)]);
      while ((await step()).affectedRows === EXPIRE_STEP);
    },
  };
}
