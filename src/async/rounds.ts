import { Pause } from "./pause.ts";

/** What comes round again and again as long as the server does: one round at a time, with a pause behind each, whatever became of it. */
export class Rounds {
  readonly #pause = new Pause();
  readonly #running: Promise<void>;

  /**
   * Begins.
   *
   * @param interval between two rounds (ms)
   * @param round one of them; it looks at the pause it is given whether it is to end, and may make pauses of its own by it. What it resolves to is in place of `interval`
   * @param failed told why a round rejected
   * @param first how long before the first one (ms)
   */
  constructor(interval: number, round: (pause: Pause) => Promise<number | void>, failed: (error: unknown) => void, first: number = 0) {
    this.#running = this.#run(interval, round, failed, first);
  }

  /** No more rounds. What is under way is finished. */
  async close(): Promise<void> {
    this.#pause.stop();
    await this.#running;
  }

  async #run(interval: number, round: (pause: Pause) => Promise<number | void>, failed: (error: unknown) => void, first: number): Promise<void> {
    if (first > 0) await this.#pause.for(first);
    while (!this.#pause.stopped) {
      let next: number | void = undefined;
      try {
        next = await round(this.#pause);
      } catch (error) {
        failed(error);
      }
      await this.#pause.for(next ?? interval);
    }
  }
}
