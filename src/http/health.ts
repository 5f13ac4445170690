/** `/healthz`, the process runs, and `/readyz`, it can serve: for supervisors and balancers. */
import { text } from "../net/exchange.ts";
import type { Route } from "./routes.ts";

/** The routes. @param lacks what the node lacks to serve, if anything; asked for every request */
export function healthRoutes(lacks: () => Promise<string | undefined>): Route[] {
  return [
    { method: "GET", path: "/healthz", answer: () => text(200, "alive") },
    {
      method: "GET",
      path: "/readyz",
      answer: async () => {
        const lacking = await lacks();
        return lacking === undefined ? text(200, "ready") : text(503, lacking);
      },
    },
  ];
}
