/** What a store keeps of groups; the rules stand in `store.ts`. */
import type { Contact, GroupId, Receiver, UserId } from "./store.ts";

/** What a member is in a group. */
export type Role = "creator" | "moderator" | "normal";

/** A group as the lists of a member show it. */
export interface Group {
  /** The group's number. */
  id: GroupId;
  /** As it was named. */
  groupname: string;
  /** What the group is for; may be empty. */
  groupdesc: string;
  /** What the member is in it. */
  role: Role;
  /** How many members it has. */
  count: number;
  /** For who is not in it, it does not exist. */
  private?: true | undefined;
}

/** What creator and moderators may change of a group. */
export interface GroupSettings {
  /** The name; of public groups unique by its comparable form (`wire/names.ts`). */
  groupname: string;
  /** What the group is for. */
  groupdesc: string;
  /** For who is not in it, it does not exist. */
  private: boolean;
  /** What those who join from now on see: all, or what comes after their joining. */
  history: "all" | "joined";
  /** Who may write. */
  posting: "all" | "moderators";
}

/** A member as others of the group see it. */
export interface Member extends Contact {
  /** What the member is in the group. */
  role: Role;
}

/** A page of a group's members, with what all of them may know of the group. */
export interface Members extends Omit<GroupSettings, "groupname"> {
  /** In the order of their ids. */
  members: Member[];
  /** How many the group has in all. */
  count: number;
  /** There are members with higher ids. */
  more: boolean;
}

/** What happened in a group: an entry of the logs of those who were in it before, or are after, and of whom it is about; and a place in the group's history. */
export interface GroupEvent {
  /** What happened. `invited` is told to the invited one alone, and is no part of the history. */
  what: "joined" | "left" | "kicked" | "role" | "updated" | "invited";
  /** Where. */
  groupid: GroupId;
  /** It may stand in a conversation of a group alone. */
  toid?: undefined;
  /** The group's name when it happened. */
  groupname: string;
  /** Its number, as of a message. */
  messageid: number;
  /** When (ms). */
  ts: number;
  /** Whom it is about. */
  id: UserId;
  /** That one's name. */
  name: string;
  /** Who did it, if another did. */
  by?: UserId | undefined;
  /** That one's name. */
  byname?: string | undefined;
  /** With `role`, and of who joined: what the member is now. */
  role?: Role | undefined;
  /** With `updated`: what was changed. */
  group?: Partial<GroupSettings> | undefined;
  /** How many members the group had then. */
  count: number;
}

/** An invitation by name, as the invited one sees it. */
export interface Invitation {
  /** The group. */
  groupid: GroupId;
  /** Its name. */
  groupname: string;
  /** Who invites. */
  by: UserId;
  /** That one's name. */
  byname: string;
  /** Until when it lets in (ms). */
  until: number;
}

/** An event that was stored, and in whose logs. */
export interface Told {
  /** What happened. */
  event: GroupEvent;
  /** Whom it is told. */
  receivers: Receiver[];
}

/** Nobody's business (to who is not in it a private group does not exist), or not theirs: NOT_YOURS. */
export type GroupRefusal = "NO_GROUP" | "NOT_MEMBER" | "NOT_YOURS";

/** No event: an invitation by name was renewed, or is no more. */
export type InvitationChanged = "INVITATION";

