/**
 * The end of a session, whatever ended it: FIN, reset, silence, bad input, LOGOUT, takeover, server stop.
 *
 * 1. Exactly once per session, however many notice its end.
 * 2. First the table (`unbind`, in its queue), then the database, by way of the offline writer. A connection without a session costs the database nothing.
 * 3. A session that was taken over is not released: its row names the next one already.
 * 4. If nobody was told of the device that the session's login made, the release takes it away again.
 */
import type { Cause } from "../net/connection.ts";
import type { Session } from "../net/session.ts";
import type { Counters } from "../ops/counters.ts";
import { log } from "../ops/log.ts";
import type { UserId } from "../store/store.ts";
import type { ConnectionTable } from "./connection_table.ts";
import type { OfflineWriter } from "./offline_writer.ts";

/** Who wants to know that a user may have come or gone. */
export interface PresenceListener {
  /** The first session of a user on this node began, or the last one ended. */
  changed(userId: UserId): void;
}

/** Ends sessions, each once. */
export class Departure {
  /** Joins its parts. */
  constructor(
    private readonly parts: {
      table: ConnectionTable;
      offline: OfflineWriter;
      listener: PresenceListener;
      counters: Counters;
      /** What the session's client has confirmed, if the database was not told yet. */
      unconfirmed: (session: Session) => number | undefined;
    },
  ) {}

  /**
   * Ends a session; its connection stays as it is. Resolves when the table does not hold it any more.
   *
   * @param cause what goes into the log; `replaced`: its row in the database names another session already
   */
  depart(session: Session, cause: Cause): Promise<void> {
    return session.departed ??= this.#depart(session, cause);
  }

  async #depart(session: Session, cause: Cause): Promise<void> {
    const { table, offline, listener, counters, unconfirmed } = this.parts;
    const { connection, userId } = session;
    const lastseen = Date.now();
    if (connection.session === session) connection.session = undefined;
    const { was, last } = await table.unbind(session);
    if (cause !== "replaced") {
      const confirmed = unconfirmed(session);
      offline.release({
        ...session.key,
        lastseen,
        ...(confirmed === undefined ? {} : { confirmed }),
        ...(session.made && !session.welcomed ? { unmade: true } : {}),
      });
    }
    if (was && last) listener.changed(userId);
    counters.departures.add(cause);
    const { id: device } = session.device;
    log.departure({ cause, user: userId, device, session: session.id, address: connection.address, duration: lastseen - session.since });
  }
}
