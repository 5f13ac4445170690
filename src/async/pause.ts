/** A day (ms). */
export const DAY_MS = 24 * 3600_000;

/**
 * The pauses of a task that goes on as long as the server does. Whoever stops the task cuts them short.
 *
 * Not a race against one promise of its stop: each race leaves something behind with that promise, about 600 bytes for as long as the task lasts.
 */
export class Pause {
  #stopped = false;
  #wake: (() => void) | undefined;

  /** No more pauses: the task is to end. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Resolves after `ms`, or when the task is stopped. One at a time. */
  async for(ms: number): Promise<void> {
    if (this.#stopped) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }

  /** Stops the task. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }
}
