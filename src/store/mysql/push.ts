// Web Push. A row of `push` is written with its user's row locked, as the device's is that it belongs to.

import { Buffer } from "node:buffer";
import { type MaybeTarget, mutedMessages, PUSHED_TEXT, type PushStore, type PushTarget, spokenTo, type Subscription } from "../push.ts";
import type { DeviceId, GroupId, UserId } from "../store.ts";
import type { Pool } from "./pool.ts";
import { literal, marks, numbers, padded, tuple, valueTable } from "./sql.ts";
import type { Users } from "./users.ts";

type Row = Omit<PushTarget, "text" | "online" | "groupid" | "groupname" | "msg"> & {
  text: number;
  online: number;
  groupid: GroupId | null;
  groupname: string | null;
  msg: string | null;
  muted: string | null;
};

const TARGETS = "SELECT p.userid AS userId, p.device, CONVERT(p.endpoint USING utf8mb4) AS endpoint, p.p256dh, p.auth, p.text, " +
  "d.session IS NOT NULL AS online, m.id AS messageid, a.seq, m.ts, m.sender, s.name, m.groupid, g.groupname, " +
  `IF(p.text, LEFT(m.msg, ${PUSHED_TEXT}), NULL) AS msg, IF(t.muted > ?, u.name, NULL) AS muted ` +
  "FROM (asked) a STRAIGHT_JOIN push p FORCE INDEX (PRIMARY) ON p.userid = a.userid " +
  "STRAIGHT_JOIN device d FORCE INDEX (PRIMARY) ON d.userid = p.userid AND d.device = p.device " +
  "STRAIGHT_JOIN message m FORCE INDEX (PRIMARY) ON m.id = a.messageid " +
  "STRAIGHT_JOIN user u FORCE INDEX (PRIMARY) ON u.id = p.userid STRAIGHT_JOIN user s FORCE INDEX (PRIMARY) ON s.id = m.sender " +
  "LEFT JOIN allgroup g ON g.id = m.groupid " +
  "LEFT JOIN talk t ON t.userid = p.userid AND t.toid = IF(m.groupid IS NULL, m.sender, 0) AND t.groupid = COALESCE(m.groupid, 0) " +
  "WHERE d.confirmed_seq < a.seq AND NOT m.deleted AND NOT m.silent AND NOT u.closed AND NOT COALESCE(t.archived, FALSE) AND COALESCE(t.upto, 0) < m.id " +
  "AND (COALESCE(t.muted, 0) <= ? OR m.groupid IS NOT NULL AND LOCATE('@', m.msg) > 0) " +
  "AND (m.groupid IS NULL OR EXISTS (SELECT 1 FROM groupuser gu WHERE gu.groupid = m.groupid AND gu.userid = p.userid)) " +
  "AND NOT EXISTS (SELECT 1 FROM block b WHERE b.userid = p.userid AND b.blocked = m.sender)";

interface SubscriptionRow {
  endpoint: string;
  p256dh: string;
  auth: string;
  text: number | boolean;
}

function subscriptionOf({ endpoint, p256dh, auth, text }: SubscriptionRow): Subscription {
  return { endpoint, p256dh, auth, text: Boolean(text) };
}

/** The part of the store that is Web Push. */
export function pushStore(db: Pool, users: Users): PushStore {
  return {
    async pushKey({ publicKey, privateKey }) {
      await db.write("INSERT IGNORE INTO push_key (id, public, private) VALUES (1, ?, ?)", [publicKey, privateKey]);
      const [key] = await db.read<{ publicKey: string; privateKey: string }>("SELECT public AS publicKey, private AS privateKey FROM push_key");
      return { ...key! };
    },

    async setPush({ userId, device, session }, subscription) {
      const reading = [
        `SELECT CONVERT(endpoint USING utf8mb4) AS endpoint, p256dh, auth, text FROM push WHERE userid = ${numbers([userId])} AND device = ${
          numbers([device])
        }`,
      ];
      return await users.change([userId], (locked, [rows]) => {
        if (locked.get(userId)?.devices.get(device)?.session !== session) return { result: false };
        const [there] = (rows as SubscriptionRow[]).map(subscriptionOf);
        if (subscription && there && JSON.stringify(there) === JSON.stringify(subscriptionOf(subscription))) return { result: true };
        const statements = [`DELETE FROM push WHERE userid = ${numbers([userId])} AND device = ${numbers([device])}`];
        if (subscription) {
          const { endpoint, p256dh, auth, text } = subscription;
          const row = tuple([userId, device, Buffer.from(endpoint), p256dh, auth, text ? 1 : 0]);
          statements.push(
            `DELETE push FROM push FORCE INDEX (push_endpoint) WHERE endpoint = ${literal(Buffer.from(endpoint))}`,
            `INSERT INTO push (userid, device, endpoint, p256dh, auth, text) VALUES ${row}`,
          );
        }
        return { result: true, statements };
      }, { reading });
    },

    async pushesOf(userId) {
      const sql = "SELECT device, CONVERT(endpoint USING utf8mb4) AS endpoint, p256dh, auth, text FROM push WHERE userid = ? ORDER BY device";
      const rows = await db.read<SubscriptionRow & { device: DeviceId }>(sql, [userId]);
      return rows.map((row) => ({ device: row.device, ...subscriptionOf(row) }));
    },

    async endPush(userId, device, endpoint) {
      await db.write("DELETE FROM push WHERE userid = ? AND device = ? AND endpoint = ?", [userId, device, Buffer.from(endpoint)]);
    },

    async pushed(after, limit) {
      const sql = "SELECT id, userid AS userId FROM push FORCE INDEX (push_id) WHERE id > ? ORDER BY id LIMIT ?";
      return (await db.read<{ id: number; userId: UserId }>(sql, [after, String(limit)])).map((row) => ({ ...row }));
    },

    async pushTargets(asked, now) {
      if (asked.length === 0) return [];
      const list = padded(asked);
      const table = valueTable(list.length, { messageid: "SIGNED", userid: "SIGNED", seq: "SIGNED" });
      const maybe = (await db.read<Row>(TARGETS.replace("asked", `SELECT DISTINCT * FROM (${table}) v`), [
        now,
        ...list.flatMap(({ messageid, userId, seq }) => [messageid, userId, seq]),
        now,
      ])).map(maybeOf);
      const muted = mutedMessages(maybe);
      if (muted.length === 0) return await spokenTo(asked, maybe, new Map());
      const ids = padded(muted);
      const rows = await db.read<{ id: number; msg: string }>(`SELECT id, msg FROM message WHERE id IN (${marks(ids.length)})`, ids);
      return await spokenTo(asked, maybe, new Map(rows.map(({ id, msg }) => [id, msg])));
    },
  };
}

function maybeOf({ text, online, groupid, groupname, msg, muted, ...row }: Row): MaybeTarget {
  const target = {
    ...row,
    text: text === 1,
    online: online === 1,
    ...groupid === null ? {} : { groupid, groupname: groupname! },
    ...msg === null ? {} : { msg },
  };
  return { target, muted };
}
