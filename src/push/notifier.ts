/**
 * Who is told by Web Push of a message that was stored: their devices that have a subscription and no session.
 *
 * 1. The node that stored a message pushes it, wherever its receivers were: so it is pushed once, on any number of nodes.
 * 2. A message pays a look into a set for it: whose devices have subscriptions at all. Everything else happens behind it, in rounds: whom a message is pushed to is
 *    asked of the database for many at once (`store.pushTargets`), which knows who is here by then, who has muted, blocked, read.
 * 3. The set only grows, by what is new in the database; who is in it and has no subscription any more costs a question.
 * 4. A device that has a session may be gone without a word. It is looked at again when its heartbeat has told: then the message is confirmed, or there is no session.
 *    That may take longer (its node was stopped, and grants everyone their time once more; its client takes nothing, and is gone after a minute): a few times more it is
 *    looked at, each time twice as late.
 * 5. What waits is bounded: what is too much is dropped. What is in memory when a node dies is not pushed; it is in the log all the same.
 * 6. What is pushed is what the message says when it is looked up: what was deleted by then is not.
 * 7. An EDIT is looked up for whom it speaks to by name, where the text before it did not. A message may be looked up when it is edited already, and says the
 *    same: what was pushed in this round and in the one before is not pushed again.
 */
import { inTurns } from "../async/loop.ts";
import { Rounds } from "../async/rounds.ts";
import { within } from "../async/within.ts";
import type { Counters } from "../ops/counters.ts";
import { log } from "../ops/log.ts";
import { MOST_LOOKED_UP, type PushAsked, type PushKey, type PushTarget } from "../store/push.ts";
import { type DeviceId, type Receiver, type Store, StoreUnavailable, type UserId } from "../store/store.ts";
import type { Notice, Sender, SenderOptions } from "./sender.ts";

/** Between two rounds, and until the next try when the database is away (ms). */
const ROUND_MS = 200, ASK_AGAIN_MS = 1000;
/** Between two looks for new subscriptions of other nodes (ms). */
export const SUBSCRIPTIONS_MS = 2000;
/** A subscription with a lower number may be committed so much later than one with a higher (ms). */
const LATE_COMMIT_MS = 60_000;
/** What may wait to be looked up: entries of logs. */
const MOST_ENTRIES = 100_000;
/** Subscriptions that are read at once. */
const PAGE = 1000;
/** How long what waits is sent when the server stops (ms). */
const LAST_PUSHES_MS = 2000;

/** How often a device that has a session, and does not confirm, is looked at again; oftener than once only in this part of the room for what waits. */
const MOST_AGAIN = 3, AGAIN_PART = 1 / 2;
/** What is remembered of texts counts as an entry more for so many characters. */
const FORMER_SIZE = 100;

/** A message that was stored, or edited. */
export interface StoredOne {
  /** Its number. */
  messageid: number;
  /** Who said it. */
  sender: UserId;
  /** In whose logs it stands. */
  receivers: readonly Receiver[];
  /** It was edited: what it said before. */
  former?: string;
}

/** An entry of a log that is looked up. `here`: not for the first time, but for these devices, which had a session in all the `looks` before. */
type Asked = PushAsked & { here?: DeviceId[]; looks?: number };

/** What the notifier is made of. */
export interface NotifierParts {
  /** Where subscriptions stand. */
  store: Store;
  /** What became of pushes. */
  counters: Counters;
  /** Who runs this server: an https URL; undefined: not known. */
  contact: string | undefined;
  /** After how long a session that is gone is known to be (ms). */
  goneAfter: number;
  /** Between two looks for subscriptions (ms). */
  interval: number;
  /** How pushes are sent. */
  options: SenderOptions;
}

