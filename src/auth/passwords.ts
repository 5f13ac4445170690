/**
 * Hashing and checking passwords. A hash costs 100 ms of a core and 46 MiB (Argon2id), or 450 ms and 128 MiB (scrypt, where the runtime has no Argon2id),
 * on purpose; so it is the first thing that a storm of logins runs out of.
 *
 * Rules:
 *
 * 1. At most `parallel` hashes are computed at once. The addresses take turns, each address's callers come in the order they came: however many come from one,
 *    those of another wait for one of them, not for all.
 * 2. At most `queue` wait, and at most `perAddress` of one address; one more is refused at once with {@linkcode Busy}. If the queue is full, the refused one is the
 *    last of the address that has most in it, if that is not the one that comes.
 * 3. A caller that aborts leaves the queue at once; a hash that has begun is finished, and its result thrown away.
 */

import { nodeCrypto } from "../node.ts";
import { derive, type Figures, formatPhc, hasArgon2id, parsePhc } from "./phc.ts";

export { type Figures, UnsupportedHash } from "./phc.ts";

/** Too many passwords wait to be hashed. */
export class Busy extends Error {
  /** By which it is told from other errors. */
  override name = "Busy";
  /** When to try again (ms). */
  readonly retry: number;

  /** When to try again (ms). */
  constructor(retry: number) {
    super("too many passwords wait to be checked");
    this.retry = retry;
  }
}

/** Who wants something hashed. */
export interface Caller {
  /** Aborted when nobody waits for it any more. */
  signal?: AbortSignal;
  /** The address that takes turns with the others. */
  from?: string;
}

/** The outcome of {@linkcode Passwords.verify}. */
export interface Verified {
  /** Whether the password is right. */
  ok: boolean;
  /** If the password is right and its hash was made with other figures than are preferred now: the hash to store in its place. */
  rehash: string | undefined;
}

/** What {@linkcode Passwords} is made with. */
export interface PasswordsOptions {
  /** What new hashes cost; by default OWASP's figures. Tests take less. */
  figures?: Figures;
  /** Hashes at once; by default one core is left to the rest. */
  parallel?: number;
  /** How many may wait. */
  queue?: number;
  /** How many of them may be of one address. */
  perAddress?: number;
}

/** Someone who waits: told to go on, or not to wait any more. */
interface Waiter {
  go: () => void;
  refuse: (error: unknown) => void;
}

/**
 * Of OWASP's equivalent pairs the one of more than 32 MiB: glibc gives such blocks back to the system. 19 MiB, t=2, is half the time, but the process grew
 * by hundreds of MiB in a hundred hashes, and stayed so.
 */
const ARGON2ID: Figures = { algorithm: "argon2id", m: 47104, t: 1, p: 1 };
const SCRYPT: Figures = { algorithm: "scrypt", ln: 17, r: 8, p: 1 };
const SALT_BYTES = 16, HASH_BYTES = 32;

/** Hashes and checks passwords, within bounds. */
export class Passwords {
  readonly #preferred: Promise<Figures>;
  readonly #parallel: number;
  readonly #most: number;
  readonly #mostOfOne: number;
  /** By address, the one whose turn it is first. */
  readonly #waiting = new Map<string, Set<Waiter>>();
  #length = 0;
  #running = 0;
  /** How long a hash took of late (ms). */
  #duration = 100;

  /** Starts with an empty queue. */
  constructor({ figures, parallel = Math.max(1, navigator.hardwareConcurrency - 1), queue = 256, perAddress = 64 }: PasswordsOptions = {}) {
    this.#preferred = figures ? Promise.resolve(figures) : hasArgon2id.then((has) => has ? ARGON2ID : SCRYPT);
    this.#parallel = parallel;
    this.#most = queue;
    this.#mostOfOne = perAddress;
  }

  /** Hashes a password. @returns a PHC string. Throws {@linkcode Busy}, or the signal's reason. */
  hash(password: string, caller?: Caller): Promise<string> {
    return this.#bounded(() => this.#fresh(password), caller);
  }

