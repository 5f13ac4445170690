/** Friends, blocks, lists and names: ADD_FRIEND, REMOVE_FRIEND, CONTACTS, BLOCK, UNBLOCK, USERS. */
import type { Session } from "../net/session.ts";
import type { Contact, Invitation, Store, User, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";
import { comparableName } from "../wire/names.ts";
import type { Changes } from "./changes.ts";
import type { Lists } from "./lists.ts";
import type { PresenceNews } from "./presence_news.ts";

/** Most users that a search by the beginning of a name finds. */
const FOUND = 20;

/** What a user keeps of others. */
export class Contacts {
  /** Joins its parts. */
  constructor(
    private readonly parts: { store: Store; lists: Lists; changes: Changes; news: PresenceNews; /** `--directory`. */ directory: boolean },
  ) {}

  /** ADD_FRIEND: the friend, also if it was one before. Throws {@linkcode Refusal}. */
  async addFriend(session: Session, { friendid, friendname }: Request<typeof Msg.ADD_FRIEND>): Promise<{ friend: Contact }> {
    const { store, changes, news } = this.parts;
    const self = friendid === undefined ? comparableName(friendname!) === comparableName(session.name) : friendid === session.userId;
    if (self) throw new Refusal(Errno.BAD_FIELD, `${friendid === undefined ? "friendname" : "friendid"} is your own`);
    return await news.asked(session, async () => {
      const friend = await store.addFriend(session.userId, friendid === undefined ? { key: comparableName(friendname!) } : { id: friendid });
      if (friend === "FULL") throw new Refusal(Errno.FULL, "your list of friends is full");
      if (friend === "NO_USER") throw new Refusal(Errno.NO_USER);
      news.befriended(session, friend);
      changes.made(session, { what: "contacts" });
      return { friend };
    });
  }

  /** REMOVE_FRIEND. */
  async removeFriend(session: Session, { friendid }: Request<typeof Msg.REMOVE_FRIEND>): Promise<void> {
    const { store, changes, news } = this.parts;
    await store.removeFriend(session.userId, friendid);
    news.unfriended(session, friendid);
    changes.made(session, { what: "contacts" });
  }

  /** CONTACTS: the lists, as at login. */
  async contacts(session: Session): Promise<{ friends: Contact[]; groups: object[]; blocked?: UserId[]; invited?: Invitation[] }> {
    const { store, lists, news } = this.parts;
    return await news.asked(session, async () => {
      const { friends, groups, blocked, invited } = await store.lists(session.userId);
      news.listed(session, friends);
      const shown = await lists.groups(session, groups, friends);
      return { friends, groups: shown, ...(session.dialect === 3 ? { blocked, invited: lists.invited(invited, friends, shown, blocked) } : {}) };
    });
  }

  /** BLOCK: nothing more from that one, on any device. Throws {@linkcode Refusal}. */
  async block(session: Session, { userid }: Request<typeof Msg.BLOCK>): Promise<void> {
    const { store, changes, news } = this.parts;
    if (userid === session.userId) throw new Refusal(Errno.BAD_FIELD, "userid is your own");
    const at = Date.now();
    const outcome = await store.block(session.userId, userid, at);
    if (outcome !== "OK") throw new Refusal(Errno[outcome], outcome === "FULL" ? "you block too many" : undefined);
    changes.made(session, { what: "blocked", other: userid, blocked: true });
    void news.tell(userid, { id: session.userId, state: "offline", lastseen: at });
  }

  /** UNBLOCK. */
  async unblock(session: Session, { userid }: Request<typeof Msg.UNBLOCK>): Promise<void> {
    const { store, changes, news } = this.parts;
    const now = await store.unblock(session.userId, userid);
    changes.made(session, { what: "blocked", other: userid, blocked: false });
    if (!now) return;
    void news.tell(userid, now.seen);
    // Who came or went meanwhile was told to nobody of the two.
    void news.tell(session.userId, now.sees);
  }

  /** USERS: those that exist. Throws {@linkcode Refusal}. */
  async users({ ids, names, find }: Request<typeof Msg.USERS>): Promise<{ users: User[] }> {
    const { store, directory } = this.parts;
    if (ids) return { users: await store.findUsers({ ids }) };
    if (names) return { users: await store.findUsers({ keys: names.map(comparableName) }) };
    if (!directory) throw new Refusal(Errno.BAD_FIELD, "find: this server has no directory");
    return { users: await store.findByPrefix(comparableName(find!), FOUND) };
  }
}
