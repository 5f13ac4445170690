/** What HTTP GETs answer, but for the web page itself. */
import { type Answer, text } from "../net/http.ts";

/** What the answers are made of. */
export interface PageParts {
  /** Resolves when the database and, if there is one, the bus answer. */
  ready: () => Promise<unknown>;
}

/** The answer to a GET of this path; undefined: there is nothing. */
export async function pageOf(path: string, _address: string, parts: PageParts): Promise<Answer | undefined> {
  if (path === "/healthz") return text(200, "alive");
  if (path === "/readyz") return await parts.ready().then(() => text(200, "ready"), () => text(503, "the database or the bus is away"));
  return undefined;
}
