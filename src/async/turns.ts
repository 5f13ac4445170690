/** One after the other, per key: logins of one user do not overtake one another. */
export class Turns<K> {
  readonly #last = new Map<K, Promise<void>>();

  /** Something of this key is under way. */
  busy(key: K): boolean {
    return this.#last.has(key);
  }

  /** Resolves when nothing of any key is under way. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }

  /** Runs `work` when all that came before it for this key has ended, however it ended. */
  async run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last.set(key, promise);
    try {
      await before;
      return await work();
    } finally {
      if (this.#last.get(key) === promise) this.#last.delete(key);
      resolve();
    }
  }
}
