/** Invitations to the server and to groups: INVITE, REVOKE. A code is told once, and kept as a hash. */
import { DAY_MS } from "../async/pause.ts";
import { hashCode, newCode } from "../auth/codes.ts";
import type { Registration } from "../config/config.ts";
import type { Session } from "../net/session.ts";
import type { Limits } from "../ops/limits.ts";
import { MAX_CODES, MAX_INVITED } from "../store/group_store.ts";
import type { GroupId, Store, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";
import type { Changes } from "./changes.ts";
import { done } from "./moderation.ts";
import type { GroupNews } from "./group_news.ts";

/** Most invitations of a user to the server at a time that have not expired and are not used up. */
const MOST_INVITATIONS = 20;
/** How long who was invited by name may join (ms). */
const INVITED_MS = 7 * DAY_MS;

/** Makes codes by which others come in. */
export class Invitations {
  /** Joins its parts. `members`: they may invite to the server, to which nobody else comes without (`--registration invite --invites members`). */
  constructor(
    private readonly parts: { store: Store; news: GroupNews; changes: Changes; limits: Limits; members: boolean; registration: Registration },
  ) {}

  /** INVITE: a code for the server or for a group, which is told this once; or somebody into a group. Throws {@linkcode Refusal}. */
  async invite(session: Session, { groupid, userid, uses, days }: Request<typeof Msg.INVITE>): Promise<{ code: string } | void> {
    const { limits, members, registration } = this.parts;
    const retry = limits.seldom("invite", session.userId);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "too many invitations", { retry });
    if (groupid === undefined && !members) {
      throw new Refusal(
        Errno.NOT_YOURS,
        registration === "open" ? "anybody may register here, without a code" : "members do not invite to this server",
      );
    }
    if (groupid === undefined) return await this.#toServer(session.userId, uses, days);
    if (userid === undefined) return await this.#toGroup(session.userId, groupid, uses, days);
    return await this.#byName(session, groupid, userid);
  }

  /** REVOKE: ends all codes of the group. Throws {@linkcode Refusal}. */
  async revoke(session: Session, { groupid }: Request<typeof Msg.REVOKE>): Promise<void> {
    done(await this.parts.store.revokeCodes(session.userId, groupid));
  }

  async #toServer(inviter: UserId, uses: number, days: number): Promise<{ code: string }> {
    const code = newCode();
    const now = Date.now();
    const outcome = await this.parts.store.addInvite({ hash: hashCode(code)!, inviter, uses, expires: now + days * DAY_MS }, now, MOST_INVITATIONS);
    if (outcome === "FULL") throw new Refusal(Errno.FULL, `you have ${MOST_INVITATIONS} invitations that nobody has used up`);
    return { code };
  }

  async #toGroup(inviter: UserId, groupid: GroupId, uses: number, days: number): Promise<{ code: string }> {
    const code = newCode();
    const now = Date.now();
    const outcome = await this.parts.store.inviteByCode(inviter, groupid, hashCode(code)!, uses, now + days * DAY_MS, now);
    if (outcome === "FULL") throw new Refusal(Errno.FULL, `the group has ${MAX_CODES} codes that nobody has used up`);
    done(outcome);
    return { code };
  }

  async #byName(session: Session, groupid: GroupId, userid: UserId): Promise<void> {
    const { store, news, changes } = this.parts;
    const now = Date.now();
    const outcome = await store.inviteUser(session.userId, groupid, userid, now + INVITED_MS, now);
    if (outcome === "FULL") throw new Refusal(Errno.FULL, `they have ${MAX_INVITED} invitations that they neither took nor declined`);
    if (outcome === "INVITATION") changes.told([userid], "invited");
    else news.tell(session, done(outcome));
  }
}
