/**
 * Hashing and checking passwords. A hash costs 100 ms of a core and 46 MiB (Argon2id), or 450 ms and 128 MiB (scrypt, where the runtime has no Argon2id),
 * on purpose; so it is the first thing that a storm of logins runs out of.
 *
 * Rules:
 *
 * 1. At most `parallel` hashes are computed at once, first come, first served.
 * 2. At most `queue` wait; one more is refused at once with {@linkcode Busy}.
 * 3. A caller that aborts leaves the queue at once; a hash that has begun is finished, and its result thrown away.
 */

import { nodeCrypto } from "../node_crypto.ts";
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
  readonly #waiting = new Set<() => void>();
  #running = 0;
  /** How long a hash took of late (ms). */
  #duration = 100;

  /** Starts with an empty queue. */
  constructor({ figures, parallel = Math.max(1, navigator.hardwareConcurrency - 1), queue = 256 }: PasswordsOptions = {}) {
    this.#preferred = figures ? Promise.resolve(figures) : hasArgon2id.then((has) => has ? ARGON2ID : SCRYPT);
    this.#parallel = parallel;
    this.#most = queue;
  }

  /** Hashes a password. @returns a PHC string. Throws {@linkcode Busy}, or the signal's reason. */
  hash(password: string, signal?: AbortSignal): Promise<string> {
    return this.#bounded(() => this.#fresh(password), signal);
  }

  /** Checks a password against a PHC string. Throws {@linkcode Busy}, {@linkcode UnsupportedHash}, or the signal's reason. */
  verify(phc: string, password: string, signal?: AbortSignal): Promise<Verified> {
    return this.#bounded(async () => {
      const { figures, salt, hash } = parsePhc(phc);
      const ok = nodeCrypto().timingSafeEqual(await derive(password, figures, salt, hash.length), hash);
      const stale = ok && !sameFigures(figures, await this.#preferred);
      return { ok, rehash: stale ? await this.#fresh(password) : undefined };
    }, signal);
  }

  /** For a user that does not exist: takes as long as {@linkcode Passwords.verify}, and is never right. */
  verifyNothing(password: string, signal?: AbortSignal): Promise<void> {
    return this.#bounded(async () => {
      await derive(password, await this.#preferred, new Uint8Array(SALT_BYTES), HASH_BYTES);
    }, signal);
  }

  async #fresh(password: string): Promise<string> {
    const figures = await this.#preferred;
    const salt = nodeCrypto().randomBytes(SALT_BYTES);
    return formatPhc({ figures, salt, hash: await derive(password, figures, salt, HASH_BYTES) });
  }

  /** Runs `work` when it is its turn. */
  async #bounded<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted();
    if (this.#running < this.#parallel) this.#running++;
    else await this.#turn(signal);
    const begun = performance.now();
    try {
      const result = await work();
      signal?.throwIfAborted();
      this.#duration += (performance.now() - begun - this.#duration) / 8;
      return result;
    } finally {
      // The place goes to the next in line, or is free again.
      const [next] = this.#waiting;
      if (next) next();
      else this.#running--;
    }
  }

  /** Waits in the queue until a running one hands over its place. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.size >= this.#most) throw new Busy(Math.ceil(this.#duration * this.#waiting.size / this.#parallel));
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(go);
        reject(signal?.reason);
      };
      const go = () => {
        this.#waiting.delete(go);
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiting.add(go);
    });
  }
}

function sameFigures(a: Figures, b: Figures): boolean {
  if (a.algorithm === "argon2id") return b.algorithm === "argon2id" && a.m === b.m && a.t === b.t && a.p === b.p;
  return b.algorithm === "scrypt" && a.ln === b.ln && a.r === b.r && a.p === b.p;
}
