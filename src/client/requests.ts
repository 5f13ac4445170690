/** What a client asks of the server: one method for each request. What lasts longer than a request (a login, a message under way) is in `natter_client.ts`. */
import type { ChatMessage, Conversation, History, Place, Reaction } from "./conversations.ts";
import type {
  Device,
  Friend,
  Group,
  GroupEvent,
  GroupSettings,
  Invitation,
  Members,
  Profile,
  PushState,
  PushSubscribed,
  Role,
  User,
} from "./people.ts";
import { fieldsOf } from "./outbox.ts";
import { type LoginAck, Msg, type Peer, type Reply, type Request, type Target } from "./protocol.ts";

/** The requests of a client that is logged in. Each rejects as {@linkcode Requests.request} does. */
export abstract class Requests {
  /** Any request, on the present connection. Rejects with {@linkcode NatterError} if errno is not 0, with {@linkcode ConnectionLost} when offline or unanswered: it may have been done. */
  abstract request(message: Request): Promise<Reply>;

  /** Another text for a message of one's own; what was said before is not kept. @returns when. Rejects with {@linkcode NatterError} 26 if there is none such. */
  async edit(messageid: number, msg: string): Promise<{ edited: number }> {
    return { edited: (await this.request({ msgid: Msg.EDIT, messageid, msg })).edited as number };
  }

  /** Takes a message's text away, for all: of one's own, or, where one is creator or moderator, of anybody's in the group. */
  async delete(messageid: number): Promise<void> {
    await this.request({ msgid: Msg.DELETE, messageid });
  }

  /** Puts an emoji to a message, or takes one's own away (`off`); once a second for a message. @returns what there is now. */
  async react(messageid: number, emoji: string, { off }: { off?: boolean } = {}): Promise<Reaction[]> {
    return (await this.request({ msgid: Msg.REACT, messageid, emoji, off })).reactions as Reaction[];
  }

  /** Has read up to this message (any number: it is cut to the newest). @returns up to where one has read now: it never goes back. */
  async read(of: Place, messageid: number): Promise<{ read: number }> {
    return { read: (await this.request({ msgid: Msg.READ, ...fieldsOf(of), messageid })).read as number };
  }

  /**
   * One's conversations, those with the newest messages first, behind them the groups without any. `before`: the `messageid` of the `last` one's `last` of the page
   * before, or `beforegroup`, if that is a group without any; `limit`: 1 to 100.
   */
  async conversations(
    { limit, before, beforegroup }: { limit?: number; before?: number | undefined; beforegroup?: number | undefined } = {},
  ): Promise<{ conversations: Conversation[]; more: boolean }> {
    const { conversations, more } = await this.request({ msgid: Msg.CONVERSATIONS, limit, before, beforegroup });
    return { conversations: conversations as Conversation[], more: more as boolean };
  }

  /**
   * What one keeps of a conversation, on all devices: no notifications until then (`until`, ms since the epoch; 0 lifts it), pinned, archived. Nothing given: muted
   * for ever.
   */
  async mute(of: Place, { until, pinned, archived }: { until?: number; pinned?: boolean; archived?: boolean } = {}): Promise<void> {
    await this.request({ msgid: Msg.MUTE, ...fieldsOf(of), until, pinned, archived });
  }

  /**
   * The newest messages of a conversation, or those before, after or around a message (one of the three); oldest first. What was done to them since they were asked
   * for may have been told already, and they may not know of it; so may those of `search` and `conversations`.
   */
  async history(
    of: Target,
    { before, after, around, limit }: { before?: number | undefined; after?: number | undefined; around?: number | undefined; limit?: number } = {},
  ): Promise<History> {
    const { messages, more, moreafter } = await this.request({ msgid: Msg.HISTORY, ...fieldsOf(of), before, after, around, limit });
    const all = messages as (ChatMessage & { msgid: number })[];
    const texts = all.filter(isChat).map(withText), events = all.filter((m) => !isChat(m)) as unknown as GroupEvent[];
    const page = { messages: texts, events, more: more as boolean };
    return moreafter === undefined ? page : { ...page, moreafter: moreafter as boolean };
  }

  /** What was said, by its words: the newest messages in which all of them occur, newest first. `before` the last one of a page is the next page. */
  async search(
    text: string,
    { of, from, before, limit }: {
      of?: { id: number } | { groupid: number } | undefined;
      from?: number;
      before?: number | undefined;
      limit?: number;
    } = {},
  ): Promise<{ messages: ChatMessage[]; more: boolean }> {
    const { messages, more } = await this.request({ msgid: Msg.SEARCH, text, ...of ? fieldsOf(of) : {}, from, before, limit });
    return { messages: messages as ChatMessage[], more: more as boolean };
  }

