/**
 * What a session must know of its user without asking the database: whom they block, and which groups they are in. Every signal looks at it.
 *
 * 1. It is read at the welcome, when the session stands in the table; what changes later comes from whoever changes it, by way of the router.
 * 2. What comes before the welcome is read is applied after it: applied once more, it changes nothing.
 * 3. Who comes into a group and who goes may be told by several nodes, in any order: the newest event counts. What the database says to who asks once more is so now,
 *    and has no event. A block has no number: where there are several nodes, whoever is told of one looks into the database (`changes.ts`). What was lost on the way
 *    is found in the database as well (`lost_news.ts`).
 */
import type { OwnChange } from "../cluster/bus.ts";
import type { Session } from "../net/session.ts";
import type { GroupId, UserId, Welcome } from "../store/store.ts";

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

  /** It is known what the database said at the welcome. */
  has(session: Session): boolean {
    return this.#known.has(session);
  }

  /** Asks the database once more: what comes before its answer is applied behind it as well. @returns the answer */
  async lookAgain<T extends Pick<Welcome, "blocked" | "groups">>(session: Session, read: () => Promise<T>): Promise<T> {
    this.#early.set(session, []);
    try {
      const lists = await read();
      this.set(session, lists);
      return lists;
    } finally {
      this.#early.delete(session);
    }
  }

  /** What the database said, at the welcome or when it was asked once more. */
  set(session: Session, { blocked, groups }: Pick<Welcome, "blocked" | "groups">): void {
    const moved = this.#known.get(session)?.moved ?? new Map();
    this.#known.set(session, { blocked: new Set(blocked), groups: new Set(groups.map(({ id }) => id)), moved });
    const early = this.#early.get(session) ?? [];
    this.#early.delete(session);
    for (const change of early) this.apply(session, change);
  }

  /** Something of the session's user changed. */
  apply(session: Session, change: OwnChange): void {
    const known = this.#known.get(session), early = this.#early.get(session);
    if (early) early.push(change);
    else if (!known) this.#early.set(session, [change]);
    if (!known) return;
    if (change.what === "groups") {
      const { groupid, joined, at } = change;
      if (at !== undefined) {
        if (at < (known.moved.get(groupid) ?? 0)) return;
        known.moved.set(groupid, at);
      }
      put(known.groups, groupid, joined);
    } else if (change.what === "blocked") put(known.blocked, change.other, change.blocked);
  }
}

function put<T>(set: Set<T>, item: T, there: boolean): void {
  if (there) set.add(item);
  else set.delete(item);
}
