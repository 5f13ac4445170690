/** Groups: CREATE_GROUP, JOIN_GROUP, LEAVE_GROUP, and who is in one. */
import type { Session } from "../presence/session.ts";
import type { Group, GroupId, Store, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/messages.ts";
import { comparableName } from "../wire/names.ts";

/** How long a group's members are remembered for signals (ms), and how many groups are. */
const REMEMBER_MS = 5000, MAX_REMEMBERED = 1000;

/** The groups' life, and a short memory of their members. */
export class Groups {
  readonly #store: Store;
  /** The members of groups that signals went to lately; joining and leaving here forgets the group. */
  readonly #members = new Map<GroupId, { until: number; users: Promise<Map<UserId, string | null> | undefined> }>();

  /** Joins it to the store. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** CREATE_GROUP: its number. Throws {@linkcode Refusal}. */
  async create(session: Session, { groupname, groupdesc }: Request<typeof Msg.CREATE_GROUP>): Promise<{ groupid: GroupId }> {
    const created = await this.#store.createGroup(session.userId, groupname, comparableName(groupname), groupdesc);
    if (created === 1) throw new Refusal(Errno.INVALID, "a group of this name exists");
    if (created === 24) throw new Refusal(Errno.FULL, "you are in too many groups");
    return created;
  }

  /** JOIN_GROUP: the group, also if one was in it. Throws {@linkcode Refusal}. */
  async join(session: Session, { groupid, groupname }: Request<typeof Msg.JOIN_GROUP>): Promise<{ group: Group }> {
    const group = await this.#store.joinGroup(session.userId, groupid === undefined ? { key: comparableName(groupname!) } : { id: groupid });
    if (typeof group === "number") throw new Refusal(group, group === Errno.FULL ? "the group is full, or you are in too many" : undefined);
    this.#members.delete(group.id);
    return { group };
  }

  /** LEAVE_GROUP. Throws {@linkcode Refusal}. */
  async leave(session: Session, { groupid }: Request<typeof Msg.LEAVE_GROUP>): Promise<void> {
    const errno = await this.#store.leaveGroup(session.userId, groupid);
    if (errno !== 0) throw new Refusal(errno);
    this.#members.delete(groupid);
  }

  /** The members of a group, and where they are online, up to 5 s old; undefined: no such group. */
  members(groupid: GroupId): Promise<Map<UserId, string | null> | undefined> {
    const now = performance.now();
    const known = this.#members.get(groupid);
    if (known && known.until > now) return known.users;
    const users = this.#store.members(groupid).then((members) => members && new Map(members.map((m) => [m.userId, m.node])));
    users.catch(() => this.#members.delete(groupid));
    this.#members.delete(groupid);
    this.#members.set(groupid, { until: now + REMEMBER_MS, users });
    if (this.#members.size > MAX_REMEMBERED) this.#members.delete(this.#members.keys().next().value!);
    return users;
  }
}
