/**
 * What leads from one version of the tables to the next.
 *
 * A change of tables is committed by itself. So each step can be interrupted behind any statement, and run again from its beginning: what it has done is looked
 * for, or made again without harm. Nobody else uses the tables meanwhile: other processes of this version wait for the lock that is held here, those of a
 * former version are known by their leases.
 */

import { Buffer } from "node:buffer";
import { lookOf } from "../../wire/looks.ts";
import { StoreRefused } from "../store.ts";
import type { Link } from "./link.ts";
import { tuple } from "./sql.ts";

/** Leads from version 1 to 2, from 2 to 3, and so on. A migration that was released is never changed. */
export const MIGRATIONS: ((link: Link) => Promise<void>)[] = [devices, search, door, deeds, files, membership, hooks, bots, quotas, push, found];

/** A statement that changes a table takes as long as the table is large. */
const CHANGE_MS = 3_600_000;

/** Before version 2. Throws {@linkcode StoreRefused} while a node of 0.1 has its lease. */
export async function refuseBeside01(link: Link): Promise<void> {
  const alive = await link.rows<{ name: string }>("SELECT name FROM node WHERE lease_until > UTC_TIMESTAMP(3)");
  if (alive.length === 0) return;
  const names = alive.map(({ name }) => `"${name}"`).join(", ");
  throw new StoreRefused(`natter 0.1 still runs on this database (node ${names}): stop all of its nodes, then start this version`);
}

