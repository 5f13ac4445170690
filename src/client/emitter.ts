/** Events with names and types, and nothing else. */

/** Takes an event. */
export type Listener<T> = (event: T) => unknown;

/** Calls listeners in the order they were added. */
export class Emitter<Events> {
  readonly #listeners: { [K in keyof Events]?: Listener<Events[K]>[] } = {};

  /** Adds a listener. @returns what removes it. */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
    // A new array each time, so that whoever is going through the old one is not disturbed.
    this.#listeners[name] = [...this.listeners(name), listener];
    return () => this.#listeners[name] = this.listeners(name).filter((other) => other !== listener);
  }

  /** Who listens now. */
  listeners<K extends keyof Events>(name: K): readonly Listener<Events[K]>[] {
    return this.#listeners[name] ?? [];
  }

  /** Tells all, and throws what one of them throws. @returns what they return */
  call<K extends keyof Events>(name: K, event: Events[K]): unknown[] {
    return this.listeners(name).map((listener) => listener(event));
  }

  /** Tells all. What a listener throws is an uncaught error of the program, and keeps nobody else from hearing. */
  emit<K extends keyof Events>(name: K, event: Events[K]): void {
    for (const listener of this.listeners(name)) {
      try {
        listener(event);
      } catch (error) {
        throwUncaught(error);
      }
    }
  }
}

/** Reports a defect of the program that uses the client where such defects are reported: as an uncaught error. */
export function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
