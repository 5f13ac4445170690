/** Who users are: the names of those whom the page meets by their number only, and what all say of themselves. */
import type { User } from "../../client/natter_client.ts";
import { patiently } from "../../client/patiently.ts";
import type { Account } from "./account.ts";
import type { Store } from "./store.ts";

/** Most users in one request. */
const USERS_OF_REQUEST = 100;

export class Names {
  readonly #store: Store;
  readonly #account: Account;
  readonly #asked = new Set<number>();
  readonly #users = new Map<number, User>();
  readonly #listeners = new Set<() => void>();
  #wanted: number[] = [];

  constructor(store: Store, account: Account) {
    this.#store = store;
    this.#account = account;
  }

  /** The name, or for now the number; then the server is asked, once. */
  of(id: number): string {
    const { names, friends, me } = this.#store.state;
    const name = id === me.id ? me.name : friends.get(id)?.name ?? names.get(id);
    if (name === undefined) this.#want(id);
    return name ?? `#${id}`;
  }

  /** What the user says of themselves, as far as it is known; the server is asked, once in a session. */
  look(id: number): User | undefined {
    this.#want(id);
    return this.#users.get(id);
  }

  /** The user has changed something of it. */
  again(id: number): void {
    this.#asked.delete(id);
    this.#want(id);
  }

  /** Calls this whenever more is known. @returns what ends that */
  onKnown(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A new session begins: what could not be asked in the last one may be asked again. */
  forget(): void {
    this.#asked.clear();
    this.#wanted = [];
    for (const listener of this.#listeners) listener();
  }

  #want(id: number): void {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    this.#wanted.push(id);
    // Whoever is met in this turn is asked for together.
    if (this.#wanted.length === 1) queueMicrotask(() => void this.#ask());
  }

  async #ask(): Promise<void> {
    const { client } = this.#account;
    for (const wanted = this.#wanted.splice(0); wanted.length > 0;) {
      const ids = wanted.splice(0, USERS_OF_REQUEST);
      const users = await patiently(() => client.users({ ids })).catch(() => []);
      if (client !== this.#account.client) return;
      if (users.length > 0) this.#learn(users);
    }
  }

  #learn(users: readonly User[]): void {
    const { names } = this.#store.state;
    // Whatever is told anew is drawn anew.
    if (users.some(({ id, name }) => names.get(id) !== name)) {
      this.#store.update({ names: new Map([...names, ...users.map(({ id, name }) => [id, name] as const)]) });
    }
    for (const user of users) this.#users.set(user.id, user);
    for (const { id, name } of users) this.#store.amend(`u${id}`, (c) => c.name === name ? c : { ...c, name });
    for (const listener of this.#listeners) listener();
  }
}
