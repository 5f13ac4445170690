/** Friends, blocks and lists: ADD_FRIEND, REMOVE_FRIEND, CONTACTS, BLOCK, UNBLOCK. */
import type { Session } from "../presence/session.ts";
import type { Contact, Group, Store } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/messages.ts";
import { comparableName } from "../wire/names.ts";

/** What a user keeps of others. */
export class Contacts {
  readonly #store: Store;

  /** Joins it to the store. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** ADD_FRIEND: the friend, also if it was one before. Throws {@linkcode Refusal}. */
  async addFriend(session: Session, { friendid, friendname }: Request<typeof Msg.ADD_FRIEND>): Promise<{ friend: Contact }> {
    const self = friendid === undefined ? comparableName(friendname!) === comparableName(session.name) : friendid === session.userId;
    if (self) throw new Refusal(Errno.BAD_FIELD, `${friendid === undefined ? "friendname" : "friendid"} is your own`);
    const friend = await this.#store.addFriend(session.userId, friendid === undefined ? { key: comparableName(friendname!) } : { id: friendid });
    if (typeof friend === "number") throw new Refusal(friend, friend === Errno.FULL ? "your list of friends is full" : undefined);
    session.believes(friend);
    return { friend };
  }

  /** REMOVE_FRIEND. */
  async removeFriend(session: Session, { friendid }: Request<typeof Msg.REMOVE_FRIEND>): Promise<void> {
    await this.#store.removeFriend(session.userId, friendid);
    session.friendsOnline.delete(friendid);
  }

  /** CONTACTS: the lists, as at login. */
  async contacts(session: Session): Promise<{ friends: Contact[]; groups: Group[] }> {
    const { friends, groups } = await this.#store.lists(session.userId);
    for (const friend of friends) session.believes(friend);
    return { friends, groups };
  }

  /** BLOCK, for this session at once. Throws {@linkcode Refusal}. */
  async block(session: Session, { userid }: Request<typeof Msg.BLOCK>): Promise<void> {
    if (userid === session.userId) throw new Refusal(Errno.BAD_FIELD, "userid is your own");
    if (!await this.#store.block(session.userId, userid)) throw new Refusal(Errno.NO_USER);
    session.blocked.add(userid);
  }

  /** UNBLOCK, for this session at once. */
  async unblock(session: Session, { userid }: Request<typeof Msg.UNBLOCK>): Promise<void> {
    await this.#store.unblock(session.userId, userid);
    session.blocked.delete(userid);
  }
}
