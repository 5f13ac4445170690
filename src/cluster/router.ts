/**
 * Here, or on another node: the one place where that is decided, and the only user of the bus.
 *
 * 1. Where somebody is says the transaction that made the news, or the database when it is asked. That counts before this node's table: a session that stands
 *    there may have been taken over already.
 * 2. What is for this node is handled before `send` returns; for other nodes it goes over the bus, and may be lost.
 * 3. Both ways lead to the same handlers, one for each kind of message; a kind without one does not compile.
 * 4. What comes over the bus costs nothing that comes with it: a kind that only nodes of a later version know is passed over, and what a handler throws is logged.
 */
import { log } from "../ops/log.ts";
import type { Receiver, UserId } from "../store/store.ts";
import type { EntryHead } from "../wire/encode.ts";
import type { Bus, BusListener, NodeMessage } from "./bus.ts";

/** What is done with a message for this node, by its kind. */
export type Handlers = { readonly [T in NodeMessage["type"]]: (message: NodeMessage & { type: T }) => void };

/** How a node joins its bus. */
export type JoinBus = (node: string, listener: BusListener) => Bus;

/** The way to whoever is to be told something, wherever they are. */
export class Router {
  /** This node's name. */
  readonly node: string;
  #bus: Bus | undefined;
  #handlers: Handlers | undefined;
  #lookAgain: () => void = () => {};

  /** It leads nowhere before {@linkcode Router.join}. */
  constructor(node: string) {
    this.node = node;
  }

  /** Joins the bus. `lookAgain`: something for this node may have been lost. */
  join(joinBus: JoinBus, handlers: Handlers, lookAgain: () => void): void {
    this.#handlers = handlers;
    this.#lookAgain = lookAgain;
    this.#bus = joinBus(this.node, { received: (message) => this.#received(message), returned: lookAgain });
  }

  /** There is no other node. */
  get alone(): boolean {
    return this.#bus?.alone ?? true;
  }

  /** Tells these nodes. */
  send(nodes: Iterable<string>, message: NodeMessage): void {
    for (const node of nodes) {
      if (node === this.node) this.#handle(message);
      else this.#bus?.send(node, message);
    }
  }

  /** What somebody was to be told will not come, for nobody could say where they are, or a node died with it: all nodes look for it. */
  lost(): void {
    this.#bus?.lost();
    this.#lookAgain();
  }

  /** Tells users, each on the nodes where they are: `message` makes what a node is told of those there. */
  sendTo<T>(to: Iterable<{ nodes: readonly string[]; item: T }>, message: (items: T[]) => NodeMessage): void {
    const byNode = new Map<string, T[]>();
    for (const { nodes, item } of to) {
      for (const node of nodes) {
        const there = byNode.get(node);
        if (there) there.push(item);
        else byNode.set(node, [item]);
      }
    }
    for (const [node, items] of byNode) this.send([node], message(items));
  }

  /** A log entry goes to the sessions of those in whose logs it stands. `own`: whose own message it is. */
  deliver({ head, old }: EntryHead, own: UserId | undefined, receivers: readonly Receiver[]): void {
    const message = (there: [UserId, number][]): NodeMessage => ({ type: "deliver", head, old, own, receivers: there });
    const [first] = receivers;
    // Nearly all messages have one receiver, who is on one node.
    if (first && receivers.length === 1 && first.nodes.length === 1) return this.send(first.nodes, message([[first.userId, first.seq]]));
    this.sendTo(receivers.map(({ userId, seq, nodes }) => ({ nodes, item: [userId, seq] as [UserId, number] })), message);
  }

  /** Whether anybody hears what is sent to that node. Rejects when the bus is away. */
  listens(node: string): Promise<boolean> {
    return this.#bus ? this.#bus.listens(node) : Promise.reject(new Error("the bus was not joined yet"));
  }

  /** Resolves when the bus answers. */
  async ping(): Promise<void> {
    await this.#bus?.ping();
  }

  /** Leaves the bus. */
  async close(): Promise<void> {
    await this.#bus?.close();
  }

  #received(message: NodeMessage): void {
    if (!Object.hasOwn(this.#handlers!, message.type)) return;
    try {
      this.#handle(message);
    } catch (error) {
      log.error("what another node sent could not be handled", { type: message.type, error });
    }
  }

  #handle(message: NodeMessage): void {
    const handle: (message: never) => void = this.#handlers![message.type];
    handle(message as never);
  }
}
