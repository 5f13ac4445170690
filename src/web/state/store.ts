/** All that the page shows, in one place. Whoever shows something reads it from here; whoever changes it replaces the parts that change. */
import type { ConnectionState, Device, FileTold, Friend, Group, GroupEvent, Invitation, Members, User } from "../../client/natter_client.ts";
import { type Conversation, isMuted, type Key, type Line, newConversation, newestOf } from "./model.ts";

/** Who is typing: the user, and until when it is believed (as `performance.now()` counts). */
export interface Typist {
  id: number;
  until: number;
}

export interface State {
  /** `starting`: it is not known yet. `elsewhere`: another tab of this browser has the account. */
  screen: "starting" | "login" | "elsewhere" | "chat";
  /** Why the login form is shown, if it was not logging out. */
  notice?: "refused" | "deleted" | undefined;
  connection: ConnectionState;
  me: { id: number; name: string };
  conversations: ReadonlyMap<Key, Conversation>;
  /** Whether the server has told all of them since the page was opened: those of which nothing is known have no messages. */
  listed: boolean;
  friends: ReadonlyMap<number, Friend>;
  groups: ReadonlyMap<number, Group>;
  /** Members of groups that were looked at, as they were then. */
  members: ReadonlyMap<number, Members>;
  /** Who is banned from the group that is looked at. */
  banned?: readonly User[] | undefined;
  /** Groups that the user may join, by number: who invited them, and when. */
  invitations: ReadonlyMap<number, Invitation>;
  /** Groups that the user was put out of, until that is read. */
  removed: readonly GroupEvent[];
  /** The code of a link to a group that the page was opened by. */
  code?: string | undefined;
  /** Whether such a link waits for somebody to log in. */
  linked?: boolean | undefined;
  /** Names of users, as far as they are known. */
  names: ReadonlyMap<number, string>;
  blocked: ReadonlySet<number>;
  /** The user's devices, while they are looked at. */
  devices?: readonly Device[] | undefined;
  typing: ReadonlyMap<Key, readonly Typist[]>;
  /** The conversation to which the search is limited. */
  within?: Key | undefined;
  /** The conversation on the screen. */
  open?: Key | undefined;
  dialog?:
    | "new"
    | "settings"
    | "details"
    | "invite"
    | "group"
    | "logout"
    | Question
    | "emoji"
    | "react"
    | "forward"
    | "report"
    | "join"
    | "picture"
    | undefined;
  /** The picture that the dialog shows. */
  picture?: FileTold | undefined;
  /** The message that the dialog is about. */
  chosen?: Line | undefined;
  /** The member of the group that it is about. */
  member?: Pick<User, "id" | "name"> | undefined;
  /** What a screen reader is to say. */
  spoken: string;
  /** What went wrong a moment ago with something that has no place of its own to say so, each on a line. */
  trouble: string;
}

/** What is asked about before it is done. */
export const QUESTIONS = ["block", "remove", "leave", "delete", "creator", "kick", "ban"] as const;
export type Question = typeof QUESTIONS[number];

/** How long it is said that something went wrong (ms). */
const TROUBLED = 6000;

export class Store {
  #state: State = {
    screen: "starting",
    connection: { state: "closed", reason: "new" },
    me: { id: 0, name: "" },
    ...nothing(),
    spoken: "",
    trouble: "",
  };
  #troubles: string[] = [];
  #troubled: ReturnType<typeof setTimeout> | undefined;
  #listeners: ((state: State) => void)[] = [];

  get state(): State {
    return this.#state;
  }

  /** Calls `listener` after each change, for good. */
  subscribe(listener: (state: State) => void): void {
    this.#listeners.push(listener);
  }

  update(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener(this.#state);
  }

  conversation(key: Key): Conversation | undefined {
    return this.#state.conversations.get(key);
  }

  /** Changes a conversation; one that is not there is begun, under this name. */
  change(key: Key, name: string, how: (c: Conversation) => Conversation): void {
    const before = this.conversation(key);
    const after = how(before ?? newConversation(key, name));
    if (after !== before) this.update({ conversations: new Map(this.#state.conversations).set(key, after) });
  }

  /** Changes a conversation if it is there. */
  amend(key: Key, how: (c: Conversation) => Conversation): void {
    if (this.conversation(key)) this.change(key, "", how);
  }

  /** A dialog has done what it is for: another one takes its place, or none; unless the user has closed it meanwhile. */
  done(dialog: State["dialog"], next?: State["dialog"]): void {
    if (this.#state.dialog === dialog) this.update({ dialog: next });
  }

  /** Says for a while that something went wrong, below what is being said already. */
  complain(trouble: string): void {
    this.#say([...this.#troubles.filter((other) => other !== trouble), trouble]);
    this.#troubled = setTimeout(() => this.#say([]), TROUBLED);
  }

  /** Somebody else may look at the page now: nothing that was said stays. */
  hush(): void {
    this.#say([]);
  }

  #say(troubles: string[]): void {
    clearTimeout(this.#troubled);
    this.#troubles = troubles;
    this.update({ trouble: troubles.join("\n") });
  }

  /** Takes a conversation off the list. */
  drop(key: Key): void {
    const conversations = new Map(this.#state.conversations);
    conversations.delete(key);
    this.update({
      conversations,
      ...this.#state.open === key ? withoutOpen(this.#state) : {},
      ...this.#state.within === key ? { within: undefined } : {},
    });
  }
}

/** The open conversation is gone, and with it the dialogs that are about one. */
export function withoutOpen({ dialog }: State): Partial<State> {
  const stays = dialog === "new" || dialog === "settings" || dialog === "logout" || dialog === "join";
  return { open: undefined, dialog: stays ? dialog : undefined };
}

/** What is there of nobody. */
export function nothing() {
  return {
    conversations: new Map(),
    listed: false,
    within: undefined,
    friends: new Map(),
    groups: new Map(),
    members: new Map(),
    invitations: new Map(),
    removed: [],
    names: new Map(),
    blocked: new Set<number>(),
    typing: new Map(),
  } satisfies Partial<State>;
}

/** As the list shows them: what is pinned, then what moved last; what never did follows by name. */
export function sorted(conversations: ReadonlyMap<Key, Conversation>): Conversation[] {
  const order = (a: Conversation, b: Conversation) =>
    Number(b.pinned) - Number(a.pinned) || (newestOf(b)?.ts ?? 0) - (newestOf(a)?.ts ?? 0) || a.name.localeCompare(b.name);
  return [...conversations.values()].sort(order);
}

/** Unread messages of all conversations that are not muted; of those that are, what speaks to the user. */
export function unreadOf({ conversations }: State): number {
  let count = 0;
  for (const c of conversations.values()) count += !isMuted(c) ? c.unread : c.archived ? 0 : c.mentions.length;
  return count;
}
