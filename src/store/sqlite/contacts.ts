import type { Contact, State, Store, StoreLimits, UserId } from "../store.ts";
import type { Database } from "./database.ts";
import { groupsIn } from "./groups.ts";

type ContactStore = Pick<Store, "lists" | "addFriend" | "removeFriend" | "watchers" | "block" | "unblock">;

type ContactRow = [id: UserId, name: string, state: State, lastseen: number | null, blocks: number];
/** A user as ?1 may see them. */
const CONTACT = "SELECT u.id, u.name, u.state, u.lastseen, EXISTS (SELECT 1 FROM block WHERE userid = u.id AND blocked = ?1)";

function contact([id, name, state, lastseen, blocks]: ContactRow): Contact {
  return blocks ? { id, name, state: "offline", lastseen: null } : { id, name, state, lastseen };
}

/** The part of the store that is friends and blocks, and all lists together. */
export function contactStore(db: Database, limits: StoreLimits): ContactStore {
  return {
    lists(userId) {
      return db.read(() => {
        // Most users have none, or few: who has none is asked once, not thrice.
        const [friends, groups, blocked] = db.row<[number, number, number]>(
          `SELECT EXISTS (SELECT 1 FROM friend WHERE userid = ?1), EXISTS (SELECT 1 FROM groupuser WHERE userid = ?1),
            EXISTS (SELECT 1 FROM block WHERE userid = ?1)`,
          userId,
        )!;
        const friendsOf = `${CONTACT} FROM friend f JOIN user u ON u.id = f.friendid WHERE f.userid = ?1 ORDER BY u.namekey`;
        return {
          friends: friends ? db.rows<ContactRow>(friendsOf, userId).map(contact) : [],
          groups: groups ? groupsIn(db, "SELECT groupid FROM groupuser WHERE userid = ?", userId) : [],
          blocked: blocked ? db.rows<[UserId]>("SELECT blocked FROM block WHERE userid = ? ORDER BY blocked", userId).map(([id]) => id) : [],
        };
      });
    },

    addFriend(userId, friend) {
      return db.write(() => {
        const [where, value] = "id" in friend ? ["id", friend.id] : ["namekey", friend.key];
        const row = db.row<ContactRow>(`${CONTACT} FROM user u WHERE u.${where} = ?2`, userId, value);
        if (!row) return 16;
        const friendId = row[0];
        if (!db.row("SELECT 1 FROM friend WHERE userid = ? AND friendid = ?", userId, friendId)) {
          const [friends] = db.row<[number]>("SELECT count(*) FROM friend WHERE userid = ?", userId)!;
          if (friends >= limits.maxContacts) return 24;
          db.run("INSERT INTO friend (userid, friendid) VALUES (?, ?)", userId, friendId);
        }
        return contact(row);
      });
    },

    removeFriend(userId, friendId) {
      return db.write(() => void db.run("DELETE FROM friend WHERE userid = ? AND friendid = ?", userId, friendId));
    },

    watchers(userIds) {
      return db.read(() => {
        const sql = `SELECT f.friendid, f.userid, w.node FROM friend f JOIN user w ON w.id = f.userid
          WHERE f.friendid IN (SELECT value FROM json_each(?)) AND w.state = 'online'
          AND NOT EXISTS (SELECT 1 FROM block WHERE userid = f.friendid AND blocked = f.userid)
          AND NOT EXISTS (SELECT 1 FROM block WHERE userid = f.userid AND blocked = f.friendid)`;
        const rows = db.rows<[UserId, UserId, string]>(sql, JSON.stringify(userIds));
        return rows.map(([userId, watcher, node]) => ({ userId, watcher, node }));
      });
    },

    block(userId, other) {
      return db.write(() => {
        if (!db.row("SELECT 1 FROM user WHERE id = ?", other)) return false;
        db.run("INSERT INTO block (userid, blocked) VALUES (?, ?) ON CONFLICT DO NOTHING", userId, other);
        return true;
      });
    },

    unblock(userId, other) {
      return db.write(() => void db.run("DELETE FROM block WHERE userid = ? AND blocked = ?", userId, other));
    },
  };
}
