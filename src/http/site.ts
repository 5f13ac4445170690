/** All that is served over HTTP. It is loaded where something listens for HTTP, and when TCP is served already. */
import type { Sending } from "../chat/sending.ts";
import type { Terms } from "../chat/terms.ts";
import type { Config } from "../config/config.ts";
import type { Folder } from "../files/folder.ts";
import { Uploads } from "../files/uploads.ts";
import type { Answer, HttpRequest } from "../net/exchange.ts";
import type { Answering } from "../net/listeners.ts";
import type { Limits } from "../ops/limits.ts";
import type { ReadinessParts } from "../ops/readiness.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import type { Store } from "../store/store.ts";
import { aboutRoutes } from "./about.ts";
import { Exports } from "./export.ts";
import { fileRoutes, noFileRoutes } from "./files.ts";
import { healthRoutes } from "./health.ts";
import { hookRoutes } from "./hooks.ts";
import { metricsRoutes } from "./metrics.ts";
import type { Gauges } from "./metrics_text.ts";
import { Monitoring } from "./monitoring.ts";
import { pageRoutes } from "./page.ts";
import { Routes } from "./routes.ts";

/** What it is made of. */
export interface SiteParts {
  /** The settings. */
  config: Pick<Config, "maxFile" | "maxLine" | "userQuota">;
  /** The database. */
  store: Store;
  /** Where files stand; undefined: there are none. */
  folder: Folder | undefined;
  /** What stores what hooks say. */
  sending: Sending;
  /** Who may ask how often. */
  limits: Limits;
  /** When tokens end. */
  time: TrustedTime;
  /** What the server tells of itself. */
  terms: Terms;
  /** What must answer for the node to be ready. */
  readiness: ReadinessParts;
  /** What is measured. */
  gauges: Gauges;
}

/** Answers over HTTP. */
export class Site implements Answering {
  readonly #monitoring: Monitoring;
  readonly #exports: Exports;
  readonly #uploads: Uploads | undefined;
  readonly #page: Routes;
  readonly #metrics: Routes;

  /** Joins its parts. */
  constructor({ config: { maxFile, maxLine, userQuota }, store, folder, sending, limits, time, terms, readiness, gauges }: SiteParts) {
    const monitoring = this.#monitoring = new Monitoring(readiness, gauges);
    this.#exports = new Exports({ store, limits, time });
    const uploads = this.#uploads = folder && new Uploads({ store, folder, time, quota: userQuota });
    this.#page = new Routes([
      ...aboutRoutes(terms),
      ...healthRoutes(() => monitoring.lacks()),
      ...metricsRoutes(() => monitoring.measure(), true),
      ...pageRoutes(),
      ...folder && uploads ? fileRoutes({ store, folder, uploads, limits, time, maxFile }) : noFileRoutes(),
      ...this.#exports.routes(),
      ...hookRoutes({ store, sending, limits, maxLine }),
    ]);
    this.#metrics = new Routes(metricsRoutes(() => monitoring.measure(), false));
  }

  /** What is asked on the page's listeners. */
  page(request: HttpRequest): Promise<Answer> {
    return this.#page.answer(request);
  }

  /** What is asked on the one for metrics. */
  metrics(request: HttpRequest): Promise<Answer> {
    return this.#metrics.answer(request);
  }

  /** The server stops: exports that are under way break off. */
  stop(): void {
    this.#exports.close();
  }

  /** Resolves when no upload is under way. */
  async idle(): Promise<void> {
    await this.#uploads?.idle();
  }

  /** Measures no more. */
  async close(): Promise<void> {
    await this.#monitoring.close();
  }
}
