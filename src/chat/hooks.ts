/** Hooks, by which programs write into groups over HTTP: HOOK. A hook's key is told once, and kept as a hash. */
import { hashCode, newCode } from "../auth/codes.ts";
import type { Session } from "../net/session.ts";
import type { Limits } from "../ops/limits.ts";
import { type BotName, MAX_HOOKS } from "../store/hooks.ts";
import type { GroupId, Store, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import { isReserved, lookOf } from "../wire/looks.ts";
import type { Msg, Request } from "../wire/requests.ts";
import { comparableName } from "../wire/names.ts";
import { done } from "./moderation.ts";

/** Where hooks are asked for; the key follows. */
export const HOOKS_PATH = "/hooks";

/** Makes and ends hooks. */
export class Hooks {
  /** Joins its parts. */
  constructor(private readonly parts: { store: Store; limits: Limits }) {}

  /** HOOK: the path of a hook, which is told this once; or the hook is off. Throws {@linkcode Refusal}. */
  async hook(session: Session, { groupid, name, off }: Request<typeof Msg.HOOK>): Promise<{ url: string } | void> {
    const { store, limits } = this.parts;
    const retry = limits.seldom("hook", session.userId);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "you make too many hooks", { retry });
    if (off) return void done(await store.endHook(session.userId, groupid, comparableName(name)));
    return { url: await makeHook(store, session.userId, groupid, name) };
  }
}

/** Makes a hook, or gives it another key. `by` undefined: the operator. @returns the path of its address. Throws {@linkcode Refusal} */
export async function makeHook(store: Store, by: UserId | undefined, groupid: GroupId, name: string): Promise<string> {
  const bot: BotName = { name, key: comparableName(name), look: await lookOf(name) };
  const key = newCode();
  const outcome = isReserved(bot.look) ? "INVALID" : await store.makeHook(by, groupid, bot, hashCode(key)!);
  if (outcome === "INVALID") throw new Refusal(Errno.INVALID, "the name is taken, or looks like another's");
  if (outcome === "FULL") throw new Refusal(Errno.FULL, `a group has at most ${MAX_HOOKS} hooks`);
  done(outcome);
  return `${HOOKS_PATH}/${key}`;
}
