/** `/about`: what a server tells of itself to whoever has not logged in. */
import type { Registration } from "../config/config.ts";
import type { Route } from "./routes.ts";

/** What is told. */
export interface About {
  /** natter's version. */
  version: string;
  /** What this server offers beyond what every one does. */
  features: readonly string[];
  /** Who may make an account. */
  registration: Registration;
}

/** The route. */
export function aboutRoutes({ version, features, registration }: About): Route[] {
  const body = JSON.stringify({ version, features, registration }) + "\n";
  return [{
    method: "GET",
    path: "/about",
    answer: () => ({ status: 200, type: "application/json", body, headers: { "cache-control": "no-store" } }),
  }];
}
