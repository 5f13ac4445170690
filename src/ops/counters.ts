/** What the server counts as it runs: plain numbers, so that counting costs next to nothing. `metrics.ts` tells them to a monitoring system. */

/** How often something was, by one label. */
export class Counter {
  /** How often, by label. */
  readonly values: Map<string, number>;

  /** `labels` are told from the start, as 0: a rate sees the first of each. */
  constructor(...labels: string[]) {
    this.values = new Map(labels.map((label) => [label, 0]));
  }

  /** Counts `count` more under this label. */
  add(label: string, count = 1): void {
    this.values.set(label, (this.values.get(label) ?? 0) + count);
  }
}

/** How large something was: counts per bucket (`le` = at most), their sum and number. */
export class Histogram {
  /** How many values were at most each bound, and above the last. */
  readonly counts: number[];
  /** Of all values. */
  sum = 0;
  /** How many values. */
  count = 0;

  /** `bounds` rise. */
  constructor(readonly bounds: readonly number[]) {
    this.counts = bounds.map(() => 0);
  }

  /** Counts a value. */
  observe(value: number): void {
    this.sum += value;
    this.count++;
    const bucket = this.bounds.findIndex((bound) => value <= bound);
    if (bucket >= 0) this.counts[bucket]!++;
  }
}

/** All that a server counts. */
export class Counters {
  /** By result: `ok`, the errno, or `failed` where the server did. */
  readonly logins: Counter = new Counter();
  /** Sessions that ended, by cause. */
  readonly departures: Counter = new Counter();
  /** Stored messages, and what was done to some and happened in groups, by kind: `chat`, `group_chat`, `edit`, `delete`, `react`, `group_event`. */
  readonly stored: Counter = new Counter();
  /** Web Push, by result: `sent`, `failed` (also if it is tried again), `dropped` (too many, too old, or a newer one took its place), `gone` (a subscription is no more). */
  readonly pushes: Counter = new Counter("sent", "failed", "dropped", "gone");
  /** Messages per commit. */
  readonly commitMessages: Histogram = new Histogram([1, 2, 5, 10, 20, 50, 100, 200, 500]);
  /** Seconds per commit. */
  readonly commitSeconds: Histogram = new Histogram([0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5]);
}
