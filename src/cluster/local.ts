/** The bus of nodes in one process. A server without `--redis` is alone on one; tests put several on it. */
import type { Bus, BusListener, NodeMessage } from "./bus.ts";

/** Joins the buses of one process. */
export class LocalHub {
  readonly #nodes = new Map<string, BusListener>();

  /** A bus for the node of this name. */
  join(node: string, listener: BusListener): Bus {
    this.#nodes.set(node, listener);
    const alone = () => this.#nodes.size === 1;
    const send = (to: string, message: NodeMessage) => queueMicrotask(() => this.#nodes.get(to)?.received(message));
    return {
      get alone() {
        return alone();
      },
      send,
      lost: () => {
        for (const other of this.#nodes.keys()) if (other !== node) send(other, { type: "missed", node });
      },
      listens: (other: string) => Promise.resolve(this.#nodes.has(other)),
      ping: () => Promise.resolve(),
      close: () => {
        if (this.#nodes.get(node) === listener) this.#nodes.delete(node);
        return Promise.resolve();
      },
    };
  }
}
