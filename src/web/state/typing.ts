/** Who is typing: the user, of whom others are told, and others. */
import type { ClientEvents } from "../../client/natter_client.ts";
import { type Key, targetOf } from "./model.ts";
import type { Account } from "./account.ts";
import type { Store } from "./store.ts";

/** How often others are told that the user is typing, and how long it is believed of them (ms). */
const TELL = 3000, BELIEVE = 5000;

export class Typing {
  readonly #store: Store;
  readonly #account: Account;
  #told = { key: "" as Key | "", at: 0 };
  #forget: ReturnType<typeof setTimeout> | undefined;

  constructor(store: Store, account: Account) {
    this.#store = store;
    this.#account = account;
  }

  /** The user is typing. */
  tell(key: Key): void {
    const { key: told, at } = this.#told;
    if (key === told && performance.now() - at < TELL) return;
    this.#told = { key, at: performance.now() };
    this.#account.client.signal(targetOf(key), "typing");
  }

  /** The user has sent it: the next key is news. */
  sent(): void {
    this.#told = { key: "", at: 0 };
  }

  /** Somebody is. */
  heard({ id, groupid, msg }: ClientEvents["signal"]): void {
    const key: Key = groupid === undefined ? `u${id}` : `g${groupid}`;
    if (msg !== "typing" || !this.#store.conversation(key)) return;
    const others = (this.#store.state.typing.get(key) ?? []).filter((typist) => typist.id !== id);
    this.#set(key, [...others, { id, until: performance.now() + BELIEVE }]);
    this.#forget ??= setTimeout(() => this.#forgetLate(), BELIEVE);
  }

  /** A message of theirs has come. */
  stops(key: Key, id: number): void {
    const typists = this.#store.state.typing.get(key);
    if (typists) this.#set(key, typists.filter((typist) => typist.id !== id));
  }

  #set(key: Key, typists: { id: number; until: number }[]): void {
    const typing = new Map(this.#store.state.typing);
    if (typists.length > 0) typing.set(key, typists);
    else typing.delete(key);
    this.#store.update({ typing });
  }

  #forgetLate(): void {
    const now = performance.now();
    for (const [key, typists] of this.#store.state.typing) {
      const still = typists.filter((typist) => typist.until > now);
      if (still.length < typists.length) this.#set(key, still);
    }
    const next = Math.min(...[...this.#store.state.typing.values()].flat().map((typist) => typist.until));
    this.#forget = next === Infinity ? undefined : setTimeout(() => this.#forgetLate(), next - now);
  }
}
