/**
 * How late the event loop is: a timer says it, by how much it is late itself.
 *
 * Deno's `monitorEventLoopDelay` sees nothing of a blocked loop, neither in 2.7 nor in 2.9.
 */
import { Histogram } from "./counters.ts";

/** How often it is looked (ms). */
const EVERY = 20;

/** Measures how late timers run. */
export class LoopDelay {
  /** Seconds, all since the start. */
  readonly histogram: Histogram = new Histogram([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]);
  #max = 0;
  #due = performance.now() + EVERY;
  readonly #timer = setInterval(() => this.#look(), EVERY);

  constructor() {
    Deno.unrefTimer(this.#timer);
  }

  /** The longest since it was last asked (s). */
  takeMax(): number {
    // What blocks the loop just now counts as well.
    const max = Math.max(this.#max, this.#late());
    this.#max = 0;
    return max;
  }

  /** Measures no more. */
  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const late = this.#late();
    this.#due = performance.now() + EVERY;
    this.histogram.observe(late);
    this.#max = Math.max(this.#max, late);
  }

  #late(): number {
    return Math.max(0, performance.now() - this.#due) / 1000;
  }
}
