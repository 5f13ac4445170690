/** Groups: CREATE_GROUP, JOIN_GROUP, LEAVE_GROUP, MEMBERS. */
import type { Session } from "../net/session.ts";
import type { GroupId, Members, Store } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/messages.ts";
import { comparableName } from "../wire/names.ts";
import type { Changes } from "./changes.ts";
import type { Lists } from "./lists.ts";

/** The groups' life. */
export class Groups {
  readonly #store: Store;
  readonly #lists: Lists;
  readonly #changes: Changes;

  /** Joins its parts. */
  constructor(store: Store, lists: Lists, changes: Changes) {
    this.#store = store;
    this.#lists = lists;
    this.#changes = changes;
  }

  /** CREATE_GROUP: its number. Throws {@linkcode Refusal}. */
  async create(session: Session, { groupname, groupdesc }: Request<typeof Msg.CREATE_GROUP>): Promise<{ groupid: GroupId }> {
    const created = await this.#store.createGroup(session.userId, groupname, comparableName(groupname), groupdesc);
    if (created === "INVALID") throw new Refusal(Errno.INVALID, "a group of this name exists");
    if (created === "FULL") throw new Refusal(Errno.FULL, "you are in too many groups");
    this.#changes.made(session, { what: "groups", groupid: created.groupid, joined: true });
    return created;
  }

  /** JOIN_GROUP: the group, also if one was in it. Throws {@linkcode Refusal}. */
  async join(session: Session, { groupid, groupname }: Request<typeof Msg.JOIN_GROUP>): Promise<{ group: object }> {
    const group = await this.#store.joinGroup(session.userId, groupid === undefined ? { key: comparableName(groupname!) } : { id: groupid });
    if (group === "FULL") throw new Refusal(Errno.FULL, "the group is full, or you are in too many");
    if (group === "NO_GROUP") throw new Refusal(Errno.NO_GROUP);
    this.#changes.made(session, { what: "groups", groupid: group.id, joined: true });
    const [shown] = await this.#lists.groups(session, [group], []);
    return { group: shown! };
  }

  /** LEAVE_GROUP. Throws {@linkcode Refusal}. */
  async leave(session: Session, { groupid }: Request<typeof Msg.LEAVE_GROUP>): Promise<void> {
    const outcome = await this.#store.leaveGroup(session.userId, groupid);
    if (outcome !== "OK") throw new Refusal(Errno[outcome]);
    this.#changes.made(session, { what: "groups", groupid, joined: false });
  }

  /** MEMBERS: a page of them. Throws {@linkcode Refusal}. */
  async members(session: Session, { groupid, after, limit }: Request<typeof Msg.MEMBERS>): Promise<Members> {
    const page = await this.#store.members(session.userId, groupid, after, limit);
    if (typeof page === "string") throw new Refusal(Errno[page]);
    return page;
  }
}
