// How long the turns of this process's event loop are.

import process from "node:process";

/**
 * Looks at every turn until it is stopped. A turn counts as what the process computed in it, if that is less than what the clock says: a machine with other
 * things to do makes no turn longer.
 */
export class Turns {
  /** How many there were. */
  count = 0;
  /** The longest (ms). */
  longest = 0;
  #going = true;
  #clock = performance.now();
  #cpu = cpuTime();

  constructor() {
    setImmediate(() => this.#turn());
  }

  /** @returns the longest (ms) */
  stop(): number {
    this.#going = false;
    this.#look();
    return this.longest;
  }

  #turn(): void {
    if (!this.#going) return;
    this.count++;
    this.#look();
    setImmediate(() => this.#turn());
  }

  #look(): void {
    const clock = performance.now(), cpu = cpuTime();
    this.longest = Math.max(this.longest, Math.min(clock - this.#clock, cpu - this.#cpu));
    this.#clock = clock;
    this.#cpu = cpu;
  }
}

/** Of this thread (ms): other tests compute in the same process. */
function cpuTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
