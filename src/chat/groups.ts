/** Coming into groups and going out of them: CREATE_GROUP, JOIN_GROUP, LEAVE_GROUP; and who is in one: MEMBERS. */
import { hashCode } from "../auth/codes.ts";
import type { Session } from "../net/session.ts";
import type { Limits } from "../ops/limits.ts";
import type { GroupId, Member, Store } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import { lookOf } from "../wire/looks.ts";
import type { Msg, Request } from "../wire/requests.ts";
import { comparableName } from "../wire/names.ts";
import type { Changes } from "./changes.ts";
import type { GroupNews } from "./group_news.ts";
import { type Lists, oldRole } from "./lists.ts";

/** The groups' life. */
export class Groups {
  /** Joins its parts. */
  constructor(private readonly parts: { store: Store; lists: Lists; changes: Changes; news: GroupNews; limits: Limits }) {}

  /** CREATE_GROUP: its number. Throws {@linkcode Refusal}. */
  async create(session: Session, request: Request<typeof Msg.CREATE_GROUP>): Promise<{ groupid: GroupId }> {
    const { store, changes, limits } = this.parts;
    const { groupname, groupdesc, private: isPrivate } = request;
    const retry = limits.seldom("create", session.userId);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "you make too many groups", { retry });
    const created = await store.createGroup(session.userId, groupname, comparableName(groupname), groupdesc, isPrivate, await lookOf(groupname));
    if (created === "INVALID") throw new Refusal(Errno.INVALID, NAMED);
    if (created === "FULL") throw new Refusal(Errno.FULL, "you are in too many groups");
    changes.moved(session.userId, session, created.groupid, true);
    return created;
  }

  /** JOIN_GROUP: the group, also if one was in it. Throws {@linkcode Refusal}. */
  async join(session: Session, request: Request<typeof Msg.JOIN_GROUP>): Promise<{ group: object }> {
    const { store, lists, changes, news } = this.parts;
    this.#mayMove(session);
    const joined = await store.joinGroup(session.userId, wantedBy(request), Date.now());
    if (joined === "FULL") throw new Refusal(Errno.FULL, "the group is full, or you are in too many");
    if (joined === "NOT_INVITED") throw new Refusal(Errno.NOT_INVITED, NOT_VALID);
    if (joined === "NOT_YOURS") throw new Refusal(Errno.NOT_YOURS, "you were banned from that group");
    if (typeof joined === "string") throw new Refusal(Errno[joined]);
    const { group, events } = joined;
    // Whoever was in it already may be asking once more because there was no answer.
    if (events.length === 0) changes.moved(session.userId, session, group.id, true);
    news.tell(session, events);
    const [shown] = await lists.groups(session, [group], []);
    return { group: shown! };
  }

  /** LEAVE_GROUP, or declining an invitation. Throws {@linkcode Refusal}. */
  async leave(session: Session, { groupid }: Request<typeof Msg.LEAVE_GROUP>): Promise<void> {
    const { store, changes, news } = this.parts;
    this.#mayMove(session);
    const left = await store.leaveGroup(session.userId, groupid, Date.now());
    if (left === "INVITATION") return changes.made(session, { what: "invited" });
    if (typeof left === "string") throw new Refusal(Errno[left]);
    if (!("closed" in left)) return news.tell(session, left);
    // The last one out is told nothing.
    changes.moved(session.userId, session, groupid, false);
    changes.told(left.closed, "invited");
  }

  /** MEMBERS: a page of them, or of those who are banned. Throws {@linkcode Refusal}. */
  async members(session: Session, { groupid, after, limit, banned }: Request<typeof Msg.MEMBERS>): Promise<Record<string, unknown>> {
    const { store } = this.parts;
    if (banned) {
      const found = await store.banned(session.userId, groupid, after, limit + 1);
      if (typeof found === "string") throw new Refusal(Errno[found]);
      return { banned: found.slice(0, limit), more: found.length > limit };
    }
    const page = await store.members(session.userId, groupid, after, limit);
    if (typeof page === "string") throw new Refusal(Errno[page]);
    const { groupdesc, private: isPrivate, history, posting, members, count, more } = page;
    const shown = session.dialect === 3 ? members : members.map((member): Member => ({ ...member, role: oldRole(member.role) }));
    return { groupdesc, ...(isPrivate ? { private: true } : {}), history, posting, members: shown, count, more };
  }

  #mayMove({ userId }: Session): void {
    const retry = this.parts.limits.seldom("move", userId);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "you come and go too often", { retry });
  }
}

/** What is said of a name that another group has. */
export const NAMED = "a group of this name exists, or one whose name looks like it";
/** What is said of an invitation that is none. */
const NOT_VALID = "this invitation is not valid, or not any more";

/** A code counts before a number, and that before a name. Throws {@linkcode Refusal} if the code cannot be one. */
function wantedBy({ groupid, groupname, code }: Request<typeof Msg.JOIN_GROUP>): Parameters<Store["joinGroup"]>[1] {
  if (code === undefined) return groupid === undefined ? { key: comparableName(groupname!) } : { id: groupid };
  const hash = hashCode(code);
  if (!hash) throw new Refusal(Errno.NOT_INVITED, NOT_VALID);
  return { code: hash };
}
