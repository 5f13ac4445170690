import { type MaybeTarget, mutedMessages, PUSHED_TEXT, type PushStore, spokenTo } from "../push.ts";
import type { DeviceId, GroupId, UserId } from "../store.ts";
import type { Database } from "./database.ts";

type Row = [
  userId: UserId,
  device: DeviceId,
  endpoint: string,
  p256dh: string,
  auth: string,
  text: number,
  online: number,
  messageid: number,
  seq: number,
  ts: number,
  sender: UserId,
  name: string,
  groupid: GroupId | null,
  groupname: string | null,
  msg: string | null,
  muted: string | null,
];

// From the messages that are asked for: their users' subscriptions are looked up, however many others there are.
const TARGETS = `SELECT p.userid, p.device, p.endpoint, p.p256dh, p.auth, p.text, d.session IS NOT NULL, m.id, a.value ->> 2, m.ts, m.sender, s.name,
    m.groupid, g.groupname, iif(p.text, substr(m.msg, 1, ${PUSHED_TEXT}), NULL), iif(t.muted > ?2, u.name, NULL)
  FROM json_each(?1) a
  CROSS JOIN push p ON p.userid = a.value ->> 1
  CROSS JOIN device d ON d.userid = p.userid AND d.device = p.device
  CROSS JOIN message m ON m.id = a.value ->> 0
  CROSS JOIN user u ON u.id = p.userid
  CROSS JOIN user s ON s.id = m.sender
  LEFT JOIN allgroup g ON g.id = m.groupid
  LEFT JOIN talk t ON t.userid = p.userid AND t.toid = iif(m.groupid IS NULL, m.sender, 0) AND t.groupid = ifnull(m.groupid, 0)
  WHERE d.confirmed_seq < a.value ->> 2 AND m.deleted = 0 AND m.silent = 0 AND u.closed = 0 AND ifnull(t.archived, 0) = 0 AND ifnull(t.upto, 0) < m.id
    AND (ifnull(t.muted, 0) <= ?2 OR m.groupid IS NOT NULL AND instr(m.msg, '@') > 0)
    AND (m.groupid IS NULL OR EXISTS (SELECT 1 FROM groupuser WHERE groupid = m.groupid AND userid = p.userid))
    AND NOT EXISTS (SELECT 1 FROM block WHERE userid = p.userid AND blocked = m.sender)`;
const TEXTS = "SELECT m.id, m.msg FROM json_each(?) a CROSS JOIN message m ON m.id = a.value";

/** The part of the store that is Web Push. */
export function pushStore(db: Database): PushStore {
  const ofDevice = "userid = ? AND device = ?";
  return {
    pushKey(fresh) {
      return db.write(() => {
        db.run("INSERT INTO push_key (id, public, private) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING", fresh.publicKey, fresh.privateKey);
        const [publicKey, privateKey] = db.row<[string, string]>("SELECT public, private FROM push_key")!;
        return { publicKey, privateKey };
      });
    },

    setPush({ userId, device, session }, subscription) {
      return db.write(() => {
        if (!db.row(`SELECT 1 FROM device WHERE ${ofDevice} AND session = ?`, userId, device, session)) return false;
        if (!subscription) {
          db.run(`DELETE FROM push WHERE ${ofDevice}`, userId, device);
          return true;
        }
        const { endpoint, p256dh, auth, text } = subscription;
        const values = [userId, device, endpoint, p256dh, auth, text ? 1 : 0];
        if (db.row(`SELECT 1 FROM push WHERE ${ofDevice} AND endpoint = ? AND p256dh = ? AND auth = ? AND text = ?`, ...values)) return true;
        db.run("INSERT OR REPLACE INTO push (userid, device, endpoint, p256dh, auth, text) VALUES (?, ?, ?, ?, ?, ?)", ...values);
        return true;
      });
    },

    pushesOf(userId) {
      return db.read(() => {
        const sql = "SELECT device, endpoint, p256dh, auth, text FROM push WHERE userid = ? ORDER BY device";
        return db.rows<[DeviceId, string, string, string, number]>(sql, userId)
          .map(([device, endpoint, p256dh, auth, text]) => ({ device, endpoint, p256dh, auth, text: text === 1 }));
      });
    },

    endPush(userId, device, endpoint) {
      return db.write(() => void db.run(`DELETE FROM push WHERE ${ofDevice} AND endpoint = ?`, userId, device, endpoint));
    },

    pushed(after, limit) {
      return db.read(() => {
        const rows = db.rows<[number, UserId]>("SELECT id, userid FROM push WHERE id > ? ORDER BY id LIMIT ?", after, limit);
        return rows.map(([id, userId]) => ({ id, userId }));
      });
    },

    async pushTargets(asked, now) {
      const { maybe, texts } = await db.read(() => {
        const json = JSON.stringify(asked.map(({ messageid, userId, seq }) => [messageid, userId, seq]));
        const maybe = db.rows<Row>(TARGETS, json, now).map(maybeOf);
        const texts = db.rows<[number, string]>(TEXTS, JSON.stringify(mutedMessages(maybe)));
        return { maybe, texts };
      });
      return await spokenTo(asked, maybe, new Map(texts));
    },
  };
}

function maybeOf(row: Row): MaybeTarget {
  const [userId, device, endpoint, p256dh, auth, text, online, messageid, seq, ts, sender, name, groupid, groupname, msg, muted] = row;
  const target = {
    ...{ userId, device, endpoint, p256dh, auth, text: text === 1, online: online === 1, messageid, seq, ts, sender, name },
    ...groupid === null ? {} : { groupid, groupname: groupname! },
    ...msg === null ? {} : { msg },
  };
  return { target, muted };
}
