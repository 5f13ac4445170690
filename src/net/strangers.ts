/**
 * The connections that nobody has logged in on. They may hold a part of all places, so that they cannot keep out those who want to log in; and not even that part
 * for long, once others want it: the one that has been there longest makes room, unless a request of it is being handled (it may be logging in).
 */
import type { Connection } from "./connection.ts";

/** Those who have not logged in. */
export class Strangers {
  readonly #most: number;
  readonly #cut: (connection: Connection) => void;
  /** In the order since when. */
  readonly #present = new Set<Connection>();

  /**
   * Nobody is there yet.
   *
   * @param most how many there may be
   * @param cut ends one that has to go; it is none of these any more
   */
  constructor(most: number, cut: (connection: Connection) => void) {
    this.#most = most;
    this.#cut = cut;
  }

  /** One has come, or has logged out; if there are too many now, one goes. @param full there is no place for it anyhow */
  add(connection: Connection, full = false): void {
    this.#present.add(connection);
    for (const oldest of this.#present) {
      if (!full && this.#present.size <= this.#most) break;
      // The newcomer itself is the last.
      if (oldest.busy && oldest !== connection) continue;
      this.#present.delete(oldest);
      if (!oldest.ending) return this.#cut(oldest);
    }
  }

  /** It has logged in, or is gone. */
  delete(connection: Connection): void {
    this.#present.delete(connection);
  }
}
