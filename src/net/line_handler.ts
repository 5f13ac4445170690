import type { Fault, LineDecoder } from "../wire/lines.ts";
import type { Connection } from "./connection.ts";

/** What a transport calls with what comes to it; the server implements it. */
export interface LineHandler {
  /** A connection has come; the handler may end it at once. */
  opened(connection: Connection): void;
  /** One line. The next one comes when the promise (if any) has resolved. Never throws. */
  line(connection: Connection, line: string): void | Promise<void>;
  /** The input cannot be read on. The handler ends the connection. */
  fault(connection: Connection, fault: Fault): void;
  /** The client's FIN came, and all its lines were handled. The handler ends the connection. */
  end(connection: Connection): Promise<void>;
}

/** What every transport needs to know. */
export interface LineLimits {
  /** Most bytes of a line. */
  maxLine: number;
  /** From how many queued characters on a connection is congested. */
  sendQueue: number;
}

/** Hands the lines of one connection to the handler, one after the other, until its end. */
export async function handleLines(connection: Connection, lines: LineDecoder, handler: LineHandler): Promise<void> {
  try {
    for (;;) {
      const next = lines.read();
      const line = typeof next === "string" ? next : await next;
      if (line === undefined || connection.ending) break;
      // The fast way is the one without an await.
      if (connection.congested) await connection.drained();
      const busy = handler.line(connection, line);
      if (busy) await busy;
    }
    if (connection.ending) lines.cancel();
    else if (lines.fault) handler.fault(connection, lines.fault);
    else await handler.end(connection);
  } catch {
    // The stream was cancelled by the reading side, which has destroyed the connection.
  }
}
