-- Version 1 of natter's MySQL schema. The server applies it itself when it finds an empty database; later versions are migrations
-- (src/store/mysql/schema.ts). SQLite has the same tables.
--
-- Times are milliseconds since the epoch, but for the leases, which are the database's own clock (UTC). Text is compared byte by byte everywhere.
-- There are no foreign keys: they would lock the rows they point to, and users are never deleted.

CREATE TABLE IF NOT EXISTS user (
  id            INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name          VARCHAR(50) NOT NULL,
  namekey       VARBINARY(2000) NOT NULL,                -- the name's comparable form
  password      VARCHAR(255) NOT NULL,                   -- PHC string
  closed        BOOLEAN NOT NULL DEFAULT FALSE,          -- banned
  state         ENUM('online', 'offline') NOT NULL DEFAULT 'offline',
  session       VARCHAR(64) NULL,                        -- who holds the account: session, node, and that node's incarnation; NULL when offline
  node          VARCHAR(255) NULL,
  incarnation   BIGINT NULL,
  last_seq      BIGINT NOT NULL DEFAULT 0,               -- the inbox: what stands after confirmed_seq, up to last_seq, waits
  confirmed_seq BIGINT NOT NULL DEFAULT 0,
  since         BIGINT NULL,                             -- when the last session began
  lastseen      BIGINT NULL,                             -- when the last session ended
  UNIQUE KEY user_namekey (namekey),
  KEY user_node (node, incarnation)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS token (
  hash    BINARY(32) NOT NULL PRIMARY KEY,               -- SHA-256 of the token
  userid  INT NOT NULL,
  expires BIGINT NOT NULL,
  KEY token_userid (userid),
  KEY token_expires (expires)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Sessions that an operator wants ended; the node that holds one looks here every 2 s.
CREATE TABLE IF NOT EXISTS kick (
  userid  INT NOT NULL PRIMARY KEY,
  session VARCHAR(64) NOT NULL
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
  userid  INT NOT NULL,
  blocked INT NOT NULL,
  PRIMARY KEY (userid, blocked)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS allgroup (
  id        INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  groupname VARCHAR(50) NOT NULL,
  groupkey  VARBINARY(2000) NOT NULL,                    -- the name's comparable form
  groupdesc VARCHAR(200) NOT NULL,
  UNIQUE KEY allgroup_groupkey (groupkey)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS groupuser (
  groupid   INT NOT NULL,
  userid    INT NOT NULL,
  grouprole ENUM('creator', 'normal') NOT NULL,
  joined    INT NOT NULL,                                -- 1, 2, 3 … in the order in which members came
  PRIMARY KEY (groupid, userid),
  KEY groupuser_userid (userid)
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

-- What waits for each receiver, numbered 1, 2, 3 … without a gap. Rows go when they are confirmed.
CREATE TABLE IF NOT EXISTS inbox (
  userid    INT NOT NULL,
  seq       BIGINT NOT NULL,
  messageid BIGINT NOT NULL,
  PRIMARY KEY (userid, seq),
  KEY inbox_messageid (messageid)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The nodes of the cluster. A node may make users online while its incarnation is this row's and its lease has not run out.
CREATE TABLE IF NOT EXISTS node (
  name        VARCHAR(255) NOT NULL PRIMARY KEY,
  incarnation BIGINT NOT NULL,                           -- rises with every start and every reaping
  since       DATETIME(3) NOT NULL,                      -- when it last rose
  lease_until DATETIME(3) NULL                           -- NULL: left, or reaped
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
