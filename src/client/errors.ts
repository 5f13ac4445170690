/** How a request can fail. */
import type { Goodbye, Reply } from "./protocol.ts";

/** The server said no. `errno` is one of the protocol's. */
export class NatterError extends Error {
  /** By which it is told from other errors. */
  override name = "NatterError";
  /** `errno` is the protocol's, `errmsg` its text for people. */
  constructor(readonly errno: number, readonly errmsg: string, /** When to try again (ms). */ readonly retry?: number) {
    super(`${errmsg} (errno ${errno})`);
  }

  /** @internal The error that an answer tells, undefined if it tells none. */
  static of(reply: Reply): NatterError | undefined {
    return reply.errno ? new NatterError(reply.errno, reply.errmsg ?? "", reply.retry) : undefined;
  }
}

/** There was no answer, and the server may have done what was asked, or not: see `reason`. */
export class ConnectionLost extends Error {
  /** By which it is told from other errors. */
  override name = "ConnectionLost";
  /** What ended it, and what the server said. */
  constructor(
    /** `unreachable`: it could not be connected. `lost`: the connection broke. `timeout`: silence. `goodbye`: the server ended it. `closed`: this client did, or is not connected. */
    readonly reason: "unreachable" | "lost" | "timeout" | "goodbye" | "closed",
    options?: ErrorOptions & { goodbye?: Goodbye },
  ) {
    super(
      {
        unreachable: "the server cannot be reached",
        lost: "the connection was lost",
        timeout: "the server did not answer in time",
        goodbye: `the server ended the connection (${options?.goodbye?.reason})`,
        closed: "not connected",
      }[reason],
      options,
    );
    this.goodbye = options?.goodbye;
  }

  /** What the server said, with `goodbye`. */
  readonly goodbye?: Goodbye;
}
