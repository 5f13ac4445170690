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
