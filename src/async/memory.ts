/** What was found out lately, and is asked again soon. What is too old goes when something new comes. */
export class Memory<K, V> {
  readonly #found = new Map<K, { value: V; until: number }>();
  readonly #asked = new Map<K, Promise<V>>();

  /** Nothing is known. @param ms how long something is remembered. @param most of how many keys */
  constructor(private readonly ms: number, private readonly most: number) {}

  /** Of how many keys something is remembered, be it too old. */
  get size(): number {
    return this.#found.size;
  }

  /** What was found out; undefined: nothing, or too long ago. */
  get(key: K): { value: V } | undefined {
    const found = this.#found.get(key);
    return found && found.until > performance.now() ? found : undefined;
  }

  /** Finds it out anew. Who asks while it is being found out gets the same answer. */
  async remember(key: K, find: () => Promise<V>): Promise<V> {
    const asked = this.#asked.get(key) ?? find();
    this.#asked.set(key, asked);
    try {
      const value = await asked;
      // Unless it was forgotten meanwhile.
      if (this.#asked.get(key) === asked) this.#keep(key, value);
      return value;
    } finally {
      if (this.#asked.get(key) === asked) this.#asked.delete(key);
    }
  }

  /** It is another by now; what is being found out is not kept either. */
  forget(key: K): void {
    this.#found.delete(key);
    this.#asked.delete(key);
  }

  #keep(key: K, value: V): void {
    const now = performance.now();
    this.#found.delete(key);
    // The oldest stand first.
    for (const [oldest, { until }] of this.#found) {
      if (until > now && this.#found.size < this.most) break;
      this.#found.delete(oldest);
    }
    this.#found.set(key, { value, until: now + this.ms });
  }
}
