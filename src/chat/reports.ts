/** What users report to the operator: REPORT. */
import type { Session } from "../net/session.ts";
import type { Limits } from "../ops/limits.ts";
import type { Store } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";

/** Most reports of a user that are kept at a time. */
const MOST_REPORTS = 100;

/** Takes reports, and keeps them. */
export class Reports {
  readonly #store: Store;
  readonly #limits: Limits;

  /** Joins its parts. */
  constructor(store: Store, limits: Limits) {
    this.#store = store;
    this.#limits = limits;
  }

  /** REPORT: the message as it is now is kept for the operator. Throws {@linkcode Refusal}. */
  async report({ userId }: Session, { messageid, reason }: Request<typeof Msg.REPORT>): Promise<void> {
    const retry = this.#limits.seldom("report", userId);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "too many reports", { retry });
    const outcome = await this.#store.report(userId, messageid, reason, Date.now(), MOST_REPORTS);
    if (outcome !== "OK") {
      throw new Refusal(Errno[outcome], outcome === "FULL" ? `the operator has ${MOST_REPORTS} reports of yours already` : undefined);
    }
  }
}
