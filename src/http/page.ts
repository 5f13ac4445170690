/** The web page's files, as `build_page.ts` left them beside the sources, or inside the binary: each as it is, and compressed. */
import { type Answer, type HttpRequest, text } from "../net/exchange.ts";
import { nodeCrypto } from "../node.ts";
import type { Route } from "./routes.ts";

const dist = new URL("../web/dist/", import.meta.url);

/** What is served: nothing else in the folder can be had. */
const TYPES: Readonly<Record<string, string>> = {
  "index.html": "text/html; charset=utf-8",
  "app.js": "text/javascript; charset=utf-8",
  "styles.css": "text/css; charset=utf-8",
  "chat.css": "text/css; charset=utf-8",
  "messages.css": "text/css; charset=utf-8",
  "files.css": "text/css; charset=utf-8",
  "emoji_en.json": "application/json; charset=utf-8",
  "emoji_zh.json": "application/json; charset=utf-8",
  "worker.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
  "icon-192.png": "image/png",
  "icon-512.png": "image/png",
  "icon-maskable.png": "image/png",
  "icon-apple.png": "image/png",
  "manifest.webmanifest": "application/manifest+json",
};

/** How files are compressed, as HTTP calls it, and what the names of those files end with; the best first. */
const CODINGS = [["br", ".br"], ["gzip", ".gz"]] as const;

const NOT_BUILT = "The web page is not built yet: run `deno task page` in natter's folder, then load this again. The chat server itself runs.";

/** Read once, when first asked for. */
const files = new Map<string, Answer>();

/** The routes. */
export function pageRoutes(): Route[] {
  const names = Object.keys(TYPES).map((name) => [`/${name}`, name] as const);
  return [["/", "index.html"] as const, ...names].map(([path, name]) => ({ method: "GET", path, answer: (request) => file(name, request) }));
}

/** Of a part that was asked for by its content (`tools/build_page.ts`), and is that: it need not be asked for again. */
const CACHED_FOR_EVER = { "cache-control": "public, max-age=31536000, immutable" };

async function file(name: string, request: HttpRequest): Promise<Answer> {
  const answer = await fileAsAccepted(name, request);
  const version = request.query.get("v");
  // Where versions change at this moment it may be the content of another one.
  if (version === null || (await read(name, "", {}))?.headers?.etag !== `"${version}"`) return answer;
  return { ...answer, headers: { ...answer.headers, ...CACHED_FOR_EVER } };
}

async function fileAsAccepted(name: string, { headers }: HttpRequest): Promise<Answer> {
  const accepted = headers["accept-encoding"];
  for (const [coding, ending] of CODINGS) {
    const there = accepts(Array.isArray(accepted) ? accepted.join() : accepted, coding) && await read(name, ending, { "content-encoding": coding });
    if (there) return there;
  }
  return await read(name, "", {}) ?? text(503, NOT_BUILT);
}

async function read(name: string, ending: string, headers: Record<string, string>): Promise<Answer | undefined> {
  const known = files.get(name + ending);
  if (known) return known;
  try {
    const body = await Deno.readFile(new URL(name + ending, dist));
    const etag = `"${nodeCrypto().createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
    const answer = { status: 200, type: TYPES[name]!, body, headers: { ...headers, etag, vary: "accept-encoding" } };
    files.set(name + ending, answer);
    return answer;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return undefined;
  }
}

/** Whether an Accept-Encoding allows this coding: named, or by a `*`, and not with a weight of 0. */
export function accepts(header: string | undefined, coding: string): boolean {
  const weights = new Map(
    (header ?? "").toLowerCase().split(",").map((item) => {
      const [name = "", ...parameters] = item.split(";").map((part) => part.trim());
      const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
      return [name, weight === undefined ? 1 : Number(weight)];
    }),
  );
  return (weights.get(coding) ?? weights.get("*") ?? 0) > 0;
}
