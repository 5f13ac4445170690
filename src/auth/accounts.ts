/** REGISTER and CHANGE_PASSWORD. */
import type { Connection } from "../net/connection.ts";
import type { Session } from "../presence/session.ts";
import type { Store } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/messages.ts";
import { comparableName } from "../wire/names.ts";
import { hashingFor } from "./hashing.ts";
import type { Passwords } from "./passwords.ts";

export class Accounts {
  readonly #store: Store;
  readonly #passwords: Passwords;

  constructor(store: Store, passwords: Passwords) {
    this.#store = store;
    this.#passwords = passwords;
  }

  /** @returns the new user's id. Throws {@linkcode Refusal} 1 if the name is taken. */
  async register(connection: Connection, { name, password }: Request<typeof Msg.REGISTER>) {
    const key = comparableName(name);
    // A taken name is told without the cost of a hash; the database has the last word.
    if (await this.#store.findUser({ key })) throw new Refusal(Errno.INVALID, "the name is taken");
    const hash = await hashingFor(connection, (signal) => this.#passwords.hash(password, signal));
    const id = await this.#store.createUser(name, key, hash);
    if (id === undefined) throw new Refusal(Errno.INVALID, "the name is taken");
    return { id };
  }

  /** Ends all other tokens of the user. */
  async changePassword(session: Session, request: Request<typeof Msg.CHANGE_PASSWORD>): Promise<void> {
    const account = await this.#store.findUser({ id: session.userId });
    const { connection } = session;
    const ok = account && (await hashingFor(connection, (signal) => this.#passwords.verify(account.password, request.old, signal))).ok;
    if (!ok) throw new Refusal(Errno.INVALID, "the old password is wrong");
    const hash = await hashingFor(connection, (signal) => this.#passwords.hash(request.new, signal));
    if (!await this.#store.setPassword(session.userId, account.password, hash)) throw new Refusal(Errno.INVALID, "the old password is wrong");
    await this.#store.removeTokens(session.userId, session.tokenHash);
  }
}
