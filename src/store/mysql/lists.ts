// What every login reads: asked together for all logins of one moment.

import type { Contact, Group, GroupId, Store, UserId } from "../store.ts";
import { BLOCKS, CONTACT } from "./contacts.ts";
import { gathered } from "./gather.ts";
import { withMembers } from "./groups.ts";
import type { Pool } from "./pool.ts";
import { marks, padded } from "./sql.ts";

/** The part of the store that is all lists of a user together. */
export function lists(db: Pool): Pick<Store, "lists"> {
  async function friendsOf(userIds: UserId[]): Promise<Map<UserId, Contact[]>> {
    const list = padded(userIds);
    const rows = await db.read<Contact & { owner: UserId }>(
      `SELECT friend.userid AS owner, ${CONTACT} FROM friend JOIN user f ON f.id = friend.friendid ${BLOCKS} friend.userid ` +
        `WHERE friend.userid IN (${marks(list.length)}) ORDER BY f.namekey`,
      list,
    );
    return byUser(rows, (row) => row.owner, ({ id, name, state, lastseen }) => [{ id, name, state, lastseen }]);
  }

  async function groupsOf(userIds: UserId[]): Promise<Map<UserId, Group[]>> {
    const list = padded(userIds);
    const memberships = await db.read<{ userid: UserId; groupid: GroupId }>(
      "SELECT me.userid, me.groupid FROM groupuser me JOIN allgroup g ON g.id = me.groupid " +
        `WHERE me.userid IN (${marks(list.length)}) ORDER BY g.groupkey`,
      list,
    );
    const groups = await withMembers(db, new Set(memberships.map((row) => row.groupid)));
    return byUser(memberships, (row) => row.userid, ({ groupid }) => groups.get(groupid) ?? []);
  }

  async function blockedBy(userIds: UserId[]): Promise<Map<UserId, UserId[]>> {
    const list = padded(userIds);
    const rows = await db.read<{ userid: UserId; blocked: UserId }>(
      `SELECT userid, blocked FROM block WHERE userid IN (${marks(list.length)}) ORDER BY userid, blocked`,
      list,
    );
    return byUser(rows, (row) => row.userid, (row) => [row.blocked]);
  }

  return {
    lists: gathered(async (userIds: UserId[]) => {
      const [friends, groups, blocked] = await Promise.all([friendsOf(userIds), groupsOf(userIds), blockedBy(userIds)]);
      return userIds.map((userId) => ({
        friends: friends.get(userId) ?? [],
        groups: groups.get(userId) ?? [],
        blocked: blocked.get(userId) ?? [],
      }));
    }),
  };
}

/** What the rows of each user make, in their order. */
function byUser<Row, Item>(rows: Row[], user: (row: Row) => UserId, make: (row: Row) => Item | Item[]): Map<UserId, Item[]> {
  return new Map([...Map.groupBy(rows, user)].map(([userId, theirs]) => [userId, theirs.flatMap(make)] as [UserId, Item[]]));
}
