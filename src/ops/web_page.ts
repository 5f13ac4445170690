/** The web page's files, as `tools/build_page.ts` left them beside the sources, or inside the binary. */
import { type Answer, text } from "../net/answer.ts";
import { nodeCrypto } from "../node_crypto.ts";

const dist = new URL("../web/dist/", import.meta.url);

/** What is served: nothing else in the folder can be had. */
const TYPES: Readonly<Record<string, string>> = {
  "index.html": "text/html; charset=utf-8",
  "app.js": "text/javascript; charset=utf-8",
  "styles.css": "text/css; charset=utf-8",
  "chat.css": "text/css; charset=utf-8",
  "icon.svg": "image/svg+xml",
  "manifest.webmanifest": "application/manifest+json",
};

const NOT_BUILT = "The web page is not built yet: run `deno task page` in natter's folder, then load this again. The chat server itself runs.";

/** Read once, when first asked for. */
const files = new Map<string, Answer>();

/** The answer to a GET of this path; undefined: it is none of the page's. */
export async function webPage(path: string): Promise<Answer | undefined> {
  const name = path === "/" ? "index.html" : path.slice(1);
  if (!Object.hasOwn(TYPES, name)) return undefined;
  const known = files.get(name);
  if (known) return known;
  try {
    const body = await Deno.readFile(new URL(name, dist));
    const etag = `"${nodeCrypto().createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
    const answer = { status: 200, type: TYPES[name], body, headers: { etag } };
    files.set(name, answer);
    return answer;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return text(503, NOT_BUILT);
  }
}
