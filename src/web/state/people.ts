/** Contacts, blocks, devices, and the password. Everything here rejects with {@linkcode NatterError} or {@linkcode ConnectionLost}. */
import { byNameOrNumber } from "../../client/by_name.ts";
import { type Changed, type Friend, NatterError } from "../../client/natter_client.ts";
import { patiently } from "../../client/patiently.ts";
import { ask } from "./asking.ts";
import { isOver, takeLists } from "./lists.ts";
import type { Meanwhile } from "./meanwhile.ts";
import type { Key } from "./model.ts";
import type { Account } from "./account.ts";
import type { Store } from "./store.ts";

export class People {
  readonly #store: Store;
  readonly #account: Account;
  readonly #meanwhile: Meanwhile;

  constructor(store: Store, account: Account, meanwhile: Meanwhile) {
    this.#store = store;
    this.#account = account;
    this.#meanwhile = meanwhile;
  }

  /** Asks for the lists again: nobody repeats why. */
  async refresh(): Promise<void> {
    const contacts = () => ask(this.#account, (client) => patiently(() => client.contacts()));
    await this.#meanwhile.asked(contacts, (lists) => takeLists(this.#store, lists));
  }

  /** Another device changed something: what is shown of it is asked for again. */
  async changed(what: Changed["what"]): Promise<void> {
    if (what === "devices") return this.#store.state.devices && await this.loadDevices();
    if (what === "contacts" || what === "groups" || what === "blocked" || what === "invited") await this.refresh();
  }

  /** The number of who is called so. */
  async idOf(name: string): Promise<number> {
    const [user] = await ask(this.#account, (client) => client.users({ names: [name] }));
    if (!user) throw new NatterError(16, "there is nobody of that name");
    return user.id;
  }

  /** Brings the user's devices. */
  async loadDevices(): Promise<void> {
    const devices = await ask(this.#account, (client) => patiently(() => client.devices()));
    this.#store.update({ devices });
  }

  /** Signs one of the user's other devices out. */
  async removeDevice(id: number): Promise<void> {
    await ask(this.#account, (client) => client.removeDevice(id));
    await this.loadDevices();
  }

  /** @returns the conversation with that user */
  async addFriend(nameOrNumber: string): Promise<Key> {
    const { me } = this.#store.state;
    if (nameOrNumber === `#${me.id}` || nameOrNumber.toLowerCase() === me.name.toLowerCase()) {
      this.#store.change(`u${me.id}`, me.name, (c) => c);
      return `u${me.id}`;
    }
    const friend = await byNameOrNumber(nameOrNumber, (who) => ask(this.#account, (client) => client.addFriend(who)));
    this.#addFriend(friend);
    return `u${friend.id}`;
  }

  async addFriendById(id: number): Promise<void> {
    this.#addFriend(await ask(this.#account, (client) => client.addFriend({ id })));
  }

  #addFriend(friend: Friend): void {
    this.#store.update({ friends: new Map(this.#store.state.friends).set(friend.id, friend) });
    this.#store.change(`u${friend.id}`, friend.name, (c) => c);
  }

  /** What was said stays in the list, if anything was. */
  async removeFriend(id: number): Promise<void> {
    await ask(this.#account, (client) => client.removeFriend(id));
    const friends = new Map(this.#store.state.friends);
    friends.delete(id);
    this.#store.update({ friends });
    const c = this.#store.conversation(`u${id}`);
    // What is not sent yet stays as well.
    if (c && isOver(c, { ...this.#store.state, open: undefined })) this.#store.drop(c.key);
  }

  /** Begins a conversation with someone of whom the number is known. */
  write(id: number, name: string): Key {
    this.#store.change(`u${id}`, name, (c) => c);
    return `u${id}`;
  }

  async block(id: number): Promise<void> {
    await ask(this.#account, (client) => client.block(id));
    this.#store.update({ blocked: new Set(this.#store.state.blocked).add(id) });
  }

  async unblock(id: number): Promise<void> {
    await ask(this.#account, (client) => client.unblock(id));
    const blocked = new Set(this.#store.state.blocked);
    blocked.delete(id);
    this.#store.update({ blocked });
  }

  changePassword(old: string, fresh: string): Promise<void> {
    return this.#account.client.changePassword(old, fresh);
  }
}
