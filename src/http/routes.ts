/** Which of those who serve something over HTTP answers a request. */
import { type Answer, type HttpRequest, text } from "../net/exchange.ts";
import { log } from "../ops/log.ts";
import { StoreUnavailable } from "../store/store.ts";

/** One thing that is served. */
export interface Route {
  /** GET answers HEAD as well. */
  readonly method: "GET" | "POST";
  /** The whole path; one that ends with `/*` stands for all that is directly below it. */
  readonly path: string;
  /** Answers one; undefined: there is nothing, for this caller. */
  answer(request: HttpRequest): Answer | undefined | Promise<Answer | undefined>;
}

/** Finds the route of a request. */
export class Routes {
  readonly #routes = new Map<string, Route[]>();

  /** Knows these routes. */
  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#routes.set(route.path, [...this.#routes.get(route.path) ?? [], route]);
  }

  /** The answer of the route that fits; 404 if there is none, 405 if only the method does not fit. Rejects if the route fails. */
  async answer(request: HttpRequest): Promise<Answer> {
    const { path } = request;
    const there = this.#routes.get(path) ?? this.#routes.get(path.slice(0, path.lastIndexOf("/") + 1) + "*");
    if (!there) return notFound();
    const route = there.find(({ method }) => method === request.method);
    if (!route) return text(405, "method not allowed", { allow: there.map(({ method }) => method === "GET" ? "GET, HEAD" : method).join(", ") });
    try {
      return await route.answer(request) ?? notFound();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      log.warning("the database is away; a request over HTTP is refused", { path, error });
      return text(503, "the database is away", { "retry-after": "1" });
    }
  }
}

function notFound(): Answer {
  return text(404, "not found");
}
