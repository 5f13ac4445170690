/**
 * What leads from one version of the tables to the next.
 *
 * A change of tables is committed by itself. So each step can be interrupted behind any statement, and run again from its beginning: what it has done is looked
 * for, or made again without harm. Nobody else uses the tables meanwhile: other processes of this version wait for the lock that is held here, those of a
 * former version are known by their leases.
 */

import { StoreRefused } from "../store.ts";
import type { Link } from "./link.ts";

/** Leads from version 1 to 2, from 2 to 3, and so on. A migration that was released is never changed. */
export const MIGRATIONS: ((link: Link) => Promise<void>)[] = [devices];

/** A statement that changes a table takes as long as the table is large. */
const CHANGE_MS = 3_600_000;

/** Version 2: several devices of a user. What the row of `user` said of the one session is device 0's. Who has never logged in has no device yet. */
async function devices(link: Link): Promise<void> {
  const alive = await link.rows<{ name: string }>("SELECT name FROM node WHERE lease_until > UTC_TIMESTAMP(3)");
  if (alive.length > 0) {
    const names = alive.map(({ name }) => `"${name}"`).join(", ");
    throw new StoreRefused(`natter 0.1 still runs on this database (node ${names}): stop all of its nodes, then start this version`);
  }
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

async function hasColumn(link: Link, table: string, column: string): Promise<boolean> {
  const sql = "SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?";
  return (await link.rows(sql, [table, column])).length > 0;
}

async function hasKey(link: Link, table: string, key: string): Promise<boolean> {
  const sql = "SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = ? AND index_name = ?";
  return (await link.rows(sql, [table, key])).length > 0;
}
