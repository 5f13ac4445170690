import { deadline } from "@std/async/deadline";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { openLog } from "../../src/ops/log.ts";

/** What natter logs in this process, at any level, until it is disposed of. One at a time. */
export class CapturedLog implements AsyncDisposable {
  readonly records: LogRecord[] = [];
  readonly #counts = new Map<string, number>();
  #recorded = Promise.withResolvers<void>();
  static #one = false;

  private constructor() {}

  static async start(): Promise<CapturedLog> {
    if (CapturedLog.#one) throw new Error("there is one already");
    CapturedLog.#one = true;
    const log = new CapturedLog();
    await openLog();
    await configure({
      reset: true,
      sinks: { captured: (record) => log.#record(record) },
      loggers: [
        { category: "natter", sinks: ["captured"], lowestLevel: "debug" },
        { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
      ],
    });
    return log;
  }

  /** How many records have this message. */
  count(message: string): number {
    return this.#counts.get(message) ?? 0;
  }

  /** Resolves when `message` (or any of several) has been logged at least `count` times in all. Rejects when nothing was logged for 30 s. */
  async until(message: string | string[], count: number): Promise<void> {
    while ([message].flat().reduce((sum, m) => sum + this.count(m), 0) < count) await deadline(this.#recorded.promise, 30_000);
  }

  #record(record: LogRecord): void {
    this.records.push(record);
    const message = record.message.join("");
    this.#counts.set(message, this.count(message) + 1);
    this.#recorded.resolve();
    this.#recorded = Promise.withResolvers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    CapturedLog.#one = false;
    await reset();
  }
}
