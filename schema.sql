-- The newest version of natter's MySQL schema. The server applies it itself when it finds an empty database; an older one is led here by the steps of
-- src/store/mysql/migrations.ts, and a test compares the two. SQLite has the same tables.
--
-- Times are milliseconds since the epoch, but for the leases, which are the database's own clock (UTC). Text is compared byte by byte everywhere.
-- There are no foreign keys: they would lock the rows they point to, and users are never deleted.

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
  PRIMARY KEY (userid, blocked)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS allgroup (
  id        INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  groupname VARCHAR(50) NOT NULL,
  groupkey  VARBINARY(2000) NOT NULL,                    -- the name's comparable form
  groupdesc VARCHAR(200) NOT NULL,
  count     INT NOT NULL DEFAULT 0,                      -- of its members: told at each login, whatever the group's size
  UNIQUE KEY allgroup_groupkey (groupkey)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS groupuser (
  groupid   INT NOT NULL,
  userid    INT NOT NULL,
  grouprole ENUM('creator', 'normal') NOT NULL,
  joined    INT NOT NULL,                                -- 1, 2, 3 … in the order in which members came
  PRIMARY KEY (groupid, userid),
  KEY groupuser_userid (userid),
  KEY groupuser_joined (groupid, joined)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Every message once. Exactly one of toid and groupid is set.
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
  UNIQUE KEY message_mid (sender, mid),
  KEY message_direct (lo, hi, id),
  KEY message_group (groupid, id),
  KEY message_ts (ts)
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
