/** A user's lists as each kind of client is told them. */
import type { Session } from "../net/session.ts";
import type { Contact, Group, GroupId, Member, Store } from "../store/store.ts";

/** Clients of 0.1 are told members with each group: so many of each, so many characters of all lists together. */
const MEMBERS = 100, MEMBERS_SIZE = 256 * 1024;
/** Groups whose members are read at once. */
const GROUPS = 40;

/** Shows lists. */
export class Lists {
  readonly #store: Store;

  /** Joins it to the store, which knows the members. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** The groups: without members, or, for clients of 0.1, with the first of them. */
  async groups(session: Session, groups: readonly Group[]): Promise<object[]> {
    if (session.dialect === 3) return groups.map(({ id, groupname, role, count }) => ({ id, groupname, role, count }));
    const shown: object[] = [];
    let room = MEMBERS_SIZE;
    for (let i = 0; i < groups.length; i += GROUPS) {
      const some = groups.slice(i, i + GROUPS);
      const members: Map<GroupId, Member[]> = room > 0
        ? await this.#store.firstMembers(session.userId, some.map(({ id }) => id), MEMBERS)
        : new Map();
      for (const { id, groupname, groupdesc } of some) {
        const users: { id: number; name: string; state: string; role: string }[] = [];
        for (const { id: userId, name, state, role } of members.get(id) ?? []) {
          const user = { id: userId, name, state, role };
          room -= JSON.stringify(user).length;
          if (room < 0) break;
          users.push(user);
        }
        shown.push({ id, groupname, groupdesc, users });
      }
    }
    return shown;
  }

  /** The friends, with what a classic client knows of them. */
  classicFriends(friends: readonly Contact[]): string[] {
    return friends.map(({ id, name, state }) => JSON.stringify({ id, name, state }));
  }

  /** The groups of {@linkcode Lists.groups} as a classic client reads them. */
  classicGroups(groups: readonly object[]): string[] {
    return groups.map((group) => JSON.stringify({ ...group, users: (group as { users: object[] }).users.map((user) => JSON.stringify(user)) }));
  }
}
