/**
 * What nodes tell one another. Truth is in the database: the bus carries only what may be lost.
 *
 * 1. `send` never waits and never throws. What is sent while the bus is away is dropped; the inbox is read at the next reconciling pass instead.
 * 2. What one node sends to another arrives in that order, or not at all.
 * 3. What is sent to a node of the same turn of the event loop may travel together.
 */
import type { State, UserId } from "../store/store.ts";

/** A message from one node to another. */
export type BusMessage =
  /** Stored in the inboxes of these receivers, who are with you: their `seq`, and the line up to it. */
  | { type: "deliver"; head: string; receivers: [UserId, number][] }
  /** A friend of these came or went. */
  | { type: "presence"; watchers: UserId[]; id: UserId; state: State; lastseen: number }
  /** A signal, ready to be sent. */
  | { type: "signal"; from: UserId; to: UserId[]; line: string }
  /** Is this session of yours alive? Answered by "probed" with the same number. `ask` false: only whether you hold it. */
  | { type: "probe"; number: number; node: string; userId: UserId; session: string; ask: boolean }
  | { type: "probed"; number: number; alive: boolean }
  /** This session of yours was taken over. */
  | { type: "replaced"; userId: UserId; session: string };

/** The way to the other nodes. */
export interface Bus {
  /** Sends to one node. To a node that does not exist it is nothing. */
  send(node: string, message: BusMessage): void;
  /** Whether anybody hears what is sent to that node. Rejects when the bus is away. */
  listens(node: string): Promise<boolean>;
  /** Resolves when the bus answers, in both directions. */
  ping(): Promise<void>;
  /** Leaves the bus. What is under way may be lost. */
  close(): Promise<void>;
}

/** What a node does with what it is sent. */
export interface BusListener {
  /** A message for this node has come. */
  received(message: BusMessage): void;
  /** The bus is back after it was away: something may have been lost. */
  returned(): void;
}