/** Looks who is to be told, and has them told. */
export class Notifier {
  readonly #parts: NotifierParts;
  readonly #subscribed = new Set<UserId>();
  /** The numbers of subscriptions that were read, and when: the first of them is older than {@linkcode LATE_COMMIT_MS}, if there is one. */
  readonly #read: { id: number; at: number }[] = [{ id: 0, at: 0 }];
  readonly #rounds: Rounds[] = [];
  #ended: Promise<unknown> = Promise.resolve();
  #stored: StoredOne[] = [];
  /** Entries of logs in `#stored`. */
  #entries = 0;
  /** To be looked at again, and when (ms, `performance.now`). */
  #again: { asked: Asked; at: number }[] = [];
  /** What was pushed in the last round: user, device and message. */
  #pushed = new Set<string>();
  #key: PushKey | undefined;
  #sender: Sender | undefined;
  #closed = false;

  /** Nobody is told before {@linkcode Notifier.start}. */
  constructor(parts: NotifierParts) {
    this.#parts = parts;
  }

  /** By which push services know this server, in base64url. Throws what the store throws. */
  async publicKey(): Promise<string> {
    this.#key ??= await this.#parts.store.pushKey(await (await import("./vapid.ts")).newPushKey());
    return this.#key.publicKey;
  }

  /** What waits to be looked up, or to be sent. */
  get waiting(): number {
    return this.#entries + this.#again.length + (this.#sender?.waiting ?? 0);
  }

  /** Begins to look. */
  start(): void {
    const failed = (error: unknown) => {
      // The node's loop says so.
      if (!(error instanceof StoreUnavailable)) log.error("pushing failed", { error });
    };
    this.#rounds.push(new Rounds(this.#parts.interval, () => this.#look(), failed), new Rounds(ROUND_MS, () => this.#round(), failed, ROUND_MS));
  }

  /** This user has a subscription from now on. */
  subscribed(userId: UserId): void {
    this.#subscribed.add(userId);
  }

