// The npm repackaging of @std ships no types; this declares what natter uses of it. Deno 2.7 has the two globals, but not their types.

/** Calls back when this turn of the event loop is over. */
declare function setImmediate(callback: () => void): object;
/** Calls back no more. */
declare function clearImmediate(immediate: object | undefined): void;

declare module "@std/streams/text-line-stream" {
  /** Cuts text at LF and CRLF. */
  export class TextLineStream extends TransformStream<string, string> {
    constructor(options?: { allowCR?: boolean });
  }
}

declare module "@std/async/deadline" {
  /** Rejects with a `TimeoutError` when `promise` takes longer than `ms`. */
  export function deadline<T>(promise: Promise<T>, ms: number, options?: { signal?: AbortSignal }): Promise<T>;
}

declare module "@std/assert" {
  export function assert(expr: unknown, msg?: string): asserts expr;
  export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;
  export function assertMatch(actual: string, expected: RegExp, msg?: string): void;
  export function assertStringIncludes(actual: string, expected: string, msg?: string): void;
  export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
  export function assertLess<T>(actual: T, expected: T, msg?: string): void;
  export function assertThrows(fn: () => unknown, ErrorClass?: unknown, msgIncludes?: string, msg?: string): Error;
  export function assertRejects(fn: () => PromiseLike<unknown>, ErrorClass?: unknown, msgIncludes?: string, msg?: string): Promise<Error>;
  export function fail(msg?: string): never;
}
