/** What the benchmarks share: a server of its own, users, and processes of clients. */
import { createHash, randomBytes } from "node:crypto";
import { parseConfig } from "../src/config.ts";
import { openStore } from "../src/store/open.ts";
import type { Store } from "../src/store/store.ts";

/** Connections per process of clients: below the usual limit of open files. */
const PER_PROCESS = 4000;

/** Someone who may log in. */
export interface User {
  id: number;
  token: string;
}

/** A server process, and a store on its database. */
export interface Natter extends AsyncDisposable {
  pid: number;
  port: number;
  store: Store;
}

/** Starts a server without limits, on a SQLite file of its own or on `database`. */
export async function startNatter(database?: string): Promise<Natter> {
  const folder = await Deno.makeTempDir({ prefix: "natter_bench_" });
  database ??= `sqlite:${folder}/natter.db`;
  const main = new URL("../main.ts", import.meta.url).pathname;
  const flags = ["--listen", "127.0.0.1:0", "--http", "off", "--limits", "off", "--max-connections", "50000", "--log-level", "warning"];
  const args = ["run", "-A", "--quiet", main, ...flags, "--database", database];
  const server = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const reader = server.stdout.getReader();
  const ready = new TextDecoder().decode((await reader.read()).value);
  const store = await openStore(parseConfig(["--database", database], () => undefined));
  return {
    pid: server.pid,
    port: Number(/tcp=\S*:(\d+)/.exec(ready)?.[1]),
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      server.kill("SIGTERM");
      await server.status;
      await reader.cancel();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Makes users with a token each: no hashing. */
export async function makeUsers(store: Store, count: number): Promise<User[]> {
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

/** Clients in processes of their own. */
export interface Clients {
  /** Kills them all, in one instant. */
  kill(): void;
  /** Kills them if they live, and waits for their end. */
  end(): Promise<void>;
}

/** Logs users in and holds their connections. */
export async function hold(port: number, users: User[]): Promise<Clients> {
  const children: Deno.ChildProcess[] = [];
  for (let i = 0; i < users.length; i += PER_PROCESS) children.push(await holdSome(port, users.slice(i, i + PER_PROCESS)));
  let killed = false;
  const kill = () => {
    if (!killed) { for (const child of children) child.kill("SIGKILL"); }
    killed = true;
  };
  return {
    kill,
    async end() {
      kill();
      await Promise.all(children.flatMap((child) => [child.status, child.stdout.cancel()]));
    },
  };
}

async function holdSome(port: number, users: User[]): Promise<Deno.ChildProcess> {
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
