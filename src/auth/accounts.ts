/** REGISTER and CHANGE_PASSWORD. */
import type { Connection } from "../net/connection.ts";
import type { Session } from "../net/session.ts";
import type { Limits } from "../ops/limits.ts";
import type { Ended, Store, UserId } from "../store/store.ts";
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
  readonly #ended: (ended: Ended[]) => void;

  /** Joins its parts. `ended` tells the nodes of sessions that are to end. */
  constructor(parts: { store: Store; passwords: Passwords; limits: Limits; ended: (ended: Ended[]) => void }) {
    this.#store = parts.store;
    this.#passwords = parts.passwords;
    this.#limits = parts.limits;
    this.#ended = parts.ended;
  }

  /** Makes an account. @returns the new user's id. Throws {@linkcode Refusal} 1 if the name is taken. */
  async register(connection: Connection, { name, password }: Request<typeof Msg.REGISTER>): Promise<{ id: UserId }> {
    const key = comparableName(name);
    const retry = this.#limits.registration(connection.address);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "too many registrations from your address", { retry });
    // A taken name is told without the cost of a hash; the database has the last word.
    if (await this.#store.findUser({ key })) throw new Refusal(Errno.INVALID, "the name is taken");
    const hash = await hashingFor(connection, (caller) => this.#passwords.hash(password, caller));
    const id = await this.#store.createUser(name, key, hash);
    if (id === undefined) throw new Refusal(Errno.INVALID, "the name is taken");
    return { id };
  }

  /** Ends all other devices of the user, and all other tokens. Throws {@linkcode Refusal}. */
  async changePassword(session: Session, request: Request<typeof Msg.CHANGE_PASSWORD>): Promise<void> {
    const { connection, userId, proof, device } = session;
    const account = await this.#store.findUser({ id: userId });
    const retry = this.#limits.loginTried(String(userId), connection.address);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "too many wrong passwords", { retry });
    const ok = account && (await hashingFor(connection, (caller) => this.#passwords.verify(account.password, request.old, caller))).ok;
    if (!ok) throw new Refusal(Errno.INVALID, "the old password is wrong");
    this.#limits.loginSucceeded(String(userId), connection.address);
    const hash = await hashingFor(connection, (caller) => this.#passwords.hash(request.new, caller));
    const keep = { device: device.id, token: "token" in proof ? proof.token : undefined };
    const ended = await this.#store.setPassword(userId, account.version, hash, keep);
    if (!ended) throw new Refusal(Errno.INVALID, "the old password is wrong");
    this.#ended(ended);
    // A session without a token goes by the password.
    const changed = "version" in proof ? await this.#store.findUser({ id: userId }) : undefined;
    if (changed) session.proof = { version: changed.version };
  }
}
