/**
 * A queue between any number of writers and one task.
 *
 * 1. `push` never waits and keeps the order.
 * 2. One task drains it, with `for await`; each turn gives it everything that has come since the last one.
 * 3. After `close` the task is given what is left, and its loop ends.
 */
export class AsyncQueue<T> {
  #items: T[] = [];
  #wake: (() => void) | undefined;
  #closed = false;
  #drained = false;

  /** Throws an Error after `close`. */
  push(item: T): void {
    if (this.#closed) throw new Error("the queue is closed");
    this.#items.push(item);
    this.#wake?.();
  }

  /** No more items will come. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** The batches. Throws an Error if a second task asks for them: there is one reader. */
  async *[Symbol.asyncIterator](): AsyncGenerator<readonly T[], void, void> {
    if (this.#drained) throw new Error("the queue has a task already");
    this.#drained = true;
    for (;;) {
      if (this.#items.length === 0) {
        if (this.#closed) return;
        await new Promise<void>((resolve) => this.#wake = resolve);
        this.#wake = undefined;
        continue;
      }
      const batch = this.#items;
      this.#items = [];
      yield batch;
    }
  }
}
