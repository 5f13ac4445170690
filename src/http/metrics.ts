/** `/metrics`, for Prometheus. */
import type { Route } from "./routes.ts";

/** What is told, and its content type. */
export interface MetricsText {
  /** The content type. */
  type: string;
  /** The text. */
  body: string;
}

/** The route. @param measure asked for every request @param localOnly on the page's listener they are for callers on this machine */
export function metricsRoutes(measure: () => Promise<MetricsText>, localOnly: boolean): Route[] {
  return [{
    method: "GET",
    path: "/metrics",
    answer: async ({ local }) => local || !localOnly ? { status: 200, ...await measure() } : undefined,
  }];
}
