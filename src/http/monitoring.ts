/** What `/readyz` and `/metrics` tell: looked at when somebody asks, and shared by all who ask within a while. */
import { Readiness, type ReadinessParts } from "../ops/readiness.ts";
import type { MetricsText } from "./metrics.ts";
import type { Gauges, Metrics } from "./metrics_text.ts";
import { Shared } from "./shared.ts";

/** For how long those who ask are told the same of how the server is, and of what it counts (ms). */
const READY_FOR_MS = 500, METRICS_FOR_MS = 250;

/** Looks how the server is. */
export class Monitoring {
  readonly #lacks: Shared<string | undefined>;
  readonly #measured: Shared<MetricsText>;
  readonly #gauges: Gauges;
  #metrics: Promise<Metrics> | undefined;

  /** Looks when it is first asked. */
  constructor(parts: ReadinessParts, gauges: Gauges) {
    const readiness = new Readiness(parts);
    this.#gauges = gauges;
    this.#lacks = new Shared(() => readiness.look(), READY_FOR_MS);
    this.#measured = new Shared(() => this.#measure(), METRICS_FOR_MS);
  }

  /** What this node lacks to serve, in words for everybody; undefined: it is ready. */
  lacks(): Promise<string | undefined> {
    return this.#lacks.get();
  }

  /** The metrics. What writes them is loaded when it is first asked. */
  measure(): Promise<MetricsText> {
    return this.#measured.get();
  }

  /** Measures no more. */
  async close(): Promise<void> {
    (await this.#metrics)?.close();
  }

  async #measure(): Promise<MetricsText> {
    this.#metrics ??= import("./metrics_text.ts").then(({ Metrics }) => new Metrics(this.#gauges));
    const ready = await this.lacks() === undefined;
    return (await this.#metrics).text(ready);
  }
}
