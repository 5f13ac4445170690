// Time by which a server in this process is measured: a machine that stops it, for a second or two now and then, takes time from it that no promise is about.

import { cpuTime } from "./cpu_time.ts";

const { setTimeout, clearTimeout, setInterval, clearInterval, performance } = globalThis;
const now = performance.now.bind(performance);

/** Between two looks (ms). */
const LOOK_MS = 100;
/** What comes later than this after the look before was stopped meanwhile, or has computed (ms). */
const LATE_MS = 2 * LOOK_MS;

/** Measures, until it is disposed of, for how long this thread could run: where it was not run for long, only what it computed counts. */
export class Awake implements Disposable {
  /** How long it was not run (ms). */
  #stopped = 0;
  readonly #begun = now();
  #clock: number = now();
  #cpu = cpuTime();
  readonly #timer = setInterval(() => this.#look(), LOOK_MS);

  /** Since it began (ms). */
  get ms(): number {
    this.#look();
    return this.#clock - this.#begun - this.#stopped;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const clock = now(), cpu = cpuTime();
    if (clock - this.#clock > LATE_MS) this.#stopped += clock - this.#clock - Math.max(LOOK_MS, cpu - this.#cpu);
    this.#clock = clock;
    this.#cpu = cpu;
  }
}

/** As the promise, but rejects when this thread could run for so long (ms) and it was not settled. */
export async function withinAwake<T>(promise: Promise<T>, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const settled = afterAwake(ms, () => late.reject(new Error(`not within ${ms} ms`)));
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    settled();
  }
}

/** Calls `late` when this thread could have run for so long (ms), and at least once behind each time that it was stopped. @returns gives it up */
export function afterAwake(ms: number, late: () => void): () => void {
  let left = ms, clock = now(), cpu = cpuTime();
  const look = () => {
    const passed = now() - clock, computed = cpuTime() - cpu;
    clock += passed;
    cpu += computed;
    left -= passed > LATE_MS ? Math.max(LOOK_MS, computed) : passed;
    // What came while it was stopped is read before that.
    if (passed > LATE_MS) left = Math.max(left, LOOK_MS);
    if (left <= 0) late();
    else timer = setTimeout(look, Math.min(left, LOOK_MS));
  };
  let timer = setTimeout(look, Math.min(left, LOOK_MS));
  return () => clearTimeout(timer);
}
