// A real server for a test: in this process, or as one of its own.

import { deadline } from "@std/async/deadline";
import { type Config, parseConfig } from "../../src/config/config.ts";
import { type Overrides, type Server, start } from "../../src/server.ts";
import type { State } from "../../src/store/store.ts";
import { Awake } from "./awake.ts";
import { cheapPasswords } from "./cheap_passwords.ts";
import { giveDevices } from "./companions.ts";
import type { TestDatabase } from "./databases.ts";
import { RawClient } from "./raw_client.ts";
import { listened, redisUrl } from "./redis.ts";
import { giveTokens } from "./tokens.ts";

/** Someone who may log in. */
export interface TestUser {
  id: number;
  name: string;
  token: string;
}

/** How long a test waits for what must happen (ms), where it has no tighter bound. */
const PATIENCE = 30_000;

/** A server in this process, on port 0. */
export class TestServer implements AsyncDisposable {
  #connects = 0;

  /** @param others further nodes: clients connect to one after the other in turn */
  constructor(readonly server: Server, readonly db: TestDatabase, readonly others: readonly Server[] = []) {}

  get port(): number {
    const nodes = [this.server, ...this.others];
    return nodes[this.#connects++ % nodes.length]!.addresses.tcp.port;
  }

  connect(): Promise<RawClient> {
    return RawClient.connect(this.port);
  }

  /** A modern client that is logged in. */
  async client(user: TestUser, fields: object = { proto: 2 }): Promise<RawClient> {
    const client = await this.connect();
    const ack = await client.login({ id: user.id, token: user.token, ...fields });
    if (ack.errno !== 0) throw new Error(`login of ${user.name} refused: ${JSON.stringify(ack)}`);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.server, ...this.others].map((server) => server.close()));
  }
}

/** How late the news of users are on one node of several (ms), if a test does not say: one that stops waits until they are told. */
export const NEWS_MS = 250;

/** Starts a server in this process. `settings` are flags, as on the command line, without their dashes. Hashing is cheap. On a database for several nodes it is so many servers. */
export async function startServer(db: TestDatabase, settings: Record<string, string | number> = {}, overrides: Overrides = {}): Promise<TestServer> {
  const all: Overrides = { passwords: cheapPasswords(), ...overrides };
  if (db.nodes === 1) return new TestServer(await start(testConfig(db, settings), all), db);
  all.times = { news: NEWS_MS, ...all.times };
  const names = Array.from({ length: db.nodes }, (_, i) => `node${i + 1}`);
  await using started = new AsyncDisposableStack();
  const servers: Server[] = [];
  for (const node of names) {
    const server = await start(testConfig(db, { ...settings, node, redis: redisUrl }), all);
    started.defer(async () => void await server.close());
    servers.push(server);
  }
  await listened(names.map((node) => `natter:${new URL(db.url).pathname.slice(1)}:${node}`));
  started.move();
  return new TestServer(servers[0]!, db, servers.slice(1));
}

/** The settings of a test's server. */
function testConfig(db: TestDatabase, settings: Record<string, string | number> = {}): Config {
  return parseConfig(flagsOf(db, settings), () => undefined);
}

/** Of what a test does not say. Between two steps of a test a busy machine takes longer than 10 s now and then: whoever says nothing would be asked, and be gone. */
const HEARTBEAT_S = 60;

