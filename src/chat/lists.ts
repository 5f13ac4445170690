/** A user's lists as each kind of client is told them. */
import type { Session } from "../net/session.ts";
import type { Contact, Group, GroupId, Invitation, Role, State, Store, UserId } from "../store/store.ts";
import { ANSWER_BYTES } from "./terms.ts";

/** Clients of 0.1 are told members with each group: so many of each, as far as the answer has room for them. */
const CLASSIC_MEMBERS = 100;
/** Members that are read at once. */
const MEMBERS_AT_ONCE = 1000;
/** What stands in an answer beside its lists (bytes), at most. */
const LISTS_ENVELOPE = 2048;

/** A group as clients of 0.1 are told it. */
interface OldGroup {
  id: GroupId;
  groupname: string;
  groupdesc: string;
  users: { id: UserId; name: string; state: State; role: Role }[];
}

/** What clients of 0.1, which know no moderators, are told of a role. */
export function oldRole(role: Role): Role {
  return role === "moderator" ? "normal" : role;
}

/** Shows lists. */
export class Lists {
  readonly #store: Store;

  /** Joins it to the store, which knows the members. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** The groups: without members, or, for clients of 0.1, with descriptions and members as far as an answer has room, in which these friends stand as well. */
  async groups(session: Session, groups: readonly Group[], friends: readonly Contact[]): Promise<object[]> {
    const { dialect, userId } = session;
    if (dialect === 3) return groups.map((group) => ({ ...group, groupdesc: undefined }));
    const shown = groups.map(({ id, groupname }): OldGroup => ({ id, groupname, groupdesc: "", users: [] }));
    // To a classic client a list is one of strings, and so are the members in it.
    const times = dialect === "classic" ? 2 : 1;
    let room = ANSWER_BYTES - LISTS_ENVELOPE;
    for (const item of [...friends, ...shown]) room -= sizeOf(item, times) + 1;
    for (const [i, { groupdesc }] of groups.entries()) {
      room -= sizeOf(groupdesc, times);
      if (room < 0) return shown;
      shown[i]!.groupdesc = groupdesc;
    }
    for (let i = 0; i < groups.length;) {
      const some = firstOf(groups.slice(i));
      const members = await this.#store.firstMembers(userId, some.map(({ id }) => id), CLASSIC_MEMBERS);
      for (const { id } of some) {
        const { users } = shown[i++]!;
        for (const { id: member, name, state, role } of members.get(id) ?? []) {
          const user = { id: member, name, state, role: oldRole(role) };
          room -= sizeOf(user, times === 1 ? 1 : 3) + 1;
          if (room < 0) return shown;
          users.push(user);
        }
      }
    }
    return shown;
  }

  /** The invitations that hold, as many as an answer has room for beside the rest of it. */
  invited(invited: readonly Invitation[], ...rest: object[]): Invitation[] {
    const now = Date.now();
    const held = invited.filter(({ until }) => until > now);
    if (held.length === 0) return held;
    let room = ANSWER_BYTES - LISTS_ENVELOPE - sizeOf(rest, 1);
    return held.filter((invitation) => (room -= sizeOf(invitation, 1) + 1) >= 0);
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

/** As many, one at least, as have members for one reading. */
function firstOf(groups: readonly Group[]): readonly Group[] {
  let members = 0;
  const end = groups.findIndex(({ count }) => (members += Math.min(count, CLASSIC_MEMBERS)) > MEMBERS_AT_ONCE);
  return end < 0 ? groups : groups.slice(0, Math.max(1, end));
}

const encoder = new TextEncoder();

/** The bytes of this as JSON, encoded so many times. */
function sizeOf(value: unknown, times: number): number {
  let text = JSON.stringify(value);
  for (let i = 1; i < times; i++) text = JSON.stringify(text);
  return encoder.encode(text).length;
}
