/**
 * Tells friends who came and who went.
 *
 * 1. Told 2 s late, so that a takeover, a reconnect or a storm does not flap: a change that is undone by then is not told.
 * 2. Looked up in batches, for all that changed in the same moment.
 */
import { log } from "../ops/log.ts";
import type { ConnectionTable } from "../presence/connection_table.ts";
import type { PresenceListener } from "../presence/departure.ts";
import type { State, Store, UserId } from "../store/store.ts";
import { Msg } from "../wire/messages.ts";

/** How late news are (ms), and how often it is looked whether some are due. */
const DELAY_MS = 2000, TICK_MS = 250;
/** Users looked up at once. */
const BATCH = 500;

interface Change {
  userId: UserId;
  /** What friends were told last. */
  told: State;
  state: State;
  at: number;
  due: number;
}

export class PresenceNews implements PresenceListener {
  readonly #store: Store;
  readonly #table: ConnectionTable;
  /** In the order they are due. */
  readonly #changes = new Map<UserId, Change>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(store: Store, table: ConnectionTable) {
    this.#store = store;
    this.#table = table;
  }

  changed(userId: UserId, state: State, at: number): void {
    const change = this.#changes.get(userId);
    if (change) Object.assign(change, { state, at });
    else this.#changes.set(userId, { userId, told: state === "online" ? "offline" : "online", state, at, due: performance.now() + DELAY_MS });
    this.#schedule();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#running || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#tell().finally(() => {
        this.#running = undefined;
        if (this.#changes.size > 0) this.#schedule();
      });
    }, TICK_MS);
  }

  async #tell(): Promise<void> {
    const now = performance.now();
    const due = new Map<UserId, Change>();
    for (const change of this.#changes.values()) {
      if (change.due > now || due.size >= BATCH) break;
      this.#changes.delete(change.userId);
      if (change.state !== change.told) due.set(change.userId, change);
    }
    if (due.size === 0) return;
    try {
      for (const { userId, watcher } of await this.#store.watchers([...due.keys()])) this.#send(watcher, due.get(userId)!);
    } catch (error) {
      log.warning("news of users are late", { count: due.size, error });
      // What changed again meanwhile knows better what it is now, but not what friends were told.
      for (const [userId, change] of due) {
        const newer = this.#changes.get(userId);
        if (newer) newer.told = change.told;
        else this.#changes.set(userId, { ...change, due: now + DELAY_MS });
      }
    }
  }

  #send(watcher: UserId, change: Change): void {
    const session = this.#table.get(watcher);
    if (!session?.modern || session.cursor === undefined || session.connection.congested) return;
    session.connection.send({ msgid: Msg.PRESENCE, id: change.userId, state: change.state, lastseen: change.at });
  }
}
