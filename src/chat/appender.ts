/**
 * Group commit: what is to be stored, from all connections, in the order it came.
 *
 * 1. What arrives in one turn of the event loop, and while a commit runs, goes into one transaction; one is in flight at a time.
 * 2. Only after the commit: REPLY to the sender, then delivery to the receivers, where the transaction says that they are.
 * 3. Answers leave in the order the requests came: a request that fails before it is stored still waits for its turn.
 * 4. A message that makes its batch fail is tried alone, so that it fails alone.
 * 5. The waiting queue is bounded; what does not fit is refused with errno 19.
 * 6. What needs a row that others hold for long is put off, and nobody else's waits for it (`retry_queue.ts`).
 * 7. One session may have only so much of it: who has more is not refused, but read no further until half of it is answered.
 */
import type { Router } from "../cluster/router.ts";
import type { Session } from "../net/session.ts";
import type { Counters } from "../ops/counters.ts";
import { log } from "../ops/log.ts";
import type { Notifier } from "../push/notifier.ts";
import { type Append, type Appended, type GroupId, type Store, StoreUnavailable, type UserId } from "../store/store.ts";
import { entryHead } from "../wire/encode.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import { within } from "../async/within.ts";
import { RetryQueue } from "./retry_queue.ts";
import type { Terms } from "./terms.ts";

/** Text in one transaction (characters). */
const BATCH_SIZE = 1024 * 1024;
/** A group's message counts as so many, and one more for so many receivers: it writes a row for each, and a commit should not hold up the event loop. */
const GROUP_WEIGHT = 10, GROUP_RECEIVERS = 20;
/** Text counts as one message more for so many characters. */
const TEXT_WEIGHT = 16_384;
/** Of how many groups it is remembered to how many their last message went. */
const MAX_REMEMBERED = 100_000;
/** What may wait: messages, and characters of text. */
const MAX_WAITING = 20_000, MAX_WAITING_SIZE = 32 * 1024 * 1024;
/** What one session may have waiting: requests, and characters of text. The others wait for no more of its than that. */
const SESSION_WAITING = 200, SESSION_WAITING_SIZE = 1024 * 1024;

/** What a request waits for: its message's fate, or why it was refused before. */
export type Outcome = Appended | Error;

/** Who says something, and waits for the answers in their order: a session, or one request by a hook. */
export type Author = Pick<Session, "userId" | "name">;

/** A request that waits for its turn. */
export interface Entry {
  /** 1, 2, 3 … in the order they came. */
  order: number;
  /** Who said it. */
  author: Author;
  /** Undefined: refused already, and only waiting for its turn to be answered. */
  append: Append | undefined;
  /** What it is answered, once that is known. */
  outcome: Outcome | undefined;
  /** Behind a commit without an outcome: others hold a row that it needs itself. */
  isHeld?: boolean;
  /** Since when it is put off (performance.now). */
  heldSince?: number;
  /** Called when its turn has come. */
  answer: (outcome: Outcome) => void;
}

/** What one session has waiting. */
interface Load {
  requests: number;
  /** Characters of text in those to be stored. */
  size: number;
}

/** Stores messages, and tells senders and receivers. */
export class Appender {
  readonly #store: Store;
  readonly #router: Router;
  readonly #counters: Counters;
  readonly #notifier: Notifier | undefined;
  readonly #terms: Pick<Terms, "url">;
  #waiting: Entry[] = [];
  /** How many have ever come. */
  #entered = 0;
  /** What is tried again. */
  readonly #retries = new RetryQueue();
  /** By group: to how many its last message went. */
  readonly #receivers = new Map<GroupId, number>();
  /** Of sessions that have something waiting. */
  readonly #loads = new Map<Author, Load>();
  #size = 0;
  #running: Promise<void> | undefined;
  /** Something has come, while all that there was is put off. */
  #came: (() => void) | undefined;
  /** Resolved, and replaced, whenever a batch has been answered. */
  #batch = Promise.withResolvers<void>();

  /** Nothing waits yet. @param parts `notifier` pushes to who is away, if anybody does; `terms.url` is how this server is reached over HTTP */
  constructor({ store, router, counters, notifier, terms }: {
    store: Store;
    router: Router;
    counters: Counters;
    notifier: Notifier | undefined;
    terms: Pick<Terms, "url">;
  }) {
    this.#store = store;
    this.#router = router;
    this.#counters = counters;
    this.#notifier = notifier;
    this.#terms = terms;
  }

  /**
   * Stores a message; `answer` is called when its turn has come.
   *
   * @returns a promise to await before the session's next request is read, if too many of them wait
   */
  append(author: Author, append: Append, answer: (outcome: Outcome) => void): void | Promise<void> {
    if (this.#waiting.length + this.#retries.entries.length >= MAX_WAITING || this.#size >= MAX_WAITING_SIZE) {
      return this.refuse(author, new Refusal(Errno.UNAVAILABLE, "too many messages wait to be stored", { retry: 1000 }), answer);
    }
    this.#size += append.msg.length;
    return this.#enter({ order: ++this.#entered, author, append, outcome: undefined, answer });
  }

