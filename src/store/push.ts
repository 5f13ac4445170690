/**
 * What a store keeps of Web Push: for which devices there is a subscription, and the key by which push services know this database's servers.
 *
 * 1. A subscription is a device's, and goes with the device. Device 0, which all share that know nothing of devices, has none.
 * 2. An endpoint is one browser's: who subscribes with one that another device had has taken it over.
 * 3. Whom a message is pushed to is looked up behind its commit, all at once for many messages (`pushTargets`).
 * 4. Who has muted a group is told of what speaks to them by name (`isMentioned`). SQL chooses what has an `@` at all, each text is read once, and the rest is found
 *    in as many turns as it takes: messages may be long, and groups large.
 */
import { inTurns } from "../async/loop.ts";
import { isMentioned } from "../search/mentions.ts";
import type { DeviceId, GroupId, SessionKey, UserId } from "./store.ts";

/** Where a device's push service takes what is for it, and by what that is encrypted (RFC 8291), in base64url. */
export interface Subscription {
  /** An https URL. */
  endpoint: string;
  /** The browser's public key. */
  p256dh: string;
  /** The secret that it shares with whoever may push. */
  auth: string;
  /** What is said is to go along. */
  text: boolean;
}

/** The pair of keys by which push services know who sends (RFC 8292), in base64url: a point of P-256, and a JWK of its private key, as JSON. */
export interface PushKey {
  /** Told to whoever subscribes. */
  publicKey: string;
  /** Told to nobody. */
  privateKey: string;
}

/** A message that stands in a user's log, or what an EDIT made of one. */
export interface PushAsked {
  /** Its number. */
  messageid: number;
  /** Whose log. */
  userId: UserId;
  /** Its number there, or that of the EDIT. */
  seq: number;
  /** What was said before the EDIT. */
  former?: string;
}

/** A device that is to be told of a message. */
export interface PushTarget extends Subscription {
  /** Whose. */
  userId: UserId;
  /** On which device of theirs. */
  device: DeviceId;
  /** It has a session, and may yet get the message by that. */
  online: boolean;
  /** The message. */
  messageid: number;
  /** Its number in the log. */
  seq: number;
  /** When it was sent (ms). */
  ts: number;
  /** Who sent it. */
  sender: UserId;
  /** That one's name. */
  name: string;
  /** In which group. */
  groupid?: GroupId;
  /** That one's name. */
  groupname?: string;
  /** What it says, as far as {@linkcode PUSHED_TEXT}, if that is to go along. */
  msg?: string;
}

/** So many characters of what is said go along. */
export const PUSHED_TEXT = 300;

/** The part of a store that is Web Push; the rules of the store hold for it. */
export interface PushStore {
  /** The key of this database: `fresh`, if it has none yet. */
  pushKey(fresh: PushKey): Promise<PushKey>;
  /** The device is pushed to from now on; undefined: no more. False: there is no such device with this session any more. */
  setPush(key: SessionKey, subscription: Subscription | undefined): Promise<boolean>;
  /** The user's subscriptions, by device. */
  pushesOf(userId: UserId): Promise<(Subscription & { device: DeviceId })[]>;
  /** This endpoint takes nothing any more. Nothing changes if another one is the device's by now. */
  endPush(userId: UserId, device: DeviceId, endpoint: string): Promise<void>;
  /** Up to `limit` subscriptions with numbers above `after`, and whose they are. Each that is made, or changed, has a higher number than all that were committed before. */
  pushed(after: number, limit: number): Promise<{ id: number; userId: UserId }[]>;
  /**
   * The devices that have a subscription, have not confirmed these messages, and are to be told of them at `now` (ms): the message is there, the account is open, the
   * user has not read it, did not archive the conversation, nor mute it (unless it is a group, and the message speaks to them by name), does not block the sender,
   * and is in the group; and it is not silent. Of an EDIT only where the group is muted, and speaks to them what did not before. At most {@linkcode MOST_LOOKED_UP}.
   */
  pushTargets(asked: readonly PushAsked[], now: number): Promise<PushTarget[]>;
}

/** So many entries of logs are asked for at once. */
export const MOST_LOOKED_UP = 200;

/** A device that may be to be told. `muted`: if the message speaks to the user, whose name this is; null: anyway. */
export interface MaybeTarget {
  /** The device, and the message. */
  target: PushTarget;
  /** The user's name, where the group is muted. */
  muted: string | null;
}

/** Those of whose messages muted groups may tell. */
export function mutedMessages(maybe: readonly MaybeTarget[]): number[] {
  return [...new Set(maybe.filter(({ muted }) => muted !== null).map(({ target }) => target.messageid))];
}

/** Those that are to be told (rule 4). `texts`: what the messages say, by number. */
export async function spokenTo(
  asked: readonly PushAsked[],
  maybe: readonly MaybeTarget[],
  texts: ReadonlyMap<number, string>,
): Promise<PushTarget[]> {
  const formers = new Map(asked.flatMap(({ userId, seq, former }) => former === undefined ? [] : [[`${userId} ${seq}`, former]]));
  const told: PushTarget[] = [];
  await inTurns((function* () {
    for (const { target, muted } of maybe) {
      const former = formers.get(`${target.userId} ${target.seq}`);
      // Who has not muted the group was told of the message.
      if (muted === null) {
        if (former === undefined) told.push(target);
      } else {
        if (isMentioned(muted, texts.get(target.messageid) ?? "") && !isMentioned(muted, former ?? "")) told.push(target);
        yield;
      }
    }
  })());
  return told;
}
