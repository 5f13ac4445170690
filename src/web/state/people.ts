/** Contacts, groups, blocks, devices, and the password. Everything here rejects with {@linkcode NatterError} or {@linkcode ConnectionLost}. */
import { type Changed, type Friend, type Group, NatterError } from "../../client/natter_client.ts";
import type { Key } from "./model.ts";
import type { Session } from "./session.ts";
import type { Store } from "./store.ts";

/** Members that are loaded at once. */
const MEMBERS = 100;

/** The errno of what is not found: a login, a user, a group. */
const NOT_FOUND = [1, 16, 17];

export class People {
  readonly #store: Store;
  readonly #session: Session;

  constructor(store: Store, session: Session) {
    this.#store = store;
    this.#session = session;
  }

  /** Asks for the lists again. */
  async refresh(): Promise<void> {
    this.#session.lists(await this.#session.client.contacts());
  }

  /** Another device changed something: what is shown of it is asked for again. */
  async changed(what: Changed["what"]): Promise<void> {
    if (what === "devices") return this.#store.state.devices && await this.loadDevices();
    if (what === "contacts" || what === "groups" || what === "blocked") await this.refresh();
  }

  /** Brings the user's devices. */
  async loadDevices(): Promise<void> {
    const devices = await this.#session.client.devices();
    this.#store.update({ devices });
  }

  /** Signs one of the user's other devices out. */
  async removeDevice(id: number): Promise<void> {
    await this.#session.client.removeDevice(id);
    await this.loadDevices();
  }

  /** Brings the members of a group: the first of them, or (`more`) those behind what is there. */
  async loadMembers(groupid: number, more = false): Promise<void> {
    const known = more ? this.#store.state.members.get(groupid) : undefined;
    const page = await this.#session.client.members(groupid, { after: known?.members.at(-1)?.id, limit: MEMBERS });
    const { members, names, groups } = this.#store.state;
    const group = groups.get(groupid);
    this.#store.update({
      members: new Map(members).set(groupid, { ...page, members: [...known?.members ?? [], ...page.members] }),
      names: new Map([...names, ...page.members.map(({ id, name }) => [id, name] as const)]),
      groups: group ? new Map(groups).set(groupid, { ...group, count: page.count }) : groups,
    });
  }

  /** @returns the conversation with that user */
  async addFriend(nameOrNumber: string): Promise<Key> {
    const { me } = this.#store.state;
    if (nameOrNumber === `#${me.id}` || nameOrNumber.toLowerCase() === me.name.toLowerCase()) {
      this.#store.change(`u${me.id}`, me.name, (c) => c);
      return `u${me.id}`;
    }
    const friend = await byNameOrNumber(nameOrNumber, (who) => this.#session.client.addFriend(who));
    this.#addFriend(friend);
    return `u${friend.id}`;
  }

  async addFriendById(id: number): Promise<void> {
    this.#addFriend(await this.#session.client.addFriend({ id }));
  }

  #addFriend(friend: Friend): void {
    this.#store.update({ friends: new Map(this.#store.state.friends).set(friend.id, friend) });
    this.#store.change(`u${friend.id}`, friend.name, (c) => c);
  }

  /** What was said stays in the list, if anything was. */
  async removeFriend(id: number): Promise<void> {
    await this.#session.client.removeFriend(id);
    const friends = new Map(this.#store.state.friends);
    friends.delete(id);
    this.#store.update({ friends });
    if (!this.#store.conversation(`u${id}`)?.last) this.#store.drop(`u${id}`);
  }

  /** Begins a conversation with someone of whom the number is known. */
  write(id: number, name: string): Key {
    this.#store.change(`u${id}`, name, (c) => c);
    return `u${id}`;
  }

  async createGroup(name: string, description: string): Promise<Key> {
    const { groupid } = await this.#session.client.createGroup(name, description);
    await this.refresh();
    return `g${groupid}`;
  }

  async joinGroup(nameOrNumber: string): Promise<Key> {
    const group: Group = await byNameOrNumber(nameOrNumber, (which) => this.#session.client.joinGroup(which));
    this.#store.update({ groups: new Map(this.#store.state.groups).set(group.id, group) });
    this.#store.change(`g${group.id}`, group.groupname, (c) => c);
    return `g${group.id}`;
  }

  async leaveGroup(id: number): Promise<void> {
    await this.#session.client.leaveGroup(id);
    this.#store.drop(`g${id}`);
  }

  async block(id: number): Promise<void> {
    await this.#session.client.block(id);
    this.#store.update({ blocked: new Set(this.#store.state.blocked).add(id) });
  }

  async unblock(id: number): Promise<void> {
    await this.#session.client.unblock(id);
    const blocked = new Set(this.#store.state.blocked);
    blocked.delete(id);
    this.#store.update({ blocked });
  }

  changePassword(old: string, fresh: string): Promise<void> {
    return this.#session.client.changePassword(old, fresh);
  }
}

/** `#12` is a number. `12` may be a name, and is taken for a number if it is none. */
export async function byNameOrNumber<T>(text: string, ask: (who: { id: number } | { name: string }) => Promise<T>): Promise<T> {
  const [, hash, digits] = /^(#?)([1-9]\d{0,15})$/.exec(text) ?? [];
  if (digits === undefined) return await ask({ name: text });
  if (hash) return await ask({ id: Number(digits) });
  try {
    return await ask({ name: text });
  } catch (error) {
    if (error instanceof NatterError && NOT_FOUND.includes(error.errno)) return await ask({ id: Number(digits) });
    throw error;
  }
}
