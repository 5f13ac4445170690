/**
 * What it takes to bring a large database of 0.1 to this version: how long until the server is ready, how much disk meanwhile, how much memory; again with the
 * server killed on the way; and that 0.1 refuses what came out. Linux, for the memory.
 *
 *     deno run -A bench/migrate.ts [sqlite | mysql] [MESSAGES]
 *
 * 0.1's database is made by 0.1's own store: 10,000 users, ten groups of 1,000, one message in a thousand to a group; a fifth of the users has
 * confirmed nothing, and 100 are online as if their server had been killed.
 */
import { createConnection } from "mysql2/promise";
import { DatabaseSync } from "node:sqlite";
import { natterCommand, natterReady } from "./support.ts";
import { type Source01, source01, type Store01 } from "./v0_1.ts";

const USERS = 10_000, GROUPS = 10, MEMBERS = 1000, ONLINE = 100;
/** The server is killed after these parts of the time that it takes undisturbed. */
const KILLS = [0.15, 0.3, 0.45, 0.6, 0.75, 0.9];
const MB = 1e6;

/** A database that can be looked into, measured and copied. */
interface Kept {
  url: string;
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Bytes on the disk. */
  size(): Promise<number>;
  /** Another one with the same in it. */
  copy(): Promise<Kept>;
  remove(): Promise<void>;
}

function sqlite(folder: string, name = "old"): Kept {
  const path = `${folder}/${name}.db`;
  const files = [path, `${path}-wal`, `${path}-shm`];
  return {
    url: `sqlite:${path}`,
    query(sql) {
      using db = new DatabaseSync(path);
      return Promise.resolve(db.prepare(sql).all().map((row) => ({ ...row })));
    },
    async size() {
      const sizes = await Promise.all(files.map((file) => Deno.stat(file).then((info) => info.size, () => 0)));
      return sizes.reduce((a, b) => a + b);
    },
    async copy() {
      const fresh = sqlite(folder, crypto.randomUUID());
      await Deno.copyFile(path, fresh.url.slice("sqlite:".length));
      return fresh;
    },
    remove: async () => void await Promise.allSettled(files.map((file) => Deno.remove(file))),
  };
}

