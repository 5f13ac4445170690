/**
 * Keeps a user logged in: connects, logs in, and comes back when the connection is lost.
 *
 * Rules:
 *
 * 1. There is at most one run, and it alone changes the state, except for `stop`, which ends it.
 * 2. A run has at most one link; `opened` and `ended` frame the session that stands on it, and follow each other.
 * 3. Whoever comes back to a device of its own takes it: its former connection may still be there, and is not to be asked. Another that has the same token is
 *    told `replaced`, and does not come back by itself. Device 0 is everybody's: it is taken only when that was asked for, and once.
 * 4. LOGIN_ACK may be 256 KiB, and a line so slow that it never comes in time. So a login behind one that was not answered in time has twice as long, then three times.
 */
import { ConnectionLost, NatterError } from "./errors.ts";
import { type Credentials, type LoginAck, Msg } from "./protocol.ts";
import { Link, type Push } from "./link.ts";
import { type Backoff, ReconnectPolicy } from "./reconnect.ts";
import type { Connect } from "./transport.ts";

/** Whether the server can be reached. */
export type ConnectionState =
  /** Not connected, and not trying: before the first login, or because this client was told to. */
  | { state: "closed"; reason: "new" | "close" | "logout" }
  /**
   * Not connected, and not trying. `refused`: the login was (a token that ended, an account that was closed); `inuse`: the account is on another connection,
   * which is alive; `goodbye`: the server said not to come back; `unreachable`: the first login, by password, failed.
   */
  | { state: "closed"; reason: "refused" | "inuse" | "goodbye" | "unreachable"; error: NatterError | ConnectionLost }
  | { state: "connecting" }
  | { state: "online" }
  /** Tries again at `until` (ms since the epoch). */
  | { state: "offline"; until: number; error: NatterError | ConnectionLost };

/** An attempt to connect that has lasted so long (ms) may have been swallowed by a network that is no more; then it ends like this. */
const SWALLOWED_AFTER = 2500, SWALLOWED = new ConnectionLost("timeout");
/** A login has at most so many times as long as is usual: a server that is dead, and does not say so, is waited for as long. */
const MOST_PATIENCE = 3;

/** What a keeper needs, and whom it tells. */
export interface KeeperParts {
  /** How to reach the server. */
  connect: Connect;
  /** For connecting and, at first, for logging in, each (ms). */
  timeout: number;
  /** Waiting times between attempts. */
  backoff: Backoff;
  /** A session stands. Called before the line that follows LOGIN_ACK is read, which may be a message. */
  opened(link: Link, ack: LoginAck): void;
  /** It stands no more. */
  ended(): void;
  /** A line that is no answer. */
  push(message: Push): void;
  /** The state is another. */
  changed(state: ConnectionState): void;
}

/** The task behind a client. */
export class SessionKeeper {
  readonly #parts: KeeperParts;
  #state: ConnectionState = { state: "closed", reason: "new" };
  #stop = new AbortController();
  #done = Promise.resolve();
  #wake: (() => void) | undefined;
  /** Gives up the attempt under way, if it has lasted long; or asks whether the session's connection still stands. */
  #doubt: (() => void) | undefined;
  /** How many times as long as is usual a login has. */
  #patience = 1;

