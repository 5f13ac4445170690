// Time that passes faster than it does.

/** Moves the clock that the server measures silence by, for the whole process, until it is disposed of. Timers go on as they were. */
export function clockAhead(): Disposable & { by(ms: number): void } {
  const { now } = performance;
  let ahead = 0;
  performance.now = () => now.call(performance) + ahead;
  return { by: (ms) => ahead = ms, [Symbol.dispose]: () => performance.now = now };
}

/** Stops the clock that the server measures by, for the whole process, until it is disposed of: nothing comes back of what is limited, however busy the machine is. */
export function clockStopped(): Disposable & { by(ms: number): void } {
  const { now } = performance;
  // A whole number: sums of fractions would be off by a little.
  let time = Math.ceil(now.call(performance));
  performance.now = () => time;
  return { by: (ms) => time += ms, [Symbol.dispose]: () => performance.now = now };
}

/** Sets the machine's clock ahead, as natter sees it, until it is disposed of. What passes in the meantime does so as it does. */
export function wallClockAhead(): Disposable & { by(ms: number): void } {
  const { now } = Date;
  let ahead = 0;
  Date.now = () => now.call(Date) + ahead;
  return { by: (ms) => ahead = ms, [Symbol.dispose]: () => void (Date.now = now) };
}

/** This thread does not run for so long (ms): what is due comes afterwards, and what comes is read then. */
export function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Stops the clock and the timers of this process until it is disposed of: they go on only by what `pass` lets pass, timer after timer, with what each leads to. */
export function clockByHand(): Disposable & { pass(ms: number): Promise<void> } {
  const { setTimeout, clearTimeout } = globalThis, { now } = performance;
  const timers = new Map<number, { at: number; run(): void }>();
  let time = now.call(performance), last = 0;
  /** What needs no timer has happened. */
  const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
  performance.now = () => time;
  Object.assign(globalThis, {
    setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      timers.set(++last, { at: time + ms, run: () => run(...args) });
      return last;
    },
    clearTimeout: (timer: number) => timers.delete(timer),
  });
  return {
    async pass(ms) {
      const end = time + ms;
      for (;;) {
        await settled();
        const [next] = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
        if (!next) break;
        timers.delete(next[0]);
        time = next[1].at;
        next[1].run();
      }
      time = end;
    },
    [Symbol.dispose]() {
      performance.now = now;
      Object.assign(globalThis, { setTimeout, clearTimeout });
    },
  };
}
