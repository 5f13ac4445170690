/**
 * What comes, and what is done to messages and in groups, while the server is asked for them. The answer may be older than what was told before it came: than a
 * message for which there was no place here, what was done to one that was not here yet, or a group's new name. So it is done again to what has come.
 */
export class Meanwhile {
  readonly #asking = new Set<(() => void)[]>();

  /** Something is done to a message, which twice is the same as once: now, and again when what is being asked for is here. */
  happens(deed: () => void): void {
    this.again(deed);
    deed();
  }

  /** It is done already: again when what is being asked for is here. */
  again(deed: () => void): void {
    for (const meanwhile of this.#asking) meanwhile.push(deed);
  }

  /** Asks, and takes the answer. Rejects as `ask` does. */
  async asked<T>(ask: () => Promise<T>, take: (answer: T) => void): Promise<void> {
    const meanwhile: (() => void)[] = [];
    this.#asking.add(meanwhile);
    try {
      take(await ask());
    } finally {
      this.#asking.delete(meanwhile);
    }
    for (const deed of meanwhile) deed();
  }
}
