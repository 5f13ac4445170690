/**
 * Who is on which connection: the lecture's connection table, with one writer instead of a mutex.
 *
 * One thread runs all of this, so a plain Map would be safe as well. What the queue gives: changes are applied in batches, in one order that everyone sees, and in
 * one place, which nobody can pass by.
 *
 * 1. The Map is mutated only in `#apply`, inside the one task that drains the queue. `bind` and `unbind` are events in that queue; nothing else
 *    touches the Map, which no one else can reach.
 * 2. There is no await between taking an event and having applied it: no database, no socket. Only the table is the critical section.
 * 3. Events are applied in the order they were queued. The promise of an event resolves after it was applied.
 * 4. A device of a user has one session at most. `unbind` takes out only that very session: a late departure never removes a later login.
 * 5. Reads are direct, and see what was applied so far; the list of a user's sessions is replaced, never changed, so who walks through one may wait meanwhile.
 *    The way back, from a connection to its session, is `connection.session`: no scan.
 */
import { AsyncQueue } from "../async/async_queue.ts";
import type { Session } from "../net/session.ts";
import type { DeviceId, UserId } from "../store/store.ts";

/** What entering a session changed. */
export interface Bound {
  /** The session of the same device that it displaced. */
  displaced: Session | undefined;
  /** The user had no other session here. */
  first: boolean;
}

/** What taking a session out changed. */
export interface Unbound {
  /** It was in the table. */
  was: boolean;
  /** The user has no session here any more. */
  last: boolean;
}

type TableEvent =
  | { type: "bind"; session: Session; done: (bound: Bound) => void }
  | { type: "unbind"; session: Session; done: (unbound: Unbound) => void };

const NONE: readonly Session[] = [];

/** Who is here. One task writes, anyone reads. */
export class ConnectionTable {
  readonly #users = new Map<UserId, readonly Session[]>();
  #size = 0;
  readonly #events = new AsyncQueue<TableEvent>();
  readonly #task: Promise<void> = this.#drain();

  /** The sessions of a user that are here, one for each device. */
  of(userId: UserId): readonly Session[] {
    return this.#users.get(userId) ?? NONE;
  }

  /** The session of that device of a user, if it is here. */
  get(userId: UserId, device: DeviceId): Session | undefined {
    return this.of(userId).find((session) => session.device.id === device);
  }

  /** Whether this very session is here. */
  has(session: Session): boolean {
    return this.of(session.userId).includes(session);
  }

  /** How many sessions are here. */
  get size(): number {
    return this.#size;
  }

  /** All sessions as of now. */
  all(): Session[] {
    return [...this.#users.values()].flat();
  }

  /** Enters a session, in place of one of the same device. Resolves once that is done. */
  bind(session: Session): Promise<Bound> {
    return new Promise((done) => this.#events.push({ type: "bind", session, done }));
  }

  /** Takes a session out, if it still is in the table. Resolves once that is done. */
  unbind(session: Session): Promise<Unbound> {
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
    const { session } = event;
    const there = this.of(session.userId);
    if (event.type === "bind") {
      const displaced = there.find((other) => other.device.id === session.device.id);
      this.#set(session.userId, there, [...there.filter((other) => other !== displaced), session]);
      event.done({ displaced, first: there.length === 0 });
    } else {
      const was = there.includes(session);
      const left = there.filter((other) => other !== session);
      if (was) this.#set(session.userId, there, left);
      event.done({ was, last: left.length === 0 });
    }
  }

  #set(userId: UserId, before: readonly Session[], now: readonly Session[]): void {
    this.#size += now.length - before.length;
    if (now.length > 0) this.#users.set(userId, now);
    else this.#users.delete(userId);
  }
}
