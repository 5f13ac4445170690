/**
 * What becomes of messages: EDIT, DELETE, REACT.
 *
 * 1. A deed is committed with its entries in the logs of all who may see the message; only then it is answered, and told where they are.
 * 2. What changes nothing is answered as if it had been done now, and told to nobody: so who got no answer may ask again.
 */
import type { Router } from "../cluster/router.ts";
import type { Session } from "../net/session.ts";
import { fanOutCost, unindexCost } from "../ops/costs.ts";
import type { Counters } from "../ops/counters.ts";
import type { Limits } from "../ops/limits.ts";
import type { Notifier } from "../push/notifier.ts";
import type { Acted, Deed, Done, Reaction, Store, UserId } from "../store/store.ts";
import { doneHead } from "../wire/encode.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import { OVER_QUOTA } from "./sending.ts";
import type { Quota } from "./quota.ts";
import type { Msg, Request } from "../wire/requests.ts";

/** Does things to messages. */
export class Deeds {
  /** Joins its parts. */
  constructor(
    private readonly parts: {
      store: Store;
      router: Router;
      counters: Counters;
      limits: Limits;
      quota: Quota;
      /** Pushes to who is away, if anybody does. */
      notifier: Notifier | undefined;
    },
  ) {}

  /** EDIT: when it was changed. Throws {@linkcode Refusal}. */
  async edit(session: Session, { messageid, msg }: Request<typeof Msg.EDIT>): Promise<{ edited: number }> {
    const { quota } = this.parts;
    if (quota.isOver(session.userId, msg)) throw new Refusal(Errno.FULL, OVER_QUOTA);
    const at = Date.now();
    const { edited } = await this.#act(session, { what: "edit", by: session.userId, messageid, at, msg }) as Done & { edited: number };
    // What says so already is older, and takes nothing more.
    if (edited >= at) quota.add(session.userId, msg);
    return { edited };
  }

  /** DELETE. Throws {@linkcode Refusal}. */
  async delete(session: Session, { messageid }: Request<typeof Msg.DELETE>): Promise<void> {
    await this.#act(session, { what: "delete", by: session.userId, messageid, at: Date.now() });
  }

  /** REACT: what has been put to the message now. Throws {@linkcode Refusal}. */
  async react(session: Session, { messageid, emoji, off }: Request<typeof Msg.REACT>): Promise<{ reactions: Reaction[] }> {
    const retry = this.parts.limits.reaction(session.userId, messageid);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, undefined, { retry });
    const done = await this.#act(session, { what: "react", by: session.userId, messageid, at: Date.now(), emoji, off });
    return { reactions: (done as Done & { reactions: Reaction[] }).reactions };
  }

  /** What a user said who deleted the account goes as well: as DELETE does it, for nobody's account. */
  async forget(userId: UserId, messageid: number): Promise<void> {
    const acted = await this.parts.store.act({ what: "delete", by: userId, messageid, at: Date.now() });
    if (acted.errno === "OK" && acted.receivers.length > 0) this.#told(acted);
  }

  async #act(session: Session, deed: Deed): Promise<Done> {
    const { store, limits } = this.parts;
    const acted = await store.act(deed);
    if (acted.errno === "FULL") throw new Refusal(Errno.FULL, "too many different reactions");
    if (acted.errno !== "OK") throw new Refusal(Errno[acted.errno]);
    const { done, receivers, unindexed = 0 } = acted;
    limits.charge(session.userId, unindexCost(unindexed));
    if (receivers.length > 0) limits.charge(session.userId, fanOutCost(receivers.length, this.#told(acted)));
    return done;
  }

  /** Delivers what was done. @returns how long the line is */
  #told({ done, receivers, former }: Acted & { errno: "OK" }): number {
    const { router, counters, notifier } = this.parts;
    counters.stored.add(done.what);
    const entry = doneHead(done);
    router.deliver(entry, undefined, receivers);
    if (former !== undefined && done.groupid !== undefined && "msg" in done && done.msg.includes("@")) {
      notifier?.stored({ messageid: done.messageid, sender: done.id, receivers, former });
    }
    return entry.head.length;
  }
}