  /** The contact list, the groups, and whom one blocks, as of now. */
  async contacts(): Promise<Pick<LoginAck, "friends" | "groups" | "blocked" | "invited">> {
    const { friends, groups, blocked, invited } = await this.request({ msgid: Msg.CONTACTS });
    return { friends: friends as Friend[], groups: groups as Group[], blocked: blocked as number[], invited: invited as Invitation[] };
  }

  /** Adds someone to the contact list, and tells how they are. Twice is once. */
  async addFriend(friend: Peer): Promise<Friend> {
    const fields = "id" in friend ? { friendid: friend.id } : { friendname: friend.name };
    return (await this.request({ msgid: Msg.ADD_FRIEND, ...fields })).friend as Friend;
  }

  /** Takes someone off the contact list. */
  async removeFriend(friendid: number): Promise<void> {
    await this.request({ msgid: Msg.REMOVE_FRIEND, friendid });
  }

  /** Makes a group; one is its first member. Rejects with {@linkcode NatterError} 1 if the name is taken. */
  async createGroup(groupname: string, groupdesc = "", { private: isPrivate }: { private?: boolean } = {}): Promise<{ groupid: number }> {
    return { groupid: (await this.request({ msgid: Msg.CREATE_GROUP, groupname, groupdesc, private: isPrivate })).groupid as number };
  }

  /** Enters a group. Twice is once. */
  async joinGroup(group: { id: number } | { name: string } | { code: string }): Promise<Group> {
    const fields = "id" in group ? { groupid: group.id } : "code" in group ? { code: group.code } : { groupname: group.name };
    return (await this.request({ msgid: Msg.JOIN_GROUP, ...fields })).group as Group;
  }

  /** Who is in a group, by pages in the order of their numbers; one has to be in it. `after`: the last number of the page before; `limit`: 1 to 200. */
  async members(groupid: number, { after, limit }: { after?: number; limit?: number } = {}): Promise<Members> {
    const { groupdesc, private: isPrivate, history, posting, members, count, more } = await this.request({
      msgid: Msg.MEMBERS,
      groupid,
      after,
      limit,
    });
    return { groupdesc, ...(isPrivate ? { private: true } : {}), history, posting, members, count, more } as Members;
  }

  /** Who is banned from a group, by pages as {@linkcode NatterClient.members}; for creator and moderators. */
  async banned(groupid: number, { after, limit }: { after?: number; limit?: number } = {}): Promise<{ banned: User[]; more: boolean }> {
    const { banned, more } = await this.request({ msgid: Msg.MEMBERS, groupid, after, limit, banned: true });
    return { banned: banned as User[], more: more as boolean };
  }

  /** Changes some of a group's settings; by creator and moderators. Rejects with {@linkcode NatterError} 1 if the name is taken, 22 without the right to it. */
  async updateGroup(groupid: number, settings: Partial<GroupSettings>): Promise<void> {
    await this.request({ msgid: Msg.UPDATE_GROUP, groupid, ...settings });
  }

  /** Makes a member something else; by the creator, who is moderator when another is made creator. */
  async setRole(groupid: number, userid: number, role: Role): Promise<void> {
    await this.request({ msgid: Msg.SET_ROLE, groupid, userid, role });
  }

  /** Puts somebody out of a group; with `ban` that one does not come in again, and need not be in it. By creator and moderators, of those below them. */
  async kick(groupid: number, userid: number, { ban }: { ban?: boolean } = {}): Promise<void> {
    await this.request({ msgid: Msg.KICK, groupid, userid, ban });
  }

  /** Lifts a ban. */
  async unban(groupid: number, userid: number): Promise<void> {
    await this.request({ msgid: Msg.UNBAN, groupid, userid });
  }

  /** Lets a user join a group within 7 days; by creator and moderators. */
  async inviteToGroup(groupid: number, userid: number): Promise<void> {
    await this.request({ msgid: Msg.INVITE, groupid, userid });
  }

  /** A code by which `uses` others (1 to 1,000) may join a group within `days` (1 to 30); by creator and moderators. It is told this once. */
  async groupCode(groupid: number, { uses = 1, days = 7 }: { uses?: number; days?: number } = {}): Promise<string> {
    return (await this.request({ msgid: Msg.INVITE, groupid, uses, days })).code as string;
  }

