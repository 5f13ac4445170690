/**
 * Takes away what deleted accounts leave behind: memberships, places on the lists of others, what waits in the log; what they said, if that was asked for.
 *
 * 1. The account itself is gone in one transaction, with its name, devices and sessions ({@linkcode Store.deleteAccount}). Only then this begins, so nothing is
 *    added meanwhile by the user, or sent to them; what was under way is found by looking again before the account is done.
 * 2. In small steps with pauses between them. Each may be repeated, and the database knows what is left: whoever dies on the way, any node goes on.
 */
import type { Pause } from "../async/pause.ts";
import { Rounds } from "../async/rounds.ts";
import { log } from "../ops/log.ts";
import { type Store, StoreUnavailable, type UserId } from "../store/store.ts";
import type { Changes } from "./changes.ts";
import type { Deeds } from "./deeds.ts";
import type { GroupNews } from "./group_news.ts";

/** Between two looks for accounts that were deleted (ms). */
export const LEAVERS_MS = 2000;
/** Accounts of one look, rows of one step, and the pause after each (ms). */
const ACCOUNTS = 10, LEAVERS_STEP = 100, LEAVERS_PAUSE_MS = 5;

/** Finishes the deletion of accounts. */
export class DeletedAccounts {
  readonly #store: Store;
  readonly #changes: Changes;
  readonly #news: GroupNews;
  readonly #deeds: Deeds;
  readonly #rounds: Rounds;

  /** Looks every `interval` ms. */
  constructor(parts: { store: Store; changes: Changes; news: GroupNews; deeds: Deeds }, interval: number) {
    this.#store = parts.store;
    this.#changes = parts.changes;
    this.#news = parts.news;
    this.#deeds = parts.deeds;
    this.#rounds = new Rounds(interval, (pause) => this.#look(pause), (error) => {
      // The node's loop says so.
      if (!(error instanceof StoreUnavailable)) log.error("deleting an account failed", { error });
    });
  }

  /** What is under way is finished. */
  close(): Promise<void> {
    return this.#rounds.close();
  }

  async #look(pause: Pause): Promise<void> {
    for (const { userId, messages } of await this.#store.leaving(ACCOUNTS)) await this.#finish(userId, messages, pause);
  }

  async #finish(userId: UserId, messages: boolean, pause: Pause): Promise<void> {
    while (!pause.stopped) {
      const { groups } = await this.#store.lists(userId);
      for (const { id } of groups) {
        const told = await this.#store.leaveGroup(userId, id, Date.now());
        if (typeof told === "object" && "closed" in told) this.#changes.told(told.closed, "invited");
        else if (typeof told === "object") this.#news.tell(undefined, told);
        await pause.for(LEAVERS_PAUSE_MS);
        if (pause.stopped) return;
      }
      for (let more = true; more;) {
        const step = await this.#store.clearAccount(userId, LEAVERS_STEP);
        this.#changes.told(step.friends, "contacts");
        this.#changes.told(step.invited, "invited");
        more = step.more;
        await pause.for(LEAVERS_PAUSE_MS);
        if (pause.stopped) return;
      }
      for (let after: number | undefined = messages ? 0 : undefined; after !== undefined;) {
        const step = await this.#store.said(userId, after, LEAVERS_STEP);
        for (const messageid of step.messageids) {
          await this.#deeds.forget(userId, messageid);
          await pause.for(LEAVERS_PAUSE_MS);
          if (pause.stopped) return;
        }
        after = step.next;
        await pause.for(LEAVERS_PAUSE_MS);
        if (pause.stopped) return;
      }
      if (await this.#store.left(userId)) return log.info("what a deleted account left behind is gone", { user: userId });
    }
  }
}
