// What the tests of the store's contract say again and again.

import { assert, assertEquals } from "@std/assert";
import type {
  Append,
  Appended,
  Claim,
  Claiming,
  Conversation,
  DeviceId,
  Group,
  GroupId,
  HistoryPage,
  Part,
  SessionKey,
  Store,
  StoredMessage,
  Told,
  UserId,
} from "../../src/store/store.ts";
import type { TestDatabase } from "./databases.ts";
import { eventually } from "./server.ts";

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
export function addDevice(
  store: Store,
  userId: UserId,
  name: string,
  session = `${userId} ${name}`,
  more: Partial<Claiming> = {},
): Promise<SessionKey> {
  return claim(store, userId, session, { device: { name }, ...more });
}

/** Sessions that are proved by the first password of their users. */
export function proved(...keys: SessionKey[]): (SessionKey & Pick<Claiming, "proof">)[] {
  return keys.map((key) => ({ ...key, proof: { version: 1 } }));
}

/** Ends a session. */
export async function release(store: Store, key: SessionKey, lastseen = Date.now(), confirmed?: number): Promise<void> {
  assertEquals(await store.release([{ ...key, lastseen, ...(confirmed === undefined ? {} : { confirmed }) }]), []);
}

/** Confirms up to `seq`. */
export async function confirm(store: Store, key: SessionKey, seq: number): Promise<void> {
  assertEquals((await store.confirm([{ ...key, seq }])).size, 0);
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
  return (await logOf(store, userId, after, 100_000, 1e9)).map((entry) => entry.msg);
}

/** The texts that stand in the log after `after`; beside them stands nothing but what happened in groups. */
export async function logOf(store: Store, userId: UserId, after: number, limit: number, bytes: number): Promise<(StoredMessage & { seq: number })[]> {
  return (await store.log(userId, after, limit, bytes)).flatMap((entry) => {
    if ("groupname" in entry) return [];
    assert(entry.what === undefined, `no text: ${JSON.stringify(entry)}`);
    return entry;
  });
}

/** A part of a conversation as somebody sees it who may, without what happened in the group. */
export async function history(
  store: Store,
  asker: UserId,
  of: Conversation,
  part: Part = {},
  limit = 1000,
  bytes = 1e9,
): Promise<Omit<HistoryPage, "messages"> & { messages: StoredMessage[] }> {
  const page = await store.history(asker, of, part, limit, bytes, true);
  assert(typeof page === "object", `history: ${page}`);
  return { ...page, messages: page.messages.filter((message) => message.what === undefined) };
}

/** What becomes of one message. */
export async function one(store: Store, append: Append): Promise<Appended> {
  const results = await store.append([append]);
  assertEquals(results.length, 1);
  assert(results[0]!.errno !== "HELD");
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

/** A group of these, the first its creator, as of 0.1: no log tells who came. */
export async function group(t: TestDatabase, store: Store, ...[creator, ...others]: UserId[]): Promise<GroupId> {
  const name = crypto.randomUUID();
  const created = await store.createGroup(creator!, name, name, "");
  assert(typeof created === "object", `createGroup: ${created}`);
  const { groupid } = created;
  if (others.length === 0) return groupid;
  const members = others.map((id, i) => `(${groupid}, ${id}, 'normal', ${i + 2})`);
  await t.query(`INSERT INTO groupuser (groupid, userid, grouprole, joined) VALUES ${members}`);
  await t.query(`INSERT INTO talk (userid, toid, groupid, upto) VALUES ${others.map((id) => `(${id}, 0, ${groupid}, 0)`)}`);
  await t.query(`UPDATE allgroup SET count = ${others.length + 1} WHERE id = ${groupid}`);
  return groupid;
}

/** Somebody comes into a group: as that one sees it then, or why not. */
export async function join(store: Store, userId: UserId, wanted: Parameters<Store["joinGroup"]>[1]): Promise<Group | string> {
  const joined = await store.joinGroup(userId, wanted, 1);
  return typeof joined === "object" ? joined.group : joined;
}

/** A member goes, who must be one. @returns what was told of it. */
export async function leave(store: Store, userId: UserId, groupid: GroupId): Promise<Told[]> {
  const told = await store.leaveGroup(userId, groupid, 1);
  assert(typeof told === "object", `leaveGroup: ${told}`);
  return "closed" in told ? [] : told;
}

/** A token's hash. */
export function hash(n: number): Uint8Array {
  return new Uint8Array(32).fill(n);
}

/** Whether each user is online, in their order. */
export async function states(t: TestDatabase): Promise<unknown[]> {
  return (await t.query("select state from user order by id")).map((row) => row.state);
}

/** The user's row and the truth that follows from the devices' rows. */
export async function online(t: TestDatabase, userId: number): Promise<[state: unknown, sessions: number]> {
  const [user] = await t.query(`select state from user where id = ${userId}`);
  const devices = await t.query(`select session from device where userid = ${userId} and session is not null`);
  return [user?.state, devices.length];
}

/** Goes on with the index until it has all messages: without a pause while there is more to do at once. Throws an Error after `ms`. */
export async function indexed(store: Store, ms?: number): Promise<void> {
  await eventually(
    async () => {
      for (;;) {
        const { behind, more } = await store.index();
        if (!more) return behind === 0;
      }
    },
    "the index is there",
    ms,
  );
}
