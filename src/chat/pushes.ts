/**
 * News of what is so now (PRESENCE, CHANGED): only the newest counts, and it is told whole at login.
 *
 * 1. Nothing precedes LOGIN_ACK, and nothing is put into a congested connection: what comes then is told later, when there is room.
 * 2. Of several news about the same thing only the last is told later; a slow client costs as much memory as there are things to tell of.
 */
import type { OwnChange } from "../cluster/bus.ts";
import type { Session } from "../net/session.ts";
import { Msg } from "../wire/msgid.ts";

/** Tells what is so now, as soon as a client can take it. */
export class Pushes {
  /** By what it is about: tells it, if it still is news then. */
  readonly #later = new Map<Session, Map<string, () => void>>();

  /** Calls `tell` now, or when there is room. @param about only the last one about the same thing is called later */
  push(session: Session, about: string, tell: () => void): void {
    if (session.departed) return;
    const later = this.#later.get(session);
    if (!later && session.welcomed && !session.connection.congested) return tell();
    if (later) later.set(about, tell);
    else {
      this.#later.set(session, new Map([[about, tell]]));
      if (session.welcomed) void this.#drain(session);
      // It may go before it is welcomed.
      else void session.connection.closed.then(() => this.#later.delete(session));
    }
  }

  /** CHANGED, to those that know it. */
  changed(session: Session, what: OwnChange["what"]): void {
    if (session.dialect === 3) this.push(session, what, () => session.connection.send({ msgid: Msg.CHANGED, what }));
  }

  /** LOGIN_ACK has gone out. */
  welcomed(session: Session): void {
    if (this.#later.has(session)) void this.#drain(session);
  }

  async #drain(session: Session): Promise<void> {
    const { connection } = session;
    for (;;) {
      await connection.drained();
      const later = this.#later.get(session);
      if (!later || session.departed || connection.ending) return void this.#later.delete(session);
      for (const [about, tell] of later) {
        if (connection.congested) break;
        later.delete(about);
        tell();
      }
      if (later.size === 0) return void this.#later.delete(session);
    }
  }
}
