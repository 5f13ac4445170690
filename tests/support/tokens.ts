// Tokens straight in the database, past the store: without hashing a password, and without a session.

import { createHash, randomBytes } from "node:crypto";

/** Gives each of these users a token of a device, 0 unless told, in the database of this URL (as `--database` takes it). They live for an hour. */
export async function giveTokens(url: string, users: readonly number[], device = 0): Promise<string[]> {
  const tokens = users.map(() => randomBytes(32).toString("base64url"));
  if (users.length === 0) return tokens;
  const expires = Date.now() + 3600_000;
  const rows = tokens.map((token, i) => `(x'${createHash("sha256").update(token).digest("hex")}', ${users[i]}, ${device}, ${expires})`);
  await run(url, `insert into token (hash, userid, device, expires) values ${rows.join(", ")}`);
  return tokens;
}

async function run(url: string, sql: string): Promise<void> {
  if (url.startsWith("sqlite:")) {
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(url.slice("sqlite:".length));
    try {
      db.exec("PRAGMA busy_timeout = 5000");
      db.exec(sql);
    } finally {
      db.close();
    }
  } else {
    const { createConnection } = await import("mysql2/promise");
    const connection = await createConnection({ uri: url, charset: "utf8mb4" });
    try {
      await connection.query(sql);
    } finally {
      await connection.end();
    }
  }
}
