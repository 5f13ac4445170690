import type { Connection } from "../net/connection.ts";
import { networkOf } from "../ip.ts";
import { log } from "../ops/log.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import { Busy, type Caller, UnsupportedHash } from "./passwords.ts";

/** When to ask again for what this runtime can never do (ms): an operator must move the node to a newer one first. */
const UNSUPPORTED_RETRY_MS = 60_000;

/**
 * Runs work on passwords for a client: if its connection is reset, the work leaves the queue. (A FIN is no leaving: `nc -N` sends one and waits for its answer.)
 * The callers
 * of one address wait for one another. Throws {@linkcode Refusal} 19 when too much of theirs waits, or when this runtime cannot check that hash.
 */
export async function hashingFor<T>(connection: Connection, work: (caller: Caller) => Promise<T>): Promise<T> {
  const gone = new AbortController();
  connection.onLost = () => gone.abort();
  try {
    return await work({ signal: gone.signal, from: networkOf(connection.address) });
  } catch (error) {
    if (gone.signal.aborted) throw new Refusal(Errno.UNAVAILABLE, "the connection is gone");
    if (error instanceof Busy) throw new Refusal(Errno.UNAVAILABLE, error.message, { retry: error.retry });
    if (!(error instanceof UnsupportedHash)) throw error;
    log.error("a password has a hash that this runtime cannot check", { error });
    throw new Refusal(Errno.UNAVAILABLE, "this server cannot check this password now", { retry: UNSUPPORTED_RETRY_MS });
  } finally {
    connection.onLost = undefined;
  }
}
