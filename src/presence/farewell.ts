/**
 * What a connection is told when it must go: because it broke a rule, is not heard of, is not wanted any more, or the server stops.
 *
 * 1. GOODBYE is the last line, but for a classic session, which does not know it.
 * 2. Who may come back by itself is told when (`retry`); who broke a rule, was replaced or kicked, is not.
 * 3. A session ends at once, not when its last line has gone out: a silent client takes none.
 * 4. Who ends their own session (LOGOUT, DELETE_ACCOUNT) is answered first: the database may say before that it has ended. After LOGOUT the connection stays.
 */
import type { Cause, Connection } from "../net/connection.ts";
import type { Session } from "../net/session.ts";
import { Errno } from "../wire/errors.ts";
import type { Fault } from "../wire/lines.ts";
import { Msg } from "../wire/msgid.ts";
import type { Departure } from "./departure.ts";

/** Who comes back does so after this long (ms), and up to as much again, so that not all come at once. */
const COME_BACK_MS = 500;
/** Those who should come back by themselves. */
const COME_BACK: ReadonlySet<Cause> = new Set<Cause>(["silent", "slow", "full", "stopping", "limits"]);

/** Ends connections, and says why. */
export class Farewell {
  readonly #departure: Departure;
  readonly #maxLine: number;

  /** `maxLine`: most bytes of a line, as the client is told. */
  constructor(departure: Departure, maxLine: number) {
    this.#departure = departure;
    this.#maxLine = maxLine;
  }

  /** Ends a connection, with its session if it has one. */
  cut(connection: Connection, cause: Cause): void {
    if (connection.session) void this.#departure.depart(connection.session, cause);
    const retry = COME_BACK.has(cause) ? { retry: Math.round(COME_BACK_MS * (1 + Math.random())) } : {};
    void connection.finish(cause, connection.classic ? undefined : { msgid: Msg.GOODBYE, reason: cause, ...retry });
  }

  /** Ends a session, with its connection. */
  end(session: Session, cause: Cause): void {
    if (cause === "kicked" && session.ownEnd) return void session.ownEnd.then(() => session.departed ?? this.end(session, cause));
    void this.#departure.depart(session, cause);
    this.cut(session.connection, cause);
  }

  /** Input that cannot be read on. */
  fault(connection: Connection, fault: Fault | "framing"): void {
    if (fault === "framing") return this.cut(connection, "badinput");
    const [errno, errmsg] = fault === "too long" ? [Errno.TOO_LONG, `the line is longer than ${this.#maxLine} bytes`] : [Errno.NOT_JSON, "not UTF-8"];
    connection.send({ msgid: Msg.REPLY, errno, errmsg });
    this.cut(connection, "badinput");
  }
}
