// A user as a statement gives them to somebody, who may be blocked.

import type { Contact, State, UserId } from "../store.ts";

/** The columns of {@linkcode CONTACT}. */
export type ContactRow = [id: UserId, name: string, state: State, lastseen: number | null, blocked: number | null];
/** Of a user `u`, as ?1 may see them. */
export const CONTACT = "u.id, u.name, u.state, u.lastseen, (SELECT lastseen FROM block WHERE userid = u.id AND blocked = ?1)";

/** The contact of a row. */
export function contact([id, name, state, lastseen, blocked]: ContactRow): Contact {
  return blocked === null ? { id, name, state, lastseen } : { id, name, state: "offline", lastseen: blocked };
}
