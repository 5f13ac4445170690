/** natter as it was at 0.1, made from git: the baseline for what 1.0 may cost. */
import { createHash, randomBytes } from "node:crypto";
import type { User } from "./load_generator.ts";
import { natterReady, serverFlags } from "./support.ts";
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
interface Store01 {
  createUser(name: string, key: string, password: string): Promise<number | undefined>;
  addToken(userId: number, hash: Uint8Array, expires: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a server of 0.1 without limits, on a SQLite file of its own. @returns undefined: this clone does not go back to 0.1 */
export async function startNatter01(): Promise<Natter01 | undefined> {
  const folder = await Deno.makeTempDir({ prefix: "natter_0_1_" });
  const archive = `${folder}/source.tar`, source = `${folder}/source`;
  const git = await new Deno.Command("git", { args: ["-C", root, "archive", "-o", archive, COMMIT], stdin: "null", stderr: "null" }).output();
  if (!git.success) {
    await Deno.remove(folder, { recursive: true });
    return undefined;
  }
  await Deno.mkdir(source);
  await new Deno.Command("tar", { args: ["-xf", archive, "-C", source], stdin: "null" }).output();
  const database = `sqlite:${folder}/natter.db`;
  const command = ["run", "-A", "--quiet", "--unstable-lazy-dynamic-imports", `${source}/main.ts`, ...serverFlags, "--database", database];
  const server = await spawnServer([Deno.execPath(), ...command], natterReady);
  const { openStore } = await import(`file://${source}/src/store/open.ts`);
  const { parseConfig } = await import(`file://${source}/src/config.ts`);
  const store: Store01 = await openStore(parseConfig(["--database", database], () => undefined));
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
