/** REGISTER, CHANGE_PASSWORD, DELETE_ACCOUNT. */
import type { Registration } from "../config/config.ts";
import type { Connection } from "../net/connection.ts";
import type { Session } from "../net/session.ts";
import type { Limits } from "../ops/limits.ts";
import { log } from "../ops/log.ts";
import type { Account, Ended, Store, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";
import { isReserved, lookOf } from "../wire/looks.ts";
import { comparableName } from "../wire/names.ts";
import { hashCode } from "./codes.ts";
import { hashingFor } from "./hashing.ts";
import type { Passwords } from "./passwords.ts";

/** Makes accounts and changes passwords. */
export class Accounts {
  readonly #store: Store;
  readonly #passwords: Passwords;
  readonly #limits: Limits;
  readonly #registration: Registration;
  readonly #ended: (ended: Ended[]) => void;

  /** Joins its parts. `registration`: who may make an account. `ended` tells the nodes of sessions that are to end. */
  constructor(
    parts: {
      store: Store;
      passwords: Passwords;
      limits: Limits;
      registration: Registration;
      ended: (ended: Ended[]) => void;
    },
  ) {
    this.#store = parts.store;
    this.#passwords = parts.passwords;
    this.#limits = parts.limits;
    this.#registration = parts.registration;
    this.#ended = parts.ended;
  }

  /** Makes an account. @returns the new user's id. Throws {@linkcode Refusal} 1 if the name is taken or looks like another's, 27 if an invitation is wanted. */
  async register(connection: Connection, { name, password, invite }: Request<typeof Msg.REGISTER>): Promise<{ id: UserId }> {
    const key = comparableName(name);
    const retry = this.#limits.registration(connection.address);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "too many registrations from your address", { retry });
    const look = await lookOf(name);
    const code = await this.#admit(invite);
    // A taken name is told without the cost of a hash; the database has the last word.
    if (isReserved(look) || await this.#store.findUser({ key })) throw new Refusal(Errno.INVALID, "the name is taken");
    const hash = await hashingFor(connection, (caller) => this.#passwords.hash(password, caller));
    const id = code
      ? await this.#store.createInvited(code, Date.now(), { name, key, password: hash, look })
      : await this.#store.createUser(name, key, hash, look) ?? "INVALID";
    if (typeof id === "string") throw new Refusal(Errno[id], id === "INVALID" ? "the name is taken, or looks like another's" : undefined);
    return { id };
  }

  /** The hash of the code that is needed; undefined: none is. Throws {@linkcode Refusal} 27. */
  async #admit(invite: string | undefined): Promise<Uint8Array | undefined> {
    if (this.#registration === "open") return undefined;
    if (this.#registration === "closed") throw new Refusal(Errno.NOT_INVITED, "this server takes no new users");
    const code = invite === undefined ? undefined : hashCode(invite);
    if (!code || !await this.#store.isInvited(code, Date.now())) {
      throw new Refusal(Errno.NOT_INVITED, invite === undefined ? undefined : "this invitation is not valid, or not any more");
    }
    return code;
  }

  /** Ends all other devices of the user, and all other tokens. Throws {@linkcode Refusal}. */
  async changePassword(session: Session, request: Request<typeof Msg.CHANGE_PASSWORD>): Promise<void> {
    const { connection, userId, proof, device } = session;
    const wrong = "the old password is wrong";
    const account = await this.#proved(session, request.old, wrong);
    const hash = await hashingFor(connection, (caller) => this.#passwords.hash(request.new, caller));
    const keep = { device: device.id, token: "token" in proof ? proof.token : undefined };
    const ended = await this.#store.setPassword(userId, account.version, hash, keep);
    if (!ended) throw new Refusal(Errno.INVALID, wrong);
    this.#ended(ended);
    // A session without a token goes by the password.
    const changed = "version" in proof ? await this.#store.findUser({ id: userId }) : undefined;
    if (changed) session.proof = { version: changed.version };
  }

  /** Ends the account; what hangs on it goes in the background. Throws {@linkcode Refusal}. */
  async deleteAccount(session: Session, { password, messages }: Request<typeof Msg.DELETE_ACCOUNT>): Promise<void> {
    const wrong = "the password is wrong";
    const { version } = await this.#proved(session, password, wrong);
    await session.endItself(async () => {
      const ended = await this.#store.deleteAccount(session.userId, version, messages);
      if (!ended) throw new Refusal(Errno.INVALID, wrong);
      log.info("an account was deleted", { user: session.userId });
      this.#ended(ended);
    });
  }

  /** The user of a session, who knows the password. Throws {@linkcode Refusal}: with `wrong`, if not. */
  async #proved({ connection, userId }: Session, password: string, wrong: string): Promise<Account> {
    const account = await this.#store.findUser({ id: userId });
    const retry = this.#limits.loginTried(String(userId), connection.address);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "too many wrong passwords", { retry });
    // A bot has none.
    const ok = account && account.password !== "" &&
      (await hashingFor(connection, (caller) => this.#passwords.verify(account.password, password, caller))).ok;
    if (!ok) throw new Refusal(Errno.INVALID, wrong);
    this.#limits.loginSucceeded(String(userId), connection.address);
    return account;
  }
}
