/**
 * One tab of a browser has the account: what the browser keeps has one writer, and the server lets only one in.
 *
 * Rules:
 *
 * 1. A tab is active from the moment it begins to log in until it has closed its client. Only the active tab writes what is kept.
 * 2. A tab that opens asks whether another is active, and becomes active only if none answers. Of several that ask at the same moment, as when a browser
 *    brings back its windows, the one with the lowest number answers the others.
 * 3. Whoever is active, or about to be, has the browser's lock, where there are locks (not over plain HTTP): a tab that gets it need not wait for answers. Who has not
 *    got it asks all the same, and waits for longer, or until it is free: the one that has it may hang, but is more likely busy.
 * 4. A tab takes over by asking the active one to stop, and waits until that has closed its client, so that the server finds the account free.
 */

/** How long an answer is waited for (ms), if another tab has the lock, and until it has stopped: from a tab in the background it takes longer. */
const ANSWER_AFTER = 250, HOLDER_ANSWERS_AFTER = 2000, STOP = 3000;

const LOCK = "natter";

/** At once if it is free; whoever has it; or when it is free, unless the signal aborts. */
type LockOptions = { ifAvailable: true } | { steal: true } | { signal: AbortSignal };

/** The browser's locks; by the types of Deno, which tests are checked by, there are none. */
interface Locks {
  request(name: string, options: LockOptions, use: (lock: object | null) => unknown): Promise<unknown>;
  query(): Promise<{ held: { name: string }[] }>;
}

/** A question has its number, so that its answer is taken by nobody else. */
type Word = "here" | "stop" | "stopped" | { anyone: number } | { taken: number };

export class Tabs {
  readonly #channel = new BroadcastChannel("natter");
  readonly #stop: () => Promise<void>;
  readonly #became: (active: boolean) => void;
  #active = false;
  /** The number of this tab's question, while it waits for answers and means to become active. */
  #question: number | undefined;
  #heard: ((word: Word) => void) | undefined;
  /** Gives the lock back. */
  #unlock: (() => void) | undefined;

  /**
   * @param stop Closes the client: another tab takes over. Resolves when it is closed.
   * @param became Another tab is active now, or is not any more.
   */
  constructor(stop: () => Promise<void>, became: (active: boolean) => void) {
    this.#stop = stop;
    this.#became = became;
    this.#channel.onmessage = ({ data }) => void this.#hear(data as Word);
  }

  /** Whether another tab is active, or about to be. `eager`: this one becomes active at once if there is none. */
  async anyone(eager: boolean): Promise<boolean> {
    const held = this.#locks && await this.#held(this.#locks, eager);
    if (held === false) return false;
    const number = Math.random();
    if (eager) this.#question = number;
    this.#say({ anyone: number });
    const answered = this.#answer(
      (word) => word === "here" || (typeof word === "object" && "taken" in word && word.taken === number),
      held && eager ? HOLDER_ANSWERS_AFTER : ANSWER_AFTER,
    );
    const waiting = new AbortController();
    const free = held && eager ? this.#lock({ signal: waiting.signal }).then((got) => got ? false : answered) : answered;
    const anyone = await Promise.race([answered, free]);
    waiting.abort();
    this.#question = undefined;
    // It may have got the lock in the moment of the answer.
    if (anyone) this.#letGo();
    return anyone;
  }

  /** Asks the active tab to stop, and waits until it has; or for a while, if there is none. */
  async takeOver(): Promise<void> {
    this.#say("stop");
    await this.#answer((word) => word === "stopped", STOP);
  }

  /** Whether this tab is the active one. */
  get active(): boolean {
    return this.#active;
  }

  set active(active: boolean) {
    if (this.#active !== active) this.#say(active ? "here" : "stopped");
    this.#active = active;
    if (active && !this.#unlock) void this.#lock({ steal: true });
    if (!active) this.#letGo();
  }

  #letGo(): void {
    this.#unlock?.();
    this.#unlock = undefined;
  }

  /** Whether another tab has the lock; undefined: nobody knows. `eager`: if not, this one has it then. */
  async #held(locks: Locks, eager: boolean): Promise<boolean | undefined> {
    if (!eager) return (await locks.query().catch(() => undefined))?.held.some(({ name }) => name === LOCK);
    const got = await this.#lock({ ifAvailable: true });
    return got === undefined ? undefined : !got;
  }

  /** Whether this tab has got the lock; undefined: the browser gives it none, or it was waited for in vain. */
  #lock(options: LockOptions): Promise<boolean | undefined> {
    return new Promise((resolve) => {
      if (!this.#locks) return resolve(undefined);
      let got = false;
      const use = (lock: object | null) => {
        resolve(lock !== null);
        // Not active any more, before the browser has answered.
        if ("steal" in options && !this.#active) return;
        got = lock !== null;
        return lock && new Promise<void>((unlock) => this.#unlock = unlock);
      };
      this.#locks.request(LOCK, options, use).catch(() => {
        // Another tab has taken it away.
        if (got) this.#unlock = undefined;
        resolve(undefined);
      });
    });
  }

  get #locks(): Locks | undefined {
    return (navigator as { locks?: Locks }).locks;
  }

  async #hear(word: Word): Promise<void> {
    this.#heard?.(word);
    if (typeof word === "object") {
      if (!("anyone" in word)) return;
      if (this.#active) return this.#say("here");
      if (this.#question === undefined) return;
      // The other tab may not have been there yet when this one asked.
      this.#say(this.#question < word.anyone ? { taken: word.anyone } : { anyone: this.#question });
    } else if (this.#active) {
      if (word !== "stop") return;
      await this.#stop();
      this.active = false;
    } else if (word === "here" || word === "stopped") {
      this.#became(word === "here");
    }
  }

  #answer(expected: (word: Word) => boolean, ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const hear = (word: Word) => {
        if (expected(word)) done(true);
      };
      const done = (answered: boolean) => {
        clearTimeout(timer);
        if (this.#heard === hear) this.#heard = undefined;
        resolve(answered);
      };
      const timer = setTimeout(() => done(false), ms);
      this.#heard = hear;
    });
  }

  #say(word: Word): void {
    this.#channel.postMessage(word);
  }
}
