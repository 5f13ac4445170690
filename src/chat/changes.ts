/** CHANGED: what a user does on one device, and what others do to what is the user's, all devices learn. It is state: a client that hears of it asks again, and LOGIN_ACK tells all of it. */
import { Turns } from "../async/turns.ts";
import type { NodeMessage, OwnChange } from "../cluster/bus.ts";
import type { Router } from "../cluster/router.ts";
import type { Session } from "../net/session.ts";
import { log } from "../ops/log.ts";
import type { ConnectionTable } from "../presence/connection_table.ts";
import type { GroupId, Store, UserId } from "../store/store.ts";
import type { Pushes } from "./pushes.ts";
import type { Signals } from "./signals.ts";
import type { Ties } from "./ties.ts";

/** Tells a user's sessions of what of theirs has changed. */
export class Changes {
  /** By user and whom they may block: the looks into the database that follow one another. */
  readonly #looks = new Turns<string>();

  /** Joins its parts. */
  constructor(private readonly parts: { store: Store; router: Router; table: ConnectionTable; ties: Ties; signals: Signals; pushes: Pushes }) {}

  /** A user changed something by way of this session, and the database has it. */
  made(session: Session, change: OwnChange): void {
    this.#tell({ type: "changed", userId: session.userId, by: session.id, change });
  }

  /**
   * Somebody came into a group, or went out of it, and the database has it; by way of a session of their own, if it was their doing. `at`: the event's number;
   * `nodes`: where they were at the commit, if it said so.
   */
  moved(userId: UserId, by: Session | undefined, groupid: GroupId, joined: boolean, at?: number, nodes?: readonly string[]): void {
    const change: OwnChange = { what: "groups", groupid, joined, ...(at === undefined ? {} : { at }) };
    this.#tell({ type: "changed", userId, by: by?.id, change }, nodes);
  }

  /** Somebody was invited into a group, and the database has it. @param nodes where they were at the commit */
  invited(userId: UserId, nodes: readonly string[] | undefined): void {
    this.#tell({ type: "changed", userId, by: undefined, change: { what: "invited" } }, nodes);
  }

  #tell(message: NodeMessage & { type: "changed" }, nodes?: readonly string[]): void {
    const { store, router } = this.parts;
    const { userId } = message;
    router.send([router.node], message);
    if (router.alone) return;
    const others = (nodes: readonly string[] = []) => router.send(nodes.filter((node) => node !== router.node), message);
    if (nodes) return others(nodes);
    store.whereabouts([userId]).then(
      (found) => others(found.get(userId)?.nodes),
      (error) => {
        log.warning("a user's other devices were not told of a change", { user: userId, error });
        router.lost();
      },
    );
  }

  /** By another's doing something is gone from the lists of these users. */
  told(userIds: UserId[], what: "contacts" | "invited"): void {
    if (userIds.length === 0) return;
    const { store, router } = this.parts;
    store.whereabouts(userIds).then(
      (found) => {
        for (const [userId, { nodes }] of found) router.send([...nodes], { type: "changed", userId, by: "", change: { what } });
      },
      (error) => {
        log.warning("users were not told that their lists changed", { error });
        router.lost();
      },
    );
  }

  /** Something of a user who is here changed, here or elsewhere. */
  heard({ userId, by, change }: NodeMessage & { type: "changed" }): void {
    const { router, table, ties, signals, pushes } = this.parts;
    const { what } = change;
    if (what === "groups") signals.forget(change.groupid);
    if (what === "blocked" && !router.alone) void this.#lookAgain(userId, change.other);
    for (const session of table.of(userId)) {
      ties.apply(session, change);
      if (session.id !== by) pushes.changed(session, what);
    }
  }

  /** Two nodes may tell of a block and of its end in any order; the database knows which was the last. Never rejects. */
  async #lookAgain(userId: UserId, other: UserId): Promise<void> {
    const { store, table, ties } = this.parts;
    await this.#looks.run(`${userId} ${other}`, async () => {
      if (table.of(userId).length === 0) return;
      const blocked = await store.blocks(userId, other);
      for (const session of table.of(userId)) ties.apply(session, { what: "blocked", other, blocked });
    }).catch((error) => log.warning("it is not known whether a user still blocks another", { user: userId, error }));
  }
}
