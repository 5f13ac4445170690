/** Buffers to encode into, used again: to make one costs ten times what filling it does (docs/performance.md). */

/** At most so many buffers of one size. */
export class BufferPool {
  readonly #free: Uint8Array[] = [];
  #made = 0;

  /** Makes none yet. @param size of each, in bytes @param most how many there may be */
  constructor(readonly size: number, readonly most: number) {}

  /** One that nobody uses; undefined: all are in use. */
  take(): Uint8Array | undefined {
    const buffer = this.#free.pop();
    if (buffer || this.#made >= this.most) return buffer;
    this.#made++;
    return new Uint8Array(this.size);
  }

  /** Gives one back; nobody may use it any more. */
  giveBack(buffer: Uint8Array): void {
    this.#free.push(buffer);
  }
}