function mysql(): Kept {
  const server = new URL(Deno.env.get("NATTER_TEST_MYSQL") ?? "mysql://root@127.0.0.1:3306");
  const name = `natter_bench_${crypto.randomUUID().slice(0, 8)}`;
  const url = new URL(`/${name}`, server).href;
  const run = async (sql: string): Promise<Record<string, unknown>[]> => {
    const connection = await createConnection({
      host: server.hostname,
      port: Number(server.port || 3306),
      user: server.username,
      password: server.password,
    });
    try {
      await connection.query(`CREATE DATABASE IF NOT EXISTS ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`);
      await connection.query(`USE ${name}`);
      const [rows] = await connection.query(sql);
      return Array.isArray(rows) ? rows as Record<string, unknown>[] : [];
    } finally {
      await connection.end();
    }
  };
  return {
    url,
    query: run,
    async size() {
      const [maria] = await run("SELECT 1 FROM information_schema.tables WHERE table_name = 'INNODB_SYS_TABLESPACES'");
      const spaces = maria ? "INNODB_SYS_TABLESPACES" : "INNODB_TABLESPACES";
      const [row] = await run(`SELECT COALESCE(SUM(file_size), 0) AS bytes FROM information_schema.${spaces} WHERE name LIKE '${name}/%'`);
      return Number(row!.bytes);
    },
    async copy() {
      const fresh = mysql();
      for (const { name: table } of await run(`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = '${name}'`)) {
        await fresh.query(`CREATE TABLE ${table} LIKE ${name}.${table}`);
        const stored = await run(
          `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = '${name}' AND table_name = '${table}' ` +
            "AND COALESCE(generation_expression, '') = ''",
        );
        const columns = stored.map((column) => `\`${column.name}\``).join();
        await fresh.query(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM ${name}.${table}`);
      }
      return fresh;
    },
    remove: async () => void await run(`DROP DATABASE ${name}`),
  };
}

/** Fills it as 0.1 does, and leaves it as 0.1 does when it is killed. */
async function fill(kept: Kept, source: Source01, messages: number): Promise<void> {
  const store: Store01 = await source.open(kept.url);
  await store.join("old");
  const users: number[] = [];
  while (users.length < USERS) {
    const made = Array.from({ length: 500 }, (_, i) => store.createUser(`user${users.length + i}`, `user${users.length + i}`, "none"));
    users.push(...(await Promise.all(made)).map((id) => id!).sort((a, b) => a - b));
  }
  const groups: number[] = [];
  for (let i = 0; i < GROUPS; i++) {
    const first = users[i * MEMBERS]!;
    const made = await store.createGroup(first, `group${i}`, `group${i}`, "");
    if (typeof made === "number") throw new Error("no group");
    groups.push(made.groupid);
    await kept.query(
      `INSERT INTO groupuser (groupid, userid, grouprole, joined) SELECT ${made.groupid}, id, 'normal', id - ${first} + 1 FROM user ` +
        `WHERE id > ${first} AND id < ${first + MEMBERS}`,
    );
  }
  const begin = Date.now() - messages;
  for (let done = 0; done < messages;) {
    const batch = Array.from({ length: Math.min(store.appendLimit, messages - done) }, (_, i) => {
      const n = done + i, sender = users[n * 7 % USERS]!;
      const message = { sender, msg: `message ${n}: what somebody says to somebody else on an ordinary day`, ts: begin + n, mid: `m${n}` };
      // Those of a group are its first member's.
      const group = n / 1000 % GROUPS;
      if (n % 1000 === 0) return { ...message, sender: users[group * MEMBERS]!, groupid: groups[group]! };
      return { ...message, toid: users[n * 7 % USERS ^ 1 + n % 4]! };
    });
    const stored = await store.append(batch);
    if (stored.some(({ errno }) => errno !== 0)) throw new Error("0.1 refused a message");
    done += batch.length;
  }
  for (let i = 0; i < USERS; i += 500) {
    const claimed = users.slice(i, i + 500).map((userId) => ({ userId, session: `old-${userId}` }));
    await Promise.all(claimed.map(({ userId, session }) => store.claim(userId, session)));
    await store.confirm(claimed.filter(({ userId }) => userId % 5 !== 0).map((key) => ({ ...key, seq: 1_000_000 })));
    if (i + 500 < USERS) await store.release(claimed.map((key) => ({ ...key, lastseen: Date.now() })));
    else await store.release(claimed.slice(0, -ONLINE).map((key) => ({ ...key, lastseen: Date.now() })));
  }
  await store.close();
}

/** What must be the same afterwards. SQLite's 0.1 keeps the newest messages of two in `message` alone: both are counted together. */
async function counted(kept: Kept): Promise<string> {
  const [row] = await kept.query(
    "SELECT (SELECT COUNT(*) FROM message) AS messages, (SELECT SUM(id) FROM message) AS ids, (SELECT COUNT(*) FROM user) AS users, " +
      "(SELECT COUNT(*) FROM groupuser) AS members, (SELECT SUM(confirmed_seq) FROM user) AS confirmed",
  );
  return JSON.stringify(Object.values(row!).map(Number));
}

interface Run {
  /** Until the ready line (ms); undefined: killed before. */
  ready: number | undefined;
  /** The most that the database took on the disk meanwhile, and the server of memory. */
  disk: number;
  memory: number;
}

/** Starts this version on it, and kills it when it is ready, or after `kill` ms. */
async function run(kept: Kept, kill = Infinity): Promise<Run> {
  const [program, ...args] = natterCommand(kept.url, { flags: ["--node", "old"] });
  const begin = performance.now();
  const child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "inherit" }).spawn();
  const out = child.stdout.getReader();
  const found: Run = { ready: undefined, disk: 0, memory: 0 };
  let running = true;
  const reading = out.read().then(({ value }) => {
    if (natterReady.test(new TextDecoder().decode(value))) found.ready = performance.now() - begin;
    running = false;
  });
  while (running && performance.now() - begin < kill) {
    await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, Math.min(100, Math.max(0, kill - (performance.now() - begin)))))]);
    if (!running) break;
    found.disk = Math.max(found.disk, await kept.size());
    const status = await Deno.readTextFile(`/proc/${child.pid}/status`).catch(() => "");
    found.memory = Math.max(found.memory, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024);
  }
  child.kill("SIGKILL");
  await child.status;
  await reading;
  await out.cancel();
  return found;
}

async function main(kind: string, messages: number): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "natter_migrate_" });
  const all: Kept[] = [];
  const keep = (kept: Kept) => (all.push(kept), kept);
  const source = await source01(folder);
  if (!source) throw new Error("this clone does not go back to 0.1");
  try {
    const old = keep(kind === "mysql" ? mysql() : sqlite(folder));
    let begin = performance.now();
    await fill(old, source, messages);
    const before = await counted(old), size = await old.size();
    console.log(`0.1 wrote ${messages} messages in ${seconds(performance.now() - begin)}: ${mb(size)}`);
    // 0.1's lease: this version does not begin before it has run out.
    if (kind === "mysql") await new Promise((resolve) => setTimeout(resolve, 11_000));

    const disturbed = keep(await old.copy());
    const whole = await run(old);
    if (whole.ready === undefined) throw new Error("it was not ready");
    console.log(
      `ready after ${seconds(whole.ready)}; at most ${mb(whole.disk)} on the disk, ${mb(whole.memory)} of memory; ${mb(await old.size())} afterwards`,
    );
    if (await counted(old) !== before) throw new Error(`it was ${before}, it is ${await counted(old)}`);
    begin = performance.now();
    const again = await run(old);
    console.log(`ready again after ${seconds(again.ready!)}`);

    let killed = 0;
    for (const part of KILLS) if ((await run(disturbed, whole.ready * part)).ready === undefined) killed++;
    const last = await run(disturbed);
    if (last.ready === undefined) throw new Error("it was not ready after it was killed");
    if (await counted(disturbed) !== before) throw new Error(`it was ${before}, it is ${await counted(disturbed)}`);
    console.log(`killed ${killed} times on the way, then ready after ${seconds(last.ready)}, with all that was there`);

    const refused = await source.refuses(old.url);
    console.log(`0.1 says: ${refused}`);
  } finally {
    for (const kept of all) await kept.remove();
    await Deno.remove(folder, { recursive: true });
  }
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const mb = (bytes: number) => `${Math.round(bytes / MB)} MB`;

if (import.meta.main) await main(Deno.args[0] ?? "sqlite", Number(Deno.args[1] ?? 1_000_000));
