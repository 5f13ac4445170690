/** A bound on how long a transfer stands still, however long it takes as a whole. */
import { ConnectionLost } from "./errors.ts";

/** How long a transfer over HTTP may stand still (ms): as long as the server lets an answer of its own do so. */
const SILENCE_MS = 60_000;

/** Ends what stands still for too long, by its `signal`, whose reason is {@linkcode ConnectionLost} `timeout`. */
export class Silence {
  readonly #ms: number;
  readonly #over = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Nothing is waited for yet. `signal`: of the same transfer, whose end is the end of both. */
  constructor(ms: number = SILENCE_MS, signal?: AbortSignal) {
    this.#ms = ms;
    // `AbortSignal.any` is younger than the browsers that the page is for.
    const abort = () => this.#over.abort(signal?.reason);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  }

  /** Aborts when nothing has moved for so long, or with the signal that was given. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** What it comes to, unless the signal aborts before; then it rejects with its reason. (Deno's `fetch` does not always: an answer that stands still was seen to go on.) */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(this.signal.reason);
      this.signal.addEventListener("abort", abort);
      if (this.signal.aborted) abort();
      promise.then(resolve, reject).finally(() => this.signal.removeEventListener("abort", abort));
    });
  }

  /** Something has moved, or is waited for from now on. */
  moved(): void {
    this.end();
    this.#timer = setTimeout(() => this.#over.abort(new ConnectionLost("timeout")), this.#ms);
  }

  /** Nothing is waited for any more. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
