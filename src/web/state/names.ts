/** Names of users whom the page meets by their number only: someone types in a group, someone was written to on another device. */
import type { Session } from "./session.ts";
import type { Store } from "./store.ts";

/** Most users in one request. */
const MOST = 100;

export class Names {
  readonly #store: Store;
  readonly #session: Session;
  readonly #asked = new Set<number>();
  #wanted: number[] = [];

  constructor(store: Store, session: Session) {
    this.#store = store;
    this.#session = session;
  }

  /** The name, or for now the number; then the server is asked, once. */
  of(id: number): string {
    const { names, friends, me } = this.#store.state;
    const name = id === me.id ? me.name : friends.get(id)?.name ?? names.get(id);
    if (name === undefined) this.#want(id);
    return name ?? `#${id}`;
  }

  /** A new session begins: what could not be asked in the last one may be asked again. */
  forget(): void {
    this.#asked.clear();
    this.#wanted = [];
  }

  #want(id: number): void {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    this.#wanted.push(id);
    // Whoever is met in this turn is asked for together.
    if (this.#wanted.length === 1) queueMicrotask(() => void this.#ask());
  }

  async #ask(): Promise<void> {
    const { client } = this.#session;
    for (const wanted = this.#wanted.splice(0); wanted.length > 0;) {
      const users = await client.users({ ids: wanted.splice(0, MOST) }).catch(() => []);
      if (client !== this.#session.client || users.length === 0) return;
      const names = new Map(this.#store.state.names);
      for (const { id, name } of users) names.set(id, name);
      this.#store.update({ names });
      for (const { id, name } of users) this.#store.amend(`u${id}`, (c) => ({ ...c, name }));
    }
  }
}