  /** Ends all codes of a group. */
  async revokeCodes(groupid: number): Promise<void> {
    await this.request({ msgid: Msg.REVOKE, groupid });
  }

  /**
   * The path by which programs write into a group as a bot of that name (`POST`, on the HTTP port); by creator and moderators. It is told this once, and the one of
   * before is no more.
   */
  async hook(groupid: number, name: string): Promise<string> {
    return (await this.request({ msgid: Msg.HOOK, groupid, name })).url as string;
  }

  /** Ends a group's hook. */
  async endHook(groupid: number, name: string): Promise<void> {
    await this.request({ msgid: Msg.HOOK, groupid, name, off: true });
  }

  /**
   * Whether this device is told of messages by Web Push while it is away, where the server does that (`features` has `push`); changes it, if it is given. `null`:
   * no more. A browser's `PushSubscription.toJSON()` is what is to be given.
   */
  async push(subscription?: PushSubscribed | null): Promise<PushState> {
    const fields = subscription === null ? { off: true } : { ...subscription };
    const { key, endpoint, text } = await this.request({ msgid: Msg.PUSH, ...fields });
    return { key: key as string, ...endpoint === undefined ? {} : { endpoint: endpoint as string, text: text as boolean } };
  }

  /** Users by number, by name, or (where the server allows it) by the beginning of their names; those that exist. */
  async users(which: { ids: number[] } | { names: string[] } | { find: string }): Promise<User[]> {
    return (await this.request({ msgid: Msg.USERS, ...which })).users as User[];
  }

  /** A code by which `uses` others (1 to 1,000) may register within `days` (1 to 30), where members invite (`features` has `invites`). It is told this once. */
  async invite({ uses = 1, days = 7 }: { uses?: number; days?: number } = {}): Promise<string> {
    return (await this.request({ msgid: Msg.INVITE, uses, days })).code as string;
  }

  /** What one says of oneself; changes what is given. `avatar`: the number of a picture that was uploaded; empty: none. */
  async profile(
    { about, receipts, avatar }: Partial<Omit<Profile, "avatar"> & { avatar: number | "" }> = {},
  ): Promise<Profile> {
    const reply = await this.request({ msgid: Msg.PROFILE, about, receipts, avatar });
    const picture = reply.avatar as string | undefined;
    return { about: reply.about as string, receipts: reply.receipts as boolean, ...(picture === undefined ? {} : { avatar: picture }) };
  }

  /** Shows a message to whoever runs the server, as it is now. `reason`: 1 to 500 characters. */
  async report(messageid: number, reason: string): Promise<void> {
    await this.request({ msgid: Msg.REPORT, messageid, reason });
  }

  /** One's own devices, by number. */
  async devices(): Promise<Device[]> {
    return (await this.request({ msgid: Msg.DEVICES })).devices as Device[];
  }

  /** Leaves a group, which the last one out closes; or declines the invitation into one. */
  async leaveGroup(groupid: number): Promise<void> {
    await this.request({ msgid: Msg.LEAVE_GROUP, groupid });
  }

  /** Signs all other devices of this user out. */
  async changePassword(oldPassword: string, newPassword: string): Promise<void> {
    await this.request({ msgid: Msg.CHANGE_PASSWORD, old: oldPassword, new: newPassword });
  }

  /**
   * Ends one's account for good; the server ends all sessions, this one too. `messages`: what one said goes as well, not only one's name.
   * Rejects with {@linkcode NatterError} 1 if the password is wrong.
   */
  async deleteAccount(password: string, { messages = false }: { messages?: boolean } = {}): Promise<void> {
    await this.request({ msgid: Msg.DELETE_ACCOUNT, password, messages });
  }

  /** Takes no more messages of this user to oneself; signals go in neither direction. */
  async block(userid: number): Promise<void> {
    await this.request({ msgid: Msg.BLOCK, userid });
  }

  /** Takes them again. */
  async unblock(userid: number): Promise<void> {
    await this.request({ msgid: Msg.UNBLOCK, userid });
  }

  /** The time to the server and back (ms). */
  async ping(): Promise<number> {
    const start = performance.now();
    await this.request({ msgid: Msg.PING });
    return performance.now() - start;
  }
}

/** Whether it is a message, and nothing that was done to one. */
export function isChat({ msgid }: { msgid: number }): boolean {
  return msgid === Msg.CHAT || msgid === Msg.GROUP_CHAT;
}

/** The message, with an empty text if it was deleted: then none is on its way. */
export function withText<T extends { msg: string }>(message: T): T {
  return (message.msg as string | undefined) === undefined ? { ...message, msg: "" } : message;
}
