/** CHANGED: what a user does on one device, the others learn. It is state: a client that hears of it asks again, and LOGIN_ACK tells all of it. */
import type { NodeMessage, OwnChange } from "../cluster/bus.ts";
import type { Router } from "../cluster/router.ts";
import type { Session } from "../net/session.ts";
import { log } from "../ops/log.ts";
import type { ConnectionTable } from "../presence/connection_table.ts";
import type { Store } from "../store/store.ts";
import { Msg } from "../wire/msgid.ts";
import type { Pushes } from "./pushes.ts";
import type { Signals } from "./signals.ts";
import type { Ties } from "./ties.ts";

/** Tells a user's sessions of what the user changed. */
export class Changes {
  /** Joins its parts. */
  constructor(private readonly parts: { store: Store; router: Router; table: ConnectionTable; ties: Ties; signals: Signals; pushes: Pushes }) {}

  /** A user changed something by way of this session, and the database has it. */
  made(session: Session, change: OwnChange): void {
    const { store, router } = this.parts;
    const message: NodeMessage = { type: "changed", userId: session.userId, by: session.id, change };
    router.send([router.node], message);
    if (router.alone) return;
    store.whereabouts([session.userId]).then(
      (found) => router.send(found.get(session.userId)?.nodes.filter((node) => node !== router.node) ?? [], message),
      (error) => log.warning("a user's other devices were not told of a change", { user: session.userId, error }),
    );
  }

  /** A user who is here changed something, here or elsewhere. */
  heard({ userId, by, change }: NodeMessage & { type: "changed" }): void {
    const { table, ties, signals, pushes } = this.parts;
    const { what } = change;
    if (what === "groups") signals.forget(change.groupid);
    for (const session of table.of(userId)) {
      ties.apply(session, change);
      if (session.id === by || session.dialect !== 3) continue;
      pushes.push(session, what, () => session.connection.send({ msgid: Msg.CHANGED, what }));
    }
  }
}
