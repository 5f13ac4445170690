/** All connections of this server: which may come, what becomes of their lines, and what of those that are gone. */
import type { Connection } from "../net/connection.ts";
import type { LineHandler } from "../net/line_handler.ts";
import type { Strangers } from "../net/strangers.ts";
import type { Session } from "../net/session.ts";
import type { Limits } from "../ops/limits.ts";
import { log } from "../ops/log.ts";
import type { Fault } from "../wire/lines.ts";
import type { Departure } from "./departure.ts";
import type { Farewell } from "./farewell.ts";
import type { Heartbeat } from "./heartbeat.ts";

/** So many connections too many are told why they end; further ones are just closed. */
const ON_THEIR_WAY_OUT = 256;

/** Does something with a line; see {@linkcode LineHandler}. */
export type Dispatch = (connection: Connection, line: string) => void | Promise<void>;

/** The connections, from their coming to their end. */
export class Connections implements LineHandler {
  readonly #all = new Set<Connection>();
  readonly #begun = Promise.withResolvers<void>();
  #dispatch: Dispatch | undefined;
  #stopping = false;

  /** Joins its parts. */
  constructor(
    private readonly parts: {
      /** `--max-connections`. */
      most: number;
      strangers: Strangers;
      limits: Limits;
      heartbeat: Heartbeat;
      farewell: Farewell;
      departure: Departure;
      /** A client with a session has sent its FIN: resolves when all that it asked is answered. */
      parting: (session: Session) => Promise<void>;
    },
  ) {}

  /** All of them, as of now. */
  [Symbol.iterator](): Iterator<Connection> {
    return this.#all.values();
  }

  /** Lets lines in: those that came before have waited. */
  begin(dispatch: Dispatch): void {
    this.#dispatch = dispatch;
    this.#begun.resolve();
  }

  opened(connection: Connection): void {
    const { most, strangers, limits, heartbeat, farewell } = this.parts;
    this.#all.add(connection);
    const { address } = connection;
    const welcome = limits.connected(address);
    void connection.closed.then(() => {
      limits.disconnected(address);
      this.#gone(connection);
    });
    const over = this.#all.size - most;
    if (over > ON_THEIR_WAY_OUT) return connection.destroy("full");
    if (!welcome) return farewell.cut(connection, "limits");
    if (this.#stopping) return farewell.cut(connection, "stopping");
    heartbeat.add(connection);
    strangers.add(connection, over > 0);
  }

  line(connection: Connection, line: string): void | Promise<void> {
    if (this.#dispatch) return this.#dispatch(connection, line);
    return this.#begun.promise.then(() => connection.ending ? undefined : this.line(connection, line));
  }

  fault(connection: Connection, fault: Fault | "framing"): void {
    this.parts.farewell.fault(connection, fault);
  }

  async end(connection: Connection): Promise<void> {
    if (connection.session) await this.parts.parting(connection.session);
    await connection.finish("fin");
  }

  /** Who comes from now on is told that the server stops. */
  refuseMore(): void {
    this.#stopping = true;
  }

  /** Tells all that the server stops. Resolves when they are gone. */
  async stop(): Promise<void> {
    const all = [...this.#all];
    for (const connection of all) this.parts.farewell.cut(connection, "stopping");
    await Promise.all(all.map((connection) => connection.closed));
  }

  /** Ends those that are still there, at once. */
  destroy(): void {
    for (const connection of this.#all) connection.destroy("stopping");
  }

  #gone(connection: Connection): void {
    this.#all.delete(connection);
    this.parts.strangers.delete(connection);
    const { session, address, since } = connection;
    const cause = connection.cause ?? "lost";
    if (session) void this.parts.departure.depart(session, cause);
    else log.departure({ cause, address, duration: performance.now() - since });
  }
}