  /** A message was stored, and is to disturb its receivers. */
  stored(message: StoredOne): void {
    const { sender, receivers } = message;
    if (this.#subscribed.size === 0) return;
    // A few are looked at now; of many nobody waits for that.
    if (receivers.length <= 4 && !receivers.some(({ userId }) => userId !== sender && this.#subscribed.has(userId))) return;
    const entries = entriesOf(message);
    if (this.#entries + entries > MOST_ENTRIES) return this.#parts.counters.pushes.add("dropped");
    this.#entries += entries;
    this.#stored.push(message);
  }

  /** No more rounds begin. */
  stop(): void {
    this.#ended = Promise.all(this.#rounds.map((rounds) => rounds.close()));
  }

  /**
   * What is under way and what waits is done, as far as that takes no long; then nothing more. After {@linkcode Notifier.stop}, and when the database was told which
   * sessions have ended.
   */
  async close(): Promise<void> {
    await within(this.#ended, LAST_PUSHES_MS);
    // What waits for sessions of this node: they have ended.
    for (const again of this.#again) again.at = 0;
    if (this.#stored.length + this.#again.length > 0) await within(this.#round(), LAST_PUSHES_MS).catch(() => {});
    // A database that answers later finds nobody who sends.
    this.#closed = true;
    if (!this.#sender) return;
    await within(this.#sender.idle(), LAST_PUSHES_MS);
    await this.#sender.close();
  }

  /** Reads which subscriptions are new. */
  async #look(): Promise<void> {
    const { store } = this.#parts;
    await this.publicKey();
    const now = performance.now();
    for (let after = this.#read[0]!.id;;) {
      const rows = await store.pushed(after, PAGE);
      for (const { userId } of rows) this.#subscribed.add(userId);
      after = rows.at(-1)?.id ?? after;
      if (rows.length === PAGE) continue;
      if (after > this.#read.at(-1)!.id) this.#read.push({ id: after, at: now });
      while (this.#read.length > 1 && this.#read[1]!.at < now - LATE_COMMIT_MS) this.#read.shift();
      return;
    }
  }

  async #round(): Promise<void> {
    const now = performance.now();
    const due = this.#again.filter(({ at }) => at <= now);
    if (due.length > 0) this.#again = this.#again.filter(({ at }) => at > now);
    const stored = this.#stored;
    this.#stored = [];
    const asked: Asked[] = due.map(({ asked }) => asked);
    await inTurns(this.#choosing(stored, asked));
    this.#entries -= stored.reduce((sum, message) => sum + entriesOf(message), 0);
    await this.#tell(asked);
  }

  /** Of all in whose logs these stand, those who may have subscriptions. */
  *#choosing(stored: StoredOne[], asked: Asked[]): Generator<void, void> {
    for (const { messageid, sender, receivers, former } of stored) {
      for (let i = 0; i < receivers.length; i += PAGE) {
        for (const { userId, seq } of receivers.slice(i, i + PAGE)) {
          if (userId !== sender && this.#subscribed.has(userId)) asked.push({ messageid, userId, seq, ...former === undefined ? {} : { former } });
        }
        yield;
      }
    }
  }

  /** Has those told who are to be. */
  async #tell(asked: Asked[]): Promise<void> {
    const { store, goneAfter } = this.#parts;
    const before = this.#pushed, pushed = this.#pushed = new Set<string>();
    for (let i = 0; i < asked.length; i += MOST_LOOKED_UP) {
      const some = asked.slice(i, i + MOST_LOOKED_UP);
      const targets = await store.pushTargets(some, Date.now()).catch((error) => {
        this.#later(asked.slice(i), ASK_AGAIN_MS);
        throw error;
      });
      const byPlace = Map.groupBy(targets, placeOf);
      for (const entry of some) {
        const found = (byPlace.get(placeOf(entry)) ?? []).filter(({ device }) => entry.here?.includes(device) ?? true);
        for (const target of found) {
          const what = `${target.userId} ${target.device} ${target.messageid}`;
          if (target.online || before.has(what) || pushed.has(what)) continue;
          pushed.add(what);
          (await this.#senderOf())?.push(noticeOf(target));
        }
        const here = found.filter(({ online }) => online).map(({ device }) => device);
        // Whether they are spoken to anew is known then.
        const { former: _, looks = 0, ...again } = entry;
        const room = looks === 0 || this.#again.length < MOST_ENTRIES * AGAIN_PART;
        if (here.length > 0 && looks < MOST_AGAIN && room) this.#later([{ ...again, here, looks: looks + 1 }], goneAfter * 2 ** looks);
      }
    }
  }

  #later(entries: Asked[], ms: number): void {
    const at = performance.now() + ms;
    const room = Math.max(0, MOST_ENTRIES - this.#again.length);
    for (const asked of entries.slice(0, room)) this.#again.push({ asked, at });
    if (entries.length > room) this.#parts.counters.pushes.add("dropped", entries.length - room);
  }

  /** What sends is loaded when there is something to be sent. */
  async #senderOf(): Promise<Sender | undefined> {
    if (this.#sender || !this.#key) return this.#sender;
    const { Sender } = await import("./sender.ts");
    if (this.#closed) return undefined;
    const { store, contact, options, counters } = this.#parts;
    const gone = ({ userId, device, subscription }: Notice) => store.endPush(userId, device, subscription.endpoint);
    const stands = async ({ userId, device, subscription: { endpoint } }: Notice) =>
      (await store.pushesOf(userId)).some((one) => one.device === device && one.endpoint === endpoint);
    return this.#sender ??= new Sender({ key: this.#key, contact, options, results: counters.pushes, gone, stands });
  }
}

/** As how many entries of logs it counts. */
function entriesOf({ receivers, former = "" }: StoredOne): number {
  return receivers.length + Math.floor(former.length / FORMER_SIZE);
}

function placeOf({ userId, seq }: PushAsked): string {
  return `${userId} ${seq}`;
}

function noticeOf(target: PushTarget): Notice {
  const { userId, device, endpoint, p256dh, auth, text, messageid, ts, sender, name, groupid, groupname, msg } = target;
  return {
    userId,
    device,
    subscription: { endpoint, p256dh, auth, text },
    conversation: groupid === undefined ? `user ${sender}` : `group ${groupid}`,
    text: JSON.stringify({ to: userId, id: sender, name, groupid, groupname, messageid, ts, msg }),
  };
}
