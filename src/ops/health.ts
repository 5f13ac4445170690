/** How the server is: what /readyz and /metrics say. */
import { within } from "../async/within.ts";
import type { Gauges, Metrics } from "./metrics.ts";

/** How long the database and the bus may take to answer before this node calls itself not ready (ms). */
const READY_MS = 2000;

/** Looks how the server is, when it is asked. */
export class Health {
  readonly #answers: () => Promise<unknown>;
  readonly #gauges: Gauges;
  #metrics: Promise<Metrics> | undefined;

  /** `answers` resolves when what this server depends on answers. */
  constructor(answers: () => Promise<unknown>, gauges: Gauges) {
    this.#answers = answers;
    this.#gauges = gauges;
  }

  /** Whether the database and, if there is one, the bus answer within a while. */
  async ready(): Promise<boolean> {
    let ready = false;
    await within(this.#answers().then(() => ready = true, () => {}), READY_MS);
    return ready;
  }

  /** The metrics, as text. What makes them is loaded when it is first asked. */
  async measure(): Promise<{ type: string; body: string }> {
    this.#metrics ??= import("./metrics.ts").then(({ Metrics }) => new Metrics(this.#gauges));
    const ready = await this.ready();
    return (await this.#metrics).text(ready);
  }

  /** Measures no more. */
  async close(): Promise<void> {
    (await this.#metrics)?.close();
  }
}
