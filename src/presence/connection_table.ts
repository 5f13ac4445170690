/**
 * Who is on which connection: the lecture's connection table, with one writer instead of a mutex.
 *
 * 1. The Map is mutated only in `#apply`, inside the one task that drains the queue. `bind` and `unbind` are events in that queue; nothing else
 *    touches the Map, which no one else can reach.
 * 2. There is no await between taking an event and having applied it: no database, no socket. Only the table is the critical section.
 * 3. Events are applied in the order they were queued. The promise of an event resolves after it was applied.
 * 4. `unbind` deletes only if the Map still holds that very session: a late departure never removes a later login.
 * 5. Reads are direct, and see what was applied so far. The way back, from a connection to its session, is `connection.session`: no scan.
 */
import type { UserId } from "../store/store.ts";
import { AsyncQueue } from "../async/async_queue.ts";
import type { Session } from "./session.ts";

type TableEvent =
  | { type: "bind"; session: Session; done: (displaced: Session | undefined) => void }
  | { type: "unbind"; session: Session; done: (wasBound: boolean) => void };

/** Who is here. One task writes, anyone reads. */
export class ConnectionTable {
  readonly #sessions = new Map<UserId, Session>();
  readonly #events = new AsyncQueue<TableEvent>();
  readonly #task: Promise<void> = this.#drain();

  /** The session of a user who is logged in here. */
  get(userId: UserId): Session | undefined {
    return this.#sessions.get(userId);
  }

  /** How many users are logged in here. */
  get size(): number {
    return this.#sessions.size;
  }

  /** All sessions as of now. */
  all(): Session[] {
    return [...this.#sessions.values()];
  }

  /** Enters a session. Resolves, once done, to the session of the same user that it displaced. */
  bind(session: Session): Promise<Session | undefined> {
    return new Promise((done) => this.#events.push({ type: "bind", session, done }));
  }

  /** Takes a session out, if it still is the one in the table. Resolves, once done, to whether it was. */
  unbind(session: Session): Promise<boolean> {
    return new Promise((done) => this.#events.push({ type: "unbind", session, done }));
  }

  /** Applies what is queued and ends the task. */
  async close(): Promise<void> {
    this.#events.close();
    await this.#task;
  }

  async #drain(): Promise<void> {
    for await (const batch of this.#events) {
      for (const event of batch) this.#apply(event);
    }
  }

  #apply(event: TableEvent): void {
    const { userId } = event.session;
    const current = this.#sessions.get(userId);
    if (event.type === "bind") {
      this.#sessions.set(userId, event.session);
      event.done(current);
    } else {
      if (current === event.session) this.#sessions.delete(userId);
      event.done(current === event.session);
    }
  }
}
