/**
 * One tab of a browser has the account: what the browser keeps has one writer, and the server lets only one in.
 *
 * Rules:
 *
 * 1. A tab is active from the moment it begins to log in until it has closed its client. Only the active tab writes what is kept.
 * 2. A tab that opens asks whether another is active, and becomes active only if none answers.
 * 3. A tab takes over by asking the active one to stop, and waits until that has closed its client, so that the server finds the account free.
 */

/** How long an answer is waited for (ms): from a tab in the background it takes longer. */
const ANSWER = 250, STOP = 3000;

type Word = "anyone?" | "here" | "stop" | "stopped";

export class Tabs {
  readonly #channel = new BroadcastChannel("natter");
  readonly #stop: () => Promise<void>;
  readonly #became: (active: boolean) => void;
  #active = false;
  #heard: ((word: Word) => void) | undefined;

  /**
   * @param stop Closes the client: another tab takes over. Resolves when it is closed.
   * @param became Another tab is active now, or is not any more.
   */
  constructor(stop: () => Promise<void>, became: (active: boolean) => void) {
    this.#stop = stop;
    this.#became = became;
    this.#channel.onmessage = ({ data }) => void this.#hear(data as Word);
  }

  /** Whether another tab is active. */
  async anyone(): Promise<boolean> {
    this.#say("anyone?");
    return await this.#answer("here", ANSWER);
  }

  /** Asks the active tab to stop, and waits until it has; or for a while, if there is none. */
  async takeOver(): Promise<void> {
    this.#say("stop");
    await this.#answer("stopped", STOP);
  }

  /** Whether this tab is the active one. */
  get active(): boolean {
    return this.#active;
  }

  set active(active: boolean) {
    if (this.#active !== active) this.#say(active ? "here" : "stopped");
    this.#active = active;
  }

  async #hear(word: Word): Promise<void> {
    this.#heard?.(word);
    if (this.#active) {
      if (word === "anyone?") this.#say("here");
      if (word !== "stop") return;
      await this.#stop();
      this.active = false;
    } else if (word === "here" || word === "stopped") {
      this.#became(word === "here");
    }
  }

  #answer(expected: Word, ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (answered: boolean) => {
        clearTimeout(timer);
        this.#heard = undefined;
        resolve(answered);
      };
      const timer = setTimeout(() => done(false), ms);
      this.#heard = (word) => {
        if (word === expected) done(true);
      };
    });
  }

  #say(word: Word): void {
    this.#channel.postMessage(word);
  }
}
