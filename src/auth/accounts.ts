/** REGISTER and CHANGE_PASSWORD. */
import type { Connection } from "../net/connection.ts";
import type { Limits } from "../ops/limits.ts";
import type { Session } from "../presence/session.ts";
import type { Store, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/messages.ts";
import { comparableName } from "../wire/names.ts";
import { hashingFor } from "./hashing.ts";
import type { Passwords } from "./passwords.ts";

/** Makes accounts and changes passwords. */
export class Accounts {
  readonly #store: Store;
  readonly #passwords: Passwords;
  readonly #limits: Limits;

  /** Joins it to the store, the hashing and the limits. */
  constructor(store: Store, passwords: Passwords, limits: Limits) {
    this.#store = store;
    this.#passwords = passwords;
    this.#limits = limits;
  }

  /** Makes an account. @returns the new user's id. Throws {@linkcode Refusal} 1 if the name is taken. */
  async register(connection: Connection, { name, password }: Request<typeof Msg.REGISTER>): Promise<{ id: UserId }> {
    const key = comparableName(name);
    const retry = this.#limits.registration(connection.address);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "too many registrations from your address", { retry });
    // A taken name is told without the cost of a hash; the database has the last word.
    if (await this.#store.findUser({ key })) throw new Refusal(Errno.INVALID, "the name is taken");
    const hash = await hashingFor(connection, (signal) => this.#passwords.hash(password, signal));
    const id = await this.#store.createUser(name, key, hash);
    if (id === undefined) throw new Refusal(Errno.INVALID, "the name is taken");
    return { id };
  }

  /** Ends all other tokens of the user. */
  async changePassword(session: Session, request: Request<typeof Msg.CHANGE_PASSWORD>): Promise<void> {
    const { connection, userId } = session;
    const account = await this.#store.findUser({ id: userId });
    const retry = this.#limits.loginTried(String(userId), connection.address);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "too many wrong passwords", { retry });
    const ok = account && (await hashingFor(connection, (signal) => this.#passwords.verify(account.password, request.old, signal))).ok;
    if (!ok) throw new Refusal(Errno.INVALID, "the old password is wrong");
    this.#limits.loginSucceeded(String(userId), connection.address);
    const hash = await hashingFor(connection, (signal) => this.#passwords.hash(request.new, signal));
    if (!await this.#store.setPassword(session.userId, account.password, hash)) throw new Refusal(Errno.INVALID, "the old password is wrong");
    await this.#store.removeTokens(session.userId, session.tokenHash);
  }
}
