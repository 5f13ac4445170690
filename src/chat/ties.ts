/**
 * What a session must know of its user without asking the database: whom they block, and which groups they are in. Every signal looks at it.
 *
 * 1. It is read at the welcome, when the session stands in the table; what changes later comes from whoever changes it, by way of the router.
 * 2. What comes before the welcome is read is applied after it: applied once more, it changes nothing.
 */
import type { OwnChange } from "../cluster/bus.ts";
import type { Session } from "../net/session.ts";
import type { GroupId, UserId } from "../store/store.ts";

interface Known {
  blocked: Set<UserId>;
  groups: Set<GroupId>;
}

/** Whom the users who are here block, and which groups they are in. */
export class Ties {
  readonly #known = new WeakMap<Session, Known>();
  /** What changed before it was known what had been. */
  readonly #early = new WeakMap<Session, OwnChange[]>();

  /** The session's user blocks that one. */
  blocks(session: Session, userId: UserId): boolean {
    return this.#known.get(session)?.blocked.has(userId) ?? false;
  }

  /** The session's user is in that group. */
  isIn(session: Session, groupid: GroupId): boolean {
    return this.#known.get(session)?.groups.has(groupid) ?? false;
  }

  /** What the database said at the welcome. */
  set(session: Session, blocked: readonly UserId[], groups: readonly { id: GroupId }[]): void {
    this.#known.set(session, { blocked: new Set(blocked), groups: new Set(groups.map(({ id }) => id)) });
    for (const change of this.#early.get(session) ?? []) this.apply(session, change);
    this.#early.delete(session);
  }

  /** The session's user changed something. */
  apply(session: Session, change: OwnChange): void {
    const known = this.#known.get(session);
    if (!known) {
      const early = this.#early.get(session);
      if (early) early.push(change);
      else this.#early.set(session, [change]);
    } else if (change.what === "groups") put(known.groups, change.groupid, change.joined);
    else if (change.what === "blocked") put(known.blocked, change.other, change.blocked);
  }
}

function put<T>(set: Set<T>, item: T, there: boolean): void {
  if (there) set.add(item);
  else set.delete(item);
}
