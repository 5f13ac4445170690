/**
 * What is to be pushed, from this node: who is next, and what becomes of what fails.
 *
 * 1. One request for a device is under way at a time, and {@linkcode SENDING} in all. Push services that have answered well have all places; what is not known to
 *    answer, or did not the last time, shares {@linkcode DOUBTFUL} of them: an endpoint that is dead, or slow on purpose, keeps nobody else waiting.
 * 2. What waits for a device is the newest of each conversation: here as at the push service (Topic).
 * 3. A device is pushed to {@linkcode PUSHES_AT_ONCE} times in a row, then once in {@linkcode PUSH_EVERY_MS}: what comes meanwhile waits, and is collapsed.
 * 4. What fails is tried again after {@linkcode PUSH_RETRY_MS}, {@linkcode PUSH_RETRY_FACTOR} times that, and so on, at most {@linkcode PUSH_RETRY_MOST_MS} later, or when the push service
 *    says, until it is {@linkcode TTL_S} old, or the device is not told there any more. A service that says 404 or 410 knows the subscription no more: it goes.
 * 5. What waits is bounded: what is too much is dropped. It is in memory alone; a message that nobody was told of is in the log all the same.
 */
import { Buffer } from "node:buffer";
import { log } from "../ops/log.ts";
import type { Counter } from "../ops/counters.ts";
import type { PushKey, Subscription } from "../store/push.ts";
import type { DeviceId, UserId } from "../store/store.ts";
import { encrypted, toBase64 } from "./encryption.ts";
import { type Answered, post, type Posting } from "./post.ts";
import { Vapid } from "./vapid.ts";

/** How many requests are under way at once, and how many of them to push services of which nobody knows whether they answer. */
const SENDING = 32, DOUBTFUL = 8;
/** What may wait: in all, and of one device. */
const MOST_NOTICES = 10_000, MOST_OF_DEVICE = 20;
/** How long a request may take (ms). */
const TIMEOUT_MS = 10_000;
/** How often a device is pushed to: so many times in a row, then once in that time (ms). */
const PUSHES_AT_ONCE = 20, PUSH_EVERY_MS = 3000;
/** When a failed one is tried again (ms). */
const PUSH_RETRY_MS = 10_000, PUSH_RETRY_FACTOR = 6, PUSH_RETRY_MOST_MS = 3600_000;
/** How long a push is worth something, here and at the push service (s). */
const TTL_S = 24 * 3600;
/** Of so many devices it is remembered how they are; of those that nothing waits for, only as long as there are no more. */
const MOST_BOXES = 2 * MOST_NOTICES;
/** How many push services are known to answer. */
const MOST_SERVICES = 1000;

/** What a device is to be told. */
export interface Notice {
  /** Whose. */
  userId: UserId;
  /** On which device of theirs. */
  device: DeviceId;
  /** Where it is told, and by what that is encrypted. */
  subscription: Subscription;
  /** The conversation: of two notices of it the newer one counts. */
  conversation: string;
  /** What its page is told. */
  text: string;
}

/** What a test may set. */
export interface SenderOptions {
  /** Private addresses are as good as public ones. */
  any: boolean;
  /** Certificates (PEM) that are believed beside the known ones. */
  caCerts?: string[];
  /** How long a request may take (ms), and after how long a failed one is tried again. */
  timeout?: number;
  /** The same. */
  retry?: number;
}

/** What waits for a device. */
interface Box {
  /** By conversation. */
  waiting: Map<string, Notice & { since: number }>;
  /** A request is under way, or its turn is waited for. */
  busy: boolean;
  /** Requests in a row that failed. */
  failures: number;
  /** When it is even with what rule 3 allows (ms, `performance.now`). */
  even: number;
  rest: ReturnType<typeof setTimeout> | undefined;
}

