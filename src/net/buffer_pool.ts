/** Buffers: how large those are that are read into, and those to encode into, which are used again: to make one costs ten times what filling it does (docs/performance.md). */

/** A read buffer costs memory for as long as its connection is idle, so it is small until a read fills it (bytes). */
export const SMALL_READ = 1024, LARGE_READ = 16_384;

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
