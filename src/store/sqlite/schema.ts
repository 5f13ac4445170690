// The SQLite schema as numbered migrations. The version stands in `PRAGMA user_version`; `application_id` tells natter's files from others'.

import { StoreRefused } from "../store.ts";
import type { Database } from "./database.ts";

/** "nttr" */
const APPLICATION_ID = 0x6e747472;

/** Each brings the schema to the version that is its place in the list. A migration that was released is never changed. */
const MIGRATIONS: string[] = [
  `
  CREATE TABLE user (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    namekey TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'offline' CHECK (state IN ('online', 'offline')),
    session TEXT,
    node TEXT,
    incarnation INTEGER,
    last_seq INTEGER NOT NULL DEFAULT 0,
    confirmed_seq INTEGER NOT NULL DEFAULT 0,
    since INTEGER,
    lastseen INTEGER,
    closed INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX user_online ON user (id) WHERE state = 'online';

  CREATE TABLE friend (
    userid INTEGER NOT NULL REFERENCES user (id),
    friendid INTEGER NOT NULL REFERENCES user (id),
    PRIMARY KEY (userid, friendid)
  ) WITHOUT ROWID;
  CREATE INDEX friend_friendid ON friend (friendid, userid);

  CREATE TABLE block (
    userid INTEGER NOT NULL REFERENCES user (id),
    blocked INTEGER NOT NULL REFERENCES user (id),
    PRIMARY KEY (userid, blocked)
  ) WITHOUT ROWID;

  -- AUTOINCREMENT: the number of a group or a message that is gone is not given again.
  CREATE TABLE allgroup (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    groupname TEXT NOT NULL,
    groupkey TEXT NOT NULL UNIQUE,
    groupdesc TEXT NOT NULL
  );

  -- joined: 1, 2, 3 ... in the order in which the members came.
  CREATE TABLE groupuser (
    groupid INTEGER NOT NULL REFERENCES allgroup (id),
    userid INTEGER NOT NULL REFERENCES user (id),
    grouprole TEXT NOT NULL CHECK (grouprole IN ('creator', 'normal')),
    joined INTEGER NOT NULL,
    PRIMARY KEY (groupid, userid)
  ) WITHOUT ROWID;
  CREATE INDEX groupuser_userid ON groupuser (userid, groupid);

  -- The group may be gone while its messages wait, so groupid is no reference.
  CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sender INTEGER NOT NULL,
    toid INTEGER,
    groupid INTEGER,
    ts INTEGER NOT NULL,
    mid TEXT,
    msg TEXT NOT NULL
  );
  CREATE UNIQUE INDEX message_mid ON message (sender, mid) WHERE mid IS NOT NULL;
  CREATE INDEX message_direct ON message (min(sender, toid), max(sender, toid)) WHERE toid IS NOT NULL;
  CREATE INDEX message_group ON message (groupid) WHERE groupid IS NOT NULL;
  CREATE INDEX message_ts ON message (ts);

  CREATE TABLE inbox (
    userid INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    messageid INTEGER NOT NULL,
    PRIMARY KEY (userid, seq)
  ) WITHOUT ROWID;
  CREATE INDEX inbox_messageid ON inbox (messageid);

  CREATE TABLE token (
    hash BLOB PRIMARY KEY,
    userid INTEGER NOT NULL REFERENCES user (id),
    expires INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX token_userid ON token (userid);
  CREATE INDEX token_expires ON token (expires);

  CREATE TABLE kick (
    userid INTEGER PRIMARY KEY,
    session TEXT NOT NULL
  );

  CREATE TABLE node (
    name TEXT PRIMARY KEY,
    incarnation INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
  `
  -- What two users wrote to each other, in messages up to listed.upto (the rule stands in messages.ts).
  DROP INDEX message_direct;
  CREATE TABLE conversation (
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    messageid INTEGER NOT NULL,
    PRIMARY KEY (low, high, messageid)
  ) WITHOUT ROWID;
  INSERT INTO conversation SELECT min(sender, toid), max(sender, toid), id FROM message WHERE toid IS NOT NULL ORDER BY 1, 2, 3;
  CREATE TABLE listed (upto INTEGER NOT NULL);
  INSERT INTO listed SELECT ifnull(max(id), 0) FROM message;
  `,
  `
  -- Direct messages after listed.filed have no rows in inbox yet (the rules stand in unfiled.ts).
  ALTER TABLE listed ADD COLUMN filed INTEGER NOT NULL DEFAULT 0;
  UPDATE listed SET filed = (SELECT ifnull(max(id), 0) FROM message);
  `,
  `
  -- Several devices of a user: what the row of \`user\` said of the one session is device 0's. Who has never logged in has no device yet.
  CREATE TABLE device (
    userid INTEGER NOT NULL REFERENCES user (id),
    device INTEGER NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    confirmed_seq INTEGER NOT NULL,
    session TEXT,
    node TEXT,
    incarnation INTEGER,
    since INTEGER,
    lastseen INTEGER,
    address TEXT,
    PRIMARY KEY (userid, device)
  ) WITHOUT ROWID;
  INSERT INTO device (userid, device, name, created, confirmed_seq, session, node, incarnation, since, lastseen)
    SELECT id, 0, '', since, confirmed_seq, session, node, incarnation, since, lastseen FROM user WHERE since IS NOT NULL;
  CREATE INDEX device_online ON device (userid, device) WHERE session IS NOT NULL;

  -- What was not filed, or not listed, is now: the two marks become one (the rules stand in tail.ts).
  INSERT INTO inbox (userid, seq, messageid)
    SELECT toid, seq, id FROM (
      SELECT m.toid, m.id, u.confirmed_seq, u.last_seq + row_number() OVER (PARTITION BY m.toid ORDER BY m.id) AS seq
        FROM message m JOIN user u ON u.id = m.toid WHERE m.id > (SELECT filed FROM listed))
      WHERE seq > confirmed_seq;
  UPDATE user SET last_seq = last_seq + unfiled.count
    FROM (SELECT toid, count(*) AS count FROM message WHERE id > (SELECT filed FROM listed) GROUP BY toid) AS unfiled WHERE id = unfiled.toid;
  INSERT INTO conversation (low, high, messageid)
    SELECT min(sender, toid), max(sender, toid), id FROM message WHERE id > (SELECT upto FROM listed) AND toid IS NOT NULL ORDER BY 1, 2, 3;
  CREATE TABLE filed (upto INTEGER NOT NULL);
  INSERT INTO filed SELECT ifnull(max(id), 0) FROM message;
  DROP TABLE listed;

  -- filed_seq: how far \`inbox\` knows the log, by messages up to the one that \`filed\` names. many: has had more than one device.
  -- last_device: the last number that a device got. version: of the password.
  DROP INDEX user_online;
  ALTER TABLE user DROP COLUMN session;
  ALTER TABLE user DROP COLUMN node;
  ALTER TABLE user DROP COLUMN incarnation;
  ALTER TABLE user DROP COLUMN since;
  ALTER TABLE user RENAME COLUMN last_seq TO filed_seq;
  ALTER TABLE user ADD COLUMN filed INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE user ADD COLUMN trimmed_seq INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE user ADD COLUMN many INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE user ADD COLUMN last_device INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE user ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
  UPDATE user SET trimmed_seq = confirmed_seq;

  ALTER TABLE token ADD COLUMN device INTEGER NOT NULL DEFAULT 0;
  DROP INDEX token_userid;
  CREATE INDEX token_device ON token (userid, device);

  -- Sessions that are to end; the node that holds one looks here every 2 s.
  DROP TABLE kick;
  CREATE TABLE kick (
    session TEXT PRIMARY KEY,
    userid INTEGER NOT NULL,
    device INTEGER NOT NULL,
    node TEXT NOT NULL,
    at INTEGER NOT NULL
  ) WITHOUT ROWID;

  -- lastseen: when the block began, which is what the blocked one sees. Of those that there were nobody knows: then when the blocker was last there.
  ALTER TABLE block ADD COLUMN lastseen INTEGER NOT NULL DEFAULT 0;
  UPDATE block SET lastseen = (SELECT ifnull(lastseen, unixepoch() * 1000) FROM user WHERE id = block.userid);

  -- How many members a group has: to be told at each login, whatever the group's size.
  ALTER TABLE allgroup ADD COLUMN count INTEGER NOT NULL DEFAULT 0;
  UPDATE allgroup SET count = (SELECT count(*) FROM groupuser WHERE groupid = allgroup.id);
  CREATE INDEX groupuser_joined ON groupuser (groupid, joined);

  CREATE TABLE epoch (word TEXT NOT NULL);
  INSERT INTO epoch VALUES (lower(hex(randomblob(8))));
  `,
  `
  -- What is found by which word (the rules stand in search.ts). Messages up to search_mark.upto are in it, as that version of the tokenizer cut them.
  CREATE VIRTUAL TABLE search USING fts5 (words, content='', columnsize=0, detail=none, prefix='3 4 5', tokenize="ascii tokenchars '_'");
  INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
  CREATE TABLE search_mark (upto INTEGER NOT NULL, version INTEGER NOT NULL);
  INSERT INTO search_mark VALUES (0, 0);
  `,
];

/**
 * Brings the file to the newest version, in one transaction.
 * Throws {@linkcode StoreRefused}, the file untouched, if it holds another program's tables or a newer version.
 */
export function migrate(db: Database, path: string): void {
  if (check(db, path) === MIGRATIONS.length) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    // Read again: another process may have been faster.
    for (const migration of MIGRATIONS.slice(check(db, path))) db.exec(migration);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`);
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

/** @returns the file's version; 0: it is empty. */
function check(db: Database, path: string): number {
  const [[tables]] = db.rows<[number]>("SELECT count(*) FROM sqlite_schema");
  const [[application]] = db.rows<[number]>("PRAGMA application_id");
  const [[version]] = db.rows<[number]>("PRAGMA user_version");
  if (tables === 0 && application === 0) return 0;
  if (application !== APPLICATION_ID) {
    throw new StoreRefused(`the database ${path} holds tables that natter did not make; they are left untouched: name another file`);
  }
  if (version > MIGRATIONS.length) {
    throw new StoreRefused(`the database ${path} is of a newer natter (schema ${version}, this one knows ${MIGRATIONS.length})`);
  }
  return version;
}
