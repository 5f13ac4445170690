/** What the operator's commands have in common: their arguments, the database, and how they end. */
import { Passwords } from "../auth/passwords.ts";
import { type Config, ConfigError, parseConfig } from "../config/config.ts";
import { openStore } from "../store/open.ts";
import { type Account, type Store, StoreRefused, StoreUnavailable } from "../store/store.ts";
import { MAX_PASSWORD } from "../wire/requests.ts";
import { comparableName } from "../wire/names.ts";
import { complain, print } from "./output.ts";
import { readPassword } from "./password_prompt.ts";

/** A command's work; resolves with what it prints. Throws {@linkcode CommandError} with what is wrong, {@linkcode ConfigError} with a bad argument. */
export type Work = (store: Store, positionals: string[], config: Config, flags: Readonly<Record<string, string>>) => Promise<string | void>;

/** The same, without the database. */
export type Unopened = (positionals: string[], config: Config, flags: Readonly<Record<string, string>>) => Promise<string | void>;

/** What the operator asked for cannot be done; one clear line. */
export class CommandError extends Error {
  /** By which it is told from other errors. */
  override name = "CommandError";
}

/**
 * Runs a command on the configured database. `expected` are its arguments, those in brackets may be left out; `own` its flags beside the server's.
 * Resolves with the exit code: 0, 1 if it could not be done, 2 for bad arguments.
 */
export function command(args: string[], expected: string[], work: Work, own: string[] = []): Promise<number> {
  return unopened(args, expected, async (positionals, config, flags) => {
    const store = await openStore(config, false);
    try {
      return await work(store, positionals, config, flags);
    } finally {
      await store.close();
    }
  }, own);
}

/** The same for a command that does not open the database: it stays of the version that it is of. */
export async function unopened(args: string[], expected: string[], work: Unopened, own: string[] = []): Promise<number> {
  try {
    const positionals: string[] = [];
    const { flags, rest } = ownFlags(args, own);
    const config = parseConfig(rest, (name) => Deno.env.get(name), positionals);
    const needed = expected.filter((name) => !name.startsWith("["));
    if (positionals.length < needed.length || positionals.length > expected.length) {
      throw new ConfigError(`wanted: ${expected.join(" ") || "no arguments"} (and flags); natter --help says more`);
    }
    if (config.database.kind === "sqlite" && !await exists(config.database.path)) {
      throw new CommandError(`there is no database ${config.database.path}`);
    }
    const said = await work(positionals, config, flags);
    if (said) print(said);
    return 0;
  } catch (error) {
    const expected = error instanceof ConfigError || error instanceof CommandError || error instanceof StoreRefused ||
      error instanceof StoreUnavailable;
    complain(expected ? error.message : String(error));
    return error instanceof ConfigError ? 2 : 1;
  }
}

/** The flags that are the command's own, with their values, and the other arguments. Throws {@linkcode ConfigError}. */
function ownFlags(args: string[], own: string[]): { flags: Record<string, string>; rest: string[] } {
  const flags: Record<string, string> = {};
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const [, name, inline] = /^--([a-z]+)(?:=(.*))?$/s.exec(args[i]!) ?? [];
    if (name === undefined || !own.includes(name)) {
      rest.push(args[i]!);
      continue;
    }
    const value = inline ?? args[++i];
    if (!value || (inline === undefined && value.startsWith("--"))) throw new ConfigError(`--${name} needs a value`);
    flags[name] = value;
  }
  return { flags, rest };
}

/** A new password, asked for on the terminal or read from stdin, and hashed. Throws {@linkcode CommandError}. */
export async function newPassword(prompt: string): Promise<string> {
  const password = await readPassword(prompt);
  if (password === "") throw new CommandError("no password: it is asked for on a terminal, or is the first line of the input");
  const bytes = new TextEncoder().encode(password).length;
  if (bytes > MAX_PASSWORD) throw new CommandError(`a password has 1 to ${MAX_PASSWORD} bytes`);
  return await new Passwords().hash(password);
}

/** A user by number or by name. Throws {@linkcode CommandError} if there is none. */
export async function find(store: Store, who: string): Promise<Account> {
  const account = await store.findUser(/^\d+$/.test(who) ? { id: Number(who) } : { key: comparableName(who) });
  if (!account) throw new CommandError(`there is no user ${who}`);
  return account;
}

/** Whether it may be there: of what cannot be looked at SQLite says why. */
async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => !(error instanceof Deno.errors.NotFound));
}
