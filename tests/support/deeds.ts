/** What is done to messages in a store, and what it says of them then. */
import { assert } from "@std/assert";
import type { Acted, Conversation, Deed, LogEntry, Store, StoredMessage, UserId } from "../../src/store/store.ts";
import { history, stored } from "./stores.ts";

export type What<D = Deed> = D extends Deed ? Omit<D, "by" | "messageid" | "at"> : never;

export const edit = (msg: string): What => ({ what: "edit", msg });
export const remove: What = { what: "delete" };
export const react = (emoji: string, off = false): What => ({ what: "react", emoji, off });

export function act(store: Store, by: UserId, messageid: number, deed: What, at = 1000): Promise<Acted> {
  return store.act({ by, messageid, at, ...deed });
}

export async function done(store: Store, by: UserId, messageid: number, deed: What, at = 1000): Promise<Extract<Acted, { errno: "OK" }>> {
  const acted = await act(store, by, messageid, deed, at);
  assert(acted.errno === "OK", acted.errno);
  return acted;
}

export async function say(store: Store, sender: UserId, to: Conversation, msg = "hello", ts = 10): Promise<number> {
  return (await stored(store, { sender, ...to, msg, ts })).messageid;
}

export async function seen(store: Store, asker: UserId, of: Conversation): Promise<StoredMessage[]> {
  return (await history(store, asker, of)).messages;
}

export async function entries(store: Store, userId: UserId, after = 0): Promise<LogEntry[]> {
  return await store.log(userId, after, 10_000, 1e9);
}
