// What the tests of the store's contract say again and again.

import { assert, assertEquals } from "@std/assert";
import type { Append, Appended, Claim, Claiming, DeviceId, GroupId, SessionKey, Store, UserId } from "../../src/store/store.ts";

/** A session on device 0 (or as `more` says), proved by the password that the user has now. */
export async function tryClaim(store: Store, userId: UserId, session: string, more: Partial<Claiming> = {}): Promise<Claim> {
  const version = (await store.findUser({ id: userId }))?.version ?? 0;
  return await store.claim({ userId, session, proof: { version }, device: 0, address: "192.0.2.1", at: Date.now(), ...more });
}

/** The same, which must be claimed. @returns the session by its key. */
export async function claim(store: Store, userId: UserId, session: string, more: Partial<Claiming> = {}): Promise<SessionKey> {
  const claimed = await tryClaim(store, userId, session, more);
  assert(claimed.result === "claimed", `claim: ${JSON.stringify(claimed)}`);
  return { userId, device: claimed.device.id, session };
}

/** A new device of this name, with a session. */
export function addDevice(store: Store, userId: UserId, name: string, session = `${userId} ${name}`): Promise<SessionKey> {
  return claim(store, userId, session, { device: { name } });
}

/** Ends a session. */
export function release(store: Store, key: SessionKey, lastseen = Date.now(), confirmed?: number): Promise<void> {
  return store.release([{ ...key, lastseen, ...(confirmed === undefined ? {} : { confirmed }) }]);
}

/** Confirms up to `seq`. */
export function confirm(store: Store, key: SessionKey, seq: number): Promise<void> {
  return store.confirm([{ ...key, seq }]);
}

/** Where a device stands in the log, and where the log ends. */
export async function place(store: Store, userId: UserId, device: DeviceId = 0): Promise<{ confirmed: number; last: number }> {
  return (await store.welcome(userId, device)).inbox;
}

/** The numbers of what stands in the log after `after`. */
export async function seqs(store: Store, userId: UserId, after = 0): Promise<number[]> {
  return (await store.log(userId, after, 100_000, 1e9)).map((entry) => entry.seq);
}

/** The texts that stand in the log after `after`. */
export async function texts(store: Store, userId: UserId, after = 0): Promise<string[]> {
  return (await store.log(userId, after, 100_000, 1e9)).map((entry) => entry.msg);
}

/** What becomes of one message. */
export async function one(store: Store, append: Append): Promise<Appended> {
  const results = await store.append([append]);
  assertEquals(results.length, 1);
  return results[0]!;
}

/** A message that was stored. */
export type Stored = Extract<Appended, { errno: "OK" }>;

/** One message, which must be stored. */
export async function stored(store: Store, append: Append): Promise<Stored> {
  const result = await one(store, append);
  assert(result.errno === "OK", `append: ${result.errno}`);
  return result;
}

/** `count` messages from one to another, each of which must be stored. */
export async function say(store: Store, sender: UserId, toid: UserId, count = 1): Promise<void> {
  for (let left = count; left > 0; left -= store.appendLimit) {
    const batch = Array.from({ length: Math.min(left, store.appendLimit) }, (): Append => ({ sender, toid, msg: "x", ts: 1 }));
    for (const result of await store.append(batch)) assertEquals(result.errno, "OK");
  }
}

/** A group of these, the first its creator. */
export async function group(store: Store, ...[creator, ...others]: UserId[]): Promise<GroupId> {
  const name = crypto.randomUUID();
  const created = await store.createGroup(creator!, name, name, "");
  assert(typeof created === "object", `createGroup: ${created}`);
  for (const id of others) assertEquals(typeof await store.joinGroup(id, { id: created.groupid }), "object");
  return created.groupid;
}

/** A token's hash. */
export function hash(n: number): Uint8Array {
  return new Uint8Array(32).fill(n);
}
