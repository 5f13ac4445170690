/**
 * From LOGIN to a session that the database and the table both hold.
 *
 * 1. Who someone is gets checked first, outside of any lock; then the logins of one device run one after another until bound. So of two at once exactly one wins,
 *    and a probe never runs beside another of the same device. A login that makes a new device has nobody to wait for.
 * 2. The claim in the database decides, in one transaction, and looks at the proof again: what was checked before a wait in the queue for hashing may not be true
 *    any more. A claim that failed may still be committed later: its session is released, and reconciling finds what slips through.
 * 3. A row that names this node and a session that the table does not hold is no conflict: that session is over, its release is on its way or was lost.
 * 4. The holder on another node is asked over the bus. No answer while that node's lease is valid and its process may live: the device is in use.
 * 5. If the connection dies at any step, the session is released: before `bind` here, after it by the departure.
 * 6. A session may be ended by others as soon as its claim is committed. One that the table does not hold yet is ended when it gets there.
 */
import { Turns } from "../async/turns.ts";
import { hashingFor } from "../auth/hashing.ts";
import type { Passwords } from "../auth/passwords.ts";
import { hashToken, newToken } from "../auth/tokens.ts";
import type { Router } from "../cluster/router.ts";
import type { Connection } from "../net/connection.ts";
import { type Dialect, newSessionId, type Proof, Session } from "../net/session.ts";
import type { Limits } from "../ops/limits.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import { log } from "../ops/log.ts";
import type { Account, Claim, Claiming, DeviceId, Release, SessionKey, Store } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";
import { comparableName } from "../wire/names.ts";
import type { ConnectionTable } from "./connection_table.ts";
import type { PresenceListener } from "./departure.ts";
import { deviceKey } from "./device_key.ts";
import type { OfflineWriter } from "./offline_writer.ts";
import { isAlive } from "./probe.ts";
import type { RemoteHolders } from "./remote_holders.ts";

/** How long a login waits for the release of the device's former session (ms); if the database is that slow, the claim decides without it. */
const SETTLE_MS = 1000;
/** How often the holder of a device may change under a login before it gives up. */
const CLAIM_TRIES = 4;
/** Unknown outcomes are released at once while fewer than this wait already; beyond it reconciling finds them. */
const MAX_DOUBTS = 10_000;
/** So long after it failed a claim may still turn out to be committed, and be found by reconciling (ms); more than a database takes to end what was cut off. */
const DOUBT_MS = 3600_000;

/** What happens to the session that holds a device when another login comes for it. */
export type OnConflict = "probe" | "refuse" | "replace";
/** Why others end a session. */
export type Ending = "replaced" | "kicked";

/** A checked identity. */
interface Identity {
  account: Account;
  proof: Proof;
  /** A name: a new device is to be made. */
  device: DeviceId | { name: string };
  /** The token that it came with, and when that expires (ms). */
  token: { text: string; expires: number } | undefined;
}

/** A session that is bound, but not told of yet. */
export interface LoggedIn {
  /** It is in the table and in the database. */
  session: Session;
  /** The token that it came with or was given; a classic client has none. */
  token: { text: string; expires: number } | undefined;
}

/** A session on its way from its claim to the table. */
interface Entering {
  /** Why it is to end when it gets there. */
  ending: Ending | undefined;
}

type Claimed = Claim & { result: "claimed" };

/** Lets users in, one session for each device. */
export class Login {
  /** What of one device runs one after another: logins between their check and their binding, other nodes' probes, reconciling's last look. */
  readonly turns: Turns<string> = new Turns();
  /** By session: those between claim and table. */
  readonly #entering = new Map<string, Entering>();
  /** Sessions of which it is not known whether they made a device, nor which; and since when (ms, `performance.now`), the oldest first. */
  readonly #doubts = new Map<string, number>();

  /** Joins its parts. */
  constructor(
    private readonly parts: {
      onConflict: OnConflict;
      maxDevices: number;
      /** How long a token lives after its last use (ms). */
      tokenLife: number;
      store: Store;
      table: ConnectionTable;
      router: Router;
      passwords: Passwords;
      offline: OfflineWriter;
      listener: PresenceListener;
      limits: Limits;
      /** By which tokens expire. */
      time: TrustedTime;
      remote: RemoteHolders;
      /** The database says that this node's lease is not valid. */
      fenced: () => void;
      /** Ends a session of the table. */
      end: (session: Session, cause: Ending) => void;
    },
  ) {}

