/**
 * The end of a session, whatever ended it: FIN, reset, silence, bad input, LOGOUT, takeover, server stop.
 *
 * 1. Exactly once per session, however many notice its end.
 * 2. First the table (`unbind`, in its queue), then the database, by way of the offline writer. A connection without a session costs the database nothing.
 * 3. A session that was taken over is not released: its row names the next one already.
 */
import type { Counters } from "../ops/counters.ts";
import { log } from "../ops/log.ts";
import type { Cause } from "../net/connection.ts";
import type { UserId } from "../store/store.ts";
import type { ConnectionTable } from "./connection_table.ts";
import type { OfflineWriter } from "./offline_writer.ts";
import type { Session } from "./session.ts";

/** Who wants to know that a user has come or gone. */
export interface PresenceListener {
  /** A user came or went, at `at` (ms since the epoch). */
  changed(userId: UserId, state: "online" | "offline", at: number): void;
}

/** Ends sessions, each once. */
export class Departure {
  readonly #table: ConnectionTable;
  readonly #offline: OfflineWriter;
  readonly #listener: PresenceListener;
  readonly #counters: Counters;

  /** Joins its parts. */
  constructor(table: ConnectionTable, offline: OfflineWriter, listener: PresenceListener, counters: Counters) {
    this.#table = table;
    this.#offline = offline;
    this.#listener = listener;
    this.#counters = counters;
  }

  /**
   * Ends a session; its connection stays as it is. Resolves when the table does not hold it any more.
   *
   * @param cause what goes into the log
   * @param taken its row in the database names another session already
   */
  depart(session: Session, cause: Cause, taken = false): Promise<void> {
    return session.departed ??= this.#depart(session, cause, taken);
  }

  async #depart(session: Session, cause: Cause, taken: boolean): Promise<void> {
    const { connection, userId } = session;
    const lastseen = Date.now();
    if (connection.session === session) connection.session = undefined;
    const wasBound = await this.#table.unbind(session);
    if (!taken) {
      const confirmed = session.confirmed > session.confirmedStored ? { confirmed: session.confirmed } : {};
      this.#offline.release({ userId, session: session.id, lastseen, ...confirmed });
    }
    if (wasBound) this.#listener.changed(userId, "offline", lastseen);
    this.#counters.departures.add(cause);
    log.departure({ cause, user: userId, session: session.id, address: connection.address, duration: lastseen - session.since });
  }
}
