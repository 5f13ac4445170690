import type { Store } from "../store.ts";
import type { Database } from "./database.ts";
import { isTaken, takeLook } from "./looks.ts";

type DoorStore = Pick<Store, "createUser" | "createInvited" | "isInvited" | "addInvite" | "expireInvites">;

/** Those that let into the server, with the code ?1, at ?2. */
const INVITED = "hash = ?1 AND groupid IS NULL AND uses > 0 AND expires > ?2";

/** The part of the store that is how users come to be. */
export function doorStore(db: Database): DoorStore {
  function create(name: string, key: string, password: string, look: string): number | undefined {
    if (isTaken(db, "user", look)) return undefined;
    const sql = "INSERT INTO user (name, namekey, password) VALUES (?, ?, ?) ON CONFLICT (namekey) DO NOTHING";
    const id = db.insert(sql, name, key, password);
    if (id !== undefined) takeLook(db, "user", look, id);
    return id;
  }

  return {
    createUser: (name, key, password, look = key) => db.write(() => create(name, key, password, look)),

    createInvited(invite, now, { name, key, password, look }) {
      return db.write(() => {
        if (!db.row(`SELECT 1 FROM invite WHERE ${INVITED}`, invite, now)) return "NOT_INVITED";
        const id = create(name, key, password, look);
        if (id === undefined) return "INVALID";
        db.run("UPDATE invite SET uses = uses - 1 WHERE hash = ?", invite);
        db.run("DELETE FROM invite WHERE hash = ? AND uses <= 0", invite);
        return id;
      });
    },

    isInvited: (invite, now) => db.read(() => db.row(`SELECT 1 FROM invite WHERE ${INVITED}`, invite, now) !== undefined),

    addInvite({ hash, inviter, uses, expires }, now, most) {
      return db.write(() => {
        if (inviter !== undefined) {
          if (!db.row("SELECT 1 FROM user WHERE id = ? AND deleted = 0", inviter)) return "FULL";
          const sql = "SELECT count(*) FROM invite WHERE inviter = ? AND groupid IS NULL AND expires > ?";
          if (db.row<[number]>(sql, inviter, now)![0] >= most) return "FULL";
        }
        db.run("INSERT INTO invite (hash, inviter, uses, expires) VALUES (?, ?, ?, ?)", hash, inviter ?? null, uses, expires);
        return "OK";
      });
    },

    async expireInvites(now, limit) {
      const expired = "DELETE FROM invite WHERE id IN (SELECT id FROM invite WHERE expires <= ? LIMIT ?)";
      while (await db.write(() => db.run(expired, now, limit)) === limit);
    },
  };
}
