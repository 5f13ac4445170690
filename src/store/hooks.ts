/**
 * What a store keeps of hooks, by which programs write into groups.
 *
 * 1. What comes by a hook is said by its bot: a user whose account nobody has, as if it were deleted. So it has no log, is found by nobody, logs in nowhere; and
 *    it is no member of the group, so it is in no count and is told nothing.
 * 2. A bot has its name as users have theirs: no other user has it, or one that looks like it. It keeps it while the group is there, also when the hook is off.
 * 3. Whether a hook may write is decided in the transaction that stores the message: after the commit that ends it, nothing comes by it.
 */
import type { GroupRefusal } from "./group_store.ts";
import type { GroupId, UserId } from "./store.ts";

/** A hook that is on. */
export interface Hook {
  /** The bot that says what comes by it. */
  bot: UserId;
  /** The bot's name. */
  name: string;
  /** Where it says it. */
  groupid: GroupId;
}

/** A bot's name: as it is shown, its comparable form (`wire/names.ts`), and what it looks like (`wire/looks.ts`). */
export interface BotName {
  /** As it is shown. */
  name: string;
  /** Its comparable form. */
  key: string;
  /** What it looks like. */
  look: string;
}

/** The part of a store that is hooks. */
export interface HookStore {
  /**
   * By creator and moderators, or by the operator (undefined): from now on the group's hook of that name has the key of this hash, and no other.
   * INVALID: a user, or another group's bot, has the name, or one that looks like it. FULL: the group has {@linkcode MAX_HOOKS}.
   */
  makeHook(by: UserId | undefined, groupid: GroupId, name: BotName, hash: Uint8Array): Promise<"OK" | GroupRefusal | "INVALID" | "FULL">;
  /** By creator and moderators: the group's hook of that comparable name, if there is one, is off. */
  endHook(by: UserId, groupid: GroupId, key: string): Promise<"OK" | GroupRefusal>;
  /** The hook whose key has this hash; undefined: there is none that is on. */
  findHook(hash: Uint8Array): Promise<Hook | undefined>;
  /** The public group whose name has this comparable form; undefined: there is none. */
  findGroup(key: string): Promise<GroupId | undefined>;
}

/** Most hooks of a group, those that are off among them. */
export const MAX_HOOKS = 20;
