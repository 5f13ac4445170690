/**
 * What happened in groups, on its way from the commit to whoever may know of it.
 *
 * 1. Who came in or went is known on all nodes before the request is answered (`ties.ts`): no signal of the group reaches who went, after that.
 * 2. Events are entries of logs, told behind the answer: whoever asked reads first what became of it. Should they be overtaken, the log has their order.
 */
import type { Router } from "../cluster/router.ts";
import type { Session } from "../net/session.ts";
import { fanOutCost } from "../ops/costs.ts";
import type { Counters } from "../ops/counters.ts";
import type { Limits } from "../ops/limits.ts";
import type { Told } from "../store/store.ts";
import { doneHead } from "../wire/encode.ts";
import type { Changes } from "./changes.ts";

/** Tells what happened in groups. */
export class GroupNews {
  /** Joins its parts. */
  constructor(private readonly parts: { router: Router; changes: Changes; counters: Counters; limits: Limits }) {}

  /** What this session's request led to; its user is charged for it. Undefined: nobody's; an account is gone. */
  tell(session: Session | undefined, told: readonly Told[]): void {
    const { router, counters, limits } = this.parts;
    for (const { event, receivers } of told) {
      this.#move(session, { event, receivers });
      counters.stored.add("group_event");
      const entry = doneHead(event);
      if (session) limits.charge(session.userId, fanOutCost(receivers.length, entry.head.length));
      setImmediate(() => router.deliver(entry, undefined, receivers));
    }
  }

  /** Rule 1. */
  #move(session: Session | undefined, { event: { what, id, groupid, messageid }, receivers }: Told): void {
    if (what !== "joined" && what !== "left" && what !== "kicked" && what !== "invited") return;
    const there = receivers.find(({ userId }) => userId === id);
    if (what === "invited") this.parts.changes.invited(id, there?.nodes);
    else this.parts.changes.moved(id, id === session?.userId ? session : undefined, groupid, what === "joined", messageid, there?.nodes);
  }
}