  /** Throws {@linkcode Refusal} with the errno of the answer; whatever the store throws. */
  async login(connection: Connection, request: Request<typeof Msg.LOGIN>): Promise<LoggedIn> {
    const { proto = 0 } = request;
    const dialect: Dialect = proto >= 3 ? 3 : proto === 2 ? 2 : "classic";
    const identity = request.token === undefined ? await this.#byPassword(connection, request, dialect) : await this.#byToken(request, request.token);
    const { account, device } = identity;
    if (account.closed) throw new Refusal(Errno.CLOSED);
    // On whatever connection: each of them pays for what it said until here.
    const retry = this.parts.limits.login(account.id);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, undefined, { retry });
    const onConflict = dialect === 3 && request.takeover ? "replace" : this.parts.onConflict;
    const enter = () => this.#enter(connection, identity, dialect, onConflict);
    return await (typeof device === "number" ? this.turns.run(deviceKey({ userId: account.id, device }), enter) : enter());
  }

  /** Ends a session that is here, or on its way to the table. */
  ended({ userId, device, session }: SessionKey, cause: Ending): void {
    const held = this.parts.table.get(userId, device);
    if (held?.id === session) return this.parts.end(held, cause);
    const entering = this.#entering.get(session);
    if (entering) entering.ending ??= cause;
  }

  /** Whether that session's claim is under way, or committed and on its way to the table. */
  isEntering(session: string): boolean {
    return this.#entering.has(session);
  }

  /** A row names this session, which is not here. @returns whether it made its device, and nobody was told of that; asked once */
  wasDoubtful(session: string): boolean {
    return this.#doubts.delete(session);
  }

  async #byToken(request: Request<typeof Msg.LOGIN>, text: string): Promise<Identity> {
    const token = hashToken(text);
    const found = token && await this.parts.store.findUserByToken(token, this.parts.time.now());
    if (!found) throw new Refusal(Errno.INVALID);
    const { account, device, expires } = found;
    const matches = request.id === undefined ? comparableName(request.name ?? "") === comparableName(account.name) : request.id === account.id;
    if (!matches) throw new Refusal(Errno.INVALID);
    return { account, proof: { token }, device, token: { text, expires } };
  }

  async #byPassword(connection: Connection, request: Request<typeof Msg.LOGIN>, dialect: Dialect): Promise<Identity> {
    const { store, passwords, limits, maxDevices } = this.parts;
    const password = request.password ?? "";
    const key = comparableName(request.name ?? "");
    const account = await store.findUser(request.id === undefined ? { key } : { id: request.id });
    const who = String(account?.id ?? request.id ?? key);
    const retry = limits.loginTried(who, connection.address);
    if (retry > 0) throw new Refusal(Errno.TOO_MANY, "too many wrong passwords", { retry });
    const result = await hashingFor(connection, async (caller) => {
      if (account && account.password !== "") return await passwords.verify(account.password, password, caller);
      // An unknown user, or a bot, which has no password, costs the same time as a wrong one, and reads the same.
      await passwords.verifyNothing(password, caller);
    });
    if (!account || !result?.ok) throw new Refusal(Errno.INVALID);
    limits.loginSucceeded(who, connection.address);
    if (result.rehash !== undefined) {
      store.rehash(account.id, account.version, result.rehash).catch((error) =>
        log.warning("a new hash was not stored", { user: account.id, error })
      );
    }
    const named = dialect === 3 && request.device !== undefined && maxDevices > 0;
    return { account, proof: { version: account.version }, device: named ? { name: request.device! } : 0, token: undefined };
  }

  async #enter(connection: Connection, identity: Identity, dialect: Dialect, onConflict: OnConflict): Promise<LoggedIn> {
    const { table, listener, router, end, tokenLife } = this.parts;
    const { account, proof, device } = identity;
    const made = typeof device !== "number";
    let { token } = identity;
    const claiming: Claiming = {
      userId: account.id,
      session: newSessionId(),
      proof,
      device,
      address: connection.address,
      at: Date.now(),
    };
    if (!token && dialect !== "classic") {
      token = { text: newToken(), expires: this.parts.time.now() + tokenLife };
      claiming.token = { hash: hashToken(token.text)!, expires: token.expires };
    }
    const entering: Entering = { ending: undefined };
    this.#entering.set(claiming.session, entering);
    try {
      const { claim, moved } = await this.#claim(connection, claiming, onConflict);
      const session = new Session(
        claiming.session,
        account.id,
        account.name,
        claim.device,
        made,
        dialect,
        connection,
        claiming.token ? { token: claiming.token.hash } : proof,
      );
      if (connection.lost) {
        this.#release({ ...session.key, lastseen: Date.now(), ...(made ? { unmade: true } : {}) });
        throw new Refusal(Errno.UNAVAILABLE, "the connection is gone");
      }
      connection.session = session;
      connection.classic = dialect === "classic";
      const { displaced, first } = await table.bind(session);
      if (displaced) end(displaced, "replaced");
      if (moved) {
        router.send([moved.node], {
          type: "ended",
          cause: "replaced",
          key: { userId: account.id, device: claim.device.id, session: moved.session },
        });
      }
      // Also who moved: the session on the other node may have been gone for so long that friends were told.
      if (first) listener.changed(account.id);
      const { address } = connection;
      log.info("login", { user: account.id, device: claim.device.id, session: session.id, address, dialect, token: identity.token !== undefined });
      if (entering.ending) {
        end(session, entering.ending);
        throw new Refusal(Errno.UNAVAILABLE, "the session was ended");
      }
      return { session, token };
    } finally {
      this.#entering.delete(claiming.session);
    }
  }

  /** Takes the device. `moved`: the session on another node that it was taken from. */
  async #claim(connection: Connection, claiming: Claiming, onConflict: OnConflict) {
    const { table, offline, router, remote } = this.parts;
    const { userId, device } = claiming;
    let asked: Session | undefined;
    let moved: { node: string; session: string } | undefined;
    if (typeof device === "number") await offline.settled({ userId, device }, SETTLE_MS);
    for (let i = 0; i < CLAIM_TRIES; i++) {
      const holder = typeof device === "number" ? table.get(userId, device) : undefined;
      if (holder && holder !== asked) {
        if (!await this.#mayTakeOver(holder, onConflict)) throw new Refusal(Errno.IN_USE);
        asked = holder;
        claiming.takeover = holder.id;
        await offline.settled(holder.key, SETTLE_MS);
      }
      if (connection.lost) throw new Refusal(Errno.UNAVAILABLE, "the connection is gone");
      const claim = await this.#ask(claiming);
      if (claim.result === "claimed") return { claim, moved: moved?.session === claiming.takeover ? moved : undefined };
      if (claim.node !== router.node) {
        if (await remote.holds({ ...claim, userId, device: device as DeviceId }, onConflict)) throw new Refusal(Errno.IN_USE);
        moved = claim;
      }
      claiming.takeover = claim.session;
    }
    throw new Refusal(Errno.UNAVAILABLE, "the account changes hands too often", { retry: 1000 });
  }

  async #ask(claiming: Claiming): Promise<Claimed | Claim & { result: "held" }> {
    const { store, fenced } = this.parts;
    const { userId, device, session } = claiming;
    const claim = await store.claim(claiming).catch((error) => {
      if (typeof device === "number") this.#release({ userId, device, session, lastseen: Date.now() });
      else this.#doubt(session);
      throw error;
    });
    if (claim.result === "refused") throw new Refusal(Errno[claim.errno], claim.errno === "FULL" ? "all your devices are in use" : undefined);
    if (claim.result !== "fenced") return claim;
    fenced();
    throw new Refusal(Errno.UNAVAILABLE, "this node has lost its lease", { retry: 1000 });
  }

  #doubt(session: string): void {
    const now = performance.now();
    for (const [oldest, since] of this.#doubts) {
      if (this.#doubts.size < MAX_DOUBTS && now - since < DOUBT_MS) break;
      this.#doubts.delete(oldest);
    }
    this.#doubts.set(session, now);
  }

  /** Whether a session of this node may be replaced by a new login. */
  async #mayTakeOver(holder: Session, onConflict: OnConflict): Promise<boolean> {
    if (onConflict === "replace" || holder.connection.ending || holder.connection.inputEnded) return true;
    return onConflict === "probe" && !await isAlive(holder);
  }

  #release(release: Release): void {
    const { offline } = this.parts;
    if (offline.backlog < MAX_DOUBTS) offline.release(release);
  }
}
