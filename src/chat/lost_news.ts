/**
 * What the bus lost, or nobody could say where to send, and no log has. Sessions know by what nodes tell one another whom their users block, which groups they are in,
 * and who of their friends is here, so when something may have been lost, the database is asked once more. What only clients know (read marks, invitations, devices)
 * nobody can compare: they are told to ask for all of it.
 *
 * 1. All sessions of this node are looked at, one after the other: a database that has just come back has enough to do. Not before news are due: those who were on
 *    a node that died, and come back to another, are told to nobody as gone (`presence_news.ts`).
 * 2. A session is off the list before it is asked for: what is lost meanwhile puts it there again.
 * 3. What its welcome reads, or the answer to its client's question, may be from before, or newer: then it is looked at in the next round.
 */
import { Pause } from "../async/pause.ts";
import type { Session } from "../net/session.ts";
import { log } from "../ops/log.ts";
import type { ConnectionTable } from "../presence/connection_table.ts";
import { type Store, StoreUnavailable } from "../store/store.ts";
import type { PresenceNews } from "./presence_news.ts";
import type { Pushes } from "./pushes.ts";
import type { Ties } from "./ties.ts";

/** What clients ask for again: with the contacts come groups, blocks and invitations. */
const ASKED_AGAIN = ["contacts", "conversations", "devices", "profile"] as const;

/** Finds what was lost. */
export class LostNews {
  readonly #pause = new Pause();
  /** Those that are still to be looked at. */
  readonly #sessions = new Set<Session>();
  #running: Promise<void> | undefined;

  /** `delay`: how late news are; also between two rounds, if the database is away, or a session cannot be looked at (ms). */
  constructor(
    private readonly parts: { store: Store; table: ConnectionTable; ties: Ties; news: PresenceNews; pushes: Pushes },
    private readonly delay: number,
  ) {}

  /** Something may have been lost: also of what those know that were looked at a moment ago. */
  look(): void {
    for (const session of this.parts.table.all()) this.#sessions.add(session);
    this.#begin();
  }

  /** What is under way is finished. */
  async close(): Promise<void> {
    this.#pause.stop();
    await this.#running;
  }

  /** Unless it is under way, or there is nothing to do. */
  #begin(): void {
    if (this.#sessions.size === 0 || this.#pause.stopped) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      // It may have been asked to since it last looked.
      this.#begin();
    });
  }

  async #run(): Promise<void> {
    while (this.#sessions.size > 0 && !this.#pause.stopped) {
      await this.#pause.for(this.delay);
      for (const session of [...this.#sessions]) {
        if (this.#pause.stopped) return;
        // Rule 2.
        this.#sessions.delete(session);
        if (this.parts.table.has(session) && !await this.#find(session)) this.#sessions.add(session);
      }
    }
  }

  /** @returns whether it is done */
  async #find(session: Session): Promise<boolean> {
    const { store, ties, news, pushes } = this.parts;
    // Rule 3.
    if (!ties.has(session)) return false;
    try {
      const isDone = await news.lookAgain(session, async () => (await ties.lookAgain(session, () => store.lists(session.userId))).friends);
      if (isDone) { for (const what of ASKED_AGAIN) pushes.changed(session, what); }
      return isDone;
    } catch (error) {
      const isAway = error instanceof StoreUnavailable;
      if (isAway) await this.#pause.for(this.delay);
      else log.error("what the bus lost could not be looked up", { user: session.userId, error });
      return !isAway;
    }
  }
}