/** Version 2: several devices of a user. What the row of `user` said of the one session is device 0's. Who has never logged in has no device yet. */
async function devices(link: Link): Promise<void> {
  const change = async (sql: string) => void await link.change(sql, [], CHANGE_MS);

  if (!await hasColumn(link, "user", "trimmed_seq")) {
    await change(
      "ALTER TABLE user ADD version INT NOT NULL DEFAULT 1 AFTER password, ADD many BOOLEAN NOT NULL DEFAULT FALSE AFTER node, " +
        "ADD last_device INT NOT NULL DEFAULT 0 AFTER many, ADD trimmed_seq BIGINT NOT NULL DEFAULT 0 AFTER confirmed_seq",
    );
  }
  await change(
    "CREATE TABLE IF NOT EXISTS device (userid INT NOT NULL, device INT NOT NULL, name VARCHAR(50) NOT NULL, created BIGINT NOT NULL, " +
      "confirmed_seq BIGINT NOT NULL, session VARCHAR(64) NULL, node VARCHAR(255) NULL, incarnation BIGINT NULL, since BIGINT NULL, lastseen BIGINT NULL, " +
      "address VARCHAR(255) NULL, PRIMARY KEY (userid, device), KEY device_node (node, incarnation)) " +
      "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
  );
  if (await hasColumn(link, "user", "session")) {
    // What an interrupted step of before put there may be out of date.
    await change("DELETE FROM device");
    await change(
      "INSERT INTO device (userid, device, name, created, confirmed_seq, session, node, incarnation, since, lastseen) " +
        "SELECT id, 0, '', COALESCE(since, 0), confirmed_seq, session, node, incarnation, since, lastseen FROM user " +
        "WHERE since IS NOT NULL OR session IS NOT NULL OR id IN (SELECT userid FROM token)",
    );
    await change("UPDATE user SET trimmed_seq = confirmed_seq");
    await change("ALTER TABLE user DROP KEY user_node, DROP session, DROP incarnation, DROP since");
  }

  if (!await hasColumn(link, "token", "device")) {
    await change("ALTER TABLE token ADD device INT NOT NULL AFTER userid, DROP KEY token_userid, ADD KEY token_device (userid, device)");
  }

  // What operators of before asked for is over: their nodes are.
  if (!await hasColumn(link, "kick", "node")) await change("DROP TABLE IF EXISTS kick");
  await change(
    "CREATE TABLE IF NOT EXISTS kick (session VARCHAR(64) NOT NULL PRIMARY KEY, userid INT NOT NULL, device INT NOT NULL, node VARCHAR(255) NOT NULL, " +
      "at BIGINT NOT NULL, KEY kick_node (node)) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
  );

  // When the blocks began that there are nobody knows: then when the blocker was last there.
  if (!await hasColumn(link, "block", "lastseen")) await change("ALTER TABLE block ADD lastseen BIGINT NOT NULL");
  await change(
    "UPDATE block SET lastseen = COALESCE((SELECT lastseen FROM user WHERE id = block.userid), UNIX_TIMESTAMP() * 1000) WHERE lastseen = 0",
  );

  if (!await hasColumn(link, "allgroup", "count")) await change("ALTER TABLE allgroup ADD count INT NOT NULL DEFAULT 0");
  await change("UPDATE allgroup SET count = (SELECT COUNT(*) FROM groupuser WHERE groupid = allgroup.id)");
  if (!await hasKey(link, "groupuser", "groupuser_joined")) await change("ALTER TABLE groupuser ADD KEY groupuser_joined (groupid, joined)");

  await change("CREATE TABLE IF NOT EXISTS epoch (word VARCHAR(64) NOT NULL) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
}

/** Version 3: what is found by which word. The messages that there are come into it behind the start, as new ones do. */
async function search(link: Link): Promise<void> {
  const change = async (sql: string) => void await link.change(sql, [], CHANGE_MS);
  const table = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  await change(
    "CREATE TABLE IF NOT EXISTS word (lo INT NOT NULL, hi INT NOT NULL, token VARBINARY(80) NOT NULL, messageid BIGINT NOT NULL, " +
      `PRIMARY KEY (lo, hi, token, messageid)) ${table}`,
  );
  await change(`CREATE TABLE IF NOT EXISTS talk (userid INT NOT NULL, peer INT NOT NULL, PRIMARY KEY (userid, peer)) ${table}`);
  await change(`CREATE TABLE IF NOT EXISTS search_mark (upto BIGINT NOT NULL, version INT NOT NULL) ${table}`);
}

/** Version 4: deleted accounts, profiles, invitations, reports, and what names look like: the oldest of those that look the same has it. */
async function door(link: Link): Promise<void> {
  const change = async (sql: string) => void await link.change(sql, [], CHANGE_MS);
  const table = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  if (!await hasColumn(link, "user", "deleted")) {
    await change(
      "ALTER TABLE user ADD deleted BOOLEAN NOT NULL DEFAULT FALSE, ADD about VARCHAR(200) NOT NULL DEFAULT '', ADD avatar BIGINT NULL",
    );
  }
  if (!await hasKey(link, "block", "block_blocked")) await change("ALTER TABLE block ADD KEY block_blocked (blocked)");
  await change(
    "CREATE TABLE IF NOT EXISTS look (kind ENUM('user', 'group') NOT NULL, look VARBINARY(2000) NOT NULL, id INT NOT NULL, " +
      `PRIMARY KEY (kind, look), KEY look_id (kind, id)) ${table}`,
  );
  await change(
    "CREATE TABLE IF NOT EXISTS invite (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, hash BINARY(32) NULL, groupid INT NULL, userid INT NULL, " +
      "inviter INT NULL, uses INT NOT NULL, expires BIGINT NOT NULL, UNIQUE KEY invite_hash (hash), UNIQUE KEY invite_userid (userid, groupid), " +
      `KEY invite_groupid (groupid), KEY invite_inviter (inviter), KEY invite_expires (expires)) ${table}`,
  );
  await change(`CREATE TABLE IF NOT EXISTS leaving (userid INT NOT NULL PRIMARY KEY, messages BOOLEAN NOT NULL) ${table}`);
  await change(
    "CREATE TABLE IF NOT EXISTS report (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, reporter INT NOT NULL, reason VARCHAR(1000) NOT NULL, " +
      "at BIGINT NOT NULL, messageid BIGINT NOT NULL, sender INT NOT NULL, toid INT NULL, groupid INT NULL, ts BIGINT NOT NULL, msg MEDIUMTEXT NOT NULL, " +
      `UNIQUE KEY report_reporter (reporter, messageid), KEY report_at (at)) ${table}`,
  );
  for (const [kind, names] of [["user", "user"], ["group", "allgroup"]]) await enterLooks(link, kind, names);
}

/** Old names in the order of their ids, a thousand in a statement. */
async function enterLooks(link: Link, kind: string, table: string): Promise<void> {
  const name = table === "user" ? "name" : "groupname";
  for (let after = 0;;) {
    const rows = await link.rows<{ id: number; name: string }>(`SELECT id, ${name} AS name FROM ${table} WHERE id > ? ORDER BY id LIMIT 1000`, [
      after,
    ]);
    if (rows.length === 0) return;
    const looks = await Promise.all(rows.map(async ({ id, name }) => tuple([kind, Buffer.from(await lookOf(name)), id])));
    await link.script([`INSERT IGNORE INTO look (kind, look, id) VALUES ${looks}`]);
    after = rows[rows.length - 1].id;
  }
}

/** Version 5: what is done to messages, and what users keep of their conversations: all that there is has been read. */
async function deeds(link: Link): Promise<void> {
  const change = async (sql: string) => void await link.change(sql, [], CHANGE_MS);
  const table = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  if (!await hasColumn(link, "message", "kind")) {
    await change(
      "ALTER TABLE message ADD kind TINYINT NOT NULL DEFAULT 0, ADD reply BIGINT NULL, ADD silent BOOLEAN NOT NULL DEFAULT FALSE, " +
        "ADD edited BIGINT NULL, ADD deleted BOOLEAN NOT NULL DEFAULT FALSE, ADD reactions TEXT NULL",
    );
  }
  await change(
    "CREATE TABLE IF NOT EXISTS deed (id BIGINT NOT NULL PRIMARY KEY, target BIGINT NOT NULL, emoji VARBINARY(64) NULL, " +
      `off BOOLEAN NOT NULL DEFAULT FALSE, KEY deed_target (target)) ${table}`,
  );
  await change(
    "CREATE TABLE IF NOT EXISTS reaction (messageid BIGINT NOT NULL, userid INT NOT NULL, emoji VARBINARY(64) NOT NULL, " +
      `PRIMARY KEY (messageid, userid, emoji)) ${table}`,
  );
  if (await hasColumn(link, "talk", "peer")) await change("DROP TABLE talk");
  await change(
    "CREATE TABLE IF NOT EXISTS talk (userid INT NOT NULL, toid INT NOT NULL, groupid INT NOT NULL, upto BIGINT NOT NULL, muted BIGINT NOT NULL DEFAULT 0, " +
      `pinned BOOLEAN NOT NULL DEFAULT FALSE, archived BOOLEAN NOT NULL DEFAULT FALSE, PRIMARY KEY (userid, toid, groupid)) ${table}`,
  );
  await change("INSERT IGNORE INTO talk (userid, toid, groupid, upto) SELECT lo, hi, 0, MAX(id) FROM message WHERE lo IS NOT NULL GROUP BY lo, hi");
  await change("INSERT IGNORE INTO talk (userid, toid, groupid, upto) SELECT hi, lo, 0, MAX(id) FROM message WHERE lo IS NOT NULL GROUP BY lo, hi");
  await change(
    "INSERT IGNORE INTO talk (userid, toid, groupid, upto) SELECT userid, 0, groupid, " +
      "COALESCE((SELECT MAX(id) FROM message WHERE message.groupid = groupuser.groupid), 0) FROM groupuser",
  );
  if (!await hasColumn(link, "user", "receipts")) await change("ALTER TABLE user ADD receipts BOOLEAN NOT NULL DEFAULT TRUE");
}

/** Version 6: what users upload. */
async function files(link: Link): Promise<void> {
  const change = async (sql: string) => void await link.change(sql, [], CHANGE_MS);
  const table = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  if (!await hasColumn(link, "message", "files")) await change("ALTER TABLE message ADD files TEXT NULL");
  await change(
    "CREATE TABLE IF NOT EXISTS file (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, owner INT NOT NULL, hash CHAR(64) NOT NULL, name VARCHAR(255) NOT NULL, " +
      "type VARCHAR(255) NOT NULL, size BIGINT NOT NULL, width INT NULL, height INT NULL, place VARCHAR(100) NOT NULL, urlkey VARCHAR(32) NOT NULL, " +
      "created BIGINT NOT NULL, used BOOLEAN NOT NULL, messageid BIGINT NULL, UNIQUE KEY file_urlkey (urlkey), KEY file_owner (owner), " +
      `KEY file_hash (hash), KEY file_place (place), KEY file_unused (used, created), KEY file_message (messageid)) ${table}`,
  );
  await change(`CREATE TABLE IF NOT EXISTS gone (place VARCHAR(100) NOT NULL PRIMARY KEY, at BIGINT NOT NULL, KEY gone_at (at)) ${table}`);
  await change(`CREATE TABLE IF NOT EXISTS kept (userid INT NOT NULL PRIMARY KEY, bytes BIGINT NOT NULL) ${table}`);
}

/** Version 7: groups with doors. */
async function membership(link: Link): Promise<void> {
  const change = async (sql: string) => void await link.change(sql, [], CHANGE_MS);
  const table = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  if (!await hasColumn(link, "allgroup", "private")) {
    await change(
      "ALTER TABLE allgroup MODIFY groupkey VARBINARY(2000) NULL, ADD private BOOLEAN NOT NULL DEFAULT FALSE, " +
        "ADD history ENUM('all', 'joined') NOT NULL DEFAULT 'all', ADD posting ENUM('all', 'moderators') NOT NULL DEFAULT 'all'",
    );
  }
  if (!await hasColumn(link, "groupuser", "sees")) {
    await change("ALTER TABLE groupuser MODIFY grouprole ENUM('creator', 'moderator', 'normal') NOT NULL, ADD sees BIGINT NOT NULL DEFAULT 0");
  }
  await change(`CREATE TABLE IF NOT EXISTS ban (groupid INT NOT NULL, userid INT NOT NULL, PRIMARY KEY (groupid, userid)) ${table}`);
}

/** Version 8: hooks of groups. */
async function hooks(link: Link): Promise<void> {
  const sql = "CREATE TABLE IF NOT EXISTS hook (userid INT NOT NULL PRIMARY KEY, groupid INT NOT NULL, hash BINARY(32) NULL, " +
    "UNIQUE KEY hook_hash (hash), KEY hook_groupid (groupid)) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  await link.change(sql, [], CHANGE_MS);
}

/** Version 9: accounts that programs use. */
async function bots(link: Link): Promise<void> {
  if (!await hasColumn(link, "user", "bot")) {
    await link.change("ALTER TABLE user ADD bot BOOLEAN NOT NULL DEFAULT FALSE AFTER deleted", [], CHANGE_MS);
  }
}

/** Version 10: what users' texts take. */
async function quotas(link: Link): Promise<void> {
  const sql = "CREATE TABLE IF NOT EXISTS texts (userid INT NOT NULL PRIMARY KEY, bytes BIGINT NOT NULL) " +
    "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  await link.change(sql, [], CHANGE_MS);
}

/** Version 11: Web Push. */
async function push(link: Link): Promise<void> {
  const change = async (sql: string) => void await link.change(sql, [], CHANGE_MS);
  const table = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  await change(
    "CREATE TABLE IF NOT EXISTS push (id BIGINT NOT NULL AUTO_INCREMENT, userid INT NOT NULL, device INT NOT NULL, endpoint VARBINARY(1000) NOT NULL, p256dh VARCHAR(100) NOT NULL, " +
      `auth VARCHAR(30) NOT NULL, text BOOLEAN NOT NULL, PRIMARY KEY (userid, device), UNIQUE KEY push_id (id), UNIQUE KEY push_endpoint (endpoint)) ${table}`,
  );
  await change(
    `CREATE TABLE IF NOT EXISTS push_key (id INT NOT NULL PRIMARY KEY, public VARCHAR(100) NOT NULL, private VARCHAR(500) NOT NULL) ${table}`,
  );
}

/** Version 12: what is looked for among much else of its kind. */
async function found(link: Link): Promise<void> {
  const change = async (sql: string) => void await link.change(sql, [], CHANGE_MS);
  if (!await hasKey(link, "message", "message_text")) await change("ALTER TABLE message ADD KEY message_text (groupid, kind, deleted, id)");
  await change("ALTER TABLE invite DROP KEY invite_inviter, ADD KEY invite_inviter (inviter, groupid)");
  if (!await hasKey(link, "ban", "ban_userid")) await change("ALTER TABLE ban ADD KEY ban_userid (userid)");
  if (!await hasKey(link, "file", "file_loose")) await change("ALTER TABLE file ADD KEY file_loose (owner, messageid)");
}

async function hasColumn(link: Link, table: string, column: string): Promise<boolean> {
  const sql = "SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?";
  return (await link.rows(sql, [table, column])).length > 0;
}

async function hasKey(link: Link, table: string, key: string): Promise<boolean> {
  const sql = "SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = ? AND index_name = ?";
  return (await link.rows(sql, [table, key])).length > 0;
}
