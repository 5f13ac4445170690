/** Rate limits: token buckets by key. Each answers how long to wait, so that the client can be told. An address counts by its network: ip.ts. */
import { isLoopback, networkOf } from "../ip.ts";

/** What may be done at once (`burst`), and how soon one of it comes back (`refill`, ms). */
export interface Rate {
  /** How many at once. */
  burst: number;
  /** How soon one of it comes back (ms). */
  refill: number;
}

/** Buckets that nobody has drawn from are full, and need not be kept; from this many on it is looked for them. */
const SWEEP_FROM = 10_000;

/** One bucket per key. The time is performance.now's. */
export class Limiter<K> {
  readonly #rate: Rate;
  /** When the bucket will be full again. A bucket is this one number: what is missing is the time until then, over the refill. */
  readonly #fullAt = new Map<K, number>();
  #sweepAt = SWEEP_FROM;

  /** Every key's bucket is full. */
  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Takes so many, if there is one: more than there are will be owed. @returns 0, or how long (ms) until there is one to take */
  take(key: K, now: number = performance.now(), count: number = 1): number {
    const { burst, refill } = this.#rate;
    const over = Math.max((this.#fullAt.get(key) ?? 0) - now, 0) + refill - burst * refill;
    if (over > 0) return Math.ceil(over);
    this.charge(key, count, now);
    return 0;
  }

  /** Takes so many, whether they are there or owed. */
  charge(key: K, count: number, now: number = performance.now()): void {
    this.#fullAt.set(key, Math.max(this.#fullAt.get(key) ?? 0, now) + count * this.#rate.refill);
    if (this.#fullAt.size >= this.#sweepAt) this.#sweep(now);
  }

  /** Whether nothing is missing. */
  isFull(key: K, now: number = performance.now()): boolean {
    return (this.#fullAt.get(key) ?? 0) <= now;
  }

  /** Gives one back. */
  giveBack(key: K): void {
    const fullAt = this.#fullAt.get(key);
    if (fullAt !== undefined) this.#fullAt.set(key, fullAt - this.#rate.refill);
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#fullAt.size;
  }

  #sweep(now: number): void {
    for (const [key, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(key);
    this.#sweepAt = Math.max(SWEEP_FROM, 2 * this.#fullAt.size);
  }
}

/** Requests of a user: 20 a second, 50 at once. What one costs: costs.ts. */
const REQUESTS: Rate = { burst: 50, refill: 50 };
/** Lines of a connection that are no requests: 50 a second, 500 at once. */
const OTHER_LINES: Rate = { burst: 500, refill: 20 };
/** What a user puts to one message, or takes away: once a second. */
const REACTIONS: Rate = { burst: 1, refill: 1000 };
/** Logins of a user, on whatever connections: 10 a second, 25 at once. A bucket of its own: what 0.1 let a user ask for after a login stays. */
const LOGINS: Rate = { burst: 25, refill: 100 };
/** What is read from a user's log for devices that are behind ({@linkcode catchUpCost}): 1,000 entries a second, 20,000 at once. Else the same could be read over and over. */
const CATCHING_UP: Rate = { burst: 20_000, refill: 1 };
/** Failed password logins of an account from an address: 5 a minute. */
const FAILED_LOGINS: Rate = { burst: 5, refill: 12_000 };
/** Registrations from an address: 30 in 10 minutes. */
const REGISTRATIONS: Rate = { burst: 30, refill: 20_000 };
/** What a user does seldom, each of it: 10 a minute. */
const SELDOM: Rate = { burst: 10, refill: 6000 };
/** All that is kept of a user: three times in an hour. */
const EXPORTS: Rate = { burst: 3, refill: 1_200_000 };
/** Connections that an address opens: 20 a second, 256 at once. */
const ARRIVALS: Rate = { burst: 256, refill: 50 };
/** Connections from an address at the same time. */
const CONNECTIONS_OF_ADDRESS = 64;
/** HTTP requests from an address: 100 a second, 500 at once (an office behind one address reloads the page). */
const HTTP_REQUESTS: Rate = { burst: 500, refill: 10 };

/** All limits of a server that `--limits off` lifts. Loopback is exempt from those per address. */
export class Limits {
  readonly #on: boolean;
  readonly #requests = new Limiter<number>(REQUESTS);
  readonly #otherLines = new Limiter<number>(OTHER_LINES);
  readonly #reactions = new Limiter<string>(REACTIONS);
  readonly #logins = new Limiter<number>(LOGINS);
  readonly #catchingUp = new Limiter<number>(CATCHING_UP);
  readonly #failedLogins = new Limiter<string>(FAILED_LOGINS);
  readonly #registrations = new Limiter<string>(REGISTRATIONS);
  readonly #seldom = new Limiter<string>(SELDOM);
  readonly #exports = new Limiter<number>(EXPORTS);
  readonly #arrivals = new Limiter<string>(ARRIVALS);
  readonly #connections = new Map<string, number>();
  readonly #httpRequests = new Limiter<string>(HTTP_REQUESTS);

  /** Lifts all limits unless `on`. */
  constructor(on: boolean) {
    this.#on = on;
  }

  /** A request of a connection, or of the user who is logged in on it. @returns 0, or when to retry (ms) */
  request(userId: number, cost = 1): number {
    return this.#on ? this.#requests.take(userId, undefined, cost) : 0;
  }

  /** What a request turned out to cost beside what it was taken for. */
  charge(userId: number, cost: number): void {
    if (this.#on && cost > 0) this.#requests.charge(userId, cost);
  }

  /** A user puts something to a message, or takes it away. @returns 0, or when to retry (ms) */
  reaction(userId: number, messageid: number): number {
    return this.#on ? this.#reactions.take(`${userId} ${messageid}`) : 0;
  }

  /** Whether this user, or connection, has asked for nothing for so long that nothing is missing. */
  hasRested(userId: number): boolean {
    return this.#requests.isFull(userId);
  }

  /** A line of a connection that is no request. @returns 0, or when it is within the limit again (ms) */
  otherLine(connectionId: number, cost = 1): number {
    return this.#on ? this.#otherLines.take(connectionId, undefined, cost) : 0;
  }

  /** A user, whose token or password was right, is about to come in. @returns 0, or when to retry (ms) */
  login(userId: number): number {
    return this.#on ? this.#logins.take(userId) : 0;
  }

  /** A user's log is about to be read for a device that is behind; {@linkcode caughtUp} follows. @returns 0, or when to read on (ms) */
  catchUp(userId: number): number {
    return this.#on ? this.#catchingUp.take(userId) : 0;
  }

  /** What reading it cost beside that. */
  caughtUp(userId: number, cost: number): void {
    if (this.#on) this.#catchingUp.charge(userId, cost);
  }

  /** A password is about to be checked; if it is right, {@linkcode loginSucceeded} follows. So it cannot be outrun by asking many at once. */
  loginTried(account: string, address: string): number {
    return this.#holdsFor(address) ? this.#failedLogins.take(`${account} ${networkOf(address)}`) : 0;
  }

  /** The password was right: it was no failure. */
  loginSucceeded(account: string, address: string): void {
    if (this.#holdsFor(address)) this.#failedLogins.giveBack(`${account} ${networkOf(address)}`);
  }

  /** Someone registers from there. @returns 0, or when to retry (ms) */
  registration(address: string): number {
    return this.#holdsFor(address) ? this.#registrations.take(networkOf(address)) : 0;
  }

  /** A user does what is done seldom: makes a group, comes into one or goes out of it, invites, reports, makes a hook. @returns 0, or when to retry (ms) */
  seldom(what: "create" | "move" | "invite" | "report" | "hook", userId: number): number {
    return this.#on ? this.#seldom.take(`${what} ${userId}`) : 0;
  }

  /** A user asks for all that is kept. @returns 0, or when to retry (ms) */
  export(userId: number): number {
    return this.#on ? this.#exports.take(userId) : 0;
  }

  /** Someone asks something over HTTP from there. @returns 0, or when to retry (ms) */
  httpRequest(address: string): number {
    return this.#holdsFor(address) ? this.#httpRequests.take(networkOf(address)) : 0;
  }

  /** A connection has come. @returns whether the address may have it; {@linkcode disconnected} follows in any case */
  connected(address: string): boolean {
    const network = networkOf(address);
    const count = (this.#connections.get(network) ?? 0) + 1;
    this.#connections.set(network, count);
    return !this.#holdsFor(address) || (this.#arrivals.take(network) === 0 && count <= CONNECTIONS_OF_ADDRESS);
  }

  /** A connection of that address is gone. */
  disconnected(address: string): void {
    const network = networkOf(address);
    const count = (this.#connections.get(network) ?? 1) - 1;
    if (count > 0) this.#connections.set(network, count);
    else this.#connections.delete(network);
  }

  #holdsFor(address: string): boolean {
    return this.#on && !isLoopback(address);
  }
}
