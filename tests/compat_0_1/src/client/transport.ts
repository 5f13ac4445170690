/** What carries lines to a server and back. `tcp_transport.ts` and `websocket_transport.ts` are the two there are. */

/** A connection that stands. */
export interface ClientTransport {
  /** Sends one line (without its end). Never throws; what cannot be sent any more is dropped. */
  send(line: string): void;
  /** Sends what waits (for at most a second), then closes. Resolves when all is released. May be called again. */
  close(): Promise<void>;
}

/** What a transport reports. */
export interface TransportEvents {
  /** A line arrived, its end removed. */
  line(line: string): void;
  /** The connection is over, whoever ended it. Once, after the last line. */
  close(): void;
}

/** Opens a connection. Rejects if it cannot, or when `signal` aborts. Lines may arrive before the promise has resolved. */
export type Connect = (events: TransportEvents, signal: AbortSignal) => Promise<ClientTransport>;
