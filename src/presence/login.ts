/**
 * From LOGIN to a session that the database and the table both hold.
 *
 * 1. Who someone is gets checked first, outside of any lock; then the logins of one user run one after another until bound. So of two at once exactly one wins,
 *    and a probe never runs beside another of the same user.
 * 2. The claim in the database decides, in one conditional statement. A claim that failed may still be committed later: its session is released, and
 *    reconciling finds what slips through.
 * 3. A row that names this node and a session that the table does not hold is no conflict: that session is over, its release is on its way or was lost.
 * 4. The holder on another node is asked over the bus. No answer while that node's lease is valid and its process may live: the account is in use.
 * 5. If the connection dies at any step, the session is released: before `bind` here, after it by the departure.
 */
import { hashingFor } from "../auth/hashing.ts";
import type { Passwords } from "../auth/passwords.ts";
import { hashToken } from "../auth/tokens.ts";
import type { Connection } from "../net/connection.ts";
import type { Limits } from "../ops/limits.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import { log } from "../ops/log.ts";
import type { Account, Store, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/messages.ts";
import { comparableName } from "../wire/names.ts";
import type { ConnectionTable } from "./connection_table.ts";
import type { PresenceListener } from "./departure.ts";
import type { OfflineWriter } from "./offline_writer.ts";
import { isAlive } from "./probe.ts";
import type { RemoteHolders } from "./remote_holders.ts";
import { newSessionId, Session } from "./session.ts";
import { Turns } from "./turns.ts";

/** How long a login waits for the release of the user's former session (ms); if the database is that slow, the claim decides without it. */
const SETTLE_MS = 1000;
/** How often the holder of an account may change under a login before it gives up. */
const CLAIM_TRIES = 4;
/** Unknown outcomes are released at once while fewer than this wait already; beyond it reconciling finds them. */
const MAX_DOUBTS = 10_000;

/** A checked identity, and the token that it came with. */
interface Identity {
  account: Account;
  tokenHash: Uint8Array | undefined;
  expires: number | undefined;
}

/** A session that is bound, but not told of yet. */
export interface LoggedIn {
  /** It is in the table and in the database. */
  session: Session;
  /** What the database said of the inbox at the claim. */
  inbox: { confirmed: number; last: number };
  /** When the token it came with expires (ms); undefined: it came with a password. */
  tokenExpires: number | undefined;
}

/** Lets users in, one session each. */
export class Login {
  /** The logins of each user that are between their check and their binding. */
  readonly turns: Turns<UserId> = new Turns();

  /** Joins its parts. */
  constructor(
    private readonly parts: {
      node: string;
      onConflict: "probe" | "refuse" | "replace";
      store: Store;
      table: ConnectionTable;
      passwords: Passwords;
      offline: OfflineWriter;
      listener: PresenceListener;
      limits: Limits;
      /** By which tokens expire. */
      time: TrustedTime;
      remote: RemoteHolders;
      /** The database says that this node's lease is not valid. */
      fenced: () => void;
      /** Ends a session whose account another has taken over. */
      replaced: (session: Session) => void;
    },
  ) {}

  /** Throws {@linkcode Refusal} with the errno of the answer; whatever the store throws. */
  async login(connection: Connection, request: Request<typeof Msg.LOGIN>): Promise<LoggedIn> {
    const identity = request.token === undefined ? await this.#byPassword(connection, request) : await this.#byToken(request, request.token);
    if (identity.account.closed) throw new Refusal(Errno.CLOSED);
    return await this.turns.run(identity.account.id, () => this.#enter(connection, identity, request.proto !== undefined));
  }

  async #byToken(request: Request<typeof Msg.LOGIN>, token: string): Promise<Identity> {
    const tokenHash = hashToken(token);
    const found = tokenHash && await this.parts.store.findUserByToken(tokenHash, this.parts.time.now());
    if (!found) throw new Refusal(Errno.INVALID);
    const { account, expires } = found;
    const matches = request.id === undefined ? comparableName(request.name ?? "") === comparableName(account.name) : request.id === account.id;
    if (!matches) throw new Refusal(Errno.INVALID);
    return { account, tokenHash, expires };
  }

  async #byPassword(connection: Connection, request: Request<typeof Msg.LOGIN>): Promise<Identity> {
    const { store, passwords, limits } = this.parts;
    const password = request.password ?? "";
    const key = comparableName(request.name ?? "");
    const account = await store.findUser(request.id === undefined ? { key } : { id: request.id });
    const who = String(account?.id ?? request.id ?? key);
    const retry = limits.loginTried(who, connection.address);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "too many wrong passwords", { retry });
    const result = await hashingFor(connection, async (signal) => {
      if (account) return await passwords.verify(account.password, password, signal);
      // An unknown user costs the same time as a wrong password, and reads the same.
      await passwords.verifyNothing(password, signal);
    });
    if (!account || !result?.ok) throw new Refusal(Errno.INVALID);
    limits.loginSucceeded(who, connection.address);
    if (result.rehash !== undefined) {
      store.setPassword(account.id, account.password, result.rehash).catch((error) =>
        log.warning("a new hash was not stored", { user: account.id, error })
      );
    }
    return { account, tokenHash: undefined, expires: undefined };
  }

  async #enter(connection: Connection, { account, tokenHash, expires }: Identity, modern: boolean): Promise<LoggedIn> {
    const { table, listener, remote, replaced } = this.parts;
    const session = new Session(newSessionId(), account.id, account.name, connection, modern);
    session.tokenHash = tokenHash;
    const { claim, displaced, moved } = await this.#claim(session);
    if (connection.lost) {
      this.#release(session);
      throw new Refusal(Errno.UNAVAILABLE, "the connection is gone");
    }
    session.confirmed = session.confirmedStored = claim.confirmedSeq;
    connection.session = session;
    connection.classic = !modern;
    const before = await table.bind(session);
    if (displaced) replaced(displaced);
    if (moved) remote.replaced(moved.node, account.id, moved.session);
    // Friends see no change when one session takes over from another.
    if (!before && !moved) listener.changed(account.id, "online", Date.now());
    log.info("login", { user: account.id, session: session.id, address: connection.address, modern, token: tokenHash !== undefined });
    return { session, inbox: { confirmed: claim.confirmedSeq, last: claim.lastSeq }, tokenExpires: expires };
  }

  async #claim(session: Session) {
    const { store, table, offline, node, remote, onConflict, fenced } = this.parts;
    const { connection, userId } = session;
    let takeover: string | undefined;
    let displaced: Session | undefined;
    let moved: { node: string; session: string } | undefined;
    await offline.settled(userId, SETTLE_MS);
    for (let i = 0; i < CLAIM_TRIES; i++) {
      const holder = table.get(userId);
      if (holder && holder !== displaced) {
        if (!await this.#mayTakeOver(holder)) throw new Refusal(Errno.IN_USE);
        takeover = holder.id;
        displaced = holder;
        await offline.settled(userId, SETTLE_MS);
      }
      if (connection.lost) throw new Refusal(Errno.UNAVAILABLE, "the connection is gone");
      const claim = await store.claim(userId, session.id, takeover).catch((error) => {
        this.#release(session);
        throw error;
      });
      if (claim.result === "claimed") return { claim, displaced, moved: moved?.session === takeover ? moved : undefined };
      if (claim.result === "fenced") {
        fenced();
        throw new Refusal(Errno.UNAVAILABLE, "this node has lost its lease", { retry: 1000 });
      }
      if (claim.node !== node) {
        if (await remote.holds(claim.node, userId, claim.session, onConflict)) throw new Refusal(Errno.IN_USE);
        moved = claim;
      }
      takeover = claim.session;
    }
    throw new Refusal(Errno.UNAVAILABLE, "the account changes hands too often", { retry: 1000 });
  }

  /** Whether a session of this node may be replaced by a new login. */
  async #mayTakeOver(holder: Session): Promise<boolean> {
    if (this.parts.onConflict === "replace" || holder.connection.ending || holder.connection.inputEnded) return true;
    return this.parts.onConflict === "probe" && !await isAlive(holder);
  }

  #release(session: Session): void {
    const { offline } = this.parts;
    if (offline.backlog < MAX_DOUBTS) offline.release({ userId: session.userId, session: session.id, lastseen: Date.now() });
  }
}
