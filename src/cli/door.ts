/** The operator's commands on who comes in, who goes, and what users report. */
import { DAY_MS } from "../async/pause.ts";
import { hashCode, newCode } from "../auth/codes.ts";
import { hashToken, newToken } from "../auth/tokens.ts";
import { makeHook } from "../chat/hooks.ts";
import { ConfigError } from "../config/config.ts";
import { number } from "../config/values.ts";
import { Refusal } from "../wire/errors.ts";
import { isReserved, lookOf, mixesScripts } from "../wire/looks.ts";
import { comparableName, faultOfName } from "../wire/names.ts";
import { command, CommandError, find, newPassword } from "./command.ts";
import { json, print } from "./output.ts";

/** When a bot's token expires (ms): with the year 9999. */
const BOT_EXPIRES = Date.UTC(9999, 11, 31);

/** `natter invite`: prints a code by which others may register, and nothing else. */
export function invite(args: string[]): Promise<number> {
  return command(args, [], async (store, _, __, { uses = "1", days = "7" }) => {
    const code = newCode();
    const now = Date.now();
    const expires = now + whole("days", days, 30) * DAY_MS;
    await store.addInvite({ hash: hashCode(code)!, inviter: undefined, uses: whole("uses", uses, 1000), expires }, now, Infinity);
    return code;
  }, ["uses", "days"]);
}

/** `natter adduser NAME`: makes an account, whoever may register. Its password is asked for on the terminal or read from stdin. */
export function adduser(args: string[]): Promise<number> {
  return command(args, ["NAME"], async (store, [name]) => {
    const fault = faultOfKnownName(name!);
    if (fault) throw new CommandError(`the name ${fault}`);
    const key = comparableName(name!);
    const look = await lookOf(name!);
    const taken = new CommandError("the name is taken, or looks like another's");
    if (isReserved(look) || await store.findUser({ key })) throw taken;
    const id = await store.createUser(name!, key, await newPassword(`Password of ${name}: `), look);
    if (id === undefined) throw taken;
    return `${name} (${id}) may log in`;
  });
}

/** `natter bot NAME`: an account for a program. Prints the token by which it comes in, and nothing else; one that it had before holds no more. */
export function bot(args: string[]): Promise<number> {
  return command(args, ["NAME"], async (store, [name]) => {
    const fault = faultOfKnownName(name!);
    if (fault) throw new CommandError(`the name ${fault}`);
    const look = await lookOf(name!), token = newToken();
    const made = isReserved(look)
      ? "INVALID"
      : await store.makeBot({ name: name!, key: comparableName(name!), look }, hashToken(token)!, BOT_EXPIRES);
    if (made === "INVALID") throw new CommandError("the name is a user's, or looks like another's");
    return token;
  });
}

/** `natter deluser ID`: deletes an account. What the user said stays, under the name `deleted`. */
export function deluser(args: string[]): Promise<number> {
  return command(args, ["ID"], async (store, [who]) => {
    const { id, name } = await find(store, who!);
    if (!await store.deleteAccount(id, undefined, false)) throw new CommandError(`there is no user ${who}`);
    return `${name} (${id}) is deleted; a running server, or the next one, takes away what hangs on the account`;
  });
}

/** `natter hook GROUP NAME`: prints the address, or its path, by which programs write into a group, and nothing else. */
export function hook(args: string[]): Promise<number> {
  return command(args, ["GROUP", "NAME"], async (store, [group, name], { url }) => {
    const fault = faultOfKnownName(name!);
    if (fault) throw new CommandError(`the name ${fault}`);
    const groupid = /^\d+$/.test(group!) ? Number(group) : await store.findGroup(comparableName(group!));
    if (groupid === undefined) throw new CommandError(`there is no public group ${group}`);
    if (!Number.isSafeInteger(groupid)) throw new CommandError(`there is no group ${group}`);
    try {
      return `${url ?? ""}${await makeHook(store, undefined, groupid, name!)}`;
    } catch (error) {
      throw error instanceof Refusal ? new CommandError(error.message) : error;
    }
  });
}

function faultOfKnownName(name: string): string | undefined {
  return faultOfName(name) ?? (mixesScripts(name) ? "mixes letters of several scripts" : undefined);
}

/** Reports read at once. */
const REPORTS_AT_ONCE = 100;

/** `natter reports`: the messages that users reported, as they were then, a line each. */
export function reports(args: string[]): Promise<number> {
  return command(args, [], async (store) => {
    print(["at", "reported by", "reason", "message", "said by", "where", "when", "text"].join("\t"));
    for (let after = 0;;) {
      const page = await store.reports(after, REPORTS_AT_ONCE);
      for (const { at, reporter, reason, messageid, sender, toid, groupid, ts, msg } of page) {
        const where = toid === undefined ? `group ${groupid}` : `to ${toid}`;
        const [by, said] = [reporter, sender].map(({ id, name }) => `${name} (${id})`);
        print([new Date(at).toISOString(), by, json(reason), messageid, said, where, new Date(ts).toISOString(), json(msg)].join("\t"));
      }
      if (page.length < REPORTS_AT_ONCE) return;
      after = page[page.length - 1]!.id;
    }
  });
}

function whole(flag: string, text: string, most: number): number {
  try {
    return number({ least: 1, most, whole: true })(text);
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError(`--${flag}: ${error.message}`) : error;
  }
}
