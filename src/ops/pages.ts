/** What HTTP GETs answer, but for the web page itself. */
import { type Answer, text } from "../net/http.ts";

/** What the answers are made of. */
export interface PageParts {
  /** Resolves when the database answers. */
  ready: () => Promise<void>;
}

/** The answer to a GET of this path; undefined: there is nothing. */
export async function pageOf(path: string, _address: string, parts: PageParts): Promise<Answer | undefined> {
  if (path === "/healthz") return text(200, "alive");
  if (path === "/readyz") return await parts.ready().then(() => text(200, "ready"), () => text(503, "the database is away"));
  return undefined;
}