  /** Checks a password against a PHC string. Throws {@linkcode Busy}, {@linkcode UnsupportedHash}, or the signal's reason. */
  verify(phc: string, password: string, caller?: Caller): Promise<Verified> {
    return this.#bounded(async () => {
      const { figures, salt, hash } = parsePhc(phc);
      const ok = nodeCrypto().timingSafeEqual(await derive(password, figures, salt, hash.length), hash);
      const stale = ok && !sameFigures(figures, await this.#preferred);
      return { ok, rehash: stale ? await this.#fresh(password) : undefined };
    }, caller);
  }

  /** For a user that does not exist: takes as long as {@linkcode Passwords.verify}, and is never right. */
  verifyNothing(password: string, caller?: Caller): Promise<void> {
    return this.#bounded(async () => {
      await derive(password, await this.#preferred, new Uint8Array(SALT_BYTES), HASH_BYTES);
    }, caller);
  }

  async #fresh(password: string): Promise<string> {
    const figures = await this.#preferred;
    const salt = nodeCrypto().randomBytes(SALT_BYTES);
    return formatPhc({ figures, salt, hash: await derive(password, figures, salt, HASH_BYTES) });
  }

  /** Runs `work` when it is its turn. */
  async #bounded<T>(work: () => Promise<T>, { signal, from = "" }: Caller = {}): Promise<T> {
    signal?.throwIfAborted();
    if (this.#running < this.#parallel) this.#running++;
    else await this.#turn(signal, from);
    const begun = performance.now();
    try {
      const result = await work();
      signal?.throwIfAborted();
      this.#duration += (performance.now() - begun - this.#duration) / 8;
      return result;
    } finally {
      // The place goes to the next in line, or is free again.
      if (this.#length > 0) this.#next();
      else this.#running--;
    }
  }

  /** Waits in the queue until a running one hands over its place. */
  #turn(signal: AbortSignal | undefined, from: string): Promise<void> {
    const own = this.#waiting.get(from)?.size ?? 0;
    if (own >= this.#mostOfOne) throw this.#busy(own * this.#waiting.size);
    if (this.#length >= this.#most) {
      const [most, theirs] = [...this.#waiting].reduce((a, b) => b[1].size > a[1].size ? b : a);
      if (theirs.size <= own + 1) throw this.#busy(this.#length);
      const last = [...theirs].at(-1)!;
      this.#leave(most, last);
      last.refuse(this.#busy(this.#length));
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#leave(from, waiter);
        reject(signal?.reason);
      };
      const gone = () => signal?.removeEventListener("abort", leave);
      const waiter: Waiter = {
        go: () => (gone(), resolve()),
        refuse: (error) => (gone(), reject(error)),
      };
      signal?.addEventListener("abort", leave, { once: true });
      const others = this.#waiting.get(from);
      if (others) others.add(waiter);
      else this.#waiting.set(from, new Set([waiter]));
      this.#length++;
    });
  }

  /** Lets the first of the first address go on; then it is the next address's turn. */
  #next(): void {
    const [[from, theirs]] = this.#waiting as unknown as [[string, Set<Waiter>]];
    const [waiter] = theirs as unknown as [Waiter];
    this.#leave(from, waiter);
    if (theirs.size > 0) {
      this.#waiting.delete(from);
      this.#waiting.set(from, theirs);
    }
    waiter.go();
  }

  #leave(from: string, waiter: Waiter): void {
    const theirs = this.#waiting.get(from)!;
    theirs.delete(waiter);
    this.#length--;
    if (theirs.size === 0) this.#waiting.delete(from);
  }

  /** @param before how many hashes there are to be done before there is room */
  #busy(before: number): Busy {
    return new Busy(Math.ceil(this.#duration * Math.max(1, before) / this.#parallel));
  }
}

function sameFigures(a: Figures, b: Figures): boolean {
  if (a.algorithm === "argon2id") return b.algorithm === "argon2id" && a.m === b.m && a.t === b.t && a.p === b.p;
  return b.algorithm === "scrypt" && a.ln === b.ln && a.r === b.r && a.p === b.p;
}
