/** What HTTP GETs answer. */
import { type Answer, text } from "../net/answer.ts";
import { isLoopback } from "./limits.ts";
import { webPage } from "./web_page.ts";

/** What the answers are made of. */
export interface PageParts {
  /** Whether the database and, if there is one, the bus answer. */
  ready(): Promise<boolean>;
  /** What `/metrics` tells, and its content type. */
  metrics(): Promise<{ type: string; body: string }>;
}

/** The answer to a GET on the page's listener; undefined: there is nothing. Metrics are for callers on this machine. */
export async function pageOf(path: string, address: string, parts: PageParts): Promise<Answer | undefined> {
  if (path === "/healthz") return text(200, "alive");
  if (path === "/readyz") return await parts.ready() ? text(200, "ready") : text(503, "the database or the bus is away");
  if (path === "/metrics" && isLoopback(address)) return await metricsOf(path, parts);
  return await webPage(path);
}

/** The answer to a GET on the listener for metrics. */
export async function metricsOf(path: string, parts: PageParts): Promise<Answer | undefined> {
  return path === "/metrics" ? { status: 200, ...await parts.metrics() } : undefined;
}