/** What a sender is made of. */
export interface SenderParts {
  /** The database's. */
  key: PushKey;
  /** An https URL of whoever runs this server. */
  contact: string | undefined;
  /** What a test may set. */
  options: SenderOptions;
  /** Counts `sent`, `failed` (also if it is tried again), `dropped`, `gone`. */
  results: Counter;
  /** Told of subscriptions that are no more. */
  gone: (notice: Notice) => Promise<void>;
  /** Whether the notice's subscription still is its device's. */
  stands: (notice: Notice) => Promise<boolean>;
}

/** Sends what is to be pushed. */
export class Sender {
  readonly #parts: SenderParts;
  readonly #vapid: Vapid;
  readonly #posting: Posting;
  readonly #stop = new AbortController();
  readonly #boxes = new Map<string, Box>();
  /** Whose turn it is next. */
  readonly #next: { good: Box[]; doubtful: Box[] } = { good: [], doubtful: [] };
  /** Origins that answered well the last time. */
  readonly #good = new Set<string>();
  #sending = 0;
  #doubtful = 0;
  #waiting = 0;
  #idle: (() => void)[] = [];

  /** Nothing waits yet. */
  constructor(parts: SenderParts) {
    this.#parts = parts;
    this.#vapid = new Vapid(parts.key, parts.contact);
    const { any, caCerts, timeout = TIMEOUT_MS } = parts.options;
    this.#posting = { any, timeout, stop: this.#stop.signal, ...caCerts ? { caCerts } : {} };
  }

  /** How many notices wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes a notice; what becomes of it is not waited for. */
  push(notice: Notice): void {
    const key = `${notice.userId} ${notice.device}`;
    let box = this.#boxes.get(key);
    const known = box?.waiting.has(notice.conversation) ?? false;
    if (this.#stop.signal.aborted || (!known && this.#waiting >= MOST_NOTICES)) return this.#count("dropped");
    if (!box) {
      if (this.#boxes.size >= MOST_BOXES) this.#sweep();
      box = { waiting: new Map(), busy: false, failures: 0, even: 0, rest: undefined };
      this.#boxes.set(key, box);
    }
    this.#drop(box, notice.conversation, known);
    if (box.waiting.size >= MOST_OF_DEVICE) this.#drop(box, box.waiting.keys().next().value!);
    box.waiting.set(notice.conversation, { ...notice, since: Date.now() });
    this.#waiting++;
    this.#offer(box);
  }

  /** Resolves when nothing is under way, and nothing waits but for a later time. */
  idle(): Promise<void> {
    return this.#isIdle ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Nothing more is sent; what is under way is cut. */
  async close(): Promise<void> {
    this.#stop.abort();
    for (const box of this.#boxes.values()) clearTimeout(box.rest);
    this.#next.good.length = this.#next.doubtful.length = 0;
    await this.idle();
  }

  get #isIdle(): boolean {
    return this.#sending === 0 && this.#next.good.length === 0 && this.#next.doubtful.length === 0;
  }

  /** It takes its place among those whose turn will come, if it has something to say and may. */
  #offer(box: Box): void {
    if (box.busy || box.rest !== undefined || box.waiting.size === 0 || this.#stop.signal.aborted) return;
    const early = box.even - (PUSHES_AT_ONCE - 1) * PUSH_EVERY_MS - performance.now();
    if (early > 0) return this.#rest(box, early);
    box.busy = true;
    const { subscription } = box.waiting.values().next().value!;
    this.#next[this.#good.has(new URL(subscription.endpoint).origin) && box.failures === 0 ? "good" : "doubtful"].push(box);
    this.#run();
  }

  #rest(box: Box, ms: number): void {
    box.rest = setTimeout(() => {
      box.rest = undefined;
      this.#offer(box);
    }, ms);
  }

  #run(): void {
    while (this.#sending < SENDING) {
      const good = this.#next.good.shift();
      const box = good ?? (this.#doubtful < DOUBTFUL ? this.#next.doubtful.shift() : undefined);
      if (!box) break;
      this.#sending++;
      if (!good) this.#doubtful++;
      void this.#send(box).finally(() => {
        this.#sending--;
        if (!good) this.#doubtful--;
        box.busy = false;
        this.#offer(box);
        this.#run();
        if (this.#isIdle) { for (const resolve of this.#idle.splice(0)) resolve(); }
      });
    }
  }

  #sweep(): void {
    for (const [key, box] of this.#boxes) {
      if (box.busy || box.waiting.size > 0) continue;
      clearTimeout(box.rest);
      this.#boxes.delete(key);
    }
  }

