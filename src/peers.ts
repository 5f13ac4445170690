/** What this node does with what other nodes tell it. */
import type { BusListener, BusMessage } from "./cluster/bus.ts";
import type { Delivery } from "./chat/delivery.ts";
import type { PresenceNews } from "./chat/presence_news.ts";
import type { Signals } from "./chat/signals.ts";
import type { ConnectionTable } from "./presence/connection_table.ts";
import type { NodeLife } from "./presence/node_life.ts";
import type { RemoteHolders } from "./presence/remote_holders.ts";
import type { Session } from "./presence/session.ts";
import type { Turns } from "./async/turns.ts";
import type { UserId } from "./store/store.ts";

/** Does what other nodes ask for. */
export class Peers implements BusListener {
  /** Joins its parts. */
  constructor(
    private readonly parts: {
      table: ConnectionTable;
      turns: Turns<UserId>;
      delivery: Delivery;
      news: PresenceNews;
      signals: Signals;
      remote: RemoteHolders;
      node: NodeLife;
      replaced: (session: Session) => void;
    },
  ) {}

  received(message: BusMessage): void {
    const { table, delivery, news, signals, remote, turns, replaced } = this.parts;
    if (message.type === "deliver") {
      for (const [userId, seq] of message.receivers) {
        const session = table.get(userId);
        if (session) delivery.push(session, seq, message.head);
      }
    } else if (message.type === "presence") { for (const watcher of message.watchers) news.tellHere(watcher, message); }
    else if (message.type === "signal") signals.sendHere(message.from, message.to, message.line);
    else if (message.type === "probe") void remote.answer(message, table, turns);
    else if (message.type === "probed") remote.answered(message);
    else if (message.type === "replaced") {
      // It may be on its way from its claim to the table.
      void turns.run(message.userId, () => {
        const session = table.get(message.userId);
        if (session?.id === message.session) replaced(session);
        return Promise.resolve();
      });
    }
  }

  returned(): void {
    this.parts.node.reconcileSoon();
  }
}
