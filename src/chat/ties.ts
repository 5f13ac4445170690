/**
 * What a session must know of its user without asking the database: whom they block, and which groups they are in. Every signal looks at it.
 *
 * 1. It is read at the welcome, when the session stands in the table; what changes later comes from whoever changes it, by way of the router.
 * 2. What comes before the welcome is read is applied after it: applied once more, it changes nothing.
 * 3. Who comes into a group and who goes may be told by several nodes, in any order: the newest event counts. A block has no number: where there are several nodes,
 *    whoever is told of one looks into the database (`changes.ts`).
 */
import type { OwnChange } from "../cluster/bus.ts";
import type { Session } from "../net/session.ts";
import type { GroupId, UserId } from "../store/store.ts";

interface Known {
  blocked: Set<UserId>;
  groups: Set<GroupId>;
  /** By group: the newest event by which the user came or went. */
  moved: Map<GroupId, number>;
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
    this.#known.set(session, { blocked: new Set(blocked), groups: new Set(groups.map(({ id }) => id)), moved: new Map() });
    for (const change of this.#early.get(session) ?? []) this.apply(session, change);
    this.#early.delete(session);
  }

  /** Something of the session's user changed. */
  apply(session: Session, change: OwnChange): void {
    const known = this.#known.get(session);
    if (!known) {
      const early = this.#early.get(session);
      if (early) early.push(change);
      else this.#early.set(session, [change]);
    } else if (change.what === "groups") {
      const { groupid, joined, at = 0 } = change;
      if (at < (known.moved.get(groupid) ?? 0)) return;
      known.moved.set(groupid, at);
      put(known.groups, groupid, joined);
    } else if (change.what === "blocked") put(known.blocked, change.other, change.blocked);
  }
}

function put<T>(set: Set<T>, item: T, there: boolean): void {
  if (there) set.add(item);
  else set.delete(item);
}
