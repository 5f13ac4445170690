/**
 * How long until everyone is offline in the database when many clients vanish in one instant, and what it costs those who log in meanwhile.
 *
 *     deno run -A bench/storm.ts [--database mysql://root@127.0.0.1:3306/natter_storm] [VANISH[+BYSTANDERS] …]
 *
 * Without arguments: 4000, 10000, 1000+1000 and 1000+10000, on a SQLite file of its own. The clients are processes of their own, which are killed (SIGKILL).
 * Prints one JSON object per storm: `offline_ms` from the kill to the last row, `login_ms` the longest login meanwhile.
 */
import { createHash, randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { parseConfig } from "../src/config.ts";
import { openStore } from "../src/store/open.ts";
import type { Store } from "../src/store/store.ts";

/** Connections per process of clients: below the usual limit of open files. */
const PER_PROCESS = 4000;

interface User {
  id: number;
  token: string;
}

const { values, positionals } = parseArgs({ args: Deno.args, options: { database: { type: "string" } }, allowPositionals: true });
const folder = await Deno.makeTempDir({ prefix: "natter_storm_" });
const database = values.database ?? `sqlite:${folder}/natter.db`;

async function makeUsers(store: Store, count: number): Promise<User[]> {
  const made: User[] = [];
  while (made.length < count) {
    const batch = Array.from({ length: Math.min(500, count - made.length) }, async () => {
      const token = randomBytes(32).toString("base64url"), name = randomBytes(8).toString("hex");
      const id = (await store.createUser(name, name, "none"))!;
      await store.addToken(id, createHash("sha256").update(token).digest(), Date.now() + 3600_000);
      return { id, token };
    });
    made.push(...await Promise.all(batch));
  }
  return made;
}

/** A process that logs users in and holds their connections. */
async function hold(port: number, users: User[]): Promise<Deno.ChildProcess> {
  const script = new URL("./hold.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), { args: ["run", "-A", "--quiet", script, String(port)], stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(users)));
  await writer.close();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  if (!new TextDecoder().decode(value).startsWith("ready")) throw new Error("the clients did not log in");
  reader.releaseLock();
  return child;
}

async function holdAll(port: number, users: User[]): Promise<Deno.ChildProcess[]> {
  const children: Deno.ChildProcess[] = [];
  for (let i = 0; i < users.length; i += PER_PROCESS) children.push(await hold(port, users.slice(i, i + PER_PROCESS)));
  return children;
}

async function end(children: Deno.ChildProcess[]): Promise<void> {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.flatMap((child) => [child.status, child.stdout.cancel()]));
}

/** Logs one user in and out until told to stop. @returns the longest login (ms) */
async function loginAgainAndAgain(port: number, user: User, stop: { now: boolean }): Promise<number> {
  let longest = 0;
  while (!stop.now) {
    const begun = performance.now();
    const conn = await Deno.connect({ port });
    conn.setNoDelay(true);
    await conn.write(new TextEncoder().encode(JSON.stringify({ msgid: 1, ...user, proto: 2 }) + "\n"));
    const buffer = new Uint8Array(65536);
    let text = "";
    while (!text.includes("\n")) text += new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
    if (!text.includes('"errno":0')) throw new Error(`a login was refused: ${text}`);
    longest = Math.max(longest, performance.now() - begun);
    conn.close();
  }
  return longest;
}

async function storm(port: number, store: Store, vanish: number, bystanders: number): Promise<void> {
  const staying = await holdAll(port, await makeUsers(store, bystanders));
  const going = await makeUsers(store, vanish);
  const children = await holdAll(port, going);
  const [witness] = await makeUsers(store, 1);
  const stop = { now: false };
  const logins = loginAgainAndAgain(port, witness!, stop);
  const ids = going.map((user) => user.id);
  const anyOnline = async () => {
    for (let i = 0; i < ids.length; i += 500) if ((await store.nodesOf(ids.slice(i, i + 500))).size > 0) return true;
    return false;
  };
  for (const child of children) child.kill("SIGKILL");
  const begun = performance.now();
  while (await anyOnline());
  const offline = performance.now() - begun;
  stop.now = true;
  console.log(JSON.stringify({ vanish, bystanders, offline_ms: Math.round(offline), login_ms: Math.round(await logins) }));
  await Promise.all(children.flatMap((child) => [child.status, child.stdout.cancel()]));
  await end(staying);
}

const main = new URL("../main.ts", import.meta.url).pathname;
const flags = [
  "--listen",
  "127.0.0.1:0",
  "--http",
  "off",
  "--limits",
  "off",
  "--max-connections",
  "50000",
  "--log-level",
  "warning",
  "--database",
  database,
];
const server = new Deno.Command(Deno.execPath(), { args: ["run", "-A", "--quiet", main, ...flags], stdout: "piped" }).spawn();
const reader = server.stdout.getReader();
const ready = new TextDecoder().decode((await reader.read()).value);
const port = Number(/tcp=\S*:(\d+)/.exec(ready)?.[1]);
const store = await openStore(parseConfig(["--database", database], () => undefined));
try {
  for (const text of positionals.length > 0 ? positionals : ["4000", "10000", "1000+1000", "1000+10000"]) {
    const [vanish = 0, bystanders = 0] = text.split("+").map(Number);
    await storm(port, store, vanish, bystanders);
  }
} finally {
  await store.close();
  server.kill("SIGTERM");
  await server.status;
  await Deno.remove(folder, { recursive: true });
}
Deno.exit(0);
