/** Is the one who holds this account still there? */
import { timeUp } from "../async/time_up.ts";
import type { Session } from "../net/session.ts";
import { Msg } from "../wire/msgid.ts";

/** How long a modern client may take to say anything (ms): two worldwide round trips, and a slow phone. */
const MODERN_MS = 1500;
/** A classic client cannot be asked: for how long after its last line it counts as alive (ms) … */
const CLASSIC_ALIVE_MS = 30_000;
/** … and how long its FIN or RST may take that is already on its way (ms). */
const FIN_WAIT_MS = 250;

/**
 * Resolves to whether a session's client gives a sign of life. Only one probe of a session may run at a time
 * (the logins of one device run one after another).
 */
export async function isAlive(session: Session): Promise<boolean> {
  const { connection, modern } = session;
  if (connection.ending || connection.inputEnded) return false;
  // Its own login is not answered yet, and nothing precedes LOGIN_ACK.
  if (!session.welcomed) return true;
  if (!modern && performance.now() - connection.heard > CLASSIC_ALIVE_MS) return false;
  if (modern) connection.send({ msgid: Msg.PING });
  const { promise, resolve } = Promise.withResolvers<"heard" | "ended" | "nothing">();
  connection.onSign = resolve;
  const given = timeUp(modern ? MODERN_MS : FIN_WAIT_MS, () => resolve("nothing"));
  const sign = await promise;
  given();
  connection.onSign = undefined;
  // What a busy one says may wait unread.
  return sign === "heard" || (sign === "nothing" && (!modern || connection.busy));
}
