-- The newest version of natter's MySQL schema. The server applies it itself when it finds an empty database; an older one is led here by the steps of
-- src/store/mysql/migrations.ts, and a test compares the two. SQLite has the same tables, but for the index of words, and some
-- more for its newest messages.
--
-- Times are milliseconds since the epoch, but for the leases, which are the database's own clock (UTC). Text is compared byte by byte everywhere.
-- There are no foreign keys: they would lock the rows they point to, and rows of users stay, also those of deleted accounts.

CREATE TABLE IF NOT EXISTS user (
  id            INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name          VARCHAR(50) NOT NULL,
  namekey       VARBINARY(2000) NOT NULL,                -- the name's comparable form
  password      VARCHAR(255) NOT NULL,                   -- PHC string
  version       INT NOT NULL DEFAULT 1,                  -- of the password; another hash of the same one is none
  closed        BOOLEAN NOT NULL DEFAULT FALSE,          -- banned
  state         ENUM('online', 'offline') NOT NULL DEFAULT 'offline', -- online: a device has a session
  node          VARCHAR(255) NULL,                       -- where all sessions are; NULL: there is none, or they are on several nodes
  many          BOOLEAN NOT NULL DEFAULT FALSE,          -- has had more than one device: what the user says stands in the user's own log too
  last_device   INT NOT NULL DEFAULT 0,                  -- the last number that a device got
  last_seq      BIGINT NOT NULL DEFAULT 0,               -- the end of the log
  confirmed_seq BIGINT NOT NULL DEFAULT 0,               -- the highest place that any device has confirmed
  trimmed_seq   BIGINT NOT NULL DEFAULT 0,               -- what is gone from the log
  lastseen      BIGINT NULL,                             -- when the last session ended
  deleted       BOOLEAN NOT NULL DEFAULT FALSE,          -- the account is gone; its number stays, and messages name it
  bot           BOOLEAN NOT NULL DEFAULT FALSE,          -- a program uses it, by a token that the operator gave it
  about         VARCHAR(200) NOT NULL DEFAULT '',        -- what the user says of themselves
  avatar        BIGINT NULL,                             -- the number of a file
  receipts      BOOLEAN NOT NULL DEFAULT TRUE,           -- others may know up to where the user has read
  UNIQUE KEY user_namekey (namekey)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The devices of a user, 0 being the one of programs that name none. A row is written only with its user's row locked.
CREATE TABLE IF NOT EXISTS device (
  userid        INT NOT NULL,
  device        INT NOT NULL,
  name          VARCHAR(50) NOT NULL,
  created       BIGINT NOT NULL,
  confirmed_seq BIGINT NOT NULL,                         -- its place in the user's log
  session       VARCHAR(64) NULL,                        -- who holds the device: session, node, and that node's incarnation; NULL when nobody does
  node          VARCHAR(255) NULL,
  incarnation   BIGINT NULL,
  since         BIGINT NULL,                             -- when the last session began
  lastseen      BIGINT NULL,                             -- when the last session ended
  address       VARCHAR(255) NULL,                       -- where the last session came from
  PRIMARY KEY (userid, device),
  KEY device_node (node, incarnation)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS token (
  hash    BINARY(32) NOT NULL PRIMARY KEY,               -- SHA-256 of the token
  userid  INT NOT NULL,
  device  INT NOT NULL,
  expires BIGINT NOT NULL,
  KEY token_device (userid, device),
  KEY token_expires (expires)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Sessions that are to end; the node that holds one looks here every 2 s.
CREATE TABLE IF NOT EXISTS kick (
  session VARCHAR(64) NOT NULL PRIMARY KEY,
  userid  INT NOT NULL,
  device  INT NOT NULL,
  node    VARCHAR(255) NOT NULL,
  at      BIGINT NOT NULL,
  KEY kick_node (node)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- userid has friendid in the contact list.
CREATE TABLE IF NOT EXISTS friend (
  userid   INT NOT NULL,
  friendid INT NOT NULL,
  PRIMARY KEY (userid, friendid),
  KEY friend_friendid (friendid)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- userid takes nothing from blocked.
CREATE TABLE IF NOT EXISTS block (
  userid   INT NOT NULL,
  blocked  INT NOT NULL,
  lastseen BIGINT NOT NULL,                              -- when the block began: what the blocked one sees of userid
  PRIMARY KEY (userid, blocked),
  KEY block_blocked (blocked)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS allgroup (
  id        INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  groupname VARCHAR(50) NOT NULL,
  groupkey  VARBINARY(2000) NULL,                        -- the name's comparable form; NULL: the group is private
  groupdesc VARCHAR(200) NOT NULL,
  count     INT NOT NULL DEFAULT 0,                      -- of its members: told at each login, whatever the group's size
  private   BOOLEAN NOT NULL DEFAULT FALSE,              -- to who is not in it, it does not exist
  history   ENUM('all', 'joined') NOT NULL DEFAULT 'all', -- what those who join see
  posting   ENUM('all', 'moderators') NOT NULL DEFAULT 'all', -- who may write
  UNIQUE KEY allgroup_groupkey (groupkey)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS groupuser (
  groupid   INT NOT NULL,
  userid    INT NOT NULL,
  grouprole ENUM('creator', 'moderator', 'normal') NOT NULL,
  joined    INT NOT NULL,                                -- 1, 2, 3 … in the order in which members came
  sees      BIGINT NOT NULL DEFAULT 0,                   -- from which message on the member sees the group
  PRIMARY KEY (groupid, userid),
  KEY groupuser_userid (userid),
  KEY groupuser_joined (groupid, joined)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Who cannot come back.
CREATE TABLE IF NOT EXISTS ban (
  groupid INT NOT NULL,
  userid  INT NOT NULL,
  PRIMARY KEY (groupid, userid),
  KEY ban_userid (userid)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Every message once, exactly one of toid and groupid set; and what was done to messages, by `sender`, in no conversation and without text.
CREATE TABLE IF NOT EXISTS message (
  id      BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  sender  INT NOT NULL,
  toid    INT NULL,
  groupid INT NULL,
  ts      BIGINT NOT NULL,
  mid     VARBINARY(64) NULL,                            -- the sender's own name for it, for safe repetition
  msg     MEDIUMTEXT NOT NULL,
  lo      INT AS (LEAST(sender, toid)) STORED,           -- the conversation of two, in both directions
  hi      INT AS (GREATEST(sender, toid)) STORED,
  kind    TINYINT NOT NULL DEFAULT 0,                    -- 0 a text; 1 edited, 2 deleted, 3 reacted: see deed; 4 what happened in a group, as JSON in msg
  reply   BIGINT NULL,                                   -- the message that it answers
  silent  BOOLEAN NOT NULL DEFAULT FALSE,
  edited  BIGINT NULL,                                   -- when its text was changed last
  deleted BOOLEAN NOT NULL DEFAULT FALSE,                -- its text is gone
  reactions TEXT NULL,                                   -- what `reaction` says, counted: [[emoji, how many], …] in the order in which each came first
  files   TEXT NULL,                                     -- what is told of its files, as JSON; NULL: it has none
  UNIQUE KEY message_mid (sender, mid),
  KEY message_direct (lo, hi, id),
  KEY message_group (groupid, id),
  KEY message_text (groupid, kind, deleted, id),         -- the newest text of a group, among what happened there and what was deleted
  KEY message_ts (ts)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was done to the message `target`, for the row of message with this id. It goes when no log names it.
CREATE TABLE IF NOT EXISTS deed (
  id     BIGINT NOT NULL PRIMARY KEY,
  target BIGINT NOT NULL,
  emoji  VARBINARY(64) NULL,                             -- of a reaction
  off    BOOLEAN NOT NULL DEFAULT FALSE,                 -- it was taken away
  KEY deed_target (target)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS reaction (
  messageid BIGINT NOT NULL,
  userid    INT NOT NULL,
  emoji     VARBINARY(64) NOT NULL,
  PRIMARY KEY (messageid, userid, emoji)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What a user keeps of a conversation with another (toid) or in a group (groupid); the other one of the two is 0. A conversation of two has its two rows from
-- its first message on, a member's from the joining on.
CREATE TABLE IF NOT EXISTS talk (
  userid   INT NOT NULL,
  toid     INT NOT NULL,
  groupid  INT NOT NULL,
  upto     BIGINT NOT NULL,                              -- the last message that was read
  muted    BIGINT NOT NULL DEFAULT 0,                    -- until when
  pinned   BOOLEAN NOT NULL DEFAULT FALSE,
  archived BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY (userid, toid, groupid)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The log of each user: entries numbered 1, 2, 3 … without a gap. They go when every device that counts has confirmed them.
CREATE TABLE IF NOT EXISTS inbox (
  userid    INT NOT NULL,
  seq       BIGINT NOT NULL,
  messageid BIGINT NOT NULL,
  PRIMARY KEY (userid, seq),
  KEY inbox_messageid (messageid)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The nodes of the cluster. A node may give devices sessions while its incarnation is this row's and its lease has not run out.
CREATE TABLE IF NOT EXISTS node (
  name        VARCHAR(255) NOT NULL PRIMARY KEY,
  incarnation BIGINT NOT NULL,                           -- rises with every start and every reaping
  since       DATETIME(3) NOT NULL,                      -- when it last rose
  lease_until DATETIME(3) NULL                           -- NULL: left, or reaped
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row: a random word that names this database's past.
CREATE TABLE IF NOT EXISTS epoch (
  word VARCHAR(64) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The words of each message, in conversations: of two (lo and hi, as in message), or of a group (0 and its id). Written behind the messages; to find them by.
CREATE TABLE IF NOT EXISTS word (
  lo        INT NOT NULL,
  hi        INT NOT NULL,
  token     VARBINARY(80) NOT NULL,                      -- as src/search/tokenizer.ts writes it; s_5: user 5 said it
  messageid BIGINT NOT NULL,
  PRIMARY KEY (lo, hi, token, messageid)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row: up to which message word goes, and which version of the tokenizer wrote it.
CREATE TABLE IF NOT EXISTS search_mark (
  upto    BIGINT NOT NULL,
  version INT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What names look like (src/wire/looks.ts): no second user, no second group gets one that looks the same. Old names that looked like an older one have no row.
CREATE TABLE IF NOT EXISTS look (
  kind ENUM('user', 'group') NOT NULL,
  look VARBINARY(2000) NOT NULL,
  id   INT NOT NULL,                                     -- whose name it is
  PRIMARY KEY (kind, look),
  KEY look_id (kind, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Invitations. A row goes when it is used up or has expired.
CREATE TABLE IF NOT EXISTS invite (
  id      BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  hash    BINARY(32) NULL,                               -- SHA-256 of the code; NULL: there is none, userid is invited by name
  groupid INT NULL,                                      -- the group that it lets into; NULL: the server, it makes an account
  userid  INT NULL,                                      -- who alone is invited; NULL: whoever has the code
  inviter INT NULL,                                      -- who invites; NULL: the operator
  uses    INT NOT NULL,                                  -- how many may still come in by it
  expires BIGINT NOT NULL,
  UNIQUE KEY invite_hash (hash),
  UNIQUE KEY invite_userid (userid, groupid),
  KEY invite_groupid (groupid),
  KEY invite_inviter (inviter, groupid),
  KEY invite_expires (expires)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Deleted accounts of which something is still to be taken away.
CREATE TABLE IF NOT EXISTS leaving (
  userid   INT NOT NULL PRIMARY KEY,
  messages BOOLEAN NOT NULL                              -- what they said goes as well
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Messages that users reported to the operator, as they were then.
CREATE TABLE IF NOT EXISTS report (
  id        BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  reporter  INT NOT NULL,
  reason    VARCHAR(1000) NOT NULL,
  at        BIGINT NOT NULL,
  messageid BIGINT NOT NULL,
  sender    INT NOT NULL,
  toid      INT NULL,
  groupid   INT NULL,
  ts        BIGINT NOT NULL,
  msg       MEDIUMTEXT NOT NULL,
  UNIQUE KEY report_reporter (reporter, messageid),
  KEY report_at (at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What users uploaded. The bytes stand in a folder, at `place`.
CREATE TABLE IF NOT EXISTS file (
  id        BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  owner     INT NOT NULL,
  hash      CHAR(64) NOT NULL,                           -- SHA-256 of the bytes
  name      VARCHAR(255) NOT NULL,
  type      VARCHAR(255) NOT NULL,
  size      BIGINT NOT NULL,
  width     INT NULL,
  height    INT NULL,
  place     VARCHAR(100) NOT NULL,                       -- files of the same bytes may share it
  urlkey    VARCHAR(32) NOT NULL,                        -- what its address ends with
  created   BIGINT NOT NULL,
  used      BOOLEAN NOT NULL,                            -- a message has it, or it is its owner's picture
  messageid BIGINT NULL,
  UNIQUE KEY file_urlkey (urlkey),
  KEY file_owner (owner),
  KEY file_loose (owner, messageid),
  KEY file_hash (hash),
  KEY file_place (place),
  KEY file_unused (used, created),
  KEY file_message (messageid)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Places whose bytes go at that time, if no row of file names them: those that are being filled, and those that were left.
CREATE TABLE IF NOT EXISTS gone (
  place VARCHAR(100) NOT NULL PRIMARY KEY,
  at    BIGINT NOT NULL,
  KEY gone_at (at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What a user's files take, in bytes.
CREATE TABLE IF NOT EXISTS kept (
  userid INT NOT NULL PRIMARY KEY,
  bytes  BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What a user's texts take, in bytes, nearly: it is counted anew once a day.
CREATE TABLE IF NOT EXISTS texts (
  userid INT NOT NULL PRIMARY KEY,
  bytes  BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Hooks of groups. A bot's account is nobody's: its row of user is `deleted`, and keeps its name while the group is there.
CREATE TABLE IF NOT EXISTS hook (
  userid  INT NOT NULL PRIMARY KEY,                      -- the bot
  groupid INT NOT NULL,
  hash    BINARY(32) NULL,                               -- SHA-256 of the key; NULL: it is off
  UNIQUE KEY hook_hash (hash),
  KEY hook_groupid (groupid)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Web Push: where devices are told of messages that reached them while they were away. It goes with the device.
CREATE TABLE IF NOT EXISTS push (
  id       BIGINT NOT NULL AUTO_INCREMENT,               -- rises with each subscription
  userid   INT NOT NULL,
  device   INT NOT NULL,
  endpoint VARBINARY(1000) NOT NULL,                     -- at the browser's push service
  p256dh   VARCHAR(100) NOT NULL,                        -- the browser's key and secret, in base64url
  auth     VARCHAR(30) NOT NULL,
  text     BOOLEAN NOT NULL,                             -- what is said goes along
  PRIMARY KEY (userid, device),
  UNIQUE KEY push_id (id),
  UNIQUE KEY push_endpoint (endpoint)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The one key by which push services know all nodes (VAPID).
CREATE TABLE IF NOT EXISTS push_key (
  id      INT NOT NULL PRIMARY KEY,
  public  VARCHAR(100) NOT NULL,
  private VARCHAR(500) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
