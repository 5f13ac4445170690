import type { Account, Store, UserId } from "../store.ts";
import type { Database } from "./database.ts";

type AccountStore = Pick<
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

/** How many tokens one statement removes, lest it block the event loop. */
const EXPIRE_STEP = 500;

type AccountRow = [id: UserId, name: string, password: string, closed: number];

function account([id, name, password, closed]: AccountRow): Account {
  return { id, name, password, closed: closed !== 0 };
}

/** The part of the store that is users, passwords and tokens. */
export function accountStore(db: Database): AccountStore {
  return {
    createUser(name, key, password) {
      return db.write(() =>
        db.insert("INSERT INTO user (name, namekey, password) VALUES (?, ?, ?) ON CONFLICT (namekey) DO NOTHING", name, key, password)
      );
    },

    findUser(by) {
      return db.read(() => {
        const columns = "SELECT id, name, password, closed FROM user WHERE";
        const row = "id" in by ? db.row<AccountRow>(`${columns} id = ?`, by.id) : db.row<AccountRow>(`${columns} namekey = ?`, by.key);
        return row && account(row);
      });
    },

    findUserByToken(hash, now) {
      return db.read(() => {
        const sql =
          `SELECT u.id, u.name, u.password, u.closed, t.expires FROM token t JOIN user u ON u.id = t.userid WHERE t.hash = ? AND t.expires > ?`;
        const row = db.row<[...AccountRow, expires: number]>(sql, hash, now);
        if (!row) return undefined;
        const [id, name, password, closed, expires] = row;
        return { account: account([id, name, password, closed]), expires };
      });
    },

    setPassword(userId, old, password) {
      return db.write(() => db.run("UPDATE user SET password = ? WHERE id = ? AND password = ?", password, userId, old) > 0);
    },

    setClosed(userId, closed) {
      return db.write(() => db.run("UPDATE user SET closed = ? WHERE id = ?", closed ? 1 : 0, userId) > 0);
    },

    addToken(userId, hash, expires) {
      return db.write(() => void db.run("INSERT INTO token (hash, userid, expires) VALUES (?, ?, ?)", hash, userId, expires));
    },

    extendToken(hash, expires) {
      return db.write(() => void db.run("UPDATE token SET expires = ? WHERE hash = ?", expires, hash));
    },

    removeToken(hash) {
      return db.write(() => void db.run("DELETE FROM token WHERE hash = ?", hash));
    },

    removeTokens(userId, except) {
      return db.write(() => void db.run("DELETE FROM token WHERE userid = ? AND hash IS NOT ?", userId, except ?? null));
    },

    async expireTokens(now) {
      const sql = "DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE expires < ? LIMIT ?)";
      while (await db.write(() => db.run(sql, now, EXPIRE_STEP), EXPIRE_STEP) === EXPIRE_STEP);
    },
  };
}