  /** Sends the oldest notice of a device. Never rejects. */
  async #send(box: Box): Promise<void> {
    const [notice] = box.waiting.values();
    if (!notice) return;
    box.waiting.delete(notice.conversation);
    this.#waiting--;
    const left = TTL_S - Math.floor((Date.now() - notice.since) / 1000);
    if (left <= 0) return this.#count("dropped");
    // What failed has waited. If the database is away, nobody has said that it is not to be sent.
    if (box.failures > 0 && !await this.#parts.stands(notice).catch(() => true)) return this.#count("dropped");
    box.even = Math.max(box.even, performance.now()) + PUSH_EVERY_MS;
    const { origin } = new URL(notice.subscription.endpoint);
    let answered: Answered | undefined;
    try {
      answered = await this.#post(notice, origin, Math.min(left, TTL_S));
    } catch (error) {
      if (!this.#stop.signal.aborted) log.debug("a push did not go", { origin, error });
    }
    const status = answered?.status ?? 0;
    if (status >= 200 && status < 300) {
      this.#count("sent");
      box.failures = 0;
      if (this.#good.size >= MOST_SERVICES) this.#good.clear();
      this.#good.add(origin);
      return;
    }
    if (answered) log.debug("a push was refused", { origin, status });
    else this.#good.delete(origin);
    if (status === 404 || status === 410) return await this.#gone(box, notice);
    this.#count("failed");
    if (this.#stop.signal.aborted) return;
    // What others of its kind would be answered as well is not sent again.
    if ((status === 0 || status === 408 || status === 429 || status >= 500) && !box.waiting.has(notice.conversation)) {
      box.waiting.set(notice.conversation, notice);
      this.#waiting++;
    }
    const retry = (this.#parts.options.retry ?? PUSH_RETRY_MS) * PUSH_RETRY_FACTOR ** Math.min(box.failures++, 10);
    this.#rest(box, Math.min(PUSH_RETRY_MOST_MS, Math.max(retry, (answered?.retryAfter ?? 0) * 1000)));
  }

  async #post({ userId, subscription, conversation, text }: Notice, origin: string, ttl: number): Promise<Answered> {
    const body = await encrypted(text, subscription);
    const headers = {
      Authorization: await this.#vapid.header(origin),
      "Content-Encoding": "aes128gcm",
      "Content-Type": "application/octet-stream",
      TTL: String(ttl),
      Urgency: "high",
      Topic: await this.#topic(userId, conversation),
    };
    return await post(subscription.endpoint, headers, body, this.#posting);
  }

  /** The same for a conversation on all nodes, and says nothing to whoever does not have the key. */
  async #topic(userId: UserId, conversation: string): Promise<string> {
    const hash = await crypto.subtle.digest("SHA-256", Buffer.from(`${this.#parts.key.privateKey} ${userId} ${conversation}`));
    return toBase64(new Uint8Array(hash, 0, 18));
  }

  async #gone(box: Box, notice: Notice): Promise<void> {
    this.#count("gone");
    for (const conversation of [...box.waiting.keys()]) {
      if (box.waiting.get(conversation)!.subscription.endpoint === notice.subscription.endpoint) this.#drop(box, conversation);
    }
    await this.#parts.gone(notice).catch((error) => log.warning("a subscription that is no more was not removed", { error }));
  }

  /** A notice is not wanted any more: a newer one takes its place, or there are too many. */
  #drop(box: Box, conversation: string, there = true): void {
    if (!there || !box.waiting.delete(conversation)) return;
    this.#waiting--;
    this.#count("dropped");
  }

  #count(result: "sent" | "failed" | "dropped" | "gone"): void {
    this.#parts.results.add(result);
  }
}
