// What leads from one version of the tables to the next.

import { lookOf } from "../../wire/looks.ts";
import type { Database } from "./database.ts";

/** Each brings the schema to the version that is its place in the list. A migration that was released is never changed. */
export const MIGRATIONS: (string | ((db: Database) => Promise<void>))[] = [
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
  -- Direct messages after listed.filed have no rows in inbox yet (the rules stand in tail.ts).
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
  -- What is found by which word (the rules stand in search_index.ts). Messages up to search_mark.upto are in it, as that version of the tokenizer cut them.
  CREATE VIRTUAL TABLE search USING fts5 (words, content='', columnsize=0, detail=none, prefix='3 4 5', tokenize="ascii tokenchars '_'");
  INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
  CREATE TABLE search_mark (upto INTEGER NOT NULL, version INTEGER NOT NULL);
  INSERT INTO search_mark VALUES (0, 0);
  `,
  async (db) => {
    db.exec(`
      -- deleted: the account is gone; its number stays, and messages name it.
      ALTER TABLE user ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE user ADD COLUMN about TEXT NOT NULL DEFAULT '';
      ALTER TABLE user ADD COLUMN avatar INTEGER;
      CREATE INDEX block_blocked ON block (blocked);

      -- What names look like (wire/looks.ts): no second user, no second group gets one that looks the same. Old names that looked like an older one have no row.
      CREATE TABLE look (
        kind TEXT NOT NULL CHECK (kind IN ('user', 'group')),
        look TEXT NOT NULL,
        id INTEGER NOT NULL,
        PRIMARY KEY (kind, look)
      ) WITHOUT ROWID;
      CREATE INDEX look_id ON look (kind, id);

      -- hash: of the code; NULL: there is none, userid is invited by name. groupid: the group that it lets into; NULL: the server, it makes an account.
      -- userid: who alone is invited; NULL: whoever has the code. inviter: NULL is the operator. A row goes when it is used up or has expired.
      CREATE TABLE invite (
        id INTEGER PRIMARY KEY,
        hash BLOB UNIQUE,
        groupid INTEGER,
        userid INTEGER,
        inviter INTEGER,
        uses INTEGER NOT NULL,
        expires INTEGER NOT NULL
      );
      CREATE UNIQUE INDEX invite_userid ON invite (userid, groupid);
      CREATE INDEX invite_groupid ON invite (groupid);
      CREATE INDEX invite_inviter ON invite (inviter);
      CREATE INDEX invite_expires ON invite (expires);

      -- Deleted accounts of which something is still to be taken away. messages: what they said goes as well.
      CREATE TABLE leaving (
        userid INTEGER PRIMARY KEY,
        messages INTEGER NOT NULL
      );

      -- Messages that users reported to the operator, as they were then.
      CREATE TABLE report (
        id INTEGER PRIMARY KEY,
        reporter INTEGER NOT NULL,
        reason TEXT NOT NULL,
        at INTEGER NOT NULL,
        messageid INTEGER NOT NULL,
        sender INTEGER NOT NULL,
        toid INTEGER,
        groupid INTEGER,
        ts INTEGER NOT NULL,
        msg TEXT NOT NULL
      );
      CREATE UNIQUE INDEX report_reporter ON report (reporter, messageid);
      CREATE INDEX report_at ON report (at);
    `);
    const users = db.rows<[number, string]>("SELECT id, name FROM user ORDER BY id");
    const groups = db.rows<[number, string]>("SELECT id, groupname FROM allgroup ORDER BY id");
    for (const [kind, names] of [["user", users], ["group", groups]] as const) {
      for (const [id, name] of names) db.run("INSERT OR IGNORE INTO look (kind, look, id) VALUES (?, ?, ?)", kind, await lookOf(name), id);
    }
  },
  `
  -- kind: 0 a text; 1 edited, 2 deleted, 3 reacted: what was done to one (its row in \`deed\`), by \`sender\`, in no conversation and without text.
  ALTER TABLE message ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE message ADD COLUMN reply INTEGER;
  ALTER TABLE message ADD COLUMN silent INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE message ADD COLUMN edited INTEGER;
  ALTER TABLE message ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
  -- What \`reaction\` says, counted: [[emoji, how many], ...] in the order in which each came first.
  ALTER TABLE message ADD COLUMN reactions TEXT;

  -- What was done: to which message; of a reaction the emoji, and whether it was taken away. Such rows go when no log names them.
  CREATE TABLE deed (
    id INTEGER PRIMARY KEY,
    target INTEGER NOT NULL,
    emoji TEXT,
    off INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX deed_target ON deed (target);

  CREATE TABLE reaction (
    messageid INTEGER NOT NULL,
    userid INTEGER NOT NULL,
    emoji TEXT NOT NULL,
    PRIMARY KEY (messageid, userid, emoji)
  ) WITHOUT ROWID;

  -- What a user keeps of a conversation with another (toid) or in a group (groupid); the other one of the two is 0. upto: the last message that was read.
  -- muted: until when (ms). A conversation of two has its two rows from its first message on, a member's from the joining on.
  CREATE TABLE talk (
    userid INTEGER NOT NULL,
    toid INTEGER NOT NULL,
    groupid INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    muted INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    archived INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (userid, toid, groupid)
  ) WITHOUT ROWID;
  INSERT INTO talk (userid, toid, groupid, upto) SELECT sender, toid, 0, max(id) FROM (
    SELECT min(sender, toid) AS sender, max(sender, toid) AS toid, id FROM message WHERE toid IS NOT NULL) GROUP BY 1, 2;
  INSERT INTO talk (userid, toid, groupid, upto) SELECT toid, userid, 0, upto FROM talk WHERE userid <> toid;
  INSERT INTO talk (userid, toid, groupid, upto)
    SELECT userid, 0, groupid, ifnull((SELECT max(id) FROM message WHERE groupid = groupuser.groupid), 0) FROM groupuser;

  -- Whether others may know up to where the user has read.
  ALTER TABLE user ADD COLUMN receipts INTEGER NOT NULL DEFAULT 1;
  `,
  `
  -- What users uploaded (the rules stand in ../files.ts). used: a message has it, or it is its owner's picture.
  CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    hash TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    size INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    place TEXT NOT NULL,
    urlkey TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    used INTEGER NOT NULL,
    messageid INTEGER
  );
  -- What is told of a message's files, as JSON; NULL: it has none.
  ALTER TABLE message ADD COLUMN files TEXT;
  CREATE INDEX file_owner ON file (owner);
  CREATE INDEX file_hash ON file (hash);
  CREATE INDEX file_place ON file (place);
  CREATE INDEX file_unused ON file (created) WHERE used = 0;
  CREATE INDEX file_message ON file (messageid) WHERE messageid IS NOT NULL;
  CREATE TABLE gone (place TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX gone_at ON gone (at);
  CREATE TABLE kept (userid INTEGER PRIMARY KEY, bytes INTEGER NOT NULL);
  `,
  `
  -- Groups with doors. groupkey: of public ones. history: what those who join see. kind 4 of \`message\`: what happened in the group, as JSON in msg.
  CREATE TABLE newgroup (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    groupname TEXT NOT NULL,
    groupkey TEXT UNIQUE,
    groupdesc TEXT NOT NULL,
    count INTEGER NOT NULL DEFAULT 0,
    private INTEGER NOT NULL DEFAULT 0,
    history TEXT NOT NULL DEFAULT 'all' CHECK (history IN ('all', 'joined')),
    posting TEXT NOT NULL DEFAULT 'all' CHECK (posting IN ('all', 'moderators'))
  );
  INSERT INTO newgroup (id, groupname, groupkey, groupdesc, count) SELECT id, groupname, groupkey, groupdesc, count FROM allgroup;
  -- sees: from which message on the member sees the group.
  CREATE TABLE newgroupuser (
    groupid INTEGER NOT NULL REFERENCES newgroup (id),
    userid INTEGER NOT NULL REFERENCES user (id),
    grouprole TEXT NOT NULL CHECK (grouprole IN ('creator', 'moderator', 'normal')),
    joined INTEGER NOT NULL,
    sees INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (groupid, userid)
  ) WITHOUT ROWID;
  INSERT INTO newgroupuser (groupid, userid, grouprole, joined) SELECT groupid, userid, grouprole, joined FROM groupuser;
  DELETE FROM sqlite_sequence WHERE name = 'newgroup';
  INSERT INTO sqlite_sequence (name, seq) SELECT 'newgroup', seq FROM sqlite_sequence WHERE name = 'allgroup';
  DROP TABLE groupuser;
  DROP TABLE allgroup;
  ALTER TABLE newgroup RENAME TO allgroup;
  ALTER TABLE newgroupuser RENAME TO groupuser;
  CREATE INDEX groupuser_userid ON groupuser (userid, groupid);
  CREATE INDEX groupuser_joined ON groupuser (groupid, joined);

  CREATE TABLE ban (
    groupid INTEGER NOT NULL,
    userid INTEGER NOT NULL,
    PRIMARY KEY (groupid, userid)
  ) WITHOUT ROWID;
  `,
  `
  -- Hooks of groups (the rules stand in ../hooks.ts). userid: the bot, whose account nobody has (deleted). hash: of the key; NULL: it is off.
  CREATE TABLE hook (
    userid INTEGER PRIMARY KEY,
    groupid INTEGER NOT NULL,
    hash BLOB UNIQUE
  );
  CREATE INDEX hook_groupid ON hook (groupid);
  `,
  `
  -- Of these messages, which the mark is past, only the first so many words are in the index (search_index.ts).
  CREATE TABLE search_part (messageid INTEGER PRIMARY KEY, words INTEGER NOT NULL);
  `,
  `
  -- bot: an account that a program uses, by a token that the operator gave it.
  ALTER TABLE user ADD COLUMN bot INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- What users' texts take, nearly (the rules stand in ../quota.ts).
  CREATE TABLE texts (userid INTEGER PRIMARY KEY, bytes INTEGER NOT NULL);
  `,
  `
  -- Web Push (the rules stand in ../push.ts): subscriptions of devices, and the key of this database.
  CREATE TABLE push (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    userid INTEGER NOT NULL,
    device INTEGER NOT NULL,
    endpoint TEXT NOT NULL UNIQUE,
    p256dh TEXT NOT NULL,
    auth TEXT NOT NULL,
    text INTEGER NOT NULL,
    UNIQUE (userid, device)
  );
  CREATE TABLE push_key (id INTEGER PRIMARY KEY CHECK (id = 1), public TEXT NOT NULL, private TEXT NOT NULL);
  `,
  `
  -- With the role: a login reads one page of a user's memberships, not another one for each group.
  DROP INDEX groupuser_userid;
  CREATE INDEX groupuser_userid ON groupuser (userid, groupid, grouprole);
  `,
  `
  -- The tail takes texts to groups, which had their rows at once: what it holds has its rows now (the rules stand in tail.ts).
  CREATE TEMP TABLE unfiled AS
    SELECT u.id AS userid, m.id AS messageid, u.filed_seq + row_number() OVER (PARTITION BY u.id ORDER BY m.id) AS seq, u.trimmed_seq
      FROM message m JOIN user u ON u.id = m.toid OR (u.id = m.sender AND u.many)
      WHERE m.id > (SELECT upto FROM filed) AND m.toid IS NOT NULL AND m.id > u.filed;
  INSERT INTO inbox (userid, seq, messageid) SELECT userid, seq, messageid FROM unfiled WHERE seq > trimmed_seq;
  UPDATE user SET filed_seq = last.seq FROM (SELECT userid, max(seq) AS seq FROM unfiled GROUP BY userid) AS last WHERE id = last.userid;
  DROP TABLE unfiled;
  INSERT INTO conversation (low, high, messageid)
    SELECT min(sender, toid), max(sender, toid), id FROM message WHERE id > (SELECT upto FROM filed) AND toid IS NOT NULL ORDER BY 1, 2, 3;
  UPDATE filed SET upto = (SELECT ifnull(max(id), 0) FROM message);
  `,
  `
  -- What is looked for among much else of its kind: texts of groups among what happened there, and what was deleted; codes for the server among invitations into
  -- groups; bans of a user; files that no message has.
  CREATE INDEX message_text ON message (groupid, deleted) WHERE groupid IS NOT NULL AND kind = 0;
  CREATE INDEX invite_server ON invite (inviter) WHERE groupid IS NULL;
  CREATE INDEX ban_userid ON ban (userid);
  CREATE INDEX file_loose ON file (owner) WHERE messageid IS NULL;
  `,
  `
  -- A row of the index has half as many words now (search_index.ts): it is made anew.
  UPDATE search_mark SET version = 0;
  `,
  `
  -- Of all messages: what is old is looked for in the order in which messages came. By its time only an edit is looked for (deeds.ts).
  DROP INDEX message_ts;
  CREATE INDEX message_edit ON message (ts) WHERE kind = 1;
  `,
];
