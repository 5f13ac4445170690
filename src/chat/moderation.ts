/**
 * What creator and moderators do with a group: UPDATE_GROUP, SET_ROLE, KICK, UNBAN.
 *
 * Who may what is decided under the group's lock, in the store; to who is not in it a private group does not exist, whatever is asked of it.
 */
import type { Session } from "../net/session.ts";
import type { Store } from "../store/store.ts";
import { Errno, type ErrnoName, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";
import type { GroupNews } from "./group_news.ts";
import type { Changes } from "./changes.ts";
import { NAMED } from "./groups.ts";

/** Keeps order in groups. */
export class Moderation {
  /** Joins its parts. */
  constructor(private readonly parts: { store: Store; news: GroupNews; changes: Changes }) {}

  /** UPDATE_GROUP. Throws {@linkcode Refusal}. */
  async update(session: Session, request: Request<typeof Msg.UPDATE_GROUP>): Promise<void> {
    const { store, news } = this.parts;
    const { groupid, groupname, groupdesc, private: isPrivate, history, posting } = request;
    const settings = Object.entries({ groupname, groupdesc, private: isPrivate, history, posting }).filter(([, value]) => value !== undefined);
    const outcome = await store.updateGroup(session.userId, groupid, Object.fromEntries(settings), Date.now());
    if (outcome === "INVALID") throw new Refusal(Errno.INVALID, NAMED);
    news.tell(session, done(outcome));
  }

  /** SET_ROLE. Throws {@linkcode Refusal}. */
  async setRole(session: Session, { groupid, userid, role }: Request<typeof Msg.SET_ROLE>): Promise<void> {
    const { store, news } = this.parts;
    news.tell(session, done(await store.setRole(session.userId, groupid, userid, role, Date.now())));
  }

  /** KICK, or ban; who is only invited is not any more. Throws {@linkcode Refusal}. */
  async kick(session: Session, { groupid, userid, ban }: Request<typeof Msg.KICK>): Promise<void> {
    const { store, news, changes } = this.parts;
    const outcome = await store.kickMember(session.userId, groupid, userid, ban, Date.now());
    if (outcome === "INVITATION") changes.told([userid], "invited");
    else news.tell(session, done(outcome));
  }

  /** UNBAN. Throws {@linkcode Refusal}. */
  async unban(session: Session, { groupid, userid }: Request<typeof Msg.UNBAN>): Promise<void> {
    done(await this.parts.store.unban(session.userId, groupid, userid));
  }
}

/** What was done in a group. Throws {@linkcode Refusal} if nothing was. */
export function done<T>(outcome: T | ErrnoName): Exclude<T, ErrnoName> {
  if (typeof outcome !== "string" || outcome === "OK") return outcome as Exclude<T, ErrnoName>;
  throw new Refusal(Errno[outcome as ErrnoName], outcome === "NOT_YOURS" ? "you have no right to that in this group" : undefined);
}
