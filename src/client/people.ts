/** Users, groups and devices, as the server tells of them. */

/** A user as lists show it. */
export interface Friend {
  /** The user's number. */
  id: number;
  /** The user's name. */
  name: string;
  /** Whether the user is here, on any device. */
  state: "online" | "offline";
  /** When the user was last here (ms since the epoch), null if never. */
  lastseen: number | null;
}

/** What someone is in a group. */
export type Role = "creator" | "moderator" | "normal";

/** A group as one's lists show it. */
export interface Group {
  /** The group's number. */
  id: number;
  /** The group's name. */
  groupname: string;
  /** What one is in it. */
  role: Role;
  /** How many members it has. */
  count: number;
  /** It does not exist for who is not in it. */
  private?: boolean;
}

/** An invitation into a group, by name. */
export interface Invitation {
  /** The group. */
  groupid: number;
  /** Its name. */
  groupname: string;
  /** Who invites. */
  by: number;
  /** That one's name. */
  byname: string;
  /** Until when it lets in (ms since the epoch). */
  until: number;
}

/** Someone in a group. */
export interface Member extends Friend {
  /** What they are in it. */
  role: Role;
}

/** A page of a group's members. */
export interface Members {
  /** What the group is for; may be empty. */
  groupdesc: string;
  /** It does not exist for who is not in it. */
  private?: true;
  /** What those who join from now on see of what was said: all, or what comes after their joining. */
  history: "all" | "joined";
  /** Who may write. */
  posting: "all" | "moderators";
  /** In the order of their numbers. */
  members: Member[];
  /** How many the group has in all. */
  count: number;
  /** There are members with higher numbers. */
  more: boolean;
}

/** What creator and moderators may change of a group. */
export interface GroupSettings {
  /** Its name; of public groups no other one's. */
  groupname: string;
  /** What it is for. */
  groupdesc: string;
  /** It does not exist for who is not in it. */
  private: boolean;
  /** What those who join from now on see of what was said. */
  history: "all" | "joined";
  /** Who may write. */
  posting: "all" | "moderators";
}

/** Something that happened in a group. */
export interface GroupEvent {
  /** In which group. */
  groupid: number;
  /** What it was called then. */
  groupname: string;
  /** What. `invited` is told to the invited one alone, and stands in no history. */
  what: "joined" | "left" | "kicked" | "role" | "updated" | "invited";
  /** Whom it is about. */
  id: number;
  /** That one's name. */
  name: string;
  /** Who did it, if another did. */
  by?: number;
  /** That one's name. */
  byname?: string;
  /** With `role` and `joined`: what that one is now. */
  role?: Role;
  /** With `updated`: what was changed. */
  group?: Partial<GroupSettings>;
  /** How many members the group had then. */
  count: number;
  /** When (ms since the epoch). */
  ts: number;
  /** Its number, as of a message. */
  messageid: number;
}

/** A user, as anybody may see them. */
export interface User {
  /** The user's number. */
  id: number;
  /** The user's name. */
  name: string;
  /** What the user says of themselves, if that is anything. */
  about?: string;
  /** Where the picture is, if there is one: a path on the server's HTTP port. */
  avatar?: string;
  /** It is a program. */
  bot?: true;
}

/** Where a browser is told by Web Push. */
export interface PushSubscribed {
  /** Its push service's URL for it. */
  endpoint: string;
  /** The browser's key and secret, in base64url. */
  keys: { p256dh: string; auth: string };
  /** What is said goes along. */
  text?: boolean;
}

/** Whether a device is told by Web Push. */
export interface PushState {
  /** The server's key, in base64url, for which a browser subscribes. */
  key: string;
  /** Where it is told; absent: nowhere. */
  endpoint?: string;
  /** Whether what is said goes along. */
  text?: boolean;
}

/** What one says of oneself. */
export interface Profile {
  /** For others: at most 200 characters; may be empty. */
  about: string;
  /** Others may know up to where one has read. */
  receipts: boolean;
  /** Where one's picture is, if there is one: a path on the server's HTTP port. */
  avatar?: string;
}

/** One of one's own devices. */
export interface Device {
  /** Its number: 1, 2, 3 …; 0 is the one of programs that name none. */
  id: number;
  /** As it was named at its login; of device 0 empty. */
  name: string;
  /** Whether it is connected. */
  state: "online" | "offline";
  /** When its last session began (ms since the epoch), null if none has. */
  since: number | null;
  /** When its last session ended (ms since the epoch), null if none has. */
  lastseen: number | null;
  /** Where its last session came from. */
  address?: string;
  /** It is the one that asks. */
  this?: boolean;
}

/** A friend came or went. */
export interface Presence {
  /** The friend. */
  id: number;
  /** What the friend is now. */
  state: "online" | "offline";
  /** When the friend was last here (ms since the epoch), null if never. */
  lastseen: number | null;
}
