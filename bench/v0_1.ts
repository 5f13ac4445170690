/** natter as it was at 0.1, made from git: the baseline for what 1.0 may cost, and where older databases come from. */
import { createHash, randomBytes } from "node:crypto";
import type { User } from "./load_generator.ts";
import { type NatterOptions, natterReady, profileFlags, serverFlags } from "./support.ts";
import { type ServerProcess, spawnServer } from "./tools.ts";

/** The commit that was 0.1. */
const COMMIT = "dd96857";
const root = new URL("../", import.meta.url).pathname;

/** A server of 0.1, and users on its database. */
export interface Natter01 extends ServerProcess {
  /** Makes users with a token each. */
  makeUsers(count: number): Promise<User[]>;
}

/** What is used of 0.1's store. */
export interface Store01 {
  readonly appendLimit: number;
  join(node: string): Promise<number>;
  createUser(name: string, key: string, password: string): Promise<number | undefined>;
  addToken(userId: number, hash: Uint8Array, expires: number): Promise<void>;
  createGroup(creator: number, name: string, key: string, about: string): Promise<{ groupid: number } | number>;
  claim(userId: number, session: string): Promise<unknown>;
  confirm(rows: { userId: number; session: string; seq: number }[]): Promise<void>;
  release(sessions: { userId: number; session: string; lastseen: number }[]): Promise<void>;
  append(batch: { sender: number; toid?: number; groupid?: number; msg: string; mid: string; ts: number }[]): Promise<{ errno: number }[]>;
  close(): Promise<void>;
}

/** 0.1's source. */
export interface Source01 {
  /** Its store on a database. */
  open(database: string): Promise<Store01>;
  /** The command that starts its server; `cpuProf` is the folder for a CPU profile of it. */
  command(database: string, cpuProf?: string): string[];
  /** What its server says when it ends instead of starting on this database; throws if it starts, or says more than a line. */
  refuses(database: string): Promise<string>;
}

/** Puts 0.1's source into `folder`. @returns undefined: this clone does not go back to 0.1 */
export async function source01(folder: string): Promise<Source01 | undefined> {
  const archive = `${folder}/source.tar`, source = `${folder}/source`;
  const git = await new Deno.Command("git", { args: ["-C", root, "archive", "-o", archive, COMMIT], stdin: "null", stderr: "null" }).output();
  if (!git.success) return undefined;
  await Deno.mkdir(source);
  await new Deno.Command("tar", { args: ["-xf", archive, "-C", source], stdin: "null" }).output();
  const command = (database: string, cpuProf?: string) => [
    ...[Deno.execPath(), "run", "-A", "--quiet", "--unstable-lazy-dynamic-imports", ...profileFlags(cpuProf), `${source}/main.ts`],
    ...[...serverFlags, "--database", database],
  ];
  return {
    async open(database) {
      const { openStore } = await import(`file://${source}/src/store/open.ts`);
      const { parseConfig } = await import(`file://${source}/src/config.ts`);
      return await openStore(parseConfig(["--database", database], () => undefined));
    },
    command,
    async refuses(database) {
      const [program, ...args] = command(database);
      const { code, stderr } = await new Deno.Command(program!, { args, stdin: "null", stdout: "null", signal: AbortSignal.timeout(60_000) })
        .output();
      const said = new TextDecoder().decode(stderr).trim();
      if (code === 0 || said === "" || said.includes("\n")) throw new Error(`0.1 ended with ${code} and said: ${said}`);
      return said;
    },
  };
}

/** Starts a server of 0.1 without limits, on a SQLite file of its own. @returns undefined: this clone does not go back to 0.1 */
export async function startNatter01({ cpuProf }: Pick<NatterOptions, "cpuProf"> = {}): Promise<Natter01 | undefined> {
  const folder = await Deno.makeTempDir({ prefix: "natter_0_1_" });
  const source = await source01(folder);
  if (!source) {
    await Deno.remove(folder, { recursive: true });
    return undefined;
  }
  const database = `sqlite:${folder}/natter.db`;
  const server = await spawnServer(source.command(database, cpuProf), natterReady);
  const store = await source.open(database);
  return {
    ...server,
    makeUsers: (count) => Promise.all(Array.from({ length: count }, () => makeUser(store))),
    async [Symbol.asyncDispose]() {
      await store.close();
      await server[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function makeUser(store: Store01): Promise<User> {
  const token = randomBytes(32).toString("base64url"), name = randomBytes(8).toString("hex");
  const id = (await store.createUser(name, name, "none"))!;
  await store.addToken(id, createHash("sha256").update(token).digest(), Date.now() + 3600_000);
  return { id, token };
}
