/**
 * What nodes tell one another. Truth is in the database: the bus carries only what may be lost.
 *
 * 1. `send` never waits and never throws. What is sent while the bus is away is dropped; the log is read at the next reconciling pass instead. Who has lost something
 *    tells all others when the bus is back (`missed`): what is in no log is looked up then (`chat/lost_news.ts`). So does who could not find out whom to
 *    tell, and who buries a node, or is there again after it died.
 * 2. What one node sends to another arrives in that order, or not at all.
 * 3. What is sent to a node of the same turn of the event loop may travel together.
 */
import type { Conversation, DeviceId, GroupId, SessionKey, State, UserId } from "../store/store.ts";

/** What a user changed of their own, and what their other sessions are told of it. */
export type OwnChange =
  | { what: "contacts" | "devices" | "profile" | "conversations" | "invited" }
  /** `at`: the number of the event, by which what overtakes is told from what is news. */
  | { what: "groups"; groupid: GroupId; joined: boolean; at?: number }
  | { what: "blocked"; other: UserId; blocked: boolean };

/** A message from one node to another, or to itself. */
export type NodeMessage =
  /**
   * Stored in the logs of these users, who are with you: their `seq`, and the line up to it; `old` as in `EntryHead`. `own`: whose own message it is, if it went to
   * others.
   */
  | { type: "deliver"; head: string; old?: string | null | undefined; own?: UserId | undefined; receivers: [UserId, number][] }
  /** A user has read up to there, and these, who are with you, may know it; by way of the session `by`. */
  | { type: "read"; to: UserId[]; by: string; reader: UserId; of: Conversation; messageid: number }
  /** A friend of these is as the database says. */
  | { type: "presence"; watchers: UserId[]; id: UserId; state: State; lastseen: number | null }
  /** A signal, ready to be sent; one to a group goes to who still is in it. */
  | { type: "signal"; from: UserId; to: UserId[]; groupid?: GroupId; line: string }
  /** Is this session of yours alive? Answered by "probed" with the same number. `ask` false: only whether you hold it. */
  | { type: "probe"; number: number; node: string; userId: UserId; device: DeviceId; session: string; ask: boolean }
  | { type: "probed"; number: number; alive: boolean }
  /** This session of yours is to end: another has its device, or it is not wanted any more. */
  | { type: "ended"; cause: "replaced" | "kicked"; key: SessionKey }
  /** Something of a user who is with you changed, by way of their session `by`, or by another's doing. */
  | { type: "changed"; userId: UserId; by?: string | undefined; change: OwnChange }
  /** What this node sent, to you perhaps, was lost. */
  | { type: "missed"; node: string };

/** The way to the other nodes. */
export interface Bus {
  /** No other node can be on it. */
  readonly alone: boolean;
  /** Sends to one node. To a node that does not exist it is nothing. */
  send(node: string, message: NodeMessage): void;
  /** Something for other nodes was not sent, since nobody could say where to: they are told as if it had been lost. */
  lost(): void;
  /** Whether anybody hears what is sent to that node. Rejects when the bus is away. */
  listens(node: string): Promise<boolean>;
  /** Resolves when the bus answers, in both directions. */
  ping(): Promise<void>;
  /** Leaves the bus, when what was sent is under way, or a second later. */
  close(): Promise<void>;
}

/** What a node does with what it is sent. */
export interface BusListener {
  /** A message for this node has come. */
  received(message: NodeMessage): void;
  /** The bus is back after it was away: something may have been lost. */
  returned(): void;
}
