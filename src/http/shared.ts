/** A look at something that costs, shared by all who ask within a while: however many ask, it is looked so often and no oftener. */
export class Shared<T> {
  readonly #look: () => Promise<T>;
  readonly #ms: number;
  #looking: Promise<T> | undefined;
  #until = 0;

  /** Looks when it is first asked. @param ms how long what was seen is told */
  constructor(look: () => Promise<T>, ms: number) {
    this.#look = look;
    this.#ms = ms;
  }

  /** What is seen now, or was a moment ago. Rejects if looking fails. */
  get(): Promise<T> {
    if (!this.#looking || performance.now() > this.#until) {
      // While a look takes, it is the newest there is.
      this.#until = Infinity;
      this.#looking = this.#look().finally(() => this.#until = performance.now() + this.#ms);
    }
    return this.#looking;
  }
}
