import type { Store, StoreLimits, User, UserId, Watcher, Welcome } from "../store.ts";
import { CONTACT, contact, type ContactRow } from "./contact_row.ts";
import { avatarOf } from "../files.ts";
import type { Database } from "./database.ts";
import { groupsOf, invitationsOf } from "./groups.ts";
import type { Logs } from "./user_logs.ts";
import type { Node } from "./node.ts";

type ContactStore = Pick<
  Store,
  "welcome" | "lists" | "addFriend" | "removeFriend" | "watchers" | "findUsers" | "findByPrefix" | "block" | "unblock" | "blocks"
>;

/** Those who have somebody for a friend, of whom so many are looked at at once. */
const WATCHERS_AT_ONCE = 500;

/** The part of the store that is friends and blocks, all lists together, and how users are found. */
export function contactStore(db: Database, node: Node, logs: Logs, limits: StoreLimits): ContactStore {
  // Most users have none, or few: who has none is asked once, not four times.
  const some = `EXISTS (SELECT 1 FROM friend WHERE userid = ?1), EXISTS (SELECT 1 FROM groupuser WHERE userid = ?1),
    EXISTS (SELECT 1 FROM block WHERE userid = ?1), EXISTS (SELECT 1 FROM invite WHERE userid = ?1)`;

  function lists(userId: UserId, [friends, groups, blocked, invited]: [number, number, number, number]): Omit<Welcome, "inbox"> {
    const friendsOf = `SELECT ${CONTACT} FROM friend f JOIN user u ON u.id = f.friendid WHERE f.userid = ?1 ORDER BY u.namekey`;
    return {
      friends: friends ? db.rows<ContactRow>(friendsOf, userId).map(contact) : [],
      groups: groups ? groupsOf(db, userId) : [],
      blocked: blocked ? db.rows<[UserId]>("SELECT blocked FROM block WHERE userid = ? ORDER BY blocked", userId).flat() : [],
      invited: invited ? invitationsOf(db, userId) : [],
    };
  }

  const users = (sql: string, ...values: (string | number)[]): Promise<User[]> =>
    db.read(() => {
      const columns = "id, name, about, (SELECT urlkey FROM file WHERE file.id = user.avatar), bot";
      const rows = db.rows<[UserId, string, string, string | null, number]>(`SELECT ${columns} FROM user WHERE deleted = 0 AND ${sql}`, ...values);
      return rows.map(([id, name, about, urlkey, bot]): User => (
        { id, name, ...(about === "" ? {} : { about }), ...avatarOf(urlkey), ...(bot === 0 ? {} : { bot: true }) }
      ));
    });

  const isThere = (userId: UserId) => db.row("SELECT 1 FROM user WHERE id = ? AND deleted = 0", userId) !== undefined;

  const isFull = (table: "friend" | "block", userId: UserId) =>
    db.row<[number]>(`SELECT count(*) FROM ${table} WHERE userid = ?`, userId)![0] >= limits.maxContacts;

  return {
    welcome(userId, device) {
      return db.read(() => {
        const sql = `SELECT ${some}, u.filed_seq, iif(d.confirmed_seq >= u.trimmed_seq, d.confirmed_seq, u.confirmed_seq)
          FROM user u LEFT JOIN device d ON d.userid = u.id AND d.device = ?2 WHERE u.id = ?1`;
        const [friends, groups, blocked, invited, filedSeq, confirmed] = db.row<[number, number, number, number, number, number]>(
          sql,
          userId,
          device,
        )!;
        return { ...lists(userId, [friends, groups, blocked, invited]), inbox: { confirmed, last: logs.end(userId, filedSeq) } };
      });
    },

    lists: (userId) => db.read(() => lists(userId, db.row<[number, number, number, number]>(`SELECT ${some}`, userId)!)),

    addFriend(userId, friend) {
      return db.write(() => {
        const [where, value] = "id" in friend ? ["id", friend.id] : ["namekey", friend.key];
        const row = db.row<ContactRow>(`SELECT ${CONTACT} FROM user u WHERE u.${where} = ?2 AND u.deleted = 0`, userId, value);
        if (!row || !isThere(userId)) return "NO_USER";
        const friendId = row[0];
        if (!db.row("SELECT 1 FROM friend WHERE userid = ? AND friendid = ?", userId, friendId)) {
          if (isFull("friend", userId)) return "FULL";
          db.run("INSERT INTO friend (userid, friendid) VALUES (?, ?)", userId, friendId);
        }
        return contact(row);
      });
    },

    removeFriend(userId, friendId) {
      return db.write(() => void db.run("DELETE FROM friend WHERE userid = ? AND friendid = ?", userId, friendId));
    },

    async watchers(userIds) {
      const sql = `SELECT f.userid, w.state = 'online' AND NOT EXISTS (SELECT 1 FROM block WHERE userid = ?1 AND blocked = f.userid)
          AND NOT EXISTS (SELECT 1 FROM block WHERE userid = f.userid AND blocked = ?1)
        FROM friend f CROSS JOIN user w ON w.id = f.userid WHERE f.friendid = ?1 AND f.userid > ?2 ORDER BY f.userid LIMIT ${WATCHERS_AT_ONCE}`;
      /** Those behind `after`, in as many turns as it takes: anyone may have anybody for a friend. */
      const watching = async (userId: UserId): Promise<Watcher[]> => {
        const found: Watcher[] = [];
        for (let after: UserId | undefined = 0; after !== undefined;) {
          const last: UserId = after;
          after = await db.read(() => {
            const nodes = node.nodesOf("online");
            const rows = db.rows<[UserId, number]>(sql, userId, last);
            for (const [watcher, isTold] of rows) if (isTold === 1) found.push(...nodes.map((node) => ({ userId, watcher, node })));
            return rows.length === WATCHERS_AT_ONCE ? rows.at(-1)![0] : undefined;
          });
        }
        return found;
      };
      // Each by itself: those of many are too many for one turn.
      return (await Promise.all(userIds.map(watching))).flat();
    },

    findUsers(by) {
      return "ids" in by
        ? users("id IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT 100", JSON.stringify(by.ids))
        : users("namekey IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT 100", JSON.stringify(by.keys));
    },

    // Text is compared byte by byte, and UTF-8 has no byte FF.
    findByPrefix: (prefix, limit) => users("namekey >= ?1 AND namekey < ?1 || CAST(x'FF' AS TEXT) ORDER BY namekey LIMIT ?2", prefix, limit),

    block(userId, other, at) {
      return db.write(() => {
        if (!isThere(other) || !isThere(userId)) return "NO_USER";
        if (!db.row("SELECT 1 FROM block WHERE userid = ? AND blocked = ?", userId, other)) {
          if (isFull("block", userId)) return "FULL";
          db.run("INSERT INTO block (userid, blocked, lastseen) VALUES (?, ?, ?)", userId, other, at);
        }
        return "OK";
      });
    },

    unblock(userId, other) {
      return db.write(() => {
        if (db.run("DELETE FROM block WHERE userid = ? AND blocked = ?", userId, other) === 0) return undefined;
        const as = (asker: UserId, id: UserId) => contact(db.row<ContactRow>(`SELECT ${CONTACT} FROM user u WHERE u.id = ?2`, asker, id)!);
        return { seen: as(other, userId), sees: as(userId, other) };
      });
    },

    blocks: (userId, other) => db.read(() => db.row("SELECT 1 FROM block WHERE userid = ? AND blocked = ?", userId, other) !== undefined),
  };
}