function flagsOf(db: Pick<TestDatabase, "url">, settings: Record<string, string | number>): string[] {
  const all = { heartbeat: HEARTBEAT_S, listen: "127.0.0.1:0", http: "off", database: db.url, node: "test", ...settings };
  return Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/** A server as a process of its own, which a test may kill. */
export class ServerProcess implements AsyncDisposable {
  constructor(readonly process: Deno.ChildProcess, readonly port: number, readonly log: Promise<string>) {}

  get pid(): number {
    return this.process.pid;
  }

  connect(): Promise<RawClient> {
    return RawClient.connect(this.port);
  }

  /** Sends a signal and waits for the end. @returns the exit code */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      this.process.kill(signal);
    } catch {
      // It has ended already.
    }
    const [{ code }] = await Promise.all([this.process.status, this.log]);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

/**
 * Flags of a server's V8 whose memory is measured: what is held counts, not what V8 has not collected yet. Left to itself it grows by 20 to 80 MiB, as its pauses happen
 * to fall.
 */
export const COLLECT_EARLY = "--optimize-for-size";

/** What a server process runs: natter itself, or a server that hashes cheaply. */
const NATTER = ["../../main.ts", "serve"], CHEAP = ["./cheap_passwords.ts"];

/**
 * Starts `natter serve` as a process, and waits for its ready line. `cheap`: it hashes cheaply, as {@linkcode startServer}'s does. `v8`: flags of
 * its V8. `dies`: where it ends, as `dying_server.ts` says. Throws an Error with its stderr if it ends before.
 */
export async function spawnServer(
  db: Pick<TestDatabase, "url">,
  settings: Record<string, string | number> = {},
  { cheap = false, v8, dies }: { cheap?: boolean; v8?: string; dies?: string } = {},
): Promise<ServerProcess> {
  const [script, ...command] = dies !== undefined ? ["./dying_server.ts", dies] : cheap ? CHEAP : NATTER;
  const args = ["run", "-A", "--quiet", new URL(script!, import.meta.url).pathname, ...command, "--log", "json", ...flagsOf(db, settings)];
  const env: Record<string, string> = v8 === undefined ? {} : { DENO_V8_FLAGS: v8 };
  const process = new Deno.Command(Deno.execPath(), { args, env, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
  const log = new Response(process.stderr).text();
  const ready = await firstLine(process.stdout);
  const port = /^natter ready tcp=\S*:(\d+)/.exec(ready)?.[1];
  if (port === undefined) {
    await process.status;
    throw new Error(`the server did not start: ${await log}`);
  }
  return new ServerProcess(process, Number(port), log);
}

/** Resident memory of a process (bytes); Linux only. */
export async function residentMemory({ pid }: { pid: number }): Promise<number> {
  const pages = (await Deno.readTextFile(`/proc/${pid}/statm`)).split(" ")[1];
  return Number(pages) * 4096;
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await deadline(reader.read(), 30_000);
    if (done) break;
    text += value;
  }
  await reader.cancel();
  return text.split("\n")[0] ?? "";
}

/** Makes users straight in the database, with a token each: no hashing. Their password is none. The tables must be there. */
export async function makeUsers(db: TestDatabase, count: number, prefix = "user"): Promise<TestUser[]> {
  const store = await db.open();
  const users: { id: number; name: string }[] = [];
  // A store refuses who has waited for a connection for 5 s: a thousand at once may have to.
  while (users.length < count) {
    users.push(
      ...await Promise.all(Array.from({ length: Math.min(50, count - users.length) }, async (_, i) => {
        const name = `${prefix}${users.length + i + 1}`;
        const id = await store.createUser(name, name, "none");
        if (id === undefined) throw new Error(`${name} exists`);
        return { id, name };
      })),
    );
  }
  await store.close();
  const tokens = await giveTokens(db.url, users.map(({ id }) => id));
  const made = users.map((user, i) => ({ ...user, token: tokens[i]! }));
  await giveDevices(db, made);
  return made;
}

/** Writes into the database that this session on that node holds the user's device 0; undefined: nobody does, and the user is offline. */
export async function setHolder(db: TestDatabase, id: number, holder: { session: string; node: string } | undefined): Promise<void> {
  const [session, node, incarnation] = holder ? [`'${holder.session}'`, `'${holder.node}'`, "1"] : ["null", "null", "null"];
  const state = holder ? "online" : "offline";
  await db.query(`insert into device (userid, device, name, created, confirmed_seq) select id, 0, '', 0, confirmed_seq from user where id = ${id}
    and not exists (select 1 from device where userid = ${id} and device = 0)`);
  if (db.kind === "mysql") {
    // In one piece: nodes look meanwhile.
    await db.query(`update user u join device d on d.userid = u.id and d.device = 0 set u.state = '${state}', u.node = ${node},
      d.session = ${session}, d.node = ${node}, d.incarnation = ${incarnation} where u.id = ${id}`);
  } else {
    await db.query(`update device set session = ${session}, node = ${node}, incarnation = ${incarnation} where userid = ${id} and device = 0`);
    await db.query(`update user set state = '${state}' where id = ${id}`);
  }
}

/** The session that holds the user's device 0, as the database says. */
export async function holderOf(db: TestDatabase, id: number): Promise<string | null | undefined> {
  return (await db.query(`select session from device where userid = ${id} and device = 0`))[0]?.session as string | null | undefined;
}

/** What the database says of a user. */
export async function stateOf(db: TestDatabase, id: number): Promise<State> {
  const [row] = await db.query(`select state from user where id = ${id}`);
  return row?.state as State;
}

/** How many users the database calls online. */
export async function countOnline(db: TestDatabase): Promise<number> {
  const [row] = await db.query("select count(*) as n from user where state = 'online'");
  return Number(row?.n);
}

/** Resolves, to how long it took (ms, awake.ts), when `holds` does; it is asked every few milliseconds. Throws an Error after `ms`. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string, ms = PATIENCE): Promise<number> {
  using took = new Awake();
  while (!await holds()) {
    if (took.ms > ms) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return took.ms;
}