/** The part of a store that is groups. Events are stored in the transaction that makes them true; nobody's log is too full for them before it holds twice `maxInbox`. */
export interface GroupStore {
  /**
   * The new group's id, its creator the first member. INVALID: a public group with that key exists, or one whose name looks the same
   * (`look`, `wire/looks.ts`; without it the key). FULL: the user is in too many.
   */
  createGroup(
    creator: UserId,
    groupname: string,
    key: string,
    groupdesc: string,
    isPrivate?: boolean,
    look?: string,
  ): Promise<{ groupid: GroupId } | "INVALID" | "FULL">;
  /**
   * The group, which the user is a member of now; no events: they were before. By number or comparable name a public one, by number one that the user is invited
   * to, or by the hash of a code, which is used up by one then.
   *
   * NOT_INVITED: there is no such code, or not any more. NOT_YOURS: banned. FULL: the group is full, or the user is in too many.
   */
  joinGroup(
    userId: UserId,
    group: { id: GroupId } | { key: string } | { code: Uint8Array },
    at: number,
  ): Promise<{ group: Group; events: Told[] } | "NO_GROUP" | "NOT_INVITED" | "NOT_YOURS" | "FULL">;
  /**
   * When the creator leaves, the oldest moderator, else the oldest member becomes creator; the last one out removes the group (its name is free again): `closed`, to
   * those who were invited. Who is only invited declines.
   */
  leaveGroup(userId: UserId, groupid: GroupId, at: number): Promise<Told[] | { closed: UserId[] } | InvitationChanged | "NO_GROUP" | "NOT_MEMBER">;
  /** By creator and moderators. What is as it was is no change. INVALID: a public group of that name exists, or one that looks the same. */
  updateGroup(by: UserId, groupid: GroupId, settings: Partial<GroupSettings>, at: number): Promise<Told[] | GroupRefusal | "INVALID">;
  /** By the creator, who becomes moderator when another is made creator. NO_USER: not in the group. NOT_YOURS also: the creator's own role. */
  setRole(by: UserId, groupid: GroupId, userId: UserId, role: Role, at: number): Promise<Told[] | GroupRefusal | "NO_USER">;
  /**
   * By creator and moderators, of those who have a lower role, or are invited. `ban`: that one cannot come back; who is not in the group can be banned as well.
   * NO_USER: no such user, or neither member nor invited.
   */
  kickMember(by: UserId, groupid: GroupId, userId: UserId, ban: boolean, at: number): Promise<Told[] | InvitationChanged | GroupRefusal | "NO_USER">;
  /** By creator and moderators. Lifts a ban, if there is one. */
  unban(by: UserId, groupid: GroupId, userId: UserId): Promise<"OK" | GroupRefusal>;
  /**
   * By creator and moderators: that user may join until `expires`. A member already: no events. BLOCKED: takes nothing from the inviter. NOT_YOURS also: that one is
   * banned. FULL: so many invite that one already.
   */
  inviteUser(
    by: UserId,
    groupid: GroupId,
    userId: UserId,
    expires: number,
    at: number,
  ): Promise<Told[] | InvitationChanged | GroupRefusal | "NO_USER" | "BLOCKED" | "FULL">;
  /** By creator and moderators: a code, by its hash, for so many, until `expires`. FULL: the group has too many codes. */
  inviteByCode(by: UserId, groupid: GroupId, code: Uint8Array, uses: number, expires: number, at: number): Promise<"OK" | GroupRefusal | "FULL">;
  /** By creator and moderators: ends all codes of the group. */
  revokeCodes(by: UserId, groupid: GroupId): Promise<"OK" | GroupRefusal>;
  /** Who is in the group, and where; undefined: no such group. */
  membersOf(groupid: GroupId): Promise<{ userId: UserId; nodes: readonly string[] }[] | undefined>;
  /** Members with ids above `after`, as the asker, who must be one of them, may see them. */
  members(asker: UserId, groupid: GroupId, after: UserId, limit: number): Promise<Members | "NO_GROUP" | "NOT_MEMBER">;
  /** Who is banned, with ids above `after`; for creator and moderators. */
  banned(asker: UserId, groupid: GroupId, after: UserId, limit: number): Promise<{ id: UserId; name: string }[] | GroupRefusal>;
  /** For clients of 0.1: the first `limit` members of each of these groups that the asker is in, in the order they joined, as the asker may see them. */
  firstMembers(asker: UserId, groupids: GroupId[], limit: number): Promise<Map<GroupId, Member[]>>;
}

/** Most codes of a group; and how many that are used up are known beside them. */
export const MAX_CODES = 20, MAX_USED_UP = 100;
/** Most users who are invited to a group by name at a time. */
export const MAX_INVITATIONS = 2000;
/** Most groups that a user is invited to by name at a time. */
export const MAX_INVITED = 50;