  /** Answers a request that will not be stored, in its turn. Returns as {@linkcode append} does. */
  refuse(author: Author, error: Error, answer: (outcome: Outcome) => void): void | Promise<void> {
    if (!this.#loads.has(author)) answer(error);
    else return this.#enter({ order: ++this.#entered, author, append: undefined, outcome: error, answer });
  }

  /** To how many the group's last message went; undefined: there was none lately. */
  receiversOf(groupid: GroupId): number | undefined {
    return this.#receivers.get(groupid);
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** From now on what would be put off is refused, as what has been is. Resolves when nothing waits. */
  async close(): Promise<void> {
    this.#retries.close();
    this.#came?.();
    await this.idle();
  }

  /** Resolves when all of this session's requests are answered, whatever others send meanwhile. */
  async answered(author: Author): Promise<void> {
    while (this.#loads.has(author)) await this.#batch.promise;
  }

  #enter(entry: Entry): void | Promise<void> {
    const { author, append } = entry;
    let load = this.#loads.get(author);
    if (!load) this.#loads.set(author, load = { requests: 0, size: 0 });
    load.requests++;
    load.size += append?.msg.length ?? 0;
    this.#waiting.push(entry);
    this.#came?.();
    this.#running ??= this.#run();
    if (load.requests >= SESSION_WAITING || load.size >= SESSION_WAITING_SIZE) return this.#halfAnswered(load);
  }

  async #halfAnswered(load: Load): Promise<void> {
    while (load.requests > SESSION_WAITING / 2 || load.size > SESSION_WAITING_SIZE / 2) await this.#batch.promise;
  }

  async #run(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    const retries = this.#retries;
    while (this.#waiting.length + retries.entries.length > 0) {
      if (retries.entries.length > 0) {
        this.#waiting = retries.ready(this.#waiting);
        if (this.#waiting.length === 0) {
          await this.#comes();
          continue;
        }
      }
      const entries = this.#take();
      const appends = entries.filter((e) => e.append !== undefined);
      await this.#commit(appends);
      const now = performance.now();
      for (const entry of entries) {
        if (!retries.takes(entry, now)) this.#finish(entry);
        else this.#size += entry.append?.msg.length ?? 0;
      }
      this.#batch.resolve();
      this.#batch = Promise.withResolvers<void>();
    }
    this.#running = undefined;
  }

  /** Resolves when something has come, or it is time for what was put off. */
  async #comes(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#came = resolve;
    await within(promise, this.#retries.againAt - performance.now());
  }

  #take(): Entry[] {
    const { appendLimit } = this.#store;
    let messages = 0, size = 0, weight = 0, end = 0;
    for (; end < this.#waiting.length; end++) {
      const { append } = this.#waiting[end]!;
      if (!append) continue;
      const more = this.#weigh(append);
      if (messages > 0 && (size + append.msg.length > BATCH_SIZE || weight + more > appendLimit)) break;
      messages++;
      weight += more;
      size += append.msg.length;
      if (append.groupid === undefined || this.#receivers.has(append.groupid)) continue;
      // A group's first message ends its batch: only it tells how large the group is.
      end++;
      break;
    }
    this.#size -= size;
    return this.#waiting.splice(0, end);
  }

  /** One direct message of few words is 1. A group counts as a small one until its first message tells. */
  #weigh({ groupid, msg }: Append): number {
    const text = Math.floor(msg.length / TEXT_WEIGHT);
    if (groupid === undefined) return 1 + text;
    return GROUP_WEIGHT + Math.floor((this.#receivers.get(groupid) ?? 0) / GROUP_RECEIVERS) + text;
  }

  #remember(groupid: GroupId, receivers: number): void {
    this.#receivers.delete(groupid);
    this.#receivers.set(groupid, receivers);
    if (this.#receivers.size > MAX_REMEMBERED) this.#receivers.delete(this.#receivers.keys().next().value!);
  }

  async #commit(entries: Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const begun = performance.now();
    try {
      const results = await this.#store.append(entries.map((e) => e.append!));
      let stored = 0;
      for (const [i, result] of results.entries()) {
        if (result.errno === "HELD") entries[i]!.isHeld = !result.behind;
        else {
          entries[i]!.outcome = result;
          stored++;
        }
      }
      if (stored === 0) return;
      this.#counters.commitMessages.observe(stored);
      this.#counters.commitSeconds.observe((performance.now() - begun) / 1000);
    } catch (error) {
      if (error instanceof StoreUnavailable || entries.length === 1) { for (const entry of entries) entry.outcome = error as Error; }
      else {
        log.warning("a batch of messages failed, each is tried alone", { count: entries.length, error });
        const held = new Set<UserId>();
        for (const entry of entries) {
          if (held.has(entry.author.userId)) entry.isHeld = false;
          else await this.#commit([entry]);
          if (!entry.outcome) held.add(entry.author.userId);
        }
      }
    }
  }

  #finish({ author, append, outcome, answer }: Entry): void {
    const load = this.#loads.get(author)!;
    load.requests--;
    load.size -= append?.msg.length ?? 0;
    if (load.requests === 0) this.#loads.delete(author);
    if (append?.groupid !== undefined && !(outcome instanceof Error) && outcome!.errno === "OK" && !outcome!.repeated) {
      this.#remember(append.groupid, outcome!.receivers.length);
    }
    answer(outcome!);
    if (!append || outcome instanceof Error || outcome!.errno !== "OK") return;
    const { messageid, receivers, repeated, files } = outcome!;
    if (!repeated) this.#counters.stored.add(append.groupid === undefined ? "chat" : "group_chat");
    if (receivers.length === 0) return;
    const entry = entryHead({ ...append, messageid, id: author.userId, name: author.name, files }, this.#terms.url);
    this.#router.deliver(entry, append.toid === author.userId ? undefined : author.userId, receivers);
    if (!append.silent) this.#notifier?.stored({ messageid, sender: author.userId, receivers });
  }
}
