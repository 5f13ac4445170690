import { deadline } from "@std/async/deadline";
import { type LogLine, logTo } from "../../src/ops/log.ts";

/** What natter logs in this process, at any level, until it is disposed of. One at a time. */
export class CapturedLog implements Disposable {
  readonly records: LogLine[] = [];
  readonly #counts = new Map<string, number>();
  #recorded = Promise.withResolvers<void>();

  constructor() {
    logTo((record) => this.#record(record));
  }

  /** How many records have this message. */
  count(message: string): number {
    return this.#counts.get(message) ?? 0;
  }

  /** Resolves when `message` (or any of several) has been logged at least `count` times in all. Rejects when nothing was logged for 10 s. */
  async until(message: string | string[], count: number): Promise<void> {
    while ([message].flat().reduce((sum, m) => sum + this.count(m), 0) < count) await deadline(this.#recorded.promise, 10_000);
  }

  #record(record: LogLine): void {
    this.records.push(record);
    const { message } = record;
    this.#counts.set(message, this.count(message) + 1);
    this.#recorded.resolve();
    this.#recorded = Promise.withResolvers();
  }

  [Symbol.dispose](): void {
    logTo(undefined);
  }
}
