/**
 * `/metrics`, in Prometheus' text format (0.0.4). Loaded when it is first asked for.
 *
 * Written out here, since `prom-client` carries a 2 MB file of numbers (in `bintrees`, for its summaries) that `deno compile` takes for a program and
 * overflows its stack on; all that natter would use of it are these few lines.
 */
import process from "node:process";
import type { Counter, Counters, Histogram } from "../ops/counters.ts";
import { LoopDelay } from "../ops/loop_delay.ts";

/** What is measured of a connection. */
export interface Measured {
  /** What carries it. */
  readonly kind: string;
  /** Characters that the kernel has not taken yet. */
  readonly queued: number;
}

/** What is measured of a running server at the moment it is asked. */
export interface Gauges {
  /** What is counted as it happens. */
  counters: Counters;
  /** All connections. */
  connections(): Iterable<Measured>;
  /** `--max-connections`. */
  maxConnections: number;
  /** Sessions on this node. */
  sessions(): number;
  /** Messages put into outgoing queues. */
  delivered(): number;
  /** Sessions that are over, and wait to be ended in the database. */
  offlineBacklog(): number;
  /** When the certificate ends (ms since the epoch); undefined: there is none. */
  certificateEnds(): number | undefined;
  /** Messages that the index does not have yet. */
  searchBehind(): number;
  /** What waits for Web Push: to be looked up, or to be sent. */
  pushWaiting(): number;
}

interface Sample {
  value: number;
  labels: Record<string, string | number>;
  /** What follows the metric's name: `_bucket`, `_sum`, `_count` of a histogram. */
  suffix?: string;
}

interface Metric {
  name: string;
  type: "gauge" | "counter" | "histogram";
  help: string;
  samples: () => Sample[];
}

/** The metrics of one server. */
export class Metrics {
  readonly #metrics: Metric[] = [];
  readonly #delay = new LoopDelay();
  #ready = false;

  /** Watches the event loop's delays from now on. */
  constructor(gauges: Gauges) {
    const { counters } = gauges;
    this.#add(
      "natter_ready",
      "gauge",
      "1 if the database and, if there is one, the bus answer, else 0: as /readyz",
      () => [plain(Number(this.#ready))],
    );
    this.#add("natter_connections", "gauge", "Open connections by kind", () => byKind(gauges.connections()));
    this.#add("natter_connections_max", "gauge", "How many connections there may be", () => [plain(gauges.maxConnections)]);
    this.#add("natter_sessions", "gauge", "Sessions on this node, one for each device", () => [plain(gauges.sessions())]);
    this.#add("natter_send_queue_bytes", "gauge", "What connections have queued, in characters", () => [plain(queued(gauges.connections()))]);
    this.#add("natter_offline_backlog", "gauge", "Sessions that are over and not yet ended in the database", () => [plain(gauges.offlineBacklog())]);
    this.#add("natter_certificate_end_time_seconds", "gauge", "When the certificate of the TLS listeners ends, since the epoch", () => {
      const ends = gauges.certificateEnds();
      return ends === undefined ? [] : [plain(ends / 1000)];
    });
    this.#add("natter_search_behind", "gauge", "Messages that cannot be found by their words yet", () => [plain(gauges.searchBehind())]);
    this.#add("natter_logins_total", "counter", "Logins by result: ok, the errno, or failed", () => samples(counters.logins, "result"));
    this.#add("natter_departures_total", "counter", "Sessions that ended, by cause", () => samples(counters.departures, "cause"));
    this.#add(
      "natter_messages_stored_total",
      "counter",
      "Messages stored, what was done to some, and what happened in groups, by kind",
      () => samples(counters.stored, "kind"),
    );
    this.#add("natter_messages_delivered_total", "counter", "Messages put into outgoing queues", () => [plain(gauges.delivered())]);
    this.#add(
      "natter_pushes_total",
      "counter",
      "Web Push by result: sent, failed, dropped, or gone for a subscription that is no more",
      () => samples(counters.pushes, "result"),
    );
    this.#add("natter_push_waiting", "gauge", "What waits to be looked up for Web Push, or to be sent", () => [plain(gauges.pushWaiting())]);
    this.#add("natter_commit_messages", "histogram", "Messages per commit", () => buckets(counters.commitMessages));
    this.#add("natter_commit_seconds", "histogram", "Duration of a commit", () => buckets(counters.commitSeconds));
    this.#add(
      "natter_event_loop_delay_seconds",
      "histogram",
      "How late the event loop is, looked at every 20 ms",
      () => buckets(this.#delay.histogram),
    );
    this.#add("natter_event_loop_delay_max_seconds", "gauge", "The same, the longest since the last scrape", () => [plain(this.#delay.takeMax())]);
    this.#add("process_resident_memory_bytes", "gauge", "Resident memory", () => [plain(process.memoryUsage.rss())]);
    this.#add("process_start_time_seconds", "gauge", "When the process started, since the epoch", () => [plain(performance.timeOrigin / 1000)]);
    this.#add("process_cpu_seconds_total", "counter", "User and system time", () => [plain(cpuSeconds())]);
  }

  /** The text, and its content type. `ready`: whether the database and the bus answer. */
  text(ready: boolean): { type: string; body: string } {
    this.#ready = ready;
    return { type: "text/plain; version=0.0.4; charset=utf-8", body: this.#metrics.map(format).join("") };
  }

  /** Watches no more. */
  close(): void {
    this.#delay.close();
  }

  #add(name: string, type: Metric["type"], help: string, samples: () => Sample[]): void {
    this.#metrics.push({ name, type, help, samples });
  }
}

function format({ name, type, help, samples }: Metric): string {
  const lines = samples().map(({ value, labels, suffix = "" }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(String(text))}"`).join(",");
    return `${name}${suffix}${pairs && `{${pairs}}`} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function escape(text: string): string {
  return text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
}

function plain(value: number): Sample {
  return { value, labels: {} };
}

function samples(counter: Counter, label: string): Sample[] {
  return [...counter.values].map(([name, value]) => ({ value, labels: { [label]: name } }));
}

function byKind(connections: Iterable<Measured>): Sample[] {
  const kinds = new Map<string, number>([["tcp", 0], ["tls", 0], ["websocket", 0]]);
  for (const { kind } of connections) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  return [...kinds].map(([kind, value]) => ({ value, labels: { kind } }));
}

function queued(connections: Iterable<Measured>): number {
  let sum = 0;
  for (const connection of connections) sum += connection.queued;
  return sum;
}

function buckets({ bounds, counts, sum, count }: Histogram): Sample[] {
  let below = 0;
  const rows: Sample[] = bounds.map((le, i) => ({ value: below += counts[i]!, labels: { le }, suffix: "_bucket" }));
  rows.push({ value: count, labels: { le: "+Inf" }, suffix: "_bucket" });
  rows.push({ value: sum, labels: {}, suffix: "_sum" }, { value: count, labels: {}, suffix: "_count" });
  return rows;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
