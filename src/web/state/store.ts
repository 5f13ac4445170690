/** All that the page shows, in one place. Whoever shows something reads it from here; whoever changes it replaces the parts that change. */
import type { ConnectionState, Device, Friend, Group, Members } from "../../client/natter_client.ts";
import { type Conversation, type Key, newConversation, newestOf } from "./model.ts";

/** Who is typing: the user, and until when it is believed (ms since the epoch). */
export interface Typist {
  id: number;
  until: number;
}

export interface State {
  /** `starting`: it is not known yet. `elsewhere`: another tab of this browser has the account. */
  screen: "starting" | "login" | "elsewhere" | "chat";
  /** Why the login form is shown, if the user did not ask for it. */
  notice?: "refused" | undefined;
  connection: ConnectionState;
  me: { id: number; name: string };
  conversations: ReadonlyMap<Key, Conversation>;
  friends: ReadonlyMap<number, Friend>;
  groups: ReadonlyMap<number, Group>;
  /** Members of groups that were looked at, as they were then. */
  members: ReadonlyMap<number, Members>;
  /** Names of users, as far as they are known. */
  names: ReadonlyMap<number, string>;
  blocked: ReadonlySet<number>;
  /** The user's devices, while they are looked at. */
  devices?: readonly Device[] | undefined;
  typing: ReadonlyMap<Key, readonly Typist[]>;
  /** The conversation on the screen. */
  open?: Key | undefined;
  dialog?: "new" | "settings" | "details" | "logout" | "block" | "remove" | "leave" | undefined;
  /** What a screen reader is to say. */
  spoken: string;
}

export class Store {
  #state: State = {
    screen: "starting",
    connection: { state: "closed", reason: "new" },
    me: { id: 0, name: "" },
    conversations: new Map(),
    friends: new Map(),
    groups: new Map(),
    members: new Map(),
    names: new Map(),
    blocked: new Set(),
    typing: new Map(),
    spoken: "",
  };
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
    const conversations = new Map(this.#state.conversations);
    conversations.set(key, how(conversations.get(key) ?? newConversation(key, name)));
    this.update({ conversations });
  }

  /** Changes a conversation if it is there. */
  amend(key: Key, how: (c: Conversation) => Conversation): void {
    if (this.conversation(key)) this.change(key, "", how);
  }

  /** Takes a conversation off the list. */
  drop(key: Key): void {
    const conversations = new Map(this.#state.conversations);
    conversations.delete(key);
    this.update({ conversations, open: this.#state.open === key ? undefined : this.#state.open });
  }
}

/** As the list shows them: what moved last comes first, what never did follows by name. */
export function sorted(conversations: ReadonlyMap<Key, Conversation>): Conversation[] {
  const order = (a: Conversation, b: Conversation) => (newestOf(b)?.ts ?? 0) - (newestOf(a)?.ts ?? 0) || a.name.localeCompare(b.name);
  return [...conversations.values()].sort(order);
}

/** Unread messages of all conversations. */
export function unreadOf({ conversations }: State): number {
  let count = 0;
  for (const c of conversations.values()) count += c.unread;
  return count;
}