  /** Does nothing before `start`. */
  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Whether the server can be reached. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** Starts a run. Resolves with the first login; rejects if the run ends before. */
  start(credentials: Credentials): Promise<LoginAck> {
    if (this.#state.state !== "closed") return Promise.reject(new TypeError("There is a session already, or about to be: close it first"));
    return new Promise((resolve, reject) => {
      this.#stop = new AbortController();
      this.#done = this.#keep(credentials, this.#stop.signal, resolve, reject);
    });
  }

  /** Ends the run. Resolves when it has let go of everything. */
  async stop(reason: "close" | "logout"): Promise<void> {
    this.#stop.abort();
    if (this.#state.state !== "closed") this.#set({ state: "closed", reason });
    await this.#done;
  }

  /** Cuts the waiting short, whatever for: the next attempt, the end of one that was swallowed, or a connection that may be dead. */
  hurry(): void {
    this.#wake?.();
    this.#doubt?.();
  }

  async #keep(credentials: Credentials, stop: AbortSignal, resolve: (ack: LoginAck) => void, reject: (error: Error) => void): Promise<void> {
    const policy = new ReconnectPolicy(this.#parts.backoff);
    while (!stop.aborted) {
      this.#set({ state: "connecting" });
      let since = Infinity;
      const error = await this.#connect(credentials, stop, (ack) => {
        since = performance.now();
        // Rule 3.
        credentials = { id: ack.id, token: ack.token, ...(ack.device.id > 0 ? { takeover: true } : {}) };
        resolve(ack);
      });
      if (stop.aborted) break;
      // By password someone waits for the answer; by token a client comes back, and does not give up.
      const delay = "token" in credentials ? policy.delay(error, Math.max(0, performance.now() - since)) : undefined;
      if (delay === undefined) {
        this.#set({ state: "closed", reason: reasonOf(error), error });
        return reject(error);
      }
      if (error === SWALLOWED) continue;
      this.#set({ state: "offline", until: Date.now() + delay, error });
      if (!stop.aborted) await this.#sleep(delay, stop);
    }
    reject(new ConnectionLost("closed"));
  }

  /** One connection, from its opening to its end. @returns why it ended. Never rejects. */
  async #connect(credentials: Credentials, stop: AbortSignal, loggedIn: (ack: LoginAck) => void): Promise<NatterError | ConnectionLost> {
    const { connect, timeout, push } = this.#parts;
    const attempt = new AbortController();
    const begun = performance.now();
    let link: Link | undefined;
    let open = false;
    attempt.signal.addEventListener("abort", () => link?.close(attempt.signal.reason));
    const abort = () => attempt.abort(new ConnectionLost("closed"));
    stop.addEventListener("abort", abort);
    if (stop.aborted) abort();
    const doubt = this.#doubt = () => {
      if (open) link?.ask();
      else if (performance.now() - begun > SWALLOWED_AFTER) attempt.abort(SWALLOWED);
    };
    try {
      const standing = link = await Link.open(connect, push, timeout, attempt.signal);
      const asked = performance.now();
      const reply = await link.request({ msgid: Msg.LOGIN, proto: 3, ...credentials }, this.#patience * timeout, (reply) => {
        if (performance.now() - asked < timeout) this.#patience = 1;
        if (reply.errno || stop.aborted || reply.device === undefined) return;
        const ack = reply as unknown as LoginAck;
        open = true;
        loggedIn(ack);
        standing.watch(ack.heartbeat * 1000);
        this.#set({ state: "online" });
        this.#parts.opened(standing, ack);
      });
      // 0.1 knows no devices, and what this client asks.
      const older = () => new NatterError(13, "the server is older than this client");
      return NatterError.of(reply) ?? (open || stop.aborted ? await link.ended : older());
    } catch (error) {
      const late = link && error !== SWALLOWED && (error as ConnectionLost).reason === "timeout";
      if (late) this.#patience = Math.min(MOST_PATIENCE, 2 * this.#patience);
      return error as ConnectionLost;
    } finally {
      // After `stop` another run may have begun already.
      if (this.#doubt === doubt) this.#doubt = undefined;
      stop.removeEventListener("abort", abort);
      if (open) this.#parts.ended();
      await link?.close();
    }
  }

  #sleep(ms: number, stop: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        stop.removeEventListener("abort", wake);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(wake, ms);
      stop.addEventListener("abort", wake);
      this.#wake = wake;
    });
  }

  #set(state: ConnectionState): void {
    this.#state = state;
    this.#parts.changed(state);
  }
}

function reasonOf(error: NatterError | ConnectionLost): "refused" | "inuse" | "goodbye" | "unreachable" {
  if (error instanceof NatterError) return error.errno === 2 ? "inuse" : "refused";
  return error.reason === "goodbye" ? "goodbye" : "unreachable";
}
