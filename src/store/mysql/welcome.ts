// What every login reads: asked together for all logins of one moment, in one round trip.

import type { Contact, DeviceId, Invitation, Store, UserId, Welcome } from "../store.ts";
import { BLOCKS, CONTACT } from "./contacts.ts";
import { gathered } from "./gather.ts";
import { GROUP, groupOf, type GroupRow } from "./groups.ts";
import { PLACE } from "./locked_user.ts";
import type { Pool } from "./pool.ts";
import { numbers } from "./sql.ts";

type Lists = Omit<Welcome, "inbox">;

/** Each one's rows name it as `owner`. */
function reading(userIds: UserId[]): string[] {
  const ids = numbers([...new Set(userIds)]);
  return [
    `SELECT friend.userid AS owner, ${CONTACT} FROM friend JOIN user f ON f.id = friend.friendid ${BLOCKS} friend.userid ` +
    `WHERE friend.userid IN (${ids}) ORDER BY f.namekey`,
    `SELECT me.userid AS owner, ${GROUP} FROM groupuser me JOIN allgroup g ON g.id = me.groupid WHERE me.userid IN (${ids}) ` +
    "ORDER BY COALESCE(g.groupkey, LOWER(g.groupname)), g.id",
    `SELECT userid AS owner, blocked FROM block WHERE userid IN (${ids}) ORDER BY userid, blocked`,
    `SELECT i.userid AS owner, i.groupid, g.groupname, i.inviter AS \`by\`, u.name AS byname, i.expires AS until FROM invite i ` +
    `JOIN allgroup g ON g.id = i.groupid JOIN user u ON u.id = i.inviter WHERE i.userid IN (${ids}) ORDER BY i.expires, i.groupid`,
  ];
}

function listsOf(userIds: UserId[], results: unknown[]): Lists[] {
  const [friends, groups, blocked, invited] = results.map((rows) => Map.groupBy(rows as { owner: UserId }[], ({ owner }) => owner));
  return userIds.map((userId) => ({
    friends: (friends.get(userId) ?? []).map((row) => without(row as Contact & { owner: UserId })),
    groups: (groups.get(userId) ?? []).map((row) => groupOf(row as GroupRow & { owner: UserId })),
    blocked: (blocked.get(userId) ?? []).map((row) => (row as unknown as { blocked: UserId }).blocked),
    invited: (invited.get(userId) ?? []).map((row) => without(row as Invitation & { owner: UserId })),
  }));
}

function without<Row extends { owner: UserId }>({ owner: _, ...row }: Row): Omit<Row, "owner"> {
  return row;
}

/** The part of the store that is what logins and CONTACTS are told. */
export function welcome(db: Pool): Pick<Store, "welcome" | "lists"> {
  const welcomed = gathered(async (asked: { userId: UserId; device: DeviceId }[]) => {
    const places = asked.map(({ userId, device }) => `d.userid = ${numbers([userId])} AND d.device = ${numbers([device])}`);
    const [inboxes, ...results] = await db.readAll([
      `SELECT d.userid, d.device, ${PLACE} AS confirmed, u.last_seq AS last FROM device d STRAIGHT_JOIN user u ON u.id = d.userid ` +
      `WHERE ${places.join(" OR ")}`,
      ...reading(asked.map(({ userId }) => userId)),
    ]);
    const rows = inboxes as { userid: UserId; device: DeviceId; confirmed: number; last: number }[];
    const found = listsOf(asked.map(({ userId }) => userId), results);
    return asked.map(({ userId, device }, i): Welcome => {
      const inbox = rows.find((row) => row.userid === userId && row.device === device);
      return { ...found[i], inbox: { confirmed: inbox?.confirmed ?? 0, last: inbox?.last ?? 0 } };
    });
  });
  const lists = gathered(async (userIds: UserId[]) => listsOf(userIds, await db.readAll(reading(userIds))));
  return {
    welcome: (userId, device) => welcomed({ userId, device }),
    lists,
  };
}
