// Finds the database, creates it if it may, and brings its tables to the newest version: to an empty one schema.sql leads, to an older one the migrations.

import { log } from "../../ops/log.ts";
import { migrating } from "../migrating.ts";
import { StoreRefused, StoreUnavailable } from "../store.ts";
import { type DriverError, isLost, reason } from "./errors.ts";
import { type Driver, Link, type Target } from "./link.ts";
import { MIGRATIONS, refuseBeside01 } from "./migrations.ts";
import { newEpoch } from "./operators.ts";

const NEWEST_VERSION = 1 + MIGRATIONS.length;

/** How long a second process waits for the first one's migration. */
const LOCK_S = 20;

// Access denied (1044, 1045, 1142, 1227, 1370, 1698), unknown database (1049), host not allowed (1130), no common way to log in (1251, 1524, 2061),
// password expired or account locked (1820, 1862, 3118, 4151).
const REFUSALS = new Set([1044, 1045, 1049, 1130, 1142, 1227, 1251, 1370, 1524, 1698, 1820, 1862, 2061, 3118, 4151]);

/**
 * Throws {@linkcode StoreRefused} if this database is not ours to use, {@linkcode StoreUnavailable} if it cannot be reached now; each with one line that
 * names host and port, never the password.
 */
export async function prepareDatabase(driver: Driver, target: Target, create: boolean, maxLine?: number): Promise<void> {
  let link: Link | undefined;
  try {
    link = await connect(driver, target, create);
    await applySchema(link, target.database);
    if (maxLine !== undefined) await lookAtPackets(link, maxLine);
  } catch (error) {
    if (error instanceof StoreRefused || error instanceof StoreUnavailable) throw error;
    const line = `the database at ${target.host}:${target.port}: ${reason(error)}`;
    const { errno, code } = error as DriverError;
    if (errno !== undefined && REFUSALS.has(errno)) throw new StoreRefused(line, { cause: error });
    if (code?.startsWith("HANDSHAKE_") || code?.startsWith("AUTH_")) throw new StoreRefused(line, { cause: error });
    if (isLost(error as DriverError)) throw new StoreUnavailable(line, { cause: error });
    throw error;
  } finally {
    link?.destroy();
    await link?.closed;
  }
}

/** What a statement has beside the text of a line (bytes), at most. The least that batches of short ones need, and words (bytes). */
const AROUND_TEXT = 1024, LEAST_PACKET = 4 * 1024 * 1024;

async function lookAtPackets(link: Link, maxLine: number): Promise<void> {
  const [{ allowed }] = await link.rows<{ allowed: number }>("SELECT @@max_allowed_packet AS allowed");
  const needed = Math.max(LEAST_PACKET, maxLine + AROUND_TEXT);
  if (allowed < needed) log.warning("the database's max_allowed_packet is too small for the longest messages: they will fail", { allowed, needed });
}

async function connect(driver: Driver, target: Target, create: boolean): Promise<Link> {
  try {
    return await Link.connect(driver, target);
  } catch (error) {
    if (!create || (error as DriverError).errno !== 1049) throw error;
  }
  const link = await Link.connect(driver, { ...target, database: "" });
  try {
    const name = "`" + target.database.replaceAll("`", "``") + "`";
    await link.command(`CREATE DATABASE IF NOT EXISTS ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`);
    await link.command(`USE ${name}`);
    return link;
  } catch (error) {
    link.destroy();
    await link.closed;
    throw error;
  }
}

async function applySchema(link: Link, database: string): Promise<void> {
  const lock = "CONCAT('natter.schema.', SHA1(DATABASE()))";
  const [{ locked }] = await link.rows<{ locked: number | null }>(`SELECT GET_LOCK(${lock}, ${LOCK_S}) AS locked`, [], (LOCK_S + 5) * 1000);
  if (locked !== 1) throw new StoreUnavailable(`another process is changing the tables of the database "${database}"`);

  const found = await link.rows<{ name: string }>("SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()");
  const tables = new Set(found.map((row) => row.name.toLowerCase()));
  if (!tables.has("schema_version")) {
    const foreign = ["user", "friend", "allgroup", "groupuser", "offlinemessage", "message", "inbox", "node", "token", "block"].filter((name) =>
      tables.has(name)
    );
    if (foreign.length > 0) {
      throw new StoreRefused(
        `the database "${database}" holds tables that natter did not make (${foreign.join(", ")}): give natter a database of its own`,
      );
    }
    // Version 0 says that schema.sql is under way: should it be interrupted, the next start goes on.
    await link.command("CREATE TABLE schema_version (version INT NOT NULL) ENGINE = InnoDB SELECT 0 AS version");
  }
  const [{ version }] = await link.rows<{ version: number }>("SELECT version FROM schema_version");
  if (version > NEWEST_VERSION) {
    throw new StoreRefused(
      `the database "${database}" has schema version ${version}, this natter knows up to ${NEWEST_VERSION}: a newer natter made it`,
    );
  }
  if (version === 0) {
    for (const sql of await newestSchema()) await link.command(sql);
    await begun(link, NEWEST_VERSION);
  } else if (version < NEWEST_VERSION) {
    if (version === 1) await refuseBeside01(link);
    await migrating(version, NEWEST_VERSION, async () => {
      for (let next = version + 1; next <= NEWEST_VERSION; next++) {
        await MIGRATIONS[next - 2](link);
        await begun(link, next);
      }
    });
  }
}

/** The tables are those of this version. */
async function begun(link: Link, version: number): Promise<void> {
  await link.change("INSERT INTO epoch (word) SELECT ? FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM epoch)", [newEpoch()]);
  if (version >= 3) await link.change("INSERT INTO search_mark (upto, version) SELECT 0, 0 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM search_mark)");
  await link.change("UPDATE schema_version SET version = ?", [version]);
}

async function newestSchema(): Promise<string[]> {
  const text = await Deno.readTextFile(new URL("../../../schema.sql", import.meta.url));
  return text.replace(/--.*$/gm, "").split(";").map((sql) => sql.trim()).filter((sql) => sql !== "");
}
