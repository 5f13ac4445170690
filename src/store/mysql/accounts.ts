// Users, passwords, tokens. Tokens are written with their user's row locked: else two that delete the same one, by its hash and by its device, would wait for
// each other.

import { DAY_MS } from "../../async/pause.ts";
import { Buffer } from "node:buffer";
import type { Account, DeviceId, Ended, Store, TokenOwner, UserId } from "../store.ts";
import { gathered } from "./gather.ts";
import type { BotName } from "../hooks.ts";
import { isDuplicate } from "./errors.ts";
import { asking, deletingTokens, endedOf, type LockedUser } from "./locked_user.ts";
import { takingLook } from "./looks.ts";
import type { Pool } from "./pool.ts";
import { deleting, literal, marks, numbers, padded } from "./sql.ts";
import type { Users } from "./users.ts";

type Accounts = Pick<
  Store,
  "findUser" | "findUserByToken" | "makeBot" | "rehash" | "setPassword" | "setClosed" | "extendToken" | "removeToken" | "expireTokens"
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

/** Tokens or devices of one transaction. */
const EXPIRED_AT_ONCE = 500;

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

  /**
   * What `find` gives, without the rows of some users, is changed with its users locked, {@linkcode EXPIRED_AT_ONCE} rows at a time. Those whose rows others hold
   * are left to the next time. `tokens`: those of these users, under the lock.
   */
  async function step<Row extends { userid: UserId }>(
    find: (without: UserId[]) => Promise<Row[]>,
    change: (rows: Row[], locked: Map<UserId, LockedUser>, tokens: TokenRow[]) => string[],
  ): Promise<void> {
    const left = new Set<UserId>();
    for (let found = EXPIRED_AT_ONCE; found === EXPIRED_AT_ONCE;) {
      const rows = await find([...left]);
      found = rows.length;
      if (found === 0) return;
      const ids = rows.map(({ userid }) => userid);
      const held = await users.change(
        ids,
        (locked, [tokens], held) => {
          const free = held.size === 0 ? rows : rows.filter(({ userid }) => !held.has(userid));
          const known = (tokens as TokenRow[]).filter(({ userid }) => !held.has(userid));
          return { result: held, statements: change(free, locked, known) };
        },
        { reading: [`SELECT hash, userid, device, expires FROM token WHERE userid IN (${numbers(ids)})`], part: true },
      );
      for (const userId of held) left.add(userId);
    }
  }

  /** One token is changed, if it is there. */
  async function changeToken(hash: Uint8Array, sql: string): Promise<void> {
    const [token] = await db.read<{ userid: UserId }>("SELECT userid FROM token WHERE hash = ?", [Buffer.from(hash)]);
    if (token) await users.change([token.userid], () => ({ result: undefined, statements: [`${sql} WHERE hash = ${literal(hash)}`] }));
  }

  /** Makes a bot without a token; no password is its. @returns whether its name was free */
  async function insertBot({ name, key, look }: BotName): Promise<boolean> {
    const insert = `INSERT INTO user (name, namekey, password, bot) VALUES (${literal(name)}, ${literal(Buffer.from(key))}, '', TRUE)`;
    try {
      await db.transaction((tx) => tx.script([insert, takingLook("user", look, "LAST_INSERT_ID()")]));
      return true;
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      return false;
    }
  }

  return {
    async findUser(by) {
      const where = "id" in by ? "id = ?" : "namekey = ?";
      const rows = await db.read<AccountRow>(
        `SELECT id, name, password, version, closed FROM user WHERE deleted = 0 AND ${where}`,
        ["id" in by ? by.id : Buffer.from(by.key)],
      );
      return rows.length > 0 ? account(rows[0]) : undefined;
    },

    async findUserByToken(hash, now): Promise<TokenOwner | undefined> {
      const row = await owner(Buffer.from(hash));
      return row && row.expires > now ? { account: account(row), device: row.device, expires: row.expires } : undefined;
    },

    async makeBot(bot, token, expires) {
      const known = async () =>
        (await db.read<{ id: UserId; bot: number }>("SELECT id, bot FROM user WHERE namekey = ? AND deleted = 0", [Buffer.from(bot.key)])).at(0);
      const there = await known() ?? (await insertBot(bot) ? await known() : undefined);
      if (!there?.bot) return "INVALID";
      const id = numbers([there.id]);
      return await users.change<{ id: UserId; ended: Ended[] } | "INVALID">([there.id], (locked) => {
        const user = locked.get(there.id);
        if (!user || user.row.deleted) return { result: "INVALID" };
        const at = Date.now();
        const ended = [...user.devices.values()].flatMap((device) => user.remove(device, at));
        return {
          result: { id: there.id, ended },
          statements: [
            deletingTokens(there.id),
            `INSERT INTO token (hash, userid, device, expires) VALUES (${literal(token)}, ${id}, 0, ${numbers([expires])})`,
            ...asking(ended, at),
          ],
        };
      });
    },

    async rehash(userId, version, password) {
      await db.write("UPDATE user SET password = ? WHERE id = ? AND version = ?", [password, userId, version]);
    },

    async setPassword(userId, version, password, keep) {
      return await users.change([userId], (locked) => {
        const user = locked.get(userId);
        if (!user || user.row.deleted || (version !== undefined && user.row.version !== version)) return { result: undefined };
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
            `${deletingTokens(userId)} AND device = 0${others}`,
            ...asking(ended, at),
          ],
        };
      });
    },

    async setClosed(userId, closed) {
      return await users.change([userId], (locked) => {
        const user = locked.get(userId);
        if (!user || user.row.deleted) return { result: undefined };
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
      const but = (table: string, without: UserId[]) => without.length === 0 ? "" : ` AND ${table}.userid NOT IN (${numbers(without)})`;
      const tokens = (expiring: TokenRow[]) => `hash IN (${expiring.map(({ hash }) => literal(hash))})`;
      await step(
        (without) =>
          db.read<{ userid: UserId; hash: Buffer }>(
            "SELECT t.userid, t.hash FROM device d JOIN token t ON t.userid = d.userid AND t.device = d.device " +
              `WHERE d.device > 0 AND d.node IS NOT NULL AND t.expires < ?${but("d", without)} LIMIT ?`,
            [now + life - DAY_MS, String(EXPIRED_AT_ONCE)],
          ),
        (_, locked, known) => {
          const used = known.filter(({ userid, device, expires }) =>
            device > 0 && expires < now + life - DAY_MS && locked.get(userid)?.devices.get(device)?.session != null
          );
          return used.length > 0 ? [`UPDATE token SET expires = ${numbers([now + life])} WHERE ${tokens(used)}`] : [];
        },
      );
      await step(
        (without) =>
          db.read<{ userid: UserId }>(`SELECT t.userid FROM token t WHERE t.expires < ?${but("t", without)} LIMIT ?`, [now, String(EXPIRED_AT_ONCE)]),
        (_, _locked, known) => {
          const over = known.filter(({ expires }) => expires < now);
          return over.length > 0 ? [deleting("token", ["hash"], over.map(({ hash }) => [hash]))] : [];
        },
      );
      await step(
        (without) =>
          db.read<{ userid: UserId; device: DeviceId }>(
            "SELECT d.userid, d.device FROM device d LEFT JOIN token t ON t.userid = d.userid AND t.device = d.device " +
              `WHERE d.device > 0 AND d.session IS NULL AND t.hash IS NULL${but("d", without)} LIMIT ?`,
            [String(EXPIRED_AT_ONCE)],
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
