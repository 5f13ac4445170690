// Time that passes faster than it does.

/** Moves the clock that the server measures silence by, for the whole process, until it is disposed of. Timers go on as they were. */
export function clockAhead(): Disposable & { by(ms: number): void } {
  const { now } = performance;
  let ahead = 0;
  performance.now = () => now.call(performance) + ahead;
  return { by: (ms) => ahead = ms, [Symbol.dispose]: () => performance.now = now };
}

/** Sets the machine's clock ahead, as natter sees it, until it is disposed of. What passes in the meantime does so as it does. */
export function wallClockAhead(): Disposable & { by(ms: number): void } {
  const { now } = Date;
  let ahead = 0;
  Date.now = () => now.call(Date) + ahead;
  return { by: (ms) => ahead = ms, [Symbol.dispose]: () => void (Date.now = now) };
}
